//! A set of events as one number: what two peers compare to find out that they hold the same.
//!
//! The sum of all identifiers modulo 2^256, with how many there are (AdHash: Bellare, Micciancio, "A New Paradigm for
//! Collision-free Hashing", 1997, section 5). Adding, removing and uniting cost a few additions whatever the size. Who
//! makes events on purpose can find two sets of one sum with much less than 2^128 work (Wagner, "A Generalized Birthday
//! Problem", 2002), so equal folds are a hint like every result of reconciliation, not a proof.

use crate::base::EventId;

/// The fold of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    /// Little-endian, the least significant first.
    sum: [u64; 4],
    count: u64,
}

impl Fold {
    /// Of these events, each of them once.
    pub fn of<'a>(ids: impl IntoIterator<Item = &'a EventId>) -> Fold {
        let mut fold = Fold::default();
        ids.into_iter().for_each(|id| fold.insert(id));
        fold
    }

    /// How many events.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// With an event that was not in it.
    pub fn insert(&mut self, id: &EventId) {
        self.add(&limbs(id));
        self.count = self.count.wrapping_add(1);
    }

    /// Without an event that was in it.
    pub fn remove(&mut self, id: &EventId) {
        // Two's complement: the sum of all bits inverted, and one.
        self.add(&limbs(id).map(|limb| !limb));
        self.add(&[1, 0, 0, 0]);
        self.count = self.count.wrapping_sub(1);
    }

    /// With another set that has no event in common with it.
    pub fn unite(&mut self, other: &Fold) {
        self.add(&other.sum);
        self.count = self.count.wrapping_add(other.count);
    }

    /// The sum, then the count, little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        for (place, limb) in bytes.chunks_exact_mut(8).zip(self.sum.iter().chain([&self.count])) {
            place.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    fn add(&mut self, other: &[u64; 4]) {
        let mut carry = false;
        for (limb, more) in self.sum.iter_mut().zip(other) {
            let (sum, first) = limb.overflowing_add(*more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }
}

fn limbs(id: &EventId) -> [u64; 4] {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().zip(id.0.as_chunks().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    limbs
}

#[cfg(test)]
mod tests {
    use super::Fold;
    use crate::base::EventId;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn id(byte: u8) -> EventId {
        EventId([byte; 32])
    }

    #[test]
    fn the_order_plays_no_part_and_removing_takes_back() {
        let (a, b, c) = (id(0xff), id(0xfe), id(1));
        let all = Fold::of([&a, &b, &c]);
        assert_eq!(Fold::of([&c, &a, &b]), all);
        let mut fold = all;
        fold.remove(&b);
        assert_eq!(fold, Fold::of([&a, &c]));
        fold.remove(&a);
        fold.remove(&c);
        assert_eq!(fold, Fold::default());
    }

    #[test]
    fn sets_are_united_by_their_folds_alone() {
        let mut fold = Fold::of([&id(1), &id(0xff)]);
        fold.unite(&Fold::of([&id(7), &id(0xfd)]));
        assert_eq!(fold, Fold::of([&id(7), &id(1), &id(0xfd), &id(0xff)]));
        assert_eq!(fold.count(), 4);
        assert_ne!(fold, Fold::of([&id(7), &id(1), &id(0xfd)]));
    }

    #[test]
    fn the_sum_is_that_of_little_endian_numbers() {
        let (mut low, mut high) = ([0; 32], [0; 32]);
        (low[0], high[31]) = (2, 0xff);
        let mut all = [0xff; 32];
        all[0] = 0xfe;
        // 2 + (2^256 - 2) = 0, and the highest byte comes behind all others.
        let zero = Fold::of([&EventId(low), &EventId(all)]);
        assert_eq!(zero.to_bytes()[..32], [0; 32]);
        assert_eq!(zero.to_bytes()[32..], [2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Fold::of([&EventId(high)]).to_bytes()[..32], high);
    }
}
