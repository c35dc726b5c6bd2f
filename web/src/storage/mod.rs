//! What a tab keeps: events, their index, the person's root secret. The only importer of rexie.
//!
//! IndexedDB, database `chanterelle`, three stores:
//!
//! | store | key | value |
//! |---|---|---|
//! | `events` | the event's id, 32 bytes | the event as it is sent |
//! | `index` | a number, counted up | packed rows, one behind the other; of several rows with one id the last counts |
//! | `meta` | a name | `state` (the node's), `key` and `root` (see [`secret`]) |
//!
//! rexie makes the stores and reads them. It has no durability option and does not tell why a transaction was aborted,
//! and both decide what may be called saved; so [`connection`] writes, on a connection of its own to the same database.
//!
//! One worker at a time uses a profile's storage; that is the caller's care. Nothing here knows the node or the page.

mod connection;
mod index;
mod secret;
#[cfg(all(test, target_arch = "wasm32"))]
mod tests;

use std::ops::Deref;

use chanterelle_core::base::EventId;
use chanterelle_core::crypto::Root;
use chanterelle_core::node::{Batch, StorageError};
use chanterelle_core::store::Row;
use futures::channel::oneshot;
use futures::future::join_all;
use js_sys::Uint8Array;
use rexie::{ObjectStore, Rexie, TransactionMode};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use connection::{Connection, Durability};
pub(crate) use secret::{Held, Lock, LockKey, SecretError, random};

const DATABASE: &str = "chanterelle";

/// The version of the stores above and of the packed rows. A later one upgrades in [`Storage::open`].
const VERSION: u32 = 1;

const EVENTS: &str = "events";
const INDEX: &str = "index";
const META: &str = "meta";

const STATE: &str = "state";

/// How the storage is, for the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StorageStatus {
    /// Being opened and read.
    Opening,
    /// In use.
    Ready {
        /// Whether the browser has promised not to evict it.
        durable: bool,
    },
    /// Nothing is kept beyond this visit, and why.
    MemoryOnly(String),
}

/// The parts of the index worth tidying.
pub(crate) struct Untidy(Vec<index::Span>);

/// The storage of one profile.
pub(crate) struct Storage {
    reader: Reader,
    writer: Connection,
}

/// rexie's connection, closed when it is no longer used: dropped alone it would stay open, deaf to a newer version
/// that waits for it to be closed.
struct Reader(Option<Rexie>);

impl Deref for Reader {
    type Target = Rexie;

    fn deref(&self) -> &Rexie {
        self.0.as_ref().expect("only dropping takes it")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(reader) = self.0.take() {
            reader.close();
        }
    }
}

impl Storage {
    /// Opens the storage, making it on first use. `on_lost` is called when the browser takes it away later, because a
    /// newer version of the program wants to upgrade it or the person cleared the site's data.
    ///
    /// # Errors
    /// When the browser gives no storage, or one that a newer version has written.
    pub(crate) async fn open(on_lost: impl Fn() + 'static) -> Result<Storage, StorageError> {
        Self::open_named(DATABASE, on_lost).await
    }

    async fn open_named(name: &'static str, on_lost: impl Fn() + 'static) -> Result<Storage, StorageError> {
        let (done, opened) = oneshot::channel();
        // By itself, so that it comes to its end when nobody waits any more: what rexie opens too late would stay open.
        // A storage that nobody takes is closed by being dropped.
        spawn_local(async move {
            let _ = done.send(Self::open_both(name, on_lost).await);
        });
        opened.await.expect("the sender is used")
    }

    async fn open_both(name: &str, on_lost: impl Fn() + 'static) -> Result<Storage, StorageError> {
        let builder = Rexie::builder(name)
            .version(VERSION)
            .add_object_store(ObjectStore::new(EVENTS))
            .add_object_store(ObjectStore::new(INDEX).auto_increment(true))
            .add_object_store(ObjectStore::new(META));
        let reader = builder.build().await.map_err(|error| StorageError::Unavailable(detail(&error)))?;
        let reader = Reader(Some(reader));
        // Only now: it finds the stores made.
        let writer = Connection::open(name, VERSION, on_lost).await?;
        Ok(Storage { reader, writer })
    }

    /// Everything of the index, in portions: later rows of one id replace earlier ones. Tidying what was read is left
    /// for [`Storage::tidy`].
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub(crate) async fn rows(&self, each: impl FnMut(Vec<Row>)) -> Result<Untidy, StorageError> {
        index::read(self, each).await.map(Untidy)
    }

    /// Makes the next start faster. May run while batches are stored.
    ///
    /// # Errors
    /// When the storage refuses; what is stored is the same as before.
    pub(crate) async fn tidy(&self, untidy: Untidy) -> Result<(), StorageError> {
        index::merge(self, untidy.0).await
    }

