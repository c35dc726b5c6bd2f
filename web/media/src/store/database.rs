//! The database with the records of blobs: IndexedDB, with transactions that are done when their `complete` event says so
//! and that tell why they failed (Indexed Database API 3.0, section 2.7).
//!
//! One store, `blobs`, from a blob's id to a record's bytes. What is in a record is not known here.

use std::cell::Cell;
use std::rc::Rc;

use chanterelle_core::base::BlobId;
use futures::channel::oneshot;
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{IdbDatabase, IdbFactory, IdbObjectStore, IdbOpenDbRequest, IdbRequest, IdbTransaction};

use super::trouble::{failed, unavailable};
use crate::messages::StoreError;

/// The version of the store below and of the records. A later one upgrades when it is opened.
const VERSION: u32 = 1;

const BLOBS: &str = "blobs";

#[wasm_bindgen]
extern "C" {
    /// An `IDBDatabase` whose transactions have options: web-sys has those behind a flag for unstable interfaces only,
    /// browsers since 2021.
    type WithOptions;
    #[wasm_bindgen(method, catch)]
    fn transaction(
        this: &WithOptions,
        stores: &Array,
        mode: &str,
        options: &Object,
    ) -> Result<IdbTransaction, JsValue>;
}

/// What a change must survive before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// A crash of the machine.
    Strict,
    /// A crash of the browser.
    Relaxed,
}

/// An open database.
pub(super) struct Database {
    database: IdbDatabase,
    _gone: Closure<dyn Fn()>,
}

impl Database {
    /// Opens the database of this name, making it if there is none.
    ///
    /// # Errors
    /// When the browser gives none, or one that a newer version has written.
    pub(super) async fn open(name: &str) -> Result<Database, StoreError> {
        let factory =
            Reflect::get(&js_sys::global(), &"indexedDB".into()).map_err(|error| unavailable(&error))?;
        let factory: IdbFactory = factory
            .dyn_into()
            .map_err(|_| StoreError::Unavailable("this browser or window has no IndexedDB".to_owned()))?;
        let request: IdbOpenDbRequest =
            factory.open_with_u32(name, VERSION).map_err(|error| unavailable(&error))?;
        let upgrade = Closure::once_into_js({
            let request = request.clone();
            move || {
                // What fails here fails the request.
                if let Ok(database) = request.result() {
                    let _ = database.unchecked_into::<IdbDatabase>().create_object_store(BLOBS);
                }
            }
        });
        request.set_onupgradeneeded(Some(upgrade.unchecked_ref()));
        let database: IdbDatabase =
            result(&request).await.map_err(|error| unavailable(&error))?.unchecked_into();
        let gone = Closure::<dyn Fn()>::new({
            let database = database.clone();
            // A newer version of the program waits until every connection is closed.
            move || database.close()
        });
        database.set_onversionchange(Some(gone.as_ref().unchecked_ref()));
        Ok(Database { database, _gone: gone })
    }

