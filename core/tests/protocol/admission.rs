//! What the door asks beyond the form of an event: the fields of its kind, limits at their edges, keys, signatures,
//! time, and what is held already.

use std::collections::BTreeSet;

use chanterelle_core::admit::{Admission, RejectReason};
use chanterelle_core::base::{BoardId, EventId, Limits, Seconds};
use chanterelle_core::crypto::{KeyError, Signature, no_board};
use chanterelle_core::event::{Body, CanonicalError, DraftError, Event, EventError};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;

use super::kit::{
    Map, NOW, accepted, changed, knock, knock_once, map, refused, signed, with, with_body, without,
    without_body,
};
use super::samples::{self, envelope};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn id(n: u8) -> Ipld {
    Ipld::Bytes(vec![n; 32])
}

fn refs(refs: &[(&str, u8)]) -> Ipld {
    refs.iter().map(|(rel, n)| ipld!({ "rel": *rel, "id": id(*n) })).collect::<Vec<_>>().into()
}

#[test]
fn every_sample_is_let_in() {
    for sample in samples::events() {
        let limits = Limits::default();
        let bytes = sample.signed().bytes;
        let event = Event::decode(&bytes, &limits).expect("samples decode");
        match knock(&[bytes], Seconds(1 << 53), &BTreeSet::new()).pop() {
            Some(Admission::Accepted(admitted)) => assert_eq!(admitted, event, "{}", sample.name),
            other => panic!("{}: {other:?}", sample.name),
        }
    }
}

#[test]
fn a_thread_is_named_where_there_is_one() {
    for name in ["thread", "profile", "follow"] {
        refused([("a thread too many", with(name, "thread", id(7)), RejectReason::Thread)]);
    }
    for name in ["post", "edit", "delete", "rendition"] {
        refused([("no thread", without(name, "thread"), RejectReason::Thread)]);
    }
}

#[test]
fn a_counter_stands_where_something_is_replaced() {
    for name in ["thread", "post", "delete", "rendition"] {
        refused([("a counter too many", with(name, "seq", 1), RejectReason::Seq)]);
    }
    for name in ["edit", "profile", "follow"] {
        refused([("no counter", without(name, "seq"), RejectReason::Seq)]);
    }
    accepted("the highest counter", with("edit", "seq", (1_u64 << 53) - 1));
}

#[test]
fn only_facts_stand_outside_boards() {
    let nowhere = || Ipld::Bytes(no_board().0.to_vec());
    for name in ["thread-bare", "post", "edit", "delete"] {
        refused([("no board", with(name, "board", nowhere()), RejectReason::Board)]);
    }
    for name in ["profile", "follow"] {
        refused([("a fact on a board", with(name, "board", id(7)), RejectReason::Board)]);
    }
}

#[test]
fn an_announced_name_is_that_of_the_board() {
    refused([
        ("another board's name", with_body("thread", "board_name", "toadstools"), RejectReason::BoardName),
        ("another name's board", with("thread", "board", id(7)), RejectReason::BoardName),
    ]);
    accepted("no name announced", without_body("thread", "board_name"));
}

