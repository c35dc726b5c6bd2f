//! Many signatures at once, with the verdicts of the single rule in [`super::verify`].
//!
//! Writing `D = [8]([S]B - [k]A - R)`, a signature is valid when D is the identity. A batch checks that the
//! sum of `[z]D` over its signatures is the identity, for coefficients z of 128 bits, in one multi-scalar
//! multiplication. Valid signatures always pass, since every D is the identity. A D that is not the identity
//! has the prime order L, because the cofactor is multiplied away, so that for fixed other coefficients at
//! most one z of 2^128 makes the sum vanish.
//!
//! The coefficients come from no generator, for the crate has none for secrets: they are the extended output
//! of BLAKE3 over every key, signature and message of the batch (Fiat and Shamir's transformation). Whoever
//! wants a bad batch to pass must find claims whose own hash makes the sum vanish; each try costs a hash and
//! succeeds with probability 2^-128. When a batch fails, its halves are summed with the same coefficients.
//! The parts that can be summed are fixed by their places, before any coefficient is known, and are fewer
//! than 512, so that a try succeeds somewhere with probability below 2^-119: no cheaper than forging a
//! signature.
//!
//! Bernstein, Duif, Lange, Schwabe, Yang: "High-speed high-security signatures", section 5; ZIP 215 for the
//! equation of a batch.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::iter;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};

use super::hash;
use super::sign::Signature;
use super::verify::{Opened, decode};
use crate::base::AuthorId;

/// That `author` made `signature` over `message`.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Who is said to have signed.
    pub author: &'a AuthorId,
    /// What is said to be signed: the 32 bytes of an event id.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a Signature,
}

