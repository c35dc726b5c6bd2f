//! A code that a person passes on: as text that can be marked and copied.

use leptos::prelude::*;
use leptos::{ev, html};

use crate::i18n as t;
use crate::kit::live;

/// What the field is called and how it is copied.
#[derive(Clone, Copy)]
pub(crate) struct CodeField {
    pub(crate) id: &'static str,
    pub(crate) rows: &'static str,
    pub(crate) name: &'static str,
    pub(crate) copy: &'static str,
}

/// The code in a field that nobody can change, and a button that copies it.
pub(crate) fn code_field(field: CodeField, code: String) -> AnyView {
    let copied = RwSignal::new(None::<bool>);
    let text = NodeRef::<html::Textarea>::new();
    let copy = {
        let code = code.clone();
        move |_| {
            let done = window().navigator().clipboard().write_text(&code);
            leptos::task::spawn_local(async move {
                let outcome = wasm_bindgen_futures::JsFuture::from(done).await;
                copied.set(Some(outcome.is_ok()));
                if let (Err(_), Some(text)) = (outcome, text.get_untracked()) {
                    // Then the person can do it by hand.
                    text.select();
                }
            });
        }
    };
    let said = move || match copied.get() {
        None => String::new(),
        Some(true) => t::CODE_COPIED.to_owned(),
        Some(false) => t::CODE_NOT_COPIED.to_owned(),
    };
    html::div()
        .class("field")
        .child((
            html::label().attr("for", field.id).child(field.name),
            html::textarea()
                .id(field.id)
                .class("code-text")
                .attr("rows", field.rows)
                .attr("readonly", "")
                .attr("spellcheck", "false")
                .on(ev::focus, move |_| {
                    if let Some(text) = text.get_untracked() {
                        text.select();
                    }
                })
                .prop("value", code)
                .node_ref(text),
            html::div().class("form-foot").child((
                html::button().r#type("button").class("main").on(ev::click, copy).child(field.copy),
                html::span().role("status").class("quiet").child(live(said)),
            )),
        ))
        .into_any()
}
