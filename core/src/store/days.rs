//! The days of a board that have events, each with the fold of those that count: what peers compare first.
//!
//! On a day at most so many events count, those with the greatest ids. An id is a hash of all that is signed, so nobody
//! has a place by anything but work, and every peer that has seen the same events counts the same ones.

use super::fold::Fold;
use super::key::{before_by_id, before_in_day, entry, prefix, slot_of};
use super::order::Order;
use super::retention::Class;
use super::slab::{COUNTED, Entry, Slab};
use crate::base::Day;

/// What is kept of one day.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub day: Day,
    /// Events of the day, whether they count or not.
    held: u32,
    /// How many of them are strangers', and the bytes of those that are not withheld.
    pub strangers: u32,
    pub bytes: u64,
    /// How many are by whom the person follows.
    pub followed: u32,
    /// Of those that count.
    pub fold: Fold,
    /// All of them by id, from when no more can count until half of them are gone.
    ranked: Option<Box<Order>>,
}

impl Bucket {
    /// The slot of the least event that counts, if no more can.
    pub(super) fn floor(&self, most: usize) -> Option<u32> {
        let beside = (self.held as usize).checked_sub(most)?;
        self.ranked.as_ref()?.nth(beside).map(slot_of)
    }
}

/// The days that have events, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Days(Vec<Bucket>);

impl Days {
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Bucket> + Clone {
        self.0.iter()
    }

    pub(super) fn get(&self, day: Day) -> Option<&Bucket> {
        self.seek(day).ok().and_then(|at| self.0.get(at))
    }

    /// Notes an event of a day, which was put into `events` before. At most `most` of the day count: the one that does
    /// not because of it, itself or another.
    pub(super) fn insert(&mut self, slab: &mut Slab, events: &Order, slot: u32, most: usize) -> Option<u32> {
        let bucket = self.bucket(slab.time(slot).day());
        bucket.held += 1;
        if let Some(ranked) = &mut bucket.ranked {
            rank(ranked, slab, slot);
        } else if bucket.held as usize >= most {
            let seek = |day: u64| events.seek(&before_in_day(slab, day));
            let day = u64::from(bucket.day.0);
            let mut ranked = Order::default();
            events.range(seek(day), seek(day + 1)).for_each(|entry| rank(&mut ranked, slab, slot_of(entry)));
            bucket.ranked = Some(Box::new(ranked));
        }
        let beside = (bucket.held as usize).saturating_sub(most);
        if beside > 0 {
            let floor = bucket.floor(most);
            if floor.is_none_or(|floor| slab.get(slot).id < slab.get(floor).id) {
                return Some(slot);
            }
        }
        bucket.count(slab, slot);
        let ranked = bucket.ranked.as_ref().filter(|_| beside > 0);
        let pushed = ranked.and_then(|ranked| ranked.nth(beside - 1)).map(slot_of)?;
        slab.get_mut(pushed).flags &= !COUNTED;
        bucket.fold.remove(&slab.get(pushed).id);
        Some(pushed)
    }

    /// Notes that an event of a day is about to go; another may count in its place.
    pub(super) fn remove(&mut self, slab: &mut Slab, slot: u32, most: usize) {
        let at = self.seek(slab.time(slot).day()).expect("a day is there while it has events");
        let bucket = &mut self.0[at];
        let id = slab.get(slot).id;
        bucket.held -= 1;
        if let Some(ranked) = &mut bucket.ranked {
            ranked.take(entry(prefix(&id.0), slot), &before_by_id(slab, id));
        }
        if slab.get(slot).has(COUNTED) {
            slab.get_mut(slot).flags &= !COUNTED;
            bucket.fold.remove(&id);
            // The least of those that count now; it did before unless it has come up.
            if let Some(next) = bucket.floor(most).filter(|next| !slab.get(*next).has(COUNTED)) {
                bucket.count(slab, next);
            }
        }
        bucket.ranked.take_if(|_| (bucket.held as usize) < most / 2);
        if bucket.held == 0 {
            self.0.remove(at);
        }
    }

    /// Adds an event of a day to the sums, or takes it out of them.
    pub(super) fn account(&mut self, day: Day, event: &Entry, is_there: bool) {
        let bucket = self.bucket(day);
        let by = |number: &mut u32| if is_there { *number += 1 } else { *number -= 1 };
        match event.class() {
            Class::Stranger => {
                by(&mut bucket.strangers);
                let size = if event.marks().withheld { 0 } else { u64::from(event.size) };
                if is_there {
                    bucket.bytes += size;
                } else {
                    bucket.bytes -= size;
                }
            }
            Class::Followed => by(&mut bucket.followed),
            Class::Pinned | Class::Own => {}
        }
    }

    /// The bucket of a day, which is made if there is none.
    fn bucket(&mut self, day: Day) -> &mut Bucket {
        let at = match self.seek(day) {
            Ok(at) => at,
            Err(at) => {
                let fold = Fold::default();
                let bucket = Bucket { day, held: 0, strangers: 0, bytes: 0, followed: 0, fold, ranked: None };
                self.0.insert(at, bucket);
                at
            }
        };
        &mut self.0[at]
    }

    /// Where a day is, or would be. The latest is what is mostly meant.
    fn seek(&self, day: Day) -> Result<usize, usize> {
        match self.0.last() {
            Some(last) if last.day == day => Ok(self.0.len() - 1),
            _ => self.0.binary_search_by_key(&day, |bucket| bucket.day),
        }
    }
}

impl Bucket {
    fn count(&mut self, slab: &mut Slab, slot: u32) {
        slab.get_mut(slot).flags |= COUNTED;
        self.fold.insert(&slab.get(slot).id);
    }
}

fn rank(ranked: &mut Order, slab: &Slab, slot: u32) {
    let id = slab.get(slot).id;
    ranked.put(entry(prefix(&id.0), slot), &before_by_id(slab, id));
}
