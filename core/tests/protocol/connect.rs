//! Connect codes: offers and answers that people pass on. What is damaged or hostile is refused, and nothing that comes
//! out of one can be more than it says in a line of SDP.

use chanterelle_core::base::{Limits, PeerId};
use chanterelle_core::crypto::{SecretKey, connect_code_hash, friend_code_hash};
use chanterelle_core::invite::{
    CODE_BYTES, Candidate, CandidateKind, CodeError, ConnectCode, ConnectCodeError, FriendCode, Half,
};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_bytes::{ByteArray, Bytes};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::kit::{Map, cbor, key};
use super::samples::{self, TIME};
use super::strategies::laws;

const OFFER: &str = "chanoffer";
const ANSWER: &str = "chananswer";

fn read(text: &str) -> Result<ConnectCode, ConnectCodeError> {
    ConnectCode::read(text).map(|(code, _)| code)
}

fn text_of(prefix: &str, bytes: &[u8]) -> String {
    let prefix = bech32::Hrp::parse(prefix).expect("letters");
    bech32::encode::<bech32::Bech32m>(prefix, bytes).expect("short")
}

/// A code of whatever bytes, with whatever is signed.
fn signed(prefix: &str, unsigned: &[u8], key: &SecretKey, hash: [u8; 32]) -> String {
    let pair = (Bytes::new(unsigned), ByteArray::new(key.sign_hash(&hash).0));
    text_of(prefix, &serde_ipld_dagcbor::to_vec(&pair).expect("bytes encode"))
}

/// A code of these fields, signed as it should be.
fn code(prefix: &str, fields: &Map) -> String {
    let unsigned = cbor(&Ipld::Map(fields.clone()));
    signed(prefix, &unsigned, &key(1), connect_code_hash(&unsigned))
}

fn candidate(kind: &str, address: &str, port: i128) -> Ipld {
    ipld!({ "kind": kind, "address": address, "port": Ipld::Integer(port) })
}

fn description() -> Map {
    let description = ipld!({
        "ufrag": "ab+/",
        "pwd": "0123456789012345678901",
        "fingerprint": Ipld::Bytes(vec![0xf1; 32]),
        "candidates": [candidate("host", "192.0.2.1", 5)],
    });
    match description {
        Ipld::Map(description) => description,
        _ => unreachable!("a map was written"),
    }
}

/// The fields of an offer, with what it describes changed.
fn describing(change: impl FnOnce(&mut Map)) -> Map {
    let mut description = description();
    change(&mut description);
    Map::from([
        ("v".to_owned(), Ipld::Integer(1)),
        ("peer".to_owned(), Ipld::Bytes(key(1).public().0.to_vec())),
        ("description".to_owned(), Ipld::Map(description)),
    ])
}

fn changed(change: impl FnOnce(&mut Map)) -> Map {
    let mut fields = describing(|_| {});
    change(&mut fields);
    fields
}

fn with(name: &str, value: Ipld) -> Map {
    changed(|fields| drop(fields.insert(name.to_owned(), value)))
}

fn with_description(name: &str, value: Ipld) -> Map {
    describing(|description| drop(description.insert(name.to_owned(), value)))
}

fn with_candidates(candidates: impl IntoIterator<Item = Ipld>) -> Map {
    with_description("candidates", Ipld::List(candidates.into_iter().collect()))
}

fn an_answer() -> Map {
    with("of", Ipld::Bytes(vec![7; 32]))
}

#[test]
fn what_is_made_is_read() {
    for (name, sample) in samples::connect_codes() {
        let (text, hash) = sample.clone().sign(|hash| samples::peer_key().sign_hash(hash).0);
        let prefix = if sample.half == Half::Offer { "chanoffer1" } else { "chananswer1" };
        assert!(text.starts_with(prefix), "{name}: {text}");
        // In a QR code, and as people paste.
        for text in [text.clone(), text.to_uppercase(), format!(" \n{text}\t\r\n")] {
            assert_eq!(ConnectCode::read(&text), Ok((sample.clone(), hash)), "{name}");
        }
    }
}

