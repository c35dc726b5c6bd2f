//! The tree over a blob: what is hashed in pieces, cut into slices and put together again is what was there, and
//! nothing else is let in.

use chanterelle_core::base::BlobId;
use chanterelle_core::media::tree::{
    Node, Outboard, Parent, SliceError, blob_id, content_bytes, groups_in, outboard_bytes, parents_of, slice,
    slice_bytes, verify,
};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Sizes at which the tree takes another shape, and some between.
pub(super) const BOUNDARIES: [usize; 24] = [
    1,
    1_023,
    1_024,
    1_025,
    16_383,
    16_384,
    16_385,
    2 * 16_384 - 1,
    2 * 16_384,
    2 * 16_384 + 1,
    3 * 16_384 - 1,
    3 * 16_384,
    3 * 16_384 + 1,
    4 * 16_384,
    4 * 16_384 + 1,
    5 * 16_384 - 1_000,
    7 * 16_384 + 1_025,
    8 * 16_384 - 1,
    8 * 16_384,
    8 * 16_384 + 1,
    11 * 16_384 + 77,
    16 * 16_384,
    17 * 16_384 - 1,
    23 * 16_384 + 5_000,
];

/// Bytes of which no two groups are alike.
pub(super) fn content(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&(size as u64).to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A blob as a holder has it.
pub(super) struct Held {
    pub(super) id: BlobId,
    pub(super) content: Vec<u8>,
    pub(super) outboard: Vec<u8>,
}

impl Held {
    pub(super) fn new(content: Vec<u8>) -> Self {
        let mut outboard = Outboard::new();
        outboard.update(&content);
        let hashed = outboard.finish();
        assert_eq!(hashed.size, content.len() as u64);
        Self { id: hashed.id, content, outboard: hashed.outboard }
    }

    pub(super) fn size(&self) -> u64 {
        self.content.len() as u64
    }

    pub(super) fn parent(&self, node: Node) -> Parent {
        let at = node.offset() as usize;
        self.outboard[at..at + 64].try_into().expect("64 bytes")
    }

    pub(super) fn data(&self, first: u32, count: u32) -> &[u8] {
        let start = first as usize * 16_384;
        &self.content[start..start + content_bytes(self.size(), first, count) as usize]
    }

    pub(super) fn slice(&self, first: u32, count: u32) -> Vec<u8> {
        slice(self.size(), first, count, |node| self.parent(node), self.data(first, count)).expect("in range")
    }
}

#[test]
fn the_hash_is_that_of_the_content_however_it_comes() {
    for size in BOUNDARIES {
        let held = Held::new(content(size));
        assert_eq!(held.id, blob_id(&held.content), "{size}");
        assert_eq!(held.id.as_bytes(), blake3::hash(&held.content).as_bytes());
        assert_eq!(held.outboard.len() as u64, outboard_bytes(held.size()));
        for piece in [1_000, 16_384, 50_001] {
            let mut outboard = Outboard::new();
            held.content.chunks(piece).for_each(|piece| outboard.update(piece));
            let hashed = outboard.finish();
            assert_eq!(
                (hashed.id, &hashed.outboard),
                (held.id, &held.outboard),
                "{size} in pieces of {piece}"
            );
        }
    }
    assert_eq!(Outboard::new().finish().id.as_bytes(), blake3::hash(b"").as_bytes());
}

#[test]
fn every_slice_gives_its_content_and_its_parents() {
    for size in BOUNDARIES {
        let held = Held::new(content(size));
        let groups = groups_in(held.size());
        for first in 0..groups {
            for count in 1..=groups - first {
                let bytes = held.slice(first, count);
                assert_eq!(bytes.len() as u64, slice_bytes(held.size(), first, count).expect("in range"));
                let verified = verify(&held.id, held.size(), first, count, &bytes).expect("a true slice");
                assert!(verified.data == held.data(first, count), "{size}: {count} from {first}");
                let nodes: Vec<Node> = verified.parents.iter().map(|(node, _)| *node).collect();
                assert_eq!(nodes, parents_of(held.size(), first, count).expect("in range"));
                assert!(verified.parents.iter().all(|(node, parent)| *parent == held.parent(*node)));
            }
        }
    }
}

/// What a partial holder stores lets it serve what it has, and in the end is all there is.
#[test]
fn an_outboard_fills_up_from_slices() {
    let held = Held::new(content(23 * 16_384 + 5_000));
    let groups = groups_in(held.size());
    let mut partial =
        Held { id: held.id, content: vec![0; held.content.len()], outboard: vec![0; held.outboard.len()] };
    for first in (0..groups).rev() {
        let verified = verify(&held.id, held.size(), first, 1, &held.slice(first, 1)).expect("a true slice");
        for (node, parent) in verified.parents {
            let at = node.offset() as usize;
            partial.outboard[at..at + 64].copy_from_slice(&parent);
        }
        let start = first as usize * 16_384;
        partial.content[start..start + verified.data.len()].copy_from_slice(&verified.data);
        for count in 1..=groups - first {
            assert!(partial.slice(first, count) == held.slice(first, count), "{count} from {first}");
        }
    }
    assert!(partial.outboard == held.outboard && partial.content == held.content);
}

#[test]
fn what_the_blob_does_not_have_is_no_range() {
    let held = Held::new(content(3 * 16_384));
    for (first, count) in [(0, 0), (3, 1), (0, 4), (2, 2), (u32::MAX, 1), (1, u32::MAX)] {
        let error = SliceError::Range { size: held.size(), first, count };
        assert_eq!(parents_of(held.size(), first, count), Err(error));
        assert_eq!(slice(held.size(), first, count, |_| [0; 64], &[]), Err(error));
        assert_eq!(verify(&held.id, held.size(), first, count, &[]), Err(error));
    }
    assert!(matches!(verify(&held.id, 0, 0, 1, &[]), Err(SliceError::Range { .. })));
    assert!(matches!(verify(&held.id, u64::MAX, 0, 1, &[]), Err(SliceError::Range { .. })));
    assert!(matches!(slice(held.size(), 0, 1, |_| [0; 64], &[0; 5]), Err(SliceError::Length { .. })));
}

/// A slice is checked for the size that is claimed: whoever lies about it cannot prove the end.
#[test]
fn another_size_never_verifies_at_the_end() {
    let held = Held::new(content(5 * 16_384 + 100));
    let last = held.slice(5, 1);
    for size in [5 * 16_384 + 99, 5 * 16_384 + 101, 5 * 16_384, 6 * 16_384, 7 * 16_384] {
        let groups = groups_in(size);
        let mut padded = last.clone();
        padded.resize(slice_bytes(size, groups - 1, 1).expect("in range") as usize, 0);
        assert!(verify(&held.id, size, groups - 1, 1, &padded).is_err(), "{size}");
    }
}

/// A run of `cases` cases that is the same on every machine.
pub(super) fn runner(cases: u32) -> TestRunner {
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..Default::default()
    };
    TestRunner::new(config)
}

