//! Alerts: what is wrong and what to do, told to whoever listens as soon as it appears.

use leptos::html;
use leptos::prelude::*;

use super::live;

/// An alert with this content.
pub(crate) fn alert(content: impl IntoView) -> AnyView {
    html::div().role("alert").class("alert").child(content.into_any()).into_any()
}

/// An alert about something that needs nothing done at once.
pub(crate) fn calm_alert(text: String) -> AnyView {
    html::div().role("alert").class("alert calm").child(text).into_any()
}

/// What is worth knowing and no trouble. A screen reader says it when the person pauses.
pub(crate) fn notice(content: impl IntoView) -> AnyView {
    html::div().role("status").class("alert calm").child(content.into_any()).into_any()
}

/// An alert while there is something to say.
pub(crate) fn alert_if(text: impl Fn() -> Option<String> + Send + Sync + 'static) -> AnyView {
    let text = Memo::new(move |_| text());
    live(move || text.get().map(alert)).into_any()
}
