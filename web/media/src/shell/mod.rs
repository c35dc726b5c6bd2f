//! The program's loop: what the page says becomes work for storage, preparer and exchange, and what comes of it is said to the
//! page. Decides nothing about whose blobs are wanted, and nothing about the network.

mod exchange;
mod port;
#[cfg(test)]
mod tests;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::base::{BlobId, Instant, Limits};
use chanterelle_core::media::Groups;
use chanterelle_core::media::exchange::{Exchange, Input, Priority, Ticket, Want};
use chanterelle_core::media::quota::{Quota, QuotaError};
use chanterelle_core::media::tree::{groups_in, outboard_bytes};
use js_sys::Array;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, ImageBitmap, MessagePort};

use crate::messages::{
    AllUsage, Call, Class, Fetch, PrepareError, StorageStatus, StoreError, ToMedia, ToPage, Urgency,
};
use crate::prepare::{Preparer, Task};
use crate::store::{NAME, Store, kept_for};
use port::Port;

/// How long rubbish is looked at before it is removed: longer than any tab takes between closing a file and naming it.
const PAUSE: Duration = Duration::from_secs(5);

/// What memory may take where nothing is kept.
const MEMORY_QUOTA: u64 = 256 << 20;

/// The quota that is assumed where the browser tells none.
const ASSUMED_QUOTA: u64 = 1 << 30;

/// What is left free of the quota, for posts and for what is being written, as a divisor.
const RESERVE: u64 = 10;

/// Serves a page at this port for as long as the worker lives.
pub(crate) fn serve(port: MessagePort) {
    serve_from(port, async |build, on_change| Store::open(NAME, &build, on_change).await);
}

/// The same with a storage that is opened with the build's name and what is to hear of others' changes.
fn serve_from(
    port: MessagePort,
    open: impl AsyncFnOnce(String, Box<dyn Fn(&[BlobId])>) -> Rc<Store> + 'static,
) {
    let open = Cell::new(Some(open));
    let port = Rc::new(Port::new(port));
    let shell: Rc<OnceCell<Rc<Shell>>> = Rc::default();
    // What comes while the storage is being opened.
    let early: Rc<RefCell<VecDeque<(ToMedia, Array)>>> = Rc::default();
    port.clone().listen(move |message, parts| {
        if let Some(shell) = shell.get() {
            return shell.hear(message, &parts);
        }
        let ToMedia::Start { build, leads } = message else {
            return early.borrow_mut().push_back((message, parts));
        };
        let open = open.take().expect("the page starts once");
        let (port, shell, early) = (port.clone(), shell.clone(), early.clone());
        spawn_local(async move {
            let changed = shell.clone();
            let on_change = move |ids: &[BlobId]| {
                if let Some(shell) = changed.get() {
                    shell.others_changed(ids);
                }
            };
            let store = open(build, Box::new(on_change)).await;
            port.post(&ToPage::Ready(store.status()));
            let shell = shell.get_or_init(|| Rc::new(Shell::new(port, store)));
            shell.lead(leads);
            let early = early.take();
            for (message, parts) in early {
                shell.hear(message, &parts);
            }
        });
    });
}

struct Shell {
    port: Rc<Port>,
    store: Rc<Store>,
    preparer: Preparer,
    tasks: RefCell<BTreeMap<Call, Rc<Task>>>,
    blocked: RefCell<BTreeSet<BlobId>>,
    exchange: RefCell<Exchange>,
    /// The timer that rings next.
    armed: Cell<Option<Instant>>,
    /// Writes whose files are to be flushed, by blob.
    written: RefCell<BTreeMap<BlobId, Vec<Ticket>>>,
    is_committing: Cell<bool>,
}

impl Shell {
    fn new(port: Rc<Port>, store: Rc<Store>) -> Self {
        Shell {
            port,
            preparer: Preparer::new(store.clone()),
            store,
            tasks: RefCell::default(),
            blocked: RefCell::default(),
            exchange: RefCell::new(exchange::new()),
            armed: Cell::new(None),
            written: RefCell::default(),
            is_committing: Cell::new(false),
        }
    }

