//! The judgement: whether all agree, and what of the promises was kept.

use std::collections::BTreeMap;

use super::{Coming, Network};
use crate::base::{EventId, Instant};
use crate::sim::histogram::Histogram;
use crate::sim::peek::Name;
use crate::sim::peer::Brain;
use crate::sim::report::{Broken, Report};
use crate::sim::shard::{Shard, Task, Verdict};
use crate::sim::tally::Tally;

impl Network {
    /// Every second after the last fault: whether all agree.
    pub(super) fn check(&mut self, work: &mut dyn FnMut(&mut Vec<Shard>)) {
        let verdict = self.judged(work);
        if verdict.unsettled == 0 && verdict.held == verdict.owed {
            self.converged = Some(self.now.since(Instant(self.shared.scenario.active * 1_000)));
            return;
        }
        self.schedule(Instant(self.now.0 + 1_000), Coming::Check);
    }

    /// Has every share say what is owed to its peers and what they hold.
    fn judged(&mut self, work: &mut dyn FnMut(&mut Vec<Shard>)) -> Verdict {
        // What nobody has any more was never promised: a crash took it before it was durable.
        let mut holders = vec![0; self.shared.book.len()];
        for shard in &self.shards {
            let counted = &shard.share().tally.holders;
            holders.iter_mut().zip(counted).for_each(|(sum, holders)| *sum += holders);
        }
        let shared = self.shared_mut();
        shared.owed = holders.iter().map(|holders| *holders > 0).collect();
        shared.owed_of = vec![0; shared.boards.len()];
        shared.unsaved.clear();
        for (fact, is_owed) in shared.book.facts().iter().zip(&shared.owed) {
            if *is_owed {
                shared.owed_of[usize::from(fact.board)] += 1;
            } else {
                shared.unsaved.push(fact.row.id);
            }
        }
        self.work(Task::Judge, work);
        let add = |sum: Verdict, verdict: Verdict| Verdict {
            owed: sum.owed + verdict.owed,
            held: sum.held + verdict.held,
            unsettled: sum.unsettled + verdict.unsettled,
        };
        self.shards.iter().map(|shard| shard.share().verdict).fold(Verdict::default(), add)
    }

    pub(super) fn report(mut self, work: &mut dyn FnMut(&mut Vec<Shard>)) -> Report {
        let verdict = self.judged(work);
        let mut tally = Tally::default();
        self.shards.iter().for_each(|shard| tally.merge(&shard.share().tally));
        if verdict.held != verdict.owed {
            self.missing().for_each(|(peer, event)| tally.broken(Broken::Missing { peer, event }));
        }
        for peer in self.peers().filter(|peer| peer.counts()) {
            let held = |id: &EventId| match &peer.brain {
                Brain::Node(node) => node.index().contains(id),
                _ => peer.disk.holds(id, &self.shared.book),
            };
            let lost = peer.saved.iter().filter(|id| !held(id));
            lost.for_each(|event| tally.broken(Broken::SavedLost { peer: peer.number, event: *event }));
        }
        tally.broken.sort_unstable();
        let mut trace = blake3::Hasher::new();
        for peer in self.peers() {
            trace.update(&peer.chain.value().to_le_bytes());
        }
        let mut last_hops = Histogram::default();
        tally.last_hops.iter().for_each(|hops| last_hops.add(u64::from(*hops)));
        let name = |name: Option<Name>| name.map_or("of liars".to_owned(), |name| name.to_string());
        let by_name: BTreeMap<String, (u64, u64)> =
            tally.frames.into_iter().map(|(named, counted)| (name(named), counted)).collect();
        let scenario = &self.shared.scenario;
        Report {
            scenario: scenario.name.clone(),
            seed: self.shared.seed,
            trace: trace.finalize().into(),
            peers: scenario.all_peers(),
            liars: self.shared.liars.len(),
            written: self.shared.book.len(),
            owed: verdict.owed,
            delivered: verdict.held,
            frames: by_name.values().map(|(frames, _)| frames).sum(),
            bytes: by_name.values().map(|(_, bytes)| bytes).sum(),
            by_name,
            lost: tally.lost,
            inputs: tally.inputs,
            wakes: tally.wakes,
            first: tally.first,
            again: tally.again,
            first_warm: tally.first_warm,
            again_warm: tally.again_warm,
            bytes_warm: tally.bytes_warm,
            hops: tally.hops,
            last_hops,
            latency: tally.latency,
            up: tally.up,
            down: tally.down,
            between_relays: tally.between_relays,
            between_tabs: tally.between_tabs,
            unread: tally.unread,
            closed: tally.closed,
            crashes: self.crashes,
            converged: self.converged,
            broken: tally.broken,
            broken_count: tally.broken_count,
        }
    }

    /// Peers that should hold an event and do not, as pairs.
    fn missing(&self) -> impl Iterator<Item = (usize, EventId)> {
        let facts = self.shared.book.facts().iter().zip(&self.shared.owed);
        let owed = facts.filter(|(_, is_owed)| **is_owed).map(|(fact, _)| fact);
        owed.flat_map(move |fact| {
            let lacks = move |number: &usize| {
                let peer = self.peer(*number);
                let reads = peer.counts() && peer.reads(fact.board);
                reads && !peer.disk.holds(&fact.row.id, &self.shared.book)
            };
            let peers = (0..self.shared.scenario.all_peers()).filter(lacks);
            peers.map(|number| (number, fact.row.id))
        })
    }
}
