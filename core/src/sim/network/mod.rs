//! The loop: one queue of things to come, in the order of virtual time.

mod direct;
mod faults;
mod people;
mod topology;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use topology::connect;

use super::link::{Link, chance};
use super::peer::Peer;
use super::report::{Broken, Report};
use super::scenario::Scenario;
use super::verify::Remembering;
use crate::base::{BoardName, EventId, Instant, Limits, Now, PeerId, Seconds};
use crate::crypto::{Rng, derive};
use crate::invite::Address;
use crate::node::{Batch, CloseReason, Command, Input, Output, StorageError, Ticket, Update};
use crate::wire::{Frame, Role};

/// The wall clock at the beginning: 2026-01-01.
const EPOCH: u64 = 1_767_225_600;

/// Between the end of a session and its next beginning, at least and at most, milliseconds.
const REDIAL: (u64, u64) = (500, 3_000);

/// How long a transaction takes, at least and at most, milliseconds.
const COMMIT: (u64, u64) = (1, 20);

/// How long a direct connection takes to come about, at least and at most, milliseconds.
const SIGNALLING: (u64, u64) = (50, 1_500);

/// Runs `scenario` with `seed` to its end.
#[must_use]
pub fn run(scenario: &Scenario, seed: u64) -> Report {
    let mut network = Network::new(scenario, seed);
    network.run();
    network.report(seed)
}

enum Coming {
    Wake(usize, u64),
    Frame {
        to: usize,
        session: u64,
        from: PeerId,
        bytes: Vec<u8>,
    },
    Commit {
        peer: usize,
        life: u64,
        batch: Batch,
        fails: bool,
    },
    ReadDone {
        peer: usize,
        life: u64,
        ticket: Ticket,
        ids: Vec<EventId>,
    },
    Dial(usize, usize),
    /// A tab dials another directly, by way of these relays.
    Direct(usize, PeerId, Vec<Address>),
    Write,
    Minute,
    Restart(usize),
    Split(bool),
    Check,
}

struct Session {
    number: u64,
    /// When the last frame arrives, in each direction, by the number of the sender.
    last: BTreeMap<usize, Instant>,
}

struct Network<'a> {
    scenario: &'a Scenario,
    limits: Limits,
    rng: Rng,
    now: Instant,
    peers: Vec<Peer>,
    /// Who dials whom, lower number first.
    links: BTreeSet<(usize, usize)>,
    sessions: BTreeMap<(usize, usize), Session>,
    queue: BTreeMap<(Instant, u64), Coming>,
    sequence: u64,
    wakes: Vec<Option<Instant>>,
    lives: Vec<u64>,
    split: bool,
    verify: Remembering,
    trace: blake3::Hasher,
    written: BTreeMap<EventId, (Instant, BoardName)>,
    threads: BTreeMap<BoardName, Vec<EventId>>,
    held_at: BTreeMap<(EventId, usize), Instant>,
    converged: Option<Duration>,
    broken: Vec<Broken>,
    frames: u64,
    bytes: u64,
    lost: u64,
    crashes: u64,
    /// Events sent by tabs to relays, and by relays to tabs.
    up: u64,
    down: u64,
}

