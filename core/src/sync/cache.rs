//! What was computed of a scope's spans, for the next time: cells under a salt, and tallies.
//!
//! Everything kept belongs to one fold of one span. What no longer has that fold is made anew; who tells of each
//! event that comes or goes has it changed instead. Bounded by bytes; of what is kept the half not used for longest
//! goes at once.

use super::estimate::{Tally, Tallying};
use super::riblt::{symbol, toggle};
use super::set::DaySet;
use super::short::Salt;
use super::span::Span;
use crate::base::{BoxMap, Day, EventId};
use crate::store::Fold;
use crate::wire::Scope;

/// Spans of fewer events are computed each time: that takes microseconds, and there are many of them.
const SMALL: u64 = 64;

/// What an entry takes beside its words, in bytes.
const ENTRY_BYTES: usize = 160;

/// A span of one scope with the fold of its events.
pub(super) type Folded = (Span, Fold);

struct Entry {
    span: Span,
    /// Of cells; a tally has none.
    salt: Option<Salt>,
    fold: Fold,
    used: u64,
    /// Cells, or how many identifiers have each bit.
    words: Vec<u64>,
}

/// Cells and tallies of many scopes.
pub struct Cache {
    scopes: BoxMap<Scope, Vec<Entry>>,
    bytes: usize,
    limit: usize,
    clock: u64,
    work: u64,
}

impl Cache {
    /// Keeps at most about `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { scopes: BoxMap::new(), bytes: 0, limit, clock: 0, work: 0 }
    }

    /// How many events were hashed or placed in cells since this was asked last: what answering has cost, about
    /// half a microsecond each.
    pub fn take_work(&mut self) -> u64 {
        core::mem::take(&mut self.work)
    }

    /// Changes what is kept for an event that came into a scope.
    pub fn insert(&mut self, scope: &Scope, day: Day, id: &EventId) {
        self.change(scope, day, id, true);
    }

    /// The same for one that has gone.
    pub fn remove(&mut self, scope: &Scope, day: Day, id: &EventId) {
        self.change(scope, day, id, false);
    }

    pub(super) fn worked(&mut self, events: u64) {
        self.work = self.work.saturating_add(events);
    }

    /// The first `count` cells of all events in these spans, under the salt.
    pub(super) fn cells(
        &mut self,
        scope: Scope,
        set: &dyn DaySet,
        salt: &Salt,
        spans: &[Folded],
        count: usize,
    ) -> Vec<u64> {
        let key = salt.key();
        let mut sum = vec![0; count];
        for (span, fold) in spans {
            if fold.count() < SMALL {
                set.ids(*span, &mut |id| toggle(&mut sum, symbol(salt.short(id), key), key));
                self.worked(fold.count());
                continue;
            }
            let least = |words: &[u64]| words.len() >= count;
            let kept = self.entry(scope, *span, Some(*salt), fold, least, || {
                // Twice as many are a few steps more for each event, and likely to be asked for next.
                let mut cells = vec![0; count.next_power_of_two()];
                set.ids(*span, &mut |id| toggle(&mut cells, symbol(salt.short(id), key), key));
                cells
            });
            for (cell, kept) in sum.iter_mut().zip(kept) {
                *cell ^= *kept;
            }
        }
        self.trim();
        sum
    }

    /// The tally of all events in these spans.
    pub(super) fn tally(&mut self, scope: Scope, set: &dyn DaySet, spans: &[Folded]) -> Tally {
        let mut total = Tally::default();
        let mut small = Tallying::default();
        for (span, fold) in spans {
            if fold.count() < SMALL {
                set.ids(*span, &mut |id| small.insert(id));
                self.worked(fold.count());
                continue;
            }
            let kept = self.entry(
                scope,
                *span,
                None,
                fold,
                |_| true,
                || {
                    let mut tallying = Tallying::default();
                    set.ids(*span, &mut |id| tallying.insert(id));
                    tallying.finish().ones
                },
            );
            total.unite(fold.count(), kept);
        }
        let small = small.finish();
        total.unite(small.count, &small.ones);
        self.trim();
        total
    }

    /// What is kept for a span, made anew when there is nothing, or too little, or of other events.
    fn entry(
        &mut self,
        scope: Scope,
        span: Span,
        salt: Option<Salt>,
        fold: &Fold,
        is_enough: impl Fn(&[u64]) -> bool,
        make: impl FnOnce() -> Vec<u64>,
    ) -> &[u64] {
        self.clock += 1;
        let entries = self.scopes.get_or_insert_with(scope, Vec::new);
        let at = entries.iter().position(|entry| entry.span == span && entry.salt == salt);
        let fits = |entry: &Entry| entry.fold == *fold && is_enough(&entry.words);
        let at = match at {
            Some(at) if fits(&entries[at]) => at,
            stale => {
                let words = make();
                self.work = self.work.saturating_add(fold.count());
                self.bytes += ENTRY_BYTES + words.len() * 8;
                let entry = Entry { span, salt, fold: *fold, used: 0, words };
                match stale {
                    Some(at) => {
                        self.bytes -= ENTRY_BYTES + entries[at].words.len() * 8;
                        entries[at] = entry;
                        at
                    }
                    None => {
                        entries.push(entry);
                        entries.len() - 1
                    }
                }
            }
        };
        entries[at].used = self.clock;
        &entries[at].words
    }

    fn change(&mut self, scope: &Scope, day: Day, id: &EventId, comes: bool) {
        let Some(entries) = self.scopes.get_mut(scope) else { return };
        for entry in entries.iter_mut().filter(|entry| entry.span.contains(day)) {
            match entry.salt {
                Some(salt) => {
                    let key = salt.key();
                    toggle(&mut entry.words, symbol(salt.short(id), key), key);
                }
                None => Tally::change(&mut entry.words, id, comes),
            }
            if comes {
                entry.fold.insert(id);
            } else {
                entry.fold.remove(id);
            }
        }
    }

    fn trim(&mut self) {
        if self.bytes <= self.limit {
            return;
        }
        let mut used: Vec<u64> =
            self.scopes.values().flat_map(|entries| entries.iter().map(|entry| entry.used)).collect();
        used.sort_unstable();
        let median = used[used.len() / 2];
        let mut bytes = 0;
        self.scopes.retain(|_, entries| {
            entries.retain(|entry| entry.used > median);
            bytes += entries.iter().map(|entry| ENTRY_BYTES + entry.words.len() * 8).sum::<usize>();
            !entries.is_empty()
        });
        // A few entries larger than all there is room for are not worth keeping.
        if bytes > self.limit {
            self.scopes = BoxMap::new();
            bytes = 0;
        }
        self.bytes = bytes;
    }
}

