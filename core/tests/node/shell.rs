//! A node between a disk and the hands of a test: every output is kept until somebody asks for it, and whatever the
//! node waits for can be withheld.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chanterelle_core::Node;
use chanterelle_core::base::{BoardId, EventId, Instant, Limits, Now, PeerId, Seconds, ThreadId};
use chanterelle_core::crypto::{Identity, Root, SecretKey};
use chanterelle_core::event::{Content, Draft, DraftError, Event, Persona};
use chanterelle_core::gossip::PeerRecord;
use chanterelle_core::invite::Address;
use chanterelle_core::node::{
    Batch, CloseReason, Command, Input, Notice, Output, Relays, SessionInfo, Setup, StorageError, Target,
    Ticket, Update,
};
use chanterelle_core::store::Row;
use chanterelle_core::wire::{Frame, Hello, Role, VERSION};
use serde_bytes::ByteBuf;

use super::authors::{board, carried, name};
use super::screen::{Screen, view_of};

/// The wall clock at [`START`]: 2026-01-01.
pub(super) const EPOCH: Seconds = Seconds(1_767_225_600);

/// The monotonic clock at the beginning; its origin is arbitrary.
const START: Instant = Instant(5_000_000);

/// Wake-ups at one moment after which a node is said to be spinning: each must have led to something.
const SPINNING: u32 = 3;

/// What survives a restart.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) rows: BTreeMap<EventId, Row>,
    pub(super) bytes: BTreeMap<EventId, Arc<[u8]>>,
    pub(super) state: Option<Vec<u8>>,
}

impl Disk {
    fn commit(&mut self, batch: Batch) {
        for put in batch.puts {
            if let Some(bytes) = put.event {
                self.bytes.insert(put.row.id, bytes);
            }
            assert!(self.bytes.contains_key(&put.row.id), "a row without the bytes of its event");
            self.rows.insert(put.row.id, put.row);
        }
        self.state = batch.state.or(self.state.take());
    }

    fn read(&self, ids: &[EventId]) -> Vec<(EventId, Vec<u8>)> {
        ids.iter().filter_map(|id| self.bytes.get(id).map(|bytes| (*id, bytes.to_vec()))).collect()
    }
}

/// What a node said and nobody has asked for yet.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a test keeps few of them")]
pub(super) enum Said {
    Frame(PeerId, Frame),
    Close(PeerId, CloseReason),
    Update(Update),
}

/// A node and everything around it.
pub(super) struct Shell {
    number: u8,
    life: u8,
    role: Role,
    /// Whether its id is a public key, as in the product. Else it is its number, so that a test knows the order of ids.
    has_key: bool,
    limits: Limits,
    pub(super) node: Node,
    pub(super) now: Now,
    pub(super) disk: Disk,
    /// Batches are kept in `batches` until [`Shell::store`] answers them.
    pub(super) hold_batches: bool,
    /// Reads are kept in `reads` until [`Shell::read`] answers them.
    pub(super) hold_reads: bool,
    pub(super) batches: VecDeque<Batch>,
    pub(super) reads: VecDeque<(Ticket, Vec<EventId>)>,
    pub(super) said: Vec<Said>,
    pub(super) screens: BTreeMap<u32, Screen>,
    /// The relays worth connecting to, as last told.
    pub(super) relays: Relays,
    /// Peers it wanted to be connected to directly, and nobody has asked for yet.
    pub(super) dials: Vec<(PeerId, Vec<Address>)>,
    /// Peers that were not to be read for a while.
    pub(super) pauses: Vec<(PeerId, Duration)>,
    requests: u32,
}

impl Shell {
    /// A tab with the keys of person `number`.
    pub(super) fn tab(number: u8) -> Shell {
        Shell::new(number, Role::Tab, |_| {})
    }

    /// A relay.
    pub(super) fn relay(number: u8) -> Shell {
        Shell::new(number, Role::Relay, |_| {})
    }

    /// A tab whose id is a public key, so that it can make peer records.
    pub(super) fn with_key(number: u8, change: impl FnOnce(&mut Limits)) -> Shell {
        let mut limits = Limits::default();
        change(&mut limits);
        Shell::make(number, Role::Tab, true, limits)
    }

    /// Either, with other limits.
    pub(super) fn new(number: u8, role: Role, change: impl FnOnce(&mut Limits)) -> Shell {
        let mut limits = Limits::default();
        change(&mut limits);
        Shell::make(number, role, false, limits)
    }

