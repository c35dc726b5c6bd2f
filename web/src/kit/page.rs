//! What every page begins with.

use leptos::html;
use leptos::prelude::*;

use crate::i18n as t;

/// Names the document, and goes on naming it when the text changes.
pub(crate) fn title(text: impl Fn() -> String + 'static) {
    Effect::new(move |_| document().set_title(&format!("{} – {}", text(), t::NAME)));
}

/// The heading of a page that never changes, which names the document too.
pub(crate) fn heading(text: &'static str) -> AnyView {
    title(move || text.to_owned());
    html::h1().child(text).into_any()
}
