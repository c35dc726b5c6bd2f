//! One simulated peer through all its lives: what it is, what it has stored, its sessions and what comes to it.
//!
//! Starts and crashes are here; what a living peer does is in `serve`.

use std::collections::{BTreeMap, BinaryHeap};

use super::chain::{Chain, Happened};
use super::dice::Dice;
use super::disk::Disk;
use super::liars::Liar;
use super::link::{Direction, Uplink};
use super::mail::{Mail, WORLD, What};
use super::shard::Shared;
use super::tally::Tally;
use super::verify::Remembering;
use crate::base::{BoardId, EventId, Instant, Now, PeerId, Seconds};
use crate::crypto::{Identity, Root, SecretKey, derive};
use crate::invite::Address;
use crate::node::{Command, Input, Node, Setup};
use crate::wire::Role;

/// The wall clock at the beginning: 2026-01-01.
const EPOCH: u64 = 1_767_225_600;

/// Who acts for a peer.
pub(super) enum Brain {
    /// Nobody: it has crashed, left or not come yet.
    Nobody,
    /// The node of the product.
    Node(Box<Node<Remembering>>),
    /// Somebody who does not follow the protocol.
    Liar(Liar),
}

/// How a peer is placed in the world.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Seconds the wall clock is ahead, when positive.
    pub skew: i64,
    /// In the background, with the moment within a minute at which its timers run, milliseconds.
    pub hidden: Option<u64>,
    /// Its frames leave slowly and take long.
    pub is_slow: bool,
    /// Its storage is full while people write.
    pub disk_full: bool,
    /// Its storage is slow.
    pub disk_slow: bool,
    pub nat: Nat,
}

/// What stands between a tab and those who want to connect to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Nat {
    /// Nothing.
    Open,
    /// One port for everybody: can be reached by whoever it writes to.
    #[default]
    Cone,
    /// Another port for everybody.
    Symmetric,
}

impl Nat {
    /// Whether two tabs can reach each other (RFC 8445 finds a pair, or there is none without a relay for media).
    pub(super) fn reaches(self, other: Nat) -> bool {
        matches!((self, other), (Nat::Open, _) | (_, Nat::Open) | (Nat::Cone, Nat::Cone))
    }
}

/// One side of a session.
pub(super) struct Half {
    pub session: u64,
    /// The other's key.
    pub id: PeerId,
    /// The way to the other.
    pub way: Direction,
    /// Nothing of the other is read before.
    pub paused_until: Instant,
}

/// One peer.
pub(super) struct Peer {
    pub number: usize,
    pub role: Role,
    pub is_liar: bool,
    /// The numbers of the boards it keeps.
    pub boards: Vec<u16>,
    pub place: Place,
    pub brain: Brain,
    pub id: PeerId,
    pub disk: Disk,
    /// What is to come.
    pub inbox: BinaryHeap<Mail>,
    /// When its node or liar wants to be woken.
    pub wake: Option<Instant>,
    /// Counts what it sends, to others and to itself.
    pub sequence: u64,
    /// By the number of the other.
    pub halves: BTreeMap<usize, Half>,
    pub known: BTreeMap<PeerId, usize>,
    pub uplink: Uplink,
    pub dice: Dice,
    pub chain: Chain,
    /// Of each event by its number: one more than the hops it came, or 0 when it did not.
    pub got: Vec<u8>,
    /// What its person was shown as saved.
    pub saved: Vec<EventId>,
    /// Whether it left for good.
    pub has_left: bool,
    life: u64,
    seed: [u8; 32],
    key: [u8; 32],
}

impl Peer {
    pub(super) fn new(number: usize, role: Role, boards: Vec<u16>, place: Place, seed: u64) -> Peer {
        let parts: [&[u8]; 2] = [&seed.to_le_bytes(), &(number as u64).to_le_bytes()];
        Peer {
            number,
            role,
            is_liar: false,
            boards,
            place,
            brain: Brain::Nobody,
            id: PeerId::default(),
            disk: Disk::default(),
            inbox: BinaryHeap::new(),
            wake: None,
            sequence: 0,
            halves: BTreeMap::new(),
            known: BTreeMap::new(),
            uplink: Uplink::default(),
            dice: Dice::new(seed, &[1, number as u64]),
            chain: Chain::default(),
            got: Vec::new(),
            saved: Vec::new(),
            has_left: false,
            life: 0,
            seed: derive("chanterelle 2026 simulated peer", &parts),
            key: [0; 32],
        }
    }

    pub(super) fn is_up(&self) -> bool {
        !matches!(self.brain, Brain::Nobody)
    }

    /// Whether promises are made to it: it is no liar and has not left.
    pub(super) fn counts(&self) -> bool {
        !self.is_liar && !self.has_left && self.life > 0
    }

    /// Its key on the network.
    pub(super) fn key(&self) -> SecretKey {
        SecretKey::from_seed(self.key)
    }

    /// Where it is dialled.
    pub(super) fn address(&self) -> Address {
        Address::new(&self.id.0).expect("the length of an address")
    }

    /// Both its clocks.
    pub(super) fn now(&self, now: Instant) -> Now {
        let unix = (EPOCH + now.0 / 1_000).saturating_add_signed(self.place.skew);
        Now { instant: now, unix: Seconds(unix) }
    }

    pub(super) fn reads(&self, board: u16) -> bool {
        self.role == Role::Relay || self.boards.contains(&board)
    }

    /// Whether an event has come to it, and over how many links.
    pub(super) fn hops(&self, number: u32) -> Option<u8> {
        self.got.get(number as usize).copied().and_then(|hops| hops.checked_sub(1))
    }

