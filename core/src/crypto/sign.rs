//! Signatures and the keys that make them: Ed25519 (RFC 8032), signing by ed25519-dalek.
//!
//! Verification is in [`super::verify`], because dalek's own is not the rule of the network. Keys are not
//! made here: the shell draws the root from the system's entropy, and `keys` derives the rest.

use core::fmt;

use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::base::{AuthorId, EventId};

/// An Ed25519 signature: the commitment R, then the response S. Serialized as a byte string; any 64 bytes are
/// one, and only verification tells whether it is good for anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The commitment R, an encoded point.
    #[must_use]
    pub fn commitment(&self) -> &[u8; 32] {
        self.0.first_chunk().expect("64 bytes hold 32")
    }

    /// The response S, a little-endian scalar.
    #[must_use]
    pub fn response(&self) -> &[u8; 32] {
        self.0.last_chunk().expect("64 bytes hold 32")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_bytes::ByteArray::<64>::deserialize(deserializer).map(|bytes| Self(bytes.into_array()))
    }
}

/// A key that signs. Wiped from memory when dropped, and never shown.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of a 32-byte seed (RFC 8032, section 5.1.5). Any seed will do; who knows it can sign.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&Zeroizing::new(seed)))
    }

    /// The author whose signatures this key makes.
    #[must_use]
    pub fn public(&self) -> AuthorId {
        AuthorId(self.0.verifying_key().to_bytes())
    }

    /// Signs an event by its id. The same key and id give the same signature.
    #[must_use]
    pub fn sign(&self, id: &EventId) -> Signature {
        self.sign_hash(id.as_bytes())
    }

    /// Signs something else by its hash, which was made under a context of its own.
    #[must_use]
    pub fn sign_hash(&self, hash: &[u8; 32]) -> Signature {
        Signature(self.0.sign(hash).to_bytes())
    }

    /// The seed this key was made from.
    pub(super) fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_signature_is_a_byte_string() {
        let signature = Signature(core::array::from_fn(|i| i as u8));
        let encoded = serde_ipld_dagcbor::to_vec(&signature).expect("bytes can be encoded");
        let mut golden = vec![0x58, 0x40];
        golden.extend(0..64);
        assert_eq!(encoded, golden);
        assert_eq!(
            serde_ipld_dagcbor::from_slice::<Signature>(&encoded).expect("what was encoded"),
            signature
        );
        for length in [0, 63, 65] {
            let other = serde_ipld_dagcbor::to_vec(serde_bytes::Bytes::new(&vec![0; length])).expect("bytes");
            assert!(serde_ipld_dagcbor::from_slice::<Signature>(&other).is_err(), "{length}");
        }
    }

    #[test]
    fn the_halves_of_a_signature() {
        let signature = Signature(core::array::from_fn(|i| i as u8));
        assert_eq!(signature.commitment()[..2], [0, 1]);
        assert_eq!(signature.response()[..2], [32, 33]);
    }

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn the_author_of_a_seed() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let author = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let seed = seed.parse::<AuthorId>().expect("32 bytes").0;
        assert_eq!(SecretKey::from_seed(seed).public().to_string(), author);
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", SecretKey::from_seed([1; 32])), "SecretKey(..)");
    }
}
