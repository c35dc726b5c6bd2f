//! Signature verdicts remembered by event, key and signature: the one shortcut a simulation may take.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::AuthorId;
use crate::crypto::{Claim, Verify, Zip215};

type Verdicts = BTreeMap<(AuthorId, Vec<u8>, [u8; 64]), bool>;

/// Shared by all nodes of one simulation.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembering(Rc<RefCell<Verdicts>>);

impl Verify for Remembering {
    fn verify_batch(&mut self, claims: &[Claim<'_>]) -> Vec<bool> {
        let key = |claim: &Claim<'_>| (*claim.author, claim.message.to_vec(), claim.signature.0);
        let mut verdicts = self.0.borrow_mut();
        let unknown: Vec<Claim<'_>> =
            claims.iter().filter(|claim| !verdicts.contains_key(&key(claim))).copied().collect();
        let found = Zip215.verify_batch(&unknown);
        verdicts.extend(unknown.iter().map(key).zip(found));
        claims.iter().map(|claim| verdicts[&key(claim)]).collect()
    }
}
