//! The whole protocol as one machine without I/O: joins admission, gossip, reconciliation, storage and views.
//!
//! The only module that knows them all. Inputs are handled one at a time; whatever follows from one is in the outputs
//! before the next. Two nodes with one seed and one sequence of inputs give one sequence of outputs.
//!
//! The way of a post: [`Command::Publish`] → `publish` signs → `intake` admits → `persist` stores, `deliver` sends
//! onward, `views` shows. A neighbour's post takes the same way from `intake` on. Whoever missed it finds it through
//! `syncing`.

mod api;
mod deferred;
mod deliver;
mod directory;
mod friends;
mod heard;
mod intake;
mod neighbours;
mod peers;
mod persist;
mod producers;
mod publish;
mod reach;
mod recognise;
mod scopes;
mod session;
mod shuffle;
mod state;
mod syncing;
mod tree;
mod views;
mod wants;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use api::{
    Batch, CloseReason, Command, Input, Notice, Output, Put, Relays, SessionInfo, Setup, StorageError,
    Target, Ticket, Update, ViewId,
};
pub use state::{add_backup, take_over};

use crate::base::{BoardId, BoardName, BoxMap, EventId, Instant, Limits, Now, PeerId};
use crate::crypto::{Identity, Rng, Verify, Zip215};
use crate::store::Index;
use crate::sync::Reconciler;
use crate::wire::Role;
use deferred::Deferred;
use directory::Directory;
use friends::Friends;
use neighbours::Neighbours;
use persist::Persist;
use producers::Producers;
use reach::Reach;
use recognise::Recognise;
use session::Session;
use shuffle::Shuffles;
use views::Views;
use wants::Wanted;

/// The protocol of one peer.
pub struct Node<V = Zip215> {
    now: Now,
    peer: PeerId,
    role: Role,
    agent: String,
    limits: Limits,
    identity: Option<Identity>,
    rng: Rng,
    verify: V,

    restored: bool,
    index: Index,
    persist: Persist,
    deferred: Deferred,
    /// Boards kept here, with the names they were asked for by.
    subscriptions: BoxMap<BoardId, BoardName>,
    /// Boards others have named.
    directory: Directory,
    friends: Friends,
    /// Reach records kept for others.
    reach: Reach,
    recognise: Recognise,
    producers: Producers,
    neighbours: Neighbours,
    shuffles: Shuffles,
    /// How many tabs a relay brings the events of a board to although others would.
    shortcuts: BTreeMap<BoardId, usize>,

    sessions: BoxMap<PeerId, Session>,
    /// When each session wants attention next.
    timers: BTreeSet<(Instant, PeerId)>,
    /// Sessions that something was done to since they were last served.
    touched: BTreeSet<PeerId>,
    reconciler: Reconciler,
    /// Events asked for and not here yet.
    wanted: BoxMap<EventId, Wanted>,
    network_changed: bool,

    views: Views,
    reads: BoxMap<Ticket, Reader>,
    next_ticket: u64,
    outputs: VecDeque<Output>,
    rejections: BTreeMap<&'static str, u64>,
}

/// For whom bodies are read.
#[derive(Clone, Copy)]
enum Reader {
    Peer(PeerId),
    View(ViewId),
}

impl Node {
    /// A node that has nothing yet. Feed it [`Input::Restore`] and [`Input::Restored`] first.
    #[must_use]
    pub fn new(setup: Setup, now: Now) -> Node {
        Node::with_verifier(setup, now, Zip215)
    }
}

impl<V: Verify> Node<V> {
    /// A node whose signatures are verified by `verify`: for a simulator that remembers verdicts.
    #[must_use]
    pub fn with_verifier(setup: Setup, now: Now, verify: V) -> Node<V> {
        Node {
            now,
            peer: setup.peer,
            role: setup.role,
            agent: setup.agent,
            identity: setup.identity,
            rng: Rng::new(setup.seed),
            verify,
            restored: false,
            index: Index::new(&setup.limits),
            persist: Persist::default(),
            deferred: Deferred::new(),
            subscriptions: BoxMap::new(),
            directory: Directory::default(),
            friends: Friends::default(),
            reach: Reach::default(),
            recognise: Recognise::default(),
            producers: Producers::default(),
            neighbours: Neighbours::default(),
            shuffles: Shuffles::default(),
            shortcuts: BTreeMap::new(),
            sessions: BoxMap::new(),
            timers: BTreeSet::new(),
            touched: BTreeSet::new(),
            reconciler: Reconciler::new(setup.limits.reconcile_bytes),
            wanted: BoxMap::new(),
            network_changed: false,
            views: Views::default(),
            reads: BoxMap::new(),
            next_ticket: 0,
            outputs: VecDeque::new(),
            rejections: BTreeMap::new(),
            limits: setup.limits,
        }
    }

