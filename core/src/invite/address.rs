//! An address as it is passed on: a binary multiaddr, not looked into.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest address, bytes: a host name, a port, a peer's id and what stands between them.
pub const ADDRESS_BYTES: usize = 128;

/// A binary multiaddr of 1 to [`ADDRESS_BYTES`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(Vec<u8>);

impl Address {
    /// Takes bytes as they are; `None` when there are none or too many.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Address> {
        (1..=ADDRESS_BYTES).contains(&bytes.len()).then(|| Address(bytes.to_vec()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
        Address::new(&bytes).ok_or_else(|| serde::de::Error::custom("not the length of an address"))
    }
}
