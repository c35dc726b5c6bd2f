//! How the person wants the page to look. Remembered in this browser alone; applied by attributes on `html`.

use leptos::prelude::*;

/// Light or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the system is set.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// All of them, as they are offered.
    pub(crate) const ALL: [Theme; 3] = [Theme::System, Theme::Light, Theme::Dark];

    /// The value of `html[data-theme]` and of what is remembered.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

/// How large text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextSize {
    /// More on the screen.
    Small,
    /// As designed.
    Normal,
    /// Easier to read.
    Large,
}

impl TextSize {
    /// All of them, as they are offered.
    pub(crate) const ALL: [TextSize; 3] = [TextSize::Small, TextSize::Normal, TextSize::Large];

    /// The value of `html[data-text]` and of what is remembered.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            TextSize::Small => "small",
            TextSize::Normal => "normal",
            TextSize::Large => "large",
        }
    }
}

/// The person's choices. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Preferences {
    /// Light or dark.
    pub theme: RwSignal<Theme>,
    /// How large text is.
    pub text: RwSignal<TextSize>,
    /// Whether the last choice could not be remembered, because the browser gives no storage.
    pub forgotten: RwSignal<bool>,
}

impl Preferences {
    /// Takes up what was remembered, and from then on applies and remembers every choice.
    pub(crate) fn load() -> Self {
        let theme = find("data-theme", Theme::ALL, Theme::as_str).unwrap_or(Theme::System);
        let text = find("data-text", TextSize::ALL, TextSize::as_str).unwrap_or(TextSize::Normal);
        let preferences =
            Self { theme: RwSignal::new(theme), text: RwSignal::new(text), forgotten: RwSignal::new(false) };
        Effect::new(move |_| preferences.keep("data-theme", preferences.theme.get().as_str()));
        Effect::new(move |_| preferences.keep("data-text", preferences.text.get().as_str()));
        preferences
    }

    fn keep(self, attribute: &str, value: &str) {
        if let Some(html) = document().document_element() {
            let _ = html.set_attribute(attribute, value);
        }
        let stored = storage().is_some_and(|storage| storage.set_item(&item(attribute), value).is_ok());
        if self.forgotten.get_untracked() == stored {
            self.forgotten.set(!stored);
        }
    }
}

fn find<T: Copy>(attribute: &str, all: [T; 3], as_str: fn(T) -> &'static str) -> Option<T> {
    let value = storage()?.get_item(&item(attribute)).ok()??;
    all.into_iter().find(|&choice| as_str(choice) == value)
}

/// The name in local storage; the page shell reads it too, before anything is drawn.
fn item(attribute: &str) -> String {
    format!("chanterelle.{attribute}")
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}
