//! Keys blinded for one day: a relay sees a key that is another every day and checks signatures under it; only who
//! knows the identity and the reach secret can tell whose key it is, and only the identity's owner can sign by it.
//!
//! The day's key is `[h]A` for the identity key `A = [a]B` and a factor h that is hashed from the identity, the secret
//! and the day; the owner signs by `h·a`. As Tor's onion services do it (rend-spec-v3, appendix A.2), with BLAKE3.

use core::fmt;

use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use sha2::Sha512;

use super::hash;
use super::keys::ReachSecret;
use super::sign::{SecretKey, Signature};
use super::verify::decode;
use crate::base::{AuthorId, Slot};

/// The key of `author` on `day` (days since 1970), for whoever knows the secret; `None` when the author is no key.
#[must_use]
pub fn blinded(author: &AuthorId, secret: &ReachSecret, day: u64) -> Option<Slot> {
    let point = decode(author.as_bytes())?;
    Some(Slot((factor(author, secret, day) * point).compress().to_bytes()))
}

/// A key that signs for one day.
pub struct BlindKey {
    expanded: ExpandedSecretKey,
    public: VerifyingKey,
}

impl BlindKey {
    /// The key of this identity on `day`.
    #[must_use]
    pub fn new(identity: &SecretKey, secret: &ReachSecret, day: u64) -> BlindKey {
        let plain = ExpandedSecretKey::from(identity.seed());
        let scalar = factor(&identity.public(), secret, day) * plain.scalar;
        // Of the secret seed, so that nobody foretells it; of the day, so that no prefix serves two scalars.
        let day = day.to_le_bytes();
        let hash_prefix = hash::derive(hash::BLIND_NONCE, &[identity.seed(), &secret.0, &day]);
        let public = VerifyingKey::from(curve25519_dalek::EdwardsPoint::mul_base(&scalar));
        BlindKey { expanded: ExpandedSecretKey { scalar, hash_prefix }, public }
    }

    /// What others verify by.
    #[must_use]
    pub fn public(&self) -> Slot {
        Slot(self.public.to_bytes())
    }

    /// Signs something by its hash.
    #[must_use]
    pub fn sign_hash(&self, hash: &[u8; 32]) -> Signature {
        Signature(raw_sign::<Sha512>(&self.expanded, hash, &self.public).to_bytes())
    }
}

impl fmt::Debug for BlindKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindKey(..)")
    }
}

/// h, without bias.
fn factor(author: &AuthorId, secret: &ReachSecret, day: u64) -> Scalar {
    let parts: [&[u8]; 3] = [author.as_bytes(), &secret.0, &day.to_le_bytes()];
    Scalar::from_bytes_mod_order_wide(&hash::derive_wide(hash::BLIND, &parts))
}

#[cfg(test)]
mod tests {
    use super::{BlindKey, blinded};
    use crate::base::{AuthorId, Slot};
    use crate::crypto::{ReachSecret, SecretKey, verify};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SECRET: ReachSecret = ReachSecret([5; 16]);

    #[test]
    fn friends_find_the_key_by_which_the_owner_signs() {
        let identity = SecretKey::from_seed([1; 32]);
        for day in [0, 20_000, u64::MAX] {
            let key = BlindKey::new(&identity, &SECRET, day);
            assert_eq!(blinded(&identity.public(), &SECRET, day), Some(key.public()));
            let (slot, signature) = (AuthorId(key.public().0), key.sign_hash(&[7; 32]));
            assert_eq!(verify(&slot, &[7; 32], &signature), Ok(()));
            assert!(verify(&slot, &[8; 32], &signature).is_err());
            assert!(verify(&identity.public(), &[7; 32], &signature).is_err());
        }
    }

    #[test]
    fn another_day_secret_or_person_is_another_key() {
        let identity = SecretKey::from_seed([1; 32]).public();
        let other = SecretKey::from_seed([2; 32]).public();
        let keys = [
            blinded(&identity, &SECRET, 1),
            blinded(&identity, &SECRET, 2),
            blinded(&identity, &ReachSecret([6; 16]), 1),
            blinded(&other, &SECRET, 1),
            Some(Slot(identity.0)),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(key.is_some() && !keys[..i].contains(key), "{i}");
        }
    }
}
