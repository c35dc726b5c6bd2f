//! The bytes of one request on their way to the end of an upload.
//!
//! At most two pieces are in memory: one that fills while the other is written. Bytes count only after they are on the
//! disk and the database says so; what a crash leaves behind them is overwritten. They are brought onto the disk while
//! others come, so that little is left to do at the end of a request.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};

use super::checksum::Checksum;
use crate::media::busy::Taken;
use crate::media::digest::Digest;
use crate::media::{Media, MediaError, now};
use crate::storage::{Upload, UploadId};

/// Bytes written at a time.
const PIECE: usize = 128 * 1024;

/// After so many bytes they are brought onto the disk.
const FLUSH: usize = 4 * 1024 * 1024;

/// An upload that somebody appends to.
#[derive(Debug)]
pub struct Append {
    media: Media,
    upload: Upload,
    state: State,
    filling: Vec<u8>,
    /// Bytes handed to the disk since it was last asked to keep them.
    unflushed: usize,
    flushing: Option<JoinHandle<io::Result<()>>>,
    taken: Taken<UploadId>,
    _permit: OwnedSemaphorePermit,
}

/// What came of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The upload, as far as it is on the disk.
    Yes(Upload),
    /// The bytes were not the ones of the checksum; the upload is as it was.
    Mismatch,
}

#[derive(Debug)]
enum State {
    Resting(Box<Tail>),
    Writing(JoinHandle<(Box<Tail>, io::Result<()>)>),
    /// The disk refused something; no more is tried.
    Failed,
}

/// The end of the file.
#[derive(Debug)]
struct Tail {
    file: Arc<File>,
    offset: u64,
    /// The hash of everything up to `offset`; absent when the beginning was written by an earlier run.
    digest: Option<Digest>,
    checksum: Option<Checksum>,
}

impl Tail {
    /// After an error nothing of `bytes` counts.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
        Ok(())
    }
}

impl Append {
    /// Goes on where `upload` ends. `taken` holds its name.
    pub(super) async fn open(
        media: Media,
        upload: Upload,
        checksum: Option<Checksum>,
        taken: Taken<UploadId>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Append, MediaError> {
        let digest = media.0.uploads.resume(&upload);
        let staging = media.0.staging.clone();
        let (name, offset) = (upload.id.to_string(), upload.offset);
        let work = move || {
            let file = staging.file(&name)?;
            if file.metadata()?.len() < offset {
                return Err(io::Error::other("the file of an upload is shorter than what was on the disk"));
            }
            // What was written behind it never counted.
            file.set_len(offset)?;
            Ok(file)
        };
        let file = spawn_blocking(work).await.map_err(|_| MediaError::Stopping)??;
        let state = State::Resting(Box::new(Tail { file: Arc::new(file), offset, digest, checksum }));
        let filling = Vec::new();
        Ok(Append { media, upload, state, filling, unflushed: 0, flushing: None, taken, _permit: permit })
    }

    /// The upload as it was.
    #[must_use]
    pub fn upload(&self) -> &Upload {
        &self.upload
    }

    /// Adds bytes. The caller has seen to it that they do not go beyond the upload's length.
    ///
    /// # Errors
    /// When the disk does not take what came before, or has no more left than is to be left. Then [`Append::finish`] keeps
    /// what it took.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), MediaError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.filling.reserve_exact(PIECE - self.filling.len());
            let (fits, behind) = rest.split_at(rest.len().min(PIECE - self.filling.len()));
            self.filling.extend_from_slice(fits);
            rest = behind;
            if self.filling.len() == PIECE {
                self.write_filled().await?;
            }
        }
        Ok(())
    }

    async fn write_filled(&mut self) -> Result<(), MediaError> {
        // Asked for each piece, because many write at once, and not every request says how much comes.
        self.media.room_for(self.filling.len() as u64)?;
        let mut tail = self.rest().await?;
        let piece = std::mem::take(&mut self.filling);
        self.unflushed += piece.len();
        if self.unflushed >= FLUSH && self.flushing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.flushed().await?;
            let file = tail.file.clone();
            self.flushing = Some(spawn_blocking(move || file.sync_data()));
            self.unflushed = 0;
        }
        self.state = State::Writing(spawn_blocking(move || {
            let written = tail.write(&piece);
            (tail, written)
        }));
        Ok(())
    }

    /// Waits until nothing is being written.
    async fn rest(&mut self) -> Result<Box<Tail>, MediaError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Resting(tail) => Ok(tail),
            State::Writing(writing) => {
                let (tail, written) = writing.await.map_err(|_| MediaError::Stopping)?;
                match written {
                    Ok(()) => Ok(tail),
                    Err(error) => {
                        // What was written before counts still.
                        self.filling.clear();
                        self.state = State::Resting(tail);
                        Err(error.into())
                    }
                }
            }
            State::Failed => Err(MediaError::Stopping),
        }
    }

    /// Waits until the disk keeps what it was last asked to keep. When it refused, nothing of the request counts: what it
    /// refused is told once.
    async fn flushed(&mut self) -> Result<(), MediaError> {
        match self.flushing.take() {
            Some(flushing) => Ok(flushing.await.map_err(|_| MediaError::Stopping)??),
            None => Ok(()),
        }
    }

    /// Makes what came durable and notes how far the upload is. With `whole` unset the request broke off: without a
    /// checksum what came counts all the same.
    ///
    /// # Errors
    /// When nothing of it counts.
    pub async fn finish(mut self, whole: bool) -> Result<Appended, MediaError> {
        let mut failure = None;
        if !self.filling.is_empty()
            && let Err(error) = self.write_filled().await
        {
            failure = Some(error);
        }
        let tail = match self.rest().await {
            Ok(tail) => tail,
            Err(error) => {
                failure.get_or_insert(error);
                self.rest().await?
            }
        };
        self.flushed().await?;
        let Tail { file, offset, digest, checksum } = *tail;
        let broken = !whole || failure.is_some();
        if let Some(checksum) = checksum
            && (broken || !checksum.holds())
        {
            let before = self.upload.offset;
            spawn_blocking(move || file.set_len(before)).await.map_err(|_| MediaError::Stopping)??;
            return failure.map_or(Ok(Appended::Mismatch), Err);
        }
        if offset > self.upload.offset {
            spawn_blocking(move || file.sync_data()).await.map_err(|_| MediaError::Stopping)??;
            let expires = now().plus(self.media.settings().upload_rest.as_secs());
            if !self.media.0.storage.advance_upload(&self.upload.id, offset, expires).await? {
                return Err(MediaError::NotFound);
            }
            self.media.0.metrics.upload_bytes.inc_by(offset - self.upload.offset);
            self.upload.offset = offset;
            self.upload.expires = expires;
        }
        if let Some(digest) = digest {
            self.media.0.uploads.rest(&self.upload, digest);
        }
        if let Some(error) = failure {
            return Err(error);
        }
        let upload = self.media.complete(self.upload, &self.taken).await?;
        Ok(Appended::Yes(upload))
    }
}
