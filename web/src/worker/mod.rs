//! The worker: runs the node over its storage. The only loop that performs a node's outputs.
//!
//! 1. The page says that it is there; then the lock of the profile is waited for.
//! 2. The storage is opened and the index fed to the node, while messages from the page wait.
//! 3. Every message, deadline and answer of the storage is an input. After each batch of inputs the outputs are
//!    drained: storage is set to work at once, everything for the page leaves as one message.
//!
//! Knows no DOM and no libp2p: sessions are messages to the page and back.

mod clock;
mod lock;
pub(crate) mod messages;
mod shell;

use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::Node;
use chanterelle_core::base::{AuthorId, Limits, PeerId};
use chanterelle_core::crypto::{Identity, Root};
use chanterelle_core::node::{Input, Setup, StorageError};
use chanterelle_core::wire::Role;
use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::{Either, select};
use futures_timer::Delay;
use js_sys::{Promise, Reflect};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{MessageEvent, MessagePort};

use crate::storage::{Storage, StorageStatus, Untidy, random};
use messages::{ToPage, ToWorker, post, read};
use shell::Shell;

/// Opening takes milliseconds; after this the browser is not going to answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

const OTHER_TAB: &str = "Chanterelle is already open in another tab of this browser. \
                         Use that one, or close it: then this tab goes on by itself.";

const STORAGE_LOST: &str = "the browser has taken the storage away, because its data was cleared or a newer version \
                            of this page is open; reload this page to go on";

#[wasm_bindgen]
extern "C" {
    type StorageManager;
    #[wasm_bindgen(method, catch)]
    fn persisted(this: &StorageManager) -> Result<Promise, JsValue>;
}

/// Runs the node behind a page, for as long as the worker lives. Called by `worker.js`.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen exports public functions only")]
pub fn serve(port: MessagePort) {
    let (inbox, messages) = unbounded();
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        let items = read::<ToWorker>(&event.data()).expect("the page is of the same build");
        // The receiver lives as long as the worker.
        let _ = inbox.unbounded_send(items);
    });
    // This also starts the port.
    port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    spawn_local(run(port, messages));
}

async fn run(port: MessagePort, mut messages: UnboundedReceiver<Vec<ToWorker>>) {
    let mut first = messages.next().await.expect("the sender lives as long as the worker");
    let peer = match first.first() {
        Some(ToWorker::Start(peer)) => *peer,
        _ => unreachable!("the page starts with its key"),
    };
    lock::acquire(|| post(&port, &[ToPage::Failed(OTHER_TAB.to_owned())])).await;
    post(&port, &[ToPage::Running, ToPage::Storage(StorageStatus::Opening)]);

    let (node, author, storage, untidy) = match open(peer, &port).await {
        Ok((node, author, storage, untidy)) => (node, author, Ok(storage), Some(untidy)),
        Err(error) => {
            let (node, author) = empty_node(peer);
            (node, author, Err(error), None)
        }
    };
    let status = match &storage {
        Ok(_) => StorageStatus::Ready { durable: false },
        Err(error) => StorageStatus::MemoryOnly(error.to_string()),
    };
    let shell = Shell::new(node, storage.clone(), port.clone());
    // Also performs what the node has to do after it was restored.
    shell.feed([], vec![ToPage::Identity(author), ToPage::Storage(status)]);
    if let (Ok(storage), Some(untidy)) = (storage, untidy) {
        spawn_local(async move {
            if is_durable().await {
                post(&port, &[ToPage::Storage(StorageStatus::Ready { durable: true })]);
            }
            // Only the next start would be faster for it.
            let _ = storage.tidy(untidy).await;
        });
    }

    loop {
        // What has come together is answered together.
        while let Ok(more) = messages.try_recv() {
            first.extend(more);
        }
        shell.take(std::mem::take(&mut first));
        first = messages.next().await.expect("the sender lives as long as the worker");
    }
}

/// Opens the storage and feeds a node with it.
async fn open(
    peer: PeerId,
    port: &MessagePort,
) -> Result<(Node, AuthorId, Rc<Storage>, Untidy), StorageError> {
    let port = port.clone();
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
    let root = storage.root().await?;
    let state = storage.state().await?;
    let identity = Identity::from_root(root);
    let author = identity.identity().public();
    let mut node = Node::new(setup(peer, identity)?, clock::now());
    let untidy = storage.rows(|rows| node.handle(clock::now(), Input::Restore(rows))).await?;
    node.handle(clock::now(), Input::Restored(state));
    Ok((node, author, Rc::new(storage), untidy))
}

/// A node that keeps nothing and signs with keys that are gone when the page is.
fn empty_node(peer: PeerId) -> (Node, AuthorId) {
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
