//! A backup file: bytes under a passphrase in the age format, version 1 (c2sp.org/age@v1.0.0), so that the command `age`
//! and others open it too, with no software of ours.
//!
//! Only what a passphrase needs of the format is here: one recipient of type scrypt, binary or armored. The crate `age`
//! does the same and brings recipients of every type, their curves and lattices, and messages in four languages: 203 KB
//! compressed where this takes 13, and fifty crates to build. What is left of the format is a header and a loop.
//!
//! The passphrase is tried in NFKC first, as it is written, and then as it was typed: other software normalizes nothing.

mod header;
mod payload;

use scrypt::Params;
use zeroize::Zeroizing;

use crate::normal::nfkc;
use crate::question::{BackupError, MAX_CONTENT, MAX_FILE, MAX_WORK, SecretBytes};
use header::Header;

/// The work a new backup asks for, as the base-2 logarithm of scrypt's N. It takes 128 MiB of memory and about a second in
/// a browser of a desktop. Fixed, because a browser's clock is coarse and a slow moment would make a weak file.
const WORK: u8 = 17;

/// What stands before the salt (age, section "scrypt recipient stanza").
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";

const SALT_BYTES: usize = 16;

const FILE_KEY_BYTES: usize = 16;

/// What everything in one file is encrypted under, made for that file.
type FileKey = Zeroizing<[u8; FILE_KEY_BYTES]>;

/// What the passphrase gives, for the file's key.
type WrappingKey = Zeroizing<[u8; 32]>;

/// Makes a backup file.
///
/// # Errors
/// When the passphrase is empty, the content is too large, or the system has no entropy or memory.
pub fn seal(content: &[u8], passphrase: &str) -> Result<Vec<u8>, BackupError> {
    seal_with(content, passphrase, WORK)
}

fn seal_with(content: &[u8], passphrase: &str, work: u8) -> Result<Vec<u8>, BackupError> {
    if passphrase.is_empty() {
        return Err(BackupError::EmptyPassphrase);
    }
    if content.len() > MAX_CONTENT {
        return Err(BackupError::TooLarge(MAX_CONTENT));
    }
    let file_key = FileKey::new(random()?);
    let salt = random()?;
    let wrapping = wrapping_key(&Zeroizing::new(nfkc(passphrase)), &salt, work)?;
    let mut file = header::write(&file_key, &wrapping, salt, work);
    payload::seal(content, &file_key, random()?, &mut file);
    Ok(file)
}

/// The content of a backup file.
///
/// # Errors
/// When it is no such file, is not whole, or asks for another passphrase or more work than a browser bears.
pub fn open(file: &[u8], passphrase: &str) -> Result<SecretBytes, BackupError> {
    if passphrase.is_empty() {
        return Err(BackupError::EmptyPassphrase);
    }
    if file.len() > MAX_FILE {
        return Err(BackupError::TooLarge(MAX_CONTENT));
    }
    let binary = header::dearmor(file)?;
    let (header, payload) = Header::read(&binary)?;
    if header.work > MAX_WORK {
        return Err(BackupError::TooHard(header.work));
    }
    if payload.len() > payload::sealed_len(MAX_CONTENT) {
        return Err(BackupError::TooLarge(MAX_CONTENT));
    }
    let normal = Zeroizing::new(nfkc(passphrase));
    let file_key = match unwrap(&header, &normal) {
        Err(BackupError::WrongPassphrase) if *normal != passphrase => unwrap(&header, passphrase),
        outcome => outcome,
    }?;
    header.verify(&file_key)?;
    payload::open(payload, &file_key)
}

fn unwrap(header: &Header<'_>, passphrase: &str) -> Result<FileKey, BackupError> {
    header.unwrap(&wrapping_key(passphrase, &header.salt, header.work)?)
}

/// The key that wraps the file's key. scrypt with r = 8 and p = 1 takes 2^`work` KiB.
fn wrapping_key(passphrase: &str, salt: &[u8; SALT_BYTES], work: u8) -> Result<WrappingKey, BackupError> {
    let parameters = Params::new(work, 8, 1).expect("the work is bounded");
    // The library cannot be told that memory is short; so it is asked for here, and free again for it.
    Vec::<u8>::new().try_reserve_exact(1024 << work).map_err(|_| BackupError::NoMemory)?;
    let mut key = WrappingKey::default();
    let salt = [SALT_LABEL, salt].concat();
    scrypt::scrypt(passphrase.as_bytes(), &salt, &parameters, key.as_mut())
        .expect("32 bytes are a length of scrypt");
    Ok(key)
}

fn random<const N: usize>() -> Result<[u8; N], BackupError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| BackupError::NoEntropy(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
