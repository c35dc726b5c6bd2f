//! What a person sees, folded from the index and the events' bodies. Dropping a view and folding again gives the same.
//!
//! Views rank, hide and count; they never decide what is valid.

mod board;
mod catalog;
mod thread;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::{AuthorId, BoardId, BoardName, EventId, Seconds, ThreadId};
use crate::event::{Attachment, BlobRef, RenditionBody};
use crate::store::{Index, RowRef};

pub use board::board_card;
pub use catalog::{Bump, bump, thread_card};
pub(crate) use thread::texts_needed;
pub use thread::{Text, Texts, post_view, text_of, thread_head};

/// What views are folded from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The events held.
    pub index: &'a Index,
    /// What those say that are shown.
    pub texts: &'a Texts,
    /// How far each has come.
    pub state: &'a dyn Fn(RowRef<'_>) -> PostState,
    /// Whose renditions are believed, beside those of a post's author.
    pub producers: &'a BTreeSet<AuthorId>,
}

/// A change to a keyed collection: first remove, then put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta<K, V> {
    /// Whether the collection starts anew; then `put` is all of it.
    pub reset: bool,
    /// Items that are gone.
    pub remove: Vec<K>,
    /// Items that are new or changed, each whole.
    pub put: Vec<V>,
}

/// How far a post has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PostState {
    /// Not yet durable here.
    Pending,
    /// Stored durably here.
    Saved,
    /// Written here, and another peer has acknowledged that it stored it.
    Sent,
}

impl PostState {
    /// The word for it: `pending`, `saved` or `sent`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PostState::Pending => "pending",
            PostState::Saved => "saved",
            PostState::Sent => "sent",
        }
    }
}

/// A board in the list of boards. Shown by `last`, latest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardCard {
    /// The board.
    pub id: BoardId,
    /// Its name, as its use or a peer announced it.
    pub name: BoardName,
    /// Threads held.
    pub threads: u32,
    /// Posts held, opening posts included.
    pub posts: u32,
    /// When the latest post was written, never later than it was first seen; `None` for a board without posts here.
    pub last: Option<Seconds>,
    /// Whether its events are kept here.
    pub subscribed: bool,
}

/// A thread in a catalog. Shown by (`bumped`, `id`), latest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadCard {
    /// The thread.
    pub id: ThreadId,
    /// Who opened it.
    pub author: AuthorId,
    /// Its title.
    pub subject: Option<String>,
    /// The beginning of the opening comment, empty when withdrawn.
    pub excerpt: String,
    /// Whether the opening post was withdrawn.
    pub deleted: bool,
    /// Replies held.
    pub replies: u32,
    /// When it was opened, as its author says.
    pub time: Seconds,
    /// What it is sorted by.
    pub bumped: Seconds,
    /// Whether replies no longer bump it.
    pub bump_limit: bool,
    /// Whether it was opened here.
    pub own: bool,
    /// How far the opening post has come.
    pub state: PostState,
    /// The first file of the opening post.
    pub file: Option<Attachment>,
    /// What was made of it by those who are believed.
    pub renditions: Vec<Rendition>,
    /// Files of the opening post.
    pub files: u8,
}

/// What is said above a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadHead {
    /// The thread.
    pub id: ThreadId,
    /// Its board.
    pub board: BoardId,
    /// Its board's name, when it was announced.
    pub board_name: Option<BoardName>,
    /// Its title.
    pub subject: Option<String>,
    /// Replies held.
    pub replies: u32,
    /// Whether replies no longer bump it.
    pub bump_limit: bool,
}

/// A post. Shown by (`time`, `id`), earliest first, the opening post before all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostView {
    /// The post.
    pub id: EventId,
    /// Its board.
    pub board: BoardId,
    /// Its board's name, when it was announced.
    pub board_name: Option<BoardName>,
    /// The thread it is in; its own id for an opening post.
    pub thread: ThreadId,
    /// Who signed it.
    pub author: AuthorId,
    /// When, as the author says.
    pub time: Seconds,
    /// Whether it was written here.
    pub own: bool,
    /// Whether it opens the thread.
    pub opens: bool,
    /// Whether it is by whoever opened the thread.
    pub by_opener: bool,
    /// The title, of an opening post.
    pub subject: Option<String>,
    /// What it says after all edits; empty when withdrawn.
    pub comment: String,
    /// When the shown text was written, if it is an edit.
    pub edited: Option<Seconds>,
    /// Whether its author withdrew it.
    pub deleted: bool,
    /// The files it carries; none when withdrawn.
    pub files: Vec<Attachment>,
    /// What was made of them by those who are believed.
    pub renditions: Vec<Rendition>,
    /// Whether it asked not to bump.
    pub sage: bool,
    /// How far it has come.
    pub state: PostState,
    /// What the quotes in the comment may mean: the posts it refers to.
    pub quotes: Vec<QuoteTarget>,
    /// The posts held that refer to it, in the order they were written.
    pub backlinks: Vec<EventId>,
}

/// What somebody has made of a file of a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendition {
    /// The result.
    pub blob: BlobRef,
    /// Who made it.
    pub producer: AuthorId,
    /// Of what, and what for.
    #[serde(with = "crate::event::whole_rendition")]
    pub made: RenditionBody,
}

/// The person of a node, as they are shown to themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their identity.
    pub author: AuthorId,
    /// What they are called in their friend codes.
    pub name: Option<String>,
    /// How often they have made their codes useless; codes of before no longer find them.
    pub generation: u32,
    /// Their friends, by identity.
    pub friends: Vec<FriendCard>,
    /// Whom they follow.
    pub follows: Vec<AuthorId>,
}

/// A friend, as the person sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FriendCard {
    /// Who.
    pub author: AuthorId,
    /// What they called themselves in their code.
    pub name: Option<String>,
    /// The board their code opened.
    pub board: Option<BoardName>,
    /// When they last told where they are, as they say; `None` when that was not found.
    pub seen: Option<Seconds>,
}

/// A post that a quote means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteTarget {
    /// The post.
    pub id: EventId,
    /// Where it is held: its board's name, if announced, and its thread. `None` when it is not held here.
    pub place: Option<(Option<BoardName>, ThreadId)>,
    /// Whether it was written here.
    pub own: bool,
}
