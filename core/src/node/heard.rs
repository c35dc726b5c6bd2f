//! What a peer said it has and we lack: each event once, with when to ask for it.

use std::collections::BTreeSet;

use crate::base::{EventId, Instant};

/// Ids that a peer said it has, remembered until they come from elsewhere or are asked for; the rest is found by the next
/// reconciliation.
const HEARD: usize = 65_536;

/// Events one peer has, since they may yet come from elsewhere.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// When to ask, for what, and whether that was put off already.
    due: BTreeSet<(Instant, EventId, bool)>,
    ids: BTreeSet<EventId>,
}

impl Heard {
    /// Takes note of an event. Saying it again makes it due no sooner.
    pub(super) fn insert(&mut self, id: EventId, due: Instant) {
        if self.ids.len() < HEARD && self.ids.insert(id) {
            self.due.insert((due, id, false));
        }
    }

    /// The next that is due, and whether it was put off; it is not remembered any more.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(EventId, bool)> {
        let (_, id, was_postponed) = *self.due.first().filter(|(due, ..)| *due <= now)?;
        self.due.pop_first();
        self.ids.remove(&id);
        Some((id, was_postponed))
    }

    /// Puts off what was due.
    pub(super) fn postpone(&mut self, id: EventId, due: Instant) {
        if self.ids.insert(id) {
            self.due.insert((due, id, true));
        }
    }

    /// When the next is due.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.due.first().map(|(due, ..)| *due)
    }
}
