//! The header of an age file (c2sp.org/age@v1.0.0, section "header"): who can open it, and that nobody changed that.
//!
//! ```text
//! age-encryption.org/v1
//! -> scrypt <salt> <work>
//! <the file's key, wrapped>
//! --- <MAC of everything up to these dashes>
//! ```

use std::borrow::Cow;

use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce};
use data_encoding::{BASE64, BASE64_NOPAD};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{FILE_KEY_BYTES, FileKey, SALT_BYTES, WrappingKey};
use crate::question::BackupError;

const VERSION: &str = "age-encryption.org/v1";
const RECIPIENT: &str = "-> ";
const SCRYPT: &str = "scrypt";
const END: &str = "---";

const ARMOR_BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const ARMOR_END: &str = "-----END AGE ENCRYPTED FILE-----";

/// A wrapped key is 16 bytes longer, by its tag.
const WRAPPED_BYTES: usize = FILE_KEY_BYTES + 16;

/// What a header says.
pub(super) struct Header<'a> {
    /// Of the passphrase.
    pub(super) salt: [u8; SALT_BYTES],
    /// The base-2 logarithm of scrypt's N.
    pub(super) work: u8,
    wrapped: [u8; WRAPPED_BYTES],
    signed: &'a [u8],
    mac: [u8; 32],
}

impl<'a> Header<'a> {
    /// The header of a file, and what comes behind it. Nothing is believed yet.
    ///
    /// # Errors
    /// When the file is none for a passphrase, or the header is not exactly as it is written.
    pub(super) fn read(file: &'a [u8]) -> Result<(Self, &'a [u8]), BackupError> {
        let damaged = || BackupError::Damaged;
        let mut rest = file;
        if line(&mut rest) != Some(VERSION) {
            return Err(BackupError::NotBackup);
        }
        let recipient = line(&mut rest).and_then(|line| line.strip_prefix(RECIPIENT)).ok_or_else(damaged)?;
        let mut arguments = recipient.split(' ');
        if arguments.next() != Some(SCRYPT) {
            return Err(BackupError::ForKeys);
        }
        let (salt, work) = match (arguments.next(), arguments.next(), arguments.next()) {
            (Some(salt), Some(work), None) => (bytes(salt)?, logarithm(work)?),
            _ => return Err(damaged()),
        };
        let wrapped = bytes(line(&mut rest).ok_or_else(damaged)?)?;
        let before = file.len() - rest.len();
        let mac = line(&mut rest).and_then(|line| line.strip_prefix(END)?.strip_prefix(' '));
        let mac = bytes(mac.ok_or_else(damaged)?)?;
        Ok((Header { salt, work, wrapped, signed: &file[..before + END.len()], mac }, rest))
    }

    /// The file's key.
    ///
    /// # Errors
    /// When it was wrapped by another key.
    pub(super) fn unwrap(&self, key: &WrappingKey) -> Result<FileKey, BackupError> {
        let opened = cipher(key).decrypt(&Nonce::default(), self.wrapped.as_slice());
        let opened = Zeroizing::new(opened.map_err(|_| BackupError::WrongPassphrase)?);
        let mut file_key = FileKey::default();
        file_key.copy_from_slice(&opened);
        Ok(file_key)
    }

    /// Looks whether the header is the one that was written.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn verify(&self, key: &FileKey) -> Result<(), BackupError> {
        mac(key, self.signed).verify_slice(&self.mac).map_err(|_| BackupError::Damaged)
    }
}

/// The header of a new file.
pub(super) fn write(key: &FileKey, wrapping: &WrappingKey, salt: [u8; SALT_BYTES], work: u8) -> Vec<u8> {
    // The wrapping key is used this once, so the nonce needs not differ.
    let wrapped = cipher(wrapping).encrypt(&Nonce::default(), key.as_slice());
    let wrapped = BASE64_NOPAD.encode(&wrapped.expect("16 bytes can be encrypted"));
    let salt = BASE64_NOPAD.encode(&salt);
    let signed = format!("{VERSION}\n{RECIPIENT}{SCRYPT} {salt} {work}\n{wrapped}\n{END}");
    let mac = BASE64_NOPAD.encode(&mac(key, signed.as_bytes()).finalize().into_bytes());
    format!("{signed} {mac}\n").into_bytes()
}

/// The binary file, of one that may be written as text (section "ASCII armor"). White space is forgiven: such files
/// travel by mail.
///
/// # Errors
/// When it begins as such a text and does not go on so.
pub(super) fn dearmor(file: &[u8]) -> Result<Cow<'_, [u8]>, BackupError> {
    let Some(text) = file.trim_ascii().strip_prefix(ARMOR_BEGIN.as_bytes()) else {
        return Ok(Cow::Borrowed(file));
    };
    let text = text.strip_suffix(ARMOR_END.as_bytes()).ok_or(BackupError::Damaged)?;
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(&digits).map(Cow::Owned).map_err(|_| BackupError::Damaged)
}

/// The next line, without its end; `None` when there is no whole one, or it is no text.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&rest[..end]).ok()?;
    *rest = &rest[end + 1..];
    Some(line)
}

/// Exactly so many bytes, in their one encoding.
fn bytes<const N: usize>(digits: &str) -> Result<[u8; N], BackupError> {
    let bytes = BASE64_NOPAD.decode(digits.as_bytes()).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(BackupError::Damaged)
}

/// A number from 1 without leading zeros. One that is too large for its type is too large for everything.
fn logarithm(digits: &str) -> Result<u8, BackupError> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if digits.is_empty() || !is_number {
        return Err(BackupError::Damaged);
    }
    Ok(digits.parse().unwrap_or(u8::MAX))
}

fn mac(key: &FileKey, header: &[u8]) -> Hmac<Sha256> {
    let mut mac_key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, key.as_slice())
        .expand(b"header", mac_key.as_mut())
        .expect("32 bytes are a length of HKDF");
    let mut mac = Hmac::new_from_slice(mac_key.as_slice()).expect("HMAC takes keys of every length");
    mac.update(header);
    mac
}

fn cipher(key: &WrappingKey) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new((&**key).into())
}
