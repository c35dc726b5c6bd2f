//! Our slices against those of the crate `bao-tree`, which iroh is built on. Natively only: it is not made for browsers.

use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::io::sync::encode_ranges_validated;
use bao_tree::{BlockSize, ChunkNum, ChunkRanges};
use chanterelle_core::media::tree::{groups_in, slice_bytes, verify};

use super::tree::{BOUNDARIES, Held, content};

/// The slice as `bao-tree` writes it.
fn reference(content: &[u8], outboard: &PreOrderMemOutboard, first: u32, count: u32) -> Vec<u8> {
    let chunk = |group: u32| ChunkNum(u64::from(group) * 16);
    let ranges = ChunkRanges::from(chunk(first)..chunk(first + count));
    let mut bytes = Vec::new();
    encode_ranges_validated(content, outboard, &ranges, &mut bytes).expect("its own outboard fits");
    bytes
}

fn compare(size: usize, ranges: impl Iterator<Item = (u32, u32)>) {
    let held = Held::new(content(size));
    let theirs = PreOrderMemOutboard::create(&held.content, BlockSize::from_chunk_log(4));
    assert_eq!(held.id.as_bytes(), theirs.root.as_bytes(), "{size}");
    for (first, count) in ranges {
        let ours = held.slice(first, count);
        assert!(
            ours == reference(&held.content, &theirs, first, count),
            "{size} bytes, {count} from {first}"
        );
        assert_eq!(ours.len() as u64, slice_bytes(held.size(), first, count).expect("in range"));
        verify(&held.id, held.size(), first, count, &ours).expect("a true slice");
    }
}

#[test]
fn every_slice_at_every_boundary_is_the_same() {
    for size in BOUNDARIES {
        let groups = groups_in(size as u64);
        compare(size, (0..groups).flat_map(|first| (1..=groups - first).map(move |count| (first, count))));
    }
}

#[test]
fn slices_of_requests_are_the_same_in_large_blobs() {
    for size in [5_000_000, 256 * 16_384, 257 * 16_384 - 5, 511 * 16_384 + 1] {
        let groups = groups_in(size as u64);
        compare(size, (0..groups).map(|first| (first, 16.min(groups - first))));
    }
}
