//! What goes when there is too much: strangers' events alone, of the board that takes the most.
//!
//! A choice, and the beginning of a window with it; whoever has it made drops the events and asks again until nothing is
//! left to drop. Every day that is given up is given up whole and for ever, by moving the window of its board, so that a
//! summary never covers a day in part. What a board has on one day alone, as in a flood, loses its bodies and keeps its
//! names, the largest first: the days before the flood are not to pay for it.

use super::board::Board;
use super::days::Bucket;
use super::index::Index;
use super::retention::{Class, Retention};
use crate::base::{BoardId, Day, EventId};
use crate::crypto::no_board;

/// Events named at a time: one transaction of a storage.
const AT_ONCE: usize = 1_024;

/// Boards whose windows are remembered beside the one of all. A stranger decides how many boards there are; the one whose
/// window begins earliest is forgotten, and what it had is fetched and dropped once more.
const WINDOWS: usize = 4_096;

/// What is to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Events to be forgotten.
    pub dropped: Vec<EventId>,
    /// Events whose bodies are to be dropped; see [`Index::withhold`].
    pub withheld: Vec<EventId>,
}

impl Pruned {
    /// Whether all that has to go is gone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.withheld.is_empty()
    }
}

impl Index {
    /// What has to go of what is held, at most 1,024 events at a time. The caller drops them and asks again, until it is
    /// empty; then nothing goes before something comes, a day is over or less may be kept.
    ///
    /// A clock that is ahead costs nothing: today is never later than the latest event.
    pub fn prune(&mut self, today: Day, retention: &Retention) -> Pruned {
        let latest =
            self.all_boards().filter_map(|(_, board)| board.days.iter().next_back()).map(|last| last.day);
        let today = latest.max().map_or(today, |latest| today.min(latest));
        self.begin_all(retention.strangers_from(today));
        let expired = self.expired(retention.followed_from(today));
        if !expired.is_empty() {
            return expired;
        }
        let is_many = retention.stranger_events.is_some_and(|most| self.count(Class::Stranger) > most);
        if is_many && let Some((board, [oldest, _])) = self.greediest(&|bucket| bucket.strangers.into()) {
            self.begin(&board, Day(oldest.0.saturating_add(1)));
            return self.expired(Day(0));
        }
        let excess = self.bytes(Class::Stranger).saturating_sub(retention.stranger_bytes.unwrap_or(u64::MAX));
        if excess > 0
            && let Some((board, days)) = self.greediest(&|bucket| bucket.bytes)
        {
            return self.give_up(&board, days, today, excess);
        }
        Pruned::default()
    }

    /// The first day of a board that is kept whole; summaries begin with it.
    #[must_use]
    pub fn since(&self, board: &BoardId) -> Day {
        let of_board = self.windows.binary_search_by_key(board, |(id, _)| *id);
        let of_board = of_board.map_or(Day(0), |at| self.windows[at].1);
        if *board == no_board() { of_board } else { of_board.max(self.from) }
    }

    /// Where windows begin later than [`Retention::stranger_days`] has them, to be remembered.
    #[must_use]
    pub fn windows(&self) -> &[(BoardId, Day)] {
        &self.windows
    }

    /// Begins the window of a board with a day, if it began before.
    pub fn begin(&mut self, board: &BoardId, day: Day) {
        if self.since(board) >= day {
            return;
        }
        match self.windows.binary_search_by_key(board, |(id, _)| *id) {
            Ok(at) => self.windows[at].1 = day,
            Err(at) => self.windows.insert(at, (*board, day)),
        }
        self.revise(board);
        let is_over = self.windows.len() > WINDOWS;
        let others = self.windows.iter().filter(|(other, _)| is_over && other != board);
        if let Some((forgotten, _)) = others.min_by_key(|(_, day)| *day).copied() {
            self.windows.retain(|(other, _)| *other != forgotten);
            self.revise(&forgotten);
        }
    }

    /// Lets it be known that a board's summary is another.
    fn revise(&mut self, board: &BoardId) {
        self.revision += 1;
        let revision = self.revision;
        if let Some(board) = self.board_of(board) {
            board.revision = revision;
        }
    }

