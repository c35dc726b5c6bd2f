//! The ways to relays that a tab knows, and which of them it goes. Knows no clock and dials nothing; times are
//! milliseconds of the caller's clock.
//!
//! A tab wants to be at the relay that its page came from and at those where its friends are, and at no fewer than two
//! that keep what they are given, so that the loss of one is no loss: another is known already, or found among those that
//! were told of. A relay is known by its address. Its key may be another tomorrow, when it was made anew.

#[cfg(test)]
mod tests;

use libp2p::{Multiaddr, PeerId};

use super::redial::Redial;

/// Sessions with relays that keep what they are given.
const ENOUGH: usize = 2;

/// Sessions with relays that keep what they are given, at most.
const MOST: usize = 4;

/// Sessions and attempts on ways to friends, at most, whatever comes of them. The way to the origin has a place of its
/// own, and so have those that are merely known: a friend code full of relays that hang or keep nothing takes neither.
const FRIENDS: usize = 4;

/// The same of ways that the person has given.
const PERSON: usize = 2;

/// The same of ways that are merely known.
const OTHERS: usize = 3;

/// An attempt that takes longer does not keep another from being made meanwhile.
const SLOW: u64 = 3_000;

/// How long a way is left alone that has led to a relay there is a session with already, or that was left for another.
const REST: u64 = 10 * 60 * 1_000;

/// Ways remembered. Addresses come from strangers.
const LIMIT: usize = 48;

/// Why a way is known, the best reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The page came from there.
    Origin,
    /// A friend is there, or said so in their code.
    Friend,
    /// The person has given its address.
    Person,
    /// There was a session before, or a relay told of it.
    Known,
}

/// Names a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WayId(u32);

/// The way to one relay.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) id: WayId,
    /// Without the relay's key.
    pub(super) address: Multiaddr,
    source: Source,
    pub(super) redial: Redial,
    /// Who was found there last.
    pub(super) peer: Option<PeerId>,
    /// With whom there was a session on another way when this one led there too.
    alias_of: Option<PeerId>,
    /// Whether what was sent there, in this session or the last, is not acknowledged.
    swallows: bool,
    /// Whether there was ever a session.
    proven: bool,
}

impl Way {
    /// Whether there is a session with a relay that keeps what it is given, as far as is known.
    fn keeps(&self) -> bool {
        self.redial.is_up() && !self.swallows
    }

    /// Whether the page came from there.
    pub(super) fn is_origin(&self) -> bool {
        self.source == Source::Origin
    }

    /// Whether an attempt is in order.
    fn is_due(&self, now: u64) -> bool {
        self.redial.due().is_some_and(|due| due <= now)
    }
}

/// All ways.
#[derive(Debug, Default)]
pub(super) struct Ways {
    ways: Vec<Way>,
    last: u32,
}

impl Ways {
    /// Learns of a way, or of a better reason for one.
    pub(super) fn learn(&mut self, address: Multiaddr, source: Source) {
        if let Some(way) = self.ways.iter_mut().find(|way| way.address == address) {
            way.source = way.source.min(source);
            return;
        }
        if self.ways.len() >= LIMIT {
            let forgettable =
                |way: &Way| way.source == Source::Known && !way.proven && way.redial.due().is_some();
            let Some(at) = self.ways.iter().position(forgettable) else { return };
            self.ways.remove(at);
        }
        self.last += 1;
        let redial = Redial::new();
        let (id, peer, alias_of, swallows, proven) = (WayId(self.last), None, None, false, false);
        self.ways.push(Way { id, address, source, redial, peer, alias_of, swallows, proven });
    }

    /// Learns of a way that the person gives. It is gone though as many are gone as there is room for: what they gave
    /// first is merely known from then on.
    pub(super) fn give(&mut self, address: Multiaddr) {
        let given = |way: &&mut Way| {
            way.source == Source::Person && way.address != address && way.redial.due().is_none()
        };
        if self.going(Source::Person) >= PERSON
            && let Some(way) = self.ways.iter_mut().find(given)
        {
            way.source = Source::Known;
        }
        self.learn(address, Source::Person);
    }

