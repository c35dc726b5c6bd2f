//! The one rule by which a signature is valid, on every target, alone or in a batch: ZIP 215
//! (<https://zips.z.cash/zip-0215>), which is Ed25519 with three choices fixed that RFC 8032 leaves open:
//!
//! - the equation is multiplied by the cofactor, `[8][S]B = [8]R + [8][k]A`, because only that equation gives
//!   one verdict alone and in a batch;
//! - R and A may be any encoding that decodes to a point, canonical or not, and k, which is SHA-512 of
//!   R ‖ A ‖ message modulo L, takes their bytes as received;
//! - S must be below the group order L, so that nobody can change a signature without the key.
//!
//! ed25519-dalek's `verify` and `verify_batch` follow other rules and are not used. [`verify`] is the raw
//! rule and knows nothing of who may be an author; [`check_author_encoding`] does, and `admit` asks both.
//! Verification handles nothing secret, so it runs in variable time.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};

use super::sign::Signature;
use crate::base::AuthorId;

/// Why a signature is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The author's 32 bytes decode to no point of the curve.
    #[error("the author is not an Ed25519 key; nothing can be signed by it")]
    Author,
    /// The first 32 bytes of the signature decode to no point of the curve.
    #[error("the signature is damaged; ask for the event again")]
    Commitment,
    /// The last 32 bytes of the signature are not below the group order.
    #[error("the signature was altered after signing; ask another peer for the event")]
    Response,
    /// The equation does not hold.
    #[error("the signature does not belong to this author and event; ask another peer for the event")]
    Mismatch,
}

/// Why a key may not be an author although the raw rule would verify under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Another encoding names the same point: one author would have two names.
    #[error(
        "the author's key is not written in its one canonical form; use the form the key's owner published"
    )]
    NonCanonical,
    /// One of the eight points of small order: signatures under it can be made by anyone, for any message.
    #[error("the author's key is one that anyone can sign for; make a new key")]
    SmallOrder,
    /// The bytes decode to no point of the curve.
    #[error("the author is not an Ed25519 key; make a new key")]
    Undecodable,
}

