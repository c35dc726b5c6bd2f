//! Where a browser keeps blobs: the content in files of the origin's own folder `chanterelle-media`, its hash tree in a
//! second file beside each, and a record of each in the IndexedDB database of the same name. Where either is missing,
//! everything is in memory, and said to be.
//!
//! **A blob is there when its record says so.** Content is written to files of fresh names, flushed, and then named by a record;
//! what no record names is rubbish, and removed by whoever leads. So nothing is renamed, and nothing half-written is ever
//! taken for whole. Content is named by its hash, so what is there already is not kept twice.
//!
//! **Several tabs** of a profile use the same files. Each may read whole blobs and write new whole ones. The one that leads
//! writes what comes in part, and alone removes. What changes is told to the others over a broadcast channel.
//!
//! Which blobs are worth having is not decided here.

mod change;
mod database;
mod files;
mod part;
mod read;
mod record;
mod removal;
#[cfg(test)]
mod tests;
mod trouble;
mod writer;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use chanterelle_core::base::{BlobId, Seconds};
use chanterelle_core::media::Groups;
use chanterelle_core::media::quota::{Kept, KeptFor};
use chanterelle_core::media::tree::outboard_bytes;
use futures::lock::Mutex;
use js_sys::Uint8Array;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{BroadcastChannel, MessageEvent, WorkerGlobalScope};

use crate::messages::{Class, StorageStatus, StoreError, Usage};
use database::{Database, Durability};
use files::Folder;
pub(crate) use files::read_blob;
use record::Record;
pub(crate) use trouble::words;
pub use writer::Writer;

/// The name of folder and database.
pub const NAME: &str = "chanterelle-media";

/// For how long it is enough to have said that a blob is on a screen, milliseconds.
const SHOWN_FOR: u64 = 10 * 60 * 1000;

/// The blobs of a profile.
pub struct Store {
    folder: Folder,
    /// None when nothing is kept.
    database: Option<Database>,
    status: StorageStatus,
    /// What the database says, as far as this tab has heard.
    records: RefCell<BTreeMap<BlobId, Record>>,
    /// Blobs in part that are being written here.
    parts: RefCell<BTreeMap<BlobId, Rc<part::Part>>>,
    /// Held while the files of one are being opened, which the browser lets nobody do twice.
    opening: Mutex<()>,
    /// Whole blobs that were read lately.
    readings: RefCell<Vec<(BlobId, Rc<read::Reading>)>>,
    /// What was written here and no post refers to yet: in how many drafts each blob is, and when it was written, if it was
    /// not here before.
    drafts: RefCell<BTreeMap<BlobId, (u32, Option<u64>)>>,
    leads: Cell<bool>,
    /// How many records were changed here.
    notes: Cell<u64>,
    channel: Option<Channel>,
}

/// The channel to other tabs of this profile and build.
struct Channel {
    channel: BroadcastChannel,
    _on_message: Closure<dyn Fn(MessageEvent)>,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.close();
    }
}

/// What is kept under a name: files, database, and what is in the database.
type Opened = (Folder, Database, Vec<(BlobId, Vec<u8>)>);

impl Store {
    /// Opens what this profile keeps under a name, or memory. Tabs of the same `build` hear of each other; `on_change` is told
    /// which blobs another tab has changed.
    pub async fn open(name: &str, build: &str, on_change: impl Fn(&[BlobId]) + 'static) -> Rc<Self> {
        let both = async {
            let folder = Folder::open(name).await?;
            let database = Database::open(name).await?;
            let records = database.all().await?;
            Ok((folder, database, records))
        };
        Self::of(name, build, both.await, on_change)
    }

    /// A store in memory, and why.
    #[must_use]
    pub fn in_memory(why: StoreError) -> Rc<Self> {
        Self::of("", "", Err(why), |_| ())
    }

    fn of(
        name: &str,
        build: &str,
        opened: Result<Opened, StoreError>,
        on_change: impl Fn(&[BlobId]) + 'static,
    ) -> Rc<Self> {
        let (folder, database, records, status) = match opened {
            Ok((folder, database, records)) => (folder, Some(database), records, StorageStatus::Kept),
            Err(error) => {
                (Folder::in_memory(), None, Vec::new(), StorageStatus::MemoryOnly(error.to_string()))
            }
        };
        let records = records.into_iter().filter_map(change::decode).collect();
        Rc::new_cyclic(|store| Store {
            channel: database.as_ref().and_then(|_| Self::listen(name, build, store.clone(), on_change)),
            folder,
            database,
            status,
            records: RefCell::new(records),
            parts: RefCell::default(),
            opening: Mutex::default(),
            readings: RefCell::default(),
            drafts: RefCell::default(),
            leads: Cell::new(false),
            notes: Cell::new(0),
        })
    }

