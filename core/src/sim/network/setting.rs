//! The world before anything happens: who the peers are, what they read, where they are placed, what is to come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::topology::connect;
use super::{Coming, Network};
use crate::base::{BoardName, Instant, Limits};
use crate::crypto::open_board_id;
use crate::sim::book::Book;
use crate::sim::dice::Dice;
use crate::sim::peer::{Nat, Peer, Place};
use crate::sim::scenario::Scenario;
use crate::sim::shard::{Shard, Shared};
use crate::wire::Role;

impl Network {
    pub(super) fn new(scenario: &Scenario, seed: u64, count: usize) -> Network {
        let name = |number: usize| {
            let name = BoardName::new(&format!("board-{number}")).expect("letters, digits, a hyphen");
            let board = open_board_id(&name);
            (name, board)
        };
        let mut limits = Limits::default();
        if scenario.direct.is_none() {
            // Whoever is connected was connected by the scenario.
            limits.neighbours = usize::MAX;
        }
        let there = scenario.peers - scenario.all_liars()..scenario.peers;
        let shared = Shared {
            plain: Limits { compress_above: usize::MAX, ..limits.clone() },
            limits,
            seed,
            boards: (0..scenario.boards).map(name).collect(),
            book: Book::default(),
            threads: vec![Vec::new(); scenario.boards],
            link: scenario.link,
            is_active: true,
            is_warm: scenario.warm_up == 0,
            liars: there,
            owed: Vec::new(),
            owed_of: Vec::new(),
            unsaved: Vec::new(),
            scenario: scenario.clone(),
        };
        let mut dice = Dice::new(seed, &[0]);
        let peers = people(&shared, seed);
        let links = connect(&mut dice, &shared, &peers);
        let mut shards: Vec<Shard> = (0..count).map(|place| Shard::new(place, count)).collect();
        for peer in peers {
            let share = shards[peer.number % count].share_mut();
            share.peers.push(peer);
            share.next.push(Instant(u64::MAX));
        }
        Network {
            shared: Arc::new(shared),
            shards,
            queue: BTreeMap::new(),
            sequence: 0,
            now: Instant(0),
            dice,
            links,
            keys: BTreeMap::new(),
            is_split: false,
            crashes: 0,
            converged: None,
        }
    }

    /// Plans all that is known before.
    pub(super) fn plan(&mut self) {
        let scenario = self.shared.scenario.clone();
        let second = |seconds: u64| Instant(seconds * 1_000);
        (0..scenario.peers).for_each(|peer| self.schedule(Instant(0), Coming::Start(peer)));
        let active = scenario.active * 1_000;
        for peer in scenario.peers..scenario.all_peers() {
            let at = self.dice.below(active);
            self.schedule(Instant(at), Coming::Start(peer));
        }
        // Tabs that are there from the beginning, none twice.
        let mut staying: Vec<usize> = (scenario.relays..self.shared.liars.start).collect();
        for _ in 0..scenario.come_and_go(scenario.leaves) {
            let peer = staying.swap_remove(self.dice.below(staying.len() as u64) as usize);
            let at = self.dice.below(active);
            self.schedule(Instant(at), Coming::Leave(peer));
        }
        for (a, b) in self.links.iter().copied().collect::<Vec<_>>() {
            self.redial(a, b);
        }
        self.schedule(second(1), Coming::Write);
        self.schedule(second(5), Coming::Faults);
        self.schedule(second(scenario.warm_up), Coming::WarmedUp);
        if let Some((from, to)) = scenario.partition {
            self.schedule(second(from), Coming::Split(true));
            self.schedule(second(to), Coming::Split(false));
        }
        self.schedule(second(scenario.active), Coming::Calm);
        self.schedule(second(scenario.active + 1), Coming::Check);
    }
}

/// All peers: relays first, then tabs, then liars, then those that come later.
fn people(shared: &Shared, seed: u64) -> Vec<Peer> {
    let scenario = &shared.scenario;
    let chosen = |what: u64, number: usize, share: u64| Dice::new(seed, &[what, number as u64]).chance(share);
    let readers = Readers::new(scenario);
    let new = |number: usize| {
        let mut dice = Dice::new(seed, &[2, number as u64]);
        let is_relay = number < scenario.relays;
        let skew = dice.below(2 * scenario.skew + 1) as i64 - scenario.skew as i64;
        if is_relay {
            return Peer::new(number, Role::Relay, Vec::new(), Place { skew, ..Place::default() }, seed);
        }
        let boards = readers.choose(&mut dice);
        let nat = match dice.below(1_000) {
            at if at < scenario.nat_open => Nat::Open,
            at if at < scenario.nat_open + scenario.nat_symmetric => Nat::Symmetric,
            _ => Nat::Cone,
        };
        let place = Place {
            skew,
            hidden: chosen(3, number, scenario.hidden).then(|| dice.below(60_000)),
            is_slow: chosen(4, number, scenario.slow),
            disk_full: chosen(5, number, scenario.storage_full),
            disk_slow: chosen(6, number, scenario.storage_slow),
            nat,
        };
        let mut peer = Peer::new(number, Role::Tab, boards, place, seed);
        peer.is_liar = shared.liars.contains(&number);
        peer
    };
    (0..scenario.all_peers()).map(new).collect()
}

/// Who reads what.
struct Readers {
    /// The sums of the weights of the boards up to each.
    sums: Vec<u64>,
    each: (usize, usize),
}

impl Readers {
    fn new(scenario: &Scenario) -> Readers {
        let weight = |rank: u64| if scenario.zipf { 1_000_000_000 / rank } else { 1 };
        let sums = (1..=scenario.boards as u64).scan(0, |sum, rank| {
            *sum += weight(rank);
            Some(*sum)
        });
        Readers { sums: sums.collect(), each: scenario.boards_each }
    }

    /// So many draws; of boards that were drawn before none is added.
    fn choose(&self, dice: &mut Dice) -> Vec<u16> {
        let count = dice.within((self.each.0 as u64, self.each.1 as u64));
        let all = *self.sums.last().expect("there is at least one board");
        let draw = |_| {
            let at = dice.below(all);
            u16::try_from(self.sums.partition_point(|sum| *sum <= at)).expect("at most 60,000 boards")
        };
        let drawn: BTreeSet<u16> = (0..count).map(draw).collect();
        drawn.into_iter().collect()
    }
}
