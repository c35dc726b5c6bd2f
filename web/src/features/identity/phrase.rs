//! The recovery phrase: 24 words that are the whole identity. One field shows them and takes them.

use chanterelle_annex::question::{Key, SecretText};
use leptos::prelude::*;
use leptos::{ev, html};

use super::{Standing, backup, current_key, current_passphrase, offer, restore};
use crate::annex;
use crate::i18n as t;
use crate::kit::Work;
use crate::state::Client;

/// Shows the phrase of this identity, and restores another from its own.
pub(crate) fn recovery_phrase(standing: Standing) -> AnyView {
    let client = Client::here();
    let words = NodeRef::<html::Textarea>::new();
    let passphrase = NodeRef::<html::Input>::new();
    let work = Work::new();
    let show = move |_| {
        work.begin(t::MAKING_WORDS, async move {
            let key = current_key(standing, passphrase).await?;
            let backup = backup(client, key).await?;
            let phrase = annex::words(Key(*backup.root)).await;
            let phrase = phrase.map_err(|error| t::annex_failed(&error, t::words_refused))?;
            if let Some(words) = words.get_untracked() {
                words.set_value(&phrase.0);
            }
            offer::backed_up();
            Ok(t::WORDS_SHOWN)
        });
    };
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let Some(field) = words.get_untracked() else { return };
        let typed = field.value();
        if typed.trim().is_empty() {
            return work.refuse(t::WORDS_EMPTY);
        }
        work.begin(t::READING_WORDS, async move {
            let root = annex::root(SecretText(typed)).await;
            let root = root.map_err(|error| t::annex_failed(&error, t::words_refused))?;
            restore(client, &root, None).await?;
            field.set_value("");
            standing.again(client);
            Ok(t::RESTORED)
        });
    };
    html::form()
        .class("field")
        .on(ev::submit, submit)
        .child((
            html::p().child(t::PHRASE_ABOUT),
            current_passphrase(standing, "phrase-passphrase", passphrase),
            html::div()
                .class("form-foot")
                .child(html::button().r#type("button").on(ev::click, show).child(t::SHOW_PHRASE)),
            html::label().attr("for", "recovery-phrase").child(t::PHRASE),
            html::p().id("phrase-hint").class("quiet").child(t::PHRASE_HINT),
            html::textarea()
                .id("recovery-phrase")
                .class("words")
                .attr("rows", "4")
                .attr("autocomplete", "off")
                .attr("autocapitalize", "none")
                .attr("spellcheck", "false")
                .attr("aria-describedby", "phrase-hint")
                .node_ref(words),
            work.view(),
            html::div().class("form-foot").child((
                html::button().r#type("submit").child(t::RESTORE),
                html::span().class("quiet").child(t::RESTORE_ABOUT),
            )),
        ))
        .into_any()
}
