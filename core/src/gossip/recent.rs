//! A bounded memory of identifiers, the oldest forgotten first.
//!
//! Of each identifier the first 64 bits are kept: every session has such a memory, and a relay has thousands. Whoever makes
//! two events that begin alike keeps one of them from being pushed to whoever has the other, until reconciliation brings it.

use crate::base::EventId;

/// The most recent identifiers: at least half as many as it was made for, at most as many.
#[derive(Clone, Debug)]
pub struct Recent {
    /// How many are new before the old ones are forgotten.
    half: usize,
    /// Sorted, like `old`.
    new: Vec<u64>,
    old: Vec<u64>,
}

impl Recent {
    /// Remembers at most `limit`, which is at least 2.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { half: (limit / 2).max(1), new: Vec::new(), old: Vec::new() }
    }

    /// Remembers `id`; false if it was remembered already.
    pub fn insert(&mut self, id: EventId) -> bool {
        let start = start_of(&id);
        let Err(place) = self.new.binary_search(&start) else { return false };
        if self.old.binary_search(&start).is_ok() {
            return false;
        }
        self.new.insert(place, start);
        if self.new.len() >= self.half {
            // The room of the forgotten is used again.
            core::mem::swap(&mut self.new, &mut self.old);
            self.new.clear();
        }
        true
    }

    /// Whether `id` is remembered.
    #[must_use]
    pub fn contains(&self, id: &EventId) -> bool {
        let start = start_of(id);
        [&self.new, &self.old].into_iter().any(|ids| ids.binary_search(&start).is_ok())
    }

    /// Forgets `id`, so that it may be sent again.
    pub fn forget(&mut self, id: &EventId) {
        let start = start_of(id);
        for ids in [&mut self.new, &mut self.old] {
            if let Ok(place) = ids.binary_search(&start) {
                ids.remove(place);
            }
        }
    }
}

fn start_of(id: &EventId) -> u64 {
    u64::from_be_bytes(*id.0.first_chunk().expect("an identifier has 32 bytes"))
}
