//! Peers that could be neighbours, and which of them to dial when.

use core::time::Duration;
use std::collections::BTreeSet;

use super::record::PeerRecord;
use crate::base::{BoxMap, Instant, PeerId, Seconds, map_of};
use crate::crypto::Rng;
use crate::invite::Address;

/// PassiveView remembered beside friends.
const LIMIT: usize = 64;

/// Of these, so many by the word of one peer: nobody fills the table alone.
const OF_ONE: usize = 16;

/// The higher of two ids dials only after this, when the lower has not: so two seldom dial each other at once. Longer than
/// the lower needs to hear of it and be there.
const HIGHER_WAITS: Duration = Duration::from_secs(4);

/// An attempt of which nothing was heard for so long has failed.
const LOST: Duration = Duration::from_secs(40);

/// A session that ends sooner was none: the other has neighbours enough.
const BRIEF: Duration = Duration::from_secs(10);

/// Between attempts, from the first failure on: twice as long each time.
const AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10 * 60));

/// Failures in a row after which somebody who is no friend is forgotten. Whoever is still there is told of again.
const FAILURES: u32 = 4;

/// Every so many attempts one goes to anybody, not to the best: so that those who share most do not become an island.
const BY_CHANCE: u64 = 3;

/// Who told of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A peer with whom there is a session.
    Peer(PeerId),
    /// The person's friend said so: never forgotten, and first in turn.
    Friend,
}

/// Peers that could be neighbours.
#[derive(Debug, Default)]
pub struct PassiveView {
    known: BoxMap<PeerId, Candidate>,
    friends: BTreeSet<PeerId>,
    /// Counts who was heard of.
    order: u64,
    attempts: u64,
}

#[derive(Debug)]
struct Candidate {
    relays: Vec<Address>,
    /// When its record was made; zero for what a friend's reach record says.
    time: Seconds,
    source: Source,
    order: u64,
    failures: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be dialled from then on.
    Due(Instant),
    /// Since then.
    Dialling(Instant),
    /// Since then.
    Connected(Instant),
}

impl PassiveView {
    /// Whether a record says anything that is not known here. `own` is this peer.
    #[must_use]
    pub fn is_news(&self, own: PeerId, record: &PeerRecord) -> bool {
        let known = self.known.get(&record.peer());
        let is_later = known.is_none_or(|known| known.time < record.time());
        record.peer() != own && !record.relays().is_empty() && is_later
    }

    /// Learns of somebody from a record. `own` is this peer.
    pub fn learn(&mut self, own: PeerId, record: &PeerRecord, source: PeerId, now: Instant) {
        let peer = record.peer();
        if !self.is_news(own, record) {
            return;
        }
        if let Some(known) = self.known.get_mut(&peer) {
            (known.relays, known.time) = (record.relays().to_vec(), record.time());
            return;
        }
        let source = Source::Peer(source);
        let of_one = self.known.values().filter(|known| known.source == source).count();
        if of_one >= OF_ONE && !self.forget_one(|known| known.source == source) {
            return;
        }
        let is_stranger = |known: &Candidate| known.source != Source::Friend;
        let strangers = self.known.values().filter(|known| is_stranger(known)).count();
        if strangers >= LIMIT && !self.forget_one(is_stranger) {
            return;
        }
        let due = if own < peer { now } else { now + HIGHER_WAITS };
        self.add(peer, record.relays().to_vec(), record.time(), source, due);
    }

    /// Friends are these, reached at these relays; whoever was one before is none any more.
    pub fn friends_are(&mut self, own: PeerId, friends: Vec<(PeerId, Vec<Address>)>, now: Instant) {
        let friends = map_of(friends.into_iter().filter(|(peer, _)| *peer != own));
        self.friends = friends.keys().copied().collect();
        self.known.retain(|peer, known| known.source != Source::Friend || friends.contains_key(peer));
        for (peer, relays) in friends {
            match self.known.get_mut(&peer) {
                Some(known) if known.source == Source::Friend => known.relays = relays,
                Some(known) => known.source = Source::Friend,
                None => {
                    let due = if own < peer { now } else { now + HIGHER_WAITS };
                    self.add(peer, relays, Seconds(0), Source::Friend, due);
                }
            }
        }
    }

    fn add(&mut self, peer: PeerId, relays: Vec<Address>, time: Seconds, source: Source, due: Instant) {
        self.order += 1;
        let (order, failures, state) = (self.order, 0, State::Due(due));
        self.known.insert(peer, Candidate { relays, time, source, order, failures, state });
    }

