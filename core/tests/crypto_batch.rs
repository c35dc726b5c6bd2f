//! A batch says exactly what single verification says, whatever was done to its claims and wherever they
//! stand.

use chanterelle_core::base::{AuthorId, EventId};
use chanterelle_core::crypto::{Claim, SecretKey, Signature, Verify, Zip215, derive, verify, verify_batch};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// L, little-endian.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// What happens to a good claim.
#[derive(Clone, Debug)]
enum Fate {
    Nothing,
    /// A bit of the signature is flipped: R or S, decodable or not.
    SignatureBit(usize),
    AuthorBit(usize),
    MessageBit(usize),
    /// S + L instead of S: the same signature to whoever does not check the bound.
    ResponseBeyondOrder,
    /// A point of small order is added to R.
    CommitmentMoved(usize),
    /// Author, R and S of small order: valid for every message.
    SmallOrder(usize, usize),
    /// Another claim's signature.
    Exchanged,
}

#[derive(Clone, Debug)]
struct Signed {
    author: AuthorId,
    message: EventId,
    signature: Signature,
}

impl Signed {
    /// The claim of `author` (one of many keys) about the message called `number`.
    fn good(author: u8, number: usize) -> Self {
        let key = SecretKey::from_seed(derive("chanterelle 2026 test", &[&[author]]));
        let message = EventId(derive("chanterelle 2026 test", &[&(number as u64).to_le_bytes()]));
        Self { author: key.public(), message, signature: key.sign(&message) }
    }

    fn suffer(&mut self, fate: &Fate) {
        match *fate {
            Fate::Nothing => {}
            Fate::SignatureBit(bit) => self.signature.0[bit / 8] ^= 1 << (bit % 8),
            Fate::AuthorBit(bit) => self.author.0[bit / 8] ^= 1 << (bit % 8),
            Fate::MessageBit(bit) => self.message.0[bit / 8] ^= 1 << (bit % 8),
            Fate::ResponseBeyondOrder => {
                let mut carry = 0;
                for (byte, order) in self.signature.0[32..].iter_mut().zip(GROUP_ORDER) {
                    carry += u16::from(*byte) + u16::from(order);
                    [*byte, _] = carry.to_le_bytes();
                    carry >>= 8;
                }
            }
            Fate::CommitmentMoved(torsion) => {
                let commitment =
                    CompressedEdwardsY(*self.signature.commitment()).decompress().expect("a point");
                let moved = (commitment + EIGHT_TORSION[torsion]).compress();
                self.signature.0[..32].copy_from_slice(moved.as_bytes());
            }
            Fate::SmallOrder(author, commitment) => {
                self.author.0 = EIGHT_TORSION[author].compress().to_bytes();
                self.signature.0 = [0; 64];
                self.signature.0[..32].copy_from_slice(EIGHT_TORSION[commitment].compress().as_bytes());
            }
            Fate::Exchanged => self.signature = Self::good(0, 1_000_000).signature,
        }
    }

    fn claim(&self) -> Claim<'_> {
        Claim { author: &self.author, message: self.message.as_bytes(), signature: &self.signature }
    }

    fn alone(&self) -> bool {
        verify(&self.author, self.message.as_bytes(), &self.signature).is_ok()
    }
}

/// `None` when the fate does not settle the verdict by itself.
fn expected(fate: &Fate) -> Option<bool> {
    match fate {
        Fate::Nothing | Fate::SmallOrder(..) => Some(true),
        // A moved R changes k, unless it was moved by the identity.
        Fate::CommitmentMoved(torsion) => Some(*torsion == 0),
        Fate::MessageBit(_) | Fate::ResponseBeyondOrder | Fate::Exchanged => Some(false),
        Fate::SignatureBit(_) | Fate::AuthorBit(_) => Some(false),
    }
}

