//! Checksums of a request's bytes (tus 1.0, extension "checksum"), computed as they come.

use blake3::Hasher as Blake3;
use data_encoding::BASE64;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The algorithms, as tus names them.
pub const ALGORITHMS: &str = "sha1,sha256,blake3";

/// Why a header is not a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// Another form.
    #[error("Upload-Checksum is the name of an algorithm, a space, and a checksum in Base64")]
    Form,
    /// Another algorithm.
    #[error("Upload-Checksum names an algorithm that is not one of {ALGORITHMS}")]
    Algorithm,
}

/// What the bytes should hash to, and what they hash to so far.
#[derive(Clone, Debug)]
pub struct Checksum {
    state: State,
    wanted: Vec<u8>,
}

#[derive(Clone, Debug)]
enum State {
    Sha1(Sha1),
    Sha256(Sha256),
    Blake3(Box<Blake3>),
}

impl Checksum {
    /// Reads the value of `Upload-Checksum`.
    ///
    /// # Errors
    /// When it is none, or of an algorithm that is not known.
    pub fn parse(text: &str) -> Result<Checksum, ChecksumError> {
        let (algorithm, checksum) = text.trim().split_once(' ').ok_or(ChecksumError::Form)?;
        let (state, length) = match algorithm {
            "sha1" => (State::Sha1(Sha1::default()), 20),
            "sha256" => (State::Sha256(Sha256::default()), 32),
            "blake3" => (State::Blake3(Box::new(Blake3::new())), 32),
            _ => return Err(ChecksumError::Algorithm),
        };
        let wanted = BASE64.decode(checksum.trim().as_bytes()).map_err(|_| ChecksumError::Form)?;
        if wanted.len() == length { Ok(Checksum { state, wanted }) } else { Err(ChecksumError::Form) }
    }

    /// Adds the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha1(state) => sha1::Digest::update(state, bytes),
            State::Sha256(state) => state.update(bytes),
            State::Blake3(state) => drop(state.update(bytes)),
        }
    }

    /// Whether the bytes are the ones that were meant.
    #[must_use]
    pub fn holds(self) -> bool {
        match self.state {
            State::Sha1(state) => sha1::Digest::finalize(state)[..] == self.wanted[..],
            State::Sha256(state) => state.finalize()[..] == self.wanted[..],
            State::Blake3(state) => state.finalize().as_bytes()[..] == self.wanted[..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Checksum, ChecksumError};

    #[test]
    fn checksums_of_each_algorithm_hold() {
        // printf abc | sha1sum, sha256sum and b3sum, in Base64.
        for text in [
            "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
            "sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
            "blake3 ZDezrDhGUTP/tjt1JzqNtUjFWEZdedsD/TWcbNW9nYU=",
        ] {
            let mut checksum = Checksum::parse(text).expect("a checksum");
            checksum.update(b"a");
            let other = checksum.clone();
            checksum.update(b"bc");
            assert!(!other.holds() && checksum.holds(), "{text}");
        }
    }

    #[test]
    fn other_headers_are_none() {
        for (text, error) in [
            ("", ChecksumError::Form),
            ("sha1", ChecksumError::Form),
            ("sha1 ", ChecksumError::Form),
            ("sha1 !", ChecksumError::Form),
            ("sha1 YWJj", ChecksumError::Form),
            ("md5 kAFQmDzST7DWlj99KOF/cg==", ChecksumError::Algorithm),
        ] {
            assert_eq!(Checksum::parse(text).err(), Some(error), "{text}");
        }
    }
}
