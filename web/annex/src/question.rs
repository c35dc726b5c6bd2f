//! What the page asks the annex, what it is answered, and what can be wrong: the messages between the two, in the same
//! encoding as those of the node's worker, postcard.
//!
//! Page and annex are of one build, so nothing here has versions, and bytes that do not decode are a defect. Secrets are
//! wiped when they are dropped and never shown.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Words of a root: 256 bits and 8 of checksum, 11 to a word (BIP-39).
pub const WORDS: usize = 24;

/// The largest content of a backup, bytes. A root, boards and relays take a few thousand.
pub const MAX_CONTENT: usize = 1 << 20;

/// The largest backup file that is looked at, bytes: a content of [`MAX_CONTENT`], as text and with room for line ends.
pub const MAX_FILE: usize = MAX_CONTENT / 2 * 3;

/// The most work a backup may ask for, as the base-2 logarithm of scrypt's N: 1 GiB of memory and some ten seconds.
/// Commands make such files on fast machines; what asks for more is meant to stop whoever opens it.
pub const MAX_WORK: u8 = 20;

/// The most pixels of a picture that is scanned. A code of the largest version that fills a third of a side has then
/// four pixels to a module.
pub const MAX_PIXELS: usize = 2048 * 2048;

/// A question, with what comes back.
pub trait Ask: Into<Question> {
    /// What is answered.
    type Answer: Serialize + DeserializeOwned;
    /// Why it may not be.
    type Refusal: Serialize + DeserializeOwned;
}

/// Any question.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    /// See [`WordsOf`].
    WordsOf(WordsOf),
    /// See [`RootOf`].
    RootOf(RootOf),
    /// See [`Seal`].
    Seal(Seal),
    /// See [`Open`].
    Open(Open),
    /// See [`Stretch`].
    Stretch(Stretch),
    /// See [`Draw`].
    Draw(Draw),
    /// See [`Scan`].
    Scan(Scan),
}

/// The words of a root.
#[derive(Debug, Serialize, Deserialize)]
pub struct WordsOf(pub Key);

/// The root of words, as a person typed them.
#[derive(Debug, Serialize, Deserialize)]
pub struct RootOf(pub SecretText);

/// A backup file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seal {
    /// What is in it.
    pub content: SecretBytes,
    /// What opens it.
    pub passphrase: SecretText,
}

/// The content of a backup file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Open {
    /// The file.
    #[serde(with = "serde_bytes")]
    pub file: Vec<u8>,
    /// What opens it.
    pub passphrase: SecretText,
}

/// A key from a passphrase.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stretch {
    /// What the person knows.
    pub passphrase: SecretText,
    /// Random, and stored beside what the key opens.
    #[serde(with = "serde_bytes")]
    pub salt: [u8; 16],
    /// Stored there too.
    pub cost: Cost,
}

/// A text as a QR code.
#[derive(Debug, Serialize, Deserialize)]
pub struct Draw(pub String);

/// The text of the QR code in a picture.
#[derive(Debug, Serialize, Deserialize)]
pub struct Scan {
    /// Pixels of a row.
    pub width: u32,
    /// Row by row, four bytes a pixel: red, green, blue, and one that is not looked at.
    #[serde(with = "serde_bytes")]
    pub rgba: Vec<u8>,
}

/// Ties a question to what comes back.
macro_rules! ask {
    ($($question:ident => $answer:ty, $refusal:ty;)*) => {$(
        impl Ask for $question {
            type Answer = $answer;
            type Refusal = $refusal;
        }

        impl From<$question> for Question {
            fn from(question: $question) -> Self {
                Self::$question(question)
            }
        }
    )*};
}

ask! {
    WordsOf => SecretText, WordsError;
    RootOf => Key, WordsError;
    Seal => serde_bytes::ByteBuf, BackupError;
    Open => SecretBytes, BackupError;
    Stretch => Key, StretchError;
    Draw => Matrix, DrawError;
    Scan => String, ScanError;
}

/// What stretching a passphrase costs (RFC 9106, section 3.1). Kept beside what the key opens, so that later versions of
/// this program can ask for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Memory, KiB.
    pub memory: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes, which a browser computes one after the other.
    pub lanes: u32,
}

