//! The node's shell: inputs in, outputs performed. Holds the node and nothing that the node should know instead.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use chanterelle_core::Node;
use chanterelle_core::base::{EventId, PeerId};
use chanterelle_core::node::{Batch, Input, Output, StorageError, Ticket};
use serde_bytes::ByteBuf;
use wasm_bindgen_futures::spawn_local;
use web_sys::MessagePort;

use super::clock::{self, Timer};
use super::messages::{ToPage, ToWorker, post};
use crate::storage::Storage;

/// A node with its storage, its timer and its way to the page.
#[derive(Clone)]
pub(super) struct Shell(Rc<RefCell<Inner>>);

struct Inner {
    node: Node,
    /// Or why there is none.
    storage: Result<Rc<Storage>, StorageError>,
    port: MessagePort,
    timer: Timer,
}

impl Shell {
    /// A shell around a node that has been fed what is stored. Everything it does follows from inputs.
    pub(super) fn new(node: Node, storage: Result<Rc<Storage>, StorageError>, port: MessagePort) -> Shell {
        Shell(Rc::new_cyclic(|inner: &std::rc::Weak<RefCell<Inner>>| {
            let inner = inner.clone();
            let timer = Timer::new(move || {
                let shell = Shell(inner.upgrade().expect("the timer is dropped with its shell"));
                shell.0.borrow_mut().timer.fired();
                shell.feed([Input::Wake], Vec::new());
            });
            RefCell::new(Inner { node, storage, port, timer })
        }))
    }

    /// Passes what the page said to the node.
    pub(super) fn take(&self, messages: Vec<ToWorker>) {
        let mut took: BTreeMap<PeerId, u32> = BTreeMap::new();
        let inputs: Vec<Input> = messages
            .into_iter()
            .filter_map(|message| match message {
                ToWorker::Start(_) => None,
                ToWorker::Command(command) => Some(Input::Command(command)),
                ToWorker::Connected(peer) => Some(Input::Connected(peer)),
                ToWorker::Disconnected(peer) => Some(Input::Disconnected(peer)),
                ToWorker::Received(peer, frame) => {
                    let frame = frame.into_vec();
                    let bytes = took.entry(peer).or_default();
                    *bytes = bytes.saturating_add(u32::try_from(frame.len()).unwrap_or(u32::MAX));
                    Some(Input::Received(peer, frame))
                }
            })
            .collect();
        self.feed(inputs, took.into_iter().map(|(peer, bytes)| ToPage::Took(peer, bytes)).collect());
    }

    /// Passes inputs to the node and performs what follows; what is for the page leaves in one message, behind `first`.
    pub(super) fn feed(&self, inputs: impl IntoIterator<Item = Input>, first: Vec<ToPage>) {
        let mut guard = self.0.borrow_mut();
        let inner = &mut *guard;
        let now = clock::now();
        let mut to_page = first;
        for input in inputs {
            inner.node.handle(now, input);
        }
        while let Some(output) = inner.node.poll_output() {
            match output {
                Output::Send(peer, frame) => to_page.push(ToPage::Send(peer, ByteBuf::from(frame))),
                Output::Close(peer, reason) => to_page.push(ToPage::Close(peer, reason.into())),
                Output::Update(update) => to_page.push(ToPage::Update(update)),
                Output::Persist(batch) => match &inner.storage {
                    Ok(storage) => self.persist(storage.clone(), batch),
                    Err(error) => inner.node.handle(now, Input::Persisted(batch.ticket, Err(error.clone()))),
                },
                Output::Read(ticket, ids) => match &inner.storage {
                    Ok(storage) => self.read(storage.clone(), ticket, ids),
                    Err(_) => inner.node.handle(now, Input::ReadDone(ticket, Vec::new())),
                },
            }
        }
        inner.timer.set(now.instant, inner.node.poll_timeout());
        post(&inner.port, &to_page);
    }

    /// The transaction is begun before this returns, so that what is asked for later finds it.
    fn persist(&self, storage: Rc<Storage>, batch: Batch) {
        let shell = self.clone();
        spawn_local(async move {
            let outcome = storage.write(&batch).await;
            shell.feed([Input::Persisted(batch.ticket, outcome)], Vec::new());
        });
    }

    fn read(&self, storage: Rc<Storage>, ticket: Ticket, ids: Vec<EventId>) {
        let shell = self.clone();
        spawn_local(async move {
            // What cannot be read is not there for now; the next reader asks again.
            let found = storage.read(&ids).await.unwrap_or_default();
            shell.feed([Input::ReadDone(ticket, found)], Vec::new());
        });
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use chanterelle_core::base::{Limits, PeerId};
    use chanterelle_core::node::StorageError;
    use chanterelle_core::wire::{Frame, Hello, Role, VERSION};
    use futures::StreamExt as _;
    use futures::channel::mpsc::unbounded;
    use serde_bytes::ByteBuf;
    use wasm_bindgen::JsCast as _;
    use wasm_bindgen::prelude::Closure;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::{MessageChannel, MessageEvent};

    use super::Shell;
    use crate::worker::empty_node;
    use crate::worker::messages::{ToPage, ToWorker, read};

    /// Whether the node, after a peer has said this, wants no further session with it; `None` if it goes on with this one.
    async fn ends(frame: Frame) -> Option<bool> {
        let channel = MessageChannel::new().expect("the browser has message channels");
        let (told, mut messages) = unbounded();
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let _ = told.unbounded_send(read::<ToPage>(&event.data()).expect("a message of this build"));
        });
        channel.port2().set_onmessage(Some(on_message.as_ref().unchecked_ref()));

        let (node, _) = empty_node(PeerId([1; 32]));
        let storage = Err(StorageError::Unavailable("a test has none".to_owned()));
        let shell = Shell::new(node, storage, channel.port1());
        let peer = PeerId([2; 32]);
        let frame = ByteBuf::from(frame.encode(&Limits::default()));
        shell.take(vec![ToWorker::Connected(peer), ToWorker::Received(peer, frame)]);

        let answer = messages.next().await.expect("the node answers");
        answer.into_iter().find_map(|item| match item {
            ToPage::Close(_, ending) => Some(ending.unwanted),
            _ => None,
        })
    }

    #[wasm_bindgen_test]
    async fn a_peer_that_says_goodbye_is_wanted_again_and_one_that_cannot_be_understood_is_not() {
        assert_eq!(ends(Frame::Bye { reason: "the relay is shutting down".to_owned() }).await, Some(false));
        let hello = |v| {
            Frame::Hello(Hello {
                v,
                role: Role::Relay,
                agent: "test".to_owned(),
                window: Limits::default().window_frames,
            })
        };
        assert_eq!(ends(hello(VERSION + 1)).await, Some(true));
        assert_eq!(ends(hello(VERSION)).await, None);
    }
}
