//! How many events two sets differ in, guessed from 256 numbers of each.
//!
//! The "tug of war" of Alon, Matias, Szegedy ("The Space Complexity of Approximating the Frequency Moments", 1996), used for
//! reconciliation by Gong et al. ("Space- and Computationally-Efficient Set Reconciliation via Parity Bitmap Sketch", 2020):
//! each event pulls each number up or down by one, the mean square of the differences is the number of events that only one
//! side has. The directions are the bits of the event's identifier, which is a hash; the standard deviation is √(2/256),
//! 9 %. Whoever grinds identifiers can make the guess wrong, which costs a message more.

use crate::base::EventId;

/// Numbers of one set: the bits of an identifier.
pub(super) const NUMBERS: usize = 256;

/// Events of a set that another peer may claim to have: squares of such numbers can be added up.
pub(super) const MAX_EVENTS: u64 = 1 << 32;

/// Identifiers that eight planes of bits can count.
const BATCH: u32 = 255;

/// How many identifiers of a set have each bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) ones: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { count: 0, ones: vec![0; NUMBERS] }
    }
}

impl Tally {
    /// With an event more.
    pub(super) fn insert(&mut self, id: &EventId) {
        self.change(id, 1);
    }

    /// Without an event that was in it.
    pub(super) fn remove(&mut self, id: &EventId) {
        self.change(id, 1_u64.wrapping_neg());
    }

    /// With another set that has no event in common with it.
    pub(super) fn unite(&mut self, other: &Tally) {
        self.count = self.count.wrapping_add(other.count);
        for (ones, more) in self.ones.iter_mut().zip(&other.ones) {
            *ones = ones.wrapping_add(*more);
        }
    }

    /// About how many events only one of the two sets has. Neither has more than [`MAX_EVENTS`].
    pub(super) fn distance(&self, other: &Tally) -> u64 {
        // How far a number was pulled is twice the ones less all.
        let pulled = |tally: &Tally, bit: usize| i128::from(tally.ones[bit]) * 2 - i128::from(tally.count);
        let squares: i128 = (0..NUMBERS).map(|bit| (pulled(self, bit) - pulled(other, bit)).pow(2)).sum();
        let mean = (squares.unsigned_abs() + NUMBERS as u128 / 2) / NUMBERS as u128;
        u64::try_from(mean).unwrap_or(u64::MAX).max(self.count.abs_diff(other.count))
    }

    fn change(&mut self, id: &EventId, by: u64) {
        self.count = self.count.wrapping_add(by);
        for (bit, ones) in self.ones.iter_mut().enumerate() {
            if id.0[bit / 8] >> (bit % 8) & 1 == 1 {
                *ones = ones.wrapping_add(by);
            }
        }
    }
}

/// Tallies many events: 255 at a time in eight planes, each of which has one digit of all 256 numbers.
#[derive(Default)]
pub(super) struct Tallying {
    tally: Tally,
    planes: [[u64; 4]; 8],
    pending: u32,
}

impl Tallying {
    pub(super) fn insert(&mut self, id: &EventId) {
        for (lane, bytes) in id.0.as_chunks().0.iter().enumerate() {
            let mut carry = u64::from_le_bytes(*bytes);
            for plane in &mut self.planes {
                let next = plane[lane] & carry;
                plane[lane] ^= carry;
                carry = next;
                if carry == 0 {
                    break;
                }
            }
        }
        self.pending += 1;
        if self.pending == BATCH {
            self.flush();
        }
    }

    pub(super) fn finish(mut self) -> Tally {
        self.flush();
        self.tally
    }

    fn flush(&mut self) {
        for (digit, plane) in self.planes.iter_mut().enumerate() {
            for (bit, ones) in self.tally.ones.iter_mut().enumerate() {
                *ones += (plane[bit / 64] >> (bit % 64) & 1) << digit;
            }
            *plane = [0; 4];
        }
        self.tally.count += u64::from(self.pending);
        self.pending = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Rng;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn ids(seed: u8, count: usize) -> Vec<EventId> {
        let mut rng = Rng::new([seed; 32]);
        let mut id = || {
            let mut id = [0; 32];
            rng.fill(&mut id);
            EventId(id)
        };
        (0..count).map(|_| id()).collect()
    }

    fn one_by_one(ids: &[EventId]) -> Tally {
        let mut tally = Tally::default();
        ids.iter().for_each(|id| tally.insert(id));
        tally
    }

    #[test]
    fn many_are_tallied_like_one_by_one() {
        for count in [0, 1, 254, 255, 256, 1_000] {
            let ids = ids(1, count);
            let mut tallying = Tallying::default();
            ids.iter().for_each(|id| tallying.insert(id));
            assert_eq!(tallying.finish(), one_by_one(&ids), "{count}");
        }
    }

    #[test]
    fn tallies_are_united_and_taken_back() {
        let ids = ids(1, 300);
        let mut tally = one_by_one(&ids[..100]);
        tally.unite(&one_by_one(&ids[100..]));
        assert_eq!(tally, one_by_one(&ids));
        ids[50..].iter().for_each(|id| tally.remove(id));
        assert_eq!(tally, one_by_one(&ids[..50]));
    }

    #[test]
    fn few_differences_are_guessed_exactly_and_many_within_a_third() {
        let common = one_by_one(&ids(9, 5_000));
        for (seed, ours, theirs) in [(1, 0, 0), (2, 1, 0), (3, 0, 1), (4, 30, 70), (5, 1_000, 0), (6, 500, 500)] {
            let (mut a, mut b) = (common.clone(), common.clone());
            ids(seed, ours).iter().for_each(|id| a.insert(id));
            ids(seed + 100, theirs).iter().for_each(|id| b.insert(id));
            let (true_one, guess) = ((ours + theirs) as f64, a.distance(&b));
            assert_eq!(guess, b.distance(&a));
            let exact = ours + theirs < 2;
            let near = (true_one * 0.66..=true_one * 1.33).contains(&(guess as f64));
            assert!(if exact { guess as f64 == true_one } else { near }, "{guess} for {true_one}");
        }
    }

    #[test]
    fn numbers_of_a_liar_overflow_nothing() {
        let liar = |ones| Tally { count: MAX_EVENTS, ones: vec![ones; NUMBERS] };
        assert_eq!(liar(MAX_EVENTS).distance(&liar(0)), u64::MAX);
    }
}
