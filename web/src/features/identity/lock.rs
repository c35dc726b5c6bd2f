//! The passphrase lock: without the passphrase, the next start of the browser does not get at the identity.

use chanterelle_annex::question::Cost;
use leptos::prelude::*;
use leptos::{ev, html};
use serde_bytes::ByteArray;

use super::{Standing, current_key, current_passphrase, secret_input, stretched};
use crate::i18n as t;
use crate::kit::{Work, live};
use crate::link::{Ask, Lock};
use crate::state::Client;

/// Puts a lock on, changes it, takes it off.
pub(crate) fn passphrase_lock(standing: Standing) -> AnyView {
    let client = Client::here();
    let current = NodeRef::<html::Input>::new();
    let [field, again] = [(); 2].map(|()| NodeRef::<html::Input>::new());
    let work = Work::new();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let (Some(first), Some(second)) = (field.get_untracked(), again.get_untracked()) else { return };
        let passphrase = first.value();
        if passphrase.is_empty() {
            return work.refuse(t::PASSPHRASE_EMPTY);
        }
        if passphrase != second.value() {
            return work.refuse(t::PASSPHRASES_DIFFER);
        }
        work.begin(t::LOCKING, async move {
            let old = current_key(standing, current).await?;
            let lock = new_lock()?;
            let key = stretched(passphrase, &lock).await?;
            let asked = client.ask(Ask::Lock(old, Some((key, lock)))).await;
            asked.map_err(|error| t::secret(&error))?;
            [first, second].iter().for_each(|input| input.set_value(""));
            standing.again(client);
            Ok(t::LOCKED)
        });
    };
    let take_off = move |_| {
        work.begin(t::LOCKING, async move {
            let old = current_key(standing, current).await?;
            client.ask(Ask::Lock(old, None)).await.map_err(|error| t::secret(&error))?;
            standing.again(client);
            Ok(t::LOCK_TAKEN_OFF)
        });
    };
    let is_locked = Memo::new(move |_| standing.lock.with(Option::is_some));
    let label = move || if is_locked.get() { t::CHANGE_LOCK } else { t::SET_LOCK };
    let off = move || {
        is_locked.get().then(|| {
            html::button().r#type("button").on(ev::click, take_off).child(t::TAKE_OFF_LOCK).into_any()
        })
    };
    html::form()
        .class("field")
        .on(ev::submit, submit)
        .child((
            html::p().child(t::LOCK_ABOUT),
            current_passphrase(standing, "lock-current", current),
            html::label().attr("for", "lock-new").child(t::NEW_PASSPHRASE),
            secret_input("lock-new", "new-password", field),
            html::label().attr("for", "lock-again").child(t::NEW_PASSPHRASE_AGAIN),
            secret_input("lock-again", "new-password", again),
            work.view(),
            html::div()
                .class("form-foot")
                .child((html::button().r#type("submit").child(live(label)), live(off))),
        ))
        .into_any()
}

/// Asks for the passphrase, while what is stored here is locked.
pub(crate) fn unlock() -> AnyView {
    let client = Client::here();
    let shown = move || {
        let lock = client.locked.get()?;
        let field = NodeRef::<html::Input>::new();
        let work = Work::new();
        let submit = move |event: ev::SubmitEvent| {
            event.prevent_default();
            let Some(input) = field.get_untracked() else { return };
            let (passphrase, lock) = (input.value(), lock.clone());
            if passphrase.is_empty() {
                return work.refuse(t::PASSPHRASE_EMPTY);
            }
            work.begin(t::UNLOCKING, async move {
                let key = stretched(passphrase, &lock).await?;
                client.ask(Ask::Unlock(key)).await.map_err(|error| t::secret(&error))?;
                Ok("")
            });
        };
        let form =
            html::form().class("alert calm field").aria_label(t::UNLOCK).on(ev::submit, submit).child((
                html::p().child(t::IS_LOCKED),
                html::label().attr("for", "unlock").child(t::PASSPHRASE),
                html::div().class("joined").child((
                    secret_input("unlock", "current-password", field),
                    html::button().r#type("submit").class("main").child(t::UNLOCK),
                )),
                work.view(),
            ));
        Some(form.into_any())
    };
    live(shown).into_any()
}

fn new_lock() -> Result<Lock, String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
    let Cost { memory, passes, lanes } = Cost::DEFAULT;
    Ok(Lock { salt: ByteArray::new(salt), memory, passes, lanes })
}
