//! A button that does one thing.

use leptos::prelude::*;
use leptos::{ev, html};

/// A button with this text, which is its name.
pub(crate) fn button(class: &'static str, text: &'static str, act: impl Fn() + 'static) -> AnyView {
    boxed(class, text, Box::new(act))
}

/// Not generic: one copy of the program serves all buttons.
fn boxed(class: &'static str, text: &'static str, act: Box<dyn Fn()>) -> AnyView {
    html::button().r#type("button").class(class).on(ev::click, move |_| act()).child(text).into_any()
}
