//! Samples of the media protocol: every frame, and blobs by a rule with their trees; and what the vector file says of
//! them.
//!
//! Changing a value here changes published bytes; that is done on purpose or not at all.

use chanterelle_core::base::BlobId;
use chanterelle_core::media::tree::{GROUP_BYTES, Node, Outboard, content_bytes, groups_in, slice};
use chanterelle_core::media::{Groups, HeldItem, MediaFrame};
use chanterelle_core::wire::prefixed;
use data_encoding::HEXLOWER;
use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};

use super::notation::to_json;
use super::vectors::FrameVector;

/// A blob by the rule that byte `n` of it is `n` modulo 251, so that no two groups are alike, and what follows from it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct BlobVector {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) id: String,
    /// All parents in the order of groups.
    pub(super) outboard: String,
    /// Of some ranges.
    pub(super) slices: Vec<SliceVector>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SliceVector {
    pub(super) first: u32,
    pub(super) count: u32,
    pub(super) bytes: String,
}

/// Sizes of the blobs, and the ranges of groups whose slices are published: at the edges of chunks and groups, and where
/// a slice has parents of several levels. Whole groups make the file large, so few are among them.
const BLOBS: [(u64, &[(u32, u32)]); 7] = [
    (1, &[(0, 1)]),
    (1_024, &[(0, 1)]),
    (1_025, &[(0, 1)]),
    (16_384, &[]),
    (16_385, &[(1, 1)]),
    (40_000, &[(1, 2)]),
    (5 * 16_384 + 1, &[(5, 1)]),
];

/// The content of a blob.
pub(super) fn content(size: u64) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

pub(super) fn blobs() -> Vec<BlobVector> {
    BLOBS.iter().map(|(size, ranges)| blob(*size, ranges)).collect()
}

fn blob(size: u64, ranges: &[(u32, u32)]) -> BlobVector {
    let content = content(size);
    let mut hash = Outboard::new();
    hash.update(&content);
    let hashed = hash.finish();
    let slices = ranges.iter().map(|&(first, count)| {
        let bytes = slice_of(&content, &hashed.outboard, first, count);
        SliceVector { first, count, bytes: HEXLOWER.encode(&bytes) }
    });
    BlobVector {
        name: format!("bytes-{size}"),
        size,
        id: hashed.id.to_string(),
        outboard: HEXLOWER.encode(&hashed.outboard),
        slices: slices.collect(),
    }
}

fn slice_of(content: &[u8], outboard: &[u8], first: u32, count: u32) -> Vec<u8> {
    let size = content.len() as u64;
    let start = (u64::from(first) * GROUP_BYTES) as usize;
    let data = &content[start..][..content_bytes(size, first, count) as usize];
    let parent = |node: Node| {
        let parent = outboard[node.offset() as usize..].first_chunk();
        *parent.expect("the outboard has every parent")
    };
    slice(size, first, count, parent, data).expect("the blob has these groups")
}

/// Every frame.
pub(super) fn frames() -> Vec<(&'static str, MediaFrame)> {
    let blob = |size| BlobId(*blake3::hash(&content(size)).as_bytes());
    let (short, long) = (blob(16_385), blob(5 * 16_384 + 1));
    let size = 5 * 16_384 + 1;
    let mut some = Groups::none(groups_in(size));
    some.insert_all([0, 3, 5]);
    let mut many = Groups::none(300);
    many.insert_all((0..300).step_by(7));
    let held = |items: &[HeldItem]| MediaFrame::Held { items: items.to_vec() };
    let complete = HeldItem::new(short, 16_385, &Groups::all(2));
    let partial = HeldItem::new(long, size, &some);
    let none = HeldItem::new(long, size, &Groups::none(groups_in(size)));
    let hashed = blobs();
    let slice = hashed.iter().find(|blob| blob.size == 16_385).expect("it is among them");
    let bytes = HEXLOWER.decode(slice.slices[0].bytes.as_bytes()).expect("it was encoded so");
    vec![
        ("look", MediaFrame::Look { ids: vec![short, long] }),
        ("look-none", MediaFrame::Look { ids: Vec::new() }),
        ("get", MediaFrame::Get { call: 1, id: short, first: 1, count: 1 }),
        ("get-far", MediaFrame::Get { call: (1 << 53) - 1, id: long, first: (1 << 18) - 16, count: 16 }),
        ("held-complete", held(std::slice::from_ref(&complete))),
        ("held-partial", held(std::slice::from_ref(&partial))),
        ("held-none", held(&[none])),
        (
            "held-several",
            held(&[complete, partial, HeldItem::new(BlobId([0xb5; 32]), 300 * GROUP_BYTES, &many)]),
        ),
        ("slice", MediaFrame::Slice { call: 1, bytes }),
        ("none", MediaFrame::None { call: 300 }),
    ]
}

/// What is published of a frame.
pub(super) fn frame((name, frame): (&'static str, MediaFrame)) -> FrameVector {
    let item: Ipld = ipld_core::serde::to_ipld(&frame).expect("frames are plain values");
    let plain = frame.encode();
    FrameVector {
        name: name.to_owned(),
        frame: to_json(&item),
        plain: HEXLOWER.encode(&plain),
        stream: HEXLOWER.encode(&prefixed(&plain)),
    }
}
