//! The twelve cases of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, ePrint 2020/1244, table 6),
//! on which implementations of Ed25519 are known to differ, with the verdicts of the ZIP 215 rule: everything
//! whose cofactored equation holds for the bytes as received, and nothing with S above the group order.

use chanterelle_core::base::AuthorId;
use chanterelle_core::crypto::{Claim, KeyError, Signature, check_author_key, verify, verify_batch};
use data_encoding::HEXLOWER;
use serde::Deserialize;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

#[derive(Deserialize)]
struct File {
    cases: Vec<CaseInHex>,
}

#[derive(Deserialize)]
struct CaseInHex {
    message: String,
    author: String,
    signature: String,
    valid: bool,
    why: String,
}

struct Case {
    message: Vec<u8>,
    author: AuthorId,
    signature: Signature,
    valid: bool,
    why: String,
}

impl Case {
    fn claim(&self) -> Claim<'_> {
        Claim { author: &self.author, message: &self.message, signature: &self.signature }
    }
}

fn cases() -> Vec<Case> {
    let file: File = serde_json::from_str(include_str!("vectors/speccheck.json")).expect("well-formed");
    let unhex = |hex: &str| HEXLOWER.decode(hex.as_bytes()).expect("lower-case hexadecimal");
    let cases = file.cases.into_iter().map(|case| Case {
        message: unhex(&case.message),
        author: case.author.parse().expect("32 bytes"),
        signature: Signature(unhex(&case.signature).try_into().expect("64 bytes")),
        valid: case.valid,
        why: case.why,
    });
    let cases = cases.collect::<Vec<_>>();
    assert_eq!(cases.len(), 12);
    cases
}

#[test]
fn alone() {
    for (number, case) in cases().iter().enumerate() {
        let verdict = verify(&case.author, &case.message, &case.signature);
        assert_eq!(verdict.is_ok(), case.valid, "case {number}, {}: {verdict:?}", case.why);
    }
}

#[test]
fn in_a_batch() {
    let cases = cases();
    let expected: Vec<bool> = cases.iter().map(|case| case.valid).collect();
    let claims: Vec<_> = cases.iter().map(Case::claim).collect();
    assert_eq!(verify_batch(&claims), expected);
    // Each often enough to be summed with nothing but itself.
    for case in &cases {
        assert_eq!(verify_batch(&[case.claim(); 40]), [case.valid; 40], "{}", case.why);
    }
}

#[test]
fn authors_of_small_order_are_refused() {
    let refused: Vec<_> = cases().iter().map(|case| check_author_key(&case.author).err()).collect();
    let small = Some(KeyError::SmallOrder);
    let not_canonical = Some(KeyError::NonCanonical);
    let mut expected = [None; 12];
    expected[0] = small;
    expected[1] = small;
    expected[10] = not_canonical;
    expected[11] = not_canonical;
    assert_eq!(refused, expected);
}
