//! Friend codes: what is damaged, hostile or out of date is refused, each for its reason.

use chanterelle_core::base::{AuthorId, Limits};
use chanterelle_core::crypto::{ReachSecret, SecretKey, friend_code_hash};
use chanterelle_core::invite::{Address, CODE_BYTES, CodeError, FriendCode, code_in};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use proptest::prelude::*;
use serde_bytes::{ByteArray, Bytes};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::samples::{self, TIME};

fn read(text: &str) -> Result<FriendCode, CodeError> {
    FriendCode::read(text, TIME, &Limits::default())
}

fn key() -> SecretKey {
    SecretKey::from_seed(samples::INVITER)
}

fn text_of(bytes: &[u8]) -> String {
    bech32::encode::<bech32::Bech32m>(bech32::Hrp::parse("chan").expect("letters"), bytes).expect("short")
}

/// A code of whatever fields, signed by `key`.
fn signed(fields: &Ipld, key: &SecretKey) -> String {
    let unsigned = serde_ipld_dagcbor::to_vec(fields).expect("plain values encode");
    let signature = key.sign_hash(&friend_code_hash(&unsigned));
    let pair = (Bytes::new(&unsigned), ByteArray::new(signature.0));
    text_of(&serde_ipld_dagcbor::to_vec(&pair).expect("bytes encode"))
}

fn fields(author: AuthorId) -> std::collections::BTreeMap<String, Ipld> {
    let fields = ipld!({
        "v": 1,
        "author": Ipld::Bytes(author.0.to_vec()),
        "reach": Ipld::Bytes(vec![7; 16]),
        "relays": [],
    });
    match fields {
        Ipld::Map(fields) => fields,
        _ => unreachable!("a map was written"),
    }
}

fn with(name: &str, value: Ipld) -> String {
    let mut fields = fields(key().public());
    fields.insert(name.to_owned(), value);
    signed(&Ipld::Map(fields), &key())
}

#[test]
fn what_a_code_holds_is_held_to_its_rules() {
    assert!(
        read(&signed(&Ipld::Map(fields(key().public())), &key())).is_ok(),
        "the code to be changed is good"
    );
    let address = |length: usize| Ipld::List(vec![Ipld::Bytes(vec![4; length])]);
    let text = |text: &str| Ipld::String(text.to_owned());
    for (reason, code) in [
        (CodeError::Version, with("v", Ipld::Integer(2))),
        (CodeError::Version, {
            let mut later = fields(key().public());
            later.insert("v".to_owned(), Ipld::Integer(2));
            later.insert("more".to_owned(), ipld!([[1], { "deep": [[]] }]));
            signed(&Ipld::Map(later), &key())
        }),
        (CodeError::Form, with("more", ipld!([[1], { "deep": [[]] }]))),
        (CodeError::Form, with("extra", Ipld::Integer(0))),
        (CodeError::Form, with("reach", Ipld::Bytes(vec![7; 15]))),
        (CodeError::Form, with("author", Ipld::Bytes(vec![0; 32]))),
        (CodeError::Form, with("relays", Ipld::List(vec![Ipld::Bytes(vec![4; 8]); 9]))),
        (CodeError::Form, with("relays", address(0))),
        (CodeError::Form, with("relays", address(129))),
        (CodeError::Form, with("board", text("Not a Board"))),
        (CodeError::Form, with("key", Ipld::Bytes(vec![1; 31]))),
        (CodeError::Form, with("expires", text("never"))),
        (CodeError::Expired, with("expires", Ipld::Integer(TIME.0.into()))),
        (CodeError::Name, with("name", text("<img src=x onerror=alert(1)>"))),
        (CodeError::Name, with("name", text("Ann\u{202e}nnA"))),
        (CodeError::Name, with("name", text("two\nlines"))),
        (CodeError::Name, with("name", text("  "))),
        (CodeError::Name, with("name", text(&"x".repeat(41)))),
    ] {
        assert_eq!(read(&code), Err(reason), "{code}");
    }
    for hidden in [
        '\u{ad}',
        '\u{61c}',
        '\u{115f}',
        '\u{1160}',
        '\u{180e}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202e}',
        '\u{2060}',
        '\u{206f}',
        '\u{2800}',
        '\u{3164}',
        '\u{fe00}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{ffa0}',
        '\u{e0000}',
        '\u{e0041}',
        '\u{e0fff}',
    ] {
        let code = with("name", text(&format!("An{hidden}n")));
        assert_eq!(read(&code), Err(CodeError::Name), "{:x}", u32::from(hidden));
    }
    assert!(read(&with("expires", Ipld::Integer((TIME.0 + 1).into()))).is_ok());
    assert!(
        read(&with("name", text("Ann & \u{5d0}\u{5d1} <3").clone())).is_err(),
        "no angle brackets at all"
    );
    assert!(read(&with("name", text("Ann & \u{5d0}\u{5d1} \u{2665}"))).is_ok());
}

