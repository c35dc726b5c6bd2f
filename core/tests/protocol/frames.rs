//! Frames that are none: every reason, and every bound at its edge.

use chanterelle_core::base::{BoardId, BoardName, EventId, Limits};
use chanterelle_core::event::CanonicalError;
use chanterelle_core::gossip::PEER_RECORD_BYTES;
use chanterelle_core::wire::{Deframer, Frame, FrameError, FramingError, Hello, Role, Scope, prefixed};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use miniz_oxide::deflate::compress_to_vec;
use serde_bytes::ByteBuf;

use super::kit::cbor;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn decode(bytes: &[u8]) -> Result<Frame, FrameError> {
    Frame::decode(bytes, &Limits::default())
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    [&[0], bytes].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    [&[1], compress_to_vec(bytes, 9).as_slice()].concat()
}

fn id() -> Ipld {
    Ipld::Bytes(vec![7; 32])
}

#[test]
fn bytes_that_are_no_frame() {
    let bye = cbor(&ipld!({ "bye": { "reason": "x" } }));
    assert_eq!(decode(&plain(&bye)), Ok(Frame::Bye { reason: "x".to_owned() }));
    assert_eq!(decode(&packed(&bye)), decode(&plain(&bye)), "short frames may be compressed");
    let cut = packed(&bye);
    for (what, bytes, reason) in [
        ("nothing", vec![], FrameError::Empty),
        ("an unknown packing", [&[2], bye.as_slice()].concat(), FrameError::Packing(2)),
        ("the last packing", vec![255], FrameError::Packing(255)),
        ("nothing packed", vec![1], FrameError::Unpack),
        ("what does not inflate", vec![1, 0xff, 0xff, 0xff], FrameError::Unpack),
        ("what ends too early", cut[..cut.len() - 1].to_vec(), FrameError::Unpack),
        ("zlib for raw DEFLATE", [&[1, 0x78, 0x9c], &cut[1..]].concat(), FrameError::Unpack),
        ("nothing plain", vec![0], FrameError::Canonical(CanonicalError::Truncated)),
        (
            "a byte behind",
            plain(&[bye.as_slice(), &[0]].concat()),
            FrameError::Canonical(CanonicalError::Trailing),
        ),
        (
            "a byte behind, packed",
            packed(&[bye.as_slice(), &[0]].concat()),
            FrameError::Canonical(CanonicalError::Trailing),
        ),
        (
            "a long length",
            plain(&[0xb8, 1, 0x63, b'b', b'y', b'e', 0xa0]),
            FrameError::Canonical(CanonicalError::NotShortest),
        ),
        (
            "an indefinite map",
            plain(&[&[0xbf], &bye[1..], &[0xff]].concat()),
            FrameError::Canonical(CanonicalError::Indefinite),
        ),
        ("null", plain(&[0xf6]), FrameError::Canonical(CanonicalError::Type)),
        (
            "too deep",
            plain(&[[0x81].repeat(17), vec![0]].concat()),
            FrameError::Canonical(CanonicalError::Depth),
        ),
        ("a number", plain(&[0]), FrameError::Form),
        ("a name alone", plain(&cbor(&ipld!("bye"))), FrameError::Form),
        ("no name", plain(&cbor(&ipld!({}))), FrameError::Form),
        (
            "two names",
            plain(&cbor(&ipld!({ "bye": { "reason": "x" }, "ack": { "ids": [] } }))),
            FrameError::Form,
        ),
        ("an unknown name", plain(&cbor(&ipld!({ "gossip": {} }))), FrameError::Form),
        ("a name in capitals", plain(&cbor(&ipld!({ "Bye": { "reason": "x" } }))), FrameError::Form),
        ("fields without names", plain(&cbor(&ipld!({ "bye": ["x"] }))), FrameError::Form),
    ] {
        assert_eq!(decode(&bytes), Err(reason), "{what}");
    }
}

