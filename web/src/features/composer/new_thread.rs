//! The button "New thread" and the form it reveals.

use chanterelle_core::base::BoardName;
use chanterelle_core::event::Content;
use leptos::prelude::*;
use leptos::{ev, html};
use leptos_router::hooks::use_navigate;

use super::CommentBox;
use crate::features::catalog::thread_path;
use crate::i18n as t;
use crate::kit::{alert_if, live, waiting};
use crate::state::Client;

/// The button and, once pressed, the form. Leads to the thread when it is published.
pub(crate) fn new_thread(board: BoardName) -> AnyView {
    let open = RwSignal::new(false);
    let button = html::button()
        .r#type("button")
        .class("main")
        .attr("aria-expanded", live(move || if open.get() { "true" } else { "false" }))
        .attr("aria-controls", "new-thread")
        .on(ev::click, move |_| open.update(|open| *open = !*open))
        .child(t::NEW_THREAD);
    let form = live(move || open.get().then(|| form(board.clone(), open)));
    (button, html::div().id("new-thread").child(form)).into_any()
}

fn form(board: BoardName, open: RwSignal<bool>) -> AnyView {
    let client = Client::here();
    let navigate = use_navigate();
    let subject = NodeRef::<html::Input>::new();
    let comment = CommentBox::new();
    let busy = RwSignal::new(false);
    let failed = RwSignal::new(None::<String>);
    let submit = move || {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        failed.set(None);
        let subject =
            subject.get_untracked().map(|input| input.value()).filter(|text| !text.trim().is_empty());
        let content = Content::Thread { board: board.clone(), subject, comment: comment.text() };
        let (board, navigate) = (board.clone(), navigate.clone());
        client.publish(content, move |answer| {
            // The person may have gone elsewhere meanwhile, and the form with them.
            if busy.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(published) => {
                    navigate(&thread_path(&board, &published.event), Default::default());
                }
                Err(error) => failed.set(Some(t::not_published(&error))),
            }
        });
    };
    subject.on_load(|input| {
        request_animation_frame(move || {
            let _ = input.focus();
        });
    });
    html::form()
        .class("composer")
        .aria_label(t::NEW_THREAD)
        .on(ev::submit, {
            let submit = submit.clone();
            move |event: ev::SubmitEvent| {
                event.prevent_default();
                submit();
            }
        })
        .child((
            html::label().attr("for", "subject").child((
                t::SUBJECT,
                html::span().class("quiet").attr("aria-hidden", "true").child((" ", t::OPTIONAL)),
            )),
            html::input().id("subject").r#type("text").autocomplete("off").node_ref(subject),
            comment.view("comment".to_owned(), t::COMMENT, submit),
            alert_if(move || failed.get()),
            html::div().class("form-foot").child((
                html::button().r#type("submit").class("main").child(t::POST),
                html::button().r#type("button").on(ev::click, move |_| open.set(false)).child(t::CANCEL),
                comment.count(),
                live(move || busy.get().then(|| waiting(t::SIGNING))),
            )),
            html::p().class("quiet").child(t::PSEUDONYM),
        ))
        .into_any()
}