    /// Takes note that an event came over so many links; whether that is news.
    pub(super) fn has_got(&mut self, number: u32, hops: u8) -> bool {
        let place = number as usize;
        if place >= self.got.len() {
            self.got.resize(place + 1, 0);
        }
        let is_new = self.got[place] == 0;
        if is_new {
            self.got[place] = hops.saturating_add(1);
        }
        is_new
    }

    /// When the next thing happens here.
    pub(super) fn next(&self) -> Instant {
        let mail = self.inbox.peek().map_or(Instant(u64::MAX), |mail| mail.at);
        self.wake.map_or(mail, |wake| wake.min(mail))
    }

    /// Takes in what is to come. To a tab in the background frames come once a second.
    pub(super) fn post(&mut self, mut mail: Mail, active: u64) {
        if let (Some(phase), What::Frame { .. }) = (self.place.hidden, &mail.what)
            && mail.at.0 < active
        {
            mail.at = Instant(next_at(mail.at.0, 1_000, phase % 1_000));
        }
        self.inbox.push(mail);
    }

    /// The same by the world, at once.
    pub(super) fn tell(&mut self, now: Instant, sequence: u64, what: What) {
        self.inbox.push(Mail { at: now, from: WORLD, sequence, what });
    }

    /// When a deadline comes about: to a tab in the background once a minute.
    pub(super) fn woken_at(&self, deadline: Instant, active: u64) -> Instant {
        match self.place.hidden {
            Some(phase) if deadline.0 < active => Instant(next_at(deadline.0, 60_000, phase)),
            _ => deadline,
        }
    }

    /// Has another key from now on, unless it is a relay, which keeps its own.
    pub(super) fn rename(&mut self) {
        self.life += 1;
        let life = if self.role == Role::Relay { 1 } else { self.life };
        self.key = derive("chanterelle 2026 simulated peer key", &[&self.seed, &life.to_le_bytes()]);
        self.id = PeerId(self.key().public().0);
    }

    /// Starts a node with what was durable. Its outputs have yet to be performed.
    pub(super) fn start(&mut self, now: Instant, shared: &Shared) {
        let now = self.now(now);
        let setup = Setup {
            seed: derive("chanterelle 2026 simulated node", &[&self.seed, &self.life.to_le_bytes()]),
            peer: self.id,
            role: self.role,
            identity: (self.role == Role::Tab).then(|| Identity::from_root(Root(self.seed))),
            agent: "simulated".to_owned(),
            limits: shared.limits.clone(),
        };
        let mut node = Node::with_verifier(setup, now, Remembering::default());
        let (rows, state) = self.disk.restore(&shared.book);
        node.handle(now, Input::Restore(rows));
        node.handle(now, Input::Restored(state));
        for board in &self.boards {
            let name = shared.boards[usize::from(*board)].0.clone();
            node.handle(now, Input::Command(Command::Subscribe(name)));
        }
        self.brain = Brain::Node(Box::new(node));
    }

    /// What it holds in memory is gone; of the batch under way it is open whether it is stored. A forgetful crash takes
    /// some of what is stored but was not to be written at once.
    pub(super) fn crash(&mut self, now: Instant, forgets: bool, shared: &Shared, tally: &mut Tally) {
        self.chain.add(Happened::Crashed, now, &[]);
        self.brain = Brain::Nobody;
        self.wake = None;
        for mail in core::mem::take(&mut self.inbox).into_sorted_vec().into_iter().rev() {
            match mail.what {
                What::Commit { batch, .. } if self.dice.chance(500) => {
                    self.disk.commit(batch, &shared.book, |number| tally.holder(number, 1));
                }
                What::Frame { .. } => tally.lost += 1,
                _ => {}
            }
        }
        if forgets {
            let kept = self.dice.below(self.disk.unwritten() as u64 + 1) as usize;
            self.disk.forget_unwritten(kept, &shared.book, |number| tally.holder(number, -1));
        }
        let mut held = vec![0; self.got.len()];
        for number in self.disk.numbers(&shared.book) {
            if let (Some(held), Some(hops)) = (held.get_mut(number as usize), self.got.get(number as usize)) {
                *held = *hops;
            }
        }
        self.got = held;
    }

    /// Goes for good, with all it has stored.
    pub(super) fn leave(&mut self, now: Instant, shared: &Shared, tally: &mut Tally) {
        self.crash(now, false, shared, tally);
        self.has_left = true;
        self.disk.numbers(&shared.book).for_each(|number| tally.holder(number, -1));
        self.disk = Disk::default();
    }

    /// The boards it keeps, by id.
    pub(super) fn board_ids<'a>(&'a self, shared: &'a Shared) -> impl Iterator<Item = BoardId> + 'a {
        self.boards.iter().map(|board| shared.boards[usize::from(*board)].1)
    }
}

/// The next moment, `at` or later, that is `phase` past a multiple of `every`.
fn next_at(at: u64, every: u64, phase: u64) -> u64 {
    let past = (at + every - phase % every) % every;
    if past == 0 { at } else { at + every - past }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_throttled_moment_is_the_next_of_its_phase() {
        assert_eq!(
            [0, 299, 300, 301, 1_300].map(|at| next_at(at, 1_000, 300)),
            [300, 300, 300, 1_300, 1_300]
        );
        assert_eq!([0, 1].map(|at| next_at(at, 1_000, 0)), [0, 1_000]);
    }

    #[test]
    fn two_symmetric_nats_never_meet() {
        let reaches = |a: Nat, b: Nat| a.reaches(b) && b.reaches(a);
        assert!(reaches(Nat::Open, Nat::Symmetric) && reaches(Nat::Cone, Nat::Cone));
        assert!(!reaches(Nat::Cone, Nat::Symmetric) && !reaches(Nat::Symmetric, Nat::Symmetric));
    }
}
