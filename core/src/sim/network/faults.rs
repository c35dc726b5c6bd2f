//! What goes wrong in a run: sessions break, peers crash, the network splits.

use super::{Coming, Network};
use crate::base::Instant;
use crate::crypto::Rng;

impl Network<'_> {
    /// Once every five seconds: a twelfth of what breaks in a minute.
    pub(super) fn faults(&mut self) {
        if !self.is_active() {
            return;
        }
        self.schedule(Instant(self.now.0 + 5_000), Coming::Minute);
        let twelfth = |per_minute: u64, rng: &mut Rng| rng.below(12_000) < per_minute;
        for (a, b) in self.sessions.keys().copied().collect::<Vec<_>>() {
            if twelfth(self.scenario.link.broken, &mut self.rng) {
                self.sever(a, b);
            }
        }
        for peer in 0..self.peers.len() {
            if self.peers[peer].node.is_some() && twelfth(self.scenario.crashes, &mut self.rng) {
                self.crash(peer);
            }
        }
    }

    pub(super) fn crash(&mut self, peer: usize) {
        self.crashes += 1;
        self.note(3, peer, &[]);
        self.peers[peer].node = None;
        self.lives[peer] += 1;
        let links: Vec<(usize, usize)> =
            self.sessions.keys().copied().filter(|(a, b)| *a == peer || *b == peer).collect();
        links.into_iter().for_each(|(a, b)| self.sever(a, b));
        let at = self.later((1_000, 8_000));
        self.schedule(at, Coming::Restart(peer));
    }

    pub(super) fn split(&mut self, split: bool) {
        self.split = split;
        self.note(4, usize::from(split), &[]);
        let crossing: Vec<(usize, usize)> =
            self.sessions.keys().copied().filter(|(a, b)| split && a % 2 != b % 2).collect();
        crossing.into_iter().for_each(|(a, b)| self.sever(a, b));
    }
}