    /// Takes one input; afterwards drain [`Node::poll_output`].
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = Now { instant: now.instant.max(self.now.instant), unix: now.unix };
        match input {
            Input::Restore(rows) => rows.into_iter().for_each(|row| drop(self.index.insert(row))),
            Input::Restored(state) => self.on_restored(state.as_deref()),
            Input::Connected(peer) => self.on_connected(peer, false),
            Input::ConnectedDirectly(peer) => self.on_connected(peer, true),
            Input::Disconnected(peer) => self.on_disconnected(peer),
            Input::Unreachable(peer) => self.unreachable(peer),
            Input::Received(peer, frame) => self.on_received(peer, &frame),
            Input::Persisted(ticket, result) => self.on_persisted(ticket, result),
            Input::ReadDone(ticket, events) => self.on_read(ticket, events),
            Input::Command(command) => self.on_command(command),
            Input::Wake => {}
        }
        if self.restored {
            self.settle();
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Wake`] if nothing else comes before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sessions = self.timers.first().map(|(at, _)| *at);
        let others = [
            sessions,
            self.deferred.wake_at(self.now),
            self.persist.retry_at(),
            self.neighbours_wake_at(),
            self.views.wake_at(self.now.instant),
        ];
        others.into_iter().flatten().min()
    }

    /// Who gives verdicts on signatures: for a simulator that lends one memory of them to many nodes.
    pub fn verifier(&mut self) -> &mut V {
        &mut self.verify
    }

    /// The events held.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Events refused so far, by [`crate::admit::RejectReason::label`].
    #[must_use]
    pub fn rejections(&self) -> &BTreeMap<&'static str, u64> {
        &self.rejections
    }

    /// Whether an event is not durable yet.
    #[must_use]
    pub fn is_pending(&self, id: &EventId) -> bool {
        self.persist.is_pending(id)
    }

    /// Whether everything that is to be stored is stored.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.persist.is_settled()
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish(request, draft) => self.publish(request, draft),
            Command::Republish(request, event) => self.republish(request, &event),
            Command::Open(view, target) => self.open_view(view, target),
            Command::Close(view) => self.views.close(view),
            Command::Subscribe(name) => self.subscribe(name),
            Command::Unsubscribe(name) => self.unsubscribe(&name),
            Command::Invite { request, board } => self.invite(request, board),
            Command::Befriend(code) => self.befriend(code),
            Command::Unfriend(author) => self.unfriend(&author),
            Command::CallMe(name) => self.call_me(name),
            Command::RenewCode => self.renew_code(),
            Command::Reachable(relays) => self.reachable(relays),
            Command::KnowRelays(relays) => self.know_relays(relays),
            Command::Direct(record) => self.direct(record.as_ref().map(|bytes| bytes.as_slice())),
        }
    }

    fn on_read(&mut self, ticket: Ticket, events: Vec<(EventId, Vec<u8>)>) {
        match self.reads.remove(&ticket) {
            Some(Reader::Peer(peer)) => self.on_bodies_for_peer(peer, ticket, events),
            Some(Reader::View(view)) => self.on_bodies_for_view(view, ticket, &events),
            None => {}
        }
    }

    /// Does everything that is due, once per input: each step may give the next one work, never an earlier one.
    fn settle(&mut self) {
        self.admit_deferred();
        self.wake_sessions();
        self.serve_sessions();
        self.serve_neighbours();
        self.flush_persist();
        self.flush_views();
        self.tell_network();
        self.tell_relays();
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }
}

impl<V> core::fmt::Debug for Node<V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Node")
            .field("peer", &self.peer)
            .field("events", &self.index.len())
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}
