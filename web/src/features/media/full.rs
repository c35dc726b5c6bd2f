//! The full view: a file in the whole window, and the way to the others of its thread. The browser's own dialog, which
//! keeps the focus in it, closes on Escape and gives the focus back.

use chanterelle_core::base::EventId;
use leptos::prelude::*;
use leptos::{ev, html};
use wasm_bindgen::JsCast as _;
use web_sys::Element;

use super::actions::download;
use super::caption::caption;
use super::fetching::fetching;
use super::kind::Kind;
use super::player::player;
use super::shown::{Origin, Shown, is_unshown};
use crate::i18n as t;
use crate::kit::{alert, button, live};
use crate::state::{BlobState, ThreadView, Urgency};

/// A file of a thread: its post, and which of the post's files it is.
pub(crate) type Place = (EventId, usize);

/// What the full view of a page shows. A handle, given to everything in the page as context.
#[derive(Clone, Copy)]
pub(crate) struct Viewer {
    thread: ThreadView,
    at: RwSignal<Option<Place>>,
    /// The file that somebody pressed, which is a wish to see it; the arrows pass by many.
    pressed: StoredValue<Option<Place>>,
}

impl Viewer {
    /// Closed.
    pub(crate) fn new(thread: ThreadView) -> Self {
        Self { thread, at: RwSignal::new(None), pressed: StoredValue::new(None) }
    }

    /// Shows a file.
    pub(super) fn open(self, place: Place) {
        self.pressed.set_value(Some(place));
        self.at.set(Some(place));
    }

    /// All files of the thread, in the order of its posts. Tracked.
    pub(crate) fn places(self) -> Vec<Place> {
        let posts = self.thread.posts;
        posts.order().with(|order| {
            let mut places = Vec::new();
            for id in order {
                let files = posts.get(id).map_or(0, |post| post.with(|post| post.files.len()));
                places.extend((0..files).map(|at| (*id, at)));
            }
            places
        })
    }

    /// A file, as it is shown for as long as the current owner lives.
    pub(super) fn shown(self, (post, at): Place) -> Option<Shown> {
        let post = self.thread.posts.get(&post)?;
        let (file, own, author) =
            post.with_untracked(|post| (post.files.get(at).cloned(), post.own, post.author));
        let renditions = Memo::new(move |_| post.with(|post| post.renditions.clone()));
        Some(Shown::new(file?, Origin { own, author, renditions }))
    }

    fn go(self, step: isize) {
        let Some(at) = self.at.get_untracked() else { return };
        if let Some(next) = neighbour(&untrack(|| self.places()), at, step) {
            self.at.set(Some(next));
        }
    }
}

/// The place `step` places on; none beyond the ends.
fn neighbour(places: &[Place], at: Place, step: isize) -> Option<Place> {
    let now = places.iter().position(|place| *place == at)?;
    places.get(now.checked_add_signed(step)?).copied()
}

/// The dialog "Full view", while it is open.
pub(crate) fn full_view(viewer: Viewer) -> AnyView {
    let open = Memo::new(move |_| viewer.at.with(Option::is_some));
    live(move || open.get().then(|| dialog(viewer))).into_any()
}

fn dialog(viewer: Viewer) -> AnyView {
    let element = NodeRef::<html::Dialog>::new();
    element.on_load(|dialog| {
        request_animation_frame(move || {
            let _ = dialog.show_modal();
        });
    });
    let close = move || {
        if let Some(dialog) = element.get_untracked() {
            dialog.close();
        }
    };
    // Heard in the whole window: when what had the focus is gone, nothing in the dialog has it.
    let keys = window_event_listener(ev::keydown, move |event| {
        // Players and menus have a use of their own for the arrows.
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let is_taken = target.is_some_and(|target| target.matches("video, audio, select").unwrap_or(false));
        let step = match event.key().as_str() {
            "ArrowLeft" => -1,
            "ArrowRight" => 1,
            _ => return,
        };
        // With Alt or Command they lead through the browser's history.
        if !is_taken && !event.alt_key() && !event.meta_key() {
            event.prevent_default();
            viewer.go(step);
        }
    });
    on_cleanup(move || keys.remove());
    let places = Memo::new(move |_| viewer.places());
    let at = Memo::new(move |_| {
        let at = viewer.at.get()?;
        places.with(|places| places.iter().position(|place| *place == at))
    });
    let count = Memo::new(move |_| places.with(Vec::len));
    let place = live(move || at.get().map(|at| t::place_in_gallery(at + 1, count.get())));
    let content = live(move || {
        let place = viewer.at.get()?;
        let shown = viewer.shown(place)?;
        Some(stage(shown, viewer.pressed.get_value() == Some(place)))
    });
    let way = |label: &'static str, sign: &'static str, step: isize, ends: Memo<bool>| {
        html::button()
            .r#type("button")
            .aria_label(label)
            // Not `disabled`, which loses the focus: beyond the ends it leads nowhere anyway.
            .attr("aria-disabled", live(move || if ends.get() { "true" } else { "false" }))
            .on(ev::click, move |_| viewer.go(step))
            .child(sign)
            .into_any()
    };
    let first = Memo::new(move |_| at.get().is_none_or(|at| at == 0));
    let last = Memo::new(move |_| at.get().is_none_or(|at| at + 1 == count.get()));
    html::dialog()
        .class("full-view")
        .aria_label(t::FULL_VIEW)
        .node_ref(element)
        .on(ev::close, move |_| viewer.at.set(None))
        .child((
            html::div().class("full-head").child((
                way(t::PREVIOUS_FILE, "←", -1, first),
                html::span().class("quiet").role("status").child(place),
                way(t::NEXT_FILE, "→", 1, last),
                button("full-close", t::CLOSE, close),
            )),
            content,
        ))
        .into_any()
}

