//! The program's loop: what the page says becomes work for storage, preparer and exchange, and what comes of it is said to the
//! page. Decides nothing about whose blobs are wanted, and nothing about the network.

mod exchange;
mod port;
#[cfg(test)]
mod tests;
mod wants;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::base::{BlobId, Instant, Limits};
use chanterelle_core::media::exchange::{Exchange, Input, Ticket, Want};
use futures::lock::Mutex;
use js_sys::Array;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, ImageBitmap, MessagePort};

use crate::messages::{AllUsage, Call, Class, PrepareError, StoreError, ToMedia, ToPage};
use crate::prepare::{Preparer, Task, use_of};
use crate::store::{NAME, Store};
use port::Port;
use wants::Wanted;

/// How long rubbish is looked at before it is removed: longer than any tab takes between closing a file and naming it.
const PAUSE: Duration = Duration::from_secs(5);

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
    wanted: RefCell<BTreeMap<BlobId, Wanted>>,
    /// How often something was wanted.
    wants: Cell<u64>,
    /// Held while room is made and taken, so that nobody takes what another has made.
    room: Mutex<()>,
    /// Watched blobs that nobody can have said anything of yet.
    unasked: RefCell<BTreeSet<BlobId>>,
    watched: RefCell<BTreeSet<BlobId>>,
    exchange: RefCell<Exchange>,
    /// The timer that rings next.
    armed: Cell<Option<Instant>>,
    /// Writes whose files are to be flushed, by blob and its size.
    written: RefCell<BTreeMap<(BlobId, u64), Vec<Ticket>>>,
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
            wanted: RefCell::default(),
            wants: Cell::new(0),
            room: Mutex::default(),
            unasked: RefCell::default(),
            watched: RefCell::default(),
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
                    let classes = shell.store.usage().into_iter().collect();
                    let usage = AllUsage { classes, quota: Store::estimate().await };
                    shell.port.post(&ToPage::Usage(call, usage));
                });
            }
            ToMedia::Here { call, ids } => {
                let is_here = |id: &BlobId| !self.is_blocked(id) && self.store.is_whole(id);
                let (here, gone) = ids.into_iter().partition(is_here);
                self.port.post(&ToPage::Here { call, here, gone });
            }
            ToMedia::Block(ids) => {
                self.blocked.replace(ids.iter().copied().collect());
                self.wanted.borrow_mut().retain(|id, _| !self.is_blocked(id));
                self.remove(ids.into_iter().filter(|id| self.store.held_of(id).is_some()).collect());
            }
            ToMedia::Want { tab, id, size, class, urgency, hints } => {
                let priority = wants::priority(urgency);
                self.want(tab, Want { id, size, priority, hints }, class);
            }
            ToMedia::Unwant(tab, id) => self.unwant(tab, id),
            ToMedia::Watch(ids) => self.watch(ids),
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
            self.wanted.take();
            return;
        }
        let watched = self.watched.take();
        self.watch(watched.into_iter().collect());
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
            let (size, most) = (file.size() as u64, Limits::default().blob_bytes);
            let room = match size > most {
                true => Err(PrepareError::TooLarge { size, most }),
                false => {
                    let _room = shell.room.lock().await;
                    shell.make_room(Class::Own, size).await.map_err(PrepareError::from)
                }
            };
            let mut outcome = match room {
                Ok(Ok(())) => shell.preparer.prepare(file, poster, keep_encoding, &task).await,
                Ok(Err(_)) => Err(StoreError::Full.into()),
                Err(error) => Err(error),
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
            let outcome = blob.map(|blob| use_of(&blob));
            shell.port.post_with(&ToPage::Opened(call, outcome), part.as_ref());
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
}
