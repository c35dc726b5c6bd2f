//! What is behind the header of an age file (c2sp.org/age@v1.0.0, section "payload"): a nonce, and the content in chunks of
//! 64 KiB. Each chunk is sealed by itself and knows its place and whether it is the last, so that none can be left
//! out, moved or added (STREAM; Hoang, Reyhanitabar, Rogaway, Vizár 2015).

use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::FileKey;
use crate::question::{BackupError, SecretBytes};

const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
const NONCE_BYTES: usize = 16;

/// How long the payload of so many bytes is.
pub(super) fn sealed_len(content: usize) -> usize {
    NONCE_BYTES + content + content.div_ceil(CHUNK).max(1) * TAG
}

/// Appends the payload to `file`. The nonce is random.
pub(super) fn seal(content: &[u8], key: &FileKey, nonce: [u8; NONCE_BYTES], file: &mut Vec<u8>) {
    let cipher = cipher(key, &nonce);
    file.reserve_exact(sealed_len(content.len()));
    file.extend(nonce);
    let mut rest = content;
    for place in 0.. {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK));
        let is_last = after.is_empty();
        let sealed = cipher.encrypt(&chunk_nonce(place, is_last), chunk);
        file.extend(sealed.expect("64 KiB can be encrypted"));
        rest = after;
        if is_last {
            break;
        }
    }
}

/// The content.
///
/// # Errors
/// When anything of it was changed, or an end is missing.
pub(super) fn open(payload: &[u8], key: &FileKey) -> Result<SecretBytes, BackupError> {
    let (nonce, mut rest) = payload.split_first_chunk().ok_or(BackupError::Damaged)?;
    let cipher = cipher(key, nonce);
    // Large enough from the beginning, so that nothing of it stays behind where it grew.
    let mut content = SecretBytes(Vec::with_capacity(rest.len()));
    for place in 0.. {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK + TAG));
        let is_last = after.is_empty();
        let opened = cipher.decrypt(&chunk_nonce(place, is_last), chunk);
        let opened = Zeroizing::new(opened.map_err(|_| BackupError::Damaged)?);
        // Only where there is nothing at all may a chunk be empty.
        if opened.is_empty() && place > 0 {
            return Err(BackupError::Damaged);
        }
        content.0.extend_from_slice(&opened);
        rest = after;
        if is_last {
            break;
        }
    }
    Ok(content)
}

/// 11 bytes of place, one of whether it is the last.
fn chunk_nonce(place: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&place.to_be_bytes());
    nonce[11] = u8::from(is_last);
    nonce.into()
}

fn cipher(key: &FileKey, nonce: &[u8; NONCE_BYTES]) -> ChaCha20Poly1305 {
    let mut payload_key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(nonce), key.as_slice())
        .expand(b"payload", payload_key.as_mut())
        .expect("32 bytes are a length of HKDF");
    ChaCha20Poly1305::new((&*payload_key).into())
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::aead::Aead as _;
    use zeroize::Zeroizing;

    use super::{CHUNK, chunk_nonce, cipher, open, seal};
    use crate::question::{BackupError, SecretBytes};

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// A content has one payload: a last chunk without content could be added to any other.
    #[test]
    fn an_empty_chunk_is_no_end() {
        let (key, nonce) = (Zeroizing::new([1; 16]), [2; 16]);
        let content = vec![3; CHUNK];
        let mut usual = Vec::new();
        seal(&content, &key, nonce, &mut usual);
        assert_eq!(open(&usual, &key), Ok(SecretBytes(content.clone())));

        let cipher = cipher(&key, &nonce);
        let chunk = |place, is_last, content: &[u8]| {
            cipher.encrypt(&chunk_nonce(place, is_last), content).expect("a chunk can be encrypted")
        };
        let longer = [nonce.to_vec(), chunk(0, false, &content), chunk(1, true, &[])].concat();
        assert_eq!(open(&longer, &key), Err(BackupError::Damaged));
        let more = [nonce.to_vec(), chunk(0, false, &content), chunk(1, true, &[4])].concat();
        assert_eq!(open(&more, &key).map(|content| content.0.len()), Ok(CHUNK + 1));
    }
}
