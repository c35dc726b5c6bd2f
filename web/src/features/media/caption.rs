//! What stands below a file: its name, what it is, and who has it.

use leptos::html;
use leptos::prelude::*;

use super::name::middle_cut;
use super::shown::Shown;
use crate::i18n as t;
use crate::kit::live;

/// Characters of a name in a line that is as wide as a small picture.
const NAME: usize = 32;

/// The caption.
pub(super) fn caption(shown: Shown) -> AnyView {
    let name = shown.name();
    let facts = shown.file.with_value(|file| {
        let info = &file.info;
        let mut facts = format!("{} · {}", shown.type_word(), t::size(file.blob.size));
        if let Some((width, height)) = shown.pixels() {
            facts.push_str(&format!(" · {width}×{height}"));
        }
        if let Some(duration) = info.duration {
            facts.push_str(" · ");
            facts.push_str(&t::duration(duration));
        }
        facts
    });
    let blob = shown.original;
    let is_here = Memo::new(move |_| blob.state.with(|state| state.url().is_some()));
    let held = live(move || {
        let held = t::held_by(blob.holders.get(), is_here.get())?;
        Some((" · ", html::span().attr("title", t::HELD_LONG).child(held)).into_any())
    });
    html::figcaption()
        .child((
            html::bdi().class("file-name").attr("title", name.clone()).child(middle_cut(&name, NAME)),
            html::span().class("quiet").child((facts, held)),
        ))
        .into_any()
}
