//! What the property tests are made of: values of every wire type, and damage to their bytes.

use chanterelle_core::base::{AuthorId, BlobId, BoardId, BoardName, EventId, Seconds, Slot};
use chanterelle_core::crypto::no_board;
use chanterelle_core::event::{BlobRef, Fields, Kind, Pow, Ref};
use chanterelle_core::store::{Marks, Rel, Row};
use chanterelle_core::wire::{Frame, Hello, Role, Scope};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use serde_bytes::ByteBuf;

use super::kit::{NOW, key};

/// A run of `cases` cases that is the same on every machine.
pub(super) fn laws(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

const MAX: u64 = (1 << 53) - 1;

/// Unsigned numbers, often where an encoding changes its length.
pub(super) fn number() -> impl Strategy<Value = u64> {
    let edges = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 0xffff_ffff, 0x1_0000_0000, MAX - 1, MAX];
    prop_oneof![select(edges.to_vec()), 0..=MAX]
}

fn text(chars: core::ops::Range<usize>) -> impl Strategy<Value = String> {
    vec(any::<char>(), chars).prop_map(String::from_iter)
}

/// Anything an event may hold.
pub(super) fn item() -> impl Strategy<Value = Ipld> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Ipld::Bool),
        (number(), any::<bool>())
            .prop_map(|(n, minus)| i128::from(n) * if minus { -1 } else { 1 })
            .prop_map(Ipld::Integer),
        vec(any::<u8>(), 0..40).prop_map(Ipld::Bytes),
        text(0..30).prop_map(Ipld::String),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Ipld::List),
            proptest::collection::btree_map(text(0..4), inner, 0..6).prop_map(Ipld::Map),
        ]
    })
}

fn bytes32() -> impl Strategy<Value = [u8; 32]> {
    any::<[u8; 32]>()
}

pub(super) fn event_id() -> impl Strategy<Value = EventId> {
    bytes32().prop_map(EventId)
}

pub(super) fn board_name() -> impl Strategy<Value = BoardName> {
    let first = select(b"abcxyz0189".to_vec());
    let rest = vec(select(b"abcxyz0189-".to_vec()), 0..32);
    (first, rest).prop_map(|(first, rest)| {
        let name = String::from_utf8([&[first], rest.as_slice()].concat()).expect("ASCII");
        BoardName::new(&name).expect("a board name")
    })
}

fn reference() -> impl Strategy<Value = Ref> {
    let rel = prop_oneof![
        select(vec!["answers", "quotes", "edits", "deletes"]).prop_map(str::to_owned),
        text(0..9)
    ];
    (rel, event_id(), option::of(bytes32().prop_map(BoardId))).prop_map(|(rel, id, board)| Ref {
        rel,
        id,
        board,
    })
}

/// Fields of a kind nobody knows: everything may be there. Signed by `key(1)`.
pub(super) fn fields() -> impl Strategy<Value = Fields> {
    let kind = prop_oneof![Just(Kind(0)), (8..=u16::MAX).prop_map(Kind)];
    let pow = (text(0..6), any::<u8>(), vec(any::<u8>(), 0..32)).prop_map(|(alg, bits, nonce)| Pow {
        alg,
        bits,
        nonce,
    });
    let blob = (bytes32().prop_map(BlobId), number()).prop_map(|(id, size)| BlobRef { id, size });
    let who = (option::of(bytes32().prop_map(AuthorId)), bytes32().prop_map(BoardId), option::of(event_id()));
    let when = (number().prop_map(Seconds), option::of(number()));
    let what = (vec(reference(), 0..4), vec(blob, 0..3), item(), option::of(pow), option::of(item()));
    (kind, who, when, what).prop_map(
        |(kind, (acts_for, board, thread), (time, seq), (refs, blobs, body, pow, ext))| Fields {
            v: 1,
            kind,
            author: key(1).public(),
            acts_for,
            board,
            thread,
            time,
            seq,
            refs,
            blobs,
            body,
            pow,
            ext,
        },
    )
}

