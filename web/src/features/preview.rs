//! Looking at a quoted post without going there: a tooltip while a quote is pointed at or has the focus.
//!
//! One tooltip serves a page. It stays while the pointer is in it and goes on Escape (WCAG 2.2, 1.4.13).

use chanterelle_core::base::EventId;
use leptos::prelude::*;
use leptos::{ev, html};
use wasm_bindgen::JsCast;
use web_sys::{Element, EventTarget, Node};

use super::post::still;
use super::thread::Here;
use crate::i18n as t;
use crate::kit::{escape_pressed, live};
use crate::state::{Client, PostPreview};

/// The id of the tooltip.
const ID: &str = "preview";

/// What is previewed, and where its link is in the window, in whole CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    post: EventId,
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

/// Draws `content`, in which every element with `data-ref` gets a preview.
pub(crate) fn with_previews(content: AnyView) -> AnyView {
    let shown = RwSignal::new(None::<Shown>);
    let link = StoredValue::new_local(None::<Element>);
    let hide = move || {
        if let Some(link) = link.try_update_value(Option::take).flatten() {
            let _ = link.remove_attribute("aria-describedby");
            shown.set(None);
        }
    };
    let show = move |target: Option<EventTarget>| {
        let Some((element, post)) = target.and_then(quote_at) else { return };
        if link.with_value(|link| link.as_ref() == Some(&element)) {
            return;
        }
        hide();
        let place = element.get_bounding_client_rect();
        let _ = element.set_attribute("aria-describedby", ID);
        link.set_value(Some(element));
        shown.set(Some(Shown {
            post,
            left: place.left() as i32,
            right: place.right() as i32,
            top: place.top() as i32,
            bottom: place.bottom() as i32,
        }));
    };
    // Whether the pointer or the focus, going to `to`, stays with what is shown.
    let stays = move |to: Option<EventTarget>| {
        let Some(to) = to.and_then(|to| to.dyn_into::<Node>().ok()) else { return false };
        let tooltip = document().get_element_by_id(ID);
        tooltip.is_some_and(|tooltip| tooltip.contains(Some(&to)))
            || link.with_value(|link| link.as_ref().is_some_and(|link| link.contains(Some(&to))))
    };
    let leave = move |to: Option<EventTarget>| {
        if !stays(to) {
            hide();
        }
    };
    let keys = window_event_listener(ev::keydown, move |event| {
        if escape_pressed(&event) {
            hide();
        }
    });
    on_cleanup(move || keys.remove());
    html::div()
        .on(ev::mouseover, move |event| show(event.target()))
        .on(ev::mouseout, move |event| leave(event.related_target()))
        .on(ev::focusin, move |event| show(event.target()))
        .on(ev::focusout, move |event| leave(event.related_target()))
        .on(ev::click, move |_| hide())
        .child((content, live(move || shown.get().map(tooltip))))
        .into_any()
}

/// The quote that `target` is or is in.
fn quote_at(target: EventTarget) -> Option<(Element, EventId)> {
    let element = target.dyn_into::<Element>().ok()?.closest("[data-ref]").ok()??;
    let post = element.get_attribute("data-ref")?.parse().ok()?;
    Some((element, post))
}

/// Above the link or below, and from its left or right edge, wherever there is more room.
fn tooltip(shown: Shown) -> AnyView {
    let root = document().document_element();
    let (width, height) = root.map_or((0, 0), |root| (root.client_width(), root.client_height()));
    let below = shown.top < height - shown.bottom;
    let rightwards = shown.left < width / 2;
    let (vertical, y, room) = if below {
        ("below", shown.bottom, height - shown.bottom)
    } else {
        ("above", height - shown.top, shown.top)
    };
    let (horizontal, x) = if rightwards { ("right", shown.left) } else { ("left", width - shown.right) };
    html::div()
        .id(ID)
        .role("tooltip")
        .class("preview")
        .attr("data-vertical", vertical)
        .attr("data-horizontal", horizontal)
        .style(("--x", format!("{x}px")))
        .style(("--y", format!("{y}px")))
        .style(("--room", format!("{room}px")))
        .child(html::div().class("preview-box").child(content(shown.post)))
        .into_any()
}

fn content(post: EventId) -> AnyView {
    if let Some(post) = Here::get().view.posts.get(&post) {
        return live(move || post.with(still)).into_any();
    }
    let preview = Client::here().open_post(post);
    let view = live(move || {
        preview.with(|preview| match preview {
            PostPreview::Asked => html::p().class("waiting").child(t::PREVIEW_ASKED).into_any(),
            PostPreview::Missing => html::p().class("quiet").child(t::PREVIEW_MISSING).into_any(),
            PostPreview::Held(post) => still(post),
        })
    });
    view.into_any()
}
