//! Direct neighbours: who could be one, whom to dial, for whom there is room, and what they spare the relays.
//!
//! A peer tells everybody it has a session with where it can be asked for. Whoever is asked ([`Frame::Seek`]) tells of
//! those that want the same boards, and tells those of whoever asks, so that the lower of two ids can dial.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BTreeSet;

use serde_bytes::ByteBuf;

use super::Node;
use super::api::{CloseReason, Output};
use super::session::Session;
use super::syncing::NEEDS;
use super::tree::may_be_pruned;
use crate::base::{BoardId, EventId, Instant, PeerId, Seconds, set_of};
use crate::crypto::Verify;
use crate::gossip::{ClaimedPeerRecord, PassiveView, PeerRecord, PeerRecordError, Readers, Source, Wanted};
use crate::trust::{Cost, Fault};
use crate::wire::{Frame, Role};

/// What it takes to tell one peer of another and that of it.
const TELL_OF: u64 = 1_000;

/// Between two of those who ask that one peer is told of, whoever asks: far below the rate at which it would charge us for
/// what others do. Who is not told hears of it when they ask.
const INTRODUCE_EVERY: Duration = Duration::from_millis(100);

/// Reach records a friend may have left out, beside what clocks differ by, before the peer they were at is no longer
/// dialled.
const SILENT: u64 = 3;

/// How long whoever came may take to say what it reads.
const IS_NEW: Duration = Duration::from_secs(15);

/// How long ids wait to be told together, by a relay: below what a person notices.
const RELAY_PACE: Duration = Duration::from_millis(100);

/// The same by a tab to a tab.
const TAB_PACE: Duration = Duration::from_millis(50);

/// The same by a tab to a relay, which nearly always has them by then: the relay's own word comes first.
const TO_RELAY_PACE: Duration = Duration::from_millis(500);

/// How long what a relay has is waited for, at least and at most: less than a long branch of the tree takes, so that whoever is
/// at the end of one asks the relay to be brought events by itself.
const SOON: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(100));

/// The same when the relay was asked for that already: longer than all branches take.
const BY_TABS: (Duration, Duration) = (Duration::from_millis(600), Duration::from_millis(1_200));

/// What a node has to do with direct neighbours.
#[derive(Default)]
pub(super) struct Neighbours {
    /// Where this peer can be asked for; `None` when there are to be no direct connections.
    pub own: Option<PeerRecord>,
    pub passive: PassiveView,
    pub readers: Readers,
    /// When friends are looked through for those who have fallen silent.
    friends_at: Instant,
    /// Whether what neighbours spare the relays may be another now.
    lazy_changed: bool,
    /// Until when it stands whom there is room for; not at all if neighbours or attempts are others now.
    wanted_until: Option<Instant>,
    /// When somebody is to be dialled or given up.
    dial_at: Option<Instant>,
}

impl<V: Verify> Node<V> {
    /// The person allows direct connections, or not.
    pub(super) fn direct(&mut self, record: Option<&[u8]>) {
        let record = record.and_then(|bytes| PeerRecord::read(bytes).ok());
        self.neighbours.own = record.filter(|record| record.peer() == self.peer);
        if self.neighbours.own.is_some() {
            self.learn_anchors();
        } else {
            self.neighbours.passive.clear(self.now.instant);
        }
        self.neighbours.wanted_until = None;
        self.seek_everywhere();
    }

    /// Tells everybody where we can be asked for, if that is news, and asks for others.
    pub(super) fn seek_everywhere(&mut self) {
        let peers: Vec<PeerId> = self.ready_peers().collect();
        peers.into_iter().for_each(|peer| self.seek(peer));
    }

