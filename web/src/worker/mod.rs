//! The worker of a tab. Of all workers of a profile one runs the node over the storage; the others are views on it.
//!
//! 1. The page says that it is there; then the lock of the profile is waited for ([`follow`]). Meanwhile the page is
//!    served by whoever has it.
//! 2. With the lock, the storage is opened and the index fed to a node, while messages wait ([`lead`]).
//! 3. Every message, deadline and answer of the storage is an input of the node ([`shell`], the only loop that performs
//!    outputs). After each batch of inputs the outputs are drained: storage is set to work at once, and everything for a
//!    page leaves as one message.
//! 4. When the tab is closed, the next has the lock; when the browser freezes it, another takes it.
//!
//! Knows no DOM and no libp2p: sessions are messages to the page and back.

mod channel;
mod clock;
mod desk;
mod follow;
mod lead;
mod lock;
pub(crate) mod messages;
mod secret;
mod shell;
mod tabs;
mod wishes;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use chanterelle_core::base::PeerId;
use chanterelle_core::node::Input;
use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen_futures::spawn_local;
use web_sys::{MessageEvent, MessagePort};

use channel::{Between, Builds, Channel, ToTab};
use follow::{Since, follow};
use lead::{End, lead, new_tab};
use messages::{Ask, TabId, ToWorker, read};
use wishes::Wishes;

/// What reaches a worker.
enum Event {
    /// From its own page.
    Page(Vec<ToWorker>),
    /// From another tab of this build, for all.
    Between(Between),
    /// From the leader, for this tab.
    Told(ToTab),
    /// From a tab of any build.
    Builds(Builds),
    /// A tab that was watched is closed.
    Gone(TabId),
    /// The lock was taken away.
    Lost,
    /// The browser has taken the storage away.
    StorageLost,
    /// For the node: a deadline has come, or the storage has answered.
    Node(Input),
}

/// This worker, whether it leads or follows.
struct Tab {
    id: TabId,
    /// The page's key on the network.
    peer: PeerId,
    /// The name of this build.
    name: String,
    port: MessagePort,
    /// Whether the page is looked at.
    is_seen: bool,
    /// Shared with the shell, by which the page is answered while this worker leads.
    wishes: Rc<RefCell<Wishes>>,
    /// What the page has asked about the secret while there was nobody to answer.
    asks: Vec<(u32, Ask)>,
    build: Rc<Channel>,
    /// What has come and was not looked at.
    events: VecDeque<Event>,
    inbox: UnboundedReceiver<Event>,
    note: UnboundedSender<Event>,
}

impl Tab {
    /// The next event. What the page said and has come together is one. That the lock is lost comes before all else:
    /// what was meant for a leader is done by the next one.
    async fn next_event(&mut self) -> Event {
        if self.events.is_empty() {
            let first = self.inbox.next().await.expect("the tab holds a sender");
            self.events.push_back(first);
        }
        while let Ok(more) = self.inbox.try_recv() {
            match (self.events.back_mut(), more) {
                (_, Event::Lost) => self.events.push_front(Event::Lost),
                // What has come together is answered together.
                (Some(Event::Page(items)), Event::Page(more)) => items.extend(more),
                (_, more) => self.events.push_back(more),
            }
        }
        let event = self.events.pop_front().expect("one was put there");
        if let Event::Page(items) = &event {
            self.look(items);
        }
        event
    }

    fn look(&mut self, items: &[ToWorker]) {
        for item in items {
            if let ToWorker::Seen(seen) = item {
                self.is_seen = *seen;
            }
        }
    }

    /// Remembers what the page wants while nobody serves it.
    fn note(&mut self, items: Vec<ToWorker>) {
        for item in items {
            match item {
                ToWorker::Command(command) => self.wishes.borrow_mut().note(&command),
                ToWorker::Ask(number, ask) => self.asks.push((number, ask)),
                _ => {}
            }
        }
    }

    /// To be called when another takes the lock away.
    fn on_lost(&self) -> impl FnOnce() + 'static {
        let note = self.note.clone();
        move || drop(note.unbounded_send(Event::Lost))
    }

    /// Has [`Event::Gone`] come when another tab is closed.
    fn watch(&self, other: TabId) {
        let note = self.note.clone();
        spawn_local(async move {
            drop(lock::acquire(&lock::of_tab(other), || {}).await);
            let _ = note.unbounded_send(Event::Gone(other));
        });
    }
}

/// Serves a page for as long as the worker lives. `build` names this build of the program. Called by `worker.js`.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen exports public functions only")]
pub fn serve(port: MessagePort, build: String) {
    let (note, inbox) = unbounded();
    let on_message = Closure::<dyn Fn(MessageEvent)>::new({
        let note = note.clone();
        move |event: MessageEvent| {
            let items = read::<ToWorker>(&event.data()).expect("the page is of the same build");
            // The receiver lives as long as the worker.
            let _ = note.unbounded_send(Event::Page(items));
        }
    });
    // This also starts the port.
    port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    spawn_local(run(port, build, note, inbox));
}

async fn run(
    port: MessagePort,
    name: String,
    note: UnboundedSender<Event>,
    mut inbox: UnboundedReceiver<Event>,
) {
    let Some(Event::Page(first)) = inbox.next().await else {
        unreachable!("only the page is listened to yet")
    };
    let Some(&ToWorker::Start(peer)) = first.first() else { unreachable!("the page starts with its key") };
    let id = new_tab();
    let send = |wrap: fn(_) -> Event| {
        let note = note.clone();
        move |item| drop(note.unbounded_send(wrap(item)))
    };
    let build = Rc::new(Channel::of_build(&name, send(Event::Between)));
    let told = note.clone();
    let _own = Channel::of_own_tab(id, move |item| drop(told.unbounded_send(Event::Told(item))));
    let builds = note.clone();
    let _builds = Channel::of_all_builds(move |item| drop(builds.unbounded_send(Event::Builds(item))));
    // For as long as the worker lives: by it the leader knows.
    let _alive = lock::acquire(&lock::of_tab(id), || {}).await;
    let mut tab = Tab {
        id,
        peer,
        name,
        port,
        is_seen: true,
        wishes: Rc::default(),
        asks: Vec::new(),
        build,
        events: VecDeque::new(),
        inbox,
        note,
    };
    tab.look(&first);
    tab.note(first);
    let mut since = Since::Start;
    loop {
        let held = follow(&mut tab, since).await;
        since = match lead(&mut tab).await {
            End::Yielded => Since::Yielded,
            End::Lost => Since::Lost,
            End::OtherBuild => Since::OtherBuild,
            End::Changed => Since::Start,
        };
        drop(held);
    }
}
