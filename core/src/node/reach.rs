//! Reach records: a relay keeps everybody's for a day, a tab makes its own and looks for its friends'.
//!
//! A relay tells other relays of each record it had not, once; so a record can be found at any of them. What a relay
//! keeps is in memory only: whoever can be reached says so again every few minutes.

use std::collections::{BTreeMap, BTreeSet};

use serde_bytes::ByteBuf;

use super::Node;
use super::session::Search;
use crate::base::{AuthorId, BoxMap, PeerId, Seconds, Slot};
use crate::crypto::Verify;
use crate::invite::{Address, ClaimedRecord, PLACE_RELAYS, Place, ReachError, ReachRecord, day, days};
use crate::trust::{Cost, Fault};
use crate::wire::{Frame, Role};

/// Records told to another relay at the beginning of a session, the latest made: what is older is found again when its
/// owner next says it.
const TOLD_TO_RELAY: usize = 1_024;

/// Seconds by which an own record may be ahead of the clock, so that of several in one second the last is the latest.
const AHEAD: u64 = 60;

/// A peer that calls itself a relay may fill this part of the table: it is its own word, and what it cannot fill is left
/// to others.
const GIVER_PART: usize = 4;

/// What a node has to do with reach records.
#[derive(Default)]
pub(super) struct Reach {
    table: Table,
    /// Where this node's person can be found.
    relays: Vec<Address>,
    own: Option<ReachRecord>,
    /// When the last own record says it was made.
    last: Seconds,
}

/// The records kept for others, one in each slot.
#[derive(Default)]
struct Table {
    records: BoxMap<Slot, Kept>,
    by_age: BTreeSet<(Seconds, Slot)>,
    by_end: BTreeSet<(Seconds, Slot)>,
    /// What each peer has brought.
    by_giver: BTreeMap<PeerId, BTreeSet<(Seconds, Slot)>>,
}

/// A record in the table.
struct Kept {
    record: ReachRecord,
    /// When it was made, and never later than it came: who claims the future gets no place for it.
    age: Seconds,
    giver: PeerId,
}

impl Table {
    fn get(&self, slot: &Slot) -> Option<&ReachRecord> {
        self.records.get(slot).map(|kept| &kept.record)
    }

    /// Whether a record would be news here.
    fn lacks(&self, record: &ReachRecord) -> bool {
        self.get(&record.slot()).is_none_or(|held| held.time() < record.time())
    }

    /// Keeps a record in place of the one in its slot. Room is made by what is over, then by the oldest of the same giver
    /// if it has brought `share`, then by the oldest of all if there are `limit`.
    fn keep(&mut self, record: ReachRecord, giver: PeerId, now: Seconds, share: usize, limit: usize) {
        let slot = record.slot();
        self.remove(&slot);
        while let Some((_, over)) = self.by_end.first().copied().filter(|(end, _)| *end <= now) {
            self.remove(&over);
        }
        let brought = self.by_giver.get(&giver).filter(|brought| brought.len() >= share.max(1));
        if let Some((_, oldest)) = brought.and_then(BTreeSet::first).copied() {
            self.remove(&oldest);
        }
        if self.records.len() >= limit
            && let Some((_, oldest)) = self.by_age.first().copied()
        {
            self.remove(&oldest);
        }
        let age = record.time().min(now);
        self.by_age.insert((age, slot));
        self.by_end.insert((record.until(), slot));
        self.by_giver.entry(giver).or_default().insert((age, slot));
        self.records.insert(slot, Kept { record, age, giver });
    }

    fn remove(&mut self, slot: &Slot) {
        let Some(Kept { record, age, giver }) = self.records.remove(slot) else { return };
        self.by_age.remove(&(age, *slot));
        self.by_end.remove(&(record.until(), *slot));
        if let Some(brought) = self.by_giver.get_mut(&giver) {
            brought.remove(&(age, *slot));
            if brought.is_empty() {
                self.by_giver.remove(&giver);
            }
        }
    }

    fn latest(&self, count: usize) -> impl Iterator<Item = &ReachRecord> {
        self.by_age.iter().rev().take(count).filter_map(|(_, slot)| self.get(slot))
    }
}

