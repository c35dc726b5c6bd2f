//! What is done to the document beside drawing it.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, FocusOptions, HtmlElement, ScrollIntoViewOptions, ScrollLogicalPosition};

/// Brings the element of this id into view, once what is being drawn is drawn, and puts the focus there, so that
/// keyboard and screen reader go on from it.
pub(crate) fn reveal(id: String, position: ScrollLogicalPosition) {
    request_animation_frame(move || {
        let element =
            document().get_element_by_id(&id).and_then(|element| element.dyn_into::<HtmlElement>().ok());
        if let Some(element) = element {
            focus_in_place(&element);
            scroll_to(&element, position);
        }
    });
}

/// Brings an element into view.
pub(crate) fn scroll_to(element: &Element, position: ScrollLogicalPosition) {
    let options = ScrollIntoViewOptions::new();
    options.set_block(position);
    element.scroll_into_view_with_scroll_into_view_options(&options);
}

/// Puts the focus on an element without moving the page.
pub(crate) fn focus_in_place(element: &HtmlElement) {
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    let _ = element.focus_with_options(&options);
}

/// Whether nothing has the focus, as when what had it is gone.
pub(crate) fn focus_is_lost() -> bool {
    document().active_element().is_none_or(|element| element.matches("body").unwrap_or(false))
}

/// To be called when what was pressed goes: puts the focus on the first of these selectors that finds something in `place`,
/// or else on `place` itself, once what is being drawn is drawn, so that keyboard and screen reader go on from there. A
/// focus that is elsewhere by then stays.
pub(crate) fn go_on_in(place: Option<HtmlElement>, next: Vec<String>) {
    let Some(place) = place else { return };
    request_animation_frame(move || {
        // Where a click gives a button no focus, it gives it to what the button is in.
        if focus_is_lost() || place.matches(":focus").unwrap_or(false) {
            let mut found = next.iter().filter_map(|next| place.query_selector(next).ok().flatten());
            let next = found.next().and_then(|next| next.dyn_into::<HtmlElement>().ok());
            focus_in_place(next.as_ref().unwrap_or(&place));
        }
    });
}

/// Whether the keys mean "send": Ctrl or Command with Enter.
pub(crate) fn submit_pressed(event: &KeyboardEvent) -> bool {
    event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) && !event.is_composing()
}

/// Whether the key means "away with it".
pub(crate) fn escape_pressed(event: &KeyboardEvent) -> bool {
    event.key() == "Escape" && !event.is_composing()
}
