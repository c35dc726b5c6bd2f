//! What is being waited for. Shown only when the wait is long enough to be noticed, so that nothing flickers.

use leptos::html;
use leptos::prelude::*;

/// Says what is being waited for.
pub(crate) fn waiting(text: impl IntoView) -> AnyView {
    html::p()
        .class("waiting")
        .child((html::span().class("spinner").attr("aria-hidden", "true"), text.into_any()))
        .into_any()
}
