//! The small-order matrix of ZIP 215 (as in the tests of ed25519-zebra and ed25519-consensus): every encoding
//! of every point of small order, 8 canonical and 6 not, as A and as R with S = 0. All 196 verify under the
//! raw rule, alone and in a batch, and all 14 are refused as authors. Beside it, signatures whose A and R
//! have a component of small order.

use chanterelle_core::base::AuthorId;
use chanterelle_core::crypto::{
    Claim, KeyError, Signature, SignatureError, check_author_encoding, check_author_key, verify, verify_batch,
};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// The message of the original tests.
const MESSAGE: &[u8] = b"Zcash";

fn canonical() -> Vec<[u8; 32]> {
    EIGHT_TORSION.iter().map(|point| point.compress().to_bytes()).collect()
}

/// y as a little-endian number whose lowest byte is `low`, between `rest` and the sign bit.
fn encoding(low: u8, rest: u8, negative: bool) -> [u8; 32] {
    let mut bytes = [rest; 32];
    bytes[0] = low;
    bytes[31] = rest & 0x7f | if negative { 0x80 } else { 0 };
    bytes
}

/// With p = 2^255 - 19: y = 1 and y = -1 with a sign that x = 0 does not have, y = p for 0 and y = p + 1 for
/// 1 with both signs. The other numbers from p to 2^255 - 1 are y of no point of small order.
fn non_canonical() -> Vec<[u8; 32]> {
    vec![
        encoding(0x01, 0x00, true),
        encoding(0xec, 0xff, true),
        encoding(0xed, 0xff, false),
        encoding(0xed, 0xff, true),
        encoding(0xee, 0xff, false),
        encoding(0xee, 0xff, true),
    ]
}

fn small_order() -> Vec<[u8; 32]> {
    let mut encodings = canonical();
    encodings.extend(non_canonical());
    encodings
}

fn signature(commitment: [u8; 32], response: Scalar) -> Signature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&commitment);
    bytes[32..].copy_from_slice(response.as_bytes());
    Signature(bytes)
}

fn matrix(response: Scalar) -> Vec<(AuthorId, Signature)> {
    let encodings = small_order();
    encodings
        .iter()
        .flat_map(|a| encodings.iter().map(move |r| (AuthorId(*a), signature(*r, response))))
        .collect()
}

fn claims(cases: &[(AuthorId, Signature)]) -> Vec<Claim<'_>> {
    cases.iter().map(|(author, signature)| Claim { author, message: MESSAGE, signature }).collect()
}

#[test]
fn the_encodings_are_what_they_are_called() {
    let decode = |bytes: [u8; 32]| CompressedEdwardsY(bytes).decompress().expect("a point");
    let encodings = small_order();
    assert_eq!(encodings.len(), 14);
    for (i, &bytes) in encodings.iter().enumerate() {
        assert!(!encodings[..i].contains(&bytes), "twice the same");
        assert!(decode(bytes).mul_by_cofactor().is_identity());
    }
    assert!(canonical().into_iter().all(|bytes| decode(bytes).compress().0 == bytes));
    assert!(non_canonical().into_iter().all(|bytes| decode(bytes).compress().0 != bytes));
}

#[test]
fn all_196_verify_alone() {
    for (author, signature) in matrix(Scalar::ZERO) {
        assert_eq!(verify(&author, MESSAGE, &signature), Ok(()), "{author} {:?}", signature.as_bytes());
    }
}

#[test]
fn all_196_verify_in_a_batch() {
    let cases = matrix(Scalar::ZERO);
    assert_eq!(cases.len(), 196);
    assert_eq!(verify_batch(&claims(&cases)), [true; 196]);
    for claim in claims(&cases) {
        assert_eq!(verify_batch(&[claim; 20]), [true; 20]);
    }
}

#[test]
fn none_verifies_with_another_response() {
    let cases = matrix(Scalar::ONE);
    for (author, signature) in &cases {
        assert_eq!(verify(author, MESSAGE, signature), Err(SignatureError::Mismatch));
    }
    assert_eq!(verify_batch(&claims(&cases)), [false; 196]);
}