    fn hear(self: &Rc<Self>, message: ToMedia, parts: &Array) {
        match message {
            ToMedia::Start { leads, .. } | ToMedia::Lead(leads) => self.lead(leads),
            ToMedia::Prepare { call, keep_encoding } => self.prepare(call, keep_encoding, parts),
            ToMedia::Cancel(call) => {
                if let Some(task) = self.tasks.borrow().get(&call) {
                    task.cancel();
                }
            }
            ToMedia::Open { call, id } => self.open(call, id),
            ToMedia::Keep { ids, class } => {
                self.ask(async move |store| store.keep(&ids, class).await);
            }
            ToMedia::Classify { ids, class } => {
                self.ask(async move |store| store.classify(&ids, class).await);
            }
            ToMedia::Shown(ids) => self.ask(async move |store| store.shown(&ids).await),
            ToMedia::Remove(ids) => self.remove_drafts(ids),
            ToMedia::Usage(call) => {
                let shell = self.clone();
                spawn_local(async move {
                    let usage = AllUsage { classes: shell.store.usage(), quota: Store::estimate().await };
                    shell.port.post(&ToPage::Usage(call, usage));
                });
            }
            ToMedia::Here { call, mut ids } => {
                ids.retain(|id| !self.is_blocked(id) && self.store.is_whole(id));
                self.port.post(&ToPage::Here(call, ids));
            }
            ToMedia::Block(ids) => {
                self.blocked.replace(ids.iter().copied().collect());
                self.remove(ids.into_iter().filter(|id| self.store.held_of(id).is_some()).collect());
            }
            ToMedia::Want { id, size, class, urgency, hints } => {
                let priority = match urgency {
                    Urgency::Thumbnail => Priority::Thumbnail,
                    Urgency::Original => Priority::Original,
                    Urgency::Background => Priority::Background,
                };
                self.want(Want { id, size, priority, hints }, class);
            }
            ToMedia::Unwant(id) => {
                self.tell(Input::Unwant(id));
                // Room is kept for what has begun to come.
                if self.store.leads() && self.store.held_of(&id).is_some_and(|(_, groups)| groups.is_none()) {
                    self.ask(async move |store| store.remove(&id).await);
                }
            }
            ToMedia::Watch(ids) => self.tell(Input::Watch(ids)),
            ToMedia::Net(peer, said) => self.net(peer, said, parts),
        }
    }

    fn is_blocked(&self, id: &BlobId) -> bool {
        self.blocked.borrow().contains(id)
    }

    /// Asks the storage for something, of which the page hears only if it fails.
    fn ask(self: &Rc<Self>, asked: impl AsyncFnOnce(&Rc<Store>) -> Result<(), StoreError> + 'static) {
        let shell = self.clone();
        spawn_local(async move {
            if let Err(error) = asked(&shell.store).await {
                shell.port.post(&ToPage::Trouble(error));
            }
        });
    }

    fn lead(self: &Rc<Self>, leads: bool) {
        if self.store.leads() == leads {
            return;
        }
        self.store.lead(leads);
        if !leads {
            // Its peers, and what is wanted of them, are another tab's now.
            self.exchange.replace(exchange::new());
            return;
        }
        let shell = self.clone();
        self.ask(async move |store| {
            store.refresh().await?;
            for (id, size, groups) in store.held() {
                shell.tell(Input::Hold { id, size, groups });
            }
            let removed = store.tidy(futures_timer::Delay::new(PAUSE)).await?;
            removed.into_iter().for_each(|id| shell.tell(Input::Forget(id)));
            Ok(())
        });
    }

    fn prepare(self: &Rc<Self>, call: Call, keep_encoding: bool, parts: &Array) {
        let Ok(file) = parts.get(1).dyn_into::<Blob>() else {
            unreachable!("the page sends a file with this");
        };
        let poster = parts.get(2).dyn_into::<ImageBitmap>().ok();
        let port = self.port.clone();
        let task = Task::new(move |stage, done| port.post(&ToPage::Progress { call, stage, done }));
        self.tasks.borrow_mut().insert(call, task.clone());
        let shell = self.clone();
        spawn_local(async move {
            let mut outcome = match shell.make_room(Class::Own, file.size() as u64).await {
                Ok(Ok(())) => shell.preparer.prepare(file, poster, keep_encoding, &task).await,
                Ok(Err(_)) => Err(StoreError::Full.into()),
                Err(error) => Err(error.into()),
            };
            shell.tasks.borrow_mut().remove(&call);
            if let Ok(prepared) = &outcome {
                let ids: Vec<BlobId> = [Some(&prepared.blob), prepared.thumb.as_ref()]
                    .into_iter()
                    .flatten()
                    .map(|blob| blob.id)
                    .collect();
                if ids.iter().any(|id| shell.is_blocked(id)) {
                    shell.remove(ids);
                    outcome = Err(PrepareError::Blocked);
                } else {
                    ids.iter().for_each(|id| shell.hold(id));
                }
            }
            shell.port.post(&ToPage::Prepared(call, outcome));
        });
    }