#[test]
fn frames_with_other_fields() {
    for frame in [
        ipld!({ "hello": {} }),
        ipld!({ "hello": { "v": 1, "role": "tab", "agent": "x" } }),
        ipld!({ "hello": { "v": 1, "role": "server", "agent": "x", "window": 1 } }),
        ipld!({ "hello": { "v": 1, "role": "tab", "agent": "x", "window": (-1) } }),
        ipld!({ "hello": { "v": "1", "role": "tab", "agent": "x", "window": 1 } }),
        ipld!({ "interest": { "all": 1, "boards": [] } }),
        ipld!({ "interest": { "all": true } }),
        ipld!({ "interest": { "all": false, "boards": ["mushrooms"] } }),
        ipld!({ "directory": { "names": ["Mushrooms"] } }),
        ipld!({ "directory": { "names": [""] } }),
        ipld!({ "directory": { "names": [id()] } }),
        ipld!({ "events": { "events": [] } }),
        ipld!({ "events": { "n": 1, "events": ["text"] } }),
        ipld!({ "events": { "n": (-1), "events": [] } }),
        ipld!({ "ack": { "ids": [Ipld::Bytes(vec![7; 31])] } }),
        ipld!({ "ack": { "ids": ["7".repeat(32)] } }),
        ipld!({ "ack": { "ids": id() } }),
        ipld!({ "ack": { "ids": [], "more": true } }),
        ipld!({ "credit": { "frames": "many" } }),
        ipld!({ "want": {} }),
        ipld!({ "withheld": { "id": id() } }),
        ipld!({ "reconcile": { "call": 1, "scope": id(), "message": Ipld::Bytes(vec![0x61]) } }),
        ipld!({ "reconcile": { "call": 1, "scope": { "day": id() }, "message": Ipld::Bytes(vec![0x61]) } }),
        ipld!({ "reconcile": { "call": 1, "scope": { "board": Ipld::Bytes(vec![7; 33]) }, "message": Ipld::Bytes(vec![0x61]) } }),
        ipld!({ "reconcile": { "call": 1, "scope": { "board": id() }, "message": "a" } }),
        ipld!({ "reconciled": { "call": 1, "message": [0x61] } }),
        ipld!({ "bye": { "reason": 1 } }),
        ipld!({ "have": {} }),
        ipld!({ "have": { "ids": [Ipld::Bytes(vec![7; 33])] } }),
        ipld!({ "have": { "ids": [], "boards": [] } }),
        ipld!({ "lazy": { "all": true, "boards": [] } }),
        ipld!({ "lazy": { "boards": id() } }),
        ipld!({ "seek": {} }),
        ipld!({ "seek": { "boards": id() } }),
        ipld!({ "graft": { "ids": [Ipld::Bytes(vec![7; 33])] } }),
        ipld!({ "prune": { "all": true } }),
        ipld!({ "shuffle": { "records": ["text"] } }),
        ipld!({ "seek": [] }),
        ipld!("seek"),
        ipld!({ "peers": { "records": ["text"] } }),
        ipld!({ "peers": { "records": id() } }),
        ipld!({ "peers": { "records": [], "missing": [] } }),
    ] {
        assert_eq!(decode(&plain(&cbor(&frame))), Err(FrameError::Form), "{frame:?}");
    }
}

/// A peer of another version must be told apart from one that talks nonsense, whatever else its greeting says.
#[test]
fn a_greeting_of_another_version_is_read_as_one() {
    for (frame, version) in [
        (ipld!({ "hello": { "v": 2 } }), 2),
        (ipld!({ "hello": { "v": 0, "role": "tab" } }), 0),
        (
            ipld!({ "hello": { "v": 7, "role": ["new"], "agent": 1, "window": "wide", "x": { "y": [true] } } }),
            7,
        ),
        (ipld!({ "hello": { "v": 2, "role": "relay", "agent": "x", "window": 1 } }), 2),
    ] {
        match decode(&plain(&cbor(&frame))) {
            Ok(Frame::Hello(hello)) => assert_eq!(hello.v, version),
            other => panic!("{frame:?}: {other:?}"),
        }
    }
    let more = ipld!({ "hello": { "v": 1, "role": "relay", "agent": "x", "window": 9, "new": true } });
    let hello = Hello { v: 1, role: Role::Relay, agent: "x".to_owned(), window: 9, producer: None };
    assert_eq!(decode(&plain(&cbor(&more))), Ok(Frame::Hello(hello)), "this version may say more");
}