#[test]
fn a_code_is_signed_by_whom_it_names() {
    let other = SecretKey::from_seed([6; 32]);
    assert_eq!(read(&signed(&Ipld::Map(fields(key().public())), &other)), Err(CodeError::Signature));
    assert_eq!(read(&signed(&Ipld::Map(fields(other.public())), &key())), Err(CodeError::Signature));

    // The private board's key is exchanged for another, and everything else is as it was signed.
    let code = samples::codes().remove(1).1;
    let of = |code: &FriendCode| serde_ipld_dagcbor::to_vec(code).expect("codes encode");
    let signature = key().sign_hash(&friend_code_hash(&of(&code)));
    let other_key = FriendCode { key: Some(ByteArray::new([0x4f; 32])), ..code };
    let unsigned = of(&other_key);
    let pair = (Bytes::new(&unsigned), ByteArray::new(signature.0));
    let pair = serde_ipld_dagcbor::to_vec(&pair).expect("bytes encode");
    assert_eq!(read(&text_of(&pair)), Err(CodeError::Signature));

    // A key beside what is signed has no place.
    let triple = (Bytes::new(&unsigned), ByteArray::new(signature.0), Bytes::new(&[0x4e; 32]));
    let triple = serde_ipld_dagcbor::to_vec(&triple).expect("bytes encode");
    assert_eq!(read(&text_of(&triple)), Err(CodeError::Form));
}

#[test]
fn what_is_no_code_is_told_apart_from_what_was_one() {
    let code = samples::codes().remove(1).1.sign(&key());
    assert!(read(&format!(" \n{code}\t")).is_ok(), "white space around it");
    let mut damaged = code.clone().into_bytes();
    damaged[40] = if damaged[40] == b'q' { b'p' } else { b'q' };
    let damaged = String::from_utf8(damaged).expect("letters");
    let mixed = format!("{}{}", code[..20].to_uppercase(), &code[20..]);
    let long = text_of(&vec![0; CODE_BYTES + 1]);
    // Whole and with a checksum that fits, but of something else.
    let of_prefix = |prefix| {
        let prefix = bech32::Hrp::parse(prefix).expect("letters and a figure");
        bech32::encode::<bech32::Bech32m>(prefix, &[7; 40]).expect("short")
    };
    for (text, reason) in [
        ("", CodeError::Foreign),
        ("chan", CodeError::Foreign),
        ("hello", CodeError::Foreign),
        ("npub1qqqqqq", CodeError::Foreign),
        (&of_prefix("chan1anything"), CodeError::Foreign),
        (&of_prefix("chan1anything").to_uppercase(), CodeError::Foreign),
        (&of_prefix("chancellor"), CodeError::Foreign),
        ("chan1", CodeError::Damaged),
        (&damaged, CodeError::Damaged),
        (&code[..code.len() - 1], CodeError::Damaged),
        (&mixed, CodeError::Damaged),
        (&format!("{code}&key=4e4e"), CodeError::Damaged),
        (&format!("{}\u{e9}", &code[..30]), CodeError::Damaged),
        (&long, CodeError::TooLong),
        (&format!("chan1{}", "q".repeat(100_000)), CodeError::TooLong),
        (&text_of(&[]), CodeError::Form),
        (&text_of(b"\x82\x41\x00\x41\x00"), CodeError::Form),
        (
            &bech32::encode::<bech32::Bech32>(bech32::Hrp::parse("chan").expect("letters"), &[1])
                .expect("short"),
            CodeError::Damaged,
        ),
    ] {
        assert_eq!(read(text), Err(reason), "{text:.80}");
    }
}

#[test]
fn a_link_leads_to_its_code() {
    for (pasted, code) in [
        ("chan1abc", Ok("chan1abc")),
        ("https://relay.example/f#chan1abc", Ok("chan1abc")),
        (" https://relay.example/f?x#y#chan1abc \n", Ok("chan1abc")),
        ("https://bank.example@relay.example/f#chan1abc", Err(CodeError::Credentials)),
        ("https://user:secret@relay.example/f#chan1abc", Err(CodeError::Credentials)),
    ] {
        assert_eq!(code_in(pasted), code, "{pasted}");
    }
}

#[test]
fn relays_that_find_no_room_are_left_out() {
    let relay = |n: u8| Address::new(&[n; 120]).expect("the length of an address");
    let mut code = FriendCode::new(key().public(), ReachSecret([1; 16]));
    code.name = Some("\u{10348}".repeat(40));
    code.relays = (0..12).map(relay).collect();
    let text = code.sign(&key());
    let read = read(&text).expect("what is made can be read");
    assert!((1..8).contains(&read.relays.len()), "{}", read.relays.len());
    assert_eq!(read.relays[0], relay(0), "the first stays");
}

proptest! {
    /// Whatever is pasted, nothing panics; and no change of a code passes for it.
    #[test]
    fn anything_can_be_read(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), to in "[a-z0-9]") {
        let _ = read(&text);
        let _ = read(&format!("chan1{text}"));
        prop_assert!(read(&text_of(&bytes)).is_err());
        let code = samples::codes().remove(1).1.sign(&key());
        let at = at.index(code.len());
        let mut changed = code.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(read(&changed).is_ok(), changed == code);
    }
}
