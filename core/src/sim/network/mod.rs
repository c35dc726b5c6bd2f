//! The world between the windows: one queue of what is to happen, in the order of virtual time.
//!
//! Everything that concerns two peers at once is done here, at the beginning of a window, one thing after the other:
//! sessions begin and break, peers start, crash and leave, the network splits, people are told to write. What happens in
//! a window comes back as news.

mod direct;
mod faults;
mod judge;
mod sessions;
mod setting;
mod topology;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use core::time::Duration;

use super::book::Fact;
use super::dice::Dice;
use super::mail::What;
use super::news::{Happening, News};
use super::peer::{Brain, Peer};
use super::report::Report;
use super::scenario::Scenario;
use super::shard::{Shard, Shared, Task};
use crate::base::{EventId, Instant, PeerId};
use crate::event::Kind;
use crate::invite::Address;

/// Runs `scenario` with `seed` to its end, on this thread alone.
#[must_use]
pub fn run(scenario: &Scenario, seed: u64) -> Report {
    run_with(scenario, seed, 1, &mut |shards| shards.iter_mut().for_each(Shard::run))
}

/// The same with the peers in so many shares. `work` is called for every window with all of them, and calls
/// [`Shard::run`] on each, on whatever threads; it may move them as long as all are back, in any order, when it returns.
/// The report does not depend on how many there are.
///
/// # Panics
/// When `work` has not run all shards.
#[must_use]
pub fn run_with(
    scenario: &Scenario,
    seed: u64,
    shards: usize,
    work: &mut dyn FnMut(&mut Vec<Shard>),
) -> Report {
    let mut network = Network::new(scenario, seed, shards.max(1));
    network.run(work);
    network.report(work)
}

/// Something the world does.
enum Coming {
    /// A peer starts, for the first time or again.
    Start(usize),
    Leave(usize),
    Dial(usize, usize),
    /// A tab dials another directly, by way of these relays.
    Direct(usize, PeerId, Vec<Address>),
    Write,
    Faults,
    Split(bool),
    /// Faults cease.
    Calm,
    WarmedUp,
    Check,
}

struct Network {
    shared: Arc<Shared>,
    shards: Vec<Shard>,
    queue: BTreeMap<(Instant, u64), Coming>,
    /// Counts what the world does and the sessions that begin.
    sequence: u64,
    now: Instant,
    dice: Dice,
    /// Who is connected by the scenario, lower number first.
    links: BTreeSet<(usize, usize)>,
    /// The peers that are up, by their keys.
    keys: BTreeMap<PeerId, usize>,
    is_split: bool,
    crashes: u64,
    converged: Option<Duration>,
}

impl Network {
    fn run(&mut self, work: &mut dyn FnMut(&mut Vec<Shard>)) {
        self.plan();
        let window = self.shared.link.least_ms;
        let scenario = &self.shared.scenario;
        let end = Instant((scenario.active + scenario.settle) * 1_000);
        loop {
            let world = self.queue.first_key_value().map_or(Instant(u64::MAX), |((at, _), _)| *at);
            let peers = self.shards.iter().map(|shard| shard.share().soonest()).min();
            let soonest = world.min(peers.unwrap_or(Instant(u64::MAX)));
            self.now = Instant(soonest.0 / window * window);
            if soonest > end || self.converged.is_some() {
                break;
            }
            while let Some(next) = self.queue.first_entry().filter(|next| next.key().0 <= self.now) {
                let coming = next.remove();
                self.happen(coming, work);
            }
            self.work(Task::Live(Instant(self.now.0 + window)), work);
            self.exchange();
        }
    }

    fn happen(&mut self, coming: Coming, work: &mut dyn FnMut(&mut Vec<Shard>)) {
        match coming {
            Coming::Start(peer) => self.start(peer),
            Coming::Leave(peer) => self.leave(peer),
            Coming::Dial(a, b) => self.dial_again(a, b),
            Coming::Direct(from, to, relays) => self.dial_directly(from, to, &relays),
            Coming::Write => self.write(),
            Coming::Faults => self.faults(),
            Coming::Split(is_split) => self.split(is_split),
            Coming::Calm => {
                let shared = self.shared_mut();
                shared.is_active = false;
                shared.link = shared.link.calmed();
            }
            Coming::WarmedUp => self.shared_mut().is_warm = true,
            Coming::Check => self.check(work),
        }
    }

