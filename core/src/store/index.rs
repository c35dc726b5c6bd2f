//! Every event held, with one order for each question that is asked of them.
//!
//! All orders are of slots of the [`Slab`] and nothing is kept twice: an event with one reference costs about 120 bytes,
//! all orders included. What is not held and only referred to has a slot, too, which a reference cost its author forty
//! bytes of an event to bring about. All is ordered, so that whatever is derived from it is the same on every target.

use std::collections::{BTreeMap, BTreeSet};

use super::board::{Board, BoardRef};
use super::held::RowRef;
use super::key::{before_by_id, before_in_day, entry, prefix, referring, slot_of};
use super::order::{At, Order};
use super::retention::Class;
use super::row::Rel;
use super::slab::{NONE, SLOT_BITS, Slab};
use crate::base::{AuthorId, BoardId, BoxMap, Day, EventId, Limits, Seconds, ThreadId, set_of};
use crate::crypto::no_board;
use crate::event::Kind;

/// Every event held, by what is asked. In the entries of its orders the slot has the low bits.
#[derive(Clone, Debug)]
pub struct Index {
    pub(super) slab: Slab,
    /// By id, its first 32 bits: those that are referred to, too.
    pub(super) ids: Order,
    /// How many of them are held.
    pub(super) len: usize,
    pub(super) boards: BoxMap<BoardId, Board>,
    /// Events that belong to no board, as a board; its number is 0.
    pub(super) boardless: Board,
    /// Boards by their number, less one.
    pub(super) numbers: Vec<BoardId>,
    pub(super) free_numbers: Vec<u32>,
    /// By (thread, number of the board, time, id), the slot of the thread.
    pub(super) threads: Order,
    /// Of the events that belong to no board, by (author, time, id), the author's first 32 bits.
    pub(super) authors: Order,
    /// By (target, role, id), slot of the target and role: a stranger decides how many targets there are.
    pub(super) referrers: Order,
    /// Of the facts, by (author, kind, whom it is about), the author's first 32 bits.
    pub(super) facts: Order,
    pub(super) unsent: BTreeSet<EventId>,
    pub(super) revision: u64,
    /// How many events count on a day of a board.
    pub(super) day_events: usize,
    /// How many events there are of each class, and the bytes of those that are not withheld.
    pub(super) sums: [(usize, u64); Class::ALL.len()],
    /// The first day of which the events of all boards are kept whole, and where that is another for one of them.
    pub(super) from: Day,
    pub(super) windows: Vec<(BoardId, Day)>,
}

impl Default for Index {
    /// As the network has it.
    fn default() -> Self {
        Index::new(&Limits::default())
    }
}

