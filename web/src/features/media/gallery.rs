//! All files of a thread in a grid, which leads into the full view.

use leptos::prelude::*;
use leptos::{ev, html};

use super::full::{Place, Viewer};
use super::square::square;
use crate::i18n as t;
use crate::kit::live;

/// The button "Gallery", where a thread has files. Toggles `open`.
pub(crate) fn gallery_toggle(open: RwSignal<bool>) -> AnyView {
    html::button()
        .r#type("button")
        .class("small")
        .attr("aria-pressed", live(move || if open.get() { "true" } else { "false" }))
        .on(ev::click, move |_| open.update(|open| *open = !*open))
        .child(t::GALLERY)
        .into_any()
}

/// The grid.
pub(crate) fn gallery(viewer: Viewer, places: Memo<Vec<Place>>) -> AnyView {
    let cells = For(ForProps::builder()
        .each(move || places.get())
        .key(|place| *place)
        .children(move |place| cell(viewer, place))
        .build());
    html::ul().class("gallery").role("list").aria_label(t::GALLERY).child(cells.into_any()).into_any()
}

fn cell(viewer: Viewer, place: Place) -> AnyView {
    // Withdrawn between two updates: then the grid is drawn again anyway.
    let Some(shown) = viewer.shown(place) else { return ().into_any() };
    shown.come();
    html::li()
        .child(
            html::button()
                .r#type("button")
                .class("gallery-cell")
                .aria_label(t::of_file(t::FULL_VIEW, &shown.name()))
                .attr("title", shown.name())
                .on(ev::click, move |_| viewer.open(place))
                .child(square(shown)),
        )
        .into_any()
}