    /// From now on friends are at these relays and no others.
    pub(super) fn friends_are_at(&mut self, addresses: Vec<Multiaddr>) {
        for way in self.ways.iter_mut().filter(|way| way.source == Source::Friend) {
            way.source = Source::Known;
        }
        addresses.into_iter().for_each(|address| self.learn(address, Source::Friend));
    }

    /// The ways to be tried now, which the caller then does.
    pub(super) fn attempts(&mut self, now: u64) -> Vec<(WayId, Multiaddr)> {
        let mut attempts = Vec::new();
        while let Some(way) = self.next(now) {
            way.alias_of = None;
            way.redial.attempt(now);
            attempts.push((way.id, way.address.clone()));
        }
        attempts
    }

    fn next(&mut self, now: u64) -> Option<&mut Way> {
        let hopeful = self.hopeful(now);
        let friends = hopeful < MOST && self.going(Source::Friend) < FRIENDS;
        let others = hopeful < ENOUGH && self.going(Source::Known) < OTHERS;
        let person = self.going(Source::Person) < PERSON;
        let has_place = |way: &Way| match way.source {
            Source::Origin => true,
            Source::Friend => friends,
            Source::Person => person,
            Source::Known => others,
        };
        let due = self.ways.iter_mut().filter(|way| way.is_due(now) && has_place(way));
        // `min_by_key` takes the first of equals: what was told first.
        due.min_by_key(|way| (way.swallows, way.source, !way.proven))
    }

    /// A session that is to be ended, with a relay that keeps nothing and is merely known: another such way needs the
    /// place.
    pub(super) fn leave_for_another(&mut self, now: u64) -> Option<PeerId> {
        let another = |way: &Way| way.source == Source::Known && !way.swallows && way.is_due(now);
        if self.hopeful(now) >= ENOUGH || self.going(Source::Known) < OTHERS || !self.ways.iter().any(another)
        {
            return None;
        }
        let left = |way: &&mut Way| way.source == Source::Known && way.swallows && way.redial.is_up();
        let way = self.ways.iter_mut().find(left)?;
        // After that it is worth as much as any other.
        way.swallows = false;
        way.redial.rest(now + REST);
        way.peer
    }

    /// Sessions with relays that keep what they are given, and attempts that may soon become such.
    fn hopeful(&self, now: u64) -> usize {
        let is_quick =
            |way: &Way| way.redial.busy_since().is_some_and(|since| now.saturating_sub(since) < SLOW);
        self.ways.iter().filter(|way| way.keeps() || is_quick(way)).count()
    }

    /// Sessions and attempts on ways of one kind.
    fn going(&self, source: Source) -> usize {
        self.ways.iter().filter(|way| way.source == source && way.redial.due().is_none()).count()
    }

    /// Whether there are as many sessions as are wanted with relays that keep what they are given.
    pub(super) fn is_enough(&self) -> bool {
        self.ways.iter().filter(|way| way.keeps()).count() >= ENOUGH
    }

    /// When to look again whether there is something to try; `None` when only something that happens can change that.
    pub(super) fn wake_at(&self, now: u64) -> Option<u64> {
        let due = self.ways.iter().filter_map(|way| way.redial.due());
        let slow = self.ways.iter().filter_map(|way| way.redial.busy_since()).map(|since| since + SLOW);
        due.chain(slow).filter(|at| *at > now).min()
    }

    /// A way by its name.
    pub(super) fn get_mut(&mut self, id: WayId) -> Option<&mut Way> {
        self.ways.iter_mut().find(|way| way.id == id)
    }

    /// The way on which a peer was found, one with a session before others.
    pub(super) fn way_to(&mut self, peer: PeerId) -> Option<&mut Way> {
        let ways = self.ways.iter_mut().filter(|way| way.peer == Some(peer));
        ways.min_by_key(|way| !way.redial.is_up())
    }