impl Index {
    /// Nothing yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Index {
        Index {
            slab: Slab::default(),
            ids: Order::default(),
            len: 0,
            boards: BoxMap::new(),
            boardless: Board::default(),
            numbers: Vec::new(),
            free_numbers: Vec::new(),
            threads: Order::default(),
            authors: Order::default(),
            referrers: Order::default(),
            facts: Order::default(),
            unsent: BTreeSet::new(),
            revision: 0,
            day_events: limits.day_events,
            sums: Default::default(),
            from: Day(0),
            windows: Vec::new(),
        }
    }

    /// What is held of an event.
    #[must_use]
    pub fn get(&self, id: &EventId) -> Option<RowRef<'_>> {
        self.slot(id).map(|slot| self.row(slot.into())).filter(|row| self.slab.is_held(row.slot))
    }

    /// Whether an event is held.
    #[must_use]
    pub fn contains(&self, id: &EventId) -> bool {
        self.slot(id).is_some_and(|slot| self.slab.is_held(slot))
    }

    /// Events held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Events held of a class, withheld ones included.
    #[must_use]
    pub fn count(&self, class: Class) -> usize {
        self.sums[class as usize].0
    }

    /// Bytes of the events of a class that are not withheld.
    #[must_use]
    pub fn bytes(&self, class: Class) -> u64 {
        self.sums[class as usize].1
    }

    /// All events by id.
    pub fn rows(&self) -> impl Iterator<Item = RowRef<'_>> {
        self.ids.iter().map(|entry| self.row(entry)).filter(|row| self.slab.is_held(row.slot))
    }

    /// A board, if any of its events is held.
    #[must_use]
    pub fn board(&self, board: &BoardId) -> Option<BoardRef<'_>> {
        self.boards.get(board).map(|board| BoardRef { index: self, board })
    }

    /// All boards of which an event is held.
    pub fn boards(&self) -> impl Iterator<Item = (&BoardId, BoardRef<'_>)> {
        self.boards.iter().map(|(id, board)| (id, BoardRef { index: self, board }))
    }

    /// All events that belong to no board, as if they belonged to one.
    #[must_use]
    pub fn boardless(&self) -> BoardRef<'_> {
        BoardRef { index: self, board: &self.boardless }
    }

    /// An author's events that belong to no board, by claimed time.
    pub fn of_author<'a>(&'a self, author: &AuthorId) -> impl Iterator<Item = RowRef<'a>> + use<'a> {
        let sought = (u64::from(prefix(&author.0)), *author);
        let key = |entry: u64| (entry >> 32, self.slab.get(slot_of(entry)).author);
        let from = self.authors.seek(&|entry| key(entry) < sought);
        let to = self.authors.seek(&|entry| key(entry) <= sought);
        self.authors.range(from, to).map(|entry| self.row(entry))
    }

    /// Whom an author follows: of what was said of each, the highest (seq, time, id) counts.
    #[must_use]
    pub fn follows(&self, author: &AuthorId) -> BTreeSet<AuthorId> {
        let mut said: BTreeMap<AuthorId, (u64, Seconds, EventId, bool)> = BTreeMap::new();
        for row in self.of_author(author) {
            let Some((who, ended)) = row.follow() else { continue };
            let fact = (row.seq(), row.time(), row.id(), ended);
            said.entry(who).and_modify(|last| *last = fact.max(*last)).or_insert(fact);
        }
        set_of(said.into_iter().filter(|(_, (.., ended))| !ended).map(|(who, _)| who))
    }

    /// The events of a thread by claimed time.
    pub fn of_thread<'a>(
        &'a self,
        board: &BoardId,
        thread: &ThreadId,
    ) -> impl DoubleEndedIterator<Item = RowRef<'a>> + use<'a> {
        let thread = self.slot(thread).unwrap_or(NONE);
        // No event is in the range from a number up to the same.
        let (from, to) = self.boards.get(board).map_or((0, 0), |board| (board.number, board.number + 1));
        self.in_thread(thread, from, to)
    }

    /// The events of a thread on whatever board they claim to be, each board's by claimed time.
    pub fn of_thread_anywhere<'a>(&'a self, thread: &ThreadId) -> impl Iterator<Item = RowRef<'a>> + use<'a> {
        self.in_thread(self.slot(thread).unwrap_or(NONE), 1, u32::MAX)
    }

    /// The held events that refer to `target` in the role `rel`, by id.
    pub fn referrers<'a>(&'a self, target: &EventId, rel: Rel) -> impl Iterator<Item = RowRef<'a>> + use<'a> {
        let key = referring(rel, self.slot(target).unwrap_or(NONE), 0) >> SLOT_BITS;
        let from = self.referrers.seek(&|entry| entry >> SLOT_BITS < key);
        let to = self.referrers.seek(&|entry| entry >> SLOT_BITS <= key);
        self.referrers.range(from, to).map(|entry| self.row(entry))
    }

    /// The event that wins for `target` among those that refer to it as `rel`, are of `kind` and by its author:
    /// highest (seq, time, id).
    #[must_use]
    pub fn winner(&self, target: RowRef<'_>, rel: Rel, kind: Kind) -> Option<RowRef<'_>> {
        let (author, board) = (target.author(), target.entry.board);
        let is_meant =
            |row: &RowRef<'_>| row.kind() == kind && row.author() == author && row.entry.board == board;
        let rows = self.referrers(&target.id(), rel).filter(is_meant);
        rows.max_by_key(|row| (row.seq(), row.time(), row.id()))
    }

    /// The post of a thread whose id begins with `prefix` (lower-case hexadecimal); `None` when there is none or
    /// more than one.
    #[must_use]
    pub fn resolve_quote(&self, board: &BoardId, thread: &ThreadId, prefix: &str) -> Option<EventId> {
        let posts = self
            .of_thread(board, thread)
            .filter(|row| row.kind().is_post() && row.id().to_string().starts_with(prefix));
        let mut found = posts.map(|row| row.id());
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// Events written here that no other peer has acknowledged.
    pub fn unsent(&self) -> impl Iterator<Item = RowRef<'_>> {
        self.unsent.iter().filter_map(|id| self.get(id))
    }

    /// Grows with every change of the set of events.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The row of an entry of an order.
    pub(super) fn row(&self, entry: u64) -> RowRef<'_> {
        let slot = slot_of(entry);
        RowRef { index: self, slot, entry: self.slab.get(slot) }
    }

    /// What the event in a slot is called.
    pub(super) fn name_of(&self, slot: u32) -> Option<EventId> {
        (slot != NONE).then(|| self.slab.get(slot).id)
    }

    pub(super) fn board_id(&self, number: u32) -> BoardId {
        number.checked_sub(1).and_then(|at| self.numbers.get(at as usize).copied()).unwrap_or(no_board())
    }

    /// A board or what stands for none, to be changed.
    pub(super) fn board_of(&mut self, board: &BoardId) -> Option<&mut Board> {
        if *board == no_board() { Some(&mut self.boardless) } else { self.boards.get_mut(board) }
    }

    pub(super) fn board_by_number(&self, number: u32) -> Option<&Board> {
        if number == 0 { Some(&self.boardless) } else { self.boards.get(&self.board_id(number)) }
    }

    /// The slot of an event that is held or referred to.
    pub(super) fn slot(&self, id: &EventId) -> Option<u32> {
        let slot = slot_of(self.ids.get(self.seek(id))?);
        (self.slab.get(slot).id == *id).then_some(slot)
    }

    pub(super) fn seek(&self, id: &EventId) -> At {
        self.ids.seek_even(entry(prefix(&id.0), 0), &before_by_id(&self.slab, *id))
    }

    /// The events of a day on one board, by claimed time.
    pub(super) fn in_day(&self, board: &Board, day: Day) -> impl DoubleEndedIterator<Item = RowRef<'_>> {
        let seek = |day: u64| board.events.seek(&before_in_day(&self.slab, day));
        let range = board.events.range(seek(day.0.into()), seek(u64::from(day.0) + 1));
        range.map(|entry| self.row(entry))
    }

    /// The events of a thread on the boards of these numbers, the last left out.
    pub(super) fn in_thread(
        &self,
        thread: u32,
        from: u32,
        to: u32,
    ) -> impl DoubleEndedIterator<Item = RowRef<'_>> {
        let seek = |number: u32| {
            self.threads.seek(&|entry| {
                (entry >> 32, self.slab.get(slot_of(entry)).board) < (u64::from(thread), number)
            })
        };
        self.threads.range(seek(from), seek(to)).map(|entry| self.row(entry))
    }
}
