//! The form "Reply" below a thread, and quoting into it.

use chanterelle_core::base::{BoardId, EventId, ThreadId};
use chanterelle_core::event::{Content, quotes_in};
use leptos::prelude::*;
use leptos::{ev, html};
use web_sys::ScrollLogicalPosition;

use super::attach::{Attachments, Taken};
use super::comment_box::CommentBox;
use crate::i18n as t;
use crate::kit::{alert_if, live, scroll_to, waiting};
use crate::state::Client;

/// The box of the form and what was quoted into it. A handle.
#[derive(Clone, Copy)]
pub(crate) struct ReplyBox {
    comment: CommentBox,
    /// Posts quoted by their buttons: the text has only 8 digits of each.
    quoted: StoredValue<Vec<EventId>>,
    files: Attachments,
}

impl ReplyBox {
    /// An empty box.
    pub(crate) fn new() -> Self {
        Self { comment: CommentBox::new(), quoted: StoredValue::new(Vec::new()), files: Attachments::new() }
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
        // Where the form comes up over the end of the window, what is answered may be there.
        if self.comment.focus()
            && let Some(article) = document().get_element_by_id(&post.to_string())
            && let Ok(Some(header)) = article.query_selector("header")
        {
            scroll_to(&header, ScrollLogicalPosition::Nearest);
        }
    }

    /// The quoted posts that `comment` still quotes.
    fn quotes(self, comment: &str) -> Vec<EventId> {
        self.quoted.with_value(|quoted| {
            let mut quotes = quoted.clone();
            quotes.retain(|id| quotes_in(comment).any(|(_, digits)| digits == id.short()));
            quotes
        })
    }

    /// Empties the box of what was published. What was typed meanwhile is not part of that, and stays.
    fn clear(self, published: &str) {
        if self.comment.text() == published {
            self.comment.set_text("");
            self.quoted.set_value(Vec::new());
        }
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
    let files = reply.files;
    let publish = move |taken: Taken| {
        busy.set(true);
        failed.set(None);
        let comment = reply.comment.text();
        let content = Content::Post {
            board,
            thread,
            sage: sage.get_untracked().is_some_and(|sage| sage.checked()),
            quotes: reply.quotes(&comment),
            comment: comment.clone(),
            files: taken.files(),
        };
        client.publish(content, move |answer| {
            files.settle(&taken, answer.is_ok());
            if busy.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(published) => {
                    reply.clear(&comment);
                    posted(published.event);
                }
                Err(error) => failed.set(Some(t::not_published(&error))),
            }
        });
    };
    let submit = move || {
        if !busy.get_untracked() {
            files.when_ready(publish);
        }
    };
    html::form()
        .class("composer reply")
        .aria_label(t::REPLY)
        .on(ev::dragover, move |event| files.on_drag(&event))
        .on(ev::drop, move |event| files.on_drop(&event))
        .on(ev::paste, move |event| files.on_paste(&event))
        .on(ev::submit, move |event| {
            event.prevent_default();
            submit();
        })
        .child((
            reply.comment.view("comment".to_owned(), t::COMMENT, submit),
            files.view(),
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

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use leptos::mount::mount_to;
    use leptos::prelude::*;
    use wasm_bindgen::JsCast as _;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::HtmlElement;

    use super::ReplyBox;

    #[wasm_bindgen_test]
    fn what_is_typed_while_a_reply_is_published_stays() {
        let body = document().body().expect("a page has a body");
        let place: HtmlElement = document().create_element("div").expect("a plain name").unchecked_into();
        body.append_child(&place).expect("a body takes elements");
        let owner = Owner::new();
        let reply = owner.with(ReplyBox::new);
        let _mounted =
            mount_to(place.clone(), move || reply.comment.view("test".to_owned(), "Comment", || ()));

        reply.comment.set_text("first");
        reply.clear("first");
        assert_eq!(reply.comment.text(), "");
        reply.comment.set_text("first and more");
        reply.clear("first");
        assert_eq!(reply.comment.text(), "first and more");
        place.remove();
    }
}