    /// Whether another way leads to a peer, on which there is a session or will be.
    pub(super) fn is_alias(&self, id: WayId, peer: PeerId) -> bool {
        self.ways.iter().any(|way| way.id != id && way.peer == Some(peer) && way.redial.due().is_none())
    }

    /// A way has led to a peer with whom there is a session on another.
    pub(super) fn rest(&mut self, id: WayId, peer: PeerId, now: u64) {
        if let Some(way) = self.get_mut(id) {
            (way.peer, way.alias_of) = (None, Some(peer));
            way.redial.rest(now + REST);
        }
    }

    /// An attempt failed, or a session ended, as [`Redial::failed`] has it. Other ways to the same peer may lead there
    /// still and rest no longer, unless the node would end the next session too.
    pub(super) fn failed(&mut self, id: WayId, why: String, unwanted: bool, chance: f64, now: u64) {
        let Some(way) = self.get_mut(id) else { return };
        way.redial.failed(why, unwanted, chance, now);
        let Some(peer) = way.peer.filter(|_| !unwanted) else { return };
        for way in self.ways.iter_mut().filter(|way| way.alias_of == Some(peer)) {
            way.alias_of = None;
            way.redial.hurry();
        }
    }

    /// There is a session with a peer.
    pub(super) fn up(&mut self, peer: PeerId, now: u64) {
        if let Some(way) = self.way_to(peer) {
            (way.proven, way.swallows) = (true, false);
            way.redial.up(now);
        }
    }

    /// Takes note of whether a peer keeps what it is sent; whether it is news that it does not.
    pub(super) fn judge(&mut self, peer: PeerId, swallows: bool) -> bool {
        let Some(way) = self.way_to(peer) else { return false };
        let before = std::mem::replace(&mut way.swallows, swallows);
        swallows && !before
    }

    /// Something happened that makes other attempts worth while.
    pub(super) fn hurry(&mut self) {
        self.ways.iter_mut().for_each(|way| way.redial.hurry());
    }

    /// All but the attempts that go on is given up, to be tried again at once when there is reason to.
    pub(super) fn pause(&mut self, goes_on: impl Fn(WayId) -> bool) {
        self.ways.iter_mut().filter(|way| !goes_on(way.id)).for_each(|way| way.redial.rest(0));
    }

    /// Where the page came from.
    pub(super) fn origin(&self) -> Option<&Multiaddr> {
        self.ways.iter().find(|way| way.is_origin()).map(|way| &way.address)
    }

    /// The relays there is a session with, each with its way.
    pub(super) fn met(&self) -> impl Iterator<Item = (PeerId, &Multiaddr)> {
        let up = self.ways.iter().filter(|way| way.redial.is_up());
        up.filter_map(|way| way.peer.map(|peer| (peer, &way.address)))
    }

    /// Where there is a session, by a way that others can go too.
    pub(super) fn here(&self) -> impl Iterator<Item = &Multiaddr> {
        self.ways.iter().filter(|way| way.redial.is_up()).map(|way| &way.address)
    }

    /// All addresses, those with a session first, then those that had one.
    pub(super) fn known(&self) -> Vec<&Multiaddr> {
        let ranks = [
            |way: &&Way| way.redial.is_up(),
            |way: &&Way| !way.redial.is_up() && way.proven,
            |way: &&Way| !way.redial.is_up() && !way.proven,
        ];
        ranks.into_iter().flat_map(|rank| self.ways.iter().filter(rank)).map(|way| &way.address).collect()
    }

    /// Why there is no session, as the best way has it.
    pub(super) fn trouble(&self) -> Option<&str> {
        let troubled = self.ways.iter().filter(|way| way.redial.trouble().is_some());
        troubled.min_by_key(|way| way.source).and_then(|way| way.redial.trouble())
    }
}
