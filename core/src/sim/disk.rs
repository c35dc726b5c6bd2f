//! What a peer has stored, and what of it survives a crash: the storage of the shell, not of the node.
//!
//! An event that everybody knows takes a word: its number, when it was first seen and two marks; the rest is in the
//! [`Book`]. Events of liars, and rows that say anything else, are kept whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::book::{Book, Fact};
use crate::base::{EventId, Instant, Seconds};
use crate::node::{Batch, Put};
use crate::store::Row;

/// How long an operating system may keep what it was not asked to write at once, milliseconds.
const UNWRITTEN_MS: u64 = 5_000;

/// What is stored.
#[derive(Default)]
pub(super) struct Disk {
    /// Sorted by number, which is in front.
    entries: Vec<Entry>,
    loose: BTreeMap<EventId, (Row, Arc<[u8]>)>,
    state: Option<Vec<u8>>,
    /// How it was before each of the last batches that were not to be written at once, the oldest first.
    undo: Vec<Undo>,
}

/// The number of an event, 24 bits; first seen, in seconds from the beginning of all clocks, 32 bits; own and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u64);

struct Undo {
    at: Instant,
    before: Vec<(EventId, Option<(Row, Arc<[u8]>)>)>,
    state: Option<Option<Vec<u8>>>,
}

/// The earliest moment an entry can hold: no clock of a scenario is that far behind.
const EARLIEST: u64 = 1_700_000_000;

impl Entry {
    fn new(number: u32, row: &Row) -> Option<Entry> {
        let seen = u32::try_from(row.first_seen.0.checked_sub(EARLIEST)?).ok()?;
        let marks = u64::from(row.own) | u64::from(row.sent) << 1;
        (number < 1 << 24).then_some(Entry(u64::from(number) << 40 | u64::from(seen) << 8 | marks))
    }

    fn number(self) -> u32 {
        (self.0 >> 40) as u32
    }

    /// The row that this peer has of the event.
    fn row(self, fact: &Fact) -> Row {
        let first_seen = Seconds(EARLIEST + u64::from((self.0 >> 8) as u32));
        Row { first_seen, own: self.0 & 1 != 0, sent: self.0 & 2 != 0, ..fact.row.clone() }
    }
}

impl Disk {
    /// Whether an event is stored.
    pub(super) fn holds(&self, id: &EventId, book: &Book) -> bool {
        book.number(id).is_some_and(|number| self.place(number).is_ok()) || self.loose.contains_key(id)
    }

    /// The numbers of what is stored, in no order.
    pub(super) fn numbers(&self, book: &Book) -> impl Iterator<Item = u32> {
        let loose = self.loose.keys().filter_map(|id| book.number(id));
        self.entries.iter().map(|entry| entry.number()).chain(loose)
    }

    /// One transaction. Calls `stored` with the number of each event that was not stored before.
    pub(super) fn commit(&mut self, batch: Batch, book: &Book, stored: impl FnMut(u32)) {
        self.undo.clear();
        self.put_all(batch.puts, book, stored);
        self.state = batch.state.or(self.state.take());
    }

    /// The same without waiting until it is written: [`Disk::forget_unwritten`] may undo it.
    pub(super) fn commit_unwritten(
        &mut self,
        batch: Batch,
        book: &Book,
        now: Instant,
        stored: impl FnMut(u32),
    ) {
        self.undo.retain(|undo| undo.at.0 + UNWRITTEN_MS > now.0);
        let before = batch.puts.iter().map(|put| (put.row.id, self.get(&put.row.id, book))).collect();
        let state = batch.state.is_some().then(|| self.state.clone());
        self.undo.push(Undo { at: now, before, state });
        self.put_all(batch.puts, book, stored);
        self.state = batch.state.or(self.state.take());
    }

    /// Loses all but the first `kept` of the batches that the system need not have written yet. Calls `lost` with the
    /// number of each event that is gone.
    pub(super) fn forget_unwritten(&mut self, kept: usize, book: &Book, mut lost: impl FnMut(u32)) {
        while self.undo.len() > kept
            && let Some(undo) = self.undo.pop()
        {
            for (id, before) in undo.before {
                let was = self.remove(&id, book);
                match before {
                    Some((row, bytes)) => self.put(row, Some(bytes), book),
                    None => was.into_iter().for_each(&mut lost),
                }
            }
            if let Some(state) = undo.state {
                self.state = state;
            }
        }
        self.undo.clear();
    }