#[test]
fn references_are_those_of_the_kind() {
    let long = "r".repeat(33);
    refused([
        ("an edit of nothing", with("edit", "refs", refs(&[])), RejectReason::Refs),
        ("an edit of two", with("edit", "refs", refs(&[("edits", 1), ("edits", 2)])), RejectReason::Refs),
        (
            "an edit of one, twice",
            with("edit", "refs", refs(&[("edits", 1), ("edits", 1)])),
            RejectReason::Refs,
        ),
        ("an edit that only answers", with("edit", "refs", refs(&[("answers", 1)])), RejectReason::Refs),
        ("an edit that deletes", with("edit", "refs", refs(&[("deletes", 1)])), RejectReason::Refs),
        ("a tombstone of nothing", with("delete", "refs", refs(&[])), RejectReason::Refs),
        (
            "a tombstone of two",
            with("delete", "refs", refs(&[("deletes", 1), ("deletes", 2)])),
            RejectReason::Refs,
        ),
        ("a profile that refers", with("profile", "refs", refs(&[("answers", 1)])), RejectReason::Refs),
        ("a follow that refers", with("follow", "refs", refs(&[("answers", 1)])), RejectReason::Refs),
        ("an empty role", with("post", "refs", refs(&[("", 1)])), RejectReason::Refs),
        ("a role of 33 bytes", with("post", "refs", refs(&[(&long, 1)])), RejectReason::Refs),
        ("65 references", with("post", "refs", refs(&[("answers", 1); 65])), RejectReason::Refs),
        (
            "65 references of an unknown kind",
            with("unknown-kind", "refs", refs(&[("answers", 1); 65])),
            RejectReason::Refs,
        ),
    ]);
    accepted("64 references", with("post", "refs", refs(&[("answers", 1); 64])));
    accepted("a role of 32 bytes", with("post", "refs", refs(&[(&long[1..], 1)])));
    accepted("references in any order", with("post", "refs", refs(&[("quotes", 9), ("answers", 1)])));
    accepted(
        "an edit that quotes",
        with("edit", "refs", refs(&[("quotes", 1), ("edits", 2), ("answers", 3)])),
    );
    accepted("an opening post that quotes", with("thread", "refs", refs(&[("quotes", 1)])));
}

#[test]
fn attachments_and_work_have_limits() {
    let blobs = |count: usize| Ipld::List(vec![ipld!({ "id": id(1), "size": 1 }); count]);
    let pow = |alg: usize, nonce: usize| {
        let alg = "a".repeat(alg);
        ipld!({ "alg": alg, "bits": 255, "nonce": Ipld::Bytes(vec![0; nonce]) })
    };
    refused([
        ("9 attachments", with("post", "blobs", blobs(9)), RejectReason::Blobs),
        ("an algorithm of 33 bytes", with("post", "pow", pow(33, 8)), RejectReason::Pow),
        ("a nonce of 33 bytes", with("post", "pow", pow(8, 33)), RejectReason::Pow),
    ]);
    accepted("8 attachments", with("post", "blobs", blobs(8)));
    accepted("8 attachments of an opening post", with("thread", "blobs", blobs(8)));
    accepted("a proof of work at the limits", with("post", "pow", pow(32, 32)));
    accepted("a proof of work that says nothing", with("post", "pow", pow(0, 0)));
}

/// The sample with these files and so many blobs.
fn with_files(name: &str, files: Ipld, blobs: usize) -> Vec<u8> {
    with_files_and(name, files, blobs, |_| {})
}

/// The same with another change of its body.
fn with_files_and(name: &str, files: Ipld, blobs: usize, change: impl FnOnce(&mut Map)) -> Vec<u8> {
    changed(name, |fields| {
        let blobs = Ipld::List(vec![ipld!({ "id": id(1), "size": 1 }); blobs]);
        fields.insert("blobs".to_owned(), blobs);
        let body = map(fields, "body");
        body.insert("files".to_owned(), files);
        change(body);
    })
}

#[test]
fn there_are_as_many_attachments_as_are_described() {
    let file = |thumb: bool| {
        let mut file = ipld!({ "type": "image/webp" });
        let Ipld::Map(map) = &mut file else { unreachable!("a map above") };
        if thumb {
            map.insert("thumb".to_owned(), true.into());
        }
        file
    };
    let files = |plain: usize, thumbs: usize| {
        Ipld::List([vec![file(false); plain], vec![file(true); thumbs]].concat())
    };
    for name in ["thread", "post"] {
        for (plain, thumbs) in [(1, 0), (0, 1), (8, 0), (0, 8), (3, 5)] {
            let all = plain + 2 * thumbs;
            accepted("as many as described", with_files(name, files(plain, thumbs), all));
            refused([
                ("one too few", with_files(name, files(plain, thumbs), all - 1), RejectReason::Blobs),
                ("one too many", with_files(name, files(plain, thumbs), all + 1), RejectReason::Blobs),
            ]);
        }
        let too_many = RejectReason::Text(DraftError::TooManyFiles(8));
        refused([
            ("9 files", with_files(name, files(9, 0), 9), too_many),
            ("no files, said", with_files(name, files(0, 0), 0), RejectReason::Malformed(EventError::Body)),
        ]);
        let saying = |comment: &str| {
            with_files_and(name, files(1, 0), 1, |body| {
                body.insert("comment".to_owned(), comment.into());
            })
        };
        accepted("a picture without words", saying(""));
        refused([("a picture with blank words", saying(" "), RejectReason::Text(DraftError::Empty))]);
    }
    refused([
        ("files of an edit", with_files("edit", files(1, 0), 1), RejectReason::Malformed(EventError::Body)),
        ("a rendition of nothing", with("rendition", "blobs", Ipld::List(Vec::new())), RejectReason::Blobs),
        (
            "two renditions",
            with("rendition", "blobs", Ipld::List(vec![ipld!({ "id": id(1), "size": 1 }); 2])),
            RejectReason::Blobs,
        ),
    ]);
}

