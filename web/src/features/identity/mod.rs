//! The person's identity: its backup as words and as a file, restoring one, the passphrase lock.
//!
//! What takes computing is done in the annex; what is stored, by the worker. Nothing of what is here is changed by words,
//! a file or a passphrase that is not good.

mod file;
mod lock;
mod offer;
mod phrase;
mod previous;

use chanterelle_annex::question::{Cost, Key, SecretText};
use leptos::html;
use leptos::prelude::*;
use serde_bytes::ByteArray;

use crate::annex;
use crate::i18n as t;
use crate::link::{Answer, Ask, Backup, Lock, LockKey};
use crate::state::Client;

pub(crate) use file::backup_file;
pub(crate) use lock::{passphrase_lock, unlock};
pub(crate) use offer::offer;
pub(crate) use phrase::recovery_phrase;
pub(crate) use previous::previous;

/// Whether there is a lock, and an identity from before; `None` until it is known.
#[derive(Clone, Copy)]
pub(crate) struct Standing {
    /// The lock.
    pub(crate) lock: RwSignal<Option<Lock>>,
    /// Whether an identity from before is kept.
    pub(crate) previous: RwSignal<bool>,
}

impl Standing {
    /// Asks how things stand.
    pub(crate) fn ask() -> Self {
        let standing = Self { lock: RwSignal::new(None), previous: RwSignal::new(false) };
        standing.again(Client::here());
        standing
    }

    /// Asks again, because something was changed.
    fn again(self, client: Client) {
        leptos::task::spawn_local(async move {
            // Without storage there is neither.
            if let Ok(Answer::State { previous, lock }) = client.ask(Ask::State).await {
                // Only what is news, so that nothing that is shown is made anew.
                if self.previous.try_get_untracked().is_some_and(|known| known != previous) {
                    self.previous.set(previous);
                }
                if self.lock.try_get_untracked().is_some_and(|known| known != lock) {
                    self.lock.set(lock);
                }
            }
        });
    }
}

/// The key that the passphrase in this field gives, if there is a lock at all.
async fn current_key(standing: Standing, field: NodeRef<html::Input>) -> Result<Option<LockKey>, String> {
    let Some(lock) = standing.lock.get_untracked() else { return Ok(None) };
    let passphrase = field.get_untracked().map(|field| field.value()).unwrap_or_default();
    stretched(passphrase, &lock).await.map(Some)
}

async fn stretched(passphrase: String, lock: &Lock) -> Result<LockKey, String> {
    let cost = Cost { memory: lock.memory, passes: lock.passes, lanes: lock.lanes };
    let key = annex::stretch(SecretText(passphrase), lock.salt.into_array(), cost).await;
    key.map(|key| ByteArray::new(key.0)).map_err(|error| t::annex_failed(&error, t::stretch_refused))
}

/// The secret of this identity and what belongs to it.
async fn backup(client: Client, key: Option<LockKey>) -> Result<Backup, String> {
    match client.ask(Ask::Backup(key)).await {
        Ok(Answer::Backup(backup)) => Ok(backup),
        Ok(_) => unreachable!("each question has its answer"),
        Err(error) => Err(t::secret(&error)),
    }
}

/// Puts another identity here.
async fn restore(client: Client, root: &Key, state: Option<Vec<u8>>) -> Result<(), String> {
    let backup = Backup { root: ByteArray::new(root.0), state: state.map(serde_bytes::ByteBuf::from) };
    client.ask(Ask::Restore(backup)).await.map(drop).map_err(|error| t::secret(&error))
}

/// A field for the passphrase of the lock there is, while there is one.
fn current_passphrase(standing: Standing, id: &'static str, field: NodeRef<html::Input>) -> AnyView {
    let shown = move || {
        standing.lock.with(Option::is_some).then(|| {
            (
                html::label().attr("for", id).child(t::CURRENT_PASSPHRASE),
                secret_input(id, "current-password", field),
            )
        })
    };
    crate::kit::live(shown).into_any()
}

/// A field whose text is not shown.
fn secret_input(id: &'static str, autocomplete: &'static str, field: NodeRef<html::Input>) -> AnyView {
    html::input().id(id).r#type("password").autocomplete(autocomplete).node_ref(field).into_any()
}
