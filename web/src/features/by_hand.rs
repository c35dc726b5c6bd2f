//! Connecting to somebody without any relay: an offer goes there and an answer comes back, by whatever way two people have.

use leptos::prelude::*;
use leptos::{ev, html};

use super::code::{CodeField, code_field};
use super::peers::reason;
use super::qr::qr_code;
use super::scan::scanner;
use crate::i18n as t;
use crate::kit::{Work, live};
use crate::link::Taken;
use crate::state::{Client, Direct};

/// What is to be passed on.
#[derive(Clone, PartialEq)]
enum Shown {
    Nothing,
    Offer(String),
    Answer(String),
}

/// Both sides of it: whoever begins makes an offer, the other pastes it.
pub(crate) fn by_hand() -> AnyView {
    let (client, direct) = (Client::here(), Direct::here());
    let shown = RwSignal::new(Shown::Nothing);
    let work = Work::new();
    let refusal = move || {
        if !direct.can_be {
            return Some(t::DIRECT_CANNOT);
        }
        let is_allowed = direct.choice.get_untracked() == Some(true);
        direct.wanted.set(!is_allowed);
        (!is_allowed).then_some(t::HAND_PRIVATE)
    };
    let offer = move |_| {
        if let Some(why) = refusal() {
            return work.refuse(why);
        }
        work.begin(t::OFFERING, async move {
            let offer = client.link().offer().await.map_err(|error| reason(&error))?;
            shown.set(Shown::Offer(offer));
            Ok(t::OFFER_READY)
        });
    };
    let take = move |text: String| {
        if let Some(why) = refusal() {
            return work.refuse(why);
        }
        work.begin(t::OFFERING, async move {
            match client.link().take_code(&text).await.map_err(|error| reason(&error))? {
                Taken::Answer(answer) => {
                    shown.set(Shown::Answer(answer));
                    Ok(t::ANSWER_READY)
                }
                Taken::Connecting => {
                    shown.set(Shown::Nothing);
                    Ok(t::ANSWERED)
                }
            }
        });
    };
    let passed_on = move || match shown.get() {
        Shown::Nothing => None,
        Shown::Offer(text) => Some(code(text, t::OFFER_CODE, t::OFFER_ABOUT)),
        Shown::Answer(text) => Some(code(text, t::ANSWER_CODE, t::ANSWER_ABOUT)),
    };
    html::section()
        .class("page prose")
        .child((
            html::h2().child(t::BY_HAND),
            html::p().child(t::BY_HAND_ABOUT),
            html::div()
                .class("form-foot")
                .child(html::button().r#type("button").on(ev::click, offer).child(t::MAKE_OFFER)),
            paste(take),
            scanner(take),
            work.view(),
            live(passed_on),
        ))
        .into_any()
}

fn paste(take: impl Fn(String) + Copy + 'static) -> AnyView {
    let text = NodeRef::<html::Textarea>::new();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if let Some(text) = text.get_untracked() {
            take(text.value());
        }
    };
    html::form()
        .class("field")
        .on(ev::submit, submit)
        .child((
            html::label().attr("for", "their-code").child(t::THEIR_CODE),
            html::textarea()
                .id("their-code")
                .class("code-text")
                .attr("rows", "3")
                .attr("spellcheck", "false")
                .attr("autocapitalize", "off")
                .node_ref(text),
            html::div().class("form-foot").child(html::button().r#type("submit").child(t::USE_CODE)),
        ))
        .into_any()
}

/// A code to be passed on, as text and picture.
fn code(text: String, name: &'static str, about: &'static str) -> AnyView {
    let of_picture = text.clone();
    let field = CodeField { id: "our-code", rows: "5", name, copy: t::COPY };
    html::div()
        .child((
            code_field(field, text),
            html::p().class("quiet").child(about),
            qr_code(move || of_picture.clone(), t::CONNECT_QR),
        ))
        .into_any()
}