    /// The same with one peer.
    pub(super) fn seek(&mut self, peer: PeerId) {
        let Some(own) = &self.neighbours.own else { return };
        let (time, record) = (own.time(), ByteBuf::from(own.bytes().to_vec()));
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if session.told_record.replace(time) != Some(time) {
            self.send(peer, &Frame::Peers { records: vec![record] });
        }
        if self.subscriptions.is_empty() {
            return;
        }
        let few = self.sharing().count() < self.limits.neighbours_wanted;
        let boards = if few { Vec::new() } else { self.missing() };
        if few || !boards.is_empty() {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.sought_missing = !few;
            }
            self.send(peer, &Frame::Seek { boards });
        }
    }

    /// Tells of those that want these boards, or if there are none the same as whoever asks, and tells those of whoever asks.
    pub(super) fn on_seek(&mut self, peer: PeerId, mut boards: BTreeSet<BoardId>) {
        let Some(session) = self.sessions.get(&peer) else { return };
        let reads = &session.neighbour.interest.boards;
        if boards.is_empty() {
            boards.clone_from(reads);
        } else {
            boards.retain(|board| reads.contains(board));
        }
        // Whoever can be asked for nowhere yet is not worth an introduction.
        let asker = session.record.as_ref().filter(|record| !record.relays().is_empty());
        let asker = asker.map(|record| ByteBuf::from(record.bytes().to_vec()));
        let others = self.neighbours.readers.sharing(peer, &boards, &mut self.rng);
        let now = self.now.instant;
        if !self.cost(peer, Cost(TELL_OF * others.len() as u64)) {
            return;
        }
        let records = others.iter().filter_map(|other| self.sessions.get(other)?.record.as_ref());
        let records: Vec<ByteBuf> = records.map(|record| ByteBuf::from(record.bytes().to_vec())).collect();
        for records in records.chunks(self.limits.frame_peers) {
            self.send(peer, &Frame::Peers { records: records.to_vec() });
        }
        for (other, record) in others.into_iter().zip(asker.into_iter().cycle()) {
            if let Some(session) = self.sessions.get_mut(&other)
                && session.introduced.is_none_or(|at| at + INTRODUCE_EVERY <= now)
            {
                session.introduced = Some(now);
                self.send(other, &Frame::Peers { records: vec![record] });
            }
        }
    }

    pub(super) fn on_peers(&mut self, peer: PeerId, records: &[ByteBuf]) {
        if !self.cost(peer, Cost::signatures(records.len())) {
            return;
        }
        for bytes in records {
            match self.take_peer_record(peer, bytes) {
                Ok(()) => {}
                Err(_) if self.charge(peer, Fault::Event) => {}
                Err(_) => return,
            }
        }
    }

    /// Takes a record for what it is good for here. Everything that can be told without its signature comes before that.
    fn take_peer_record(&mut self, peer: PeerId, bytes: &[u8]) -> Result<(), PeerRecordError> {
        let claimed = ClaimedPeerRecord::read(bytes)?;
        let record = claimed.unverified();
        if record.peer() == peer {
            let Some(session) = self.sessions.get(&peer) else { return Ok(()) };
            if session.record.as_ref().is_none_or(|held| held.time() < record.time()) {
                self.on_own_word(peer, claimed.verify()?);
            }
        } else if self.neighbours.own.is_some() {
            let other = record.peer();
            if self.neighbours.passive.is_news(self.peer, record, self.now.unix) {
                self.neighbours.passive.learn(self.peer, claimed.verify()?, Source::Peer(peer), self.now);
            }
            if self.sessions.get(&peer).is_some_and(|session| session.sought_missing) {
                self.neighbours.passive.reads_missing(&other);
            }
        }
        Ok(())
    }

    /// Takes note of where a peer says it can be asked for.
    fn on_own_word(&mut self, peer: PeerId, record: PeerRecord) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let can_be_asked_for = !record.relays().is_empty();
        session.record = Some(record);
        self.neighbours.readers.set(peer, &session.neighbour.interest.boards, can_be_asked_for);
    }

    /// The boards that a peer reads change from these to those it has said.
    pub(super) fn reads(&mut self, peer: PeerId, before: &BTreeSet<BoardId>) {
        self.neighbours.readers.set(peer, before, false);
        let Some(session) = self.sessions.get(&peer) else { return };
        if session.record.as_ref().is_some_and(|record| !record.relays().is_empty()) {
            self.neighbours.readers.set(peer, &session.neighbour.interest.boards, true);
        }
        self.neighbours_changed();
    }

    /// The neighbours, or what they read, or what we do, are others now.
    fn neighbours_changed(&mut self) {
        self.neighbours.lazy_changed = true;
        self.neighbours.wanted_until = None;
    }

    /// We want other boards now.
    pub(super) fn subscriptions_changed(&mut self) {
        self.neighbours_changed();
        self.seek_everywhere();
    }

    /// A peer has said hello. Whether there is room for it; if there is none, a stranger leaves that reads no board we do,
    /// or any, if it is a friend.
    pub(super) fn takes_in(&mut self, peer: PeerId) -> bool {
        self.neighbours_changed();
        let is_tab = |session: &Session| session.role == Some(Role::Tab);
        if self.role == Role::Relay || !self.sessions.get(&peer).is_some_and(is_tab) {
            return true;
        }
        self.neighbours.passive.connected(&peer, self.now.instant);
        if self.tabs().count() <= self.limits.neighbours {
            return true;
        }
        let is_friend = |peer: &PeerId| self.neighbours.passive.is_friend(peer);
        let strangers = || self.tabs().filter(|other| *other != peer && !is_friend(other));
        // The one with the lowest score, of these the one that came last.
        let score = |other: &PeerId| {
            let session = self.sessions.get(other);
            session.map(|session| (session.standing.score(), Reverse(session.since), Reverse(*other)))
        };
        let of_no_use = strangers().filter(|other| !self.shares(other)).min_by_key(score);
        match of_no_use.or_else(|| strangers().min_by_key(score).filter(|_| is_friend(&peer))) {
            Some(stranger) => {
                self.close(stranger, CloseReason::Full);
                true
            }
            None => {
                self.close(peer, CloseReason::Full);
                false
            }
        }
    }

    /// A session is over.
    pub(super) fn lost(&mut self, peer: PeerId, session: &Session) {
        self.neighbours.readers.set(peer, &session.neighbour.interest.boards, false);
        self.neighbours.passive.gone(peer, &mut self.rng, self.now.instant);
        self.neighbours_changed();
    }

    /// A peer that was dialled cannot be reached.
    pub(super) fn unreachable(&mut self, peer: PeerId) {
        self.neighbours.passive.failed(peer, &mut self.rng, self.now.instant);
        self.neighbours.wanted_until = None;
    }

    /// Tells of friends that moved, or of whom nothing was heard for long.
    pub(super) fn friends_moved(&mut self) {
        self.neighbours.friends_at = self.now.instant + self.limits.reconcile_every;
        let silence = self.limits.reach_every.as_secs() * SILENT + self.limits.future_seconds;
        let since = Seconds(self.now.unix.0.saturating_sub(silence));
        let places = self.friends.places(since, |peer| self.sessions.contains_key(peer));
        self.neighbours.passive.friends_are(self.peer, places, self.now.instant);
        self.neighbours.wanted_until = None;
    }

    /// Dials whom there is room for, and tells relays what neighbours spare them.
    pub(super) fn serve_neighbours(&mut self) {
        if self.role == Role::Relay {
            return;
        }
        if self.neighbours.friends_at <= self.now.instant {
            self.friends_moved();
        }
        if self.neighbours.own.is_some() {
            self.dial_neighbours();
            self.shuffle();
        }
        if core::mem::take(&mut self.neighbours.lazy_changed) {
            self.tell_lazy();
        }
    }

    fn dial_neighbours(&mut self) {
        let now = self.now.instant;
        let is_stale = self.neighbours.wanted_until.is_none_or(|until| until <= now);
        // This is asked with every input, and nearly always there is nothing to do.
        let is_due = self.neighbours.dial_at.is_some_and(|at| at <= now);
        if !self.neighbours.passive.take_changed() && !is_stale && !is_due {
            return;
        }
        self.neighbours.wanted_until = Some(now + IS_NEW);
        self.neighbours.passive.expire(&mut self.rng, now);
        loop {
            let wanted = self.wanted();
            let Some((peer, relays)) = self.neighbours.passive.next(wanted, &mut self.rng, now) else {
                self.neighbours.passive.take_changed();
                self.neighbours.dial_at = self.neighbours.passive.wake_at(wanted);
                return;
            };
            if self.sessions.contains_key(&peer) {
                self.neighbours.passive.connected(&peer, now);
            } else {
                self.outputs.push_back(Output::Dial(peer, relays));
            }
        }
    }

    /// When neighbours want attention next.
    pub(super) fn neighbours_wake_at(&self) -> Option<Instant> {
        self.neighbours.own.as_ref()?;
        let at = self.neighbours.dial_at.into_iter().chain([self.shuffles.at()]).min()?;
        Some(at.max(Instant(self.now.instant.0 + 1)))
    }

    /// Who may be dialled. A friend needs no free place: a stranger leaves. One place is kept for those who come.
    fn wanted(&self) -> Wanted {
        let passive = &self.neighbours.passive;
        let (limits, dialling) = (&self.limits, passive.dialling());
        if self.tabs().filter(|peer| passive.is_friend(peer)).count() + dialling >= limits.neighbours {
            Wanted::Nobody
        } else if self.sharing().count() + dialling < limits.neighbours_wanted {
            Wanted::Anybody
        } else if self.tabs().count() + dialling + 1 < limits.neighbours && !self.missing().is_empty() {
            Wanted::Missing
        } else {
            Wanted::Friends
        }
    }

    /// Boards we read and no neighbour does, as many as are asked for at a time.
    fn missing(&self) -> Vec<BoardId> {
        let is_missing = |board: &&BoardId| {
            let mut tabs = self.sessions.values().filter(|session| session.role == Some(Role::Tab));
            !tabs.any(|session| session.neighbour.interest.covers(board))
        };
        self.subscriptions.keys().filter(is_missing).take(self.limits.frame_boards).copied().collect()
    }

    /// Those of the tabs that read a board we do. Others bring us nothing and take no place from those who do.
    fn sharing(&self) -> impl Iterator<Item = PeerId> {
        self.tabs().filter(|peer| self.shares(peer))
    }

    /// Whether a tab reads a board we do, if there is one. Who came just now has yet to say what it reads.
    fn shares(&self, peer: &PeerId) -> bool {
        let Some(session) = self.sessions.get(peer) else { return false };
        let interest = &session.neighbour.interest;
        let is_new = interest.boards.is_empty() && self.now.instant < session.since + IS_NEW;
        is_new
            || self.subscriptions.is_empty()
            || self.subscriptions.keys().any(|board| interest.covers(board))
    }

    /// Other tabs there is a session with.
    pub(super) fn tabs(&self) -> impl Iterator<Item = PeerId> {
        self.sessions.iter().filter(|(_, session)| session.role == Some(Role::Tab)).map(|(peer, _)| *peer)
    }

    /// Asks relays for ids alone of boards that a direct neighbour brings.
    fn tell_lazy(&mut self) {
        let is_brought = |board: &BoardId| {
            let mut tabs = self.sessions.values().filter(|session| session.role == Some(Role::Tab));
            tabs.any(|session| session.neighbour.interest.covers(board))
        };
        let boards = self.subscriptions.keys().take(self.limits.frame_boards).copied();
        let lazy: BTreeSet<BoardId> = set_of(boards.filter(is_brought));
        let differs = |session: &Session| session.role == Some(Role::Relay) && session.told_lazy != lazy;
        let relays = self.sessions.iter().filter(|(_, session)| differs(session)).map(|(peer, _)| *peer);
        let relays: Vec<PeerId> = relays.collect();
        for peer in relays {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.told_lazy.clone_from(&lazy);
            }
            self.send(peer, &Frame::Lazy { boards: lazy.iter().copied().collect() });
        }
    }

    /// Tells a relay again of which boards ids are enough: a state, like what we want to hear.
    pub(super) fn repeat_lazy(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get(&peer) else { return };
        if self.role == Role::Tab && session.role == Some(Role::Relay) {
            self.send(peer, &Frame::Lazy { boards: session.told_lazy.iter().copied().collect() });
        }
    }

    /// How long ids wait to be told together to a peer of this role.
    pub(super) fn have_pace(&self, to: Option<Role>) -> Duration {
        match (self.role, to) {
            (Role::Relay, _) => RELAY_PACE,
            (Role::Tab, Some(Role::Relay)) => TO_RELAY_PACE,
            (Role::Tab, _) => TAB_PACE,
        }
    }

    /// A peer has events. Those we lack may be on their way from somebody else, and are asked for only when they do not
    /// come. Of many who hear of one at a time the first that asks brings it to the others, so each waits a while of its
    /// own. A relay that was asked to bring them by itself, and still tells of them, has others to bring them to.
    pub(super) fn on_have(&mut self, peer: PeerId, ids: &[EventId]) {
        let now = self.now.instant;
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let (from, to) = match session.role {
            Some(Role::Relay) if self.role == Role::Tab && session.grafted_until > now => BY_TABS,
            Some(Role::Relay) if self.role == Role::Tab => SOON,
            _ => self.limits.have_patience,
        };
        let span = (to - from).as_millis() as u64;
        let due = now + from + Duration::from_millis(self.rng.below(span + 1));
        for id in ids {
            session.neighbour.has.insert(*id);
            if !self.index.contains(id) && !self.deferred.knows(id) {
                session.heard.insert(*id, due);
            }
        }
    }

    /// Has those events asked of a peer that it has and nobody brought. What was asked of another, and what a relay has
    /// and a direct neighbour, too, is waited for longer, once: who says first that it has something keeps it from nobody.
    pub(super) fn serve_heard(&mut self, peer: PeerId) {
        let now = self.now.instant;
        while let Some(session) = self.sessions.get_mut(&peer)
            && let Some((id, was_postponed)) = session.heard.pop_due(now)
        {
            let is_relay = session.role == Some(Role::Relay);
            if self.index.contains(&id) || self.deferred.knows(&id) {
                continue;
            }
            let is_asked = self.is_asked_of_another(peer, &id);
            // Among relays nobody is spared anything.
            let is_brought = self.role == Role::Tab && is_relay && self.is_announced_by_tab(&id);
            let until = if was_postponed {
                self.brought_until(&id).filter(|until| is_asked && *until > now)
            } else {
                (is_asked || is_brought).then_some(now + self.limits.neighbour_patience)
            };
            if is_asked && until.is_none() {
                // Of the one that was asked, from which it does not come.
                self.ask_another(&id);
            }
            let Some(session) = self.sessions.get_mut(&peer) else { return };
            if let Some(until) = until {
                session.heard.postpone(id, until);
            } else if session.needs.len() < NEEDS {
                session.needs.push_back(id);
                if may_be_pruned(self.role, session) {
                    session.late.insert(id);
                }
            }
        }
    }

    fn is_announced_by_tab(&self, id: &EventId) -> bool {
        let mut tabs = self.sessions.values().filter(|session| session.role == Some(Role::Tab));
        tabs.any(|session| session.neighbour.has.contains(id))
    }
}