#[test]
fn what_a_code_holds_is_held_to_its_rules() {
    assert!(read(&code(OFFER, &changed(|_| {}))).is_ok(), "the offer to be changed is good");
    assert!(read(&code(ANSWER, &an_answer())).is_ok(), "and the answer");
    let text = |length: usize| Ipld::String("x".repeat(length));
    let small = |count: usize| with_candidates(vec![candidate("srflx", "192.0.2.1", 5); count]);
    for (what, fields) in [
        ("a short name", with_description("ufrag", text(4))),
        ("a long name", with_description("ufrag", text(64))),
        ("a short password", with_description("pwd", text(22))),
        ("a long password", with_description("pwd", text(64))),
        ("nowhere to send to", small(0)),
        ("as many as there may be", small(8)),
        ("the last port", with_candidates([candidate("relay", "2001:db8::1", 65_535)])),
        (
            "a made-up name",
            with_candidates([candidate("host", "3f2504e0-4f89-41d3-9a0c-0305e82c3301.local", 5)]),
        ),
    ] {
        assert!(read(&code(OFFER, &fields)).is_ok(), "{what}: {fields:?}");
    }
    let bytes = |length: usize| Ipld::Bytes(vec![1; length]);
    for (what, fields) in [
        ("version 0", with("v", ipld!(0))),
        ("version 2", with("v", ipld!(2))),
        ("no version", changed(|fields| drop(fields.remove("v")))),
        ("a field more", with("name", ipld!("x"))),
        ("no peer", changed(|fields| drop(fields.remove("peer")))),
        ("a short peer", with("peer", bytes(31))),
        ("a peer for whom anybody can sign", with("peer", Ipld::Bytes(vec![0; 32]))),
        ("no description", changed(|fields| drop(fields.remove("description")))),
        ("a description in words", with("description", ipld!("v=0"))),
        ("a field more in it", with_description("setup", ipld!("active"))),
        ("no name", describing(|description| drop(description.remove("ufrag")))),
        ("no password", describing(|description| drop(description.remove("pwd")))),
        ("no fingerprint", describing(|description| drop(description.remove("fingerprint")))),
        ("no candidates", describing(|description| drop(description.remove("candidates")))),
        ("too short a name", with_description("ufrag", text(3))),
        ("too long a name", with_description("ufrag", text(65))),
        ("too short a password", with_description("pwd", text(21))),
        ("too long a password", with_description("pwd", text(65))),
        ("a short fingerprint", with_description("fingerprint", bytes(31))),
        ("a long fingerprint", with_description("fingerprint", bytes(33))),
        ("too many candidates", small(9)),
        ("port 0", with_candidates([candidate("host", "192.0.2.1", 0)])),
        ("a port beyond the last", with_candidates([candidate("host", "192.0.2.1", 65_536)])),
        ("a port before the first", with_candidates([candidate("host", "192.0.2.1", -1)])),
        ("no address", with_candidates([candidate("host", "", 5)])),
        ("a name", with_candidates([candidate("host", "relay.example", 5)])),
        ("a name of two parts", with_candidates([candidate("host", "printer.relay.local", 5)])),
        ("no name", with_candidates([candidate("host", ".local", 5)])),
        ("half an address", with_candidates([candidate("host", "192.0.2", 5)])),
        ("an address with a zone", with_candidates([candidate("host", "fe80::1%eth0", 5)])),
        ("an address in brackets", with_candidates([candidate("host", "[2001:db8::1]", 5)])),
        (
            "too long an address",
            with_candidates([candidate("host", &format!("{}.local", "x".repeat(59)), 5)]),
        ),
        ("another kind", with_candidates([candidate("prflx", "192.0.2.1", 5)])),
        ("a kind in capitals", with_candidates([candidate("Host", "192.0.2.1", 5)])),
        ("a candidate in words", with_candidates([ipld!("candidate:1 1 udp 1 192.0.2.1 5 typ host")])),
        ("a list too deep", with_candidates([ipld!([[]])])),
    ] {
        assert_eq!(read(&code(OFFER, &fields)), Err(ConnectCodeError::Form), "{what}");
    }
    for (what, of) in [("short", bytes(31)), ("long", bytes(33)), ("in words", ipld!("offer"))] {
        let fields = with("of", of);
        assert_eq!(
            read(&code(ANSWER, &fields)),
            Err(ConnectCodeError::Form),
            "an offer's hash that is {what}"
        );
    }
    let trailing = [cbor(&Ipld::Map(describing(|_| {}))), vec![0]].concat();
    for unsigned in [cbor(&ipld!([1])), Vec::new(), trailing] {
        let code = signed(OFFER, &unsigned, &key(1), connect_code_hash(&unsigned));
        assert_eq!(read(&code), Err(ConnectCodeError::Form), "{unsigned:?}");
    }
}

