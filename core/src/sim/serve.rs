//! The shell around one living peer: gives its node what comes, performs what the node asks for.
//!
//! All in virtual time. What concerns others leaves as mail or as news; nothing here looks at another peer.

use super::chain::Happened;
use super::liars::Mouth;
use super::mail::{Mail, Seen, What};
use super::news::{Happening, News};
use super::peek::{Peek, mark};
use super::peer::{Brain, Peer};
use super::people;
use super::report::Broken;
use super::shard::{Share, Shared};
use super::tally::Tally;
use crate::base::{EventId, Instant, PeerId};
use crate::node::{Batch, CloseReason, Input, Output, StorageError, Update};
use crate::wire::Role;

/// How long a transaction takes, at least and at most, milliseconds.
const COMMIT: (u64, u64) = (1, 20);

/// How long a read takes.
const READ: (u64, u64) = (0, 5);

/// Between two moments at which a liar acts by itself.
const TICK_MS: u64 = 100;

/// One peer and what its worker has.
pub(super) struct Hand<'a> {
    pub now: Instant,
    pub peer: &'a mut Peer,
    pub shared: &'a Shared,
    tally: &'a mut Tally,
    news: &'a mut Vec<News>,
    outgoing: &'a mut [Vec<(usize, Mail)>],
}

impl Share {
    /// Lets a peer live until then.
    pub(super) fn serve(&mut self, place: usize, shared: &Shared, until: Instant) {
        self.with(place, shared, |hand| {
            while hand.peer.next() < until {
                hand.step();
            }
        });
    }

    /// Performs what a node wanted when it started, and gives it a first input, if there is one.
    pub(super) fn first(&mut self, place: usize, shared: &Shared, now: Instant, input: Option<Input>) {
        self.with(place, shared, |hand| {
            hand.now = now;
            hand.drain();
            input.into_iter().for_each(|input| hand.input(input));
        });
    }

    fn with(&mut self, place: usize, shared: &Shared, act: impl FnOnce(&mut Hand<'_>)) {
        let peer = &mut self.peers[place];
        if let Brain::Node(node) = &mut peer.brain {
            node.verifier().0 = self.verdicts.take();
        }
        let (tally, news, outgoing) = (&mut self.tally, &mut self.news, &mut self.outgoing[..]);
        let mut hand = Hand { now: Instant(0), peer, shared, tally, news, outgoing };
        act(&mut hand);
        if let Brain::Node(node) = &mut self.peers[place].brain {
            self.verdicts = node.verifier().0.take();
        }
        self.next[place] = self.peers[place].next();
    }
}

impl Hand<'_> {
    /// The next thing that happens to the peer.
    fn step(&mut self) {
        self.now = self.peer.next();
        match self.peer.inbox.peek() {
            Some(mail) if mail.at <= self.now => {
                let mail = self.peer.inbox.pop().expect("looked at above");
                match self.paused_until(&mail) {
                    Some(at) => self.peer.inbox.push(Mail { at, ..mail }),
                    None => self.on_mail(mail.from, mail.what),
                }
            }
            _ => {
                self.peer.wake = None;
                self.tally.wakes += 1;
                self.input(Input::Wake);
            }
        }
    }

    /// Until when a frame waits unread.
    fn paused_until(&self, mail: &Mail) -> Option<Instant> {
        let What::Frame { session, .. } = &mail.what else { return None };
        let half = self.peer.halves.get(&mail.from).filter(|half| half.session == *session)?;
        Some(half.paused_until).filter(|until| *until > self.now)
    }

    fn on_mail(&mut self, from: usize, what: What) {
        match what {
            What::Frame { session, bytes, seen } => self.on_frame(from, session, bytes, &seen),
            What::Ended { session } => {
                if self.peer.halves.get(&from).is_some_and(|half| half.session == session)
                    && let Some(id) = self.forget(from)
                {
                    self.input(Input::Disconnected(id));
                }
            }
            What::Connected(id, is_direct) => {
                self.peer.chain.add(Happened::Opened, self.now, &id.0);
                self.input(if is_direct { Input::ConnectedDirectly(id) } else { Input::Connected(id) });
            }
            What::Disconnected(id) => {
                self.peer.chain.add(Happened::Ended, self.now, &id.0);
                self.input(Input::Disconnected(id));
            }
            What::Unreachable(id) => self.input(Input::Unreachable(id)),
            What::Commit { batch, fails } => {
                let ticket = batch.ticket;
                let result = if fails { Err(StorageError::Full) } else { Ok(()) };
                if !fails {
                    self.commit(batch);
                }
                self.input(Input::Persisted(ticket, result));
            }
            What::Read(ticket, ids) => {
                let found = self.peer.disk.read(&ids, &self.shared.book);
                self.input(Input::ReadDone(ticket, found));
            }
            What::Write => {
                if let Some(command) = people::what_to_write(self) {
                    self.input(Input::Command(command));
                }
            }
        }
    }

