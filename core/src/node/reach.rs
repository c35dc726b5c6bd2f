//! Reach records: a relay keeps everybody's for a day, a tab makes its own and looks for its friends'.
//!
//! A relay tells other relays of each record it had not, once; so a record can be found at any of them. What a relay
//! keeps is in memory only: whoever can be reached says so again every few minutes.

use std::collections::{BTreeMap, BTreeSet};

use serde_bytes::ByteBuf;

use super::Node;
use super::budget::BAD_EVENT;
use crate::base::{PeerId, Seconds, Slot};
use crate::crypto::Verify;
use crate::invite::{Address, PLACE_RELAYS, Place, ReachRecord, slots};
use crate::wire::{Frame, Role};

/// Records told to another relay at the beginning of a session, the latest made: what is older is found again when its
/// owner next says it.
const TOLD_TO_RELAY: usize = 1_024;

/// What a node has to do with reach records.
#[derive(Default)]
pub(super) struct Reach {
    records: BTreeMap<Slot, ReachRecord>,
    by_time: BTreeSet<(Seconds, Slot)>,
    /// Where this node's person can be found.
    relays: Vec<Address>,
    own: Option<ReachRecord>,
}

impl Reach {
    /// Keeps a record if it is later than the one in its slot; whether it was.
    fn keep(&mut self, record: ReachRecord, limit: usize) -> bool {
        let (slot, time) = (record.slot(), record.time());
        if let Some(held) = self.records.get(&slot) {
            if held.time() >= time {
                return false;
            }
            self.by_time.remove(&(held.time(), slot));
        }
        self.by_time.insert((time, slot));
        self.records.insert(slot, record);
        if self.records.len() > limit
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.records.remove(&oldest);
            return oldest != slot;
        }
        true
    }

    /// Where this node's person can be found.
    pub(super) fn relays(&self) -> &[Address] {
        &self.relays
    }

    fn latest(&self, count: usize) -> impl Iterator<Item = &ReachRecord> {
        self.by_time.iter().rev().take(count).filter_map(|(_, slot)| self.records.get(slot))
    }
}

impl<V: Verify> Node<V> {
    /// Says where we are and asks where friends are, if the peer keeps such records.
    pub(super) fn meet(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get(&peer) else { return };
        if session.role != Some(Role::Relay) {
            return;
        }
        let told = session.told_reach;
        let now_told = if self.role == Role::Relay {
            if told.is_none() {
                self.tell_relay(peer);
            }
            Seconds(0)
        } else {
            self.look_for_friends(peer);
            self.say_where_to(peer, told)
        };
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.told_reach = Some(now_told);
        }
    }

    /// Gives our record to a relay, unless it was told the same before; when it was made.
    fn say_where_to(&mut self, peer: PeerId, told: Option<Seconds>) -> Seconds {
        let Some(record) = self.own_record() else { return Seconds(0) };
        let (time, bytes) = (record.time(), ByteBuf::from(record.bytes().to_vec()));
        if told != Some(time) {
            self.send(peer, &Frame::Reach { records: vec![bytes], missing: Vec::new() });
        }
        time
    }

    /// Asks a relay for the slots of all friends.
    fn look_for_friends(&mut self, peer: PeerId) {
        let slots = self.friends.slots(self.now.unix);
        for slots in slots.chunks(self.limits.frame_slots) {
            self.send(peer, &Frame::Find { slots: slots.to_vec() });
        }
    }

    fn tell_relay(&mut self, peer: PeerId) {
        let records = self.reach.latest(TOLD_TO_RELAY).map(|record| ByteBuf::from(record.bytes().to_vec()));
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

    /// Our record, made anew when it is old or the day is another.
    fn own_record(&mut self) -> Option<&ReachRecord> {
        let now = self.now.unix;
        let identity = self.identity.as_ref().filter(|_| !self.reach.relays.is_empty())?;
        let (key, secret) = (identity.identity(), identity.reach(self.friends.generation()));
        let today = slots(&key.public(), &secret, now).first().copied();
        let fresh = self.limits.reach_every.as_secs();
        let is_fresh = |record: &ReachRecord| Some(record.slot()) == today && now < record.time().plus(fresh);
        if !self.reach.own.as_ref().is_some_and(is_fresh) {
            let mut nonce = [0; 12];
            self.rng.fill(&mut nonce);
            let place = Place { peer: self.peer, relays: self.reach.relays.clone() };
            self.reach.own = Some(ReachRecord::make(key, &secret, place, now, nonce));
        }
        self.reach.own.as_ref()
    }

    pub(super) fn on_find(&mut self, peer: PeerId, slots: Vec<Slot>) {
        let (mut records, mut missing) = (Vec::new(), Vec::new());
        for slot in slots {
            match self
                .reach
                .records
                .get(&slot)
                .filter(|record| record.is_good(self.now.unix, self.limits.future_seconds))
            {
                Some(record) => records.push(ByteBuf::from(record.bytes().to_vec())),
                None => missing.push(slot),
            }
        }
        self.send(peer, &Frame::Reach { records, missing });
    }

    pub(super) fn on_reach(&mut self, peer: PeerId, records: &[ByteBuf]) {
        let mut news = Vec::new();
        for bytes in records {
            let Ok(record) = ReachRecord::read(bytes) else {
                if self.charge(peer, BAD_EVENT) {
                    continue;
                }
                return;
            };
            if !record.is_good(self.now.unix, self.limits.future_seconds) {
                continue;
            }
            if self.role == Role::Tab {
                self.on_friend_record(&record);
            } else if self.may_put(peer, record.slot())
                && self.reach.keep(record.clone(), self.limits.reach_records)
            {
                news.push(bytes.clone());
            }
        }
        if news.is_empty() {
            return;
        }
        let relays = self.sessions.iter().filter(|(_, session)| session.role == Some(Role::Relay));
        let others: Vec<PeerId> = relays.map(|(other, _)| *other).filter(|other| *other != peer).collect();
        for other in others {
            self.send(other, &Frame::Reach { records: news.clone(), missing: Vec::new() });
        }
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