#[test]
fn counts_are_bounded() {
    let limits = Limits::default();
    let ids = |count: usize| vec![EventId([7; 32]); count];
    let names = |count: usize| vec![BoardName::new("a").expect("a board name"); count];
    let hello = |length: usize| {
        let agent = "a".repeat(length);
        Frame::Hello(Hello { v: 1, role: Role::Tab, agent, window: 1, producer: None })
    };
    let scope = Scope::Board(BoardId([7; 32]));
    let records = |count: usize| vec![ByteBuf::new(); count];
    let bounded: [(usize, &dyn Fn(usize) -> Frame); 17] = [
        (64, &hello),
        (limits.frame_boards, &|count| Frame::Interest { all: false, boards: vec![BoardId([7; 32]); count] }),
        (limits.frame_boards, &|count| Frame::Directory { names: names(count) }),
        (limits.frame_events, &|count| Frame::Events { n: 1, events: vec![ByteBuf::new(); count] }),
        (limits.frame_ids, &|count| Frame::Ack { ids: ids(count) }),
        (limits.frame_ids, &|count| Frame::Want { ids: ids(count) }),
        (limits.frame_ids, &|count| Frame::Graft { ids: ids(count) }),
        (limits.frame_ids, &|count| Frame::Withheld { ids: ids(count) }),
        (65_536, &|count| Frame::Reconcile { call: 1, scope, message: vec![0; count] }),
        (65_536, &|count| Frame::Reconciled { call: 1, message: vec![0; count] }),
        (200, &|count| Frame::Bye { reason: "a".repeat(count) }),
        (limits.frame_ids, &|count| Frame::Have { ids: ids(count) }),
        (limits.frame_boards, &|count| Frame::Lazy { boards: vec![BoardId([7; 32]); count] }),
        (limits.frame_boards, &|count| Frame::Prune { boards: vec![BoardId([7; 32]); count] }),
        (limits.frame_peers, &|count| Frame::Peers { records: records(count) }),
        (limits.frame_peers, &|count| Frame::Shuffle { records: records(count) }),
        (limits.frame_boards, &|count| Frame::Seek { boards: vec![BoardId([7; 32]); count] }),
    ];
    for (limit, frame) in bounded {
        let (most, more) = (frame(limit), frame(limit + 1));
        assert_eq!(decode(&most.encode(&limits)).as_ref(), Ok(&most));
        assert_eq!(decode(&more.encode(&limits)), Err(FrameError::Count), "{limit}");
    }
}

/// A frame of events whose DAG-CBOR has exactly `size` bytes.
fn sized(size: usize) -> Frame {
    let frame = |length: usize| Frame::Events { n: 1, events: vec![ByteBuf::from(vec![0; length])] };
    let plain = |frame: &Frame| serde_ipld_dagcbor::to_vec(frame).expect("frames encode").len();
    let near = frame(size - 30);
    let exact = frame(size - 30 + size - plain(&near));
    assert_eq!(plain(&exact), size);
    exact
}

#[test]
fn a_small_frame_does_not_inflate_beyond_the_limit() {
    let limits = Limits::default();
    let most = sized(limits.frame_inflated_bytes);
    let bytes = most.encode(&limits);
    assert!(bytes.len() < 1_024, "a bomb is small: {}", bytes.len());
    assert_eq!(decode(&bytes), Ok(most));
    let bomb = sized(limits.frame_inflated_bytes + 1).encode(&limits);
    assert!(bomb.len() < 1_024);
    assert_eq!(decode(&bomb), Err(FrameError::Unpack));
}

