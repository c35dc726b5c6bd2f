//! What stands around every page: header, alerts, footer.

mod header;
mod notices;

use leptos::prelude::*;
use leptos::{ev, html};
use leptos_router::hooks::use_location;

use crate::features::direct::question;
use crate::features::identity::offer;
use crate::i18n as t;
use crate::kit::focus_in_place;

/// Puts `page` between header and footer.
pub(crate) fn around(page: AnyView) -> AnyView {
    let main = NodeRef::<html::Main>::new();
    let path = use_location().pathname;
    // Whoever follows a link by keyboard or screen reader goes on at the beginning of the new page.
    Effect::watch(
        move || path.get(),
        move |_, _, _| {
            if let Some(main) = main.get_untracked() {
                focus_in_place(&main);
            }
        },
        false,
    );
    let skip = move |event: ev::MouseEvent| {
        // Else the router takes it for a change of address, which moves no focus.
        event.prevent_default();
        if let Some(main) = main.get_untracked() {
            focus_in_place(&main);
        }
    };
    (
        html::a().class("skip").href("#main").on(ev::click, skip).child(t::SKIP),
        header::header(),
        notices::notices(),
        question(),
        html::main().id("main").attr("tabindex", "-1").node_ref(main).child(page),
        // The offer stands below, where it moves nothing that somebody is about to press.
        html::footer().class("foot").child((offer(), html::p().child(t::FOOTER))),
    )
        .into_any()
}
