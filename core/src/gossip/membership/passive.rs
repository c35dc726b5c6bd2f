//! The passive view: peers that could be neighbours, which of them to dial when, and a sample of them for others.

use core::time::Duration;
use std::collections::BTreeSet;

use super::record::PeerRecord;
use crate::base::{BoxMap, Instant, Now, PeerId, Seconds, map_of};
use crate::crypto::Rng;
use crate::invite::Address;

/// Candidates remembered beside friends: what HyParView has for ten thousand peers (section 5.1 of the paper).
const LIMIT: usize = 30;

/// Of these, so many by the word of one peer: nobody fills the table alone.
const OF_ONE: usize = 10;

/// Seconds after which a record is not believed any more: a peer that is there makes another each 15 minutes, and clocks differ.
const STALE: u64 = 60 * 60;

/// Seconds by which a record may be ahead of the clock here. One further ahead would never become stale.
const AHEAD: u64 = 15 * 60;

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
    /// This peer itself, which had it as a neighbour before it was started anew: nobody who came since has put it there.
    Anchor,
    /// The person's friend said so: never forgotten, and first in turn.
    Friend,
}

/// Whom to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// Nobody.
    Nobody,
    /// Friends alone.
    Friends,
    /// Beside them those who were named as readers of a board that no neighbour reads.
    Missing,
    /// Anybody.
    Anybody,
}

/// Peers that could be neighbours.
#[derive(Debug, Default)]
pub struct PassiveView {
    known: BoxMap<PeerId, Candidate>,
    friends: BTreeSet<PeerId>,
    /// Whether anything is another than when that was last asked.
    is_changed: bool,
    /// Counts who was heard of.
    order: u64,
    attempts: u64,
}