/// Who gives verdicts. The seam at which a simulator of thousands of nodes may remember verdicts it has paid
/// for; any implementation must give those of [`Zip215`].
pub trait Verify {
    /// One verdict per claim, in order.
    fn verify_batch(&mut self, claims: &[Claim<'_>]) -> Vec<bool>;
}

/// The rule itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zip215;

impl Verify for Zip215 {
    fn verify_batch(&mut self, claims: &[Claim<'_>]) -> Vec<bool> {
        verify_batch(claims)
    }
}

/// The most claims under one equation. Larger batches gain little more per claim, hold half a kilobyte per
/// claim, and let one bad claim cost more.
const BATCH: usize = 1024;

/// Up to this many claims are verified one by one: in so small a sum a claim costs two thirds of a single
/// verification or more, and the gain is lost as soon as one is bad.
const SINGLY: usize = 4;

/// How many times over a batch may be summed while looking for its bad claims, the first sum included. Three
/// finds one bad claim by halving; when there are so many that it does not suffice, the rest is verified one
/// by one. So the worst batch costs three sums and one single verification per claim.
const SUMS: usize = 3;

/// One verdict per claim, in order: exactly what [`super::verify`] says of each. Claims by one author are
/// cheapest together. Any number of claims; memory beyond the verdicts is bounded by a batch of 1,024.
#[must_use]
pub fn verify_batch(claims: &[Claim<'_>]) -> Vec<bool> {
    claims.chunks(BATCH).flat_map(verify_chunk).collect()
}

fn verify_chunk(claims: &[Claim<'_>]) -> Vec<bool> {
    let (keys, terms) = open(claims);
    let mut search = Search { keys, budget: SUMS * terms.len(), verdicts: vec![false; claims.len()] };
    search.settle(&terms, false);
    search.verdicts
}

/// A well-formed claim on its way into the sum.
struct Term {
    /// Which claim.
    claim: usize,
    /// Which of the distinct keys.
    key: usize,
    opened: Opened,
    /// z
    coefficient: Scalar,
}

/// The distinct keys and the well-formed claims; a claim that is left out is not valid.
fn open(claims: &[Claim<'_>]) -> (Vec<EdwardsPoint>, Vec<Term>) {
    let mut keys = Vec::new();
    let mut known: BTreeMap<&AuthorId, Option<usize>> = BTreeMap::new();
    let mut terms = Vec::with_capacity(claims.len());
    for (claim, (said, coefficient)) in claims.iter().zip(coefficients(claims)).enumerate() {
        let key = match known.entry(said.author) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => *entry.insert(decode(said.author.as_bytes()).map(|point| {
                keys.push(point);
                keys.len() - 1
            })),
        };
        if let (Some(key), Ok(opened)) = (key, Opened::new(said.author, said.message, said.signature)) {
            terms.push(Term { claim, key, opened, coefficient });
        }
    }
    (keys, terms)
}

/// 128 bits per claim, each dependent on all claims. Keys and signatures have one length and messages stand
/// behind theirs, so that no two batches hash the same bytes.
fn coefficients(claims: &[Claim<'_>]) -> impl Iterator<Item = Scalar> {
    let mut hasher = blake3::Hasher::new_derive_key(hash::BATCH);
    for claim in claims {
        hasher.update(claim.author.as_bytes());
        hasher.update(claim.signature.as_bytes());
        hash::absorb(&mut hasher, claim.message);
    }
    let mut stream = hasher.finalize_xof();
    iter::repeat_with(move || {
        let mut bytes = [0; 16];
        stream.fill(&mut bytes);
        Scalar::from(u128::from_le_bytes(bytes))
    })
}

/// The search for the bad claims of a batch.
struct Search {
    keys: Vec<EdwardsPoint>,
    /// How many terms may still be summed.
    budget: usize,
    verdicts: Vec<bool>,
}

impl Search {
    /// Finds the verdicts of `terms`; says whether all are valid. `tainted` when it is known that one is not,
    /// so that their sum need not be taken.
    fn settle(&mut self, terms: &[Term], tainted: bool) -> bool {
        if terms.len() <= SINGLY || self.budget < terms.len() {
            return self.settle_singly(terms);
        }
        if !tainted {
            self.budget -= terms.len();
            if self.sum_vanishes(terms) {
                for term in terms {
                    self.verdicts[term.claim] = true;
                }
                return true;
            }
        }
        let (left, right) = terms.split_at(terms.len() / 2);
        let left_valid = self.settle(left, false);
        self.settle(right, left_valid);
        false
    }

    fn settle_singly(&mut self, terms: &[Term]) -> bool {
        let mut all = true;
        for term in terms {
            let valid = term.opened.holds(&self.keys[term.key]);
            self.verdicts[term.claim] = valid;
            all &= valid;
        }
        all
    }

    /// Whether `[8]([Σ zS]B - Σ [z]R - Σ [zk]A)` is the identity. Terms of one author share a point.
    fn sum_vanishes(&self, terms: &[Term]) -> bool {
        let mut response = Scalar::ZERO;
        let mut challenges: BTreeMap<usize, Scalar> = BTreeMap::new();
        for term in terms {
            response += term.coefficient * term.opened.response;
            *challenges.entry(term.key).or_default() += term.coefficient * term.opened.challenge;
        }
        let scalars = iter::once(-response)
            .chain(challenges.values().copied())
            .chain(terms.iter().map(|term| term.coefficient))
            .collect::<Vec<_>>();
        let points = iter::once(&ED25519_BASEPOINT_POINT)
            .chain(challenges.keys().map(|&key| &self.keys[key]))
            .chain(terms.iter().map(|term| &term.opened.commitment))
            .collect::<Vec<_>>();
        EdwardsPoint::vartime_multiscalar_mul(scalars, points).mul_by_cofactor().is_identity()
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;

    use super::*;
    use crate::base::EventId;
    use crate::crypto::sign::SecretKey;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    type Signed = (AuthorId, EventId, Signature);

    fn signed(count: u8) -> Vec<Signed> {
        let one = |number: u8| {
            let (key, id) = (SecretKey::from_seed([number % 5; 32]), EventId([number; 32]));
            (key.public(), id, key.sign(&id))
        };
        (0..count).map(one).collect()
    }

    fn claims(signed: &[Signed]) -> Vec<Claim<'_>> {
        signed
            .iter()
            .map(|(author, id, signature)| Claim { author, message: id.as_bytes(), signature })
            .collect()
    }

    fn search(claims: &[Claim<'_>], sums: usize) -> (Search, Vec<Term>) {
        let (keys, terms) = open(claims);
        (Search { keys, budget: sums * terms.len(), verdicts: vec![false; claims.len()] }, terms)
    }

    #[test]
    fn a_sum_tells_good_from_bad() {
        let mut signed = signed(30);
        let (good, terms) = search(&claims(&signed), SUMS);
        assert_eq!(good.keys.len(), 5, "one point per author");
        assert!(good.sum_vanishes(&terms));
        signed[17].1 = EventId([99; 32]);
        let (bad, terms) = search(&claims(&signed), SUMS);
        assert!(!bad.sum_vanishes(&terms));
        assert!(bad.sum_vanishes(&terms[..17]) && bad.sum_vanishes(&terms[18..]));
    }

    /// Without the cofactor in the sum such claims would still be found valid, but one by one.
    #[test]
    fn a_sum_is_not_disturbed_by_small_order() {
        for message in 0..20 {
            let small: Vec<Signed> = EIGHT_TORSION
                .iter()
                .map(|point| {
                    let mut signature = [0; 64];
                    signature[..32].copy_from_slice(point.compress().as_bytes());
                    (AuthorId(point.compress().to_bytes()), EventId([message; 32]), Signature(signature))
                })
                .collect();
            let (search, terms) = search(&claims(&small), SUMS);
            assert_eq!(terms.len(), 8);
            assert!(search.sum_vanishes(&terms));
        }
    }

    #[test]
    fn one_bad_claim_costs_at_most_three_sums() {
        // The first is behind a bad left half on every level, so both halves are summed: 128 + 2 * (64 + 32 +
        // 16 + 8); halves of 4 are verified one by one. The last is behind a good left half, so its own is
        // never summed.
        for (bad, summed) in [(0, 368), (127, 248)] {
            let mut signed = signed(128);
            signed[bad].1 = EventId([255; 32]);
            let claims = claims(&signed);
            let (mut search, terms) = search(&claims, SUMS);
            assert!(!search.settle(&terms, false));
            assert_eq!(SUMS * 128 - search.budget, summed, "{bad}");
        }
    }

    #[test]
    fn the_budget_bounds_the_sums_and_not_the_verdicts() {
        let mut signed = signed(200);
        for number in (0..200).step_by(3) {
            signed[number].1 = EventId([255; 32]);
        }
        let expected: Vec<_> = (0..200).map(|number| number % 3 != 0).collect();
        for sums in 0..6 {
            // `settle` would panic on the subtraction if it summed more than the budget.
            let claims = claims(&signed);
            let (mut search, terms) = search(&claims, sums);
            assert!(!search.settle(&terms, false));
            assert_eq!(search.verdicts, expected, "{sums}");
        }
    }

    #[test]
    fn good_batches_are_summed_once() {
        let signed = signed(200);
        let claims = claims(&signed);
        let (mut search, terms) = search(&claims, 1);
        assert!(search.settle(&terms, false));
        assert_eq!(search.budget, 0);
    }

    #[test]
    fn every_byte_of_a_batch_changes_every_coefficient() {
        let signed = signed(10);
        let draw = |signed: &[Signed]| coefficients(&claims(signed)).take(10).collect::<Vec<_>>();
        let before = draw(&signed);
        let mut changed = [signed.clone(), signed.clone(), signed.clone(), signed.clone()];
        changed[0][9].0.0[31] ^= 1;
        changed[1][9].1.0[31] ^= 1;
        changed[2][9].2.0[0] ^= 1;
        changed[3][9].2.0[63] ^= 1;
        for other in changed {
            assert!(before.iter().zip(draw(&other)).all(|(before, after)| *before != after));
        }
    }
}
