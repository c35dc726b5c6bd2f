//! Sound and films, with the browser's own controls. What plays is the file itself, or a version that somebody who is
//! believed has made of it.

use leptos::prelude::*;
use leptos::{ev, html};
use wasm_bindgen::JsCast as _;
use web_sys::HtmlMediaElement;

use super::choose::{Version, first_playing, versions};
use super::fetching::fetching;
use super::kind::Kind;
use super::shown::{Shown, saved_at};
use crate::i18n as t;
use crate::kit::{alert, button, live};
use crate::state::{BlobState, Class, Urgency};

/// Fetches and plays, once the person has `asked`; until then there is a button to ask by. What is here when the person asks
/// for it plays at once.
pub(super) fn player(shown: Shown, asked: RwSignal<bool>) -> AnyView {
    let is_film = shown.kind == Kind::Video;
    let versions = Memo::new(move |_| {
        shown.origin.renditions.with(|made| shown.file.with_value(|file| versions(file, made)))
    });
    let chosen = RwSignal::new(None::<String>);
    let current = Memo::new(move |_| {
        versions.with(|versions| {
            let wish = chosen.get();
            let at = versions.iter().position(|version| Some(&version.profile) == wish.as_ref());
            let at = at.or_else(|| first_playing(versions, |mime| plays(is_film, mime)));
            at.map(|at| versions[at].clone())
        })
    });
    let choice = live(move || {
        let options = versions.get();
        (options.len() > 1).then(|| choice(options, current, chosen))
    });
    let stage = live(move || match current.get() {
        Some(version) => play(shown, asked, version, is_film),
        None if shown.class.get() == Class::Own && versions.with(Vec::len) == 1 => {
            html::p().role("status").class("quiet").child(t::PROCESSING).into_any()
        }
        None => alert(t::NOT_PLAYED),
    });
    html::div().class("player").child((stage, choice)).into_any()
}

fn play(shown: Shown, asked: RwSignal<bool>, version: Version, is_film: bool) -> AnyView {
    let blob = shown.media.blob(&version.blob);
    let is_asked = asked.get_untracked();
    let was_here = is_asked && blob.state.with_untracked(|state| matches!(state, BlobState::Here(_)));
    let broken = RwSignal::new(false);
    let wanted = version.blob.clone();
    let want = move || shown.media.want(&wanted, shown.class.get_untracked(), Urgency::Original);
    if is_asked {
        want();
    }
    let place = Memo::new(move |_| saved_at(blob));
    let absent = Memo::new(move |_| blob.state.with(|state| *state == BlobState::Absent));
    let ask = move || {
        asked.set(true);
        want();
        shown.go_on();
    };
    let offer = live(move || absent.get().then(|| button("small", t::PLAY, ask.clone())));
    let view = live(move || {
        let url = place.get()?;
        if broken.get() {
            return Some(alert(t::NOT_SHOWN));
        }
        let autoplay = was_here.then_some("");
        Some(if is_film {
            html::video()
                .attr("controls", "")
                .attr("preload", "none")
                .attr("playsinline", "")
                .attr("autoplay", autoplay)
                .attr("poster", shown.picture.get_untracked())
                .attr("src", url)
                .aria_label(shown.alt())
                .on(ev::error, move |_| broken.set(true))
                .into_any()
        } else {
            html::audio()
                .attr("controls", "")
                .attr("preload", "none")
                .attr("autoplay", autoplay)
                .attr("src", url)
                .aria_label(shown.alt())
                .on(ev::error, move |_| broken.set(true))
                .into_any()
        })
    });
    let id = version.blob.id;
    let stop = move || shown.media.unwant(id);
    (view, offer, fetching(shown, (version.blob, blob), Urgency::Original, stop)).into_any()
}

fn choice(
    options: Vec<Version>,
    current: Memo<Option<Version>>,
    chosen: RwSignal<Option<String>>,
) -> AnyView {
    let option = |version: Version| {
        let profile = version.profile.clone();
        let selected =
            move || current.with(|current| current.as_ref().is_some_and(|now| now.profile == profile));
        html::option()
            .attr("value", version.profile.clone())
            .prop("selected", selected)
            .child(t::version(&version.profile, version.blob.size))
            .into_any()
    };
    html::select()
        .class("version")
        .aria_label(t::VERSION)
        .on(ev::change, move |event: ev::Event| chosen.set(Some(event_target_value(&event))))
        .child(options.into_iter().map(option).collect::<Vec<_>>())
        .into_any()
}

/// Whether the browser says that it may play this type.
fn plays(is_film: bool, mime: &str) -> bool {
    let element = document().create_element(if is_film { "video" } else { "audio" }).ok();
    let element = element.and_then(|element| element.dyn_into::<HtmlMediaElement>().ok());
    element.is_some_and(|element| !element.can_play_type(mime).is_empty())
}