    /// How many batches [`Disk::forget_unwritten`] could lose.
    pub(super) fn unwritten(&self) -> usize {
        self.undo.len()
    }

    /// An event that is stored here has a number from now on; whether it is.
    pub(super) fn number_is_known(&mut self, id: &EventId, book: &Book) -> bool {
        let Some((row, bytes)) = self.loose.remove(id) else { return false };
        self.put(row, Some(bytes), book);
        true
    }

    /// All rows, by id, and the remembered state.
    pub(super) fn restore(&self, book: &Book) -> (Vec<Row>, Option<Vec<u8>>) {
        let numbered = self.entries.iter().map(|entry| entry.row(book.fact(entry.number())));
        let mut rows: Vec<Row> = numbered.chain(self.loose.values().map(|(row, _)| row.clone())).collect();
        rows.sort_unstable_by_key(|row| row.id);
        (rows, self.state.clone())
    }

    /// The bytes of those of the events that are stored.
    pub(super) fn read(&self, ids: &[EventId], book: &Book) -> Vec<(EventId, Vec<u8>)> {
        let bytes = |id: &EventId| match book.number(id).filter(|number| self.place(*number).is_ok()) {
            Some(number) => Some(book.fact(number).bytes.to_vec()),
            None => self.loose.get(id).map(|(_, bytes)| bytes.to_vec()),
        };
        ids.iter().filter_map(|id| Some((*id, bytes(id)?))).collect()
    }

    fn place(&self, number: u32) -> Result<usize, usize> {
        // Most come in the order in which they were written.
        match self.entries.last() {
            Some(last) if last.number() < number => Err(self.entries.len()),
            _ => self.entries.binary_search_by_key(&number, |entry| entry.number()),
        }
    }

    fn put_all(&mut self, puts: Vec<Put>, book: &Book, mut stored: impl FnMut(u32)) {
        for Put { row, event, .. } in puts {
            let number = book.number(&row.id);
            let held = number.is_some_and(|number| self.place(number).is_ok());
            let is_new = event.is_some() && !held && !self.loose.contains_key(&row.id);
            self.put(row, event, book);
            if is_new {
                number.into_iter().for_each(&mut stored);
            }
        }
    }

    fn put(&mut self, mut row: Row, event: Option<Arc<[u8]>>, book: &Book) {
        let id = row.id;
        if let Some(number) = book.number(&id) {
            let fact = book.fact(number);
            let entry = Entry::new(number, &row);
            let (first_seen, own, sent) = (row.first_seen, row.own, row.sent);
            (row.first_seen, row.own, row.sent) = (fact.row.first_seen, fact.row.own, fact.row.sent);
            if row == fact.row
                && let Some(entry) = entry
            {
                self.loose.remove(&id);
                match self.place(number) {
                    Ok(place) => self.entries[place] = entry,
                    Err(place) => self.entries.insert(place, entry),
                }
                return;
            }
            (row.first_seen, row.own, row.sent) = (first_seen, own, sent);
        }
        let bytes = event.or_else(|| self.get(&id, book).map(|(_, bytes)| bytes));
        let Some(bytes) = bytes else { return };
        self.remove(&id, book);
        self.loose.insert(id, (row, bytes));
    }

    fn get(&self, id: &EventId, book: &Book) -> Option<(Row, Arc<[u8]>)> {
        let numbered = book.number(id).and_then(|number| self.place(number).ok());
        match numbered.map(|place| self.entries[place]) {
            Some(entry) => {
                let fact = book.fact(entry.number());
                Some((entry.row(fact), Arc::clone(&fact.bytes)))
            }
            None => self.loose.get(id).cloned(),
        }
    }

    /// Removes an event; its number, if it was there and has one.
    fn remove(&mut self, id: &EventId, book: &Book) -> Option<u32> {
        let was_loose = self.loose.remove(id).is_some();
        let number = book.number(id)?;
        match self.place(number) {
            Ok(place) => {
                self.entries.remove(place);
                Some(number)
            }
            Err(_) => was_loose.then_some(number),
        }
    }
}