#[test]
fn compression_is_used_where_it_pays() {
    let limits = Limits::default();
    assert_eq!(sized(limits.compress_above).encode(&limits)[0], 0, "short");
    assert_eq!(sized(limits.compress_above + 1).encode(&limits)[0], 1, "long");
    // Ids are hashes and do not compress.
    let ids = (0..100).map(|n: u8| EventId(*blake3::hash(&[n]).as_bytes())).collect();
    assert_eq!(Frame::Ack { ids }.encode(&limits)[0], 0, "incompressible");
}

#[test]
fn lengths_are_shortest_and_bounded() {
    let limit = Limits::default().frame_bytes;
    let next = |bytes: &[u8]| {
        let mut deframer = Deframer::new(limit);
        deframer.push(bytes);
        deframer.next_frame()
    };
    assert_eq!(next(&[0]), Err(FramingError::Empty));
    for length in [1, 127, 128, 16_383, 16_384, limit] {
        let frame = vec![9; length];
        assert_eq!(next(&prefixed(&frame)), Ok(Some(frame)), "{length}");
    }
    let too_large = Err(FramingError::TooLarge(limit));
    assert_eq!(next(&prefixed(&vec![0; limit + 1])), too_large);
    // 160 KiB + 1, announced and not sent.
    assert_eq!(next(&[0x81, 0x80, 0x0a]), too_large);
    for bytes in [&[0x80, 0][..], &[0xff, 0x80, 0], &[0x81, 0x80, 0x80, 0], &[0xff; 10], &[0x80; 4]] {
        assert_eq!(next(bytes), too_large, "{bytes:02x?}");
    }
    for bytes in [&[][..], &[0x80], &[0xff, 0xff], &[0x80, 0x80, 0x80], &[3, 1, 2]] {
        assert_eq!(next(bytes), Ok(None), "{bytes:02x?}");
    }
}

/// Whatever one side may send, the other can take: limits that do not fit each other would cut peers apart.
#[test]
fn everything_allowed_fits_a_frame() {
    let limits = Limits::default();
    let hash = |n: usize| *blake3::hash(&n.to_le_bytes()).as_bytes();
    let noise = |length: usize| -> Vec<u8> { (0..length.div_ceil(32)).flat_map(hash).take(length).collect() };
    let ids = || (0..limits.frame_ids).map(|n| EventId(hash(n))).collect();
    let name =
        |n: usize| BoardName::new(&data_encoding::HEXLOWER.encode(&hash(n))[..32]).expect("a board name");
    let boards = || (0..limits.frame_boards).map(|n| BoardId(hash(n)));
    let message = noise(usize::try_from(limits.reconcile_bytes).expect("64 KiB"));
    let scope = Scope::Thread(EventId(hash(0)));
    let most = (1 << 53) - 1;
    for frame in [
        Frame::Events { n: most, events: vec![ByteBuf::from(noise(limits.event_bytes))] },
        Frame::Ack { ids: ids() },
        Frame::Want { ids: ids() },
        Frame::Graft { ids: ids() },
        Frame::Withheld { ids: ids() },
        Frame::Interest { all: false, boards: boards().collect() },
        Frame::Directory { names: (0..limits.frame_boards).map(name).collect() },
        Frame::Reconcile { call: most, scope, message: message.clone() },
        Frame::Reconciled { call: most, message },
        Frame::Have { ids: ids() },
        Frame::Lazy { boards: boards().collect() },
        Frame::Prune { boards: boards().collect() },
        Frame::Peers { records: vec![ByteBuf::from(noise(PEER_RECORD_BYTES)); limits.frame_peers] },
    ] {
        let bytes = frame.encode(&limits);
        assert!(bytes.len() <= limits.frame_bytes, "{} bytes", bytes.len());
        assert_eq!(Frame::decode(&bytes, &limits), Ok(frame));
    }
}
