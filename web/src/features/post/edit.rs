//! Editing an own post in its place.

use chanterelle_core::event::Content;
use chanterelle_core::view::PostView;
use leptos::prelude::*;
use leptos::{ev, html};

use crate::features::composer::CommentBox;
use crate::i18n as t;
use crate::kit::alert_if;
use crate::state::Client;

/// The form "Edit post". Clears `editing` when the edit is published or given up.
pub(super) fn edit(post: RwSignal<PostView>, editing: RwSignal<bool>) -> AnyView {
    let client = Client::here();
    let (target, opens, subject, text) =
        post.with_untracked(|post| (post.id, post.opens, post.subject.clone(), post.comment.clone()));
    let comment = CommentBox::new();
    let subject_input = NodeRef::<html::Input>::new();
    let failed = RwSignal::new(None::<String>);
    let save = move || {
        let subject =
            subject_input.get_untracked().map(|input| input.value()).filter(|text| !text.trim().is_empty());
        let content = Content::Edit { target, comment: comment.text(), subject };
        client.publish(content, move |answer| match answer {
            Ok(_) => {
                editing.try_set(false);
            }
            Err(error) => {
                failed.try_set(Some(t::not_published(&error)));
            }
        });
    };
    let id = format!("edit-{}", target.short());
    comment.fill_when_drawn(text);
    html::form()
        .class("edit")
        .aria_label(t::EDIT_POST)
        .on(ev::submit, move |event| {
            event.prevent_default();
            save();
        })
        .child((
            opens.then(|| {
                html::input()
                    .r#type("text")
                    .aria_label(t::EDITED_SUBJECT)
                    .attr("value", subject)
                    .node_ref(subject_input)
            }),
            comment.view(id, t::EDITED_COMMENT, save),
            alert_if(move || failed.get()),
            html::div().class("form-foot").child((
                html::button().r#type("submit").class("main").child(t::SAVE),
                html::button().r#type("button").on(ev::click, move |_| editing.set(false)).child(t::CANCEL),
                comment.count(),
            )),
            html::p().class("quiet").child(t::EDITED_LATER),
        ))
        .into_any()
}
