//! The form "Reply" below a thread, and quoting into it.

use chanterelle_core::base::{BoardId, EventId, ThreadId};
use chanterelle_core::event::{Content, quotes_in};
use leptos::prelude::*;
use leptos::{ev, html};

use super::CommentBox;
use crate::i18n as t;
use crate::kit::{alert_if, live, waiting};
use crate::state::Client;

/// The box of the form and what was quoted into it. A handle.
#[derive(Clone, Copy)]
pub(crate) struct ReplyBox {
    comment: CommentBox,
    /// Posts quoted by their buttons: the text has only 8 digits of each.
    quoted: StoredValue<Vec<EventId>>,
}

impl ReplyBox {
    /// An empty box.
    pub(crate) fn new() -> Self {
        Self { comment: CommentBox::new(), quoted: StoredValue::new(Vec::new()) }
    }

    /// Quotes a post at the caret, with the text that is selected in it as greentext.
    pub(crate) fn quote(self, post: EventId) {
        let mut text = format!(">>{}\n", post.short());
        for line in selection_in(&post).lines().filter(|line| !line.trim().is_empty()) {
            text.push('>');
            text.push_str(line);
            text.push('\n');
        }
        self.quoted.update_value(|quoted| {
            if !quoted.contains(&post) {
                quoted.push(post);
            }
        });
        self.comment.insert_lines(&text);
        self.comment.focus();
    }

    /// The quoted posts that `comment` still quotes.
    fn quotes(self, comment: &str) -> Vec<EventId> {
        self.quoted.with_value(|quoted| {
            let mut quotes = quoted.clone();
            quotes.retain(|id| quotes_in(comment).any(|(_, digits)| digits == id.short()));
            quotes
        })
    }

    fn clear(self) {
        self.comment.set_text("");
        self.quoted.set_value(Vec::new());
    }
}

/// The text selected in the comment of a post; empty when there is none or it reaches beyond.
fn selection_in(post: &EventId) -> String {
    let text = || {
        let selection = window().get_selection().ok()??;
        let article = document().get_element_by_id(&post.to_string())?;
        let comment = article.query_selector("[data-part=\"comment\"]").ok()??;
        let within = comment.contains(selection.anchor_node().as_ref())
            && comment.contains(selection.focus_node().as_ref());
        within.then(|| String::from(selection.to_string()))
    };
    text().unwrap_or_default()
}

/// The form. `posted` is called with the new post.
pub(crate) fn reply_form(
    reply: ReplyBox,
    board: BoardId,
    thread: ThreadId,
    posted: impl Fn(EventId) + Copy + 'static,
) -> AnyView {
    let client = Client::here();
    let sage = NodeRef::<html::Input>::new();
    let busy = RwSignal::new(false);
    let failed = RwSignal::new(None::<String>);
    let submit = move || {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        failed.set(None);
        let comment = reply.comment.text();
        let content = Content::Post {
            board,
            thread,
            sage: sage.get_untracked().is_some_and(|sage| sage.checked()),
            quotes: reply.quotes(&comment),
            comment,
        };
        client.publish(content, move |answer| {
            if busy.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(published) => {
                    reply.clear();
                    posted(published.event);
                }
                Err(error) => failed.set(Some(t::not_published(&error))),
            }
        });
    };
    html::form()
        .class("composer reply")
        .aria_label(t::REPLY)
        .on(ev::submit, move |event| {
            event.prevent_default();
            submit();
        })
        .child((
            reply.comment.view("comment".to_owned(), t::COMMENT, submit),
            alert_if(move || failed.get()),
            html::div().class("form-foot").child((
                html::button().r#type("submit").class("main").child(t::POST),
                html::label().class("check").child((
                    html::input().r#type("checkbox").node_ref(sage),
                    html::span().child((t::SAGE, " ", html::span().class("quiet").child(t::SAGE_HINT))),
                )),
                reply.comment.count(),
                live(move || busy.get().then(|| waiting(t::SIGNING))),
            )),
        ))
        .into_any()
}
