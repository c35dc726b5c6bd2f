//! The box a comment is typed into.

use chanterelle_core::base::Limits;
use leptos::prelude::*;
use leptos::{ev, html};
use web_sys::ScrollLogicalPosition;

use crate::i18n as t;
use crate::kit::{focus_in_place, live, scroll_to, submit_pressed};

/// A box for a comment. A handle; the text itself is the browser's, which can undo in it.
#[derive(Clone, Copy)]
pub(crate) struct CommentBox {
    area: NodeRef<html::Textarea>,
    characters: RwSignal<usize>,
}

impl CommentBox {
    /// An empty box.
    pub(crate) fn new() -> Self {
        Self { area: NodeRef::new(), characters: RwSignal::new(0) }
    }

    /// The box, under its label. `submit` is called for Ctrl+Enter.
    pub(crate) fn view(self, id: String, label: &'static str, submit: impl Fn() + 'static) -> AnyView {
        (
            html::label().attr("for", id.clone()).class("comment-label").child(label),
            html::textarea()
                .id(id)
                .attr("rows", "3")
                .attr("placeholder", t::MARKUP)
                .on(ev::input, move |_| self.count_characters())
                .on(ev::keydown, move |event| {
                    if submit_pressed(&event) {
                        event.prevent_default();
                        submit();
                    }
                })
                .node_ref(self.area),
        )
            .into_any()
    }

    /// How many characters there are, once that matters.
    pub(crate) fn count(self) -> AnyView {
        let limit = Limits::default().comment_chars;
        let count = live(move || {
            let characters = self.characters.get();
            (characters > limit / 10 * 8).then(|| {
                let count = html::span().class("count").class(("over", characters > limit));
                count.child(t::characters(characters, limit)).into_any()
            })
        });
        count.into_any()
    }

    /// What is in it.
    pub(crate) fn text(self) -> String {
        self.area.get_untracked().map(|area| area.value()).unwrap_or_default()
    }

    /// Replaces what is in it.
    pub(crate) fn set_text(self, text: &str) {
        if let Some(area) = self.area.get_untracked() {
            area.set_value(text);
            self.count_characters();
        }
    }

    /// Puts a text into it and the caret behind it, as soon as it is on the page.
    pub(crate) fn fill_when_drawn(self, text: String) {
        self.area.on_load(move |area| {
            area.set_value(&text);
            self.count_characters();
            request_animation_frame(move || {
                let _ = area.focus();
            });
        });
    }

    /// Puts a text at the caret, on a line of its own, and the caret behind it.
    pub(crate) fn insert_lines(self, text: &str) {
        let Some(area) = self.area.get_untracked() else { return };
        let at = area.selection_start().ok().flatten().unwrap_or_default();
        let end = area.selection_end().ok().flatten().unwrap_or(at);
        // The browser counts in UTF-16 units.
        let before: Vec<u16> = area.value().encode_utf16().take(at as usize).collect();
        let on_new_line = before.last().is_none_or(|&unit| unit == u16::from(b'\n'));
        let text = if on_new_line { text.to_owned() } else { format!("\n{text}") };
        let _ = area.set_range_text_with_start_and_end_and_mode(&text, at, end, "end");
        self.count_characters();
    }

    /// Puts the caret into it, and moves the page only if it is out of view; whether it was in view, as it is where the
    /// form floats.
    pub(crate) fn focus(self) -> bool {
        let Some(area) = self.area.get_untracked() else { return false };
        focus_in_place(&area);
        let place = area.get_bounding_client_rect();
        let height = window().inner_height().ok().and_then(|height| height.as_f64());
        let in_view = place.top() >= 0.0 && height.is_some_and(|height| place.bottom() <= height);
        if !in_view {
            scroll_to(&area, ScrollLogicalPosition::Center);
        }
        in_view
    }

    fn count_characters(self) {
        self.characters.set(self.text().chars().count());
    }
}
