//! What a reconciliation has to know of the events in a scope: their identifiers by day, and folds of them.
//!
//! An index that keeps folds by day gives them without looking at the events. Orders nothing within a day.

use std::collections::{BTreeMap, BTreeSet};

use super::span::Span;
use crate::base::{Day, EventId};
use crate::store::Fold;

/// A set of events by the day of their time.
pub trait DaySet {
    /// The first day of the window that is held: of what is older nothing is said.
    fn since(&self) -> Day;

    /// The folds of the days in `span` that have events, ascending.
    fn folds(&self, span: Span, each: &mut dyn FnMut(Day, &Fold));

    /// The events of these days, in any order.
    fn ids(&self, span: Span, each: &mut dyn FnMut(&EventId));
}

/// The fold of all events in these days.
pub(super) fn fold_of(set: &dyn DaySet, span: Span) -> Fold {
    let mut total = Fold::default();
    set.folds(span, &mut |_, fold| total.unite(fold));
    total
}

/// The fold of all events from day `since` on, and the last day that has one, `since` when none has.
pub(super) fn fold_since(set: &dyn DaySet, since: Day) -> (Fold, Day) {
    let (mut total, mut last) = (Fold::default(), since);
    set.folds(Span { from: since, to: Day(u32::MAX) }, &mut |day, fold| {
        total.unite(fold);
        last = day;
    });
    (total, last)
}

/// A set gathered for one reconciliation, for scopes that nobody keeps by day.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    since: Day,
    days: BTreeMap<Day, Box<(Fold, BTreeSet<EventId>)>>,
}

impl Gathered {
    /// An empty set whose window begins with day `since`.
    #[must_use]
    pub fn new(since: Day) -> Self {
        Self { since, days: BTreeMap::new() }
    }

    /// Adds an event; false if it was there already, or if it is older than the window.
    pub fn insert(&mut self, day: Day, id: EventId) -> bool {
        if day < self.since {
            return false;
        }
        let day = self.days.entry(day).or_default();
        let is_new = day.1.insert(id);
        if is_new {
            day.0.insert(&id);
        }
        is_new
    }

    /// Takes an event out; false if it was not there.
    pub fn remove(&mut self, day: Day, id: &EventId) -> bool {
        let Some(held) = self.days.get_mut(&day) else { return false };
        let was_there = held.1.remove(id);
        if was_there {
            held.0.remove(id);
        }
        if held.1.is_empty() {
            self.days.remove(&day);
        }
        was_there
    }
}

impl DaySet for Gathered {
    fn since(&self) -> Day {
        self.since
    }

    fn folds(&self, span: Span, each: &mut dyn FnMut(Day, &Fold)) {
        self.days.range(span.from..=span.to).for_each(|(day, held)| each(*day, &held.0));
    }

    fn ids(&self, span: Span, each: &mut dyn FnMut(&EventId)) {
        self.days.range(span.from..=span.to).for_each(|(_, held)| held.1.iter().for_each(&mut *each));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_set_is_folded_by_day() {
        let id = |n: u8| EventId([n; 32]);
        let mut set = Gathered::new(Day(10));
        assert!(set.insert(Day(10), id(1)) && set.insert(Day(12), id(2)) && set.insert(Day(12), id(3)));
        assert!(!set.insert(Day(12), id(3)) && !set.insert(Day(9), id(4)));
        let span = |from, to| Span { from: Day(from), to: Day(to) };
        assert_eq!(fold_of(&set, span(11, 12)), Fold::of([&id(2), &id(3)]));
        assert_eq!(fold_since(&set, Day(0)), (Fold::of([&id(1), &id(2), &id(3)]), Day(12)));
        assert_eq!(fold_since(&set, Day(13)), (Fold::default(), Day(13)));
        assert!(set.remove(Day(12), &id(3)) && !set.remove(Day(12), &id(3)) && set.remove(Day(12), &id(2)));
        let mut days = Vec::new();
        set.folds(span(0, 99), &mut |day, fold| days.push((day, *fold)));
        assert_eq!(days, [(Day(10), Fold::of([&id(1)]))]);
    }
}
