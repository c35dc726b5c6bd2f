//! The seeded generator behind every choice a node makes: which neighbour, which delay, which probe. The
//! stream is the extended output of BLAKE3, so one seed gives the same choices natively and in wasm, and an
//! observer of some choices cannot foretell the next.
//!
//! It never makes keys: those come from the system's entropy through the shell. What makes a thread's salt is seeded with
//! the system's entropy in a tab; only a simulation's seed is printed, shared and replayed.

use core::fmt;

use super::hash;

/// A deterministic stream of random bytes.
///
/// Not `Clone`: two generators that give the same numbers in one node are a bug.
pub struct Rng(blake3::OutputReader);

impl Rng {
    /// The generator of `seed`; the shell takes the seed from the system's entropy, the simulator from its
    /// scenario.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(hash::RNG);
        hasher.update(&seed);
        Self(hasher.finalize_xof())
    }

    /// Fills `bytes` with the next bytes of the stream.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    /// The next 8 bytes of the stream as a little-endian number.
    pub fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number below `n`, each equally likely (Lemire, "Fast Random Integer Generation in an Interval",
    /// 2019, algorithm 5). Takes 8 bytes of the stream, and 8 more with a probability below `n / 2^64` each
    /// time.
    ///
    /// # Panics
    /// When `n` is 0: there is no such number.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "a number below 0 was asked for");
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if low(product) < n {
            let threshold = n.wrapping_neg() % n;
            while low(product) < threshold {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        high(product)
    }
}

/// Shows nothing: the state foretells every later choice.
impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng(..)")
    }
}

fn low(product: u128) -> u64 {
    product as u64
}

fn high(product: u128) -> u64 {
    (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_stream_does_not_depend_on_how_it_is_read() {
        let mut whole = [0; 300];
        Rng::new([3; 32]).fill(&mut whole);
        let mut pieces = Rng::new([3; 32]);
        for chunk in whole.chunks(7) {
            let mut piece = vec![0; chunk.len()];
            pieces.fill(&mut piece);
            assert_eq!(piece, chunk);
        }
    }

    #[test]
    fn another_seed_gives_another_stream() {
        assert_ne!(Rng::new([0; 32]).next_u64(), Rng::new([1; 32]).next_u64());
    }

    #[test]
    fn below_stays_below_and_reaches_everything() {
        let mut rng = Rng::new([5; 32]);
        for n in 1..40 {
            let mut seen = vec![false; n];
            for _ in 0..n * 40 {
                seen[usize::try_from(rng.below(n as u64)).expect("small")] = true;
            }
            assert!(seen.iter().all(|seen| *seen), "{n}");
        }
        assert!((0..100).all(|_| rng.below(u64::MAX) < u64::MAX));
    }

    /// With n = 3 * 2^62 a quarter of all draws must be thrown away; kept, they would make multiples of three
    /// twice as likely as the others.
    #[test]
    fn below_favours_none() {
        let mut rng = Rng::new([6; 32]);
        let mut remainders = [0_u32; 3];
        for _ in 0..30_000 {
            remainders[usize::try_from(rng.below(3 << 62) % 3).expect("0 to 2")] += 1;
        }
        // The standard deviation is 82.
        assert!(remainders.iter().all(|count| count.abs_diff(10_000) < 500), "{remainders:?}");
    }

    #[test]
    fn the_state_is_not_shown() {
        assert_eq!(format!("{:?}", Rng::new([7; 32])), "Rng(..)");
    }
}