impl Cost {
    /// What new passphrases get: 64 MiB and three passes, as RFC 9106, section 4, recommends where memory is scarce; one
    /// lane instead of four, because there is one thread.
    pub const DEFAULT: Cost = Cost { memory: 64 * 1024, passes: 3, lanes: 1 };
    /// Less would protect nothing, and was never written by this program.
    pub const LEAST: Cost = Cost { memory: 8 * 1024, passes: 1, lanes: 1 };
    /// More would take a phone's memory, or minutes.
    pub const MOST: Cost = Cost { memory: 256 * 1024, passes: 16, lanes: 4 };

    /// Whether it is within the bounds.
    #[must_use]
    pub fn is_bearable(&self) -> bool {
        (Self::LEAST.memory..=Self::MOST.memory).contains(&self.memory)
            && (Self::LEAST.passes..=Self::MOST.passes).contains(&self.passes)
            && (Self::LEAST.lanes..=Self::MOST.lanes).contains(&self.lanes)
    }
}

/// The modules of a QR code, without the quiet zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// Modules of a side: 21 to 177.
    pub side: u8,
    /// Row by row: 1 is dark, 0 is light.
    #[serde(with = "serde_bytes")]
    pub modules: Vec<u8>,
}

impl Matrix {
    /// Whether the module is dark. Beyond the sides everything is light.
    #[must_use]
    pub fn is_dark(&self, x: u8, y: u8) -> bool {
        let at = usize::from(y) * usize::from(self.side) + usize::from(x);
        x < self.side && y < self.side && self.modules.get(at) == Some(&1)
    }
}

/// What is wrong with recovery words.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum WordsError {
    /// There are so many.
    #[error("{0} words instead of {WORDS}")]
    Count(usize),
    /// One is not in the list.
    #[error("word {place}, \"{word}\", is not in the list")]
    Unknown {
        /// Which one, from 1.
        place: usize,
        /// The word, at most 32 characters of it.
        word: String,
        /// The one word of the list that is nearest, if one is near.
        nearest: Option<String>,
    },
    /// All are in the list, but they do not belong together: one is another than it was, or two have changed places.
    #[error("the words do not belong together")]
    Checksum,
}

/// What is wrong with a backup.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum BackupError {
    /// Nothing was typed.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// More than so many bytes.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// The browser gives no random numbers.
    #[error("the system gives no entropy: {0}")]
    NoEntropy(String),
    /// Something else than an age file.
    #[error("not an age file")]
    NotBackup,
    /// An age file, but cut off or changed.
    #[error("the file is damaged")]
    Damaged,
    /// An age file for the holders of keys.
    #[error("made for keys and not for a passphrase")]
    ForKeys,
    /// It asks for more work than [`MAX_WORK`].
    #[error("it asks for 2^{0} steps of scrypt, {MAX_WORK} is the most")]
    TooHard(u8),
    /// Another passphrase opens it; or the file is damaged where the passphrase is tried.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// The device has not the memory that the work takes.
    #[error("out of memory")]
    NoMemory,
}

/// Why no key was made.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum StretchError {
    /// Nothing was typed.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The stored parameters are out of bounds.
    #[error("no passphrase was ever stretched by {0:?} here")]
    Cost(Cost),
    /// The device has not the memory that it costs.
    #[error("out of memory")]
    NoMemory,
}

/// Why there is no QR code.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum DrawError {
    /// No version has room for the text.
    #[error("too long for a QR code")]
    TooLong,
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum ScanError {
    /// More than [`MAX_PIXELS`], or not the bytes of whole rows.
    #[error("not a picture of at most {MAX_PIXELS} pixels")]
    NoPicture,
    /// There is no QR code in the picture.
    #[error("there is no QR code")]
    NoCode,
    /// There is one, too small, blurred, covered or damaged.
    #[error("the QR code cannot be read")]
    Unreadable,
}

/// 32 secret bytes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct Key(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// Secret bytes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct SecretBytes(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// A secret text.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct SecretText(pub String);

/// What is shown of secrets.
macro_rules! hidden {
    ($($secret:ident)*) => {$(
        impl fmt::Debug for $secret {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($secret), "(..)"))
            }
        }
    )*};
}

hidden! { Key SecretBytes SecretText }

/// The bytes of a message. They may hold secrets: whoever sends them wipes them.
///
/// # Panics
/// When the item is of a type that is no message.
#[must_use]
pub fn encode<T: Serialize>(item: &T) -> Vec<u8> {
    postcard::to_allocvec(item).expect("messages encode")
}

/// The message of these bytes.
///
/// # Errors
/// When they are of another build.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|error| error.to_string())
}