#[derive(Debug)]
struct Candidate {
    /// What it says itself; nothing of a friend's peer, of which a reach record tells.
    record: Option<PeerRecord>,
    /// Where it can be asked for.
    relays: Vec<Address>,
    /// Whether it was named as a reader of a board that no neighbour reads.
    is_missing: bool,
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
    /// Whether there may be another to dial, or sooner, than when this was last asked.
    pub fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.is_changed)
    }

    /// Whether a record says anything that is not known here, and is of this time. `own` is this peer.
    #[must_use]
    pub fn is_news(&self, own: PeerId, record: &PeerRecord, now: Seconds) -> bool {
        let known = self.known.get(&record.peer());
        let is_later = known.is_none_or(|known| known.time() < record.time());
        record.peer() != own && !record.relays().is_empty() && is_later && is_timely(record, now)
    }

    /// Learns of somebody from a record. `own` is this peer.
    pub fn learn(&mut self, own: PeerId, record: PeerRecord, source: Source, now: Now) {
        self.is_changed = true;
        let peer = record.peer();
        if !self.is_news(own, &record, now.unix) {
            return;
        }
        if let Some(known) = self.known.get_mut(&peer) {
            known.relays = record.relays().to_vec();
            known.record = Some(record);
            return;
        }
        let is_of_one = |known: &Candidate| known.source == source;
        let of_one = self.known.values().filter(|known| is_of_one(known)).count();
        if of_one >= OF_ONE && !self.forget_one(is_of_one) {
            return;
        }
        let is_stranger = |known: &Candidate| known.source != Source::Friend;
        let strangers = self.known.values().filter(|known| is_stranger(known)).count();
        if strangers >= LIMIT && !self.forget_one(is_stranger) {
            return;
        }
        let relays = record.relays().to_vec();
        self.add(own, peer, Some(record), relays, source, now.instant);
    }

    /// Takes note that somebody who is known was named as a reader of a board that no neighbour reads.
    pub fn reads_missing(&mut self, peer: &PeerId) {
        self.is_changed = true;
        if let Some(known) = self.known.get_mut(peer) {
            known.is_missing = true;
        }
    }

    /// At most `count` records of others than `peer`, chosen by chance, for it to know more peers by.
    pub fn sample(&self, peer: PeerId, count: usize, rng: &mut Rng, now: Seconds) -> Vec<PeerRecord> {
        let others = self.known.iter().filter(|(other, _)| **other != peer);
        let records = others.filter_map(|(_, known)| known.record.as_ref());
        let mut records: Vec<&PeerRecord> = records.filter(|record| is_timely(record, now)).collect();
        let count = count.min(records.len());
        for place in 0..count {
            let other = place + rng.below((records.len() - place) as u64) as usize;
            records.swap(place, other);
        }
        records[..count].iter().copied().cloned().collect()
    }

    /// Friends are these, reached at these relays; whoever was one before is none any more.
    pub fn friends_are(&mut self, own: PeerId, friends: Vec<(PeerId, Vec<Address>)>, now: Instant) {
        self.is_changed = true;
        let friends = map_of(friends.into_iter().filter(|(peer, _)| *peer != own));
        self.friends = friends.keys().copied().collect();
        self.known.retain(|peer, known| known.source != Source::Friend || friends.contains_key(peer));
        for (peer, relays) in friends {
            match self.known.get_mut(&peer) {
                Some(known) if known.source == Source::Friend => known.relays = relays,
                Some(known) => known.source = Source::Friend,
                None => self.add(own, peer, None, relays, Source::Friend, now),
            }
        }
    }

    fn add(
        &mut self,
        own: PeerId,
        peer: PeerId,
        record: Option<PeerRecord>,
        relays: Vec<Address>,
        source: Source,
        now: Instant,
    ) {
        self.order += 1;
        let due = if own < peer { now } else { now + HIGHER_WAITS };
        let (order, failures, state) = (self.order, 0, State::Due(due));
        let candidate = Candidate { record, relays, is_missing: false, source, order, failures, state };
        self.known.insert(peer, candidate);
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

    /// Whom to dial now, and at which relays to ask for them: friends first, then those who read what no neighbour does,
    /// then old neighbours and those told of first, and now and then anybody. From then on they count as being dialled.
    pub fn next(&mut self, wanted: Wanted, rng: &mut Rng, now: Instant) -> Option<(PeerId, Vec<Address>)> {
        let due = |known: &Candidate| matches!(known.state, State::Due(at) if at <= now);
        let mut in_turn: Vec<(Wanted, bool, u64, PeerId)> = (self.known.iter())
            .filter(|(_, known)| due(known) && known.least() <= wanted)
            .map(|(peer, known)| (known.least(), known.source != Source::Anchor, known.order, *peer))
            .collect();
        in_turn.sort_unstable();
        let (least, .., first) = *in_turn.first()?;
        let mut peer = first;
        if least == Wanted::Anybody {
            self.attempts += 1;
            if self.attempts.is_multiple_of(BY_CHANCE) {
                peer = in_turn[rng.below(in_turn.len() as u64) as usize].3;
            }
        }
        let known = self.known.get_mut(&peer)?;
        known.state = State::Dialling(now);
        known.is_missing = false;
        Some((peer, known.relays.clone()))
    }

    /// There is a session with this peer.
    pub fn connected(&mut self, peer: &PeerId, now: Instant) {
        self.is_changed = true;
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
        self.is_changed = true;
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

    /// When [`PassiveView::next`] or [`PassiveView::expire`] has something to do.
    #[must_use]
    pub fn wake_at(&self, wanted: Wanted) -> Option<Instant> {
        let at = |known: &Candidate| match known.state {
            State::Due(at) => (known.least() <= wanted).then_some(at),
            State::Dialling(since) => Some(since + LOST),
            State::Connected(_) => None,
        };
        self.known.values().filter_map(at).min()
    }

    /// Forgets everybody but friends, whose attempts are over: there will be no direct connections for now.
    pub fn clear(&mut self, now: Instant) {
        self.is_changed = true;
        self.known.retain(|_, known| known.source == Source::Friend);
        self.known.values_mut().for_each(|known| known.state = State::Due(now));
    }
}

impl Candidate {
    /// When its record was made.
    fn time(&self) -> Seconds {
        self.record.as_ref().map(PeerRecord::time).unwrap_or_default()
    }

    /// The least that has to be wanted for this one to be dialled.
    fn least(&self) -> Wanted {
        match self.source {
            Source::Friend => Wanted::Friends,
            _ if self.is_missing => Wanted::Missing,
            _ => Wanted::Anybody,
        }
    }
}

/// Whether a peer that made this record is likely to be there still.
fn is_timely(record: &PeerRecord, now: Seconds) -> bool {
    record.time() <= now.plus(AHEAD) && now <= record.time().plus(STALE)
}
