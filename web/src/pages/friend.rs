//! `/f#{code}`: somebody's friend code, which is out of the address bar before it is shown.

use leptos::prelude::*;
use leptos::{ev, html};

use crate::features::friends::{friend_code, given, taken_from_address};
use crate::i18n as t;
use crate::state::{not_ready, ready_when};

/// Shows whose code it is and offers to connect, says what is wrong with it, or takes one that is pasted.
pub(crate) fn friend() -> AnyView {
    not_ready();
    ready_when(|| true);
    let shown = RwSignal::new(given(&taken_from_address().unwrap_or_default()));
    // Another code may be put into the address while this page is shown.
    let changed = window_event_listener(ev::hashchange, move |_| {
        if let Some(code) = taken_from_address() {
            shown.set(given(&code));
        }
    });
    on_cleanup(move || changed.remove());
    html::div()
        .class("page prose friend-page")
        .child((friend_code(shown), html::p().child(html::a().href("/").child(t::TO_BOARDS))))
        .into_any()
}
