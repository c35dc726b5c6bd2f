//! Authenticated encryption: ChaCha20-Poly1305 (RFC 8439).
//!
//! Whoever calls sees to it that a key never meets the same nonce twice.

use chacha20poly1305::aead::AeadInPlace as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};

/// Bytes by which what is sealed is longer: the tag.
pub const OVERHEAD: usize = 16;

/// Seals `plain`; `associated` is authenticated and not contained.
#[must_use]
pub fn seal(key: &[u8; 32], nonce: &[u8; 12], associated: &[u8], plain: &[u8]) -> Vec<u8> {
    let cipher = ChaCha20Poly1305::new(key.into());
    let mut sealed = plain.to_vec();
    let tag = cipher
        .encrypt_in_place_detached(nonce.into(), associated, &mut sealed)
        .expect("what is sealed here is far below the 256 GiB of the cipher");
    sealed.extend_from_slice(&tag);
    sealed
}

/// Opens what [`seal`] made; `None` when anything of it differs.
#[must_use]
pub fn open(key: &[u8; 32], nonce: &[u8; 12], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (sealed, tag) = sealed.split_last_chunk::<OVERHEAD>()?;
    let cipher = ChaCha20Poly1305::new(key.into());
    let mut plain = sealed.to_vec();
    cipher.decrypt_in_place_detached(nonce.into(), associated, &mut plain, tag.into()).ok()?;
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::{OVERHEAD, open, seal};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// RFC 8439, section 2.8.2, the beginning and the tag.
    #[test]
    fn the_published_vector() {
        let key: [u8; 32] = core::array::from_fn(|i| 0x80 + i as u8);
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let associated = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
                      future, sunscreen would be it.";
        let sealed = seal(&key, &nonce, &associated, plain);
        assert_eq!(sealed.len(), plain.len() + OVERHEAD);
        assert_eq!(sealed[..8], [0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb]);
        assert_eq!(sealed[plain.len()..][..8], [0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a]);
        assert_eq!(open(&key, &nonce, &associated, &sealed).as_deref(), Some(plain.as_slice()));
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let (key, nonce) = ([1; 32], [2; 12]);
        let sealed = seal(&key, &nonce, b"for", b"secret");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&key, &nonce, b"for", &changed), None, "{at}");
        }
        assert_eq!(open(&[0; 32], &nonce, b"for", &sealed), None);
        assert_eq!(open(&key, &[0; 12], b"for", &sealed), None);
        assert_eq!(open(&key, &nonce, b"against", &sealed), None);
        assert_eq!(open(&key, &nonce, b"for", &sealed[..OVERHEAD - 1]), None);
    }
}
