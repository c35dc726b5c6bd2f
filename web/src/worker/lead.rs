//! While this worker holds the lock of the profile: it runs the node, for its own page and for those of other tabs.

use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::Node;
use chanterelle_core::base::{AuthorId, Limits, PeerId};
use chanterelle_core::crypto::{Identity, Root};
use chanterelle_core::node::{Input, Setup, StorageError};
use chanterelle_core::wire::Role;
use futures::future::{Either, select};
use futures_timer::Delay;
use js_sys::{Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::channel::{Between, Builds};
use super::messages::{TabId, ToPage, ToWorker, post};
use super::shell::Shell;
use super::tabs::Tabs;
use super::{Event, Tab, clock, secret};
use crate::storage::{Held, Storage, StorageStatus, Untidy, random};

/// Opening takes milliseconds; after this the browser is not going to answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long storing may go on when another is to lead.
const FINISH_TIMEOUT: Duration = Duration::from_secs(3);

const STORAGE_LOST: &str = "the browser has taken the storage away, because its data was cleared or a newer version \
                            of this page is open; reload this page to go on";

/// Why a worker leads no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The browser is about to stop the page.
    Yielded,
    /// Another tab has taken the lock: this one did not answer.
    Lost,
    /// A tab of another build wants to lead.
    OtherBuild,
    /// Another identity is stored than the node has.
    Changed,
}

#[wasm_bindgen]
extern "C" {
    type StorageManager;
    #[wasm_bindgen(method, catch)]
    fn persisted(this: &StorageManager) -> Result<Promise, JsValue>;
}

/// Runs the node until another is to do it.
pub(super) async fn lead(tab: &mut Tab) -> End {
    post(&tab.port, &[ToPage::Running, ToPage::Storage(StorageStatus::Opening)]);
    let shell = match start(tab).await {
        Ok(shell) => shell,
        Err(end) => return end,
    };
    tab.build.say(&Between::Leads);
    let wishes = tab.wishes.borrow_mut().again();
    shell.take(wishes.into_iter().map(ToWorker::Command).collect());
    for (number, ask) in std::mem::take(&mut tab.asks) {
        secret::answer(tab, &shell, tab.id, number, ask);
    }
    loop {
        let event = tab.next_event().await;
        if let Some(end) = on_event(tab, &shell, event) {
            post(&tab.port, &[ToPage::Rests]);
            if end != End::Lost {
                // Whatever is not stored by then cannot be, and was not called saved.
                select(Box::pin(shell.finish()), Delay::new(FINISH_TIMEOUT)).await;
            }
            shell.stop();
            return end;
        }
    }
}

fn on_event(tab: &mut Tab, shell: &Shell, event: Event) -> Option<End> {
    match event {
        Event::Page(items) => {
            let yields = items.contains(&ToWorker::Yield) && !shell.is_alone();
            for item in &items {
                match item {
                    ToWorker::Command(command) => tab.wishes.borrow_mut().note(command, true),
                    ToWorker::Ask(number, ask) => secret::answer(tab, shell, tab.id, *number, ask.clone()),
                    _ => {}
                }
            }
            shell.take(items);
            return yields.then_some(End::Yielded);
        }
        Event::Between(Between::Hello(other)) => {
            if shell.welcome(other) {
                tab.watch(other);
            }
        }
        Event::Between(Between::Commands(other, commands)) => shell.take_from(other, commands),
        Event::Between(Between::Ask(other, number, ask)) => secret::answer(tab, shell, other, number, ask),
        Event::Gone(other) => shell.leave(other),
        Event::Changed => return Some(End::Changed),
        Event::Lost => return Some(End::Lost),
        Event::Builds(Builds { wants_to_lead }) if wants_to_lead != tab.name => return Some(End::OtherBuild),
        Event::Between(Between::Leads | Between::All(_)) | Event::Builds(_) | Event::Told(_) => {}
    }
    None
}