impl Reach {
    /// Where this node's person can be found.
    pub(super) fn relays(&self) -> &[Address] {
        &self.relays
    }
}

impl<V: Verify> Node<V> {
    /// Says where we are and asks where friends are, if the peer keeps such records.
    pub(super) fn meet(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get(&peer) else { return };
        if session.role != Some(Role::Relay) {
            return;
        }
        if self.role == Role::Relay {
            self.tell_relay(peer);
        } else {
            self.look_for_friends(peer);
            self.say_where_to(peer);
        }
    }

    /// Gives our record to a relay, unless it was told the same before.
    fn say_where_to(&mut self, peer: PeerId) {
        let Some(record) = self.own_record() else { return };
        let (which, bytes) = ((record.slot(), record.time()), ByteBuf::from(record.bytes().to_vec()));
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if session.told_reach.replace(which) != Some(which) {
            self.send(peer, &Frame::Reach { records: vec![bytes], missing: Vec::new() });
        }
    }

    /// Asks a relay where friends are, one day after the other.
    fn look_for_friends(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let days = days(self.now.unix, self.limits.future_seconds);
        session.search = Search { days: days.into(), missing: self.friends.all(), ..Search::default() };
        self.look_on(peer);
    }

    /// Asks for the slots of the next day, when everything asked before is answered, of those friends of whom nothing was
    /// found. Never for two days of a friend at once, and in the order of the slots, which is that of chance: so what is
    /// asked does not say by itself which slots belong together.
    fn look_on(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let search = &mut session.search;
        if !search.open.is_empty() || search.missing.is_empty() {
            return;
        }
        let Some(day) = search.days.pop_front() else { return };
        for author in core::mem::take(&mut search.missing) {
            if let Some(slot) = self.friends.slot(&author, day) {
                search.asked.insert(slot, author);
                search.open.insert(slot);
            }
        }
        let slots: Vec<Slot> = search.open.iter().copied().collect();
        for slots in slots.chunks(self.limits.frame_slots) {
            self.send(peer, &Frame::Find { slots: slots.to_vec() });
        }
    }

    /// The friend whose slot a peer was asked for: what it says of others is not looked at.
    fn slot_answered(&mut self, peer: PeerId, slot: &Slot) -> Option<AuthorId> {
        let search = &mut self.sessions.get_mut(&peer)?.search;
        search.open.remove(slot);
        search.asked.get(slot).copied()
    }