    fn make(number: u8, role: Role, has_key: bool, limits: Limits) -> Shell {
        let now = Now { instant: START, unix: EPOCH };
        let mut shell = Shell {
            number,
            life: 0,
            role,
            has_key,
            node: Node::new(setup(number, 0, role, peer_id(number, 0, has_key), &limits), now),
            limits,
            now,
            disk: Disk::default(),
            hold_batches: false,
            hold_reads: false,
            batches: VecDeque::new(),
            reads: VecDeque::new(),
            said: Vec::new(),
            screens: BTreeMap::new(),
            relays: Relays::default(),
            dials: Vec::new(),
            pauses: Vec::new(),
            requests: 0,
        };
        shell.input(Input::Restored(None));
        shell
    }

    /// The node dies with whatever was not durable, and another begins with the disk.
    pub(super) fn restart(&mut self) {
        self.life += 1;
        self.batches.clear();
        self.reads.clear();
        self.said.clear();
        self.screens.clear();
        let rows: Vec<Row> = self.disk.rows.values().cloned().collect();
        self.begin_with(rows);
    }

    /// The same with these rows instead of the disk's.
    pub(super) fn restart_with(&mut self, rows: Vec<Row>) {
        self.disk.rows = rows.iter().map(|row| (row.id, row.clone())).collect();
        self.restart();
        self.begin_with(rows);
    }

    fn begin_with(&mut self, rows: Vec<Row>) {
        self.node = Node::new(setup(self.number, self.life, self.role, self.id(), &self.limits), self.now);
        for portion in rows.chunks(3) {
            self.input(Input::Restore(portion.to_vec()));
        }
        self.input(Input::Restored(self.disk.state.clone()));
    }

    /// This node's key on the network; a tab has a fresh one in each life.
    pub(super) fn id(&self) -> PeerId {
        peer_id(self.number, if self.role == Role::Relay { 0 } else { self.life }, self.has_key)
    }

    pub(super) fn is_tab(&self) -> bool {
        self.role == Role::Tab
    }

    /// Allows direct connections; the node can be asked for at these relays.
    pub(super) fn go_direct(&mut self, relays: &[&str]) {
        assert!(self.has_key, "only who has a key can sign");
        let record = record_of(&key_of(self.number, self.life), relays, self.now.unix);
        self.command(Command::Direct(Some(record)));
    }

