//! The node's shell: inputs in, outputs performed. Holds the node and nothing that the node should know instead.

use std::cell::RefCell;
use std::rc::Rc;

use chanterelle_core::Node;
use chanterelle_core::base::{EventId, PeerId};
use chanterelle_core::node::{Batch, Command, Input, Output, StorageError, Ticket};
use futures::channel::mpsc::UnboundedSender;
use serde_bytes::ByteBuf;
use vecmap::VecMap;
use wasm_bindgen_futures::spawn_local;

use super::Event;
use super::channel::Channel;
use super::clock::{self, Timer};
use super::messages::{Answer, TabId, ToPage, ToWorker};
use super::tabs::Tabs;
use crate::net::weight;
use crate::storage::{SecretError, Storage, StorageStatus};

/// A node with its storage, its timer and its way to the pages.
#[derive(Clone)]
pub(super) struct Shell(Rc<RefCell<Inner>>);

struct Inner {
    node: Node,
    /// Or why there is none.
    storage: Result<Rc<Storage>, StorageError>,
    tabs: Tabs,
    build: Rc<Channel>,
    timer: Timer,
    /// Where inputs go that come by themselves. The worker looks first whether it still leads.
    note: UnboundedSender<Event>,
    /// Nothing is done any more.
    stopped: bool,
}

impl Shell {
    /// A shell around a node that has been fed what is stored. Everything it does follows from inputs.
    pub(super) fn new(
        node: Node,
        storage: Result<Rc<Storage>, StorageError>,
        tabs: Tabs,
        build: Rc<Channel>,
        note: UnboundedSender<Event>,
    ) -> Shell {
        Shell(Rc::new_cyclic(|inner: &std::rc::Weak<RefCell<Inner>>| {
            let (inner, wake) = (inner.clone(), note.clone());
            let timer = Timer::new(move || {
                // Called after the shell was dropped: then there is nobody to wake.
                let Some(shell) = inner.upgrade() else { return };
                shell.borrow_mut().timer.fired();
                let _ = wake.unbounded_send(Event::Node(Input::Wake));
            });
            RefCell::new(Inner { node, storage, tabs, build, timer, note, stopped: false })
        }))
    }

    /// Passes what the own page said to the node.
    pub(super) fn take(&self, messages: Vec<ToWorker>) {
        let mut took: VecMap<PeerId, u32> = VecMap::new();
        let inputs: Vec<Input> = messages
            .into_iter()
            .filter_map(|message| match message {
                ToWorker::Start(_) | ToWorker::Seen(_) | ToWorker::Yield | ToWorker::Ask(..) => None,
                ToWorker::Net(status) => {
                    self.0.borrow_mut().tabs.tell_others(ToPage::Net(status));
                    None
                }
                ToWorker::Command(command) => self.of_own_page(command),
                ToWorker::OfNetwork(command) => Some(Input::Command(command)),
                ToWorker::Connected(peer, false) => Some(Input::Connected(peer)),
                ToWorker::Connected(peer, true) => Some(Input::ConnectedDirectly(peer)),
                ToWorker::Disconnected(peer) => Some(Input::Disconnected(peer)),
                ToWorker::Unreachable(peer) => Some(Input::Unreachable(peer)),
                ToWorker::Received(peer, frame) => {
                    let frame = frame.into_vec();
                    let bytes = took.entry(peer).or_default();
                    *bytes = bytes.saturating_add(u32::try_from(weight(&frame)).unwrap_or(u32::MAX));
                    Some(Input::Received(peer, frame))
                }
            })
            .collect();
        let took = took.into_iter().map(|(peer, bytes)| ToPage::Took(peer, bytes));
        took.for_each(|took| self.0.borrow_mut().tabs.tell_own(took));
        self.feed(inputs);
    }

    fn of_own_page(&self, command: Command) -> Option<Input> {
        let tabs = &mut self.0.borrow_mut().tabs;
        let own = tabs.own();
        tabs.take(own, command).map(Input::Command)
    }

    /// Passes what another tab's page said to the node, and tells that tab that the node has it.
    pub(super) fn take_from(&self, tab: TabId, last: u64, commands: Vec<Command>) {
        let take = |command| self.0.borrow_mut().tabs.take(tab, command).map(Input::Command);
        let inputs: Vec<Input> = commands.into_iter().filter_map(take).collect();
        self.feed(inputs);
        self.0.borrow().tabs.taken(tab, last);
    }

    /// Whether something was said to this leader, and not to one before.
    pub(super) fn is_meant(&self, reign: u64) -> bool {
        self.0.borrow().tabs.is_meant(reign)
    }

    /// Serves another tab; whether it is new.
    pub(super) fn welcome(&self, tab: TabId) -> bool {
        self.0.borrow_mut().tabs.welcome(tab)
    }

    /// Another tab is gone.
    pub(super) fn leave(&self, tab: TabId) {
        let closed = self.0.borrow_mut().tabs.leave(tab);
        self.feed(closed.into_iter().map(Input::Command));
    }

