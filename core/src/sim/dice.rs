//! The dice of the world around the nodes: delays, losses, crashes, who writes when.
//!
//! SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014): one word of state, so
//! that every peer and every direction of every link has a generator of its own, and none depends on the order in which
//! peers are served. Foreseeable, and therefore never handed to a node, whose choices come from [`crate::crypto::Rng`].

/// A stream of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

/// The odd number nearest to 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    /// The stream of a seed and what it is for.
    pub(super) fn new(seed: u64, parts: &[u64]) -> Dice {
        let state = parts.iter().fold(mixed(seed ^ STEP), |state, part| {
            mixed(state.wrapping_add(STEP) ^ part.wrapping_mul(STEP).rotate_left(31))
        });
        Dice(state)
    }

    /// The next word.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    /// A number below `n`, which is not 0. Of the largest `n` some numbers come up oftener than others, by less than
    /// `n` in 2^64.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// A number from `least` to `most`.
    pub(super) fn within(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True in `per_thousand` of a thousand cases; draws nothing where the answer is known.
    pub(super) fn chance(&mut self, per_thousand: u64) -> bool {
        per_thousand > 0 && self.below(1_000) < per_thousand
    }
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// The first outputs for the state 0, as published with the generator.
    #[test]
    fn the_stream_is_that_of_the_paper() {
        let mut dice = Dice(0);
        assert_eq!(dice.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(dice.next(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn streams_differ_and_reach_every_number() {
        assert_ne!(Dice::new(1, &[1, 2]).next(), Dice::new(1, &[2, 1]).next());
        assert_ne!(Dice::new(1, &[0]).next(), Dice::new(2, &[0]).next());
        let mut dice = Dice::new(3, &[]);
        let mut seen = [false; 7];
        for _ in 0..200 {
            seen[usize::try_from(dice.within((0, 6))).expect("small")] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
        assert!((0..100).all(|_| !dice.chance(0) && dice.chance(1_000)));
    }
}
