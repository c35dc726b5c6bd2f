//! The trace of one peer: every frame, batch and fault it met, in its order, folded into one word.
//!
//! Folds eight bytes a step, since hundreds of millions of frames pass; told apart are runs that differ by accident, not by
//! malice. The chains of all peers are hashed together in their order, so the trace does not depend on who was served first.

use crate::base::Instant;

/// A hash over what happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain(u64);

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happened {
    Received = 1,
    Stored = 2,
    Crashed = 3,
    Split = 4,
    Opened = 5,
    Ended = 6,
}

/// An odd number without pattern: the fraction of the square root of 3.
const FACTOR: u64 = 0xbb67_ae85_84ca_a73b;

impl Chain {
    pub(super) fn add(&mut self, what: Happened, now: Instant, bytes: &[u8]) {
        self.step(what as u64);
        self.step(now.0);
        self.step(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.step(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.step(u64::from_le_bytes(last));
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }

    fn step(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ FACTOR) * u128::from(FACTOR);
        self.0 = (product as u64) ^ ((product >> 64) as u64).rotate_left(17);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_part_counts() {
        let of = |what, at, bytes: &[u8]| {
            let mut chain = Chain::default();
            chain.add(what, Instant(at), bytes);
            chain.value()
        };
        let all = [
            of(Happened::Received, 1, b"0123456789"),
            of(Happened::Stored, 1, b"0123456789"),
            of(Happened::Received, 2, b"0123456789"),
            of(Happened::Received, 1, b"0123456788"),
            of(Happened::Received, 1, b"0123456789\0"),
            of(Happened::Received, 1, b"1123456789"),
            of(Happened::Received, 1, b""),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(!all[..place].contains(one), "{place}");
        }
    }
}
