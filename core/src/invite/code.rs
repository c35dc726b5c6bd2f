//! Friend codes: who somebody is, how to find them, and what to open, in a text that fits into a link.
//!
//! A code is bech32m (BIP 350) with the prefix `chan` over at most [`CODE_BYTES`] bytes, which are the pair of unsigned
//! bytes and signature that events are, too: so nothing is encoded again to verify, and nothing can stand in a code that
//! its signature does not cover.

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, Bytes};

use super::address::Address;
use crate::base::{AuthorId, BoardName, Limits, Seconds};
use crate::crypto::{ReachSecret, SecretKey, Signature, check_author_key, friend_code_hash, verify};
use crate::event::{check_canonical, is_one_line, present};

/// What every code begins with.
pub const PREFIX: &str = "chan";

/// The longest code, bytes before they are made text. Their text is below the 1,023 characters up to which bech32m
/// finds damage, and fits into a QR code that a phone can read.
pub const CODE_BYTES: usize = 600;

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

#[derive(Serialize, Deserialize)]
struct Pair<'a>(#[serde(borrow)] &'a Bytes, ByteArray<64>);

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
            let bytes = serde_ipld_dagcbor::to_vec(&Pair(Bytes::new(&unsigned), ByteArray::new(signature.0)));
            let bytes = bytes.expect("two byte strings encode");
            if bytes.len() <= CODE_BYTES || self.relays.pop().is_none() {
                let prefix = Hrp::parse(PREFIX).expect("the prefix is plain letters");
                return bech32::encode::<Bech32m>(prefix, &bytes)
                    .expect("a name and a board leave room enough");
            }
        }
    }

    /// Reads a code, in lower or upper case. White space around it is not looked at.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read(text: &str, now: Seconds, limits: &Limits) -> Result<FriendCode, CodeError> {
        let text = text.trim();
        let begins = text.get(..PREFIX.len() + 1).is_some_and(|start| start.eq_ignore_ascii_case("chan1"));
        if !begins {
            return Err(CodeError::Foreign);
        }
        // Five bits a character, and six characters of checksum.
        if text.len() > PREFIX.len() + 1 + (CODE_BYTES * 8).div_ceil(5) + 6 {
            return Err(CodeError::TooLong);
        }
        let data = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| CodeError::Damaged)?;
        // The last 1 is the one that separates: another prefix may begin as ours does and hold one.
        if !data.hrp().as_str().eq_ignore_ascii_case(PREFIX) {
            return Err(CodeError::Foreign);
        }
        data.validate_segwit_padding().map_err(|_| CodeError::Form)?;
        let bytes: Vec<u8> = data.byte_iter().collect();
        let code = Self::decode(&bytes, limits)?;
        match code.expires {
            Some(expires) if expires <= now => Err(CodeError::Expired),
            _ => Ok(code),
        }
    }

    fn decode(bytes: &[u8], limits: &Limits) -> Result<FriendCode, CodeError> {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        if bytes.len() > CODE_BYTES {
            return Err(CodeError::TooLong);
        }
        check_canonical(bytes, 1, 1).map_err(|_| CodeError::Form)?;
        let Pair(unsigned, signature) = serde_ipld_dagcbor::from_slice(bytes).map_err(|_| CodeError::Form)?;
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
        let signature = Signature(signature.into_array());
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