    /// Begins again with other limits.
    pub(super) fn limits_from_now_on(&mut self, change: impl FnOnce(&mut Limits)) {
        change(&mut self.limits);
        self.restart();
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// One input and everything that follows from it.
    pub(super) fn input(&mut self, input: Input) {
        self.node.handle(self.now, input);
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send(peer, bytes) => {
                    assert!(bytes.len() <= self.limits.frame_bytes, "a frame nobody would accept");
                    let frame = Frame::decode(&bytes, &self.limits).expect("a node sends frames only");
                    self.said.push(Said::Frame(peer, frame));
                }
                Output::Close(peer, reason) => self.said.push(Said::Close(peer, reason)),
                Output::Pause(peer, wait) => self.pauses.push((peer, wait)),
                Output::Persist(batch) => {
                    assert!(self.batches.is_empty(), "one batch at a time");
                    self.batches.push_back(batch);
                }
                Output::Read(ticket, ids) => self.reads.push_back((ticket, ids)),
                Output::Update(update) => self.show(update),
                Output::Relays(relays) => self.relays = relays,
                Output::Dial(peer, relays) => self.dials.push((peer, relays)),
            }
        }
        if !self.hold_reads && !self.reads.is_empty() {
            self.read();
        }
        if !self.hold_batches && !self.batches.is_empty() {
            self.store(Ok(()));
        }
    }

    fn show(&mut self, update: Update) {
        if let Some(view) = view_of(&update) {
            let first = !self.screens.contains_key(&view);
            self.screens.entry(view).or_default().apply(&update, first);
        }
        self.said.push(Said::Update(update));
    }

    /// Answers the batch under way.
    pub(super) fn store(&mut self, result: Result<(), StorageError>) {
        let batch = self.batches.pop_front().expect("a batch is under way");
        let ticket = batch.ticket;
        if result.is_ok() {
            self.disk.commit(batch);
        }
        self.input(Input::Persisted(ticket, result));
    }

    /// Answers the oldest read.
    pub(super) fn read(&mut self) {
        let (ticket, ids) = self.reads.pop_front().expect("something is to be read");
        let found = self.disk.read(&ids);
        self.input(Input::ReadDone(ticket, found));
    }

    /// Lets time pass, waking the node whenever it asks for it.
    pub(super) fn advance(&mut self, milliseconds: u64) {
        let end = Instant(self.now.instant.0 + milliseconds);
        while let Some(at) = self.node.poll_timeout().filter(|at| *at <= end) {
            self.wake_at(at);
        }
        self.set_clock(end);
    }

    /// Wakes the node at `at`; it must not ask for the same moment over and over.
    pub(super) fn wake_at(&mut self, at: Instant) {
        self.set_clock(at);
        for _ in 0..SPINNING {
            self.input(Input::Wake);
            if self.node.poll_timeout().is_none_or(|next| next > self.now.instant) {
                return;
            }
        }
        panic!("the node asks again and again to be woken at {:?}", self.node.poll_timeout());
    }

    /// Moves the clocks on to `instant`.
    pub(super) fn set_clock(&mut self, instant: Instant) {
        let instant = instant.max(self.now.instant);
        let passed = instant.0 / 1_000 - self.now.instant.0 / 1_000;
        self.now = Now { instant, unix: self.now.unix.plus(passed) };
    }

    /// What was said and matches, in order; it is not given again.
    pub(super) fn take<T>(&mut self, pick: impl Fn(&Said) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        self.said.retain(|said| pick(said).map(|found| taken.push(found)).is_none());
        taken
    }

    /// Frames sent to a peer since they were last asked for.
    pub(super) fn frames(&mut self, to: PeerId) -> Vec<Frame> {
        self.take(|said| match said {
            Said::Frame(peer, frame) if *peer == to => Some(frame.clone()),
            _ => None,
        })
    }

    /// Events among the frames sent to a peer.
    pub(super) fn events(&mut self, to: PeerId) -> Vec<EventId> {
        let limits = self.limits.clone();
        let frames = self.frames(to).into_iter();
        frames.flat_map(|frame| events_of(&frame, &limits)).map(|event| event.id()).collect()
    }

    /// Acknowledged events among the frames sent to a peer.
    pub(super) fn acks(&mut self, to: PeerId) -> Vec<EventId> {
        let frames = self.frames(to).into_iter();
        frames.flat_map(|frame| if let Frame::Ack { ids } = frame { ids } else { Vec::new() }).collect()
    }

    /// Events asked for among the frames sent to a peer.
    pub(super) fn wants(&mut self, to: PeerId) -> Vec<EventId> {
        let frames = self.frames(to).into_iter();
        let ids = |frame| match frame {
            Frame::Want { ids } | Frame::Graft { ids } => ids,
            _ => Vec::new(),
        };
        frames.flat_map(ids).collect()
    }

    pub(super) fn closed(&mut self) -> Vec<(PeerId, CloseReason)> {
        self.take(|said| if let Said::Close(peer, reason) = said { Some((*peer, *reason)) } else { None })
    }

    pub(super) fn notices(&mut self) -> Vec<Notice> {
        self.take(|said| match said {
            Said::Update(Update::Notice(notice)) => Some(notice.clone()),
            _ => None,
        })
    }

    /// The sessions as last told.
    pub(super) fn network(&mut self) -> Option<Vec<SessionInfo>> {
        let mut told = self.take(|said| match said {
            Said::Update(Update::Network(sessions)) => Some(sessions.clone()),
            _ => None,
        });
        told.pop()
    }

    /// Updates of one view.
    pub(super) fn updates(&mut self, view: u32) -> Vec<Update> {
        self.take(|said| match said {
            Said::Update(update) if view_of(update) == Some(view) => Some(update.clone()),
            _ => None,
        })
    }

    pub(super) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    pub(super) fn subscribe(&mut self, board_name: &str) {
        self.command(Command::Subscribe(name(board_name)));
    }

    /// Opens a view, or another in its place: what it showed is gone from the screen.
    pub(super) fn open(&mut self, view: u32, target: Target) {
        self.screens.remove(&view);
        self.command(Command::Open(view, target));
    }

    /// What a view shows.
    pub(super) fn screen(&self, view: u32) -> &Screen {
        self.screens.get(&view).expect("the view was told")
    }

    pub(super) fn publish(&mut self, content: Content) -> Result<(EventId, Option<ThreadId>), DraftError> {
        self.publish_as(Persona::Pseudonym, content)
    }

    pub(super) fn publish_as(
        &mut self,
        persona: Persona,
        content: Content,
    ) -> Result<(EventId, Option<ThreadId>), DraftError> {
        self.requests += 1;
        self.command(Command::Publish(self.requests, Draft { persona, content }));
        let number = self.requests;
        let mut answers = self.take(|said| match said {
            Said::Update(Update::Published { request, event, thread, .. }) if *request == number => {
                Some(Ok((*event, *thread)))
            }
            Said::Update(Update::Refused { request, reason }) if *request == number => {
                Some(Err(reason.clone()))
            }
            _ => None,
        });
        assert_eq!(answers.len(), 1, "one answer to one draft");
        answers.remove(0)
    }

    /// Opens a thread.
    pub(super) fn write_thread(&mut self, board_name: &str, comment: &str) -> ThreadId {
        self.publish(thread_draft(board_name, comment)).expect("a good draft").0
    }

    /// Replies to a thread.
    pub(super) fn write_reply(&mut self, board_name: &str, thread: ThreadId, comment: &str) -> EventId {
        self.publish(reply_draft(board_name, thread, comment)).expect("a good draft").0
    }

    /// A session with a peer that has said hello as `role` and lets us send `window` frames.
    pub(super) fn greet(&mut self, peer: PeerId, role: Role, window: u64) {
        self.input(Input::Connected(peer));
        self.hear(peer, hello(role, window));
    }

    /// A session with a tab that keeps boards.
    pub(super) fn greet_reader(&mut self, peer: PeerId, boards: &[&str]) {
        self.greet(peer, Role::Tab, 1_000);
        self.hear(peer, interest(boards));
    }

    /// A session with a relay.
    pub(super) fn greet_relay(&mut self, peer: PeerId) {
        self.greet(peer, Role::Relay, 1_000);
        self.hear(peer, Frame::Interest { all: true, boards: Vec::new() });
    }

    pub(super) fn hear(&mut self, from: PeerId, frame: Frame) {
        self.hear_bytes(from, frame.encode(&Limits::default()));
    }

    pub(super) fn hear_bytes(&mut self, from: PeerId, bytes: Vec<u8>) {
        self.input(Input::Received(from, bytes));
    }

    /// A frame of events, the sender's `n`th.
    pub(super) fn hear_events<'a>(
        &mut self,
        from: PeerId,
        n: u64,
        events: impl IntoIterator<Item = &'a Event>,
    ) {
        self.hear(from, Frame::Events { n, events: carried(events) });
    }

    /// Holds events as if they had come long ago and been stored. No session remembers who sent them.
    pub(super) fn hold<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>) {
        let stranger = peer(0xfe);
        self.greet(stranger, Role::Tab, 0);
        let events: Vec<&Event> = events.into_iter().collect();
        for (n, events) in events.chunks(self.limits.frame_events).enumerate() {
            self.hear_events(stranger, n as u64 + 1, events.iter().copied());
            self.advance(1_000);
        }
        self.input(Input::Disconnected(stranger));
        assert!(events.iter().all(|event| self.disk.bytes.contains_key(&event.id())));
        self.said.clear();
    }

    pub(super) fn holds(&self, id: EventId) -> bool {
        self.node.index().contains(&id)
    }
}

