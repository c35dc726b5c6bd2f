//! Two peers that reconcile a scope as docs/sync.md describes, and the fields of their messages as somebody else
//! would write them.

use std::collections::BTreeSet;

use chanterelle_core::base::{BoardId, Day, EventId, Instant};
use chanterelle_core::crypto::Rng;
use chanterelle_core::sync::{
    Answer, Cache, DaySet, Exchange, ExchangeError, Found, Gathered, Held, Salts, Span, Step, answer,
};
use chanterelle_core::wire::Scope;

pub(super) const SCOPE: Scope = Scope::Board(BoardId([1; 32]));
/// The first day of most windows here.
pub(super) const FIRST: u32 = 20_600;

/// An event that follows from its number: an identifier that looks random, on one of so many days.
pub(super) fn event(n: u32, days: u32) -> (Day, EventId) {
    let id = EventId(*blake3::hash(&n.to_le_bytes()).as_bytes());
    (Day(FIRST + u32::from_le_bytes([id.0[0], id.0[1], id.0[2], 0]) % days), id)
}

/// One peer with what it holds.
pub(super) struct Peer {
    pub(super) set: Gathered,
    pub(super) cache: Cache,
    pub(super) message_bytes: usize,
    pub(super) salts: Salts,
    rng: Rng,
}

/// What came of an exchange.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) found: Found,
    /// The events that the other side gave.
    pub(super) given: BTreeSet<EventId>,
    /// Messages of the side that began, those that fetch not counted.
    pub(super) steps: usize,
    /// All messages of both sides, in order.
    pub(super) said: Vec<Vec<u8>>,
}

impl Peer {
    /// With a window from day `since` on, and a salt that follows from `seed`.
    pub(super) fn new(since: u32, seed: u8) -> Self {
        let mut rng = Rng::new([seed; 32]);
        let salts = Salts::new(Instant(0), &mut rng);
        Self { set: Gathered::new(Day(since)), cache: Cache::new(1 << 23), message_bytes: 65_536, salts, rng }
    }

    pub(super) fn with(mut self, events: impl IntoIterator<Item = (Day, EventId)>) -> Self {
        for (day, id) in events {
            self.set.insert(day, id);
        }
        self
    }

    pub(super) fn held(&mut self) -> Held<'_> {
        Held { scope: SCOPE, set: &self.set, cache: &mut self.cache, message_bytes: self.message_bytes }
    }

    pub(super) fn begin(&mut self) -> (Exchange, Vec<u8>) {
        Exchange::begin(&self.held(), Day(0))
    }

    pub(super) fn resume(&mut self, exchange: &mut Exchange, message: &[u8]) -> Result<Step, ExchangeError> {
        exchange.on_answer(&mut self.held(), &|_| true, message)
    }

    pub(super) fn answer(&mut self, message: &[u8]) -> Result<Answer, ExchangeError> {
        let held = &mut Held {
            scope: SCOPE,
            set: &self.set,
            cache: &mut self.cache,
            message_bytes: self.message_bytes,
        };
        answer(held, &self.salts, message)
    }

    /// The answer of an honest peer to a question that is no request for events.
    #[track_caller]
    pub(super) fn say(&mut self, message: &[u8]) -> Vec<u8> {
        match self.answer(message) {
            Ok(Answer::Say(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    /// Changes the salt as after so many hours.
    pub(super) fn hours(&mut self, hours: u64) {
        self.salts.renew(Instant(hours * 3_600_000), &mut self.rng);
    }

    pub(super) fn ids(&self) -> BTreeSet<EventId> {
        let mut ids = BTreeSet::new();
        self.set.ids(Span { from: Day(0), to: Day(u32::MAX) }, &mut |id| assert!(ids.insert(*id)));
        ids
    }
}

/// A whole exchange between honest peers, in which every message is within the bounds of both.
pub(super) fn reconcile(ours: &mut Peer, theirs: &mut Peer) -> Outcome {
    let (mut exchange, mut message) = ours.begin();
    let (mut steps, mut said) = (0, Vec::new());
    let mut found = loop {
        steps += 1;
        assert!(steps < 1_000, "an exchange ends");
        let answer = theirs.say(&message);
        let bound = ours.message_bytes.min(theirs.message_bytes);
        assert!(message.len().max(answer.len()) <= bound, "{} and {} bytes", message.len(), answer.len());
        said.extend([message, answer.clone()]);
        match ours.resume(&mut exchange, &answer).expect("an honest answer") {
            Step::Ask(next) => message = next,
            Step::Done(found) => break found,
        }
    };
    let (mut given, mut needs) = (BTreeSet::new(), found.need.clone());
    while let Some(message) = needs.next_message(100) {
        let Ok(Answer::Give { ids, unknown: None }) = theirs.answer(&message) else { panic!("they have it") };
        given.extend(ids);
        said.push(message);
    }
    assert_eq!(given.len(), found.need.len());
    found.have.sort_unstable();
    Outcome { found, given, steps, said }
}

/// LEB128, as the messages have it.
pub(super) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