    /// Begins the windows of all boards with a day.
    fn begin_all(&mut self, day: Day) {
        if self.from >= day {
            return;
        }
        self.from = day;
        self.windows.retain(|(board, since)| *board == no_board() || *since > day);
        self.revision += 1;
        let revision = self.revision;
        self.boards.values_mut().for_each(|board| board.revision = revision);
    }

    /// Strangers' events before the windows of their boards, and followed ones before a day.
    fn expired(&self, followed_from: Day) -> Pruned {
        let mut dropped = Vec::new();
        for (id, board) in self.all_boards() {
            let since = self.since(&id);
            // Facts stand outside of every window of days.
            let followed_from = if board.number == 0 { Day(0) } else { followed_from };
            let is_old = |class: Class, day: Day| match class {
                Class::Stranger => day < since,
                Class::Followed => day < followed_from,
                Class::Pinned | Class::Own => false,
            };
            for bucket in board.days.iter().take_while(|bucket| bucket.day < since.max(followed_from)) {
                let strangers = if is_old(Class::Stranger, bucket.day) { bucket.strangers } else { 0 };
                let followed = if is_old(Class::Followed, bucket.day) { bucket.followed } else { 0 };
                if strangers + followed > 0 {
                    let rows = self.in_day(board, bucket.day).filter(|row| is_old(row.class(), bucket.day));
                    dropped.extend(rows.map(|row| row.id()).take(AT_ONCE - dropped.len()));
                }
                if dropped.len() == AT_ONCE {
                    return Pruned { dropped, withheld: Vec::new() };
                }
            }
        }
        Pruned { dropped, withheld: Vec::new() }
    }

    /// The board whose days have the most of something, its oldest day that has any, and the one that has the most.
    fn greediest(&self, much: &dyn Fn(&Bucket) -> u64) -> Option<(BoardId, [Day; 2])> {
        let total = |board: &Board| board.days.iter().map(much).sum::<u64>();
        // Of equals the first, which depends on nothing else.
        let (id, board) = self.all_boards().rev().max_by_key(|(_, board)| total(board))?;
        let mut days = board.days.iter().filter(|bucket| much(bucket) > 0);
        let most = days.clone().rev().max_by_key(|bucket| much(bucket))?.day;
        Some((id, [days.next()?.day, most]))
    }

    /// Gives up the oldest day of a board, or bodies of the day that has the most if most of the board is that day's, or
    /// if the oldest is not over.
    fn give_up(&mut self, id: &BoardId, [oldest, most]: [Day; 2], today: Day, excess: u64) -> Pruned {
        let Some(board) = self.all_boards().find(|(board, _)| board == id).map(|(_, board)| board) else {
            return Pruned::default();
        };
        let total: u64 = board.days.iter().map(|bucket| bucket.bytes).sum();
        let is_flood = board.days.get(most).is_some_and(|bucket| bucket.bytes > total / 2);
        if oldest < today && !is_flood {
            self.begin(id, Day(oldest.0.saturating_add(1)));
            return self.expired(Day(0));
        }
        let strangers =
            self.in_day(board, most).filter(|row| row.class() == Class::Stranger && !row.marks().withheld);
        let mut largest: Vec<(u32, EventId)> = strangers.map(|row| (row.size(), row.id())).collect();
        largest.sort_unstable_by(|one, other| other.cmp(one));
        let mut rest = excess;
        let enough = largest.iter().take(AT_ONCE).take_while(|(size, _)| {
            let is_needed = rest > 0;
            rest = rest.saturating_sub(u64::from(*size));
            is_needed
        });
        Pruned { dropped: Vec::new(), withheld: enough.map(|(_, id)| *id).collect() }
    }

    /// All boards, with the one of events that belong to none behind them.
    fn all_boards(&self) -> impl DoubleEndedIterator<Item = (BoardId, &Board)> {
        self.boards.iter().map(|(id, board)| (*id, board)).chain([(no_board(), &self.boardless)])
    }
}
