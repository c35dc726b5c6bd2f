//! A file in a square: its small picture, undistorted, or its colour and kind until that is here.

use leptos::html;
use leptos::prelude::*;

use super::shown::Shown;
use crate::i18n as t;
use crate::kit::live;

/// The square. A spoiler stays covered in it.
pub(super) fn square(shown: Shown) -> AnyView {
    let content = live(move || {
        if shown.covered.get() {
            return html::span().class("spoiler-cover").child(t::SPOILER_WORD).into_any();
        }
        match shown.picture.get().filter(|_| !shown.is_blocked()) {
            Some(url) => picture(url, shown.alt()),
            None => {
                let kind = shown.type_word();
                html::span().class("square-kind").child(kind).into_any()
            }
        }
    });
    html::span()
        .class("square")
        .class(("drawn", live(move || shown.picture.with(Option::is_some) && !shown.covered.get())))
        .style(("--average", shown.colour()))
        .child(content)
        .into_any()
}

/// A picture, decoded aside so that nothing stutters.
pub(super) fn picture(url: String, alt: String) -> AnyView {
    html::img().attr("src", url).attr("alt", alt).attr("decoding", "async").into_any()
}
