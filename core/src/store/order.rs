//! A sorted list in blocks, in which the index keeps each of its orders.
//!
//! An entry is one number: the slot of an event in its low bits, and above them as much as finds room of what the event
//! is sorted by. Whoever asks says which entries come before what is sought, and looks at the events themselves only
//! where the numbers are alike. So an order costs little more than eight bytes an event, half of what the standard
//! library's B-tree takes, and one program serves all orders. Knows neither events nor keys.

/// Entries of a full block: few enough to move for an insertion, enough that blocks cost nothing.
const FULL: usize = 256;

/// Entries by which a block grows, unless it is the only one and has fewer.
const STEP: usize = 32;

/// The list.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// None is empty.
    blocks: Vec<Block>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Block {
    /// The last entry once more, so that a search need not look into each block.
    last: u64,
    entries: Vec<u64>,
}

/// A place in the list, good until it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    block: usize,
    offset: usize,
}

impl Order {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first place whose entry is not before what is sought, or the end. What arrives is mostly the latest, so the
    /// end is tried first.
    pub(super) fn seek(&self, is_before: &dyn Fn(u64) -> bool) -> At {
        let is_last = self.blocks.last().is_none_or(|block| is_before(block.last));
        if is_last {
            return At { block: self.blocks.len(), offset: 0 };
        }
        let block = self.blocks.partition_point(|block| is_before(block.last));
        At { block, offset: self.blocks[block].entries.partition_point(|entry| is_before(*entry)) }
    }

    /// The same where entries are spread evenly over all numbers, as hashes are: `number`, which is sought, tells about
    /// where it is. Of numbers that somebody chose the search is as long as any.
    pub(super) fn seek_even(&self, number: u64, is_before: &dyn Fn(u64) -> bool) -> At {
        let guess = share(number, 0, u64::MAX, self.blocks.len());
        let block = partition_near(&self.blocks, guess, |block| is_before(block.last));
        let Some(found) = self.blocks.get(block) else { return At { block, offset: 0 } };
        let first = found.entries.first().copied().unwrap_or_default();
        let guess = share(number, first, found.last, found.entries.len());
        At { block, offset: partition_near(&found.entries, guess, |entry| is_before(*entry)) }
    }

    pub(super) fn get(&self, at: At) -> Option<u64> {
        self.blocks.get(at.block)?.entries.get(at.offset).copied()
    }

    /// Puts an entry behind those that come before it; whether it was not there.
    pub(super) fn put(&mut self, entry: u64, is_before: &dyn Fn(u64) -> bool) -> bool {
        let at = self.seek(is_before);
        let is_new = self.get(at) != Some(entry);
        if is_new {
            self.insert(at, entry);
        }
        is_new
    }

    /// Takes an entry out; whether it was there.
    pub(super) fn take(&mut self, entry: u64, is_before: &dyn Fn(u64) -> bool) -> bool {
        let at = self.seek(is_before);
        let is_there = self.get(at) == Some(entry);
        if is_there {
            self.remove(at);
        }
        is_there
    }

    /// The entry behind so many others.
    pub(super) fn nth(&self, mut count: usize) -> Option<u64> {
        for block in &self.blocks {
            if let Some(entry) = block.entries.get(count) {
                return Some(*entry);
            }
            count -= block.entries.len();
        }
        None
    }

    /// The entries from one place up to another.
    pub(super) fn range(&self, from: At, to: At) -> impl DoubleEndedIterator<Item = u64> + '_ {
        (from.block..self.blocks.len().min(to.block + 1)).flat_map(move |block| {
            let entries = &self.blocks[block].entries;
            let start = if block == from.block { from.offset } else { 0 };
            let end = if block == to.block { to.offset } else { entries.len() };
            entries.get(start..end).unwrap_or_default().iter().copied()
        })
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.range(At::default(), At { block: self.blocks.len(), offset: 0 })
    }

    /// Puts an entry that is not there at the place where it was sought.
    pub(super) fn insert(&mut self, at: At, entry: u64) {
        self.len += 1;
        let At { mut block, mut offset } = at;
        if block == self.blocks.len() {
            match self.blocks.last() {
                Some(last) if last.entries.len() < FULL => {
                    block -= 1;
                    offset = last.entries.len();
                }
                // A full block that nothing is put into stays full.
                _ => self.blocks.push(Block { last: entry, entries: Vec::new() }),
            }
        }
        if self.blocks[block].entries.len() == FULL {
            let tail = self.blocks[block].split();
            self.blocks.insert(block + 1, tail);
            if offset > FULL / 2 {
                block += 1;
                offset -= FULL / 2;
            }
        }
        let is_only = self.blocks.len() == 1;
        self.blocks[block].insert(offset, entry, is_only);
    }

    fn remove(&mut self, at: At) {
        self.len -= 1;
        self.blocks[at.block].remove(at.offset);
        if self.blocks[at.block].entries.is_empty() {
            self.blocks.remove(at.block);
        } else {
            self.join(at.block);
            self.join(at.block.saturating_sub(1));
        }
    }

    /// Makes one block of one and the next if both are nearly empty.
    fn join(&mut self, block: usize) {
        let is_small =
            |block: usize| self.blocks.get(block).is_some_and(|block| block.entries.len() < FULL / 4);
        if is_small(block) && is_small(block + 1) {
            let tail = self.blocks.remove(block + 1);
            self.blocks[block].last = tail.last;
            self.blocks[block].entries.extend(tail.entries);
        }
    }
}

