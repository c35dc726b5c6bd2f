//! Changes of the index: each keeps all orders in step.

use super::board::{Board, BoardRef};
use super::held::RowRef;
use super::index::Index;
use super::key::{Fact, before_fact, fact_of, slot_of};
use super::key::{
    before_by_id, before_in_thread, before_in_time, before_of_author, before_referring, entry, prefix,
    referring,
};
use super::order::Order;
use super::retention::{Class, Marks, Refusal};
use super::row::Row;
use super::slab::{COUNTED, NONE, OWN, SENT, Slab, short};
use crate::base::{BoardId, BoxMap, EventId, Seconds};
use crate::crypto::no_board;

impl Index {
    /// Why an event that is not held would not be kept. It then need not be put here, stored or acknowledged; whoever
    /// sent it finds out by itself, when it has what stands before it.
    #[must_use]
    pub fn refuses(&self, row: &Row) -> Option<Refusal> {
        if self.rival(row).is_some_and(|rival| rank(&rival) > (row.seq, row.time, row.id)) {
            return Some(Refusal::Superseded);
        }
        if row.class() != Class::Stranger || self.contains(&row.id) {
            return None;
        }
        if row.time.day() < self.since(&row.board) {
            return Some(Refusal::Old);
        }
        let board = if row.board == no_board() { Some(self.boardless()) } else { self.board(&row.board) };
        let floor = board.and_then(|board| board.floor(row.time.day()));
        floor.filter(|floor| row.id < *floor).map(|_| Refusal::Crowded)
    }

    /// Puts an event. Of one that is held only what can change is noted: whose it is, what has become of it, when it was
    /// first seen, and marks.
    ///
    /// Returns the events that nothing keeps any longer because of it, itself perhaps: the caller is to remove them.
    pub fn insert(&mut self, row: Row) -> Vec<EventId> {
        if row.own && !row.sent {
            self.unsent.insert(row.id);
        } else {
            self.unsent.remove(&row.id);
        }
        let slot = self.slot_for(&row.id);
        if self.slab.is_held(slot) {
            return self.change(slot, &|slab| slab.mark(slot, &row)).into_iter().collect();
        }
        let mut gone = self.supersede(&row, slot);
        self.revision += 1;
        self.len += 1;
        let home = row.home().map_or(NONE, |thread| self.slot_for(&thread));
        let targets: Vec<u32> = row.refs.iter().map(|(_, target)| self.slot_for(target)).collect();
        let number = self.number_for(&row.board);
        self.slab.hold(slot, &row, number, home, &targets);
        if self.fact(&row).is_some() && !gone.contains(&row.id) {
            self.facts
                .put(entry(prefix(&row.author.0), slot), &before_fact(&self.slab, fact_of(&self.slab, slot)));
        }
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
        let pushed = board.days.insert(&mut self.slab, &board.events, slot, self.day_events);
        self.account(slot, true);
        let pushed = pushed.map(|slot| self.slab.get(slot)).filter(|event| event.class() == Class::Stranger);
        if let Some(event) = pushed.filter(|event| !gone.contains(&event.id)) {
            gone.push(event.id);
        }
        gone
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
        if fact_of(slab, slot).is_some() {
            self.facts.take(entry(prefix(&row.author.0), slot), &before_fact(slab, fact_of(slab, slot)));
        }
        self.account(slot, false);
        let is_thread_here = self.in_thread(home, number, number + 1).next().is_some();
        let board = board_mut(&mut self.boards, &mut self.boardless, &self.numbers, number);
        board.revision = self.revision;
        board.days.remove(&mut self.slab, slot, self.day_events);
        let slab = &self.slab;
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

    /// Notes that an event is pinned, or is by somebody whom the person follows, or no longer; the event if nothing keeps
    /// it any longer, so that the caller is to remove it.
    pub fn keep(&mut self, id: &EventId, pinned: bool, followed: bool) -> Option<EventId> {
        let slot = self.get(id)?.slot;
        let marks = Marks { pinned, followed, ..self.slab.get(slot).marks() };
        self.change(slot, &|slab| slab.set_marks(slot, marks))
    }

    /// Keeps of an event only its name, which goes on to count: whoever asks for it is told that it is withheld, and
    /// nobody brings it again. Its body is the caller's to drop. Whether that is news.
    pub fn withhold(&mut self, id: &EventId) -> bool {
        let Some(slot) = self.get(id).filter(|row| !row.marks().withheld).map(|row| row.slot) else {
            return false;
        };
        let marks = Marks { withheld: true, ..self.slab.get(slot).marks() };
        self.change(slot, &|slab| slab.set_marks(slot, marks));
        true
    }

    /// Changes what can change of an event that is held; the event if nothing keeps it then.
    fn change(&mut self, slot: u32, change: &dyn Fn(&mut Slab)) -> Option<EventId> {
        self.account(slot, false);
        change(&mut self.slab);
        self.account(slot, true);
        let event = self.slab.get(slot);
        (event.class() == Class::Stranger && !event.has(COUNTED)).then_some(event.id)
    }

    /// Adds an event to the sums, or takes it out of them.
    fn account(&mut self, slot: u32, is_there: bool) {
        let (event, day) = (self.slab.get(slot), self.slab.time(slot).day());
        let (count, bytes) = &mut self.sums[event.class() as usize];
        let size = if event.marks().withheld { 0 } else { u64::from(event.size) };
        if is_there {
            (*count, *bytes) = (*count + 1, *bytes + size);
        } else {
            (*count, *bytes) = (*count - 1, *bytes - size);
        }
        let board = board_mut(&mut self.boards, &mut self.boardless, &self.numbers, event.board);
        board.days.account(day, event, is_there);
    }

    /// What a new fact replaces, or itself if that has been replaced already.
    fn supersede(&mut self, row: &Row, slot: u32) -> Vec<EventId> {
        let Some(rival) = self.rival(row).filter(|rival| rival.slot != slot) else { return Vec::new() };
        if rank(&rival) > (row.seq, row.time, row.id) {
            return vec![row.id];
        }
        let (id, slot) = (rival.id(), rival.slot);
        self.facts
            .take(entry(prefix(&row.author.0), slot), &before_fact(&self.slab, fact_of(&self.slab, slot)));
        vec![id]
    }

    /// What is held and said of the same as a fact.
    fn rival(&self, row: &Row) -> Option<RowRef<'_>> {
        let fact = self.fact(row);
        let at = self.facts.seek(&before_fact(&self.slab, Some(fact?)));
        let rival = self.facts.get(at).map(slot_of).filter(|slot| fact_of(&self.slab, *slot) == fact)?;
        Some(self.row(rival.into()))
    }

    fn fact(&self, row: &Row) -> Option<Fact> {
        let is_fact = row.kind.is_fact() && row.board == no_board();
        is_fact.then(|| (row.author, row.kind, row.follow.as_deref().map(|(who, _)| *who)))
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

/// By what facts replace each other: the highest wins.
fn rank(row: &RowRef<'_>) -> (u64, Seconds, EventId) {
    (row.seq(), row.time(), row.id())
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