impl core::fmt::Debug for Cache {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cache")
            .field("scopes", &self.scopes.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::set::{Gathered, fold_of};
    use super::*;
    use crate::base::BoardId;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SCOPE: Scope = Scope::Board(BoardId([1; 32]));
    const SALT: Salt = Salt([3; 16]);

    fn id(n: u32) -> EventId {
        EventId(*blake3::hash(&n.to_le_bytes()).as_bytes())
    }

    fn set(count: u32) -> Gathered {
        let mut set = Gathered::new(Day(0));
        (0..count).for_each(|n| assert!(set.insert(Day(n % 3), id(n))));
        set
    }

    fn folded(set: &Gathered) -> Vec<Folded> {
        let spans = [Span { from: Day(0), to: Day(1) }, Span { from: Day(2), to: Day(2) }];
        spans.into_iter().map(|span| (span, fold_of(set, span))).collect()
    }

    fn all(cache: &mut Cache, set: &Gathered) -> (Vec<u64>, Tally) {
        let folded = folded(set);
        (cache.cells(SCOPE, set, &SALT, &folded, 100), cache.tally(SCOPE, set, &folded))
    }

    #[test]
    fn what_is_kept_is_what_would_be_computed() {
        for count in [0, 10, 150, 1_000] {
            let (set, mut cache) = (set(count), Cache::new(1 << 20));
            let first = all(&mut cache, &set);
            cache.take_work();
            assert_eq!(all(&mut cache, &set), first, "{count}");
            let again = cache.take_work();
            assert!(if count == 1_000 { again == 0 } else { again <= 2 * 2 * SMALL }, "{again} of {count}");
            let more = cache.cells(SCOPE, &set, &SALT, &folded(&set), 300);
            assert_eq!((&more[..100], first.1.count), (first.0.as_slice(), u64::from(count)));
        }
    }

    #[test]
    fn changes_are_followed_or_noticed() {
        for tells in [false, true] {
            let (mut set, mut cache) = (set(1_000), Cache::new(1 << 20));
            all(&mut cache, &set);
            cache.take_work();
            set.insert(Day(2), id(5_000));
            set.remove(Day(0), &id(0));
            if tells {
                cache.insert(&SCOPE, Day(2), &id(5_000));
                cache.remove(&SCOPE, Day(0), &id(0));
            }
            let changed = all(&mut cache, &set);
            assert_eq!(cache.take_work() == 0, tells, "made anew only when nobody told");
            assert_eq!(changed, all(&mut Cache::new(0), &set));
        }
    }

    #[test]
    fn no_more_is_kept_than_was_allowed() {
        let set = set(1_000);
        let mut cache = Cache::new(20_000);
        for n in 0..100 {
            let scope = Scope::Board(BoardId([n; 32]));
            let folded = folded(&set);
            cache.cells(scope, &set, &SALT, &folded, 100);
            assert!(cache.bytes <= 20_000);
            let held: usize =
                cache.scopes.values().flatten().map(|entry| ENTRY_BYTES + entry.words.len() * 8).sum();
            assert_eq!(cache.bytes, held);
        }
        assert!(cache.bytes > 5_000, "but about that much");
        assert_eq!(cache.cells(SCOPE, &set, &SALT, &folded(&set), 10_000).len(), 10_000);
        assert_eq!(cache.bytes, 0, "what is too large for it alone");
    }
}
