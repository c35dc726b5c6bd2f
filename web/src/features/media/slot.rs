//! A file in its post: its small picture, which grows in its place when it is clicked, with what there is to say about it.
//!
//! The place that a picture takes follows from what its author says of it, so that nothing moves when it comes.

use chanterelle_core::event::Attachment;
use leptos::prelude::*;
use leptos::{ev, html};
use web_sys::ScrollLogicalPosition;

use super::actions::{actions, opener};
use super::caption::caption;
use super::fetching::fetching;
use super::full::Place;
use super::kind::Kind;
use super::player::player;
use super::shown::{Origin, Shown, is_unshown};
use super::square::picture;
use crate::i18n as t;
use crate::kit::{alert, button, live, scroll_to};
use crate::state::{BlobState, Urgency};

/// The longest side of a small picture, CSS pixels.
const SIDE: u32 = 250;

#[derive(Clone, Copy, PartialEq)]
enum Stand {
    Blocked,
    Hidden,
    /// The sound or film, or the picture in its full size.
    Open,
    Covered,
    Small,
    /// Not here, but there is something that could be shown.
    Missing,
    /// There is nothing to show.
    Nothing,
}

/// The file.
pub(super) fn slot(file: Attachment, origin: Origin, place: Place) -> AnyView {
    let shown = Shown::new(file, origin);
    shown.come();
    let hidden = RwSignal::new(false);
    let open = RwSignal::new(false);
    let stand = Memo::new(move |_| {
        if shown.is_blocked() {
            Stand::Blocked
        } else if hidden.get() {
            Stand::Hidden
        } else if open.get() {
            Stand::Open
        } else if shown.picture.with(Option::is_some) {
            if shown.covered.get() { Stand::Covered } else { Stand::Small }
        } else if shown.kind == Kind::Other && shown.small.with(Option::is_none) {
            Stand::Nothing
        } else {
            Stand::Missing
        }
    });
    let set_open = move |wide: bool| {
        open.set(wide);
        shown.go_on();
        if wide {
            shown.want();
        } else {
            come_back(shown.figure);
        }
    };
    let can_hide = Memo::new(move |_| matches!(stand.get(), Stand::Open | Stand::Small));
    let toggle = move || {
        open.set(false);
        hidden.update(|hidden| *hidden = !*hidden);
        shown.go_on();
    };
    let uncover = move |_| {
        shown.covered.set(false);
        shown.go_on();
    };
    let content = live(move || match stand.get() {
        Stand::Blocked => {
            let undo = button("small", t::UNDO, move || shown.block(false));
            html::div()
                .class("file-said")
                .child((html::p().class("quiet").child(t::BLOCKED), undo))
                .into_any()
        }
        Stand::Hidden | Stand::Nothing => ().into_any(),
        Stand::Open if shown.kind == Kind::Picture => enlarged(shown, set_open),
        // It is open because somebody pressed it.
        Stand::Open => player(shown, RwSignal::new(true)),
        Stand::Covered => {
            let cover = html::button().r#type("button").class("cover").aria_label(t::SPOILER_COVER);
            boxed(shown, cover.on(ev::click, uncover).child(t::SPOILER_WORD).into_any())
        }
        Stand::Small => boxed(shown, small(shown, set_open)),
        Stand::Missing => missing(shown, set_open),
    });
    let saving = live(move || {
        // An open file tells this in its own place.
        let stand = stand.get();
        let in_box = stand == Stand::Missing && shown.kind == Kind::Picture;
        let told =
            matches!(stand, Stand::Open | Stand::Blocked) || (in_box && shown.small.with(Option::is_none));
        (!told).then(|| fetching(shown, shown.whole(), Urgency::Original, move || shown.stop()))
    });
    html::figure()
        .class("file")
        .class(("open", live(move || stand.get() == Stand::Open)))
        .attr("data-kind", kind_word(shown.kind))
        .attr("tabindex", "-1")
        .node_ref(shown.figure)
        .child((content, saving, caption(shown), actions(shown, (hidden, can_hide), toggle, opener(place))))
        .into_any()
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Picture => "picture",
        Kind::Video => "video",
        Kind::Audio => "audio",
        Kind::Other => "other",
    }
}

/// A box of the size that the small picture has.
fn boxed(shown: Shown, content: AnyView) -> AnyView {
    sized(shown, small_size(shown.pixels()), content)
}

fn sized(shown: Shown, (width, height): (u32, u32), content: AnyView) -> AnyView {
    html::div()
        .class("file-box")
        .style(("--w", format!("{width}px")))
        .style(("--h", format!("{height}px")))
        .style(("--r", format!("{width} / {height}")))
        .style(("--average", shown.colour()))
        .child(content)
        .into_any()
}

