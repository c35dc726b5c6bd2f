//! The connection that writes: transactions with a stated durability (Indexed Database API 3.0, section 2.7), which
//! are done when their `complete` event says so and not before, and which tell why they failed.
//!
//! Makes no stores and reads nothing.

use std::cell::Cell;
use std::rc::Rc;

use chanterelle_core::node::StorageError;
use futures::channel::oneshot;
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{DomException, IdbDatabase, IdbFactory, IdbObjectStore, IdbOpenDbRequest, IdbTransaction};

#[wasm_bindgen]
extern "C" {
    /// An `IDBDatabase` whose transactions have options: web-sys has those behind a flag for unstable interfaces only,
    /// browsers since 2021.
    type Database;
    #[wasm_bindgen(method, catch)]
    fn transaction(
        this: &Database,
        stores: &Array,
        mode: &str,
        options: &Object,
    ) -> Result<IdbTransaction, JsValue>;

    /// An `IDBTransaction` that is asked to commit, for which web-sys knows only a name that is gone.
    type Committing;
    #[wasm_bindgen(method, catch)]
    fn commit(this: &Committing) -> Result<(), JsValue>;
}

/// What a transaction must survive before it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// A crash of the machine.
    Strict,
    /// A crash of the browser.
    Relaxed,
}

/// An open database.
pub(super) struct Connection {
    database: IdbDatabase,
    _gone: Closure<dyn Fn()>,
}

impl Connection {
    /// Opens a database of this version that exists. Whoever stops waiting leaves nothing behind.
    ///
    /// # Errors
    /// When the browser gives no storage, or there is no such database.
    pub(super) async fn open(
        name: &str,
        version: u32,
        on_lost: impl Fn() + 'static,
    ) -> Result<Connection, StorageError> {
        let factory = Reflect::get(&js_sys::global(), &"indexedDB".into()).map_err(|e| unavailable(&e))?;
        let factory: IdbFactory = factory
            .dyn_into()
            .map_err(|_| StorageError::Unavailable("this browser or window has no IndexedDB".to_owned()))?;
        let request = factory.open_with_u32(name, version).map_err(|error| unavailable(&error))?;

        // One that is gone must not come back without its stores: it would stay so for good.
        let refuse = Closure::<dyn Fn()>::new({
            let request = request.clone();
            move || {
                if let Some(making) = request.transaction() {
                    // Then the request fails, which is all that is wanted.
                    let _ = making.abort();
                }
            }
        });
        request.set_onupgradeneeded(Some(refuse.as_ref().unchecked_ref()));
        // Called by the one event that ends the request, and alive until then even if nobody waits any more: an event
        // that calls what is gone is an error to the whole worker.
        let (done, opened) = oneshot::channel();
        let settle = Closure::once_into_js({
            let request = request.clone();
            move || {
                request.set_onupgradeneeded(None);
                drop(refuse);
                // A connection that nobody takes is dropped with this, and so closed.
                let _ = done.send(Self::of(&request, on_lost));
            }
        });
        request.set_onsuccess(Some(settle.unchecked_ref()));
        request.set_onerror(Some(settle.unchecked_ref()));
        opened.await.expect("the request holds the sender until one of its events")
    }

    /// What a request that has ended has opened.
    fn of(request: &IdbOpenDbRequest, on_lost: impl Fn() + 'static) -> Result<Connection, StorageError> {
        let database: IdbDatabase = match request.error() {
            Ok(None) => request.result().map_err(|error| unavailable(&error))?.unchecked_into(),
            Ok(Some(error)) => return Err(unavailable(&error)),
            Err(error) => return Err(unavailable(&error)),
        };
        let gone = Closure::<dyn Fn()>::new({
            let database = database.clone();
            move || {
                // A newer version of the program waits until every connection is closed.
                database.close();
                on_lost();
            }
        });
        database.set_onversionchange(Some(gone.as_ref().unchecked_ref()));
        database.set_onclose(Some(gone.as_ref().unchecked_ref()));
        Ok(Connection { database, _gone: gone })
    }