#[test]
fn no_flipped_bit_passes() {
    let blobs: Vec<Held> = BOUNDARIES.iter().map(|size| Held::new(content(*size))).collect();
    let strategy = (0..blobs.len(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u64>());
    let law = |(blob, first, count, at): (usize, prop::sample::Index, prop::sample::Index, u64)| {
        let held: &Held = &blobs[blob];
        let groups = groups_in(held.size());
        let first = first.index(groups as usize) as u32;
        let count = 1 + count.index((groups - first) as usize) as u32;
        let mut bytes = held.slice(first, count);
        let bit = at % (bytes.len() as u64 * 8);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        prop_assert!(verify(&held.id, held.size(), first, count, &bytes).is_err());
        Ok(())
    };
    runner(3_000).run(&strategy, law).expect("every flipped bit is seen");
}

/// Not by chance: every bit of small slices.
#[test]
fn no_bit_of_a_small_slice_is_left_unchecked() {
    for (size, first) in [(40, 0), (16_384 + 40, 1), (3 * 16_384 + 40, 3)] {
        let held = Held::new(content(size));
        let mut bytes = held.slice(first, 1);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&held.id, held.size(), first, 1, &bytes).is_err(), "bit {bit} of {size} bytes");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(verify(&held.id, held.size(), first, 1, &bytes).is_ok());
    }
}

#[test]
fn nothing_cut_off_or_put_behind_passes() {
    let held = Held::new(content(11 * 16_384 + 77));
    let strategy = (0_u32..12, 1_u32..=12, 0_usize..2_000, any::<u8>());
    let law = |(first, count, by, byte): (u32, u32, usize, u8)| {
        let count = count.min(12 - first);
        let bytes = held.slice(first, count);
        let cut = &bytes[..bytes.len() - (by % bytes.len()).max(1)];
        let is_length = |verified| matches!(verified, Err(SliceError::Length { .. }));
        prop_assert!(is_length(verify(&held.id, held.size(), first, count, cut)));
        let longer = [bytes.as_slice(), &vec![byte; by + 1]].concat();
        prop_assert!(is_length(verify(&held.id, held.size(), first, count, &longer)));
        Ok(())
    };
    runner(500).run(&strategy, law).expect("lengths are checked");
}