#[test]
fn what_is_said_of_files_has_limits() {
    let file = |key: &str, value: Ipld| {
        let mut file = ipld!({ "type": "image/webp" });
        let Ipld::Map(map) = &mut file else { unreachable!("a map above") };
        map.insert(key.to_owned(), value);
        with_files("post", Ipld::List(vec![file]), 1)
    };
    let text = |count: usize| Ipld::from("é".repeat(count));
    let error = RejectReason::Text;
    accepted("a name of 120 characters", file("name", text(120)));
    accepted("words of 1,000 characters, on two lines", file("alt", Ipld::from("é\n".repeat(500))));
    accepted("a hash of 32 bytes", file("thumbhash", Ipld::Bytes(vec![0; 32])));
    accepted("a type of 64 bytes", file("type", format!("a/{}", "b".repeat(62)).into()));
    accepted("a type with signs", file("type", "image/svg+xml".into()));
    accepted("a length", file("duration", Ipld::Integer((1 << 53) - 1)));
    refused([
        ("a name of 121", file("name", text(121)), error(DraftError::FileName(120))),
        ("no name", file("name", text(0)), error(DraftError::FileName(120))),
        ("a name of two lines", file("name", "a\nb".into()), error(DraftError::FileName(120))),
        ("1,001 characters", file("alt", text(1_001)), error(DraftError::Alt(1_000))),
        ("blank words", file("alt", " \n".into()), error(DraftError::Alt(1_000))),
        ("a hash of nothing", file("thumbhash", Ipld::Bytes(Vec::new())), error(DraftError::File)),
        ("a hash of 33 bytes", file("thumbhash", Ipld::Bytes(vec![0; 33])), error(DraftError::File)),
        ("a type of 65 bytes", file("type", format!("a/{}", "b".repeat(63)).into()), error(DraftError::File)),
        ("a type of one part", file("type", "image".into()), error(DraftError::File)),
        ("a type in capitals", file("type", "image/PNG".into()), error(DraftError::File)),
        ("a type with a parameter", file("type", "text/html;charset=utf-8".into()), error(DraftError::File)),
        ("a width without height", file("width", 1.into()), error(DraftError::File)),
        ("a spoiler that is none", file("spoiler", false.into()), RejectReason::Malformed(EventError::Body)),
        ("a width of 65,536", file("width", 65_536.into()), RejectReason::Malformed(EventError::Body)),
        (
            "a file without type",
            with_files("post", ipld!([{}]), 1),
            RejectReason::Malformed(EventError::Body),
        ),
    ]);
    for (what, key, value) in [
        ("a profile in capitals", "profile", Ipld::from("Low")),
        ("no profile", "profile", Ipld::from("")),
        ("a profile of 33 bytes", "profile", Ipld::from("a".repeat(33))),
        ("no type", "type", Ipld::from("")),
        ("a height alone", "height", 1.into()),
    ] {
        refused([(what, with_body("rendition", key, value), error(DraftError::File))]);
    }
    let referring = |to: &[(&str, u8)]| with("rendition", "refs", refs(to));
    refused([
        ("a rendition for nothing", referring(&[]), RejectReason::Refs),
        ("for two posts", referring(&[("renders", 1), ("renders", 2)]), RejectReason::Refs),
        ("that answers, too", referring(&[("renders", 1), ("answers", 2)]), RejectReason::Refs),
    ]);
}

