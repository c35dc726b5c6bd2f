//! What was written in a run: each event once, by a number, for all peers together.
//!
//! Peers keep numbers where they would keep events, so that ten thousand of them fit into one machine. Changes only
//! between windows; in a window it is read by all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::peek::{Mark, mark};
use crate::base::{EventId, Instant};
use crate::store::Row;

/// One event.
pub(super) struct Fact {
    /// When it was written.
    pub at: Instant,
    /// The number of its board.
    pub board: u16,
    /// The number of the peer that wrote it.
    pub author: usize,
    /// Its row, as a peer would have it that did not write it and saw it when it says it was written.
    pub row: Row,
    /// The event.
    pub bytes: Arc<[u8]>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Book {
    facts: Vec<Fact>,
    by_id: BTreeMap<EventId, u32>,
    by_mark: BTreeMap<Mark, u32>,
}

impl Book {
    /// Takes an event in; its number.
    pub(super) fn add(&mut self, fact: Fact) -> u32 {
        let number = u32::try_from(self.facts.len()).expect("a run has less than 2^24 events");
        self.by_id.insert(fact.row.id, number);
        self.by_mark.extend(mark(&fact.bytes).map(|mark| (mark, number)));
        self.facts.push(fact);
        number
    }

    pub(super) fn number(&self, id: &EventId) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    pub(super) fn marked(&self, mark: Mark) -> Option<u32> {
        self.by_mark.get(&mark).copied()
    }

    pub(super) fn fact(&self, number: u32) -> &Fact {
        &self.facts[number as usize]
    }

    pub(super) fn facts(&self) -> &[Fact] {
        &self.facts
    }

    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }
}
