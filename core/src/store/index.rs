//! Every event held, with one order for each question that is asked of them.
//!
//! All orders are of slots of the [`Slab`] and nothing is kept twice: an event with one reference costs about 120 bytes,
//! all orders included. What is not held and only referred to has a slot, too, which a reference cost its author forty
//! bytes of an event to bring about. All is ordered, so that whatever is derived from it is the same on every target.

use core::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::board::{Board, BoardRef};
use super::held::RowRef;
use super::order::{At, Order};
use super::row::{Rel, Row};
use super::slab::{NONE, OWN, SENT, SLOT_BITS, Slab, short};
use crate::base::{AuthorId, BoardId, BoxMap, EventId, Seconds, ThreadId, set_of};
use crate::crypto::no_board;
use crate::event::Kind;

/// Every event held, by what is asked. In the entries of its orders the slot has the low bits.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub(super) slab: Slab,
    /// By id, its first 32 bits: those that are referred to, too.
    ids: Order,
    /// How many of them are held.
    len: usize,
    boards: BoxMap<BoardId, Board>,
    /// Events that belong to no board, as a board; its number is 0.
    boardless: Board,
    /// Boards by their number, less one.
    numbers: Vec<BoardId>,
    free_numbers: Vec<u32>,
    /// By (thread, number of the board, time, id), the slot of the thread.
    threads: Order,
    /// Of the events that belong to no board, by (author, time, id), the author's first 32 bits.
    authors: Order,
    /// By (target, role, id), slot of the target and role: a stranger decides how many targets there are.
    referrers: Order,
    unsent: BTreeSet<EventId>,
    revision: u64,
}

impl Index {
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

    /// Puts an event. Of one that is held only what can change is noted: whose it is, what has become of it, and when it
    /// was first seen.
    pub fn insert(&mut self, row: Row) {
        if row.own && !row.sent {
            self.unsent.insert(row.id);
        } else {
            self.unsent.remove(&row.id);
        }
        let slot = self.slot_for(&row.id);
        if self.slab.is_held(slot) {
            self.slab.mark(slot, &row);
            return;
        }
        self.revision += 1;
        self.len += 1;
        let home = row.home().map_or(NONE, |thread| self.slot_for(&thread));
        let targets: Vec<u32> = row.refs.iter().map(|(_, target)| self.slot_for(target)).collect();
        let number = self.number_for(&row.board);
        self.slab.hold(slot, &row, number, home, &targets);
        let slab = &self.slab;
        for ((rel, _), target) in row.refs.iter().zip(targets) {
            let key = referring(*rel, target, slot);
            self.referrers.put(key, &before_referring(slab, key));
        }
        if home != NONE {
            self.threads.put(entry(home, slot), &before_in_thread(slab, slot));
        }
        if number == 0 {
            self.authors.put(entry(prefix(&row.author.0), slot), &before_of_author(slab, slot));
        }
        let board = board_mut(&mut self.boards, &mut self.boardless, &self.numbers, number);
        board.revision = self.revision;
        board.events.put(entry(short(row.time), slot), &before_in_time(slab, slot));
        if home != NONE {
            let id = slab.get(home).id;
            board.threads.put(entry(prefix(&id.0), home), &before_by_id(slab, id));
        }
        if row.kind.is_post() {
            board.posts += 1;
            board.last = board.last.max(Some(row.time.min(row.first_seen)));
        }
        if let Some(name) = row.board_name {
            board.naming += 1;
            board.name.get_or_insert(name);
        }
    }

