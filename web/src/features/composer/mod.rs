//! Where posts are written. What is written stays in its box until the node has taken it.

mod attach;
mod comment_box;
mod new_thread;
mod reply;

pub(crate) use comment_box::CommentBox;
pub(crate) use new_thread::new_thread;
pub(crate) use reply::{ReplyBox, reply_form};
