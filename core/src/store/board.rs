//! The events of one board in their orders.

use super::days::Days;
use super::fold::Fold;
use super::held::RowRef;
use super::index::Index;
use super::key::slot_of;
use super::order::Order;
use crate::base::{BoardName, Day, EventId, Seconds, ThreadId};

/// What the index keeps of a board.
#[derive(Clone, Debug, Default)]
pub(super) struct Board {
    /// By which its events name it.
    pub number: u32,
    pub name: Option<BoardName>,
    /// How many of its events name it.
    pub naming: u32,
    /// By (time, id): as much of the time as 32 bits hold, and the slot.
    pub events: Order,
    /// By id, its first 32 bits and the slot: the threads that have events here.
    pub threads: Order,
    pub days: Days,
    pub posts: u32,
    pub last: Option<Seconds>,
    pub revision: u64,
}

/// The events of one board.
#[derive(Clone, Copy)]
pub struct BoardRef<'a> {
    pub(super) index: &'a Index,
    pub(super) board: &'a Board,
}

impl<'a> BoardRef<'a> {
    /// Its name, once an opening post announced it.
    #[must_use]
    pub fn name(self) -> Option<&'a BoardName> {
        self.board.name.as_ref()
    }

    /// How many events it has.
    #[must_use]
    pub fn len(self) -> usize {
        self.board.events.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.board.events.is_empty()
    }

    /// All its events by claimed time.
    pub fn events(self) -> impl DoubleEndedIterator<Item = RowRef<'a>> {
        self.board.events.iter().map(move |entry| self.index.row(entry))
    }

    /// The first day that is kept whole.
    #[must_use]
    pub fn since(self) -> Day {
        self.index.since(&self.index.board_id(self.board.number))
    }

    /// The days of the window that have events which count, in their order, each with the fold of those. A day is that
    /// of the time an event claims.
    pub fn days(self) -> impl DoubleEndedIterator<Item = (Day, Fold)> + 'a {
        let since = self.since();
        let days = self.board.days.iter().map(|bucket| (bucket.day, bucket.fold));
        days.filter(move |(day, fold)| *day >= since && fold.count() > 0)
    }

    /// The fold of the events that count on a day of the window, else that of nothing.
    #[must_use]
    pub fn fold(self, day: Day) -> Fold {
        let bucket = self.board.days.get(day).filter(|_| day >= self.since());
        bucket.map(|bucket| bucket.fold).unwrap_or_default()
    }

    /// The events of which [`BoardRef::fold`] is made, by claimed time.
    pub fn of_day(self, day: Day) -> impl DoubleEndedIterator<Item = RowRef<'a>> {
        let is_covered = day >= self.since();
        self.index.in_day(self.board, day).filter(move |row| is_covered && row.is_counted())
    }

    /// The least event that counts on a day on which no more can: a stranger's that is less is not worth asking for.
    #[must_use]
    pub fn floor(self, day: Day) -> Option<EventId> {
        let slot = self.board.days.get(day)?.floor(self.index.day_events)?;
        self.index.name_of(slot)
    }

    /// Its threads, by id. A thread whose opening post is not held is here, too, and one that was opened elsewhere, if
    /// any event of this board claims to be in it.
    pub fn threads(self) -> impl Iterator<Item = ThreadId> + 'a {
        self.board.threads.iter().filter_map(move |entry| self.index.name_of(slot_of(entry)))
    }

    /// Posts held, opening posts included.
    #[must_use]
    pub fn posts(self) -> u32 {
        self.board.posts
    }

    /// When the latest post was written, never later than it was first seen.
    #[must_use]
    pub fn last(self) -> Option<Seconds> {
        self.board.last
    }

    /// Grows with every change of the board's set of events.
    #[must_use]
    pub fn revision(self) -> u64 {
        self.board.revision
    }

    /// When the latest post was written, found from the latest claimed time backwards.
    pub(super) fn latest(self) -> Option<Seconds> {
        let mut latest = None;
        for row in self.events().rev() {
            if latest >= Some(row.time()) {
                break;
            }
            latest = latest.max(row.kind().is_post().then(|| row.written()));
        }
        latest
    }
}