/// What is put into a description cannot begin another line, nor another word.
#[test]
fn nothing_can_be_slipped_into_a_description() {
    let good = "0123456789012345678901";
    for slipped in [
        " ",
        "\r\n",
        "\n",
        "\r",
        "\0",
        "\t",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{e9}",
        "\r\na=candidate:1 1 udp 1 192.0.2.7 5 typ host",
        "\r\na=setup:passive",
        " typ host",
        "=",
        "\"",
        "%",
        "_",
    ] {
        for at in [0, 10, good.len()] {
            let (before, after) = good.split_at(at);
            let text = Ipld::String(format!("{before}{slipped}{after}"));
            for field in ["ufrag", "pwd"] {
                let code = code(OFFER, &with_description(field, text.clone()));
                assert_eq!(read(&code), Err(ConnectCodeError::Form), "{field} {text:?}");
            }
        }
        for address in [
            format!("192.0.2.1{slipped}"),
            format!("{slipped}192.0.2.1"),
            format!("2001:db8:{slipped}:1"),
            format!("3f2504e0{slipped}-4f89-41d3-9a0c-0305e82c3301.local"),
        ] {
            let code = code(OFFER, &with_candidates([candidate("host", &address, 5)]));
            assert_eq!(read(&code), Err(ConnectCodeError::Form), "{address:?}");
        }
    }
}

#[test]
fn an_offer_is_no_answer() {
    for (prefix, fields) in [(ANSWER, changed(|_| {})), (OFFER, an_answer())] {
        assert_eq!(read(&code(prefix, &fields)), Err(ConnectCodeError::Form), "{prefix}");
    }
    let friend = samples::codes().remove(1).1.sign(&SecretKey::from_seed(samples::INVITER));
    assert_eq!(read(&friend), Err(ConnectCodeError::Foreign));
    let read = |text: &str| FriendCode::read(text, TIME, &Limits::default());
    for fields in [changed(|_| {}), an_answer()] {
        assert_eq!(read(&code(OFFER, &fields)), Err(CodeError::Foreign));
        assert_eq!(read(&code("chan", &fields)), Err(CodeError::Form), "whatever stands before it");
    }
}

#[test]
fn a_code_is_signed_by_whom_it_names() {
    let unsigned = cbor(&Ipld::Map(describing(|_| {})));
    let hash = connect_code_hash(&unsigned);
    assert!(read(&signed(OFFER, &unsigned, &key(1), hash)).is_ok());
    let other = with("peer", Ipld::Bytes(key(2).public().0.to_vec()));
    let elsewhere = cbor(&Ipld::Map(with_candidates([candidate("host", "192.0.2.2", 5)])));
    for (what, forged) in [
        ("by another", signed(OFFER, &unsigned, &key(2), hash)),
        ("for another", code(OFFER, &other)),
        ("as a friend code", signed(OFFER, &unsigned, &key(1), friend_code_hash(&unsigned))),
        ("and then changed", signed(OFFER, &elsewhere, &key(1), hash)),
    ] {
        assert_eq!(read(&forged), Err(ConnectCodeError::Signature), "signed {what}");
    }
    // What is not signed has no place.
    let triple = (Bytes::new(&unsigned), ByteArray::new(key(1).sign_hash(&hash).0), Bytes::new(&[1]));
    let triple = serde_ipld_dagcbor::to_vec(&triple).expect("bytes encode");
    assert_eq!(read(&text_of(OFFER, &triple)), Err(ConnectCodeError::Form));
}