/// Fields of the known kinds that the door lets in. Signed by `key(1)`.
pub(super) fn good_fields() -> impl Strategy<Value = Fields> {
    let comment = text(0..60).prop_map(|text| format!("{text}!"));
    let line = || text(0..30).prop_map(|text| text.replace(char::is_control, " ") + "!");
    let texts = (comment, option::of(line()), line());
    let time = 0..=NOW.0 + 900;
    (1..=5_u16, texts, any::<[u8; 16]>(), event_id(), event_id(), time, number(), any::<bool>()).prop_map(
        |(kind, (comment, subject, name), salt, thread, target, time, seq, flag)| {
            let mut body = match kind {
                1 => ipld!({ "comment": comment.clone(), "salt": Ipld::Bytes(salt.to_vec()) }),
                2 | 3 => ipld!({ "comment": comment.clone() }),
                4 => ipld!({}),
                _ => ipld!({ "name": name }),
            };
            let Ipld::Map(map) = &mut body else { unreachable!("a map above") };
            match (kind, subject) {
                (1 | 3, Some(subject)) => drop(map.insert("subject".to_owned(), subject.into())),
                (5, Some(_)) => drop(map.insert("about".to_owned(), comment.into())),
                (2, _) if flag => drop(map.insert("sage".to_owned(), true.into())),
                _ => {}
            }
            let one = |rel: &str| vec![Ref { rel: rel.to_owned(), id: target, board: None }];
            let refs = match kind {
                1 | 5 => Vec::new(),
                2 => one("answers"),
                3 => one("edits"),
                _ => one("deletes"),
            };
            Fields {
                v: 1,
                kind: Kind(kind),
                author: key(1).public(),
                acts_for: None,
                board: if kind == 5 { no_board() } else { BoardId(target.0) },
                thread: matches!(kind, 2..=4).then_some(thread),
                time: Seconds(time),
                seq: matches!(kind, 3 | 5).then_some(seq),
                refs,
                blobs: Vec::new(),
                body,
                pow: None,
                ext: None,
            }
        },
    )
}

pub(super) fn scope() -> impl Strategy<Value = Scope> {
    (0..3, bytes32()).prop_map(|(which, id)| match which {
        0 => Scope::Board(BoardId(id)),
        1 => Scope::Thread(EventId(id)),
        _ => Scope::Author(AuthorId(id)),
    })
}

/// Any frame, sometimes long enough to be compressed.
pub(super) fn frame() -> impl Strategy<Value = Frame> {
    let ids = || vec(event_id(), 0..60);
    let message = || vec(any::<u8>(), 0..2_000);
    let role = select(vec![Role::Tab, Role::Relay]);
    let ascii = |chars| vec(32..127_u8, chars).prop_map(|text| String::from_utf8(text).expect("ASCII"));
    let events = vec(vec(any::<u8>(), 0..300).prop_map(ByteBuf::from), 0..20);
    prop_oneof![
        (role, ascii(0..65), number(), option::of(bytes32().prop_map(AuthorId))).prop_map(
            |(role, agent, window, producer)| Frame::Hello(Hello { v: 1, role, agent, window, producer })
        ),
        (any::<bool>(), vec(bytes32().prop_map(BoardId), 0..40))
            .prop_map(|(all, boards)| Frame::Interest { all, boards }),
        vec(board_name(), 0..100).prop_map(|names| Frame::Directory { names }),
        (number(), events).prop_map(|(n, events)| Frame::Events { n, events }),
        ids().prop_map(|ids| Frame::Ack { ids }),
        number().prop_map(|frames| Frame::Credit { frames }),
        ids().prop_map(|ids| Frame::Want { ids }),
        ids().prop_map(|ids| Frame::Graft { ids }),
        ids().prop_map(|ids| Frame::Withheld { ids }),
        (number(), scope(), message()).prop_map(|(call, scope, message)| Frame::Reconcile {
            call,
            scope,
            message
        }),
        (number(), message()).prop_map(|(call, message)| Frame::Reconciled { call, message }),
        vec(bytes32().prop_map(Slot), 0..33).prop_map(|slots| Frame::Find { slots }),
        (vec(vec(any::<u8>(), 0..300).prop_map(ByteBuf::from), 0..17), vec(bytes32().prop_map(Slot), 0..16))
            .prop_map(|(records, missing)| Frame::Reach { records, missing }),
        ids().prop_map(|ids| Frame::Have { ids }),
        vec(bytes32().prop_map(BoardId), 0..40).prop_map(|boards| Frame::Lazy { boards }),
        vec(bytes32().prop_map(BoardId), 0..40).prop_map(|boards| Frame::Prune { boards }),
        vec(bytes32().prop_map(BoardId), 0..40).prop_map(|boards| Frame::Seek { boards }),
        vec(vec(any::<u8>(), 0..300).prop_map(ByteBuf::from), 0..9)
            .prop_map(|records| Frame::Peers { records }),
        ascii(0..201).prop_map(|reason| Frame::Bye { reason }),
    ]
}