fn setup(number: u8, life: u8, role: Role, peer: PeerId, limits: &Limits) -> Setup {
    Setup {
        seed: [number ^ life.rotate_left(4); 32],
        peer,
        role,
        identity: (role == Role::Tab).then(|| Identity::from_root(Root([number; 32]))),
        agent: "test/1".to_owned(),
        limits: limits.clone(),
    }
}

fn peer_id(number: u8, life: u8, has_key: bool) -> PeerId {
    if has_key {
        return PeerId(key_of(number, life).public().0);
    }
    PeerId(seed_of(number, life))
}

fn seed_of(number: u8, life: u8) -> [u8; 32] {
    let mut bytes = [number; 32];
    bytes[31] = life;
    bytes
}

fn key_of(number: u8, life: u8) -> SecretKey {
    SecretKey::from_seed(seed_of(number, life))
}

/// A peer record, as it is sent.
pub(super) fn record_of(key: &SecretKey, relays: &[&str], time: Seconds) -> ByteBuf {
    let address = |text: &&str| Address::new(text.as_bytes()).expect("the length of an address");
    let relays = relays.iter().map(address).collect();
    let record = PeerRecord::make(PeerId(key.public().0), relays, time, |hash| key.sign_hash(hash).0);
    ByteBuf::from(record.bytes().to_vec())
}

/// A peer that is played by the test. The order of peers is that of their numbers.
pub(super) fn peer(number: u8) -> PeerId {
    PeerId([number; 32])
}

pub(super) fn hello(role: Role, window: u64) -> Frame {
    Frame::Hello(Hello { v: VERSION, role, agent: "played/1".to_owned(), window, producer: None })
}

pub(super) fn interest(boards: &[&str]) -> Frame {
    Frame::Interest { all: false, boards: boards.iter().map(|text| board(text)).collect() }
}

pub(super) fn events_of(frame: &Frame, limits: &Limits) -> Vec<Event> {
    match frame {
        Frame::Events { events, .. } => {
            events.iter().map(|bytes| Event::decode(bytes, limits).expect("an event")).collect()
        }
        _ => Vec::new(),
    }
}

pub(super) fn thread_draft(board_name: &str, comment: &str) -> Content {
    Content::Thread { board: name(board_name), subject: None, comment: comment.to_owned(), files: Vec::new() }
}

pub(super) fn reply_draft(board_name: &str, thread: ThreadId, comment: &str) -> Content {
    Content::Post {
        board: board(board_name),
        thread,
        comment: comment.to_owned(),
        sage: false,
        quotes: Vec::new(),
        files: Vec::new(),
    }
}

/// The thread as a view's target.
pub(super) fn thread_target(board: BoardId, thread: ThreadId) -> Target {
    Target::Thread { board, thread }
}
