//! Direct connections as the person decides on them: the question before the first, private mode, and the servers that
//! help.

use leptos::prelude::*;
use leptos::{ev, html};
use leptos_router::hooks::use_location;

use crate::i18n as t;
use crate::kit::{alert_if, live};
use crate::state::{Direct, WrongServers};

/// Asks once, on the page of a board or thread, where somebody can be met, or when the person has begun something that
/// needs the answer. There from the first frame on and in nobody's way; no direct connection is made before the answer.
pub(crate) fn question() -> AnyView {
    let direct = Direct::here();
    let path = use_location().pathname;
    let shown = move || {
        let has_reason = direct.wanted.get() || path.with(|path| path.starts_with("/b/"));
        (direct.can_be && direct.choice.get().is_none() && has_reason).then(|| dialog(direct))
    };
    live(shown).into_any()
}

fn dialog(direct: Direct) -> AnyView {
    let choose = move |choice: bool| {
        move |_| {
            // Where nothing can be remembered the question comes again, and Settings say so.
            let _ = direct.choose(choice);
        }
    };
    html::dialog()
        .class("question")
        .attr("open", "")
        .attr("aria-labelledby", "question-title")
        .child((
            html::div().class("question-text").child((
                html::h2().id("question-title").child(t::DIRECT),
                html::p().child(t::DIRECT_ABOUT),
                html::p().child(t::DIRECT_SEES),
            )),
            html::div().class("form-foot").child((
                html::button()
                    .r#type("button")
                    .class("main")
                    .on(ev::click, choose(true))
                    .child(t::DIRECT_YES),
                html::button().r#type("button").on(ev::click, choose(false)).child(t::DIRECT_NO),
            )),
        ))
        .into_any()
}

/// The switch "Private mode", and the servers that help with direct connections.
pub(crate) fn private_mode() -> AnyView {
    let direct = Direct::here();
    let forgotten = RwSignal::new(false);
    let toggle = move |event: ev::Event| {
        let is_private = event_target_checked(&event);
        forgotten.set(!direct.choose(!is_private));
    };
    let said = move || match (direct.can_be, direct.choice.get()) {
        (false, _) => t::DIRECT_CANNOT,
        (true, None) => t::DIRECT_UNASKED,
        (true, Some(true)) => t::DIRECT_ON,
        (true, Some(false)) => t::DIRECT_OFF,
    };
    html::div()
        .class("field")
        .child((
            html::label().class("check").child((
                html::input()
                    .r#type("checkbox")
                    .attr("role", "switch")
                    .attr("aria-describedby", "private-about")
                    .prop("checked", move || direct.choice.get() == Some(false))
                    .on(ev::change, toggle),
                html::span().child(t::PRIVATE_MODE),
            )),
            html::p().id("private-about").class("quiet").child(live(said)),
            alert_if(move || forgotten.get().then(|| t::NOT_REMEMBERED.to_owned())),
            servers(direct),
        ))
        .into_any()
}

fn servers(direct: Direct) -> AnyView {
    let text = NodeRef::<html::Textarea>::new();
    let wrong = RwSignal::new(None::<String>);
    let saved = RwSignal::new(false);
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let Some(text) = text.get_untracked() else { return };
        let outcome = direct.set_servers(&text.value());
        saved.set(outcome.is_ok());
        wrong.set(match outcome {
            Ok(true) => None,
            Ok(false) => Some(t::NOT_REMEMBERED.to_owned()),
            Err(WrongServers::Line(line)) => Some(t::wrong_server(&line)),
            Err(WrongServers::TooMany(most)) => Some(t::too_many_servers(most)),
        });
    };
    html::form()
        .class("field")
        .on(ev::submit, submit)
        .child((
            html::label().attr("for", "ice-servers").child(t::ICE_SERVERS),
            html::textarea()
                .id("ice-servers")
                .attr("rows", "2")
                .attr("spellcheck", "false")
                .attr("aria-describedby", "ice-about")
                .prop("value", move || direct.servers.get())
                .node_ref(text),
            html::p().id("ice-about").class("quiet").child(t::ICE_ABOUT),
            html::div().class("form-foot").child((
                html::button().r#type("submit").child(t::SAVE),
                html::span()
                    .role("status")
                    .class("quiet")
                    .child(live(move || saved.get().then_some(t::ICE_SAVED))),
            )),
            alert_if(move || wrong.get()),
        ))
        .into_any()
}