/// The matrix tells the rules apart: dalek's own verification has no cofactor and compares R with a canonical
/// encoding.
#[test]
fn dalek_has_another_rule() {
    let accepted = matrix(Scalar::ZERO)
        .into_iter()
        .filter(|(author, signature)| {
            let key = ed25519_dalek::VerifyingKey::from_bytes(author.as_bytes()).expect("a point");
            let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
            ed25519_dalek::Verifier::verify(&key, MESSAGE, &signature).is_ok()
        })
        .count();
    assert!((1..196).contains(&accepted), "{accepted} of 196");
}

#[test]
fn all_14_are_refused_as_authors() {
    for bytes in canonical() {
        assert_eq!(check_author_key(&AuthorId(bytes)), Err(KeyError::SmallOrder));
        assert_eq!(check_author_encoding(&AuthorId(bytes)), Err(KeyError::SmallOrder));
    }
    for bytes in non_canonical() {
        assert_eq!(check_author_key(&AuthorId(bytes)), Err(KeyError::NonCanonical));
        assert_eq!(check_author_encoding(&AuthorId(bytes)), Err(KeyError::NonCanonical));
    }
}

/// All numbers from p to 2^255 - 1, with both signs, and the numbers just below p, which are canonical.
#[test]
fn an_author_has_one_encoding() {
    for low in 0xed..=0xff {
        for negative in [false, true] {
            let author = AuthorId(encoding(low, 0xff, negative));
            assert_eq!(check_author_key(&author), Err(KeyError::NonCanonical), "{author}");
        }
    }
    let mut points = 0;
    for low in 0xd0..0xec {
        let author = AuthorId(encoding(low, 0xff, false));
        let expected = match CompressedEdwardsY(*author.as_bytes()).decompress() {
            Some(_) => Ok(()),
            None => Err(KeyError::Undecodable),
        };
        points += usize::from(expected.is_ok());
        assert_eq!(check_author_key(&author), expected, "{author}");
        assert_eq!(check_author_encoding(&author), Ok(()), "{author}");
    }
    assert!((1..28).contains(&points), "both kinds occur");
}

/// A key pair and a commitment, each moved by a point of small order; the response is right for the moved
/// bytes.
fn moved(key_torsion: &EdwardsPoint, commitment_torsion: &EdwardsPoint) -> (AuthorId, Signature) {
    let secret = Scalar::from(0x5eed_u64);
    let nonce = Scalar::from(0x0123_4567_89ab_cdef_u64);
    let author = (EdwardsPoint::mul_base(&secret) + key_torsion).compress().to_bytes();
    let commitment = (EdwardsPoint::mul_base(&nonce) + commitment_torsion).compress().to_bytes();
    let hash = Sha512::new().chain_update(commitment).chain_update(author).chain_update(MESSAGE).finalize();
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.into());
    (AuthorId(author), signature(commitment, nonce + challenge * secret))
}

#[test]
fn components_of_small_order_do_not_matter() {
    let cases: Vec<_> = EIGHT_TORSION
        .iter()
        .flat_map(|key| EIGHT_TORSION.iter().map(move |commitment| moved(key, commitment)))
        .collect();
    for (author, signature) in &cases {
        assert_eq!(verify(author, MESSAGE, signature), Ok(()));
        assert_eq!(check_author_key(author), Ok(()));
    }
    assert_eq!(verify_batch(&claims(&cases)), [true; 64]);

    let wrong: Vec<_> = cases.iter().map(|(author, _)| (*author, cases[0].1)).collect();
    let singly: Vec<_> = wrong.iter().map(|(author, s)| verify(author, MESSAGE, s).is_ok()).collect();
    assert_eq!(
        singly.iter().filter(|valid| **valid).count(),
        8,
        "k takes the bytes of A: only A itself is right"
    );
    assert_eq!(verify_batch(&claims(&wrong)), singly);
}
