//! One upload of several (tus 1.0, extension "concatenation"): the parts in the order in which they were named.
//!
//! The parts must be whole: parts that still grow are not joined.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use tokio::task::spawn_blocking;

use crate::media::digest::{Digest, Digested};
use crate::media::{Media, MediaError, now};
use crate::storage::{LEAST, Owner, Part, Upload, UploadId};

/// Parts of one upload.
pub const PARTS: usize = 64;

/// How long parts stay after they were joined, seconds: a client that did not hear of it may ask again.
const PARTS_STAY: u64 = 60 * 60;

/// Bytes copied at a time.
const PIECE: usize = 256 * 1024;

impl Media {
    /// Joins `parts`, each named once, to one blob. `said` is how the client named them.
    ///
    /// # Errors
    /// [`MediaError::NotFound`] when one of them is not there, is no part, or is not whole; else when the whole is too
    /// large, blocked, or there is no room.
    pub async fn join(
        &self,
        owner: Owner,
        parts: &[UploadId],
        said: String,
        metadata: Option<String>,
    ) -> Result<Upload, MediaError> {
        let mut found = Vec::with_capacity(parts.len());
        for id in parts {
            let part = self.find(id).await?;
            let is_whole = part.part == Part::Partial && part.offset == part.length && !part.ended;
            if !is_whole {
                return Err(MediaError::NotFound);
            }
            found.push(part);
        }
        let length = found.iter().fold(0_u64, |sum, part| sum.saturating_add(part.length));
        // The parts count for whoever uploaded them as long as they are here.
        let own = found.iter().filter(|part| part.owner == owner).map(|part| part.length.max(LEAST)).sum();
        let upload = self.create_beside(owner, length, metadata, Part::Final(said), own).await?;
        let taken = self.0.uploads.writing.take(upload.id).ok_or(MediaError::Busy)?;
        let joined = async {
            let digested = self.copy(&found, upload.id).await?;
            self.store_upload(upload.clone(), digested, &taken).await
        };
        match joined.await {
            Ok(upload) => {
                self.let_go(&found, now().plus(PARTS_STAY)).await?;
                Ok(upload)
            }
            Err(error) => {
                self.discard(&upload.id).await?;
                Err(error)
            }
        }
    }

    /// Writes the parts one behind the other and hashes them on the way.
    async fn copy(&self, parts: &[Upload], to: UploadId) -> Result<Digested, MediaError> {
        let _permit = self.0.hashing.acquire().await.map_err(|_| MediaError::Stopping)?;
        let sources: Vec<(PathBuf, u64)> =
            parts.iter().map(|part| (self.0.staging.path(&part.id.to_string()), part.length)).collect();
        let staging = self.0.staging.clone();
        let work = move || {
            let mut target = staging.file(&to.to_string())?;
            let mut digest = Digest::default();
            let mut piece = vec![0; PIECE];
            for (path, length) in sources {
                let mut source = File::open(path)?.take(length);
                let mut copied = 0;
                loop {
                    let count = source.read(&mut piece)?;
                    if count == 0 {
                        break;
                    }
                    target.write_all(&piece[..count])?;
                    digest.update(&piece[..count]);
                    copied += count as u64;
                }
                if copied != length {
                    return Err(io::Error::other("the file of a part is shorter than what was on the disk"));
                }
            }
            target.sync_all()?;
            Ok(digest.finish())
        };
        Ok(spawn_blocking(work).await.map_err(|_| MediaError::Stopping)??)
    }
}