    fn listen(
        name: &str,
        build: &str,
        store: std::rc::Weak<Self>,
        on_change: impl Fn(&[BlobId]) + 'static,
    ) -> Option<Channel> {
        let channel = BroadcastChannel::new(&format!("{name} {build}")).ok()?;
        let on_change = Rc::new(on_change);
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let bytes = Uint8Array::new(&event.data()).to_vec();
            // Others of this build say nothing else.
            let (Some(store), Ok(ids)) = (store.upgrade(), postcard::from_bytes::<Vec<BlobId>>(&bytes))
            else {
                return;
            };
            let on_change = on_change.clone();
            spawn_local(async move {
                let mut changed = Vec::new();
                for id in ids {
                    if store.look_again(&id).await {
                        changed.push(id);
                    }
                }
                if !changed.is_empty() {
                    on_change(&changed);
                }
            });
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Some(Channel { channel, _on_message: on_message })
    }

    /// Whether blobs are kept beyond this visit.
    pub fn status(&self) -> StorageStatus {
        self.status.clone()
    }

    /// Says whether this tab leads. Whoever does not any more lets go of all files.
    pub fn lead(self: &Rc<Self>, leads: bool) {
        if self.leads.replace(leads) && !leads {
            self.parts.borrow_mut().clear();
            self.readings.borrow_mut().clear();
        }
    }

    /// Whether this tab leads.
    pub fn leads(&self) -> bool {
        self.leads.get()
    }

    /// What is held of every blob: size and groups.
    pub fn held(&self) -> Vec<(BlobId, u64, Groups)> {
        let records = self.records.borrow();
        records.iter().map(|(id, record)| (*id, record.size, record.held())).collect()
    }

    /// What is held of a blob.
    pub fn held_of(&self, id: &BlobId) -> Option<(u64, Groups)> {
        self.records.borrow().get(id).map(|record| (record.size, record.held()))
    }

    /// Whether all of a blob is here.
    pub fn is_whole(&self, id: &BlobId) -> bool {
        self.records.borrow().get(id).is_some_and(Record::is_whole)
    }

    /// Every blob, as what takes room; of one that comes in part, that of the whole.
    pub fn kept(&self) -> Vec<Kept> {
        let records = self.records.borrow();
        let kept = |(id, record): (&BlobId, &Record)| Kept {
            id: *id,
            size: record.size + outboard_bytes(record.size),
            kept_for: kept_for(record.class),
            pins: 0,
            shown: Seconds(record.shown / 1000),
        };
        records.iter().map(kept).collect()
    }

    /// How much there is, by class.
    pub fn usage(&self) -> BTreeMap<Class, Usage> {
        let mut all: BTreeMap<Class, Usage> = BTreeMap::new();
        for record in self.records.borrow().values() {
            let usage = all.entry(record.class).or_default();
            usage.blobs += 1;
            usage.bytes += record.held_bytes();
        }
        all
    }

    /// What the browser allows and how much of it is taken, by whatever there is of this origin; nothing where it does
    /// not say.
    pub async fn estimate() -> Option<(u64, u64)> {
        let worker: WorkerGlobalScope = js_sys::global().unchecked_into();
        let estimate = JsFuture::from(worker.navigator().storage().estimate().ok()?).await.ok()?;
        let number = |name: &str| js_sys::Reflect::get(&estimate, &name.into()).ok()?.as_f64();
        Some((number("quota")? as u64, number("usage")? as u64))
    }

    /// Says of blobs whose they are, and that a post refers to them. Of several classes the one counts that keeps longest.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn keep(&self, ids: &[BlobId], class: Class) -> Result<(), StoreError> {
        for id in ids {
            let is_known = self.records.borrow().get(id).is_some_and(|it| it.class <= class && !it.is_draft);
            if !is_known {
                self.update(id, |record| {
                    record.class = record.class.min(class);
                    record.is_draft = false;
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Says of blobs whose they are, even if that keeps them less long.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn classify(&self, ids: &[BlobId], class: Class) -> Result<(), StoreError> {
        for id in ids {
            if self.records.borrow().get(id).is_some_and(|record| record.class != class) {
                self.update(id, |record| record.class = class).await?;
            }
        }
        Ok(())
    }

    /// Says that blobs are on a screen. What was said some minutes ago is not said again.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn shown(&self, ids: &[BlobId]) -> Result<(), StoreError> {
        for id in ids {
            let is_old = |record: &Record| record.shown.saturating_add(SHOWN_FOR) < now();
            if self.records.borrow().get(id).is_some_and(is_old) {
                self.update(id, |record| record.shown = now()).await?;
            }
        }
        Ok(())
    }

    async fn update(&self, id: &BlobId, update: impl FnOnce(&mut Record)) -> Result<(), StoreError> {
        self.change(id, Durability::Relaxed, |record| {
            let after = record.map(|mut record| {
                update(&mut record);
                record
            });
            (after, ())
        })
        .await
    }
}

/// The class as core's quotas have it.
pub fn kept_for(class: Class) -> KeptFor {
    match class {
        Class::Own => KeptFor::Own,
        Class::Pinned => KeptFor::Pinned,
        Class::Followed => KeptFor::Followed,
        Class::Strangers => KeptFor::Strangers,
    }
}

/// The system's clock, milliseconds.
fn now() -> u64 {
    js_sys::Date::now() as u64
}

/// A name for files that nobody has.
fn fresh_name() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("browsers have entropy");
    bytes.iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"))
}
