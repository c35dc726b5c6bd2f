//! The header: the way home, the few other places, and how the tab is connected.

use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::features::network::network_status;
use crate::i18n as t;
use crate::kit::{live, logo};

pub(super) fn header() -> AnyView {
    html::header()
        .class("head")
        .child(
            html::div().class("head-row").child((
                html::nav().aria_label(t::NAVIGATION).child((
                    html::a()
                        .class("brand")
                        .href("/")
                        .aria_label(t::HOME)
                        .child((logo(), html::span().class("brand-name").child(t::NAME))),
                    place("/me", t::NAV_ME),
                    place("/settings", t::NAV_SETTINGS),
                )),
                network_status(),
            )),
        )
        .into_any()
}

fn place(path: &'static str, name: &'static str) -> AnyView {
    let current = use_location().pathname;
    html::a()
        .class("place")
        .href(path)
        .attr("aria-current", live(move || (current.get() == path).then_some("page")))
        .child(name)
        .into_any()
}