/// Any row.
pub(super) fn row() -> impl Strategy<Value = Row> {
    let rel = select(vec![Rel::Answers, Rel::Quotes, Rel::Edits, Rel::Deletes, Rel::Other, Rel::Renders]);
    let ids = (event_id(), bytes32(), bytes32(), option::of(event_id()), any::<u16>());
    let times = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let marks = (any::<bool>(), any::<bool>(), any::<bool>());
    let marks = marks.prop_map(|(pinned, followed, withheld)| Marks { pinned, followed, withheld });
    let follow = option::of((bytes32(), any::<bool>()));
    let rest =
        (option::of(any::<[u8; 16]>()), option::of(board_name()), follow, vec((rel, event_id()), 0..8));
    (ids, times, flags, rest, marks).prop_map(
        |(
            (id, author, board, thread, kind),
            (time, seq, first_seen, size),
            (sage, own, sent),
            (salt, board_name, follow, refs),
            marks,
        )| Row {
            id,
            author: AuthorId(author),
            board: BoardId(board),
            thread,
            kind: Kind(kind),
            time: Seconds(time),
            seq,
            first_seen: Seconds(first_seen),
            size,
            sage,
            own,
            sent,
            salt,
            board_name,
            follow: follow.map(|(who, ended)| Box::new((AuthorId(who), ended))),
            refs,
            marks,
        },
    )
}

/// Damage done to bytes.
#[derive(Clone, Debug)]
pub(super) enum Damage {
    Flip(Index, u8),
    Overwrite(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Truncate(Index),
}

pub(super) fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let at = any::<Index>;
    // Bytes that mean something as the head of an item or the length of a message.
    let byte = prop_oneof![
        any::<u8>(),
        select(vec![0, 1, 2, 0x61, 0x80, 0x9f, 0xbf, 0xf6, 0xfb, 0xff, 0x5b, 0x9b, 0xbb])
    ];
    let one = prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), byte.clone()).prop_map(|(at, byte)| Damage::Overwrite(at, byte)),
        (at(), vec(byte, 1..12)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), 1..40_usize).prop_map(|(at, count)| Damage::Remove(at, count)),
        (at(), 1..40_usize).prop_map(|(at, count)| Damage::Repeat(at, count)),
        at().prop_map(Damage::Truncate),
    ];
    vec(one, 1..5)
}

/// The bytes after all that was done to them.
pub(super) fn damaged(bytes: &[u8], damage: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damage {
        let place = |at: &Index| at.index(bytes.len() + 1).min(bytes.len());
        let reach = |at: usize, count: usize| at..(at + count).min(bytes.len());
        match damage {
            Damage::Insert(at, new) => {
                let at = place(at);
                bytes.splice(at..at, new.iter().copied());
            }
            Damage::Truncate(at) => bytes.truncate(place(at)),
            Damage::Remove(at, count) => {
                let range = reach(place(at), *count);
                bytes.drain(range);
            }
            Damage::Repeat(at, count) => {
                let range = reach(place(at), *count);
                let again = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, again);
            }
            Damage::Flip(..) | Damage::Overwrite(..) if bytes.is_empty() => {}
            Damage::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Damage::Overwrite(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
        }
    }
    bytes
}