/// How large a picture is shown small: never larger than it is. Of one that nobody has measured, as most films are.
fn small_size(pixels: Option<(u16, u16)>) -> (u32, u32) {
    let Some((width, height)) = pixels else { return (SIDE, SIDE * 9 / 16) };
    let (width, height) = (u32::from(width.max(1)), u32::from(height.max(1)));
    let longest = width.max(height);
    if longest <= SIDE {
        return (width, height);
    }
    let scaled = |side: u32| (side * SIDE / longest).max(1);
    (scaled(width), scaled(height))
}

fn small(shown: Shown, set_open: impl Fn(bool) + Copy + Send + 'static) -> AnyView {
    let image = live(move || shown.picture.get().map(|url| picture(url, shown.alt())));
    if shown.kind == Kind::Other {
        return image.into_any();
    }
    let play = (shown.kind != Kind::Picture).then(|| html::span().class("play").attr("aria-hidden", "true"));
    html::button()
        .r#type("button")
        .class("grow")
        .attr("aria-expanded", "false")
        .attr("title", if shown.kind == Kind::Picture { t::EXPAND } else { t::PLAY })
        .on(ev::click, move |_| set_open(true))
        .child((image, play))
        .into_any()
}

/// The picture in its full size; its small one until that is here.
fn enlarged(shown: Shown, set_open: impl Fn(bool) + Copy + Send + 'static) -> AnyView {
    // Where it was that could not be shown: what comes after that may be.
    let broken = RwSignal::new(None::<String>);
    let whole = Memo::new(move |_| shown.url());
    let best = Memo::new(move |_| whole.get().or_else(|| shown.picture.get()));
    let whole_size = shown.pixels().map_or(small_size(None), |(w, h)| (u32::from(w), u32::from(h)));
    let image = live(move || {
        best.get().map(|url| {
            html::img()
                .attr("src", url.clone())
                .attr("alt", shown.alt())
                .attr("decoding", "async")
                .on(ev::error, move |_| broken.set(Some(url.clone())))
                .into_any()
        })
    });
    let shrink = html::button()
        .r#type("button")
        .class("grow")
        .attr("aria-expanded", "true")
        .attr("title", t::SHRINK)
        .on(ev::click, move |_| set_open(false))
        .child(image);
    let whole_box = sized(shown, whole_size, shrink.into_any());
    let failed = live(move || {
        let is_broken = broken.with(|broken| broken.is_some() && *broken == best.get());
        (is_broken || is_unshown(shown.original)).then(|| alert(t::NOT_SHOWN))
    });
    let stop = move || {
        shown.stop();
        set_open(false);
    };
    let progress = fetching(shown, shown.whole(), Urgency::Original, stop);
    (whole_box, failed, progress).into_any()
}

/// What is offered for what is not here.
fn missing(shown: Shown, set_open: impl Fn(bool) + Copy + Send + 'static) -> AnyView {
    let small = shown.small.get();
    let shows_picture = small.is_some() || shown.kind == Kind::Picture;
    let urgency = if small.is_some() { Urgency::Thumbnail } else { Urgency::Original };
    let (wanted, blob) = small.unwrap_or_else(|| shown.whole());
    let size = wanted.size;
    let idle = Memo::new(move |_| !shows_picture || blob.state.with(|state| *state == BlobState::Absent));
    let ask = move || {
        if shows_picture {
            shown.want_small();
            shown.go_on();
        } else {
            set_open(true);
        }
    };
    let offer = live(move || {
        idle.get().then(|| {
            let text = if shows_picture { t::SHOW_PICTURE } else { t::PLAY };
            (button("small", text, ask), html::span().class("quiet").child(t::size(size))).into_any()
        })
    });
    let failed = shows_picture.then(|| live(move || is_unshown(blob).then(|| alert(t::NOT_SHOWN))));
    let progress = shows_picture.then(|| fetching(shown, (wanted, blob), urgency, move || shown.stop()));
    let content = html::div().class("file-offer").child((offer, failed, progress)).into_any();
    if shown.kind == Kind::Audio && !shows_picture { content } else { boxed(shown, content) }
}

/// Where a large picture began above the window, its place is brought back when it has shrunk.
fn come_back(figure: NodeRef<html::Figure>) {
    request_animation_frame(move || {
        let Some(figure) = figure.try_get_untracked().flatten() else { return };
        if figure.get_bounding_client_rect().top() < 0.0 {
            scroll_to(&figure, ScrollLogicalPosition::Start);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_small_picture_keeps_its_shape_and_never_grows() {
        assert_eq!(small_size(Some((1_000, 500))), (250, 125));
        assert_eq!(small_size(Some((500, 1_000))), (125, 250));
        assert_eq!(small_size(Some((100, 40))), (100, 40));
        assert_eq!(small_size(Some((u16::MAX, 1))), (250, 1));
        assert_eq!(small_size(Some((0, 0))), (1, 1));
        assert_eq!(small_size(None), (250, 140));
    }
}
