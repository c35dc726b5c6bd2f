//! The offer of a backup: after the first post, once. And the request to the browser not to clear what is stored.

use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;
use leptos::prelude::*;
use leptos::{ev, html};
use leptos_router::hooks::use_navigate;
use wasm_bindgen_futures::JsFuture;

use crate::i18n as t;
use crate::kit::live;
use crate::link::{Ask, StorageStatus};
use crate::state::Client;

/// Remembered in local storage once a backup was made or the offer answered.
const ANSWERED: &str = "chanterelle.backup-answered";

/// A browser that asks the person may be left without an answer for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Offers a backup when there is something to lose, unless one was made or declined.
pub(crate) fn offer() -> AnyView {
    let client = Client::here();
    let answered = RwSignal::new(is_answered());
    let navigate = StoredValue::new_local(use_navigate());
    Effect::new(move |asked: Option<bool>| {
        let wrote = client.wrote.get();
        let evictable =
            client.storage.with_untracked(|status| *status == StorageStatus::Ready { durable: false });
        if wrote && evictable && asked != Some(true) {
            leptos::task::spawn_local(ask_to_keep(client));
        }
        wrote || asked == Some(true)
    });
    let shown = move || {
        let kept = client.storage.with(|status| matches!(status, StorageStatus::Ready { .. }));
        if !client.wrote.get() || !kept || answered.get() {
            return None;
        }
        let answer = move || {
            backed_up();
            answered.set(true);
        };
        let accept = move |_| {
            answer();
            navigate.with_value(|navigate| navigate("/settings#backup", Default::default()));
        };
        let later = move |_| answer();
        let offer = html::div().role("status").class("alert calm offer").child((
            html::p().child(t::BACKUP_OFFER),
            html::div().class("form-foot").child((
                html::button().r#type("button").class("main").on(ev::click, accept).child(t::BACKUP_NOW),
                html::button().r#type("button").on(ev::click, later).child(t::BACKUP_LATER),
            )),
        ));
        Some(offer.into_any())
    };
    live(shown).into_any()
}

/// There is a backup, or the person does not want one: nothing more is said.
pub(super) fn backed_up() {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(ANSWERED, "yes");
    }
}

fn is_answered() -> bool {
    let storage = window().local_storage().ok().flatten();
    storage.and_then(|storage| storage.get_item(ANSWERED).ok().flatten()).is_some()
}

/// Asks the browser to keep what is stored. Only a page can, not a worker.
async fn ask_to_keep(client: Client) {
    let Ok(promise) = window().navigator().storage().persist() else { return };
    let answer = select(JsFuture::from(promise), Delay::new(PATIENCE)).await;
    if let Either::Left((Ok(kept), _)) = answer
        && kept.is_truthy()
    {
        // How it stands is told by the storage's status.
        let _ = client.ask(Ask::Kept(true)).await;
    }
}
