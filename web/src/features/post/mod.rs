//! A post: who wrote it, what it says, how far it has come, and what can be done with it.

mod edit;
mod menu;

use chanterelle_core::base::AuthorId;
use chanterelle_core::view::{PostState, PostView};
use leptos::prelude::*;
use leptos::{ev, html};

use super::comment::{comment, excerpt, mark};
use super::media::{post_files, quoted_files};
use super::thread::Here;
use crate::i18n as t;
use crate::kit::{each, live, stamp};

/// The posts of a thread, opening post first.
pub(crate) fn posts() -> AnyView {
    html::div().class("posts").child(each(Here::get().view.posts, post)).into_any()
}

/// A post in its thread.
fn post(post: RwSignal<PostView>) -> AnyView {
    let here = Here::get();
    let (id, author, time, own, opens, sage) =
        post.with_untracked(|post| (post.id, post.author, post.time, post.own, post.opens, post.sage));
    let state = Memo::new(move |_| post.with(|post| post.state));
    let by_opener = Memo::new(move |_| post.with(|post| post.by_opener));
    let edited = Memo::new(move |_| post.with(|post| post.edited.filter(|_| !post.deleted)));
    let deleted = Memo::new(move |_| post.with(|post| post.deleted));
    let editing = RwSignal::new(false);
    let short = id.short();
    let edited_mark = move |time| {
        html::span().class("mark").attr("title", t::EDITED_LATER).child((t::EDITED, " ", stamp(time)))
    };
    html::article()
        .id(id.to_string())
        .class("post")
        .class(("opening", opens))
        .class(("own", own))
        .class(("target", live(move || here.is_target(&id))))
        .attr("data-id", id.to_string())
        .attr("data-author", author.to_string())
        .attr("data-state", live(move || state.get().as_str()))
        .aria_label(t::post_label(&short))
        .attr("tabindex", "-1")
        .child((
            html::header().child((
                html::div().class("post-meta").child((
                    author_view(&author),
                    live(move || by_opener.get().then(|| mark(t::OP))),
                    own.then(|| mark(t::YOU)),
                    sage.then(|| mark(t::SAGE_MARK)),
                    html::span().class("when").child(stamp(time)),
                    html::a()
                        .class("number")
                        .href(here.post_path(&id))
                        .child((html::span().class("sign").child((t::NUMBER, " ")), short)),
                    live(move || edited.get().map(edited_mark)),
                    own.then(|| live(move || post_state(state.get()))),
                )),
                html::div().class("post-actions").child((
                    live(move || (!deleted.get()).then(|| quote_button(post))),
                    menu::menu(post, editing),
                )),
            )),
            post_files(post),
            live(move || if editing.get() { edit::edit(post, editing) } else { body(post, here) }),
            backlinks(post, here),
        ))
        .into_any()
}

/// A post as a preview shows it: to look at only.
pub(crate) fn still(post: &PostView) -> AnyView {
    let text = if post.deleted { deleted() } else { excerpt(&post.comment) };
    (
        html::div().class("post-meta").child((
            post.subject.clone().map(|subject| html::strong().class("subject").child(subject)),
            author_view(&post.author),
            post.by_opener.then(|| mark(t::OP)),
            post.own.then(|| mark(t::YOU)),
            html::span().class("when").child(stamp(post.time)),
        )),
        quoted_files(post),
        html::div().class("comment").child(text),
    )
        .into_any()
}

/// How far an own post has come, in a word.
pub(crate) fn post_state(state: PostState) -> AnyView {
    let (word, long) = match state {
        PostState::Pending => (t::STATE_PENDING, t::STATE_PENDING_LONG),
        PostState::Saved => (t::STATE_SAVED, t::STATE_SAVED_LONG),
        PostState::Sent => (t::STATE_SENT, t::STATE_SENT_LONG),
    };
    html::span().class("state").attr("data-shown", state.as_str()).attr("title", long).child(word).into_any()
}

fn body(post: RwSignal<PostView>, here: Here) -> AnyView {
    // Only what the comment is made of: a post that is saved or answered is not drawn again, so an open spoiler stays
    // open.
    let parts = Memo::new(move |_| {
        post.with(|post| (!post.deleted).then(|| (post.comment.clone(), here.quotes(post.quotes.clone()))))
    });
    let content = live(move || {
        parts.with(|parts| match parts {
            Some((text, quotes)) => comment(text, quotes),
            None => deleted(),
        })
    });
    html::div().class("comment").attr("data-part", "comment").child(content).into_any()
}

fn deleted() -> AnyView {
    html::em().class("quiet").child(t::DELETED).into_any()
}

/// The colour comes from the key, so that one sees at a glance who speaks; the digits are what tells two apart.
fn author_view(author: &AuthorId) -> AnyView {
    let hue = u32::from(u16::from_be_bytes([author.0[0], author.0[1]])) % 360;
    html::span()
        .class("author")
        .attr("title", author.to_string())
        .style(("--hue", hue.to_string()))
        .child(t::author_label(&author.short()))
        .into_any()
}

fn quote_button(post: RwSignal<PostView>) -> AnyView {
    let here = Here::get();
    html::button()
        .r#type("button")
        .class("plain")
        // Pressing must not take away the selection that is to be quoted.
        .on(ev::mousedown, |event| event.prevent_default())
        .on(ev::click, move |_| here.reply.quote(post.with_untracked(|post| post.id)))
        .child(t::QUOTE)
        .into_any()
}

fn backlinks(post: RwSignal<PostView>, here: Here) -> AnyView {
    let ids = Memo::new(move |_| post.with(|post| post.backlinks.clone()));
    let links = live(move || {
        let ids = ids.get();
        let link = move |id| {
            let link = html::a().class("quote").attr("data-ref", format!("{id}")).href(here.post_path(&id));
            (link.child(format!(">>{}", id.short())), " ")
        };
        (!ids.is_empty()).then(|| {
            let links = ids.into_iter().map(link).collect::<Vec<_>>();
            let label = html::span().class("quiet").child((t::REPLIES, " "));
            html::p().class("backlinks").child((label, links)).into_any()
        })
    });
    links.into_any()
}