    fn on_frame(&mut self, from: usize, session: u64, bytes: Vec<u8>, seen: &Seen) {
        let half = self.peer.halves.get(&from).filter(|half| half.session == session);
        let Some(id) = half.map(|half| half.id) else {
            self.tally.lost += 1;
            return;
        };
        if !self.peer.is_liar {
            self.count(from, bytes.len(), seen);
        }
        self.peer.chain.add(Happened::Received, self.now, &bytes);
        self.input(Input::Received(id, bytes));
    }

    /// Counts a frame and the events it brings.
    fn count(&mut self, from: usize, bytes: usize, Seen { name, events }: &Seen) {
        let (shared, is_warm) = (self.shared, self.shared.is_warm);
        self.tally.frame(*name, bytes);
        if is_warm {
            self.tally.bytes_warm += bytes as u64;
        }
        let from_relay = from < shared.scenario.relays;
        match (from_relay, self.peer.role) {
            (false, Role::Relay) => self.tally.up += events.len() as u64,
            (true, Role::Tab) => self.tally.down += events.len() as u64,
            (true, Role::Relay) => self.tally.between_relays += events.len() as u64,
            (false, Role::Tab) => self.tally.between_tabs += events.len() as u64,
        }
        for (mark, hops) in events {
            let Some(number) = shared.book.marked(*mark) else { continue };
            let is_first = self.peer.has_got(number, *hops);
            if is_first {
                self.tally.first += 1;
                self.tally.first_warm += u64::from(is_warm);
                self.tally.hop(number, *hops);
            } else {
                self.tally.again += 1;
                self.tally.again_warm += u64::from(is_warm);
            }
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.peer.now(self.now);
        match &mut self.peer.brain {
            Brain::Nobody => {}
            Brain::Node(node) => {
                self.tally.inputs += 1;
                node.handle(now, input);
                self.drain();
            }
            Brain::Liar(_) => self.lie(input),
        }
    }

    /// Performs the node's outputs and notes when it wants to be woken.
    fn drain(&mut self) {
        while let Brain::Node(node) = &mut self.peer.brain
            && let Some(output) = node.poll_output()
        {
            match output {
                Output::Send(to, bytes) => self.send(to, bytes),
                Output::Close(to, reason) => self.close(to, reason),
                Output::Persist(batch) => self.persist(batch),
                Output::Read(ticket, ids) => {
                    let wait = self.peer.dice.within(READ);
                    self.later(wait, What::Read(ticket, ids));
                }
                Output::Dial(to, relays) => self.tell(Happening::Dials(to, relays)),
                Output::Update(Update::Published { event, bytes, .. }) => {
                    self.tell(Happening::Wrote(event, bytes));
                }
                Output::Pause(from, wait) => {
                    let half = self.peer.halves.values_mut().find(|half| half.id == from);
                    if let Some(half) = half {
                        half.paused_until = self.now + wait;
                    }
                }
                Output::Update(_) | Output::Relays(_) => {}
            }
        }
        let Brain::Node(node) = &self.peer.brain else { return };
        let active = self.shared.scenario.active * 1_000;
        let at = node.poll_timeout().map(|at| self.peer.woken_at(at, active));
        self.peer.wake = at.map(|at| at.max(Instant(self.now.0 + 1)));
    }

    fn lie(&mut self, input: Input) {
        let mut said = Vec::new();
        let now = self.peer.now(self.now);
        let boards: Vec<_> = self.peer.board_ids(self.shared).collect();
        let Brain::Liar(liar) = &mut self.peer.brain else { return };
        let mut mouth = Mouth {
            now,
            boards: &boards,
            limits: &self.shared.plain,
            dice: &mut self.peer.dice,
            present: Vec::new(),
            said: &mut said,
        };
        liar.hear(input, &mut mouth);
        for (to, bytes) in said {
            self.send(to, bytes);
        }
        if self.peer.wake.is_none() {
            self.peer.wake = Some(Instant(self.now.0 + TICK_MS));
        }
    }

    fn send(&mut self, to: PeerId, bytes: Vec<u8>) {
        let Some(to) = self.peer.known.get(&to).copied() else { return };
        let shared = self.shared;
        let mut events = Vec::new();
        let peek = Peek::at(&bytes, &shared.limits);
        peek.events(|event| {
            let Some(mark) = mark(event) else { return };
            let number = shared.book.marked(mark);
            let hops = number.and_then(|number| self.peer.hops(number)).unwrap_or(0);
            events.push((mark, hops.saturating_add(1)));
            let is_unread = |number: u32| !self.peer.reads(shared.book.fact(number).board);
            self.tally.unread += u64::from(number.is_some_and(is_unread) && !self.peer.is_liar);
        });
        let name = peek.name().filter(|_| !self.peer.is_liar);
        if !self.peer.is_liar {
            peek.acks(|id| {
                if !self.peer.disk.holds(&EventId(id), &shared.book) {
                    let (peer, event) = (self.peer.number, EventId(id));
                    self.tally.broken(Broken::AckNotDurable { peer, event });
                }
            });
        }
        let scenario = &shared.scenario;
        let is_tab = self.peer.role == Role::Tab;
        let is_slow = self.peer.place.is_slow && shared.is_active;
        let kbps = if is_slow { scenario.slow_kbps } else { scenario.uplink_kbps };
        let departure = self.peer.uplink.depart(self.now, bytes.len(), if is_tab { kbps } else { 0 });
        let more_ms = if is_slow { scenario.slow_ms } else { 0 };
        let half = self.peer.halves.get_mut(&to).expect("who is known has a session");
        let session = half.session;
        match half.way.carry(&shared.link, departure, more_ms) {
            Some(at) => self.mail(to, at, What::Frame { session, bytes, seen: Seen { name, events } }),
            None => self.tally.lost += 1,
        }
    }

    fn close(&mut self, to: PeerId, reason: CloseReason) {
        let Some(other) = self.peer.known.get(&to).copied() else { return };
        let (peer, is_honest) = (self.peer.number, !self.shared.liars.contains(&other));
        if is_honest && matches!(reason, CloseReason::Budget | CloseReason::Version | CloseReason::NotATab) {
            self.tally.broken(Broken::HonestClosed { peer, other });
        }
        *self.tally.closed.entry((format!("{reason:?}"), is_honest)).or_default() += 1;
        // The frames before still arrive, and then the end.
        let half = self.peer.halves.get_mut(&other).expect("who is known has a session");
        let session = half.session;
        let calmed = self.shared.link.calmed();
        let at = half.way.carry(&calmed, self.now, 0).expect("a calm link loses nothing");
        self.forget(other);
        self.mail(other, at, What::Ended { session });
        self.tell(Happening::Closed(other));
    }

    fn persist(&mut self, batch: Batch) {
        let (peer, scenario) = (&mut *self.peer, &self.shared.scenario);
        let is_full = peer.place.disk_full && self.shared.is_active;
        let fails = is_full || (self.shared.is_active && peer.dice.chance(scenario.storage_fails));
        let takes =
            if peer.place.disk_slow { (COMMIT.0, scenario.storage_slow_ms.max(COMMIT.1)) } else { COMMIT };
        let wait = peer.dice.within(takes);
        self.later(wait, What::Commit { batch, fails });
    }

    fn commit(&mut self, batch: Batch) {
        let (now, shared, tally) = (self.now, self.shared, &mut *self.tally);
        let peer = &mut *self.peer;
        let own = batch.puts.iter().filter(|put| put.row.own && put.event.is_some());
        peer.saved.extend(own.map(|put| put.row.id));
        peer.chain.add(Happened::Stored, now, &(batch.puts.len() as u64).to_le_bytes());
        let number = peer.number;
        let stored = |event: u32| {
            let fact = shared.book.fact(event);
            tally.holder(event, 1);
            if fact.author != number {
                tally.latency.add(now.0 - fact.at.0);
            }
        };
        if shared.scenario.forgetful > 0 && !batch.strict && peer.role == Role::Tab {
            peer.disk.commit_unwritten(batch, &shared.book, now, stored);
        } else {
            peer.disk.commit(batch, &shared.book, stored);
        }
    }

    /// The session with this peer is over on this side; the key it had there.
    fn forget(&mut self, other: usize) -> Option<PeerId> {
        let half = self.peer.halves.remove(&other)?;
        self.peer.known.remove(&half.id);
        self.peer.chain.add(Happened::Ended, self.now, &half.id.0);
        Some(half.id)
    }

    fn later(&mut self, wait: u64, what: What) {
        let (at, from) = (Instant(self.now.0 + wait), self.peer.number);
        self.peer.sequence += 1;
        self.peer.inbox.push(Mail { at, from, sequence: self.peer.sequence, what });
    }

    fn mail(&mut self, to: usize, at: Instant, what: What) {
        self.peer.sequence += 1;
        let mail = Mail { at, from: self.peer.number, sequence: self.peer.sequence, what };
        let shards = self.outgoing.len();
        self.outgoing[to % shards].push((to / shards, mail));
    }

    fn tell(&mut self, what: Happening) {
        self.peer.sequence += 1;
        let (at, peer, sequence) = (self.now, self.peer.number, self.peer.sequence);
        self.news.push(News { at, peer, sequence, what });
    }
}
