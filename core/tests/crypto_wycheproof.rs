//! Project Wycheproof's Ed25519 verification vectors, alone and in a batch.
//!
//! Wycheproof judges by RFC 8032, which leaves room where ZIP 215 does not; [`DIFFERENT`] names each vector
//! on which the two disagree.

use chanterelle_core::base::AuthorId;
use chanterelle_core::crypto::{Claim, Signature, check_author_key, verify, verify_batch};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// Number and reason of the vectors whose verdict differs under ZIP 215, which accepts more than RFC 8032
/// where R or A has a component of small order or is not canonically encoded. Wycheproof refuses each of
/// them, and they are valid here.
const DIFFERENT: [(usize, &str); 1] = [(
    151,
    "R is the identity with the sign bit set: ZIP 215 ignores the sign of x = 0, RFC 8032 (5.1.3) does not",
)];

struct Case {
    number: usize,
    comment: String,
    valid: bool,
    author: AuthorId,
    message: Vec<u8>,
    /// What was given when it is not 64 bytes long, and so no [`Signature`] at all.
    signature: Result<Signature, Vec<u8>>,
}

fn cases() -> Vec<Case> {
    let set = TestSet::load(TestName::Ed25519).expect("the vectors are well-formed");
    let cases = set.test_groups.iter().flat_map(|group| {
        let author = AuthorId::try_from(group.key.pk.as_ref()).expect("every key has 32 bytes");
        group.tests.iter().map(move |test| Case {
            number: test.tc_id,
            comment: test.comment.clone(),
            valid: match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("vector {} is neither valid nor invalid", test.tc_id),
            },
            author,
            message: test.msg.to_vec(),
            signature: test.sig.to_vec().try_into().map(Signature),
        })
    });
    let cases = cases.collect::<Vec<_>>();
    assert!(cases.len() >= 150, "vectors are missing");
    cases
}

/// Fails unless exactly the vectors of [`DIFFERENT`] that are among the given ones have another verdict.
fn assert_verdicts<'a>(judged: impl IntoIterator<Item = (&'a Case, bool)>) {
    for (case, verdict) in judged {
        let reason = DIFFERENT.iter().find(|(number, _)| *number == case.number).map(|(_, reason)| reason);
        let expected = case.valid || reason.is_some();
        assert!(!case.valid || reason.is_none(), "vector {} is valid to both", case.number);
        assert_eq!(verdict, expected, "vector {}: {} ({reason:?})", case.number, case.comment);
    }
}

#[test]
fn alone() {
    let cases = cases();
    assert_verdicts(cases.iter().map(|case| {
        let signature = case.signature.as_ref();
        (case, signature.is_ok_and(|signature| verify(&case.author, &case.message, signature).is_ok()))
    }));
}

#[test]
fn in_a_batch() {
    let cases = cases();
    for wanted in [None, Some(true), Some(false)] {
        let (chosen, claims): (Vec<_>, Vec<_>) = cases
            .iter()
            .filter(|case| wanted.is_none_or(|valid| case.valid == valid))
            .filter_map(|case| {
                let signature = case.signature.as_ref().ok()?;
                Some((case, Claim { author: &case.author, message: &case.message, signature }))
            })
            .unzip();
        assert!(!claims.is_empty());
        assert_verdicts(chosen.into_iter().zip(verify_batch(&claims)));
    }
}

#[test]
fn other_lengths_are_all_invalid() {
    let other_lengths: Vec<_> = cases()
        .into_iter()
        .filter_map(|case| case.signature.clone().err().map(|bytes| (case, bytes)))
        .collect();
    assert!(!other_lengths.is_empty());
    for (case, bytes) in other_lengths {
        assert!(!case.valid, "vector {} with {} bytes: {}", case.number, bytes.len(), case.comment);
    }
}

#[test]
fn honest_authors_are_not_refused() {
    for case in cases().iter().filter(|case| case.valid) {
        assert_eq!(check_author_key(&case.author), Ok(()), "vector {}", case.number);
    }
}