#[test]
fn texts_are_within_their_limits() {
    let text = |reason: DraftError| RejectReason::Text(reason);
    let too_long = || text(DraftError::CommentTooLong { count: 10_001, limit: 10_000 });
    for name in ["thread", "post", "edit"] {
        // Four bytes each: characters are counted, not bytes.
        accepted("10,000 characters", with_body(name, "comment", "🍄".repeat(10_000)));
        refused([
            ("10,001 characters", with_body(name, "comment", "🍄".repeat(10_001)), too_long()),
            (
                "10,001 accents",
                with_body(name, "comment", format!("e{}", "\u{301}".repeat(10_000))),
                too_long(),
            ),
            ("no comment", with_body(name, "comment", ""), text(DraftError::Empty)),
            (
                "a blank comment",
                with_body(name, "comment", " \n\t\r\u{a0}\u{2003}\u{3000}"),
                text(DraftError::Empty),
            ),
        ]);
        accepted("a comment of control characters", with_body(name, "comment", "\0\u{1b}"));
    }
    for name in ["thread", "edit"] {
        accepted("a subject of 100 characters", with_body(name, "subject", "é".repeat(100)));
        for (what, subject) in [
            ("101 characters", "é".repeat(101)),
            ("nothing", String::new()),
            ("blanks", "   ".to_owned()),
            ("two lines", "a\nb".to_owned()),
            ("a control character", "a\u{85}".to_owned()),
        ] {
            refused([(what, with_body(name, "subject", subject), text(DraftError::Subject(100)))]);
        }
    }
    accepted("a name of 40 characters", with_body("profile", "name", "é".repeat(40)));
    for (what, name) in [
        ("41 characters", "é".repeat(41)),
        ("nothing", String::new()),
        ("blanks", "\u{3000}".to_owned()),
        ("two lines", "a\r\nb".to_owned()),
    ] {
        refused([(what, with_body("profile", "name", name), text(DraftError::Name(40)))]);
    }
    accepted("a description of 1,000 characters", with_body("profile", "about", "é\n".repeat(500)));
    for (what, about) in
        [("1,001 characters", "é".repeat(1_001)), ("nothing", String::new()), ("blanks", "\n\n".to_owned())]
    {
        refused([(what, with_body("profile", "about", about), text(DraftError::About(1_000)))]);
    }
}

/// What is blank and what is one line decides validity, so it must not change with the tables of a standard library:
/// these are the characters `docs/protocol.md` lists.
#[test]
fn the_characters_that_decide_are_listed() {
    let blank = [
        0x09..=0x0d,
        0x20..=0x20,
        0x85..=0x85,
        0xa0..=0xa0,
        0x1680..=0x1680,
        0x2000..=0x200a,
        0x2028..=0x2029,
        0x202f..=0x202f,
        0x205f..=0x205f,
        0x3000..=0x3000,
    ];
    let control = [0x00..=0x1f, 0x7f..=0x9f];
    for c in '\0'..=char::MAX {
        let code = c as u32;
        assert_eq!(c.to_string().trim().is_empty(), blank.iter().any(|range| range.contains(&code)), "{c:?}");
        assert_eq!(c.is_control(), control.iter().any(|range| range.contains(&code)), "{c:?}");
    }
}

/// A sample filled up to exactly `size` bytes by what may be ignored.
fn filled(name: &str, size: usize) -> Vec<u8> {
    let with_ext = |length: usize| with(name, "ext", Ipld::Bytes(vec![0; length]));
    let rest = size - with_ext(size / 2).len();
    let bytes = with_ext(size / 2 + rest);
    assert_eq!(bytes.len(), size, "lengths of one form");
    bytes
}

