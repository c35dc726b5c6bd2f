//! What goes wrong in a run, and who comes and goes: sessions break, peers start, crash and leave, the network splits.

use serde_bytes::ByteBuf;

use super::{Coming, Network};
use crate::base::Instant;
use crate::node::{Command, Input};
use crate::sim::chain::Happened;
use crate::sim::liars::{Kind, Liar};
use crate::sim::peer::Brain;
use crate::sim::shard::{Share, Shared};
use crate::wire::Role;

/// Between a crash and the next start, at least and at most, milliseconds.
const DOWN: (u64, u64) = (1_000, 8_000);

impl Network {
    /// Starts a peer, for the first time or again.
    pub(super) fn start(&mut self, number: usize) {
        if self.peer(number).has_left {
            return;
        }
        let before = self.peer(number).id;
        self.keys.remove(&before);
        self.peer_mut(number).rename();
        let peer = self.peer(number);
        let (id, is_liar, is_tab) = (peer.id, peer.is_liar, peer.role == Role::Tab);
        self.keys.insert(id, number);
        if is_liar {
            let kind = self.kind_of(number);
            self.peer_mut(number).brain = Brain::Liar(Liar::new(kind));
            return;
        }
        let record = (self.shared.scenario.direct.is_some() && is_tab).then(|| self.record_of(number));
        let (now, count) = (self.now, self.shards.len());
        let shared = &self.shared;
        let share = self.shards[number % count].share_mut();
        let place = number / count;
        share.peers[place].start(now, shared);
        let direct = |record: ByteBuf| Input::Command(Command::Direct(Some(record)));
        share.first(place, shared, now, record.map(direct));
    }

    /// What a liar is.
    fn kind_of(&self, number: usize) -> Kind {
        let scenario = &self.shared.scenario;
        let mut place = number - self.shared.liars.start;
        for (kind, share) in &scenario.liars {
            let count = scenario.share(*share);
            if place < count {
                return *kind;
            }
            place -= count;
        }
        unreachable!("there are as many liars as the kinds have together")
    }

    /// Once every five seconds: a twelfth of what breaks in a minute.
    pub(super) fn faults(&mut self) {
        if !self.shared.is_active {
            return;
        }
        self.schedule(Instant(self.now.0 + 5_000), Coming::Faults);
        let (broken, crashes) = (self.shared.link.broken, self.shared.scenario.crashes);
        if broken > 0 {
            for (a, b) in self.sessions() {
                if self.dice.below(12_000) < broken {
                    self.sever(a, b);
                }
            }
        }
        if crashes > 0 {
            for peer in 0..self.shared.scenario.all_peers() {
                if self.dice.below(12_000) < crashes && self.peer(peer).is_up() && !self.peer(peer).is_liar {
                    self.crash(peer);
                }
            }
        }
    }

    fn crash(&mut self, number: usize) {
        self.crashes += 1;
        let forgets = self.dice.chance(self.shared.scenario.forgetful);
        self.down(number, |share, place, shared, now| {
            share.peers[place].crash(now, forgets, shared, &mut share.tally);
        });
        let wait = self.dice.within(DOWN);
        self.schedule(Instant(self.now.0 + wait), Coming::Start(number));
    }

    pub(super) fn leave(&mut self, number: usize) {
        self.down(number, |share, place, shared, now| {
            share.peers[place].leave(now, shared, &mut share.tally);
        });
    }

    /// A peer is there no more, and its sessions end.
    fn down(&mut self, number: usize, how: impl FnOnce(&mut Share, usize, &Shared, Instant)) {
        let (now, count) = (self.now, self.shards.len());
        let place = number / count;
        let share = self.shards[number % count].share_mut();
        how(share, place, &self.shared, now);
        share.next[place] = share.peers[place].next();
        let others: Vec<usize> = share.peers[place].halves.keys().copied().collect();
        others.into_iter().for_each(|other| self.sever(number, other));
        let id = self.peer(number).id;
        self.keys.remove(&id);
    }

    pub(super) fn split(&mut self, is_split: bool) {
        self.is_split = is_split;
        let (now, parts) = (self.now, self.shared.scenario.parts);
        for number in 0..self.shared.scenario.all_peers() {
            self.peer_mut(number).chain.add(Happened::Split, now, &[u8::from(is_split)]);
        }
        if is_split {
            let sessions = self.sessions();
            let crossing = sessions.into_iter().filter(|(a, b)| a % parts != b % parts);
            crossing.for_each(|(a, b)| self.sever(a, b));
        }
    }
}
