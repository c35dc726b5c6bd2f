//! The scopes reconciled with one peer, each with when it is due next, found without looking at all of them.

use core::time::Duration;
use std::collections::BTreeSet;

use crate::base::{BoxMap, Instant};
use crate::wire::Scope;

/// When a scope is reconciled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub due: Instant,
    pub every: Duration,
    /// Whether it has been brought to an end once.
    pub done: bool,
}

/// Scopes and their schedules.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    schedules: BoxMap<Scope, Schedule>,
    queue: BTreeSet<(Instant, Scope)>,
    /// How many were not brought to an end yet.
    undone: usize,
}

impl Scopes {
    /// Keeps exactly these scopes; those that are new get this schedule.
    pub(super) fn plan(&mut self, scopes: &BTreeSet<Scope>, first: Schedule) {
        let gone: Vec<Scope> =
            self.schedules.keys().filter(|scope| !scopes.contains(scope)).copied().collect();
        for scope in gone {
            if let Some(schedule) = self.schedules.remove(&scope) {
                self.queue.remove(&(schedule.due, scope));
                self.undone -= usize::from(!schedule.done);
            }
        }
        for scope in scopes {
            if !self.schedules.contains_key(scope) {
                self.schedules.insert(*scope, first);
                self.queue.insert((first.due, *scope));
                self.undone += usize::from(!first.done);
            }
        }
    }

    /// Notes that a scope is being reconciled, whoever began.
    pub(super) fn postpone(&mut self, scope: &Scope, now: Instant) {
        if let Some(schedule) = self.schedules.get_mut(scope) {
            self.queue.remove(&(schedule.due, *scope));
            schedule.due = now + schedule.every;
            self.queue.insert((schedule.due, *scope));
        }
    }

    /// Notes that a scope was brought to an end.
    pub(super) fn finish(&mut self, scope: &Scope) {
        if let Some(schedule) = self.schedules.get_mut(scope)
            && !core::mem::replace(&mut schedule.done, true)
        {
            self.undone -= 1;
        }
    }

    /// Whether every scope was brought to an end once.
    pub(super) fn all_done(&self) -> bool {
        self.undone == 0
    }

    /// The scopes by when they are due, the longest due first: with more than can be done in a period each still has
    /// its turn.
    pub(super) fn by_due(&self) -> impl Iterator<Item = (Instant, Scope)> {
        self.queue.iter().copied()
    }
}
