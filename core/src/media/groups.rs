//! Which groups of a blob somebody has. All or none take no memory, which is what nearly every blob is most of the time.

/// A set of groups of one blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    total: u32,
    count: u32,
    /// Empty when all or none are in the set.
    words: Vec<u64>,
}

impl Groups {
    /// None of `total` groups.
    #[must_use]
    pub fn none(total: u32) -> Self {
        Self { total, count: 0, words: Vec::new() }
    }

    /// All of `total` groups.
    #[must_use]
    pub fn all(total: u32) -> Self {
        Self { total, count: total, words: Vec::new() }
    }

    /// A bitmap as it crosses the wire: the lowest bit first, a byte for each 8 groups. `None` when it is longer or
    /// shorter, or a bit behind the last group is set.
    #[must_use]
    pub fn from_bytes(total: u32, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != total.div_ceil(8) as usize {
            return None;
        }
        let mut words = vec![0_u64; total.div_ceil(64) as usize];
        for (at, byte) in bytes.iter().enumerate() {
            words[at / 8] |= u64::from(*byte) << (at % 8 * 8);
        }
        let behind = words.last().is_some_and(|last| !total.is_multiple_of(64) && last >> (total % 64) != 0);
        let count = words.iter().map(|word| word.count_ones()).sum();
        let mut groups = Self { total, count, words };
        groups.settle();
        (!behind).then_some(groups)
    }

    /// The bitmap.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = self.total.div_ceil(8);
        (0..bytes).map(|at| (self.word(at / 8) >> (at % 8 * 8)) as u8).collect()
    }

    /// How many the blob has.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// How many are in the set.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether all are.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.count == self.total
    }

    /// Whether none is.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    /// Whether `group` is. Never, behind the last one.
    #[must_use]
    pub fn contains(&self, group: u32) -> bool {
        group < self.total && self.word(group / 64) >> (group % 64) & 1 == 1
    }

    /// Whether `count` groups from `first` on all are.
    #[must_use]
    pub fn covers(&self, first: u32, count: u32) -> bool {
        first.checked_add(count).is_some_and(|end| (first..end).all(|group| self.contains(group)))
    }

    /// Whether it has a group that another set of the same blob lacks.
    #[must_use]
    pub fn has_more_than(&self, other: &Groups) -> bool {
        !self.is_none() && (0..self.words()).any(|at| self.word(at) & !other.word(at) != 0)
    }

    /// Puts a group in; whether it was not there. One behind the last is left out.
    pub fn insert(&mut self, group: u32) -> bool {
        if group >= self.total || self.contains(group) {
            return false;
        }
        self.unsettle();
        self.words[group as usize / 64] |= 1 << (group % 64);
        self.count += 1;
        self.settle();
        true
    }

    /// Takes a group out; whether it was there.
    pub fn remove(&mut self, group: u32) -> bool {
        if !self.contains(group) {
            return false;
        }
        self.unsettle();
        self.words[group as usize / 64] &= !(1 << (group % 64));
        self.count -= 1;
        self.settle();
        true
    }

    /// Puts all these in.
    pub fn insert_all(&mut self, groups: impl IntoIterator<Item = u32>) {
        for group in groups {
            self.insert(group);
        }
    }

    /// Takes all these out.
    pub fn remove_all(&mut self, groups: impl IntoIterator<Item = u32>) {
        for group in groups {
            self.remove(group);
        }
    }

    /// The groups `64 * at` to `64 * at + 63`, the lowest bit first.
    pub(super) fn word(&self, at: u32) -> u64 {
        if let Some(word) = self.words.get(at as usize) {
            return *word;
        }
        if self.is_none() {
            return 0;
        }
        // All of them: as many ones as there are groups left.
        match self.total.saturating_sub(at.saturating_mul(64)) {
            0 => 0,
            left @ 1..=63 => (1 << left) - 1,
            _ => u64::MAX,
        }
    }

    /// How many words there are.
    pub(super) fn words(&self) -> u32 {
        self.total.div_ceil(64)
    }

    fn unsettle(&mut self) {
        if self.words.is_empty() {
            self.words = (0..self.words()).map(|at| self.word(at)).collect();
        }
    }

    fn settle(&mut self) {
        if self.count == 0 || self.count == self.total {
            self.words = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Groups;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn it_is_a_set() {
        for total in [1, 7, 8, 63, 64, 65, 200] {
            let (mut groups, mut naive) = (Groups::none(total), BTreeSet::new());
            // Every group goes in and out in an order without pattern; 211 is a prime above all totals.
            for step in 1..3 * 211_u32 {
                let group = step * 97 % 211;
                match step / 211 {
                    1 => assert_eq!(groups.remove(group), naive.remove(&group)),
                    _ => assert_eq!(groups.insert(group), group < total && naive.insert(group)),
                }
                assert_eq!(groups.count() as usize, naive.len());
                assert!((0..total + 2).all(|group| groups.contains(group) == naive.contains(&group)));
                assert_eq!(Groups::from_bytes(total, &groups.to_bytes()).as_ref(), Some(&groups));
            }
            assert!(groups.is_all() && groups == Groups::all(total) && groups.covers(0, total));
            assert!(!groups.covers(1, total) && !groups.covers(u32::MAX, 2));
            let (mut less, none) = (groups.clone(), Groups::none(total));
            less.remove(total - 1);
            assert!(groups.has_more_than(&less) && groups.has_more_than(&none));
            assert!(
                !groups.has_more_than(&groups) && !less.has_more_than(&groups) && !none.has_more_than(&less)
            );
        }
    }

    #[test]
    fn the_bitmap_is_strict() {
        assert_eq!(Groups::all(9).to_bytes(), [0xff, 1]);
        assert_eq!(Groups::none(9).to_bytes(), [0, 0]);
        for bytes in [&[][..], &[0], &[0, 2], &[0, 0, 0]] {
            assert_eq!(Groups::from_bytes(9, bytes), None, "{bytes:?}");
        }
    }
}