    /// All records, with their ids.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) async fn all(&self) -> Result<Vec<(BlobId, Vec<u8>)>, StoreError> {
        let store = self.begin("readonly", Durability::Relaxed)?.1;
        let keys = store.get_all_keys().map_err(|error| failed(&error))?;
        let values = store.get_all().map_err(|error| failed(&error))?;
        let keys: Array = result(&keys).await.map_err(|error| failed(&error))?.unchecked_into();
        let values: Array = result(&values).await.map_err(|error| failed(&error))?.unchecked_into();
        let id = |key: JsValue| BlobId::try_from(Uint8Array::new(&key).to_vec().as_slice()).ok();
        let both = keys.iter().zip(values.iter());
        Ok(both.filter_map(|(key, value)| Some((id(key)?, Uint8Array::new(&value).to_vec()))).collect())
    }

    /// The record of a blob.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn get(&self, id: &BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        let store = self.begin("readonly", Durability::Relaxed)?.1;
        let request = store.get(&key(id)).map_err(|error| failed(&error))?;
        let value = result(&request).await.map_err(|error| failed(&error))?;
        Ok((!value.is_undefined()).then(|| Uint8Array::new(&value).to_vec()))
    }

    /// Changes the record of a blob by what it is: `None` stands for none, before and after. Nothing comes between.
    ///
    /// # Errors
    /// When nothing was changed.
    pub(super) async fn change<T>(
        &self,
        id: &BlobId,
        durability: Durability,
        change: impl FnOnce(Option<Vec<u8>>) -> (Option<Vec<u8>>, T),
    ) -> Result<T, StoreError> {
        let (transaction, store) = self.begin("readwrite", durability)?;
        let done = Done::new(&transaction);
        let request = store.get(&key(id)).map_err(|error| failed(&error))?;
        let value = result(&request).await.map_err(|error| failed(&error))?;
        let before = (!value.is_undefined()).then(|| Uint8Array::new(&value).to_vec());
        let (after, outcome) = change(before);
        let asked = match after {
            Some(record) => store.put_with_key(&Uint8Array::from(record.as_slice()), &key(id)),
            None => store.delete(&key(id)),
        };
        asked.map_err(|error| failed(&error))?;
        done.wait(&transaction).await.map(|()| outcome)
    }

    fn begin(
        &self,
        mode: &str,
        durability: Durability,
    ) -> Result<(IdbTransaction, IdbObjectStore), StoreError> {
        let options = Object::new();
        let durability = match durability {
            Durability::Strict => "strict",
            Durability::Relaxed => "relaxed",
        };
        Reflect::set(&options, &"durability".into(), &durability.into())
            .expect("a plain object takes any property");
        let transaction = self
            .database
            .unchecked_ref::<WithOptions>()
            .transaction(&Array::of1(&BLOBS.into()), mode, &options)
            .map_err(|error| unavailable(&error))?;
        let store = transaction.object_store(BLOBS).map_err(|error| unavailable(&error))?;
        Ok((transaction, store))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.database.set_onversionchange(None);
        self.database.close();
    }
}

fn key(id: &BlobId) -> JsValue {
    Uint8Array::from(id.as_bytes().as_slice()).into()
}

/// Waits for what a request gives.
async fn result(request: &IdbRequest) -> Result<JsValue, JsValue> {
    let (done, ended) = oneshot::channel();
    // Called by the one event that ends the request, and alive until then even if nobody waits any more.
    let settle = Closure::once_into_js({
        let request = request.clone();
        move || {
            let _ = done.send(match request.error() {
                Ok(None) => request.result(),
                Ok(Some(error)) => Err(error.into()),
                Err(error) => Err(error),
            });
        }
    });
    request.set_onsuccess(Some(settle.unchecked_ref()));
    request.set_onerror(Some(settle.unchecked_ref()));
    ended.await.expect("the request holds the sender until one of its events")
}

/// How a transaction ends, listened for from its beginning.
struct Done {
    ended: oneshot::Receiver<bool>,
    _settle: [Closure<dyn Fn()>; 2],
}

impl Done {
    fn new(transaction: &IdbTransaction) -> Self {
        let (done, ended) = oneshot::channel();
        let done = Rc::new(Cell::new(Some(done)));
        let settle = [true, false].map(|complete| {
            let done = done.clone();
            Closure::<dyn Fn()>::new(move || {
                if let Some(done) = done.take() {
                    let _ = done.send(complete);
                }
            })
        });
        transaction.set_oncomplete(Some(settle[0].as_ref().unchecked_ref()));
        transaction.set_onabort(Some(settle[1].as_ref().unchecked_ref()));
        Done { ended, _settle: settle }
    }

    async fn wait(self, transaction: &IdbTransaction) -> Result<(), StoreError> {
        let complete = self.ended.await.expect("the handlers hold the sender until one of them is called");
        transaction.set_oncomplete(None);
        transaction.set_onabort(None);
        match (complete, transaction.error()) {
            (true, _) => Ok(()),
            (false, Some(error)) => Err(failed(&error)),
            (false, None) => Err(StoreError::Failed("the browser closed the storage".to_owned())),
        }
    }
}
