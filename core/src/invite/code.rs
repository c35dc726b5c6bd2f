//! Friend codes: who somebody is, how to find them, and what to open, in a text that fits into a link.
//!
//! Signed by the identity it names, and made text as all such codes are (`armor`).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::address::Address;
use super::armor::{self, ArmorError};
use crate::base::{AuthorId, BoardName, Limits, Seconds};
use crate::crypto::{ReachSecret, SecretKey, Signature, check_author_key, friend_code_hash, verify};
use crate::event::{check_canonical, is_one_line, present};

/// What every code begins with.
pub const PREFIX: &str = "chan";

/// Relays in one code.
pub const CODE_RELAYS: usize = 8;

/// What somebody tells a friend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FriendCode {
    /// Version of the format: 1.
    pub v: u64,
    /// Whose code it is: the identity key that signed.
    pub author: AuthorId,
    /// What they call themselves: one line of at most 40 characters, see [`CodeError::Name`].
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// By which the friend finds their reach records.
    pub reach: ReachSecret,
    /// Relays at which those lie, at most [`CODE_RELAYS`].
    pub relays: Vec<Address>,
    /// The open board to begin with.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub board: Option<BoardName>,
    /// The key of a private board. Carried, not used yet.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key: Option<ByteArray<32>>,
    /// When the code ceases to be good.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Seconds>,
}

/// Why a text is not a friend code that can be used. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum CodeError {
    /// It does not begin as friend codes do.
    #[error("this is not a friend code: one begins with {PREFIX}1. Copy the whole link your friend sent you")]
    Foreign,
    /// Longer than any code.
    #[error(
        "this is longer than a friend code can be. Copy only the link your friend sent you, and nothing else"
    )]
    TooLong,
    /// Its checksum does not fit.
    #[error(
        "this friend code is damaged: a part of it is missing or was changed on the way. Copy it again, or ask your \
         friend to send it once more"
    )]
    Damaged,
    /// A later version of the format.
    #[error(
        "this friend code was made by a newer version of the page. Reload the page and open the link again"
    )]
    Version,
    /// Whole, but not made as codes are.
    #[error("this friend code holds something that does not belong in one. Ask your friend for a new one")]
    Form,
    /// Signed by somebody else, or changed after it was signed.
    #[error(
        "this friend code was not signed by the person it names: somebody has changed it. Do not use it, and ask your \
         friend for a new one by another way"
    )]
    Signature,
    /// Its time has passed.
    #[error("this friend code has expired. Ask your friend for a new one")]
    Expired,
    /// A link with a user name or password before its host.
    #[error(
        "this link carries a user name or password, which no friend code does: it may lead somewhere else than it \
         says. Do not use it, and ask your friend for a new one"
    )]
    Credentials,
    /// A name that is none or made to deceive, see [`is_plain_name`].
    #[error(
        "the name in this friend code is not one a person would have: it is blank or too long, or holds markup or \
         invisible characters. Do not use it, and ask your friend for a new one"
    )]
    Name,
}

impl From<ArmorError> for CodeError {
    fn from(error: ArmorError) -> CodeError {
        match error {
            ArmorError::Foreign => CodeError::Foreign,
            ArmorError::TooLong => CodeError::TooLong,
            ArmorError::Damaged => CodeError::Damaged,
            ArmorError::Form => CodeError::Form,
        }
    }
}

impl FriendCode {
    /// A code of this author without name, relays, board and expiry.
    #[must_use]
    pub fn new(author: AuthorId, reach: ReachSecret) -> FriendCode {
        FriendCode {
            v: 1,
            author,
            name: None,
            reach,
            relays: Vec::new(),
            board: None,
            key: None,
            expires: None,
        }
    }

    /// The code as text. Relays that find no room are left out, the last first.
    ///
    /// # Panics
    /// When `key` is not the author's.
    #[must_use]
    pub fn sign(mut self, key: &SecretKey) -> String {
        assert_eq!(self.author, key.public(), "a code is signed by whom it names");
        self.relays.truncate(CODE_RELAYS);
        loop {
            let unsigned = serde_ipld_dagcbor::to_vec(&self).expect("a code encodes");
            let signature = key.sign_hash(&friend_code_hash(&unsigned));
            if let Some(text) = armor::encode(PREFIX, &unsigned, signature.0) {
                return text;
            }
            self.relays.pop().expect("a name and a board leave room enough");
        }
    }

    /// Reads a code, in lower or upper case. White space around it is not looked at.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read(text: &str, now: Seconds, limits: &Limits) -> Result<FriendCode, CodeError> {
        let (unsigned, signature) = armor::decode(PREFIX, text)?;
        let code = Self::decode(&unsigned, Signature(signature), limits)?;
        match code.expires {
            Some(expires) if expires <= now => Err(CodeError::Expired),
            _ => Ok(code),
        }
    }

    fn decode(unsigned: &[u8], signature: Signature, limits: &Limits) -> Result<FriendCode, CodeError> {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        // A later version may hold more lists than this one.
        check_canonical(unsigned, limits.depth, limits.containers).map_err(|_| CodeError::Form)?;
        let Version { v } = serde_ipld_dagcbor::from_slice(unsigned).map_err(|_| CodeError::Form)?;
        if v != 1 {
            return Err(CodeError::Version);
        }
        check_canonical(unsigned, 2, 2).map_err(|_| CodeError::Form)?;
        let code: FriendCode = serde_ipld_dagcbor::from_slice(unsigned).map_err(|_| CodeError::Form)?;
        check_author_key(&code.author).map_err(|_| CodeError::Form)?;
        if code.relays.len() > CODE_RELAYS {
            return Err(CodeError::Form);
        }
        verify(&code.author, &friend_code_hash(unsigned), &signature).map_err(|_| CodeError::Signature)?;
        match &code.name {
            Some(name) if !is_plain_name(name, limits) => Err(CodeError::Name),
            _ => Ok(code),
        }
    }
}

/// A code within a message of this program: its unsigned bytes. Encodings without names have no fields to leave out.
pub(crate) mod unsigned {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use serde_bytes::ByteBuf;

    use super::FriendCode;

    pub(crate) fn serialize<S: Serializer>(code: &FriendCode, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&serde_ipld_dagcbor::to_vec(code).map_err(S::Error::custom)?)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FriendCode, D::Error> {
        serde_ipld_dagcbor::from_slice(&ByteBuf::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Whether a name may stand in a code: what is shown above a button that connects must not be mistaken for the page's
/// own words, nor for another name. One line, not blank, of at most [`Limits::name_chars`] characters, no angle brackets,
/// nothing that is invisible or turns the direction of text.
#[must_use]
pub fn is_plain_name(name: &str, limits: &Limits) -> bool {
    is_one_line(name, limits.name_chars)
        && !name.chars().any(|char| matches!(char, '<' | '>') || is_invisible(char))
}

/// Characters that show nothing, join or vary others, or turn the direction of writing; and the fillers of Hangul and
/// Braille, which look like a space and count as letters or symbols.
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// The code in what a person has pasted: behind the last `#` of a link, or the text itself.
///
/// # Errors
/// When the link carries a user name, as links do that pretend to lead somewhere else.
pub fn code_in(text: &str) -> Result<&str, CodeError> {
    match text.rsplit_once('#') {
        Some((link, _)) if link.contains('@') => Err(CodeError::Credentials),
        Some((_, code)) => Ok(code.trim()),
        None => Ok(text.trim()),
    }
}