#[test]
fn sizes_are_limited_to_the_byte() {
    let reason = |limit: usize| RejectReason::Malformed(EventError::TooLarge(limit));
    for name in ["thread", "post", "edit", "delete", "profile", "follow", "rendition"] {
        accepted("64 KiB", filled(name, 65_536));
        refused([("64 KiB and a byte", filled(name, 65_537), reason(65_536))]);
    }
    for kind in [0, 8, 65_535] {
        let event = |size: usize| {
            changed("unknown-kind", |fields| {
                fields.insert("kind".into(), kind.into());
                fields.insert("time".into(), NOW.0.into());
                fields.insert("ext".into(), Ipld::Bytes(vec![0; size]));
            })
        };
        let most = (3_000..4_096).rev().find(|size| event(*size).len() == 4_096).expect("some size fits");
        accepted("4 KiB of an unknown kind", event(most));
        refused([("4 KiB and a byte of an unknown kind", event(most + 1), reason(4_096))]);
    }
    // Size is looked at before anything is read.
    refused([("64 KiB of nothing", vec![0; 65_537], reason(65_536))]);
    refused([(
        "a little less of nothing",
        vec![0; 65_536],
        RejectReason::Malformed(CanonicalError::Trailing.into()),
    )]);
}

#[test]
fn authors_are_keys_that_one_person_has() {
    let small = |byte: u8| Ipld::Bytes([&[byte], [0; 31].as_slice()].concat());
    let mut unreduced = vec![0xff; 32];
    unreduced[0] = 0xed;
    unreduced[31] = 0x7f;
    let mut signed_zero = vec![0; 32];
    (signed_zero[0], signed_zero[31]) = (1, 0x80);
    refused([
        ("the identity", with("post", "author", small(1)), RejectReason::AuthorKey(KeyError::SmallOrder)),
        (
            "a point of order 4",
            with("post", "author", small(0)),
            RejectReason::AuthorKey(KeyError::SmallOrder),
        ),
        (
            "p for 0",
            with("post", "author", Ipld::Bytes(unreduced)),
            RejectReason::AuthorKey(KeyError::NonCanonical),
        ),
        (
            "minus zero",
            with("post", "author", Ipld::Bytes(signed_zero)),
            RejectReason::AuthorKey(KeyError::NonCanonical),
        ),
        ("no point at all", with("post", "author", small(2)), RejectReason::Signature),
    ]);
}

#[test]
fn signatures_are_checked() {
    let good = signed("post");
    let altered = |at: usize, bits: u8| {
        let mut signature = good.signature;
        signature.0[at] ^= bits;
        envelope(&good.unsigned, &signature)
    };
    let other = signed("thread");
    let by_another = with("post", "author", Ipld::Bytes(super::kit::key(9).public().0.to_vec()));
    let altered_text = {
        let mut unsigned = good.unsigned.clone();
        let at = unsigned.windows(4).position(|four| four == b"ante").expect("a chanterelle");
        unsigned[at] = b'A';
        envelope(&unsigned, &good.signature)
    };
    refused([
        ("a bit of R", altered(0, 1), RejectReason::Signature),
        ("a bit of S", altered(32, 1), RejectReason::Signature),
        ("S beyond the order", altered(63, 0x40), RejectReason::Signature),
        ("no signature", envelope(&good.unsigned, &Signature([0; 64])), RejectReason::Signature),
        ("another event's signature", envelope(&good.unsigned, &other.signature), RejectReason::Signature),
        ("another's name", by_another, RejectReason::Signature),
        ("an altered text", altered_text, RejectReason::Signature),
    ]);
}

#[test]
fn the_future_is_deferred_until_it_comes() {
    let skew = Limits::default().future_seconds;
    let at = |time: u64| with("post", "time", time);
    accepted("as far ahead as tolerated", at(NOW.0 + skew));
    for ahead in [1, 2, 1_000_000, (1 << 53) - 1 - NOW.0 - skew] {
        let bytes = at(NOW.0 + skew + ahead);
        let Admission::Deferred { event, until } = knock_once(bytes.clone()) else { panic!("{ahead}") };
        assert_eq!(event.bytes()[..], bytes);
        assert_eq!(until, NOW.plus(ahead));
        let early = knock(std::slice::from_ref(&bytes), Seconds(until.0 - 1), &BTreeSet::new());
        assert!(matches!(early[..], [Admission::Deferred { .. }]), "{ahead}: a second too early");
        let later = knock(&[bytes], until, &BTreeSet::new());
        assert!(
            matches!(&later[..], [Admission::Accepted(admitted)] if *admitted == event),
            "{ahead}: at last"
        );
    }
    // A false event is false whenever it claims to be from.
    let mut forged = at(NOW.0 + skew + 5);
    *forged.last_mut().expect("not empty") ^= 0x80;
    assert_eq!(knock_once(forged), Admission::Rejected(RejectReason::Signature));
    let old = accepted("however old", at(0));
    assert_eq!(old.fields().time, Seconds(0));
}