    /// Forgets an event: for one that could not be stored, or is not kept any longer.
    pub fn remove(&mut self, id: &EventId) -> Option<Row> {
        let held = self.get(id)?;
        let (slot, number, home) = (held.slot, held.entry.board, held.entry.home);
        let (row, written) = (held.to_row(), held.written());
        self.unsent.remove(id);
        self.revision += 1;
        self.len -= 1;
        let slab = &self.slab;
        let mut meant = Vec::with_capacity(row.refs.len() + 2);
        for (rel, target) in slab.refs(slot) {
            let key = referring(rel, target, slot);
            self.referrers.take(key, &before_referring(slab, key));
            meant.push(target);
        }
        if home != NONE {
            self.threads.take(entry(home, slot), &before_in_thread(slab, slot));
        }
        if number == 0 {
            self.authors.take(entry(prefix(&row.author.0), slot), &before_of_author(slab, slot));
        }
        let is_thread_here = self.in_thread(home, number, number + 1).next().is_some();
        let slab = &self.slab;
        let board = board_mut(&mut self.boards, &mut self.boardless, &self.numbers, number);
        board.revision = self.revision;
        board.events.take(entry(short(row.time), slot), &before_in_time(slab, slot));
        if home != NONE && !is_thread_here {
            let id = slab.get(home).id;
            board.threads.take(entry(prefix(&id.0), home), &before_by_id(slab, id));
        }
        if row.board_name.is_some() {
            board.naming -= 1;
            board.name.take_if(|_| board.naming == 0);
        }
        let was_last = row.kind.is_post() && board.last == Some(written);
        board.posts -= u32::from(row.kind.is_post());
        if board.events.is_empty() && number != 0 {
            self.boards.remove(&row.board);
            self.free_numbers.push(number);
        } else if was_last {
            let latest =
                self.board_by_number(number).and_then(|board| BoardRef { index: self, board }.latest());
            board_mut(&mut self.boards, &mut self.boardless, &self.numbers, number).last = latest;
        }
        self.slab.forget(slot);
        meant.extend([home, slot]);
        meant.sort_unstable();
        meant.dedup();
        meant.into_iter().filter(|slot| *slot != NONE).for_each(|slot| self.let_go(slot));
        Some(row)
    }

    /// Marks an own event as acknowledged elsewhere; whether that is news.
    pub fn mark_sent(&mut self, id: &EventId) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let entry = self.slab.get_mut(slot);
        let is_news = entry.flags & OWN != 0 && entry.flags & SENT == 0;
        if is_news {
            entry.flags |= SENT;
            self.unsent.remove(id);
        }
        is_news
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

    pub(super) fn board_by_number(&self, number: u32) -> Option<&Board> {
        if number == 0 { Some(&self.boardless) } else { self.boards.get(&self.board_id(number)) }
    }

    /// The slot of an event that is held or referred to.
    fn slot(&self, id: &EventId) -> Option<u32> {
        let slot = slot_of(self.ids.get(self.seek(id))?);
        (self.slab.get(slot).id == *id).then_some(slot)
    }

    fn seek(&self, id: &EventId) -> At {
        self.ids.seek_even(entry(prefix(&id.0), 0), &before_by_id(&self.slab, *id))
    }

    /// The slot of an event, which is made if there is none.
    fn slot_for(&mut self, id: &EventId) -> u32 {
        let at = self.seek(id);
        if let Some(slot) = self.ids.get(at).map(slot_of).filter(|slot| self.slab.get(*slot).id == *id) {
            return slot;
        }
        let slot = self.slab.add(*id);
        self.ids.insert(at, entry(prefix(&id.0), slot));
        slot
    }

    /// Gives back the slot of an event that is not held, if nothing that is held means it.
    fn let_go(&mut self, slot: u32) {
        let is_meant_in = |order: &Order| {
            let at = order.seek(&|entry| entry >> 32 < u64::from(slot));
            order.get(at).is_some_and(|entry| entry >> 32 == u64::from(slot))
        };
        if self.slab.is_held(slot) || is_meant_in(&self.threads) || is_meant_in(&self.referrers) {
            return;
        }
        let id = self.slab.get(slot).id;
        self.ids.take(entry(prefix(&id.0), slot), &before_by_id(&self.slab, id));
        self.slab.remove(slot);
    }