fn stage(shown: Shown, pressed: bool) -> AnyView {
    // That its small picture is here is no leave to fetch a stranger's file.
    if shown.kind == Kind::Picture && (pressed || shown.allowed.get_untracked()) {
        shown.want();
    }
    let asked = RwSignal::new(pressed);
    let blocked = Memo::new(move |_| shown.is_blocked());
    let save = live(move || (!blocked.get()).then(|| download(shown)));
    let content = live(move || {
        if blocked.get() {
            return html::p().class("quiet").child(t::BLOCKED).into_any();
        }
        if shown.covered.get() {
            let cover = html::button().r#type("button").class("cover").aria_label(t::SPOILER_COVER);
            let uncover = move |_| {
                shown.covered.set(false);
                shown.go_on();
            };
            return cover.on(ev::click, uncover).child(t::SPOILER_WORD).into_any();
        }
        match shown.kind {
            Kind::Picture => fitted(shown),
            Kind::Video | Kind::Audio => player(shown, asked),
            Kind::Other => ().into_any(),
        }
    });
    html::figure()
        .class("full-figure")
        .attr("tabindex", "-1")
        .node_ref(shown.figure)
        .child((
            html::div().class("full-stage").child(content),
            html::div().class("full-foot").child((caption(shown), alt(shown), save)),
        ))
        .into_any()
}

fn alt(shown: Shown) -> Option<AnyView> {
    let alt = shown.file.with_value(|file| file.info.alt.clone())?;
    Some(html::p().class("full-alt").child(alt).into_any())
}

/// The picture, as large as the window allows; a click shows it as large as it is.
fn fitted(shown: Shown) -> AnyView {
    let zoomed = RwSignal::new(false);
    // Where it was that could not be shown: what comes after that may be.
    let broken = RwSignal::new(None::<String>);
    let whole = Memo::new(move |_| shown.url());
    let best = Memo::new(move |_| whole.get().or_else(|| shown.picture.get()));
    let image = live(move || {
        let url = best.get();
        let is_broken = broken.with(|broken| broken.is_some() && *broken == url);
        if is_broken || is_unshown(shown.original) {
            return Some(alert(t::NOT_SHOWN));
        }
        let url = url?;
        let image = html::img()
            .attr("src", url.clone())
            .attr("alt", shown.alt())
            .attr("decoding", "async")
            .on(ev::error, move |_| broken.set(Some(url.clone())));
        let zoom = html::button()
            .r#type("button")
            .class("zoom")
            .attr("title", t::ZOOM)
            .attr("aria-pressed", live(move || if zoomed.get() { "true" } else { "false" }))
            .on(ev::click, move |_| zoomed.update(|zoomed| *zoomed = !*zoomed));
        Some(zoom.child(image).into_any())
    });
    let absent = Memo::new(move |_| shown.original.state.with(|state| *state == BlobState::Absent));
    let offer = live(move || {
        absent.get().then(|| {
            let show = button("small", t::SHOW_PICTURE, move || {
                shown.want();
                shown.go_on();
            });
            (show, html::span().class("quiet").child(t::size(shown.size()))).into_any()
        })
    });
    let progress = fetching(shown, shown.whole(), Urgency::Original, move || shown.stop());
    (image, html::div().class("file-offer").child((offer, progress))).into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn leads_through_all_files_and_not_beyond() {
        let [a, b] = [EventId([1; 32]), EventId([2; 32])];
        let places = [(a, 0), (a, 1), (b, 0)];
        assert_eq!(neighbour(&places, (a, 1), 1), Some((b, 0)));
        assert_eq!(neighbour(&places, (b, 0), -1), Some((a, 1)));
        assert_eq!(neighbour(&places, (a, 0), -1), None);
        assert_eq!(neighbour(&places, (b, 0), 1), None);
        assert_eq!(neighbour(&places, (b, 7), 1), None, "it was withdrawn");
    }
}
