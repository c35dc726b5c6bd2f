//! Golden bytes of hashes, keys and the generator: `vectors/keys.json`, which `vectors/keys.mjs` computes
//! without any code of this project. Whoever changes them changes who people are.

use chanterelle_core::base::{BoardName, EventId};
use chanterelle_core::crypto::{Identity, Rng, Root, Signature, event_id, no_board, open_board_id, verify};
use data_encoding::HEXLOWER;
use serde::Deserialize;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

#[derive(Deserialize)]
struct Golden {
    unsigned: String,
    event_id: String,
    board_name: String,
    board_id: String,
    no_board: String,
    root: String,
    salt: String,
    storage_key: String,
    identity_author: String,
    identity_signature_of_event_id: String,
    opening_author: String,
    reply_author_in_event_id: String,
    generator_seed: String,
    generator_stream: String,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("vectors/keys.json")).expect("the golden file is well-formed")
}

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    unhex(hex).try_into().expect("the golden file has the right lengths")
}

fn unhex(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("the golden file is lower-case hexadecimal")
}

#[test]
fn hashes() {
    let golden = golden();
    assert_eq!(event_id(&unhex(&golden.unsigned)).to_string(), golden.event_id);
    let name = BoardName::new(&golden.board_name).unwrap();
    assert_eq!(open_board_id(&name).to_string(), golden.board_id);
    assert_eq!(no_board().to_string(), golden.no_board);
}

#[test]
fn keys() {
    let golden = golden();
    let identity = Identity::from_root(Root(bytes(&golden.root)));
    let event: EventId = golden.event_id.parse().unwrap();
    let board = golden.board_id.parse().unwrap();

    assert_eq!(HEXLOWER.encode(identity.storage_key()), golden.storage_key);
    assert_eq!(identity.identity().public().to_string(), golden.identity_author);
    assert_eq!(
        identity.opening_key(&board, &bytes(&golden.salt)).public().to_string(),
        golden.opening_author
    );
    assert_eq!(identity.reply_key(&event).public().to_string(), golden.reply_author_in_event_id);

    let signature = identity.identity().sign(&event);
    assert_eq!(signature, Signature(bytes(&golden.identity_signature_of_event_id)));
    assert_eq!(verify(&identity.identity().public(), event.as_bytes(), &signature), Ok(()));
}

#[test]
fn generator() {
    let golden = golden();
    let stream = unhex(&golden.generator_stream);

    let mut whole = vec![0; stream.len()];
    Rng::new(bytes(&golden.generator_seed)).fill(&mut whole);
    assert_eq!(whole, stream);

    let mut numbers = Rng::new(bytes(&golden.generator_seed));
    for expected in stream.chunks_exact(8) {
        assert_eq!(numbers.next_u64().to_le_bytes(), expected);
    }
}
