//! The days of a board that have events, each with the fold of their identifiers: what peers compare first.

use super::fold::Fold;
use crate::base::{Day, EventId};

/// What is kept of one day.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub day: Day,
    pub fold: Fold,
}

/// The days that have events, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Days(Vec<Bucket>);

impl Days {
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Bucket> {
        self.0.iter()
    }

    pub(super) fn get(&self, day: Day) -> Option<&Bucket> {
        self.seek(day).ok().and_then(|at| self.0.get(at))
    }

    /// Notes an event of a day, which was not there.
    pub(super) fn insert(&mut self, day: Day, id: &EventId) {
        let at = match self.seek(day) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, Bucket { day, fold: Fold::default() });
                at
            }
        };
        self.0[at].fold.insert(id);
    }

    /// Notes that an event of a day is gone.
    pub(super) fn remove(&mut self, day: Day, id: &EventId) {
        let at = self.seek(day).expect("a day is there while it has events");
        self.0[at].fold.remove(id);
        if self.0[at].fold.count() == 0 {
            self.0.remove(at);
        }
    }

    /// Where a day is, or would be. The latest is what is mostly meant.
    fn seek(&self, day: Day) -> Result<usize, usize> {
        match self.0.last() {
            Some(last) if last.day == day => Ok(self.0.len() - 1),
            _ => self.0.binary_search_by_key(&day, |bucket| bucket.day),
        }
    }
}
