//! Alerts about the page as a whole. The place for them is always in the document.

use chanterelle_core::node::Notice;
use leptos::prelude::*;
use leptos::{ev, html};

use crate::features::identity::unlock;
use crate::i18n as t;
use crate::kit::{alert, alert_if, calm_alert, live, notice};
use crate::link::StorageStatus;
use crate::offline::Versions;
use crate::state::{Client, Media};

pub(super) fn notices() -> AnyView {
    let client = Client::here();
    let failed = client.notices.failed;
    let once = client.notices.once;
    let storing = client.notices.storing;
    let Media { trouble: files, memory_only: files_in_memory, .. } = Media::here();
    let stopped = move || {
        failed.get().map(|reason| {
            let reload = html::button()
                .r#type("button")
                .on(ev::click, |_| {
                    let _ = location().reload();
                })
                .child(t::RELOAD);
            alert((html::p().child(reason), reload))
        })
    };
    let memory_only = move || {
        client.storage.with(|storage| match storage {
            StorageStatus::MemoryOnly(reason) => Some(t::memory_only(reason)),
            StorageStatus::Opening | StorageStatus::Ready { .. } => None,
        })
    };
    let said_once = move || {
        once.get().map(|notice| {
            let words = if notice == Notice::FriendsFull { t::FRIENDS_FULL } else { t::CLOCK };
            let dismiss = html::button().r#type("button").on(ev::click, move |_| once.set(None));
            alert((html::p().child(words), dismiss.child(t::DISMISS)))
        })
    };
    let versions = expect_context::<Versions>();
    let newer = move || {
        versions.newer.get().then(|| {
            let reload = html::button().r#type("button").on(ev::click, move |_| versions.reload());
            notice((html::p().child(t::NEWER), reload.child(t::RELOAD)))
        })
    };
    // Told only while nobody is there: trouble with one of several relays is no concern of the reader's.
    let cut_off = Memo::new(move |_| {
        client.network.with(|status| match &status.trouble {
            Some(trouble) if status.direct + status.relays == 0 => Some(t::network_trouble(trouble)),
            _ => None,
        })
    });
    html::div()
        .class("notices")
        .child((
            live(stopped),
            alert_if(memory_only),
            alert_if(move || storing.with(|error| error.as_ref().map(t::storing))),
            alert_if(move || files.with(|error| error.as_ref().map(t::files_not_stored))),
            live(move || files_in_memory.get().then(|| calm_alert(t::FILES_MEMORY_ONLY.to_owned()))),
            live(said_once),
            live(move || cut_off.get().map(calm_alert)),
            live(newer),
            unlock(),
        ))
        .into_any()
}
