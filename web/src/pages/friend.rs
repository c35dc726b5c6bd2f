//! `/f#{code}`: friend codes, which this version does not open.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use crate::i18n as t;
use crate::kit::{alert, heading};
use crate::state::{not_ready, ready_when};

/// Takes the code out of the address bar, where others could see it, and says what can be done instead.
pub(crate) fn friend() -> AnyView {
    not_ready();
    ready_when(|| true);
    if let (Ok(history), Ok(path)) = (window().history(), location().pathname()) {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&path));
    }
    html::div()
        .class("page prose")
        .child((
            heading(t::FRIEND_CODE),
            alert(t::FRIEND_CODE_LATER),
            html::p().child(html::a().href("/").child(t::TO_BOARDS)),
        ))
        .into_any()
}