#[test]
fn what_is_no_code_is_told_apart_from_what_was_one() {
    let offer = code(OFFER, &changed(|_| {}));
    let mixed = format!("{}{}", offer[..20].to_uppercase(), &offer[20..]);
    for (text, reason) in [
        ("", ConnectCodeError::Foreign),
        ("chan", ConnectCodeError::Foreign),
        ("chanoffer", ConnectCodeError::Foreign),
        ("chanoffers1qqqqqq", ConnectCodeError::Foreign),
        ("https://relay.example/peers", ConnectCodeError::Foreign),
        (&text_of("chanoffer1more", &[7; 40]), ConnectCodeError::Foreign),
        (&text_of("chananswer1more", &[7; 40]), ConnectCodeError::Foreign),
        (&format!("x{offer}"), ConnectCodeError::Foreign),
        ("chanoffer1", ConnectCodeError::Damaged),
        ("chananswer1", ConnectCodeError::Damaged),
        ("chanoffer1 something else", ConnectCodeError::Damaged),
        (&mixed, ConnectCodeError::Damaged),
        (&offer.repeat(2), ConnectCodeError::Damaged),
        (&format!("{offer} {offer}"), ConnectCodeError::Damaged),
        (&text_of(OFFER, &[0; CODE_BYTES + 1]), ConnectCodeError::Damaged),
        (&format!("chananswer1{}", "q".repeat(100_000)), ConnectCodeError::Damaged),
        (&text_of(OFFER, &[]), ConnectCodeError::Form),
        (&text_of(ANSWER, b"\x82\x41\x00\x41\x00"), ConnectCodeError::Form),
    ] {
        assert_eq!(read(text), Err(reason), "{text:.80}");
    }
}

#[test]
fn no_change_on_the_way_passes() {
    for (name, sample) in samples::connect_codes() {
        let (text, _) = sample.sign(|hash| samples::peer_key().sign_hash(hash).0);
        for length in 0..text.len() {
            let reason = if text[..length].contains('1') {
                ConnectCodeError::Damaged
            } else {
                ConnectCodeError::Foreign
            };
            assert_eq!(read(&text[..length]), Err(reason), "{name} cut at {length}");
        }
        for (at, was) in text.char_indices() {
            let other = if was == 'q' { 'p' } else { 'q' };
            for to in [other, was.to_ascii_uppercase(), '1', 'b', ' ', '\u{e9}'] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, &to.to_string());
                assert_eq!(read(&changed).is_ok(), to == was, "{name} with {to:?} at {at}");
            }
        }
    }
}

#[test]
fn candidates_that_find_no_room_are_left_out() {
    let made_up = |n: u16| Candidate {
        kind: CandidateKind::Host,
        address: format!("3f2504e0-4f89-41d3-9a0c-0305e82c{n:04}.local"),
        port: 50_000 + n,
    };
    for (half, least) in [(Half::Offer, 4), (Half::Answer([7; 32]), 3)] {
        let (_, mut code) = samples::connect_codes().remove(0);
        code.half = half;
        code.description.candidates = (0..20).map(made_up).collect();
        let (text, _) = code.clone().sign(|hash| samples::peer_key().sign_hash(hash).0);
        let kept = read(&text).expect("what is made can be read").description.candidates;
        assert!((least..8).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept, code.description.candidates[..kept.len()], "the first stay");
        // The longest that may be.
        let (ufrag, pwd) = ("x".repeat(64), "y".repeat(64));
        code.description.ufrag.clone_from(&ufrag);
        code.description.pwd.clone_from(&pwd);
        let (text, _) = code.sign(|hash| samples::peer_key().sign_hash(hash).0);
        let read = read(&text).expect("what is made can be read").description;
        assert_eq!((read.ufrag, read.pwd), (ufrag, pwd));
        assert!(!read.candidates.is_empty(), "there is room for one");
    }
    let (_, mut code) = samples::connect_codes().remove(0);
    let short = |n: u8| Candidate { kind: CandidateKind::Host, address: format!("10.0.0.{n}"), port: 5 };
    code.description.candidates = (0..20).map(short).collect();
    let (text, _) = code.sign(|hash| samples::peer_key().sign_hash(hash).0);
    assert_eq!(read(&text).expect("what is made can be read").description.candidates.len(), 8);
}

