//! How many events two sets differ in, guessed from 512 numbers of each.
//!
//! The "tug of war" of Alon, Matias, Szegedy ("The Space Complexity of Approximating the Frequency Moments", 1996),
//! used for reconciliation by Gong et al. ("Space- and Computationally-Efficient Set Reconciliation via Parity
//! Bitmap Sketch", 2020): each event pulls each number up or down by one, and the mean square of the differences is
//! the number of events that only one side has, give or take √(2/512), 6 %. Which way is told by the bits of the
//! event's identifier, which is a hash, and by sums of two of them. Whoever grinds identifiers can make the guess
//! wrong, which costs a message more.
//!
//! What is sent of a number is six bits: the two below them are lost, which changes the guess by less than one, and
//! those above are those of one's own number as long as the sets do not differ in many thousands. Of more the guess
//! is too low.

use crate::base::EventId;

/// Numbers of one set: one for each bit of an identifier, and one for each sum of it and the bit 64 further.
pub(super) const NUMBERS: usize = 512;

/// Words of such bits.
const LANES: usize = NUMBERS / 64;

/// Bits that are sent of each number.
pub(super) const SENT_BITS: u32 = 6;

/// Bits below them.
const LOST_BITS: u32 = 2;

/// Events of a set that another peer may claim to have.
pub(super) const MAX_EVENTS: u64 = 1 << 32;

/// Identifiers that eight planes of bits can count.
const BATCH: u32 = 255;

/// How many identifiers of a set have each bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) ones: Vec<u64>,
}

/// A tally as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) count: u64,
    pub(super) middles: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { count: 0, ones: vec![0; NUMBERS] }
    }
}

impl Tally {
    /// With another set, which has no event in common with it.
    pub(super) fn unite(&mut self, count: u64, ones: &[u64]) {
        self.count += count;
        for (sum, more) in self.ones.iter_mut().zip(ones) {
            *sum += *more;
        }
    }

    /// Changes such numbers by an event that comes, or by one that was in the set and goes.
    pub(super) fn change(ones: &mut [u64], id: &EventId, comes: bool) {
        let by = if comes { 1 } else { 1_u64.wrapping_neg() };
        let lanes = lanes(id);
        for (bit, ones) in ones.iter_mut().enumerate() {
            if lanes[bit / 64] >> (bit % 64) & 1 == 1 {
                *ones = ones.wrapping_add(by);
            }
        }
    }

    /// What is sent of it.
    pub(super) fn send(&self) -> Sent {
        let middles = self.ones.iter().map(|ones| ones >> LOST_BITS & ((1 << SENT_BITS) - 1)).collect();
        Sent { count: self.count, middles }
    }

    /// About how many events only one of the two sets has.
    pub(super) fn distance(&self, other: &Sent) -> u64 {
        // Twice the difference, in which what was lost is 1 1/2 on average, less what half of all would make it:
        // each event that only one side has changes it by one.
        let modulus = 1_i64 << (LOST_BITS + SENT_BITS + 1);
        let more = (self.count as i64).wrapping_sub(other.count as i64);
        let mut squares = 0;
        for (ones, middle) in self.ones.iter().zip(&other.middles) {
            let pulled =
                (*ones as i64 * 2).wrapping_sub((*middle as i64) << (LOST_BITS + 1)).wrapping_sub(3 + more);
            let nearest = (pulled + modulus / 2).rem_euclid(modulus) - modulus / 2;
            squares += nearest.unsigned_abs().pow(2);
        }
        // The variance of what was lost: of twice 0 to 3, each as often.
        let numbers = NUMBERS as u64;
        let mean = (squares + numbers / 2) / numbers;
        mean.saturating_sub(5).max(more.unsigned_abs())
    }
}

fn lanes(id: &EventId) -> [u64; LANES] {
    let words: &[[u8; 8]] = id.0.as_chunks().0;
    let word = |at: usize| u64::from_le_bytes(words[at % 4]);
    core::array::from_fn(|lane| if lane < 4 { word(lane) } else { word(lane) ^ word(lane + 1) })
}

/// Tallies many events: 255 at a time in eight planes, each of which has one digit of all numbers.
#[derive(Default)]
pub(super) struct Tallying {
    tally: Tally,
    planes: [[u64; LANES]; 8],
    pending: u32,
}

impl Tallying {
    pub(super) fn insert(&mut self, id: &EventId) {
        for (lane, mut carry) in lanes(id).into_iter().enumerate() {
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
            *plane = [0; LANES];
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
        let mut tally = Tally { count: ids.len() as u64, ..Tally::default() };
        ids.iter().for_each(|id| Tally::change(&mut tally.ones, id, true));
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
        let (mut tally, rest) = (one_by_one(&ids[..100]), one_by_one(&ids[100..]));
        tally.unite(rest.count, &rest.ones);
        assert_eq!(tally, one_by_one(&ids));
        ids[50..].iter().for_each(|id| Tally::change(&mut tally.ones, id, false));
        assert_eq!(tally.ones, one_by_one(&ids[..50]).ones);
    }

    #[test]
    fn few_differences_are_guessed_almost_exactly_and_many_within_a_quarter() {
        let common = one_by_one(&ids(9, 5_000));
        for (seed, ours, theirs) in [
            (1, 0, 0),
            (2, 1, 0),
            (3, 0, 1),
            (4, 2, 2),
            (5, 30, 70),
            (6, 1_000, 0),
            (7, 500, 500),
            (8, 9_000, 3_000),
        ] {
            let with = |seed, count| {
                let (mut tally, more) = (common.clone(), one_by_one(&ids(seed, count)));
                tally.unite(more.count, &more.ones);
                tally
            };
            let (a, b) = (with(seed, ours), with(seed + 100, theirs));
            for guess in [a.distance(&b.send()), b.distance(&a.send())] {
                let bound = 1 + (ours + theirs) / 4;
                assert!((ours + theirs).abs_diff(guess as usize) <= bound, "{guess} for {}", ours + theirs);
            }
        }
    }

    #[test]
    fn numbers_of_a_liar_overflow_nothing() {
        for middle in [0, 63] {
            let liar = Sent { count: MAX_EVENTS, middles: vec![middle; NUMBERS] };
            assert_eq!(Tally::default().distance(&liar), MAX_EVENTS);
        }
    }
}
