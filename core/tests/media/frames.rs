//! The frames of the media protocol: one encoding each, and nothing else is let in.

use chanterelle_core::base::{BlobId, Limits};
use chanterelle_core::event::CanonicalError;
use chanterelle_core::media::{Groups, HeldItem, MediaFrame, MediaFrameError};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use proptest::prelude::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::tree::runner;

fn cbor(item: &Ipld) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(item).expect("values encode")
}

fn decode(bytes: &[u8]) -> Result<MediaFrame, MediaFrameError> {
    MediaFrame::decode(bytes, &Limits::default())
}

fn id(name: u8) -> BlobId {
    BlobId([name; 32])
}

#[test]
fn each_frame_has_the_form_that_is_documented() {
    let bytes = |name| Ipld::Bytes(vec![name; 32]);
    let size = 3 * 16_384;
    let mut some = Groups::none(3);
    some.insert_all([0, 2]);
    let items = vec![
        HeldItem::new(id(1), size, &Groups::all(3)),
        HeldItem::new(id(2), size, &some),
        HeldItem::new(id(3), size, &Groups::none(3)),
    ];
    for (frame, form) in [
        (MediaFrame::Look { ids: vec![id(1), id(2)] }, ipld!({"look": {"ids": [bytes(1), bytes(2)]}})),
        (MediaFrame::Look { ids: vec![] }, ipld!({"look": {"ids": []}})),
        (
            MediaFrame::Get { call: 7, id: id(1), first: 32, count: 16 },
            ipld!({"get": {"call": 7, "id": bytes(1), "first": 32, "count": 16}}),
        ),
        (
            MediaFrame::Held { items },
            ipld!({"held": {"items": [
                {"id": bytes(1), "size": size},
                {"id": bytes(2), "size": size, "groups": Ipld::Bytes(vec![5])},
                {"id": bytes(3), "size": size, "groups": Ipld::Bytes(vec![])},
            ]}}),
        ),
        (
            MediaFrame::Slice { call: 7, bytes: vec![1, 2, 3] },
            ipld!({"slice": {"call": 7, "bytes": Ipld::Bytes(vec![1, 2, 3])}}),
        ),
        (MediaFrame::None { call: 7 }, ipld!({"none": {"call": 7}})),
    ] {
        assert_eq!(frame.encode(), cbor(&form), "{frame:?}");
        assert_eq!(decode(&frame.encode()), Ok(frame));
    }
}

#[test]
fn other_forms_are_none() {
    let bytes = |length| Ipld::Bytes(vec![1; length]);
    for form in [
        ipld!({}),
        ipld!([]),
        ipld!({"find": {}}),
        ipld!({"look": {}}),
        ipld!({"look": {"ids": [bytes(31)]}}),
        ipld!({"look": {"ids": [], "more": 1}}),
        ipld!({"look": {"ids": []}, "none": {"call": 1}}),
        ipld!({"none": {"call": -1}}),
        ipld!({"get": {"call": 1, "id": bytes(32), "first": 0x1_0000_0000_u64, "count": 1}}),
        ipld!({"get": {"call": 1, "id": bytes(32), "first": -1, "count": 1}}),
        ipld!({"slice": {"call": 1, "bytes": [1]}}),
        ipld!({"held": {"items": [{"id": bytes(32)}]}}),
    ] {
        assert_eq!(decode(&cbor(&form)), Err(MediaFrameError::Form), "{form:?}");
    }
    let null = ipld!({"held": {"items": [{"id": bytes(32), "size": 1, "groups": null}]}});
    assert_eq!(decode(&cbor(&null)), Err(MediaFrameError::Canonical(CanonicalError::Type)));
    assert_eq!(decode(&[]), Err(MediaFrameError::Canonical(CanonicalError::Truncated)));
    // The same value with a longer number.
    assert!(decode(&[0xa1, 0x64, b'n', b'o', b'n', b'e', 0xa1, 0x64, b'c', b'a', b'l', b'l', 7]).is_ok());
    let longer = [0xa1, 0x64, b'n', b'o', b'n', b'e', 0xa1, 0x64, b'c', b'a', b'l', b'l', 0x18, 7];
    assert_eq!(decode(&longer), Err(MediaFrameError::Canonical(CanonicalError::NotShortest)));
}

#[test]
fn counts_are_bounded() {
    let limits = Limits::default();
    let look = |count| MediaFrame::Look { ids: vec![id(1); count] };
    assert!(decode(&look(limits.media_look).encode()).is_ok());
    assert!(decode(&look(limits.media_look + 1).encode()).is_err());
    let item = HeldItem { id: id(1), size: 1, groups: None };
    let held = |count| MediaFrame::Held { items: vec![item.clone(); count] };
    assert!(decode(&held(limits.media_held).encode()).is_ok());
    assert_eq!(decode(&held(limits.media_held + 1).encode()), Err(MediaFrameError::Count));
    let get = |count| decode(&MediaFrame::Get { call: 1, id: id(1), first: 0, count }.encode());
    assert!(get(1).is_ok() && get(16).is_ok());
    assert_eq!((get(0), get(17)), (Err(MediaFrameError::Count), Err(MediaFrameError::Count)));
    let slice = |length| decode(&MediaFrame::Slice { call: 1, bytes: vec![0; length] }.encode());
    // The largest slice there is: 16 groups that lie on both sides of the middle of 4 GiB.
    assert!(slice(16 * 16_384 + 64 * 64).is_ok());
    assert_eq!(slice(320 * 1024), Err(MediaFrameError::Size));
}

#[test]
fn a_bitmap_fits_its_blob() {
    let limits = Limits::default();
    let held = |size, groups: Option<&[u8]>| {
        let item = HeldItem { id: id(1), size, groups: groups.map(<[u8]>::to_vec) };
        decode(&MediaFrame::Held { items: vec![item] }.encode())
    };
    let size = 9 * 16_384;
    assert!(held(size, Some(&[])).is_ok() && held(size, Some(&[0, 1])).is_ok() && held(size, None).is_ok());
    assert!(held(limits.blob_bytes, None).is_ok());
    for (size, groups) in [
        (0, None),
        (0, Some(&[][..])),
        (limits.blob_bytes + 1, None),
        ((1 << 53) - 1, None),
        (size, Some(&[0])),
        (size, Some(&[0, 2])),
        (size, Some(&[0, 0, 0])),
    ] {
        assert_eq!(held(size, groups), Err(MediaFrameError::Blob), "{size} {groups:?}");
    }
}

/// Any bytes: nothing panics, and what is let in is written the same.
#[test]
fn what_is_read_is_written_the_same() {
    let frames = [
        MediaFrame::Look { ids: vec![id(1), id(2)] },
        MediaFrame::Get { call: 300, id: id(1), first: 32, count: 16 },
        MediaFrame::Held { items: vec![HeldItem { id: id(1), size: 9 * 16_384, groups: Some(vec![3, 1]) }] },
        MediaFrame::Slice { call: 7, bytes: vec![1, 2, 3] },
        MediaFrame::None { call: 7 },
    ];
    let damaged = (0..frames.len(), any::<prop::sample::Index>(), any::<u8>());
    let law = |((frame, at, byte), noise): ((usize, prop::sample::Index, u8), Vec<u8>)| {
        let mut bytes = frames[frame].encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        for bytes in [bytes, noise] {
            if let Ok(frame) = decode(&bytes) {
                prop_assert_eq!(frame.encode(), bytes);
            }
        }
        Ok(())
    };
    runner(3_000).run(&(damaged, prop::collection::vec(any::<u8>(), 0..80)), law).expect("one encoding");
}
