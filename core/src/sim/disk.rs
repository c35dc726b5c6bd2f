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
    loose: BTreeMap<EventId, Whole>,
    state: Option<Vec<u8>>,
    /// How it was before each of the last batches that were not to be written at once, the oldest first.
    undo: Vec<Undo>,
}

/// The number of an event, 24 bits; first seen, in seconds from the beginning of all clocks, 32 bits; own and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u64);

/// A row and its event.
type Whole = (Row, Arc<[u8]>);

/// How it was before a batch: what the batch has written over, or that there was nothing.
struct Undo {
    at: Instant,
    before: Vec<(EventId, Option<Whole>)>,
    /// The remembered state, if the batch had one.
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

    fn get(&self, id: &EventId, book: &Book) -> Option<Whole> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AuthorId, BoardId};
    use crate::event::Kind;
    use crate::node::Ticket;
    use crate::store::Marks;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn row(id: u8) -> Row {
        Row {
            id: EventId([id; 32]),
            author: AuthorId([1; 32]),
            board: BoardId([2; 32]),
            thread: None,
            kind: Kind::THREAD,
            time: Seconds(EARLIEST + 100),
            seq: 0,
            first_seen: Seconds(EARLIEST + 100),
            size: 3,
            sage: false,
            own: false,
            sent: false,
            salt: None,
            board_name: None,
            follow: None,
            marks: Marks::default(),
            refs: vec![(crate::store::Rel::Quotes, EventId([9; 32]))],
        }
    }

    fn bytes(id: u8) -> Arc<[u8]> {
        Arc::from(vec![id; 80])
    }

    /// A book in which events 0 to 4 stand.
    fn book() -> Book {
        let mut book = Book::default();
        for id in 0..5 {
            let (row, bytes) = (row(id), bytes(id));
            book.add(Fact { at: Instant(0), board: 0, author: 0, row, bytes });
        }
        book
    }

    fn batch(rows: Vec<(Row, bool)>, state: Option<u8>) -> Batch {
        let put = |(row, has_event): (Row, bool)| {
            let event = has_event.then(|| bytes(row.id.0[0]));
            Put { row, event, from: None }
        };
        let puts = rows.into_iter().map(put).collect();
        Batch { ticket: Ticket(1), strict: false, puts, state: state.map(|state| vec![state]) }
    }

    #[test]
    fn what_was_committed_is_restored_as_it_was() {
        let (mut disk, book) = (Disk::default(), book());
        let mut stored = Vec::new();
        let seen = |id: u8, after: u64| Row { first_seen: Seconds(EARLIEST + after), ..row(id) };
        // Out of order, one of nobody's knowledge, one unlike what everybody has.
        let odd = Row { size: 77, own: true, ..row(2) };
        let rows = [seen(3, 7), seen(1, 8), seen(200, 9), odd.clone()];
        let all = rows.iter().cloned().map(|row| (row, true)).collect();
        disk.commit(batch(all, Some(5)), &book, |number| stored.push(number));
        assert_eq!(stored, [3, 1, 2]);
        disk.commit(batch(vec![(Row { sent: true, ..seen(3, 7) }, false)], None), &book, |_| {
            panic!("nothing new")
        });
        let (restored, state) = disk.restore(&book);
        assert_eq!(restored, [seen(1, 8), odd, Row { sent: true, ..seen(3, 7) }, seen(200, 9)]);
        assert_eq!(state, Some(vec![5]));
        let ids = [3, 200, 0, 2].map(|id| EventId([id; 32]));
        assert_eq!(ids.map(|id| disk.holds(&id, &book)), [true, true, false, true]);
        let read = disk.read(&ids, &book);
        assert_eq!(
            read.iter().map(|(id, bytes)| (id.0[0], bytes[0])).collect::<Vec<_>>(),
            [(3, 3), (200, 200), (2, 2)]
        );
    }

    #[test]
    fn a_forgetful_crash_takes_the_last_batches_whole() {
        let book = book();
        let disk = || {
            let mut disk = Disk::default();
            disk.commit(batch(vec![(row(0), true)], Some(1)), &book, |_| {});
            let later = |disk: &mut Disk, at, rows, state| {
                disk.commit_unwritten(batch(rows, state), &book, Instant(at), |_| {});
            };
            later(&mut disk, 10, vec![(row(1), true), (row(201), true)], Some(2));
            later(&mut disk, 20, vec![(Row { sent: true, ..row(0) }, false), (row(2), true)], Some(3));
            disk
        };
        for (kept, ids, state) in [(0, vec![0], 1), (1, vec![0, 1, 201], 2), (2, vec![0, 1, 2, 201], 3)] {
            let (mut disk, mut lost) = (disk(), Vec::new());
            assert_eq!(disk.unwritten(), 2);
            disk.forget_unwritten(kept, &book, |number| lost.push(number));
            let (rows, remembered) = disk.restore(&book);
            assert_eq!(rows.iter().map(|row| row.id.0[0]).collect::<Vec<_>>(), ids);
            assert_eq!((rows[0].sent, remembered), (kept == 2, Some(vec![state])));
            assert_eq!(lost.len(), 2 - kept, "what has no number is not counted");
        }
        let mut disk = disk();
        disk.commit(batch(vec![], None), &book, |_| {});
        assert_eq!(disk.unwritten(), 0, "what is written at once takes with it what was not");
    }

    #[test]
    fn what_gets_a_number_is_kept_by_it() {
        let (mut disk, mut book) = (Disk::default(), Book::default());
        let own = Row { own: true, ..row(7) };
        disk.commit(batch(vec![(own.clone(), true)], None), &book, |_| panic!("it has no number yet"));
        book.add(Fact { at: Instant(0), board: 0, author: 0, row: row(7), bytes: bytes(7) });
        assert!(disk.number_is_known(&own.id, &book) && !disk.number_is_known(&row(8).id, &book));
        assert_eq!(disk.restore(&book).0, [own]);
        assert_eq!((disk.numbers(&book).collect::<Vec<_>>(), disk.loose.len()), (vec![0], 0));
    }
}