    /// The node's state as it was last stored.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub(crate) async fn state(&self) -> Result<Option<Vec<u8>>, StorageError> {
        let value = self.meta(STATE).await?;
        Ok(value.map(|value| Uint8Array::from(value).to_vec()))
    }

    /// The person's root secret, made on first use, or how a passphrase opens it.
    ///
    /// # Errors
    /// When it cannot be read, unwrapped or stored.
    pub(crate) async fn root(&self) -> Result<Held, StorageError> {
        secret::held(self).await
    }

    /// The root secret, opened by the key of a passphrase if it is locked.
    ///
    /// # Errors
    /// When that is another passphrase's key, or the root cannot be read.
    pub(crate) async fn unlock(&self, key: Option<&LockKey>) -> Result<Root, SecretError> {
        secret::unlock(self, key).await
    }

    /// Changes by which key the root secret is opened beside the browser's own; `old` is that of now.
    ///
    /// # Errors
    /// When `old` is not; or the storage refuses. Then nothing has changed.
    pub(crate) async fn lock(
        &self,
        old: Option<&LockKey>,
        new: Option<(&LockKey, &Lock)>,
    ) -> Result<(), SecretError> {
        secret::lock(self, old, new).await
    }

    /// Adds what a backup of the identity that is here holds beside the root.
    ///
    /// # Errors
    /// When the storage refuses; then nothing has changed.
    pub(crate) async fn add_backup(&self, backup: Option<&[u8]>) -> Result<(), SecretError> {
        secret::add_backup(self, backup).await
    }

    /// Puts another identity here, with the state of a backup; the one of now is kept, for [`Storage::swap`].
    ///
    /// # Errors
    /// When the storage refuses; then nothing has changed.
    pub(crate) async fn replace(&self, root: &Root, backup: Option<&[u8]>) -> Result<(), SecretError> {
        secret::replace(self, root, backup).await
    }

    /// Puts an identity from before back, the one that was longest away, and keeps the one of now.
    ///
    /// # Errors
    /// When there is none, or the storage refuses; then nothing has changed.
    pub(crate) async fn swap(&self) -> Result<(), SecretError> {
        secret::swap(self).await
    }

    /// Whether there is an identity from before.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub(crate) async fn has_previous(&self) -> Result<bool, StorageError> {
        secret::has_previous(self).await
    }

    /// Stores a batch, all of it or nothing, and returns when it is durable.
    ///
    /// # Errors
    /// When nothing of it was stored.
    pub(crate) async fn write(&self, batch: &Batch) -> Result<(), StorageError> {
        let durability = if batch.strict { Durability::Strict } else { Durability::Relaxed };
        let transaction = self.writer.begin(&[EVENTS, INDEX, META], durability)?;
        let events = transaction.store(EVENTS);
        for put in &batch.puts {
            if let Some(event) = &put.event {
                events.put(&bytes(event), Some(&bytes(put.row.id.as_bytes())));
            }
        }
        let index = transaction.store(INDEX);
        for record in index::records(batch.puts.iter().map(|put| &put.row)) {
            index.put(&bytes(&record), None);
        }
        if let Some(state) = &batch.state {
            transaction.store(META).put(&bytes(state), Some(&STATE.into()));
        }
        transaction.done().await
    }

    /// The bytes of those events that are held, in the order asked for.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub(crate) async fn read(&self, ids: &[EventId]) -> Result<Vec<(EventId, Vec<u8>)>, StorageError> {
        let transaction =
            self.reader.transaction(&[EVENTS], TransactionMode::ReadOnly).map_err(|e| failed(&e))?;
        let events = transaction.store(EVENTS).map_err(|error| failed(&error))?;
        let values = join_all(ids.iter().map(|id| events.get(bytes(id.as_bytes())))).await;
        let mut found = Vec::with_capacity(ids.len());
        for (id, value) in ids.iter().zip(values) {
            if let Some(value) = value.map_err(|error| failed(&error))? {
                found.push((*id, Uint8Array::from(value).to_vec()));
            }
        }
        Ok(found)
    }

    async fn meta(&self, key: &str) -> Result<Option<JsValue>, StorageError> {
        let transaction =
            self.reader.transaction(&[META], TransactionMode::ReadOnly).map_err(|e| failed(&e))?;
        let store = transaction.store(META).map_err(|error| failed(&error))?;
        store.get(key.into()).await.map_err(|error| failed(&error))
    }
}

fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

fn failed(error: &rexie::Error) -> StorageError {
    StorageError::Failed(detail(error))
}

/// rexie's own words say only that idb failed.
fn detail(error: &rexie::Error) -> String {
    match error {
        rexie::Error::IdbError(error) => error.to_string(),
        other => other.to_string(),
    }
}
