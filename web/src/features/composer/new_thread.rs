//! The button "New thread" and the form it reveals.

use chanterelle_core::base::BoardName;
use chanterelle_core::event::Content;
use leptos::prelude::*;
use leptos::{ev, html};
use leptos_router::hooks::use_navigate;

use super::attach::{Attachments, Taken};
use super::comment_box::CommentBox;
use crate::features::paths::thread_path;
use crate::i18n as t;
use crate::kit::{alert_if, live, waiting};
use crate::state::Client;

/// The button and the form, which is hidden when it is not open: what is written in it stays. Leads to the thread when
/// it is published.
pub(crate) fn new_thread(board: BoardName) -> AnyView {
    revealed(move |open| form(board, open))
}

fn revealed(form: impl FnOnce(RwSignal<bool>) -> AnyView) -> AnyView {
    let open = RwSignal::new(false);
    let button = html::button()
        .r#type("button")
        .class("main")
        .attr("aria-expanded", live(move || if open.get() { "true" } else { "false" }))
        .attr("aria-controls", "new-thread")
        .on(ev::click, move |_| open.update(|open| *open = !*open))
        .child(t::NEW_THREAD);
    let hidden = live(move || !open.get());
    (button, html::div().id("new-thread").attr("hidden", hidden).child(form(open))).into_any()
}

fn form(board: BoardName, open: RwSignal<bool>) -> AnyView {
    let client = Client::here();
    let navigate = use_navigate();
    let subject = NodeRef::<html::Input>::new();
    let comment = CommentBox::new();
    let files = Attachments::new();
    let busy = RwSignal::new(false);
    let failed = RwSignal::new(None::<String>);
    let publish = move |taken: Taken| {
        busy.set(true);
        failed.set(None);
        let subject =
            subject.get_untracked().map(|input| input.value()).filter(|text| !text.trim().is_empty());
        let content =
            Content::Thread { board: board.clone(), subject, comment: comment.text(), files: taken.files() };
        let (board, navigate) = (board.clone(), navigate.clone());
        client.publish(content, move |answer| {
            files.settle(&taken, answer.is_ok());
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
    let submit = move || {
        if !busy.get_untracked() {
            files.when_ready(publish.clone());
        }
    };
    let cancel = move |_| {
        files.stop_waiting();
        open.set(false);
    };
    Effect::new(move |_| {
        if open.get()
            && let Some(input) = subject.get_untracked()
        {
            // Once it is no longer hidden.
            request_animation_frame(move || {
                let _ = input.focus();
            });
        }
    });
    html::form()
        .class("composer")
        .aria_label(t::NEW_THREAD)
        .on(ev::dragover, move |event| files.on_drag(&event))
        .on(ev::drop, move |event| files.on_drop(&event))
        .on(ev::paste, move |event| files.on_paste(&event))
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
            files.view(),
            alert_if(move || failed.get()),
            html::div().class("form-foot").child((
                html::button().r#type("submit").class("main").child(t::POST),
                html::button().r#type("button").on(ev::click, cancel).child(t::CANCEL),
                comment.count(),
                live(move || busy.get().then(|| waiting(t::SIGNING))),
            )),
            html::p().class("quiet").child(t::PSEUDONYM),
        ))
        .into_any()
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use leptos::html;
    use leptos::mount::mount_to;
    use leptos::prelude::*;
    use leptos::task::tick;
    use wasm_bindgen::JsCast as _;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::{HtmlElement, HtmlInputElement};

    use super::revealed;

    #[wasm_bindgen_test]
    async fn what_is_written_stays_while_the_form_is_hidden() {
        let body = document().body().expect("a page has a body");
        let place: HtmlElement = document().create_element("div").expect("a plain name").unchecked_into();
        body.append_child(&place).expect("a body takes elements");
        let _mounted = mount_to(place.clone(), || revealed(|_| html::input().r#type("text").into_any()));
        let find = |what| place.query_selector(what).expect("a selector").expect("it is there");
        let button: HtmlElement = find("button").unchecked_into();
        let input: HtmlInputElement = find("input").unchecked_into();
        let is_hidden = || input.closest("[hidden]").expect("a selector").is_some();
        tick().await;
        assert!(is_hidden());

        button.click();
        tick().await;
        assert!(!is_hidden());
        input.set_value("Chanterelles by the mill");
        for hidden in [true, false] {
            button.click();
            tick().await;
            assert_eq!(is_hidden(), hidden);
        }
        assert!(input.is_connected(), "it is still the same");
        assert_eq!(input.value(), "Chanterelles by the mill");
        place.remove();
    }
}