#[test]
fn what_is_held_is_a_duplicate() {
    let post = signed("post");
    let held = BTreeSet::from([post.id]);
    let answers = knock(&[post.bytes.clone(), signed("thread").bytes], NOW, &held);
    assert_eq!(answers[0], Admission::Duplicate(post.id));
    assert!(matches!(answers[1], Admission::Accepted(_)));
    // The id does not cover the signature, and what is held was verified.
    let forged = envelope(&post.unsigned, &Signature([0; 64]));
    assert_eq!(knock(&[forged], NOW, &held), [Admission::Duplicate(post.id)]);
}

#[test]
fn one_event_twice_in_a_batch_is_let_in_once() {
    let (post, thread) = (signed("post"), signed("thread"));
    let batch = [&post, &thread, &post, &post, &thread].map(|event| event.bytes.clone());
    let answers = knock(&batch, NOW, &BTreeSet::new());
    let [Admission::Accepted(first), Admission::Accepted(second), rest @ ..] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!((first.id(), second.id()), (post.id, thread.id));
    let duplicates = [post.id, post.id, thread.id].map(Admission::Duplicate);
    assert_eq!(rest, duplicates);
}

/// A false copy takes nothing from the true one, whichever comes first.
#[test]
fn a_forged_copy_does_not_displace_the_event() {
    let post = signed("post");
    let forged = envelope(&post.unsigned, &Signature([0; 64]));
    for forged_at in [0, 1] {
        let mut batch = vec![post.bytes.clone()];
        batch.insert(forged_at, forged.clone());
        let answers = knock(&batch, NOW, &BTreeSet::new());
        assert_eq!(answers[forged_at], Admission::Rejected(RejectReason::Signature), "forged at {forged_at}");
        assert!(
            matches!(answers[1 - forged_at], Admission::Accepted(_)),
            "forged at {forged_at}: {answers:?}"
        );
    }
}

#[test]
fn an_empty_batch_has_no_answers() {
    assert_eq!(knock(&[], NOW, &BTreeSet::new()), []);
}

/// A field that is carried and never judged.
#[test]
fn what_is_not_interpreted_is_kept() {
    let event = accepted("a device key's post", with("post", "for", id(7)));
    assert_eq!(event.fields().acts_for.map(|identity| identity.0), Some([7; 32]));
    let event = accepted(
        "an unknown kind anywhere",
        changed("unknown-kind", |fields| {
            fields.insert("time".into(), 0.into());
            fields.insert("board".into(), Ipld::Bytes(no_board().0.to_vec()));
            fields.insert("thread".into(), id(3));
            fields.insert("seq".into(), 4.into());
        }),
    );
    assert!(matches!(event.body(), Body::Unknown(_)));
    assert_eq!(event.fields().thread, Some(EventId([3; 32])));
    let event = accepted(
        "a post to a board and thread nobody knows",
        changed("post", |fields| {
            fields.insert("board".into(), id(1));
            fields.insert("thread".into(), id(2));
        }),
    );
    assert_eq!(event.fields().board, BoardId([1; 32]));
}

#[test]
fn every_reason_has_a_label_of_its_own_and_words() {
    let reasons = [
        RejectReason::Malformed(EventError::Envelope),
        RejectReason::AuthorKey(KeyError::SmallOrder),
        RejectReason::Signature,
        RejectReason::Thread,
        RejectReason::Seq,
        RejectReason::Board,
        RejectReason::BoardName,
        RejectReason::Refs,
        RejectReason::Blobs,
        RejectReason::Pow,
        RejectReason::Text(DraftError::Empty),
    ];
    let labels: BTreeSet<&str> = reasons.iter().map(RejectReason::label).collect();
    assert_eq!(labels.len(), reasons.len());
    let words: BTreeSet<String> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), reasons.len());
}
