//! What can be done with a file beside looking at it.

use leptos::prelude::*;
use leptos::{ev, html};
use wasm_bindgen::JsCast as _;
use web_sys::HtmlElement;

use super::full::Viewer;
use super::kind::Kind;
use super::shown::{Shown, saved_at};
use crate::i18n as t;
use crate::kit::{button, focus_in_place, focus_is_lost, live};
use crate::state::{BlobState, Class, Lost};

/// The buttons of a file of a post. `hidden` is whether the person does not want to see it now, `can_hide` whether there is
/// something to hide; `toggle` hides or shows it.
pub(super) fn actions(
    shown: Shown,
    (hidden, can_hide): (RwSignal<bool>, Memo<bool>),
    toggle: impl Fn() + Copy + Send + 'static,
    open: impl Fn() + Copy + Send + 'static,
) -> AnyView {
    let blocked = Memo::new(move |_| shown.is_blocked());
    let hide = live(move || {
        (hidden.get() || can_hide.get()).then(|| {
            html::button()
                .r#type("button")
                .class("plain")
                .on(ev::click, move |_| toggle())
                .child(live(move || if hidden.get() { t::SHOW } else { t::HIDE }))
                .into_any()
        })
    });
    let view = live(move || {
        (!blocked.get()).then(|| {
            let full = (shown.kind != Kind::Other).then(|| button("plain", t::FULL_VIEW, open));
            (full, download(shown), more(shown)).into_any()
        })
    });
    html::div().class("file-actions").child((hide, view)).into_any()
}

/// Saves the file under its own name: at once if it is here, else when it has come.
pub(super) fn download(shown: Shown) -> AnyView {
    let saving = RwSignal::new(false);
    let link = NodeRef::<html::A>::new();
    Effect::new(move |_| {
        let Some(link) = link.get() else { return };
        if saving.get_untracked() {
            saving.set(false);
            // Its address is on it once what is being drawn is drawn.
            request_animation_frame(move || {
                let link: &HtmlElement = link.unchecked_ref();
                link.click();
                // Whoever has gone elsewhere meanwhile, as into a text, stays there.
                if focus_is_lost() {
                    focus_in_place(link);
                }
            });
        }
    });
    // What is stopped or lost is not saved when it comes later for another reason.
    Effect::new(move |_| {
        let comes = shown.original.state.with(|state| {
            matches!(
                state,
                BlobState::Looking | BlobState::Coming(_) | BlobState::Here(_) | BlobState::Unshown(_)
            )
        });
        if !comes {
            saving.set(false);
        }
    });
    let place = Memo::new(move |_| saved_at(shown.original));
    let fetch = move || {
        shown.want();
        saving.set(true);
    };
    let view = live(move || match place.get() {
        Some(url) => html::a()
            .class("button plain")
            .attr("href", url)
            .attr("download", shown.name())
            // The router would take it for a page.
            .attr("rel", "external")
            .node_ref(link)
            .child(t::DOWNLOAD)
            .into_any(),
        None => button("plain", t::DOWNLOAD, fetch),
    });
    view.into_any()
}

fn more(shown: Shown) -> AnyView {
    let kept = shown.original.kept;
    // What is too much of a stranger's comes if the person keeps it.
    let can_keep = Memo::new(move |_| {
        shown.original.state.with(|state| state.url().is_some() || *state == BlobState::Failed(Lost::NoShare))
    });
    let keep = live(move || {
        let pin = move |_| {
            let id = shown.file.with_value(|file| file.blob.id);
            let keeps = !kept.get_untracked();
            shown.media.pin(id, keeps, shown.class.get_untracked());
            if keeps {
                shown.want();
            }
        };
        can_keep.get().then(|| {
            html::button()
                .r#type("button")
                .class("plain")
                .attr("title", t::PIN_LONG)
                .attr("aria-pressed", live(move || if kept.get() { "true" } else { "false" }))
                .on(ev::click, pin)
                .child(t::PIN)
                .into_any()
        })
    });
    // One's own would be gone for good; the post can be deleted.
    let block = live(move || {
        let foreign = shown.class.get() != Class::Own;
        foreign.then(|| button("plain", t::BLOCK, move || shown.block(true)))
    });
    html::details()
        .class("file-more")
        .child((html::summary().class("button plain").aria_label(t::FILE_MORE).child("⋯"), keep, block))
        .into_any()
}

/// The viewer of the page, where there is one, as something that opens it at a file.
pub(super) fn opener(place: super::full::Place) -> impl Fn() + Copy + Send + 'static {
    let viewer = use_context::<Viewer>();
    move || {
        if let Some(viewer) = viewer {
            viewer.open(place);
        }
    }
}