    /// Takes note of slots in which a relay has nothing.
    fn on_missing(&mut self, peer: PeerId, slots: &[Slot]) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let search = &mut session.search;
        for slot in slots {
            if search.open.remove(slot) {
                search.missing.extend(search.asked.get(slot));
            }
        }
        self.look_on(peer);
    }

    /// Tells another relay of what lies here, once in a session.
    fn tell_relay(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if core::mem::replace(&mut session.told_records, true) {
            return;
        }
        let records =
            self.reach.table.latest(TOLD_TO_RELAY).map(|record| ByteBuf::from(record.bytes().to_vec()));
        let records: Vec<ByteBuf> = records.collect();
        for records in records.chunks(self.limits.frame_slots) {
            self.send(peer, &Frame::Reach { records: records.to_vec(), missing: Vec::new() });
        }
    }

    /// The relays at which friends find this person, from now on.
    pub(super) fn reachable(&mut self, mut relays: Vec<Address>) {
        relays.truncate(PLACE_RELAYS);
        if relays != self.reach.relays {
            self.reach.relays = relays;
            self.say_where_we_are();
        }
    }

    /// Makes a record anew and gives it to every relay.
    pub(super) fn say_where_we_are(&mut self) {
        self.reach.own = None;
        let peers: Vec<PeerId> = self.ready_peers().collect();
        peers.into_iter().for_each(|peer| self.meet(peer));
    }

    /// Our record, made anew when it is old, the day is another, or the clock was set back from where it was made. Of two
    /// the later counts, so each is said to be made after the last, if the clock is not too far behind that.
    fn own_record(&mut self) -> Option<&ReachRecord> {
        let now = self.now.unix;
        let identity = self.identity.as_ref().filter(|_| !self.reach.relays.is_empty())?;
        let (key, secret) = (identity.identity(), identity.reach(self.friends.generation()));
        let fresh = self.limits.reach_every.as_secs();
        let is_fresh = |record: &ReachRecord| {
            let time = record.time();
            let ahead = now < time && time < now.plus(AHEAD);
            ahead || (day(time) == day(now) && time <= now && now < time.plus(fresh))
        };
        if !self.reach.own.as_ref().is_some_and(is_fresh) {
            let mut nonce = [0; 12];
            self.rng.fill(&mut nonce);
            let place = Place { peer: self.peer, relays: self.reach.relays.clone() };
            let next = self.reach.last.plus(1);
            let time = if next < now.plus(AHEAD) { now.max(next) } else { now };
            self.reach.last = time;
            self.reach.own = Some(ReachRecord::make(key, &secret, place, time, nonce));
        }
        self.reach.own.as_ref()
    }

    pub(super) fn on_find(&mut self, peer: PeerId, slots: Vec<Slot>) {
        let (mut records, mut missing) = (Vec::new(), Vec::new());
        for slot in slots {
            match self
                .reach
                .table
                .get(&slot)
                .filter(|record| record.is_good(self.now.unix, self.limits.future_seconds))
            {
                Some(record) => records.push(ByteBuf::from(record.bytes().to_vec())),
                None => missing.push(slot),
            }
        }
        self.send(peer, &Frame::Reach { records, missing });
    }

    pub(super) fn on_reach(&mut self, peer: PeerId, records: &[ByteBuf], missing: &[Slot]) {
        if !self.cost(peer, Cost::signatures(records.len())) {
            return;
        }
        let mut news = Vec::new();
        for bytes in records {
            match self.take_record(peer, bytes) {
                Ok(true) => news.push(bytes.clone()),
                Ok(false) => {}
                Err(_) if self.charge(peer, Fault::Event) => {}
                Err(_) => return,
            }
        }
        self.on_missing(peer, missing);
        if news.is_empty() {
            return;
        }
        let relays = self.sessions.iter().filter(|(_, session)| session.role == Some(Role::Relay));
        let others: Vec<PeerId> = relays.map(|(other, _)| *other).filter(|other| *other != peer).collect();
        for other in others {
            self.send(other, &Frame::Reach { records: news.clone(), missing: Vec::new() });
        }
    }

    /// Takes a record for what it is good for here; whether other relays should hear of it. Everything that can be told
    /// without its signature comes before that.
    fn take_record(&mut self, peer: PeerId, bytes: &[u8]) -> Result<bool, ReachError> {
        let claimed = ClaimedRecord::read(bytes)?;
        let record = claimed.unverified();
        let is_good = record.is_good(self.now.unix, self.limits.future_seconds);
        if self.role == Role::Tab {
            // An answer, whatever it is worth: the search goes on.
            let answered = self.slot_answered(peer, &record.slot());
            let wanted = |author: &AuthorId| is_good && self.is_news_of(author, record);
            let Some(author) = answered.filter(wanted) else { return Ok(false) };
            self.on_friend_record(&author, &claimed.verify()?);
            return Ok(false);
        }
        if !is_good || !self.reach.table.lacks(record) || !self.may_put(peer, record.slot()) {
            return Ok(false);
        }
        let record = claimed.verify()?;
        let limit = self.limits.reach_records;
        let is_relay = self.sessions.get(&peer).is_some_and(|session| session.role == Some(Role::Relay));
        let share = if is_relay { limit / GIVER_PART } else { limit };
        self.reach.table.keep(record, peer, self.now.unix, share, limit);
        Ok(true)
    }

    /// A tab fills a few slots and not the whole table; a relay speaks for many.
    fn may_put(&mut self, peer: PeerId, slot: Slot) -> bool {
        let limit = self.limits.reach_slots;
        let Some(session) = self.sessions.get_mut(&peer) else { return false };
        session.role == Some(Role::Relay)
            || session.slots.contains(&slot)
            || (session.slots.len() < limit && session.slots.insert(slot))
    }
}