    /// The number of a board, which is made if there is none.
    fn number_for(&mut self, id: &BoardId) -> u32 {
        if *id == no_board() {
            return 0;
        }
        let board = self.boards.get_or_insert_with(*id, Board::default);
        if board.number == 0 {
            board.number = self.free_numbers.pop().unwrap_or_else(|| {
                self.numbers.push(*id);
                u32::try_from(self.numbers.len()).expect("no more boards than events")
            });
            self.numbers[board.number as usize - 1] = *id;
        }
        board.number
    }

    /// The events of a thread on the boards of these numbers, the last left out.
    fn in_thread(&self, thread: u32, from: u32, to: u32) -> impl DoubleEndedIterator<Item = RowRef<'_>> {
        let seek = |number: u32| {
            self.threads.seek(&|entry| {
                (entry >> 32, self.slab.get(slot_of(entry)).board) < (u64::from(thread), number)
            })
        };
        self.threads.range(seek(from), seek(to)).map(|entry| self.row(entry))
    }
}

/// The slot in an entry of an order.
pub(super) fn slot_of(entry: u64) -> u32 {
    u32::try_from(entry & ((1 << SLOT_BITS) - 1)).expect("fewer than 32 bits")
}

/// An entry sorted by a number, then by what is asked of the slot.
fn entry(number: u32, slot: u32) -> u64 {
    u64::from(number) << 32 | u64::from(slot)
}

/// The first 32 bits of an identifier, in its order.
fn prefix(bytes: &[u8; 32]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// An entry of the referrers: target, role, and who refers.
fn referring(rel: Rel, target: u32, slot: u32) -> u64 {
    entry(target, slot) | (rel as u64) << SLOT_BITS
}

fn board_mut<'a>(
    boards: &'a mut BoxMap<BoardId, Board>,
    boardless: &'a mut Board,
    numbers: &[BoardId],
    number: u32,
) -> &'a mut Board {
    match number.checked_sub(1) {
        Some(at) => boards.get_mut(&numbers[at as usize]).expect("a board has a number while it has events"),
        None => boardless,
    }
}

// Which entries of an order come before that of an event.

fn before_by_id(slab: &Slab, id: EventId) -> impl Fn(u64) -> bool + '_ {
    let prefix = u64::from(prefix(&id.0));
    move |entry| match (entry >> 32).cmp(&prefix) {
        Ordering::Equal => slab.get(slot_of(entry)).id < id,
        other => other.is_lt(),
    }
}

fn before_in_time(slab: &Slab, slot: u32) -> impl Fn(u64) -> bool + '_ {
    let time = u64::from(slab.get(slot).time);
    move |entry| match (entry >> 32).cmp(&time) {
        Ordering::Equal => slab.by_time(slot_of(entry), slot).is_lt(),
        other => other.is_lt(),
    }
}

fn before_in_thread(slab: &Slab, slot: u32) -> impl Fn(u64) -> bool + '_ {
    let (home, board) = (u64::from(slab.get(slot).home), slab.get(slot).board);
    move |entry| {
        let other = slot_of(entry);
        let by_board = || slab.get(other).board.cmp(&board);
        (entry >> 32).cmp(&home).then_with(by_board).then_with(|| slab.by_time(other, slot)).is_lt()
    }
}

fn before_of_author(slab: &Slab, slot: u32) -> impl Fn(u64) -> bool + '_ {
    let author = slab.get(slot).author;
    let prefix = u64::from(prefix(&author.0));
    move |entry| {
        let other = slot_of(entry);
        let by_author = || slab.get(other).author.cmp(&author);
        (entry >> 32).cmp(&prefix).then_with(by_author).then_with(|| slab.by_time(other, slot)).is_lt()
    }
}

fn before_referring(slab: &Slab, key: u64) -> impl Fn(u64) -> bool + '_ {
    let id = slab.get(slot_of(key)).id;
    move |entry| match (entry >> SLOT_BITS).cmp(&(key >> SLOT_BITS)) {
        Ordering::Equal => slab.get(slot_of(entry)).id < id,
        other => other.is_lt(),
    }
}