    fn open(self: &Rc<Self>, call: Call, id: BlobId) {
        let shell = self.clone();
        spawn_local(async move {
            let blob = match shell.is_blocked(&id) {
                true => Err(StoreError::Missing),
                false => shell.store.blob(&id).await,
            };
            shell.forget_if_gone(&id);
            let part = blob.as_ref().ok().map(wasm_bindgen::JsValue::from);
            shell.port.post_with(&ToPage::Opened(call, blob.map(drop)), part.as_ref());
        });
    }

    fn remove(self: &Rc<Self>, ids: Vec<BlobId>) {
        ids.iter().for_each(|id| self.tell(Input::Forget(*id)));
        self.ask(async move |store| {
            for id in ids {
                store.remove(&id).await?;
            }
            Ok(())
        });
    }

    fn remove_drafts(self: &Rc<Self>, ids: Vec<BlobId>) {
        let shell = self.clone();
        self.ask(async move |store| {
            for id in ids {
                if store.remove_draft(&id).await? {
                    shell.tell(Input::Forget(id));
                }
            }
            Ok(())
        });
    }

    /// Tells the exchange if a blob is not there any more: the browser may have lost its file.
    fn forget_if_gone(self: &Rc<Self>, id: &BlobId) {
        if self.store.held_of(id).is_none() {
            self.tell(Input::Forget(*id));
        }
    }

    /// Tells the exchange what is held of a blob.
    fn hold(self: &Rc<Self>, id: &BlobId) {
        match self.store.held_of(id) {
            Some((size, groups)) if self.store.leads() => self.tell(Input::Hold { id: *id, size, groups }),
            _ => {}
        }
    }

    fn others_changed(self: &Rc<Self>, ids: &[BlobId]) {
        for id in ids {
            match self.store.held_of(id) {
                // What comes in part comes here, if this tab leads.
                Some((_, groups)) if !groups.is_all() => {}
                Some(_) => self.hold(id),
                None => self.tell(Input::Forget(*id)),
            }
        }
        self.port.post(&ToPage::Changed(ids.to_vec()));
    }

    fn want(self: &Rc<Self>, want: Want, class: Class) {
        let shell = self.clone();
        spawn_local(async move {
            let id = want.id;
            if shell.is_blocked(&id) {
                return shell.port.post(&ToPage::Blob(id, Fetch::Blocked));
            }
            // That no blob has; the exchange would not fetch it either.
            if !(1..=Limits::default().blob_bytes).contains(&want.size) {
                return;
            }
            if shell.store.held_of(&id).is_none() {
                match shell.make_room(class, want.size).await {
                    Ok(Ok(())) => {}
                    Ok(Err(QuotaError::Full { .. })) => {
                        return shell.port.post(&ToPage::Blob(id, Fetch::NoRoom));
                    }
                    Ok(Err(QuotaError::Share { .. })) => {
                        return shell.port.post(&ToPage::Blob(id, Fetch::NoShare));
                    }
                    Err(error) => return shell.port.post(&ToPage::Trouble(error)),
                }
            }
            let expected = shell.store.expect(&id, want.size, class).await;
            if let Err(error) = expected {
                return shell.port.post(&ToPage::Trouble(error));
            }
            if shell.store.is_whole(&id) {
                return shell.port.post(&ToPage::Blob(id, Fetch::Complete));
            }
            let (size, groups) =
                shell.store.held_of(&id).unwrap_or_else(|| (want.size, Groups::none(groups_in(want.size))));
            shell.tell(Input::Hold { id, size, groups });
            shell.tell(Input::Want(want));
        });
    }

    /// Makes room for a blob, or says why there is none. Only whoever leads removes; nobody else fetches.
    async fn make_room(
        self: &Rc<Self>,
        class: Class,
        size: u64,
    ) -> Result<Result<(), QuotaError>, StoreError> {
        let kept = self.store.kept();
        let blobs = kept.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.size));
        let (quota, used) = match self.store.status() {
            StorageStatus::Kept => Store::estimate().await.unwrap_or((ASSUMED_QUOTA, blobs)),
            StorageStatus::MemoryOnly(_) => (MEMORY_QUOTA, blobs),
        };
        // What is not blobs is not ours to remove.
        let total = (quota - quota / RESERVE).saturating_sub(used.saturating_sub(blobs));
        let quota = Quota { total, ..Quota::of(quota) };
        match quota.evict(&kept, size + outboard_bytes(size), kept_for(class)) {
            Ok(evicted) if self.store.leads() => {
                for id in evicted {
                    self.tell(Input::Forget(id));
                    self.store.remove(&id).await?;
                }
                Ok(Ok(()))
            }
            other => Ok(other.map(drop)),
        }
    }
}