/// Verifies one signature by the raw rule; accepts keys that [`check_author_key`] refuses.
///
/// # Errors
/// Why the signature is not valid.
pub fn verify(author: &AuthorId, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
    let key = decode(author.as_bytes()).ok_or(SignatureError::Author)?;
    let opened = Opened::new(author, message, signature)?;
    if opened.holds(&key) { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// Decodes a point as ZIP 215 wants it: y is taken modulo p, and the sign of x = 0 is ignored.
pub(super) fn decode(encoding: &[u8; 32]) -> Option<EdwardsPoint> {
    CompressedEdwardsY(*encoding).decompress()
}

/// A signature taken apart and found well-formed: what remains to be checked is the equation.
pub(super) struct Opened {
    /// R
    pub(super) commitment: EdwardsPoint,
    /// S, below L
    pub(super) response: Scalar,
    /// k
    pub(super) challenge: Scalar,
}

impl Opened {
    /// # Errors
    /// When S is not below L or R does not decode.
    pub(super) fn new(
        author: &AuthorId,
        message: &[u8],
        signature: &Signature,
    ) -> Result<Self, SignatureError> {
        let response = Option::from(Scalar::from_canonical_bytes(*signature.response()))
            .ok_or(SignatureError::Response)?;
        let commitment = decode(signature.commitment()).ok_or(SignatureError::Commitment)?;
        let hash = Sha512::new()
            .chain_update(signature.commitment())
            .chain_update(author.as_bytes())
            .chain_update(message)
            .finalize();
        Ok(Self { commitment, response, challenge: Scalar::from_bytes_mod_order_wide(&hash.into()) })
    }

    /// Whether `[8]([S]B - [k]A - R)` is the identity.
    pub(super) fn holds(&self, key: &EdwardsPoint) -> bool {
        let expected =
            EdwardsPoint::vartime_double_scalar_mul_basepoint(&self.challenge, &-key, &self.response);
        (expected - self.commitment).mul_by_cofactor().is_identity()
    }
}

/// Refuses the keys that must not name an author: encodings that are not canonical, points of small order,
/// and bytes that are no point at all. Costs about a tenth of a verification.
///
/// # Errors
/// Why the key is refused.
pub fn check_author_key(author: &AuthorId) -> Result<(), KeyError> {
    check_author_encoding(author)?;
    decode(author.as_bytes()).map(|_| ()).ok_or(KeyError::Undecodable)
}

/// The part of [`check_author_key`] that needs no arithmetic, for whoever verifies a signature by the same
/// key anyway: [`verify`] refuses bytes that are no point.
///
/// # Errors
/// [`KeyError::NonCanonical`] or [`KeyError::SmallOrder`].
pub fn check_author_encoding(author: &AuthorId) -> Result<(), KeyError> {
    let mut y = *author.as_bytes();
    let negative = y[31] >> 7 == 1;
    y[31] &= 0x7f;
    let x_is_zero = y == Y_ONE || y == Y_MINUS_ONE;
    if !is_below_p(&y) || (x_is_zero && negative) {
        return Err(KeyError::NonCanonical);
    }
    if x_is_zero || y == Y_ZERO || y == Y_EIGHTH || y == Y_MINUS_EIGHTH {
        return Err(KeyError::SmallOrder);
    }
    Ok(())
}

/// Whether a little-endian number below 2^255 is below p = 2^255 - 19.
fn is_below_p(y: &[u8; 32]) -> bool {
    y[0] < 0xed || y[31] != 0x7f || y[1..31].iter().any(|&byte| byte != 0xff)
}

/// y of the identity; x is 0.
const Y_ONE: [u8; 32] = {
    let mut y = [0; 32];
    y[0] = 1;
    y
};
/// y of the point of order 2; x is 0.
const Y_MINUS_ONE: [u8; 32] = {
    let mut y = [0xff; 32];
    y[0] = 0xec;
    y[31] = 0x7f;
    y
};
/// y of the two points of order 4.
const Y_ZERO: [u8; 32] = [0; 32];
/// y of two of the points of order 8. A test compares the five with the torsion points of the curve library.
const Y_EIGHTH: [u8; 32] = [
    0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
    0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
];
/// y of the other two.
const Y_MINUS_EIGHTH: [u8; 32] = [
    0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
    0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::EventId;
    use crate::crypto::sign::SecretKey;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// 2 is y of no point.
    const NO_POINT: [u8; 32] = {
        let mut bytes = [0; 32];
        bytes[0] = 2;
        bytes
    };

    #[test]
    fn every_reason_is_told() {
        let key = SecretKey::from_seed([1; 32]);
        let (author, id) = (key.public(), EventId([2; 32]));
        let good = key.sign(&id);
        assert_eq!(verify(&author, id.as_bytes(), &good), Ok(()));
        assert_eq!(verify(&AuthorId(NO_POINT), id.as_bytes(), &good), Err(SignatureError::Author));
        assert_eq!(verify(&author, &[3; 32], &good), Err(SignatureError::Mismatch));

        let mut damaged = good;
        damaged.0[..32].copy_from_slice(&NO_POINT);
        assert_eq!(verify(&author, id.as_bytes(), &damaged), Err(SignatureError::Commitment));

        let mut altered = good;
        altered.0[63] |= 0x20;
        assert_eq!(verify(&author, id.as_bytes(), &altered), Err(SignatureError::Response));
    }

    #[test]
    fn authors_are_checked() {
        assert_eq!(check_author_key(&SecretKey::from_seed([1; 32]).public()), Ok(()));
        assert_eq!(check_author_key(&AuthorId(NO_POINT)), Err(KeyError::Undecodable));
        assert_eq!(check_author_encoding(&AuthorId(NO_POINT)), Ok(()));
        assert_eq!(check_author_key(&AuthorId(Y_ONE)), Err(KeyError::SmallOrder));
        assert_eq!(check_author_key(&AuthorId([0xff; 32])), Err(KeyError::NonCanonical));
    }
}