    /// Tells every page something.
    pub(super) fn tell_all(&self, items: impl IntoIterator<Item = ToPage>) {
        let mut inner = self.0.borrow_mut();
        items.into_iter().for_each(|item| inner.tabs.tell_all(item));
        drop(inner);
        self.feed([]);
    }

    /// Answers a page.
    pub(super) fn answer(&self, tab: TabId, number: u32, answer: Result<Answer, SecretError>) {
        let mut inner = self.0.borrow_mut();
        inner.tabs.tell(tab, ToPage::Answered(number, answer));
        // Also when the node has stopped meanwhile.
        let build = inner.build.clone();
        inner.tabs.flush(&build);
    }

    /// The storage.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn storage(&self) -> Result<Rc<Storage>, StorageError> {
        self.0.borrow().storage.clone()
    }

    /// Whether no other tab is served.
    pub(super) fn is_alone(&self) -> bool {
        self.0.borrow().tabs.is_alone()
    }

    /// The storage is gone, and every page is told why.
    pub(super) fn lose_storage(&self, why: &str) {
        let error = StorageError::Unavailable(why.to_owned());
        self.tell_all([ToPage::Storage(StorageStatus::MemoryOnly(error.to_string()))]);
        self.0.borrow_mut().storage = Err(error);
    }

    /// Whether everything that was taken is stored.
    pub(super) fn is_settled(&self) -> bool {
        self.0.borrow().node.is_settled()
    }

    /// The node stops at once. What was not stored was not shown as saved.
    pub(super) fn stop(&self) {
        let mut inner = self.0.borrow_mut();
        inner.stopped = true;
        inner.timer.set(clock::now().instant, None);
        inner.storage = Err(StorageError::Unavailable(String::new()));
    }

    /// Passes inputs to the node and performs what follows; what is for a page leaves in one message.
    pub(super) fn feed(&self, inputs: impl IntoIterator<Item = Input>) {
        let mut guard = self.0.borrow_mut();
        let inner = &mut *guard;
        if inner.stopped {
            return;
        }
        let now = clock::now();
        for input in inputs {
            inner.node.handle(now, input);
        }
        while let Some(output) = inner.node.poll_output() {
            match output {
                Output::Send(peer, frame) => inner.tabs.tell_own(ToPage::Send(peer, ByteBuf::from(frame))),
                Output::Close(peer, reason) => inner.tabs.tell_own(ToPage::Close(peer, reason.into())),
                Output::Pause(peer, wait) => {
                    let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
                    inner.tabs.tell_own(ToPage::Pause(peer, wait));
                }
                Output::Update(update) => inner.tabs.update(update),
                Output::Dial(peer, relays) => inner.tabs.tell_own(ToPage::Dial(peer, relays)),
                Output::Relays(relays) => inner.tabs.tell_own(ToPage::Relays(relays)),
                Output::Persist(batch) => match &inner.storage {
                    Ok(storage) => persist(inner.note.clone(), storage.clone(), batch),
                    Err(error) => inner.node.handle(now, Input::Persisted(batch.ticket, Err(error.clone()))),
                },
                Output::Read(ticket, ids) => match &inner.storage {
                    Ok(storage) => read(inner.note.clone(), storage.clone(), ticket, ids),
                    Err(_) => inner.node.handle(now, Input::ReadDone(ticket, Vec::new())),
                },
            }
        }
        inner.timer.set(now.instant, inner.node.poll_timeout());
        inner.tabs.flush(&inner.build);
    }
}

/// Begins before anything that is asked for later does, so that it finds what was written.
fn persist(note: UnboundedSender<Event>, storage: Rc<Storage>, batch: Batch) {
    spawn_local(async move {
        let outcome = storage.write(&batch).await;
        // The worker lives as long as this.
        let _ = note.unbounded_send(Event::Node(Input::Persisted(batch.ticket, outcome)));
    });
}

fn read(note: UnboundedSender<Event>, storage: Rc<Storage>, ticket: Ticket, ids: Vec<EventId>) {
    spawn_local(async move {
        // What cannot be read is not there for now; the next reader asks again.
        let found = storage.read(&ids).await.unwrap_or_default();
        let _ = note.unbounded_send(Event::Node(Input::ReadDone(ticket, found)));
    });
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

    use std::rc::Rc;

    use super::Shell;
    use crate::worker::channel::Channel;
    use crate::worker::lead::empty_node;
    use crate::worker::messages::{TabId, ToPage, ToWorker, read};
    use crate::worker::tabs::Tabs;

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
        let build = Rc::new(Channel::of_build("test: shell", |_| {}));
        let tabs = Tabs::new(TabId(1), 1, channel.port1(), Rc::default());
        let shell = Shell::new(node, storage, tabs, build, unbounded().0);
        let peer = PeerId([2; 32]);
        let frame = ByteBuf::from(frame.encode(&Limits::default()));
        shell.take(vec![ToWorker::Connected(peer, false), ToWorker::Received(peer, frame)]);

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
                producer: None,
            })
        };
        assert_eq!(ends(hello(VERSION + 1)).await, Some(true));
        assert_eq!(ends(hello(VERSION)).await, None);
    }
}