    /// Has all shards do something.
    fn work(&mut self, task: Task, work: &mut dyn FnMut(&mut Vec<Shard>)) {
        for shard in &mut self.shards {
            let share = shard.share_mut();
            share.task = task;
            share.shared = Some(Arc::clone(&self.shared));
        }
        work(&mut self.shards);
        self.shards.sort_unstable_by_key(|shard| shard.share().place);
        assert!(self.shards.iter().all(|shard| shard.share().shared.is_none()), "every shard has run");
    }

    /// Carries mail between the shards and acts on their news, in the order in which it happened.
    fn exchange(&mut self) {
        let count = self.shards.len();
        for from in 0..count {
            for to in 0..count {
                let mail = core::mem::take(&mut self.shards[from].share_mut().outgoing[to]);
                if !mail.is_empty() {
                    self.shards[to].share_mut().incoming.push(mail);
                }
            }
        }
        let shards = self.shards.iter_mut();
        let mut news: Vec<News> =
            shards.flat_map(|shard| core::mem::take(&mut shard.share_mut().news)).collect();
        news.sort_unstable_by_key(|news| (news.at, news.peer, news.sequence));
        for News { at, peer, what, .. } in news {
            match what {
                Happening::Dials(to, relays) => {
                    let signalling = self.dice.within(sessions::SIGNALLING);
                    self.schedule(Instant(at.0 + signalling), Coming::Direct(peer, to, relays));
                }
                Happening::Closed(other) => self.redial(peer, other),
                Happening::Wrote(event, bytes) => self.wrote(at, peer, event, bytes.into_vec()),
            }
        }
    }

    /// Takes note of what a peer has written.
    fn wrote(&mut self, at: Instant, number: usize, event: EventId, bytes: Vec<u8>) {
        let count = self.shards.len();
        let peer = &mut self.shards[number % count].share_mut().peers[number / count];
        let Brain::Node(node) = &peer.brain else { return };
        let Some(mut row) = node.index().get(&event).map(|row| row.to_row()) else { return };
        let shared = Arc::get_mut(&mut self.shared).expect("every shard has run");
        let Some(board) = (0..).zip(&shared.boards).find(|(_, (_, board))| *board == row.board) else {
            return;
        };
        let board: u16 = board.0;
        (row.own, row.sent, row.first_seen) = (false, false, row.time);
        if row.kind == Kind::THREAD {
            shared.threads[usize::from(board)].push(event);
        }
        let event = shared.book.add(Fact { at, board, author: number, row, bytes: bytes.into() });
        peer.has_got(event, 0);
        let id = shared.book.fact(event).row.id;
        let share = self.shards[number % count].share_mut();
        if share.peers[number / count].disk.number_is_known(&id, &shared.book) {
            share.tally.holder(event, 1);
        }
    }

    fn write(&mut self) {
        if !self.shared.is_active {
            return;
        }
        let gap = 60_000 / self.shared.scenario.posts_per_minute;
        let wait = self.dice.within((gap / 2, gap + gap / 2));
        self.schedule(Instant(self.now.0 + wait), Coming::Write);
        // Who has not come yet or has left writes nothing.
        let (all, liars) = (self.shared.scenario.all_peers(), &self.shared.liars);
        let chosen = self.dice.below((all - liars.len()) as u64) as usize;
        let peer = if chosen < liars.start { chosen } else { chosen + liars.len() };
        self.tell(peer, What::Write);
    }

    fn schedule(&mut self, at: Instant, coming: Coming) {
        self.sequence += 1;
        let window = self.shared.link.least_ms;
        let at = Instant(at.0.max(self.now.0).div_ceil(window) * window);
        self.queue.insert((at, self.sequence), coming);
    }

    /// Has something come to a peer now.
    fn tell(&mut self, peer: usize, what: What) {
        self.sequence += 1;
        let (now, sequence, count) = (self.now, self.sequence, self.shards.len());
        let share = self.shards[peer % count].share_mut();
        let place = peer / count;
        share.peers[place].tell(now, sequence, what);
        share.next[place] = share.peers[place].next();
    }

    fn peer(&self, number: usize) -> &Peer {
        let count = self.shards.len();
        &self.shards[number % count].share().peers[number / count]
    }

    fn peer_mut(&mut self, number: usize) -> &mut Peer {
        let count = self.shards.len();
        &mut self.shards[number % count].share_mut().peers[number / count]
    }

    fn peers(&self) -> impl Iterator<Item = &Peer> {
        (0..self.shared.scenario.all_peers()).map(|number| self.peer(number))
    }

    fn shared_mut(&mut self) -> &mut Shared {
        Arc::get_mut(&mut self.shared).expect("every shard has run")
    }
}

/// Two numbers, the lower first.
fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