    /// Begins a transaction that may write to these stores.
    ///
    /// # Errors
    /// When the connection was closed.
    pub(super) fn begin(&self, stores: &[&str], durability: Durability) -> Result<Transaction, StorageError> {
        let stores: Array = stores.iter().map(|store| JsValue::from(*store)).collect();
        let options = Object::new();
        let durability = match durability {
            Durability::Strict => "strict",
            Durability::Relaxed => "relaxed",
        };
        Reflect::set(&options, &"durability".into(), &durability.into())
            .expect("a plain object takes any property");
        let transaction = self
            .database
            .unchecked_ref::<Database>()
            .transaction(&stores, "readwrite", &options)
            .map_err(|error| unavailable(&error))?;
        Ok(Transaction { transaction, refused: Rc::default() })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.database.set_onversionchange(None);
        self.database.set_onclose(None);
        self.database.close();
    }
}

/// A transaction under way. What is asked of it is done in order; [`Transaction::done`] tells how it ended.
pub(super) struct Transaction {
    transaction: IdbTransaction,
    /// What the browser threw at a request that it did not take.
    refused: Rc<Cell<Option<JsValue>>>,
}

impl Transaction {
    /// One of the stores the transaction was begun with.
    pub(super) fn store(&self, name: &str) -> Store {
        let store = self.transaction.object_store(name).expect("the transaction was begun with this store");
        Store { store, refused: self.refused.clone() }
    }

    /// Waits until everything is durable.
    ///
    /// # Errors
    /// When nothing was stored.
    pub(super) async fn done(self) -> Result<(), StorageError> {
        if let Some(error) = self.refused.take() {
            // It may have been aborted by the same fault.
            let _ = self.transaction.abort();
            return Err(reason(&error));
        }
        let (done, ended) = oneshot::channel();
        let done = Rc::new(Cell::new(Some(done)));
        let settle = |complete: bool| {
            let done = done.clone();
            Closure::<dyn Fn()>::new(move || {
                if let Some(done) = done.take() {
                    // Nobody waits any more when the page is closing.
                    let _ = done.send(complete);
                }
            })
        };
        let (complete, abort) = (settle(true), settle(false));
        self.transaction.set_oncomplete(Some(complete.as_ref().unchecked_ref()));
        self.transaction.set_onabort(Some(abort.as_ref().unchecked_ref()));
        // All was asked that will be. By itself it would commit only once this worker has heard that all was done, so
        // never if the person closes the tab before. Err says that it has ended.
        let _ = self.transaction.unchecked_ref::<Committing>().commit();
        let complete = ended.await.expect("the handlers hold the sender until one of them is called");
        match (complete, self.transaction.error()) {
            (true, _) => Ok(()),
            (false, Some(error)) => Err(reason(&error)),
            (false, None) => Err(StorageError::Failed("the browser closed the storage".to_owned())),
        }
    }
}

impl Drop for Transaction {
    /// It goes on by itself when nobody waits for it, and must not call what is gone then.
    fn drop(&mut self) {
        self.transaction.set_oncomplete(None);
        self.transaction.set_onabort(None);
    }
}

/// A store within a transaction.
pub(super) struct Store {
    store: IdbObjectStore,
    refused: Rc<Cell<Option<JsValue>>>,
}

impl Store {
    /// Puts a value under a key, or under the next number.
    pub(super) fn put(&self, value: &JsValue, key: Option<&JsValue>) {
        let outcome = match key {
            Some(key) => self.store.put_with_key(value, key),
            None => self.store.put(value),
        };
        self.keep(outcome.map(drop));
    }

    /// Deletes what lies under a key or a range of keys.
    pub(super) fn delete(&self, keys: &JsValue) {
        self.keep(self.store.delete(keys).map(drop));
    }

    fn keep(&self, outcome: Result<(), JsValue>) {
        if let Err(error) = outcome {
            self.refused.set(Some(error));
        }
    }
}

/// Why the storage cannot be used.
fn unavailable(error: &JsValue) -> StorageError {
    StorageError::Unavailable(words(error))
}

/// Why a transaction failed.
fn reason(error: &JsValue) -> StorageError {
    match error.dyn_ref::<DomException>() {
        Some(error) if error.name() == "QuotaExceededError" => StorageError::Full,
        _ => StorageError::Failed(words(error)),
    }
}

/// What the browser says about an error.
pub(super) fn words(error: &JsValue) -> String {
    match error.dyn_ref::<DomException>() {
        Some(error) => format!("{} ({})", error.message(), error.name()),
        None => error.as_string().unwrap_or_else(|| String::from(Object::from(error.clone()).to_string())),
    }
}