impl Block {
    fn insert(&mut self, offset: usize, entry: u64, is_only: bool) {
        let entries = &mut self.entries;
        if entries.len() == entries.capacity() {
            // Not always twice as much, the standard library's rule, which would leave a third of all memory unused; and
            // of few different lengths, since what one block gives back is to fit the next.
            entries.reserve_exact(if is_only { entries.len().clamp(4, STEP) } else { STEP });
        }
        entries.insert(offset, entry);
        self.last = entries.last().copied().unwrap_or(entry);
    }

    fn remove(&mut self, offset: usize) {
        let entries = &mut self.entries;
        entries.remove(offset);
        if entries.capacity() > 8 + entries.len() * 2 {
            entries.shrink_to_fit();
        }
        self.last = entries.last().copied().unwrap_or_default();
    }

    /// The upper half, taken out of a full block.
    fn split(&mut self) -> Block {
        let tail = Block { last: self.last, entries: self.entries.split_off(FULL / 2) };
        self.entries.shrink_to_fit();
        self.last = self.entries.last().copied().unwrap_or_default();
        tail
    }
}

/// Where among `len` a number is that lies between the least and the greatest, by their upper halves.
fn share(number: u64, least: u64, greatest: u64, len: usize) -> usize {
    let part = |number: u64| number.saturating_sub(least) >> 32;
    usize::try_from(part(number) * len as u64 / (part(greatest) + 1)).unwrap_or(usize::MAX)
}

/// As [`slice::partition_point`], beginning at a guess: in steps of twice the length each, until what is sought lies
/// between two of them.
fn partition_near<T>(items: &[T], guess: usize, is_before: impl Fn(&T) -> bool) -> usize {
    let is_before_at = |at: usize| items.get(at).is_some_and(&is_before);
    let mut step = 1;
    let (mut from, mut to) = (guess.min(items.len()), guess.min(items.len()));
    if is_before_at(from) {
        // All up to `from` are before it.
        while is_before_at(to) {
            (from, to, step) = (to + 1, to.saturating_add(step).min(items.len()), step * 2);
        }
    } else {
        // None from `to` on is.
        while from > 0 && !is_before_at(from - 1) {
            (from, to, step) = (from.saturating_sub(step), from - 1, step * 2);
        }
    }
    from + items[from..to].partition_point(is_before)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::{At, FULL, Order};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn put(order: &mut Order, entry: u64) -> bool {
        order.put(entry, &|other| other < entry)
    }

    /// What holds whatever was done: sorted, no empty block, no block too large, and the last is the last.
    fn check(order: &Order, expected: &BTreeSet<u64>) {
        assert!(order.iter().eq(expected.iter().copied()));
        assert!(order.iter().rev().eq(expected.iter().rev().copied()));
        assert!([0, 1, 255, 256, 900].iter().all(|n| order.nth(*n) == expected.iter().nth(*n).copied()));
        assert_eq!((order.len(), order.is_empty()), (expected.len(), expected.is_empty()));
        for block in &order.blocks {
            assert!((1..=FULL).contains(&block.entries.len()));
            assert_eq!(block.entries.last(), Some(&block.last));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 64,
            rng_seed: RngSeed::Fixed(2026),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn an_order_is_the_sorted_set_of_what_was_put(
            actions in vec((0..3_u8, 0..2_000_u64), 0..6_000),
            from in 0..2_000_u64,
            length in 0..2_000_u64,
        ) {
            let (mut order, mut expected) = (Order::default(), BTreeSet::new());
            for (action, entry) in actions {
                if action > 0 {
                    prop_assert_eq!(put(&mut order, entry), expected.insert(entry));
                } else {
                    prop_assert_eq!(order.take(entry, &|other| other < entry), expected.remove(&entry));
                }
            }
            check(&order, &expected);
            let to = from + length;
            let range = order.range(order.seek(&|entry| entry < from), order.seek(&|entry| entry < to));
            prop_assert!(range.eq(expected.range(from..to).copied()));
            // However wrong the guess.
            for guess in [from, 0, u64::MAX, from << 52] {
                let at = order.seek_even(guess, &|entry| entry < from);
                prop_assert_eq!(order.get(at), expected.range(from..).next().copied());
            }
            for entry in expected.clone() {
                prop_assert!(order.take(entry, &|other| other < entry));
                expected.remove(&entry);
            }
            check(&order, &expected);
        }
    }

    #[test]
    fn what_comes_in_its_order_fills_every_block() {
        let mut order = Order::default();
        (0..10 * FULL as u64).for_each(|entry| assert!(put(&mut order, entry)));
        assert_eq!(order.blocks.len(), 10);
    }

    #[test]
    fn what_is_left_after_much_is_gone_lies_in_few_blocks() {
        let all = 100 * FULL as u64;
        let (mut order, mut expected) = (Order::default(), BTreeSet::new());
        for entry in 0..all {
            put(&mut order, entry);
            expected.insert(entry);
        }
        for entry in (0..all).filter(|entry| entry % 100 != 0) {
            assert!(order.take(entry, &|other| other < entry));
            expected.remove(&entry);
        }
        check(&order, &expected);
        assert!(order.blocks.len() <= 16, "{} blocks for {} entries", order.blocks.len(), order.len());
    }

    #[test]
    fn an_empty_order_has_no_places() {
        let order = Order::default();
        let at = order.seek(&|_| true);
        assert_eq!(order.get(at), None);
        assert_eq!(order.range(At::default(), at).count(), 0);
        assert_eq!(order.range(at, At::default()).count(), 0);
    }
}
