//! A bounded memory of identifiers, the oldest forgotten first.

use std::collections::{BTreeSet, VecDeque};

use crate::base::EventId;

/// The most recent identifiers, at most as many as it was made for.
#[derive(Clone, Debug)]
pub struct Recent {
    limit: usize,
    set: BTreeSet<EventId>,
    order: VecDeque<EventId>,
}

impl Recent {
    /// Remembers at most `limit`.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, set: BTreeSet::new(), order: VecDeque::new() }
    }

    /// Remembers `id`; false if it was remembered already.
    pub fn insert(&mut self, id: EventId) -> bool {
        if !self.set.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }

    /// Whether `id` is remembered.
    #[must_use]
    pub fn contains(&self, id: &EventId) -> bool {
        self.set.contains(id)
    }

    /// Forgets `id`, so that it may be sent again.
    pub fn forget(&mut self, id: &EventId) {
        if self.set.remove(id) {
            self.order.retain(|held| held != id);
        }
    }
}