impl<'a> Network<'a> {
    fn new(scenario: &'a Scenario, seed: u64) -> Network<'a> {
        let mut rng = Rng::new(derive("chanterelle 2026 simulation", &[&seed.to_le_bytes()]));
        let names: Vec<BoardName> = (0..scenario.boards)
            .map(|number| BoardName::new(&format!("board-{number}")).expect("letters, digits, a hyphen"))
            .collect();
        let peers: Vec<Peer> = (0..scenario.peers)
            .map(|number| {
                let relay = number < scenario.relays;
                let kept = if relay { 0 } else { 1 + rng.below(3) };
                let boards =
                    (0..kept).map(|_| names[rng.below(names.len() as u64) as usize].clone()).collect();
                let skew = rng.below(2 * scenario.skew + 1) as i64 - scenario.skew as i64;
                Peer::new(number, if relay { Role::Relay } else { Role::Tab }, boards, skew, seed)
            })
            .collect();
        let links = connect(&mut rng, scenario, &peers);
        let mut limits = Limits::default();
        if scenario.direct.is_none() {
            // Whoever is connected was connected by the scenario.
            limits.neighbours = usize::MAX;
        }
        Network {
            scenario,
            limits,
            rng,
            now: Instant(0),
            wakes: vec![None; peers.len()],
            lives: vec![0; peers.len()],
            peers,
            links,
            sessions: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            split: false,
            verify: Remembering::default(),
            trace: blake3::Hasher::new(),
            written: BTreeMap::new(),
            threads: BTreeMap::new(),
            held_at: BTreeMap::new(),
            converged: None,
            broken: Vec::new(),
            frames: 0,
            bytes: 0,
            lost: 0,
            crashes: 0,
            up: 0,
            down: 0,
        }
    }

    fn run(&mut self) {
        for peer in 0..self.peers.len() {
            self.start(peer);
        }
        for (a, b) in self.links.clone() {
            self.redial(a, b);
        }
        let second = |seconds: u64| Instant(seconds * 1_000);
        self.schedule(second(1), Coming::Write);
        self.schedule(second(5), Coming::Minute);
        if let Some((from, to)) = self.scenario.partition {
            self.schedule(second(from), Coming::Split(true));
            self.schedule(second(to), Coming::Split(false));
        }
        self.schedule(second(self.scenario.active + 1), Coming::Check);
        let end = second(self.scenario.active + self.scenario.settle);
        while let Some(((at, _), coming)) = self.queue.pop_first() {
            if at > end || self.converged.is_some() {
                break;
            }
            self.now = at;
            self.happen(coming);
        }
    }

    fn happen(&mut self, coming: Coming) {
        match coming {
            Coming::Wake(peer, life) => {
                if self.lives[peer] == life && self.wakes[peer].is_some_and(|at| at <= self.now) {
                    self.wakes[peer] = None;
                    self.input(peer, Input::Wake);
                }
            }
            Coming::Frame { to, session, from, bytes } => self.on_frame(to, session, from, bytes),
            Coming::Commit { peer, life, batch, fails } if self.lives[peer] == life => {
                let ticket = batch.ticket;
                if fails {
                    self.input(peer, Input::Persisted(ticket, Err(StorageError::Full)));
                } else {
                    self.commit(peer, batch);
                    self.input(peer, Input::Persisted(ticket, Ok(())));
                }
            }
            // A crash came between: the transaction is there whole or not at all.
            Coming::Commit { peer, batch, .. } => {
                if self.rng.below(2) == 0 {
                    self.commit(peer, batch);
                }
            }
            Coming::ReadDone { peer, life, ticket, ids } => {
                if self.lives[peer] == life {
                    let found = self.peers[peer].disk.read(&ids);
                    self.input(peer, Input::ReadDone(ticket, found));
                }
            }
            Coming::Dial(a, b) => self.dial(a, b),
            Coming::Direct(from, to, relays) => self.dial_directly(from, to, &relays),
            Coming::Write => self.write(),
            Coming::Minute => self.faults(),
            Coming::Restart(peer) => self.start(peer),
            Coming::Split(split) => self.split(split),
            Coming::Check => self.check(),
        }
    }

    /// Whether people still write and things still break.
    fn is_active(&self) -> bool {
        self.now.0 < self.scenario.active * 1_000
    }

    fn link(&self) -> Link {
        if self.is_active() {
            self.scenario.link
        } else {
            Link { lost: 0, reordered: 0, broken: 0, ..self.scenario.link }
        }
    }

    fn now_of(&self, peer: usize) -> Now {
        let unix = (EPOCH + self.now.0 / 1_000).saturating_add_signed(self.peers[peer].skew);
        Now { instant: self.now, unix: Seconds(unix) }
    }

    fn schedule(&mut self, at: Instant, coming: Coming) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), coming);
    }

    fn later(&mut self, (least, most): (u64, u64)) -> Instant {
        Instant(self.now.0 + least + self.rng.below(most - least + 1))
    }

    fn note(&mut self, what: u8, peer: usize, bytes: &[u8]) {
        self.trace.update(&[what]);
        self.trace.update(&self.now.0.to_le_bytes());
        self.trace.update(&(peer as u64).to_le_bytes());
        self.trace.update(&(bytes.len() as u64).to_le_bytes());
        self.trace.update(bytes);
    }

    fn start(&mut self, peer: usize) {
        let now = self.now_of(peer);
        self.lives[peer] += 1;
        self.wakes[peer] = None;
        self.peers[peer].start(now, &self.limits, self.verify.clone());
        if self.scenario.direct.is_some() && self.peers[peer].role == Role::Tab {
            let record = self.record_of(peer);
            self.input(peer, Input::Command(Command::Direct(Some(record))));
        }
        self.drain(peer);
    }

    fn input(&mut self, peer: usize, input: Input) {
        let now = self.now_of(peer);
        let Some(node) = self.peers[peer].node.as_mut() else { return };
        node.handle(now, input);
        self.drain(peer);
    }

    /// Performs a node's outputs and notes when it wants to be woken.
    fn drain(&mut self, peer: usize) {
        while let Some(output) = self.peers[peer].node.as_mut().and_then(|node| node.poll_output()) {
            match output {
                Output::Send(to, bytes) => self.send(peer, to, bytes),
                Output::Close(to, reason) => self.on_close(peer, to, reason),
                Output::Persist(batch) => {
                    let at = self.later(COMMIT);
                    let fails = self.is_active() && chance(&mut self.rng, self.scenario.storage_fails);
                    self.schedule(at, Coming::Commit { peer, life: self.lives[peer], batch, fails });
                }
                Output::Read(ticket, ids) => {
                    let at = self.later((0, 5));
                    self.schedule(at, Coming::ReadDone { peer, life: self.lives[peer], ticket, ids });
                }
                Output::Dial(to, relays) => {
                    let at = self.later(SIGNALLING);
                    self.schedule(at, Coming::Direct(peer, to, relays));
                }
                Output::Update(Update::Published { event, .. }) => self.on_published(peer, event),
                Output::Update(_) | Output::Relays(_) | Output::Pause(..) => {}
            }
        }
        let Some(at) = self.peers[peer].node.as_ref().and_then(|node| node.poll_timeout()) else { return };
        let at = at.max(Instant(self.now.0 + 1));
        if self.wakes[peer].is_none_or(|planned| at < planned || planned <= self.now) {
            self.wakes[peer] = Some(at);
            self.schedule(at, Coming::Wake(peer, self.lives[peer]));
        }
    }

    fn number_of(&self, id: PeerId) -> Option<usize> {
        self.peers.iter().position(|peer| peer.id == id)
    }

    fn send(&mut self, from: usize, to: PeerId, bytes: Vec<u8>) {
        let Some(to) = self.number_of(to) else { return };
        match Frame::decode(&bytes, &self.limits) {
            Ok(Frame::Ack { ids }) => {
                let disk = &self.peers[from].disk;
                let lies = ids.into_iter().filter(|id| !disk.holds(id));
                self.broken.extend(lies.map(|event| Broken::AckNotDurable { peer: from, event }));
            }
            Ok(Frame::Events { events, .. }) => match (self.peers[from].role, self.peers[to].role) {
                (Role::Tab, Role::Relay) => self.up += events.len() as u64,
                (Role::Relay, Role::Tab) => self.down += events.len() as u64,
                _ => {}
            },
            _ => {}
        }
        let link = self.link();
        let Some(session) = self.sessions.get_mut(&pair(from, to)) else { return };
        let previous = session.last.get(&from).copied().unwrap_or_default();
        match link.carry(&mut self.rng, self.now, previous) {
            Some(at) => {
                session.last.insert(from, at.max(previous));
                let (session, from) = (session.number, self.peers[from].id);
                self.schedule(at, Coming::Frame { to, session, from, bytes });
            }
            None => self.lost += 1,
        }
    }

    fn on_frame(&mut self, to: usize, session: u64, from: PeerId, bytes: Vec<u8>) {
        let open = self.number_of(from).and_then(|from| self.sessions.get(&pair(from, to)));
        if open.is_none_or(|open| open.number != session) {
            self.lost += 1;
            return;
        }
        self.frames += 1;
        self.bytes += bytes.len() as u64;
        self.note(1, to, &bytes);
        self.input(to, Input::Received(from, bytes));
    }

    fn commit(&mut self, peer: usize, batch: Batch) {
        for put in batch.puts.iter().filter(|put| put.event.is_some()) {
            self.held_at.entry((put.row.id, peer)).or_insert(self.now);
            if put.row.own {
                self.peers[peer].saved.insert(put.row.id);
            }
        }
        self.note(2, peer, &(batch.puts.len() as u64).to_le_bytes());
        self.peers[peer].disk.commit(batch);
    }

    fn dial(&mut self, a: usize, b: usize) {
        let alive = self.peers[a].node.is_some() && self.peers[b].node.is_some();
        let reachable = !self.split || (a % 2 == b % 2);
        if !alive || !reachable {
            if self.links.contains(&(a, b)) {
                self.redial(a, b);
            }
            return;
        }
        if self.sessions.contains_key(&(a, b)) {
            return;
        }
        self.sequence += 1;
        self.sessions.insert((a, b), Session { number: self.sequence, last: BTreeMap::new() });
        let (id_a, id_b) = (self.peers[a].id, self.peers[b].id);
        let tabs = [a, b].iter().all(|peer| self.peers[*peer].role == Role::Tab);
        let connected = if tabs { Input::ConnectedDirectly } else { Input::Connected };
        self.input(a, connected(id_b));
        self.input(b, connected(id_a));
    }

    fn redial(&mut self, a: usize, b: usize) {
        let at = self.later(REDIAL);
        self.schedule(at, Coming::Dial(a, b));
    }

    /// Ends a session from outside; both sides see it.
    fn sever(&mut self, a: usize, b: usize) {
        if self.sessions.remove(&pair(a, b)).is_none() {
            return;
        }
        let (id_a, id_b) = (self.peers[a].id, self.peers[b].id);
        self.input(a, Input::Disconnected(id_b));
        self.input(b, Input::Disconnected(id_a));
        let (a, b) = pair(a, b);
        if self.links.contains(&(a, b)) {
            self.redial(a, b);
        }
    }

    fn on_close(&mut self, peer: usize, to: PeerId, reason: CloseReason) {
        if matches!(reason, CloseReason::Budget | CloseReason::Version | CloseReason::NotATab) {
            self.broken.push(Broken::HonestClosed { peer });
        }
        if let Some(to) = self.number_of(to) {
            self.sever(peer, to);
        }
    }

    /// Every second after the last fault: whether all agree.
    fn check(&mut self) {
        let settled = |peer: &Peer| {
            peer.node.as_ref().is_some_and(|node| self.written.keys().all(|event| !node.is_pending(event)))
        };
        if self.peers.iter().all(settled) && self.missing().next().is_none() {
            self.converged = Some(self.now.since(Instant(self.scenario.active * 1_000)));
            return;
        }
        self.schedule(Instant(self.now.0 + 1_000), Coming::Check);
    }

    /// Whether an event's author, or anyone, has it durably: what a crash took before that was never promised.
    fn is_saved(&self, event: &EventId) -> bool {
        self.peers.iter().any(|peer| peer.disk.holds(event))
    }

    /// Peers that should hold an event and do not, as pairs.
    fn missing(&self) -> impl Iterator<Item = (usize, EventId)> {
        self.owed().filter(|(peer, event)| !self.peers[*peer].disk.holds(event))
    }

    fn owed(&self) -> impl Iterator<Item = (usize, EventId)> {
        self.written.iter().filter(|(event, _)| self.is_saved(event)).flat_map(|(event, (_, board))| {
            let keeps = |peer: &&Peer| peer.role == Role::Relay || peer.boards.contains(board);
            self.peers.iter().filter(keeps).map(|peer| (peer.number, *event))
        })
    }

    fn report(mut self, seed: u64) -> Report {
        let missing: Vec<(usize, EventId)> = self.missing().collect();
        let owed = self.owed().count();
        self.broken.extend(missing.iter().map(|&(peer, event)| Broken::Missing { peer, event }));
        for peer in &self.peers {
            let held = |id: &EventId| peer.node.as_ref().is_some_and(|node| node.index().contains(id));
            let lost = peer.saved.iter().filter(|id| !held(id));
            self.broken.extend(lost.map(|event| Broken::SavedLost { peer: peer.number, event: *event }));
        }
        let mut latencies: Vec<Duration> = self
            .held_at
            .iter()
            .filter_map(|((event, _), at)| Some(at.since(self.written.get(event)?.0)))
            .collect();
        latencies.sort_unstable();
        let median = latencies.get(latencies.len() / 2).copied().unwrap_or_default();
        Report {
            scenario: self.scenario.name,
            seed,
            trace: self.trace.finalize().into(),
            peers: self.peers.len(),
            written: self.written.len(),
            owed,
            delivered: owed - missing.len(),
            frames: self.frames,
            bytes: self.bytes,
            lost: self.lost,
            up: self.up,
            down: self.down,
            crashes: self.crashes,
            latency: (median, latencies.last().copied().unwrap_or_default()),
            converged: self.converged,
            broken: self.broken,
        }
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
