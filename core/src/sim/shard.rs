//! A share of the peers, which one worker serves: through a window of time in which no share hears of another.
//!
//! Nothing sent in a window arrives in it, since no link is shorter (conservative synchronization with lookahead: Chandy
//! and Misra, "Distributed Simulation", IEEE Transactions on Software Engineering 5, 1979). So shares may be run in any
//! order and on any threads; where threads come from is the business of whoever calls.

use std::sync::Arc;

use super::book::Book;
use super::link::Link;
use super::mail::Mail;
use super::news::News;
use super::peer::{Brain, Peer};
use super::scenario::Scenario;
use super::tally::Tally;
use super::verify::Verdicts;
use crate::base::{BoardId, BoardName, EventId, Instant, Limits};
use crate::wire::Role;

/// A share of the peers. Hand it to any thread and call [`Shard::run`] once.
pub struct Shard(Box<Share>);

/// What all read in a window and nobody changes.
pub(super) struct Shared {
    pub scenario: Scenario,
    pub limits: Limits,
    /// The same for whoever compresses nothing: liars, whose noise only costs time to compress.
    pub plain: Limits,
    pub seed: u64,
    /// The boards by number.
    pub boards: Vec<(BoardName, BoardId)>,
    pub book: Book,
    /// The threads of each board, by its number.
    pub threads: Vec<Vec<EventId>>,
    /// The links as they are now.
    pub link: Link,
    /// Whether people write and things break.
    pub is_active: bool,
    /// Whether the network has warmed up.
    pub is_warm: bool,
    /// The number of the first liar: they stand behind all that are there from the beginning.
    pub liars: core::ops::Range<usize>,
    /// What every honest peer that reads its board should have, by the number of the event.
    pub owed: Vec<bool>,
    /// How many of them each board has.
    pub owed_of: Vec<u64>,
    /// What was written and nobody has stored.
    pub unsaved: Vec<EventId>,
}

/// What a worker is to do with its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// To live until then.
    Live(Instant),
    /// To say whether all have what they should.
    Judge,
}

/// What is owed to the peers of a share and what of it they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub owed: u64,
    pub held: u64,
    /// Peers that are down, or have not stored yet what nobody else has.
    pub unsettled: u64,
}

/// The inside of a [`Shard`].
pub(super) struct Share {
    /// Which share it is.
    pub place: usize,
    /// Those whose numbers leave this remainder when divided by the number of shares, in order.
    pub peers: Vec<Peer>,
    /// When something happens at each of them next.
    pub next: Vec<Instant>,
    /// What came from other shares, with the place of its receiver among the peers.
    pub incoming: Vec<Vec<(usize, Mail)>>,
    /// What goes to each share.
    pub outgoing: Vec<Vec<(usize, Mail)>>,
    pub news: Vec<News>,
    pub tally: Tally,
    pub verdicts: Option<Box<Verdicts>>,
    pub task: Task,
    pub verdict: Verdict,
    pub shared: Option<Arc<Shared>>,
}

impl Shard {
    pub(super) fn new(place: usize, of: usize) -> Shard {
        Shard(Box::new(Share {
            place,
            peers: Vec::new(),
            next: Vec::new(),
            incoming: Vec::new(),
            outgoing: (0..of).map(|_| Vec::new()).collect(),
            news: Vec::new(),
            tally: Tally::default(),
            verdicts: Some(Box::default()),
            task: Task::Judge,
            verdict: Verdict::default(),
            shared: None,
        }))
    }

    /// Does what the simulation wants of this share now. Calling it again does nothing.
    pub fn run(&mut self) {
        let Some(shared) = self.0.shared.take() else { return };
        match self.0.task {
            Task::Live(until) => self.0.live(&shared, until),
            Task::Judge => self.0.judge(&shared),
        }
    }

    pub(super) fn share(&self) -> &Share {
        &self.0
    }

    pub(super) fn share_mut(&mut self) -> &mut Share {
        &mut self.0
    }
}

impl Share {
    /// When something happens in this share next.
    pub(super) fn soonest(&self) -> Instant {
        let mail = self.incoming.iter().flatten().map(|(_, mail)| mail.at);
        self.next.iter().copied().chain(mail).min().unwrap_or(Instant(u64::MAX))
    }

    fn live(&mut self, shared: &Shared, until: Instant) {
        let active = shared.scenario.active * 1_000;
        for (place, mail) in core::mem::take(&mut self.incoming).into_iter().flatten() {
            self.peers[place].post(mail, active);
            self.next[place] = self.peers[place].next();
        }
        for place in 0..self.peers.len() {
            if self.next[place] < until {
                self.serve(place, shared, until);
            }
        }
    }

    fn judge(&mut self, shared: &Shared) {
        let mut verdict = Verdict::default();
        for peer in self.peers.iter().filter(|peer| peer.counts()) {
            let reads = |number: &u32| peer.reads(shared.book.fact(*number).board);
            let owed = |number: &u32| shared.owed[*number as usize] && reads(number);
            verdict.held += peer.disk.numbers(&shared.book).filter(owed).count() as u64;
            verdict.owed += match peer.role {
                Role::Relay => shared.owed_of.iter().sum::<u64>(),
                Role::Tab => peer.boards.iter().map(|board| shared.owed_of[usize::from(*board)]).sum(),
            };
            let is_settled = match &peer.brain {
                Brain::Node(node) => shared.unsaved.iter().all(|id| !node.is_pending(id)),
                _ => false,
            };
            verdict.unsettled += u64::from(!is_settled);
        }
        self.verdict = verdict;
    }
}
