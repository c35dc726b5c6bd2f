//! Shuffles, by which peers hear of others than those their relays know, and the anchors that a restart begins with.
//!
//! As in HyParView a shuffle carries the own record, some of the active and some of the passive view, and is answered by as many.
//! It goes to one neighbour and no further: the paper's walks end at a peer that opens a connection to answer, which costs a
//! browser a second. A record makes the same way in as many shuffles, because what was heard in one is told in the next.

use core::time::Duration;

use serde_bytes::ByteBuf;

use super::Node;
use crate::base::{Instant, PeerId};
use crate::crypto::Verify;
use crate::gossip::{PeerRecord, Source};
use crate::wire::{Frame, Role};

/// Between two shuffles, on average.
const EVERY: Duration = Duration::from_secs(60);

/// Between two shuffles of one peer that are answered.
const ANSWERED_EVERY: Duration = Duration::from_secs(10);

/// Records of the active view in a shuffle; with the own one and those of the passive view there are eight, as in the paper
/// (section 5.1).
const ACTIVE: usize = 3;

/// Neighbours remembered for the next start: two that are there suffice, and a start may be hours later.
const ANCHORS: usize = 4;

/// How long somebody has been a neighbour before it is worth remembering.
const ANCHORED_AFTER: Duration = Duration::from_secs(60);

/// What is known of shuffles and anchors.
#[derive(Default)]
pub(super) struct Shuffles {
    /// When the next goes out.
    at: Instant,
    /// Records of the neighbours remembered.
    anchors: Vec<PeerRecord>,
}

impl Shuffles {
    pub(super) fn restored(anchors: &[ByteBuf]) -> Shuffles {
        let anchors = anchors.iter().filter_map(|bytes| PeerRecord::read(bytes).ok());
        Shuffles { at: Instant(0), anchors: anchors.take(ANCHORS).collect() }
    }

    /// The anchors, to be stored.
    pub(super) fn remembered(&self) -> Vec<ByteBuf> {
        self.anchors.iter().map(told).collect()
    }

    /// When the next shuffle goes out.
    pub(super) fn at(&self) -> Instant {
        self.at
    }
}

impl<V: Verify> Node<V> {
    /// Those that were neighbours before the last restart could be again.
    pub(super) fn learn_anchors(&mut self) {
        for record in self.shuffles.anchors.clone() {
            self.neighbours.passive.learn(self.peer, record, Source::Anchor, self.now);
        }
    }

    /// Tells one neighbour of some peers, if it is time, and remembers who the neighbours are.
    pub(super) fn shuffle(&mut self) {
        let now = self.now.instant;
        if self.shuffles.at > now {
            return;
        }
        let half = EVERY.as_millis() as u64 / 2;
        self.shuffles.at = now + EVERY / 2 + Duration::from_millis(self.rng.below(2 * half));
        let tabs: Vec<PeerId> = self.tabs().collect();
        if tabs.is_empty() {
            return;
        }
        let peer = tabs[self.rng.below(tabs.len() as u64) as usize];
        let own = self.neighbours.own.clone();
        let records = own.into_iter().chain(self.some_peers(peer, self.limits.frame_peers - 1));
        let records = records.map(|record| told(&record)).collect();
        self.send(peer, &Frame::Shuffle { records });
        self.remember_anchors();
    }

    /// A neighbour tells of some peers, and is told of as many.
    pub(super) fn on_shuffle(&mut self, peer: PeerId, records: &[ByteBuf]) {
        let now = self.now.instant;
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let is_late = session.shuffled.is_none_or(|at| at + ANSWERED_EVERY <= now);
        if session.role != Some(Role::Tab) || self.neighbours.own.is_none() || !is_late {
            return;
        }
        session.shuffled = Some(now);
        let answer = self.some_peers(peer, self.limits.frame_peers);
        self.send(peer, &Frame::Peers { records: answer.iter().map(told).collect() });
        self.on_peers(peer, records);
    }

    /// Some neighbours, and some that could be, for `peer` to know more by.
    fn some_peers(&mut self, peer: PeerId, count: usize) -> Vec<PeerRecord> {
        let others = self.sessions.iter().filter(|(other, _)| **other != peer);
        let records = others.filter_map(|(_, session)| session.record.clone());
        let mut active: Vec<PeerRecord> = records.filter(|record| !record.relays().is_empty()).collect();
        while active.len() > ACTIVE.min(count) {
            active.swap_remove(self.rng.below(active.len() as u64) as usize);
        }
        let passive = self.neighbours.passive.sample(peer, count, &mut self.rng, self.now.unix);
        for record in passive {
            if active.len() < count && active.iter().all(|known| known.peer() != record.peer()) {
                active.push(record);
            }
        }
        active
    }

    /// Remembers those who have been neighbours for longest, if they are others than before.
    fn remember_anchors(&mut self) {
        let now = self.now.instant;
        let is_steady = |since: Instant| since + ANCHORED_AFTER <= now;
        let steady = self.sessions.values().filter(|session| is_steady(session.since));
        let mut steady: Vec<(Instant, &PeerRecord)> = steady
            .filter(|session| session.role == Some(Role::Tab))
            .filter_map(|session| Some((session.since, session.record.as_ref()?)))
            .filter(|(_, record)| !record.relays().is_empty())
            .collect();
        steady.sort_unstable_by_key(|(since, record)| (*since, record.peer()));
        let anchors: Vec<PeerRecord> =
            steady.into_iter().take(ANCHORS).map(|(_, record)| record.clone()).collect();
        // Who is alone for a while keeps those it had.
        if !anchors.is_empty() && anchors != self.shuffles.anchors {
            self.shuffles.anchors = anchors;
            self.persist.remember();
        }
    }
}

fn told(record: &PeerRecord) -> ByteBuf {
    ByteBuf::from(record.bytes().to_vec())
}