fn fate(good: u32) -> impl Strategy<Value = Fate> {
    prop_oneof![
        good => Just(Fate::Nothing),
        1 => (0..512_usize).prop_map(Fate::SignatureBit),
        1 => (0..256_usize).prop_map(Fate::AuthorBit),
        1 => (0..256_usize).prop_map(Fate::MessageBit),
        1 => Just(Fate::ResponseBeyondOrder),
        1 => (0..8_usize).prop_map(Fate::CommitmentMoved),
        1 => (0..8_usize, 0..8_usize).prop_map(|(author, commitment)| Fate::SmallOrder(author, commitment)),
        1 => Just(Fate::Exchanged),
    ]
}

/// Batches of a few authors, from nearly all good to nearly all bad.
fn batch() -> impl Strategy<Value = Vec<(u8, Fate)>> {
    prop_oneof![Just(0_u32), Just(7), Just(400)]
        .prop_flat_map(|good| prop::collection::vec((0..20_u8, fate(good)), 0..100))
}

fn judge(signed: &[Signed]) -> Vec<bool> {
    let claims: Vec<_> = signed.iter().map(Signed::claim).collect();
    verify_batch(&claims)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(215),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_batch_agrees_with_single_verification(batch in batch()) {
        let mut signed = Vec::new();
        for (number, (author, fate)) in batch.iter().enumerate() {
            let mut one = Signed::good(*author, number);
            one.suffer(fate);
            prop_assert_eq!(Some(one.alone()), expected(fate), "{:?}", fate);
            signed.push(one);
        }
        let alone: Vec<_> = signed.iter().map(Signed::alone).collect();
        prop_assert_eq!(judge(&signed), alone);
    }
}

#[test]
fn an_empty_batch_has_no_verdicts() {
    assert_eq!(judge(&[]), Vec::<bool>::new());
}

#[test]
fn one_bad_claim_is_found_wherever_it_stands() {
    let good: Vec<_> = (0..40).map(|number| Signed::good(7, number)).collect();
    assert_eq!(judge(&good), [true; 40]);
    for bad in 0..good.len() {
        let mut signed = good.clone();
        signed[bad].suffer(&Fate::MessageBit(bad));
        let expected: Vec<_> = (0..signed.len()).map(|number| number != bad).collect();
        assert_eq!(judge(&signed), expected);
    }
}

/// Two bad claims whose errors cancel in a plain sum: S + 1 and S - 1. The coefficients keep them apart.
#[test]
fn errors_do_not_cancel() {
    let mut signed: Vec<_> = (0..32).map(|number| Signed::good(1, number)).collect();
    let bump = |signature: &mut Signature, by: u8| signature.0[32] = signature.0[32].wrapping_add(by);
    // The low byte of S neither overflows nor underflows here, so that the sum of all S stays what it was.
    let [up, down] = [
        signed.iter().position(|s| s.signature.0[32] < 0xff),
        signed.iter().rposition(|s| s.signature.0[32] > 0),
    ]
    .map(|found| found.expect("some of 32 bytes are neither 0 nor 255"));
    bump(&mut signed[up].signature, 1);
    bump(&mut signed[down].signature, 0xff);
    assert_ne!(up, down);
    let expected: Vec<_> = (0..signed.len()).map(|number| number != up && number != down).collect();
    assert_eq!(judge(&signed), expected);
}

#[test]
fn long_batches_keep_their_order() {
    let mut signed: Vec<_> = (0..2100).map(|number| Signed::good((number % 200) as u8, number)).collect();
    let bad = [0, 1, 500, 1023, 1024, 2047, 2048, 2099];
    for &number in &bad {
        signed[number].suffer(&Fate::MessageBit(3));
    }
    let claims: Vec<_> = signed.iter().map(Signed::claim).collect();
    let expected: Vec<_> = (0..signed.len()).map(|number| !bad.contains(&number)).collect();
    assert_eq!(Zip215.verify_batch(&claims), expected);
}

/// So many bad claims that the sums are given up and each is verified by itself.
#[test]
fn a_batch_of_lies_is_all_bad() {
    let mut signed: Vec<_> = (0..300).map(|number| Signed::good((number % 50) as u8, number)).collect();
    for one in &mut signed {
        one.suffer(&Fate::MessageBit(9));
    }
    signed[123] = Signed::good(9, 123);
    let expected: Vec<_> = (0..signed.len()).map(|number| number == 123).collect();
    assert_eq!(judge(&signed), expected);
}
