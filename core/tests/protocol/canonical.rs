//! Bytes that are no event: every deviation from the one encoding, all of them signed by their author, so that nothing
//! but their form is wrong.

use chanterelle_core::admit::RejectReason;
use chanterelle_core::event::{CanonicalError, EventError, Kind};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;

use super::kit::{
    Map, accepted, cbor, changed, fields, key, map, refused, signed, with, with_body, without, without_body,
};
use super::samples;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

type Case = (&'static str, Vec<u8>, RejectReason);

fn canonical(reason: CanonicalError) -> RejectReason {
    RejectReason::Malformed(EventError::Canonical(reason))
}

fn malformed(reason: EventError) -> RejectReason {
    RejectReason::Malformed(reason)
}

/// Entries of a map, each as it is encoded, in canonical order.
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn entries(map: &Map) -> Entries {
    let mut entries: Entries =
        map.iter().map(|(key, value)| (cbor(&Ipld::String(key.clone())), cbor(value))).collect();
    entries.sort_by(|(one, _), (other, _)| (one.len(), one).cmp(&(other.len(), other)));
    entries
}

fn joined(entries: &Entries) -> Vec<u8> {
    entries.iter().flat_map(|(key, value)| [key.as_slice(), value].concat()).collect()
}

fn encoded(entries: &Entries) -> Vec<u8> {
    let head = 0xa0 | u8::try_from(entries.len()).expect("few entries");
    [&[head], joined(entries).as_slice()].concat()
}

/// An unsigned item as it is, signed as a whole.
fn raw(unsigned: Vec<u8>) -> Vec<u8> {
    samples::sign(unsigned, &key(4)).bytes
}

/// The full post with its encoded entries changed before it was signed.
fn reencoded(change: impl FnOnce(&mut Entries)) -> Vec<u8> {
    let (fields, key) = fields("post-full");
    let mut entries = entries(&fields);
    change(&mut entries);
    samples::sign(encoded(&entries), &key).bytes
}

/// The full post with other bytes for the value of one field.
fn replaced(field: &str, value: &[u8]) -> Vec<u8> {
    let wanted = cbor(&Ipld::String(field.to_owned()));
    reencoded(|entries| {
        let entry =
            entries.iter_mut().find(|(key, _)| *key == wanted).expect("the full post has every field");
        entry.1 = value.to_vec();
    })
}

#[test]
fn the_helpers_make_a_good_event() {
    let event = accepted("the full post", reencoded(|_| {}));
    assert_eq!(event.bytes()[..], signed("post-full").bytes);
}

#[test]
fn the_envelope_is_one_pair_of_byte_strings() {
    use CanonicalError::*;
    let good = signed("post");
    let (unsigned, signature) = (&good.unsigned, good.signature.as_bytes().as_slice());
    let item = |bytes: &[u8]| cbor(&Ipld::Bytes(bytes.to_vec()));
    let pair = [item(unsigned), item(signature)].concat();
    let listed = |items: Vec<Ipld>| cbor(&Ipld::List(items));
    let bytes = |bytes: &[u8]| Ipld::Bytes(bytes.to_vec());
    let envelope = malformed(EventError::Envelope);
    let text = "a".repeat(64);
    let mut cases: Vec<Case> = vec![
        ("nothing", vec![], canonical(Truncated)),
        ("a byte behind", [good.bytes.as_slice(), &[0]].concat(), canonical(Trailing)),
        ("an event behind", good.bytes.repeat(2), canonical(Trailing)),
        ("an indefinite list", [&[0x9f], pair.as_slice(), &[0xff]].concat(), canonical(Indefinite)),
        ("a long list head", [&[0x98, 2], pair.as_slice()].concat(), canonical(NotShortest)),
        ("a long length", [&[0x82, 0x59, 0, 64], signature, signature].concat(), canonical(NotShortest)),
        ("a chunked byte string", [&[0x82, 0x5f], pair.as_slice(), &[0xff]].concat(), canonical(Indefinite)),
        ("a tag", [&[0xd8, 0x2a], good.bytes.as_slice()].concat(), canonical(Type)),
        ("a list in the list", [&[0x82, 0x81], pair.as_slice()].concat(), canonical(Depth)),
        ("one item", listed(vec![bytes(unsigned)]), envelope.clone()),
        ("no item", listed(vec![]), envelope.clone()),
        ("three items", listed(vec![bytes(unsigned), bytes(signature), bytes(&[])]), envelope.clone()),
        ("text for the event", listed(vec![text.clone().into(), bytes(signature)]), envelope.clone()),
        ("text for the signature", listed(vec![bytes(unsigned), text.into()]), envelope.clone()),
        ("the wrong way round", listed(vec![bytes(signature), bytes(unsigned)]), envelope.clone()),
        ("a short signature", listed(vec![bytes(unsigned), bytes(&signature[1..])]), envelope.clone()),
        (
            "a long signature",
            listed(vec![bytes(unsigned), bytes(&[signature, &[0]].concat())]),
            envelope.clone(),
        ),
        (
            "a map",
            cbor(&ipld!({ "event": bytes(unsigned), "signature": bytes(signature) })),
            envelope.clone(),
        ),
        ("a number", vec![0], envelope.clone()),
        ("the unsigned event alone", item(unsigned), envelope),
        ("the unsigned event in the open", unsigned.clone(), canonical(Depth)),
        ("nothing signed", raw(vec![]), canonical(Truncated)),
    ];
    cases.extend(
        (1..good.bytes.len()).map(|end| ("cut short", good.bytes[..end].to_vec(), canonical(Truncated))),
    );
    refused(cases);
}

#[test]
fn what_is_signed_is_canonical() {
    use CanonicalError::*;
    let zeros = |head: &[u8], count: usize| [head, vec![0; count].as_slice()].concat();
    let cases: Vec<Case> = vec![
        ("two keys swapped", reencoded(|entries| entries.swap(3, 4)), canonical(Keys)),
        (
            "keys in the order of a dictionary",
            reencoded(|entries| entries.sort_by(|a, b| a.0[1..].cmp(&b.0[1..]))),
            canonical(Keys),
        ),
        ("a key twice", reencoded(|entries| entries.insert(1, entries[0].clone())), canonical(Keys)),
        ("a number as a key", reencoded(|entries| entries[0].0 = vec![0]), canonical(Keys)),
        ("bytes as a key", reencoded(|entries| entries[0].0 = vec![0x41, b'v']), canonical(Keys)),
        (
            "a long key length",
            reencoded(|entries| entries[0].0 = vec![0x78, 1, b'v']),
            canonical(NotShortest),
        ),
        ("a long number below 24", replaced("v", &[0x18, 1]), canonical(NotShortest)),
        ("a long number of one byte", replaced("v", &[0x19, 0, 0xff]), canonical(NotShortest)),
        ("a long number of two bytes", replaced("time", &[0x1a, 0, 0, 0xff, 0xff]), canonical(NotShortest)),
        (
            "a long number of four bytes",
            replaced("time", &[0x1b, 0, 0, 0, 0, 0x6a, 0xb1, 0x3b, 0x80]),
            canonical(NotShortest),
        ),
        ("a long negative number", replaced("time", &[0x38, 3]), canonical(NotShortest)),
        ("a long byte length", replaced("author", &zeros(&[0x59, 0, 32], 32)), canonical(NotShortest)),
        ("a long text length", replaced("ext", &[0x78, 1, b'a']), canonical(NotShortest)),
        ("a long list length", replaced("refs", &[0x98, 0]), canonical(NotShortest)),
        ("a long map length", replaced("ext", &[0xb8, 0]), canonical(NotShortest)),
        ("an indefinite map", replaced("ext", &[0xbf, 0xff]), canonical(Indefinite)),
        ("an indefinite list", replaced("refs", &[0x9f, 0xff]), canonical(Indefinite)),
        ("an indefinite text", replaced("ext", &[0x7f, 0x61, b'a', 0xff]), canonical(Indefinite)),
        ("indefinite bytes", replaced("author", &zeros(&[0x5f, 0x58, 32], 33)), canonical(Indefinite)),
        (
            "an indefinite whole",
            raw([&[0xbf], joined(&entries(&fields("post-full").0)).as_slice(), &[0xff]].concat()),
            canonical(Indefinite),
        ),
        ("a half float", replaced("time", &[0xf9, 0x3c, 0]), canonical(Type)),
        ("a float", replaced("time", &[0xfa, 0x3f, 0x80, 0, 0]), canonical(Type)),
        ("a double", replaced("time", &[0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]), canonical(Type)),
        ("undefined", replaced("ext", &[0xf7]), canonical(Type)),
        ("a simple value", replaced("ext", &[0xe0]), canonical(Type)),
        ("a simple value of two bytes", replaced("ext", &[0xf8, 0xff]), canonical(Type)),
        ("a break", replaced("ext", &[0xff]), canonical(Type)),
        ("a reserved length", replaced("ext", &[0x1c]), canonical(Type)),
        (
            "a link",
            replaced("ext", &zeros(&[0xd8, 0x2a, 0x58, 37, 0, 1, 0x71, 0x1e, 32], 32)),
            canonical(Type),
        ),
        ("a date", replaced("time", &[0xc1, 0x1a, 0x6a, 0xb1, 0x3b, 0x80]), canonical(Type)),
        ("a big number", replaced("time", &[0xc2, 0x41, 1]), canonical(Type)),
        ("a number of 54 bits", replaced("time", &[0x1b, 0, 0x20, 0, 0, 0, 0, 0, 0]), canonical(Integer)),
        (
            "the largest number",
            replaced("ext", &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            canonical(Integer),
        ),
        (
            "a negative number of 54 bits",
            replaced("ext", &[0x3b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            canonical(Integer),
        ),
        ("text that is not UTF-8", replaced("ext", &[0x61, 0xff]), canonical(Utf8)),
        ("text of overlong form", replaced("ext", &[0x62, 0xc0, 0x80]), canonical(Utf8)),
        ("text with half a pair", replaced("ext", &[0x63, 0xed, 0xa0, 0x80]), canonical(Utf8)),
        (
            "a list that ends too early",
            replaced("ext", &[0x9b, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            canonical(Truncated),
        ),
        ("a byte behind", raw([signed("post-full").unsigned.as_slice(), &[0]].concat()), canonical(Trailing)),
        ("nested too deeply", with("post", "ext", nested(16)), canonical(Depth)),
    ];
    refused(cases);
    for field in
        ["v", "kind", "for", "thread", "time", "refs", "blobs", "body", "pow", "ext", "author", "board"]
    {
        refused([("null", replaced(field, &[0xf6]), canonical(Type))]);
    }
    refused([(
        "null for a counter",
        changed("edit", |fields| drop(fields.insert("seq".into(), Ipld::Null))),
        canonical(Type),
    )]);
    accepted("nested as deeply as allowed", with("post", "ext", nested(15)));
}

/// Lists in lists.
fn nested(depth: usize) -> Ipld {
    (0..depth).fold(Ipld::Bool(true), |inner, _| Ipld::List(vec![inner]))
}

#[test]
fn versions_other_than_the_first_are_told_apart() {
    for v in [0, 2, (1 << 53) - 1] {
        refused([("a version", with("post", "v", v), malformed(EventError::Version(v)))]);
    }
    let future = raw(cbor(&ipld!({ "v": 2, "something": ["else"] })));
    refused([("a version with other fields", future, malformed(EventError::Version(2)))]);
}

#[test]
fn the_fields_are_those_of_an_event() {
    let reason = || malformed(EventError::Fields);
    for field in ["v", "kind", "author", "board", "time", "refs", "blobs", "body"] {
        refused([("a field is missing", without("post", field), reason())]);
    }
    let entry = |list: &str, field: &str, value: Ipld| {
        changed("post-full", |fields| match fields.get_mut(list) {
            Some(Ipld::List(items)) => match &mut items[0] {
                Ipld::Map(map) => drop(map.insert(field.to_owned(), value)),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
    };
    let pow = |field: &str, value: Ipld| {
        changed("post-full", |fields| drop(map(fields, "pow").insert(field.into(), value)))
    };
    let bytes = |count: usize| Ipld::Bytes(vec![1; count]);
    let text = || Ipld::String("1".repeat(32));
    let listed = |field: &'static str| {
        let (fields, _) = fields("post-full");
        Ipld::List(match &fields[field] {
            Ipld::Map(map) => map.values().cloned().collect(),
            other => panic!("{other:?}"),
        })
    };
    let in_order = ["v", "kind", "author", "board", "time", "refs", "blobs", "body"];
    let positional: Vec<Ipld> = in_order.map(|field| fields("post").0[field].clone()).into();
    let cases: Vec<Case> = vec![
        ("an unknown field", with("post", "colour", "yellow"), reason()),
        ("an unknown field of one letter", with("post", "x", 0), reason()),
        ("an unknown field of a reference", entry("refs", "x", 0.into()), reason()),
        ("an unknown field of an attachment", entry("blobs", "name", "a.png".into()), reason()),
        ("an unknown field of a proof of work", pow("x", 0.into()), reason()),
        ("a version in words", with("post", "v", "1"), reason()),
        ("a negative version", with("post", "v", -1), reason()),
        ("a kind in words", with("post", "kind", "post"), reason()),
        ("a kind of 17 bits", with("post", "kind", 65_536), reason()),
        ("a negative kind", with("post", "kind", -2), reason()),
        ("a short author", with("post", "author", bytes(31)), reason()),
        ("a long author", with("post", "author", bytes(33)), reason()),
        ("an author in words", with("post", "author", text()), reason()),
        ("an author as numbers", with("post", "author", Ipld::List(vec![1.into(); 32])), reason()),
        ("a short board", with("post", "board", bytes(0)), reason()),
        ("a board by name", with("post", "board", "mushrooms"), reason()),
        ("a short thread", with("post", "thread", bytes(8)), reason()),
        ("a thread in words", with("post", "thread", text()), reason()),
        ("a short identity", with("post", "for", bytes(20)), reason()),
        ("a time in words", with("post", "time", "now"), reason()),
        ("a time before 1970", with("post", "time", -1), reason()),
        ("a negative counter", with("edit", "seq", -1), reason()),
        ("a counter in words", with("edit", "seq", "1"), reason()),
        ("references as a map", with("post", "refs", ipld!({})), reason()),
        ("a reference as a list", with("post", "refs", ipld!([["answers", bytes(32)]])), reason()),
        ("a reference without a role", with("post", "refs", ipld!([{ "id": bytes(32) }])), reason()),
        ("a reference without a target", with("post", "refs", ipld!([{ "rel": "answers" }])), reason()),
        ("a reference to a prefix", entry("refs", "id", bytes(4)), reason()),
        ("a role that is a number", entry("refs", "rel", 1.into()), reason()),
        ("a reference to a board by name", entry("refs", "board", "mushrooms".into()), reason()),
        ("attachments as a map", with("post", "blobs", ipld!({})), reason()),
        ("an attachment that is an id", with("post", "blobs", ipld!([bytes(32)])), reason()),
        ("an attachment without a size", with("post", "blobs", ipld!([{ "id": bytes(32) }])), reason()),
        ("a negative size", entry("blobs", "size", (-1).into()), reason()),
        ("a short blob", entry("blobs", "id", bytes(31)), reason()),
        ("a proof of work as a list", with("post-full", "pow", listed("pow")), reason()),
        ("256 bits of work", pow("bits", 256.into()), reason()),
        ("negative work", pow("bits", (-1).into()), reason()),
        ("a nonce in words", pow("nonce", "abc".into()), reason()),
        ("a nonce of numbers", pow("nonce", ipld!([1, 2])), reason()),
        ("an algorithm by number", pow("alg", 1.into()), reason()),
        ("fields without names", raw(cbor(&Ipld::List(positional))), reason()),
        ("a number", raw(vec![0]), reason()),
        ("bytes", raw(cbor(&bytes(32))), reason()),
        ("an empty map", raw(cbor(&ipld!({}))), reason()),
        ("an event in an event", raw(signed("post").bytes), reason()),
    ];
    refused(cases);
}

#[test]
fn the_body_is_that_of_the_kind() {
    let reason = || malformed(EventError::Body);
    let bytes = |count: usize| Ipld::Bytes(vec![1; count]);
    for name in ["thread", "post", "edit", "delete", "profile"] {
        refused([
            ("an unknown field", with_body(name, "x", true), reason()),
            ("a list", with(name, "body", ipld!([])), reason()),
            ("a text", with(name, "body", "text"), reason()),
            ("bytes", with(name, "body", bytes(3)), reason()),
            ("a number", with(name, "body", 1), reason()),
        ]);
    }
    for (name, field) in [
        ("thread", "comment"),
        ("thread", "salt"),
        ("post", "comment"),
        ("edit", "comment"),
        ("profile", "name"),
    ] {
        refused([
            ("a field is missing", without_body(name, field), reason()),
            ("a field is a number", with_body(name, field, 1), reason()),
            ("a field is a list", with_body(name, field, ipld!(["a"])), reason()),
        ]);
    }
    let salts = Ipld::List(vec![Ipld::Integer(1); 16]);
    refused([
        ("sage: false", with_body("post", "sage", false), reason()),
        ("sage as a number", with_body("post", "sage", 1), reason()),
        ("sage of an opening post", with_body("thread", "sage", true), reason()),
        ("sage of an edit", with_body("edit", "sage", true), reason()),
        ("a title of a reply", with_body("post", "subject", "title"), reason()),
        ("a board's name in a reply", with_body("post", "board_name", "mushrooms"), reason()),
        ("a title that is a number", with_body("thread", "subject", 1), reason()),
        ("a comment of bytes", with_body("post", "comment", bytes(4)), reason()),
        ("a short salt", with_body("thread", "salt", bytes(15)), reason()),
        ("a long salt", with_body("thread", "salt", bytes(17)), reason()),
        ("a salt in words", with_body("thread", "salt", "0123456789abcdef"), reason()),
        ("a salt of numbers", with_body("thread", "salt", salts), reason()),
        ("no board name", with_body("thread", "board_name", ""), reason()),
        ("a board name in capitals", with_body("thread", "board_name", "Mushrooms"), reason()),
        ("a board name with a leading hyphen", with_body("thread", "board_name", "-mushrooms"), reason()),
        ("a board name of 33 characters", with_body("thread", "board_name", "m".repeat(33)), reason()),
        ("a tombstone that speaks", with_body("delete", "comment", "gone"), reason()),
        ("a description that is a list", with_body("profile", "about", ipld!([])), reason()),
        ("another kind's body", with("post", "kind", Kind::PROFILE.0), reason()),
    ]);
    for body in [ipld!([]), ipld!({}), ipld!("text"), ipld!(7), ipld!(true), bytes(3)] {
        accepted("an unknown kind has any body", with("unknown-kind-list", "body", body));
    }
}
