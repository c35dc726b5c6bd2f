//! Any address that leads nowhere.

use leptos::html;
use leptos::prelude::*;

use crate::i18n as t;
use crate::kit::{alert, heading};
use crate::state::{not_ready, ready_when};

/// Says so, and leads back.
pub(crate) fn not_found() -> AnyView {
    not_ready();
    ready_when(|| true);
    html::div()
        .class("page prose")
        .child((
            heading(t::NOT_FOUND),
            alert(t::NOT_FOUND_LONG),
            html::p().child(html::a().href("/").child(t::TO_BOARDS)),
        ))
        .into_any()
}