    /// Forgets who failed most, of these the one heard of first, but nobody who is connected or being dialled.
    fn forget_one(&mut self, may: impl Fn(&Candidate) -> bool) -> bool {
        let forgettable =
            self.known.iter().filter(|(_, known)| may(known) && matches!(known.state, State::Due(_)));
        let worst = forgettable.max_by_key(|(_, known)| (known.failures, u64::MAX - known.order));
        let Some(peer) = worst.map(|(peer, _)| *peer) else { return false };
        self.known.remove(&peer).is_some()
    }

    /// Whether the person is a friend of this peer's.
    #[must_use]
    pub fn is_friend(&self, peer: &PeerId) -> bool {
        self.friends.contains(peer)
    }

    /// Attempts under way.
    #[must_use]
    pub fn dialling(&self) -> usize {
        self.known.values().filter(|known| matches!(known.state, State::Dialling(_))).count()
    }

    /// Whom to dial now, and at which relays to ask for them: friends first, then those told of first, and now and then
    /// anybody. `strangers` is whether others than friends are wanted. From then on they count as being dialled.
    pub fn next(&mut self, strangers: bool, rng: &mut Rng, now: Instant) -> Option<(PeerId, Vec<Address>)> {
        let due = |known: &Candidate| matches!(known.state, State::Due(at) if at <= now);
        let wanted = |known: &Candidate| due(known) && (strangers || known.source == Source::Friend);
        let mut in_turn: Vec<(bool, u64, PeerId)> = (self.known.iter())
            .filter(|(_, known)| wanted(known))
            .map(|(peer, known)| (known.source != Source::Friend, known.order, *peer))
            .collect();
        in_turn.sort_unstable();
        let (is_stranger, _, first) = *in_turn.first()?;
        let mut peer = first;
        if is_stranger {
            self.attempts += 1;
            if self.attempts.is_multiple_of(BY_CHANCE) {
                peer = in_turn[rng.below(in_turn.len() as u64) as usize].2;
            }
        }
        let known = self.known.get_mut(&peer)?;
        known.state = State::Dialling(now);
        Some((peer, known.relays.clone()))
    }

    /// There is a session with this peer.
    pub fn connected(&mut self, peer: &PeerId, now: Instant) {
        if let Some(known) = self.known.get_mut(peer) {
            known.state = State::Connected(now);
        }
    }

    /// There is none any more.
    pub fn gone(&mut self, peer: PeerId, rng: &mut Rng, now: Instant) {
        let Some(known) = self.known.get_mut(&peer) else { return };
        let State::Connected(since) = known.state else { return };
        if now.since(since) >= BRIEF {
            known.failures = 0;
        }
        self.failed(peer, rng, now);
    }

    /// A peer could not be reached.
    pub fn failed(&mut self, peer: PeerId, rng: &mut Rng, now: Instant) {
        let Some(known) = self.known.get_mut(&peer) else { return };
        known.failures += 1;
        if known.failures > FAILURES && known.source != Source::Friend {
            self.known.remove(&peer);
            return;
        }
        let (first, longest) = AGAIN;
        let wait = (first * 2_u32.pow(known.failures.min(8) - 1)).min(longest);
        // Between half and all of it, so that two do not go on dialling each other at once.
        let half = wait.as_millis() as u64 / 2;
        known.state = State::Due(now + Duration::from_millis(half + rng.below(half + 1)));
    }

    /// Gives up attempts of which nothing was heard.
    pub fn expire(&mut self, rng: &mut Rng, now: Instant) {
        let lost = |known: &Candidate| matches!(known.state, State::Dialling(since) if since + LOST <= now);
        let lost: Vec<PeerId> =
            self.known.iter().filter(|(_, known)| lost(known)).map(|(peer, _)| *peer).collect();
        lost.into_iter().for_each(|peer| self.failed(peer, rng, now));
    }

    /// When [`PassiveView::next`] or [`PassiveView::expire`] has something to do, if there is room for friends, or for
    /// `strangers` too.
    #[must_use]
    pub fn wake_at(&self, friends: bool, strangers: bool) -> Option<Instant> {
        let at = |known: &Candidate| match known.state {
            State::Due(at) => (strangers || (friends && known.source == Source::Friend)).then_some(at),
            State::Dialling(since) => Some(since + LOST),
            State::Connected(_) => None,
        };
        self.known.values().filter_map(at).min()
    }

    /// Forgets everybody but friends, whose attempts are over: there will be no direct connections for now.
    pub fn clear(&mut self, now: Instant) {
        self.known.retain(|_, known| known.source == Source::Friend);
        self.known.values_mut().for_each(|known| known.state = State::Due(now));
    }
}
