//! What a blob's bytes say, found in one pass: its id, its tree, and what it is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use chanterelle_core::media::MediaKind;
use chanterelle_core::media::tree::{Hashed, Outboard};

/// First bytes by which a file is told what it is. Dimensions may need more, but a type does not.
const HEAD: usize = 16 * 1024;

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;

/// Hashes bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Digest {
    tree: Outboard,
    length: u64,
    /// The first bytes.
    head: Vec<u8>,
}

/// What came out.
#[derive(Debug)]
pub(super) struct Digested {
    /// Id, size and tree.
    pub(super) hashed: Hashed,
    /// What it is, as a MIME type; `None` when it is nothing that is shown.
    pub(super) kind: Option<&'static str>,
}

impl Digest {
    /// Adds the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let head = bytes.len().min(HEAD - self.head.len());
        self.head.extend_from_slice(&bytes[..head]);
        self.length += bytes.len() as u64;
        self.tree.update(bytes);
    }

    /// Bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Nothing more comes.
    pub(super) fn finish(self) -> Digested {
        let kind = MediaKind::of(&self.head).map(|kind| kind.mime);
        Digested { kind, hashed: self.tree.finish() }
    }

    /// The first `length` bytes of a file.
    ///
    /// # Errors
    /// When the file cannot be read or has fewer.
    pub(super) fn of_file(file: &File, length: u64) -> io::Result<Digested> {
        let mut digest = Digest::default();
        let mut piece = vec![0; PIECE];
        while digest.length < length {
            let left = usize::try_from(length - digest.length).unwrap_or(usize::MAX);
            let taken = left.min(PIECE);
            file.read_exact_at(&mut piece[..taken], digest.length)?;
            digest.update(&piece[..taken]);
        }
        Ok(digest.finish())
    }
}
