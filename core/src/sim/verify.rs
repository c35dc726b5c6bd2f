//! Signature verdicts remembered by event, key and signature: the one shortcut a simulation may take.
//!
//! Each worker has verdicts of its own and lends them to the node it serves, so that nothing is locked and every node gets
//! the verdict it would have found.

use std::collections::BTreeMap;

use crate::base::AuthorId;
use crate::crypto::{Claim, Verify, Zip215};

/// The verdicts of one worker.
#[derive(Debug, Default)]
pub(super) struct Verdicts(BTreeMap<[u8; 32], (AuthorId, [u8; 64], bool)>);

/// A verifier that uses the verdicts it was lent; without any it finds each anew.
#[derive(Debug, Default)]
pub(super) struct Remembering(pub Option<Box<Verdicts>>);

impl Verify for Remembering {
    fn verify_batch(&mut self, claims: &[Claim<'_>]) -> Vec<bool> {
        let Some(Verdicts(known)) = self.0.as_deref_mut() else { return Zip215.verify_batch(claims) };
        let verdict = |claim: &Claim<'_>| {
            let (author, signature, verdict) = known.get(claim.message)?;
            (author == claim.author && *signature == claim.signature.0).then_some(*verdict)
        };
        let found: Vec<Option<bool>> = claims.iter().map(verdict).collect();
        let unknown: Vec<Claim<'_>> =
            claims.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(claim, _)| *claim).collect();
        if unknown.is_empty() {
            return found.into_iter().flatten().collect();
        }
        let mut verdicts = Zip215.verify_batch(&unknown).into_iter();
        let settle = |(claim, found): (&Claim<'_>, Option<bool>)| {
            found.unwrap_or_else(|| {
                let verdict = verdicts.next().expect("one verdict per claim");
                // The first verdict on an id stays: whoever sends another signature for it is a liar.
                if let Ok(id) = claim.message.try_into() {
                    known.entry(id).or_insert((*claim.author, claim.signature.0, verdict));
                }
                verdict
            })
        };
        claims.iter().zip(found).map(settle).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::EventId;
    use crate::crypto::SecretKey;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn verdicts_are_those_of_the_rule_however_often_they_are_asked_for() {
        let key = SecretKey::from_seed([1; 32]);
        let (author, id, other) = (key.public(), EventId([2; 32]), EventId([3; 32]));
        let (good, bad) = (key.sign(&id), key.sign(&other));
        let claim = |id, signature| Claim { author: &author, message: id, signature };
        let claims = [claim(&id.0, &good), claim(&id.0, &bad), claim(&other.0, &good), claim(&id.0, &good)];
        let mut remembering = Remembering(Some(Box::default()));
        for _ in 0..3 {
            assert_eq!(remembering.verify_batch(&claims), [true, false, false, true]);
        }
        assert_eq!(Remembering(None).verify_batch(&claims), [true, false, false, true]);
    }
}
