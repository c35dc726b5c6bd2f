//! `/settings`: how the page looks, and the person's identity.

use leptos::prelude::*;
use leptos::{ev, html};

use crate::features::direct::private_mode;
use crate::features::identity::{Standing, backup_file, passphrase_lock, previous, recovery_phrase};
use crate::features::media::{kept_files, shown_boards};
use crate::i18n as t;
use crate::kit::{alert_if, heading, live};
use crate::state::{Preferences, TextSize, Theme, not_ready, ready_when};

/// The person's choices, applied at once.
pub(crate) fn settings() -> AnyView {
    not_ready();
    ready_when(|| true);
    let standing = Standing::ask();
    let preferences = expect_context::<Preferences>();
    let (theme, text) = (preferences.theme, preferences.text);
    let themes = Theme::ALL.into_iter().zip(t::THEMES).map(|(choice, name)| {
        option("theme", choice.as_str(), name, move || theme.get() == choice, move || theme.set(choice))
    });
    let sizes = TextSize::ALL.into_iter().zip(t::TEXTS).map(|(choice, name)| {
        option("text", choice.as_str(), name, move || text.get() == choice, move || text.set(choice))
    });
    html::div()
        .class("page prose")
        .child((
            heading(t::SETTINGS),
            html::p().class("lead").child(t::SETTINGS_ABOUT),
            html::fieldset().child((html::legend().child(t::THEME), themes.collect::<Vec<_>>())),
            html::fieldset().child((html::legend().child(t::TEXT), sizes.collect::<Vec<_>>())),
            alert_if(move || preferences.forgotten.get().then(|| t::NOT_REMEMBERED.to_owned())),
            html::h2().id("direct").child(t::DIRECT),
            private_mode(),
            html::h2().id("files").child(t::FILES),
            shown_boards(),
            kept_files(),
            html::h2().id("backup").child(t::BACKUP),
            html::p().child(t::BACKUP_ABOUT),
            part(t::PHRASE_TITLE, recovery_phrase(standing)),
            part(t::FILE_TITLE, backup_file(standing)),
            live(move || standing.previous.get().then(|| part(t::PREVIOUS_TITLE, previous(standing)))),
            part(t::LOCK_TITLE, passphrase_lock(standing)),
        ))
        .into_any()
}

fn part(title: &'static str, content: AnyView) -> AnyView {
    html::section().class("part").child((html::h3().child(title), content)).into_any()
}

fn option(
    group: &'static str,
    value: &'static str,
    name: &'static str,
    chosen: impl Fn() -> bool + Send + Sync + 'static,
    choose: impl Fn() + 'static,
) -> AnyView {
    html::label()
        .class("choice")
        .child((
            html::input()
                .r#type("radio")
                .name(group)
                .value(value)
                .prop("checked", chosen)
                .on(ev::change, move |_| choose()),
            html::span().child(name),
        ))
        .into_any()
}