/// A device with many addresses still says where a NAT lets others in.
#[test]
fn no_kind_of_candidate_is_crowded_out() {
    let (_, mut code) = samples::connect_codes().remove(0);
    let of =
        |kind, n: u16| Candidate { kind, address: format!("2001:db8:85a3:8d3:1319:8a2e:370:{n:x}"), port: n };
    let hosts = (1..20).map(|n| of(CandidateKind::Host, n));
    let others = [of(CandidateKind::Srflx, 30), of(CandidateKind::Relay, 31)];
    code.description.candidates = hosts.chain(others.clone()).collect();
    let (text, _) = code.clone().sign(|hash| samples::peer_key().sign_hash(hash).0);
    let kept = read(&text).expect("what is made can be read").description.candidates;
    let hosts = kept.len() - others.len();
    assert!(hosts > 0);
    assert_eq!(kept, [&code.description.candidates[..hosts], &others].concat(), "in their order");
}

/// A browser may find what others do not take; the rest is passed on.
#[test]
fn candidates_that_nobody_would_read_are_left_out() {
    let (_, mut code) = samples::connect_codes().remove(0);
    let kept = code.description.candidates.clone();
    let of = |address: &str, port| Candidate { kind: CandidateKind::Host, address: address.to_owned(), port };
    code.description.candidates.insert(0, of("fe80::1%eth0", 5));
    code.description.candidates.push(of("192.0.2.1", 0));
    let (text, _) = code.sign(|hash| samples::peer_key().sign_hash(hash).0);
    assert_eq!(read(&text).expect("what is made can be read").description.candidates, kept);
}

proptest! {
    #![proptest_config(laws(256))]

    /// Whatever is pasted, nothing panics, and what was not signed is no code.
    #[test]
    fn anything_can_be_read(
        text in "\\PC{0,200}",
        bytes in vec(any::<u8>(), 0..CODE_BYTES),
        fields in vec(any::<u8>(), 0..300),
    ) {
        for prefix in [OFFER, ANSWER] {
            prop_assert!(read(&text).is_err());
            let behind = format!("{prefix}1{text}");
            prop_assert!(read(&behind).is_err());
            prop_assert!(read(&text_of(prefix, &bytes)).is_err());
            prop_assert!(read(&signed(prefix, &fields, &key(1), connect_code_hash(&fields))).is_err());
        }
    }

    /// Whatever is read can stand in lines of SDP; and what is made of it is read again.
    #[test]
    fn what_is_read_is_plain(
        ufrag in "[a-zA-Z0-9+/]{3,66}[ \r\n]?",
        pwd in "[a-zA-Z0-9+/]{21,66}[\n\0]?",
        address in "([1-9][0-9]?\\.){3}[0-9]|2001:db8::[0-9a-f]|[0-9a-f:.]{2,20}|[a-z .:\n-]{0,70}(\\.local)?",
        port in any::<u16>(),
    ) {
        let fields = describing(|description| {
            description.insert("ufrag".to_owned(), Ipld::String(ufrag));
            description.insert("pwd".to_owned(), Ipld::String(pwd));
            let candidate = candidate("srflx", &address, port.into());
            description.insert("candidates".to_owned(), Ipld::List(vec![candidate]));
        });
        if let Ok(code) = read(&code(OFFER, &fields)) {
            let described = &code.description;
            let words = [&described.ufrag, &described.pwd, &described.candidates[0].address];
            prop_assert!(words.iter().all(|word| !word.is_empty() && word.chars().all(|char| char.is_ascii_graphic())));
            prop_assert_eq!(code.peer, PeerId(key(1).public().0));
            let (again, _) = code.clone().sign(|hash| key(1).sign_hash(hash).0);
            prop_assert_eq!(read(&again), Ok(code));
        }
    }
}
