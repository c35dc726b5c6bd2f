//! How sessions begin and end: by the scenario, by a dial, by a fault.

use super::{Coming, Network, pair};
use crate::base::Instant;
use crate::sim::dice::Dice;
use crate::sim::link::Direction;
use crate::sim::mail::What;
use crate::sim::peer::Half;
use crate::wire::Role;

/// Between the end of a session and its next beginning, at least and at most, milliseconds.
const REDIAL: (u64, u64) = (500, 3_000);

/// How long a direct connection takes to come about, at least and at most, milliseconds.
pub(super) const SIGNALLING: (u64, u64) = (50, 1_500);

impl Network {
    /// Dials two that the scenario connects.
    pub(super) fn dial_again(&mut self, a: usize, b: usize) {
        if self.peer(a).has_left || self.peer(b).has_left {
            return;
        }
        if !self.connect(a, b) {
            self.redial(a, b);
        }
    }

    /// Has two that the scenario connects dialled again after a while.
    pub(super) fn redial(&mut self, a: usize, b: usize) {
        let (a, b) = pair(a, b);
        if self.links.contains(&(a, b)) {
            let wait = self.dice.within(REDIAL);
            self.schedule(Instant(self.now.0 + wait), Coming::Dial(a, b));
        }
    }

    /// Whether both are there, on one side of a split.
    fn is_reachable(&self, a: usize, b: usize) -> bool {
        let parts = self.shared.scenario.parts;
        self.peer(a).is_up() && self.peer(b).is_up() && (!self.is_split || a % parts == b % parts)
    }

    /// Whether both know of one and the same session.
    pub(super) fn is_open(&self, a: usize, b: usize) -> bool {
        let session = |a: usize, b: usize| self.peer(a).halves.get(&b).map(|half| half.session);
        session(a, b).is_some() && session(a, b) == session(b, a)
    }

    /// Begins a session, unless there is one; whether there is one now.
    pub(super) fn connect(&mut self, a: usize, b: usize) -> bool {
        if !self.is_reachable(a, b) {
            return false;
        }
        if self.is_open(a, b) {
            return true;
        }
        // One of them may not know yet that the last one is over.
        self.end_half(a, b);
        self.end_half(b, a);
        self.sequence += 1;
        let session = self.sequence;
        let is_direct = [a, b].iter().all(|peer| self.peer(*peer).role == Role::Tab);
        for (peer, other) in [(a, b), (b, a)] {
            let id = self.peer(other).id;
            let dice = Dice::new(self.shared.seed, &[7, peer as u64, other as u64, session]);
            let half = Half { session, id, way: Direction::new(dice), paused_until: Instant(0) };
            let of_peer = self.peer_mut(peer);
            of_peer.halves.insert(other, half);
            of_peer.known.insert(id, other);
            self.tell(peer, What::Connected(id, is_direct));
        }
        true
    }

    /// Ends a session from outside; both sides see it.
    pub(super) fn sever(&mut self, a: usize, b: usize) {
        let ended = [self.end_half(a, b), self.end_half(b, a)];
        if ended.contains(&true) {
            self.redial(a, b);
        }
    }

    fn end_half(&mut self, peer: usize, other: usize) -> bool {
        let of_peer = self.peer_mut(peer);
        let Some(half) = of_peer.halves.remove(&other) else { return false };
        of_peer.known.remove(&half.id);
        if of_peer.is_up() {
            self.tell(peer, What::Disconnected(half.id));
        }
        true
    }

    /// All sessions, each once.
    pub(super) fn sessions(&self) -> Vec<(usize, usize)> {
        let of = |number: usize| {
            let others = self.peer(number).halves.keys();
            others.filter(move |other| number < **other).map(move |other| (number, *other))
        };
        (0..self.shared.scenario.all_peers()).flat_map(of).collect()
    }
}
