//! `html[data-ready]`: set while the shown route can be used, with the path it belongs to as its value.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

const ATTRIBUTE: &str = "data-ready";

/// Says that the route is not usable yet. Called when a route begins.
pub(crate) fn not_ready() {
    if let Some(html) = document().document_element() {
        let _ = html.remove_attribute(ATTRIBUTE);
    }
}

/// Says so as soon as `ready` holds.
pub(crate) fn ready_when(ready: impl Fn() -> bool + 'static) {
    // The router's path, since the address bar's still is the last route's while a route begins.
    let path = use_location().pathname.get_untracked();
    Effect::new(move |_| {
        if ready()
            && let Some(html) = document().document_element()
        {
            let _ = html.set_attribute(ATTRIBUTE, &path);
        }
    });
}
