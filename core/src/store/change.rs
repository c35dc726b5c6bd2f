//! Changes of the index: each keeps all orders in step.

use super::board::{Board, BoardRef};
use super::index::Index;
use super::key::slot_of;
use super::key::{
    before_by_id, before_in_thread, before_in_time, before_of_author, before_referring, entry, prefix,
    referring,
};
use super::order::Order;
use super::row::Row;
use super::slab::{NONE, OWN, SENT, short};
use crate::base::{BoardId, BoxMap, EventId};
use crate::crypto::no_board;

impl Index {
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
        board.days.insert(row.time.day(), &row.id);
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
        board.days.remove(row.time.day(), id);
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