/// Opens the storage and starts the node with it, or one without storage.
async fn start(tab: &mut Tab) -> Result<Shell, End> {
    let (node, author, storage, untidy) = match open(tab).await {
        Ok(Ok((node, author, storage, untidy))) => (node, author, Ok(storage), Some(untidy)),
        Ok(Err(end)) => return Err(end),
        Err(error) => {
            let (node, author) = empty_node(tab.peer);
            (node, author, Err(error), None)
        }
    };
    let status = match &storage {
        Ok(_) => StorageStatus::Ready { durable: false },
        Err(error) => StorageStatus::MemoryOnly(error.to_string()),
    };
    let tabs = Tabs::new(tab.id, random_number(), tab.port.clone(), tab.wishes.clone());
    let shell = Shell::new(node, storage.clone(), tabs, tab.build.clone());
    // Also performs what the node has to do after it was restored.
    shell.tell_all([ToPage::Identity(author), ToPage::Storage(status)]);
    if let (Ok(storage), Some(untidy)) = (storage, untidy) {
        let shell = shell.clone();
        spawn_local(async move {
            if is_durable().await {
                shell.tell_all([ToPage::Storage(StorageStatus::Ready { durable: true })]);
            }
            // Only the next start would be faster for it.
            let _ = storage.tidy(untidy).await;
        });
    }
    Ok(shell)
}

type Opened = (Node, AuthorId, Rc<Storage>, Untidy);

/// Opens the storage and feeds a node with it.
async fn open(tab: &mut Tab) -> Result<Result<Opened, End>, StorageError> {
    let port = tab.port.clone();
    let on_lost = move || {
        let status = StorageStatus::MemoryOnly(STORAGE_LOST.to_owned());
        post(&port, &[ToPage::Storage(status)]);
    };
    let storage = match select(Box::pin(Storage::open(on_lost)), Delay::new(OPEN_TIMEOUT)).await {
        Either::Left((storage, _)) => storage?,
        Either::Right(_) => {
            return Err(StorageError::Unavailable(
                "the browser does not open its storage; restart it".to_owned(),
            ));
        }
    };
    let root = match storage.root().await? {
        Held::Open(root) => root,
        Held::Locked(lock) => match secret::until_unlocked(tab, &storage, &lock).await {
            Ok(root) => root,
            Err(end) => return Ok(Err(end)),
        },
    };
    let state = storage.state().await?;
    let identity = Identity::from_root(root);
    let author = identity.identity().public();
    let mut node = Node::new(setup(tab.peer, identity)?, clock::now());
    let untidy = storage.rows(|rows| node.handle(clock::now(), Input::Restore(rows))).await?;
    node.handle(clock::now(), Input::Restored(state));
    Ok(Ok((node, author, Rc::new(storage), untidy)))
}

/// A node that keeps nothing and signs with keys that are gone when the page is.
pub(super) fn empty_node(peer: PeerId) -> (Node, AuthorId) {
    let identity = Identity::from_root(Root(random().expect("browsers have entropy")));
    let author = identity.identity().public();
    let setup = setup(peer, identity).expect("browsers have entropy");
    let mut node = Node::new(setup, clock::now());
    node.handle(clock::now(), Input::Restored(None));
    (node, author)
}

fn setup(peer: PeerId, identity: Identity) -> Result<Setup, StorageError> {
    Ok(Setup {
        seed: random()?,
        peer,
        role: Role::Tab,
        identity: Some(identity),
        agent: crate::AGENT.to_owned(),
        limits: Limits::default(),
    })
}

/// A number nobody else draws.
pub(super) fn random_number() -> u64 {
    let bytes = random().expect("browsers have entropy");
    // Below 2^53, which is what the encoding of messages takes.
    u64::from_le_bytes(*bytes.first_chunk().expect("32 bytes hold 8")) >> 11
}

/// A tab's name for as long as its worker lives.
pub(super) fn new_tab() -> TabId {
    TabId(random_number())
}

/// Whether the browser has promised not to evict what is stored. Asks for nothing.
async fn is_durable() -> bool {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).unwrap_or_default();
    let manager = Reflect::get(&navigator, &"storage".into()).unwrap_or_default();
    if !manager.is_object() {
        return false;
    }
    let Ok(promise) = manager.unchecked_into::<StorageManager>().persisted() else { return false };
    JsFuture::from(promise).await.is_ok_and(|answer| answer.is_truthy())
}
