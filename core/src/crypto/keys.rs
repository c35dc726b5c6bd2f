//! The secrets of one person: everything follows from a 32-byte root, so that 24 words are a whole backup.
//!
//! Four secrets come from the root and none of them gives another: the identity key, the pseudonym secret, the
//! storage key and the reach root. Who has the pseudonym secret can link every pseudonym and can post as each, so it
//! stays as close as the root. Wrapping the root at rest and drawing it from entropy is the shell's work.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::hash;
use super::sign::SecretKey;
use crate::base::{BoardId, ThreadId};

/// The 32 bytes everything else is derived from. Wiped from memory when dropped, and never shown.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Root(pub [u8; 32]);

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root(..)")
    }
}

/// Everything a person signs with, and the key of what they store.
pub struct Identity {
    identity: SecretKey,
    pseudonym: Zeroizing<[u8; 32]>,
    storage: Zeroizing<[u8; 32]>,
    reach: Zeroizing<[u8; 32]>,
}

/// What a friend code carries beside the identity: who has it can find out, day by day, at which relays its owner is.
/// Told to friends, so no secret from them, and shown to nobody else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReachSecret(pub [u8; 16]);

impl Serialize for ReachSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for ReachSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_bytes::ByteArray::<16>::deserialize(deserializer).map(|bytes| Self(bytes.into_array()))
    }
}

impl fmt::Debug for ReachSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReachSecret(..)")
    }
}

impl Identity {
    /// Derives the secrets. The root is wiped.
    #[must_use]
    pub fn from_root(root: Root) -> Self {
        Self {
            identity: SecretKey::from_seed(hash::derive(hash::IDENTITY, &[&root.0])),
            pseudonym: Zeroizing::new(hash::derive(hash::PSEUDONYM, &[&root.0])),
            storage: Zeroizing::new(hash::derive(hash::STORAGE, &[&root.0])),
            reach: Zeroizing::new(hash::derive(hash::REACH, &[&root.0])),
        }
    }

    /// The key behind the stable name.
    #[must_use]
    pub fn identity(&self) -> &SecretKey {
        &self.identity
    }

    /// The pseudonym that opens one thread and stays its author's in that thread. `salt` is random, 16 bytes,
    /// and stands in the body of the opening post: without it two threads on one board would show one author.
    #[must_use]
    pub fn opening_key(&self, board: &BoardId, salt: &[u8; 16]) -> SecretKey {
        SecretKey::from_seed(hash::derive(
            hash::OPENING,
            &[self.pseudonym.as_slice(), board.as_bytes(), salt],
        ))
    }

    /// The pseudonym for all replies in one thread somebody else opened. In one's own thread the opening key
    /// stays.
    #[must_use]
    pub fn reply_key(&self, thread: &ThreadId) -> SecretKey {
        SecretKey::from_seed(hash::derive(hash::REPLY, &[self.pseudonym.as_slice(), thread.as_bytes()]))
    }

    /// The reach secret in friend codes of this generation. A person who no longer wants to be found by those who have
    /// a code goes on to the next generation.
    #[must_use]
    pub fn reach(&self, generation: u32) -> ReachSecret {
        let secret = hash::derive(hash::REACH_SECRET, &[self.reach.as_slice(), &generation.to_le_bytes()]);
        ReachSecret(*secret.first_chunk().expect("32 bytes hold 16"))
    }

    /// The key for what is stored on this device.
    #[must_use]
    pub fn storage_key(&self) -> &[u8; 32] {
        &self.storage
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::EventId;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_key_is_another() {
        let identity = Identity::from_root(Root([1; 32]));
        let other = Identity::from_root(Root([2; 32]));
        let authors = [
            identity.identity().public(),
            identity.opening_key(&BoardId([0; 32]), &[0; 16]).public(),
            identity.opening_key(&BoardId([0; 32]), &[1; 16]).public(),
            identity.opening_key(&BoardId([1; 32]), &[0; 16]).public(),
            identity.reply_key(&EventId([0; 32])).public(),
            identity.reply_key(&EventId([1; 32])).public(),
            other.identity().public(),
            other.opening_key(&BoardId([0; 32]), &[0; 16]).public(),
            other.reply_key(&EventId([0; 32])).public(),
        ];
        for (i, author) in authors.iter().enumerate() {
            assert!(!authors[..i].contains(author), "{i}");
        }
        assert_ne!(identity.storage_key(), other.storage_key());
        assert_ne!(identity.reach(0), other.reach(0));
        assert_ne!(identity.reach(0), identity.reach(1));
    }

    #[test]
    fn the_same_root_is_the_same_person() {
        let [one, again] = [(); 2].map(|()| Identity::from_root(Root([1; 32])));
        assert_eq!(one.identity().public(), again.identity().public());
        assert_eq!(one.reply_key(&EventId([9; 32])).public(), again.reply_key(&EventId([9; 32])).public());
        assert_eq!(one.storage_key(), again.storage_key());
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", Root([1; 32])), "Root(..)");
        let identity = Identity::from_root(Root([1; 32]));
        assert_eq!(format!("{identity:?}"), "Identity(..)");
        assert_eq!(format!("{:?}", identity.reach(0)), "ReachSecret(..)");
    }
}
