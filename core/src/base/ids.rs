//! Identifiers: 32 bytes each, told apart by type. Shown as lower-case hexadecimal, serialized as a byte string.
//!
//! Nothing here says whether an identifier names something that exists.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identifier is 64 hexadecimal digits")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first 8 hexadecimal digits: enough for a person, never for a machine.
            #[must_use]
            pub fn short(&self) -> String {
                let mut text = self.to_string();
                text.truncate(8);
                text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = IdError;

            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                serde_bytes::ByteArray::<32>::deserialize(deserializer).map(|bytes| Self(bytes.into_array()))
            }
        }
    };
}

id!(
    /// Names an event: BLAKE3 of its unsigned bytes.
    EventId
);
id!(
    /// The Ed25519 key that signed an event: an identity or a pseudonym.
    AuthorId
);
id!(
    /// Names a board.
    BoardId
);
id!(
    /// Names a blob: BLAKE3 of what is stored.
    BlobId
);
id!(
    /// Names a place where reach records lie: an identity's key blinded for one day.
    Slot
);
id!(
    /// The Ed25519 key of a network peer. Fresh at every start, never an author.
    PeerId
);

/// A thread is named by its opening post.
pub type ThreadId = EventId;

fn parse_hex(text: &str) -> Result<[u8; 32], IdError> {
    let text = text.as_bytes();
    if text.len() != 64 {
        return Err(IdError);
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

fn digit(byte: u8) -> Result<u8, IdError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(IdError),
    }
}

/// The name of an open board: 1 to 32 characters of `a-z`, `0-9` and `-`, not beginning with `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BoardName(String);

/// Why a text is not a board name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoardNameError {
    /// Nothing was given.
    #[error("type the name of a board")]
    Empty,
    /// More than 32 characters.
    #[error("a board name has at most {} characters", BoardName::MAX)]
    TooLong,
    /// A character outside the alphabet.
    #[error("a board name has only the letters a to z, digits and hyphens, and does not begin with a hyphen")]
    Character,
}

impl BoardName {
    /// The longest name, in characters.
    pub const MAX: usize = 32;

    /// Checks a name as it must stand; folds nothing.
    ///
    /// # Errors
    /// When it is empty, too long or uses other characters.
    pub fn new(name: &str) -> Result<Self, BoardNameError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match name.as_bytes() {
            [] => Err(BoardNameError::Empty),
            bytes if bytes.len() > Self::MAX => Err(BoardNameError::TooLong),
            [b'-', ..] => Err(BoardNameError::Character),
            bytes if bytes.iter().all(|&byte| allowed(byte)) => Ok(Self(name.to_owned())),
            _ => Err(BoardNameError::Character),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BoardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for BoardName {
    type Error = BoardNameError;

    fn try_from(name: String) -> Result<Self, BoardNameError> {
        Self::new(&name)
    }
}

impl From<BoardName> for String {
    fn from(name: BoardName) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::{BoardName, BoardNameError, EventId};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn an_identifier_is_64_hexadecimal_digits() {
        let text = "00".repeat(30) + "09af";
        let id: EventId = text.parse().expect("an identifier");
        assert_eq!((id.0[30], id.0[31]), (0x09, 0xaf));
        assert_eq!(id.to_string(), text);
        assert_eq!((id.short(), format!("{id:?}")), ("00000000".to_owned(), "EventId(00000000)".to_owned()));
        for other in [
            "",
            "0",
            &text[1..],
            &(text.clone() + "0"),
            &text.to_uppercase(),
            &"g".repeat(64),
            &"é".repeat(32),
        ] {
            assert!(other.parse::<EventId>().is_err(), "{other}");
        }
        assert!(EventId::try_from(&[0_u8; 31][..]).is_err());
        assert_eq!(EventId::try_from(&id.0[..]), Ok(id));
    }

    #[test]
    fn an_identifier_is_a_byte_string() {
        let id = EventId([7; 32]);
        let bytes = serde_ipld_dagcbor::to_vec(&id).expect("bytes encode");
        assert_eq!(bytes, [&[0x58, 32], [7; 32].as_slice()].concat());
        assert_eq!(serde_ipld_dagcbor::from_slice::<EventId>(&bytes).expect("what was encoded"), id);
    }

    #[test]
    fn board_names_are_checked() {
        for name in ["a", "0", "mushrooms", "a-", "a--b", "0-9", &"z".repeat(32)] {
            assert_eq!(BoardName::new(name).expect("a board name").as_str(), name);
        }
        for (name, reason) in [
            ("", BoardNameError::Empty),
            (&"z".repeat(33), BoardNameError::TooLong),
            ("-a", BoardNameError::Character),
            ("-", BoardNameError::Character),
            ("Mushrooms", BoardNameError::Character),
            ("a b", BoardNameError::Character),
            ("a_b", BoardNameError::Character),
            ("/b/", BoardNameError::Character),
            ("pilz\u{df}", BoardNameError::Character),
        ] {
            assert_eq!(BoardName::new(name), Err(reason), "{name}");
        }
    }
}
