//! The bytes of one request on their way to the end of an upload.
//!
//! At most two pieces are in memory: one that fills while the other is written. They are large where much comes at once,
//! because each is handed to another thread and back. Bytes count only after they are on the
//! disk and the database says so; what a crash leaves behind them is overwritten. They are brought onto the disk while
//! others come, so that little is left to do at the end of a request.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::checksum::Checksum;
use crate::media::busy::Taken;
use crate::media::digest::Digest;
use crate::media::{Media, MediaError, now};
use crate::storage::{Upload, UploadId};

/// Bytes written at a time, of an upload that comes fast, while it has one of the few places for such.
const LARGE: usize = 512 * 1024;

/// Bytes written at a time of any other. Divides the large piece, and is whole groups of a tree.
const SMALL: usize = 64 * 1024;

/// How long a large piece may fill. An upload that takes longer is not fast.
const PATIENCE: Duration = Duration::from_secs(1);

/// After so many bytes they are brought onto the disk.
const FLUSH: usize = 2 * 1024 * 1024;

/// An upload that somebody appends to. When this is dropped before [`Append::finish`], because the client has gone, what came
/// is brought to its end all the same.
#[derive(Debug)]
pub struct Append(Option<Box<Appending>>);

#[derive(Debug)]
struct Appending {
    media: Media,
    upload: Upload,
    state: State,
    filling: Vec<u8>,
    /// Where in the upload what fills ends.
    end: u64,
    /// Since when it fills.
    since: Instant,
    /// The place for large pieces, if it has one.
    large: Option<OwnedSemaphorePermit>,
    /// Bytes handed to the disk since it was last asked to keep them.
    unflushed: usize,
    flushing: Option<JoinHandle<io::Result<()>>>,
    taken: Taken<UploadId>,
    _permit: OwnedSemaphorePermit,
    /// The relay waits for it when it stops.
    _tracked: TaskTrackerToken,
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
        Ok(Append(Some(Box::new(Appending {
            filling: Vec::new(),
            end: offset,
            since: Instant::now(),
            large: media.0.uploads.large.clone().try_acquire_owned().ok(),
            unflushed: 0,
            flushing: None,
            _permit: permit,
            _tracked: media.0.tasks.token(),
            media,
            upload,
            state,
            taken,
        }))))
    }

    /// The upload as it was.
    #[must_use]
    pub fn upload(&self) -> &Upload {
        &self.0.as_ref().expect("it is not finished").upload
    }

    /// Adds bytes. The caller has seen to it that they do not go beyond the upload's length.
    ///
    /// # Errors
    /// When the disk does not take what came before, or has no more left than is to be left. Then [`Append::finish`] keeps
    /// what it took.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), MediaError> {
        self.0.as_mut().expect("it is not finished").push(bytes).await
    }

    /// Makes what came durable and notes how far the upload is, whatever becomes of whoever waits for that. With `whole` unset
    /// the request broke off: without a checksum what came counts all the same.
    ///
    /// # Errors
    /// When nothing of it counts.
    pub async fn finish(mut self, whole: bool) -> Result<Appended, MediaError> {
        let appending = self.0.take().expect("it is finished once");
        let media = appending.media.clone();
        media.unhurried(appending.finish(whole)).await?
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        if let Some(appending) = self.0.take()
            && Handle::try_current().is_ok()
        {
            let tasks = appending.media.0.tasks.clone();
            tasks.spawn(async move {
                let (id, finished) = (appending.upload.id, appending.finish(false).await);
                if let Err(error) = finished {
                    tracing::warn!(%id, %error, "what came of an upload before its client went does not count");
                }
            });
        }
    }
}

/// Whoever waits in here may stop waiting at any time, and nothing is lost by that.
impl Appending {
    async fn push(&mut self, bytes: &[u8]) -> Result<(), MediaError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.filling.is_empty() {
                self.since = Instant::now();
            }
            // Pieces end where groups of the tree do, which are hashed fastest whole.
            let piece = if self.large.is_some() { LARGE } else { SMALL };
            let room = piece - usize::try_from(self.end % piece as u64).expect("less than a piece");
            self.filling.reserve_exact(room);
            let (fits, behind) = rest.split_at(rest.len().min(room));
            self.filling.extend_from_slice(fits);
            self.end += fits.len() as u64;
            rest = behind;
            if fits.len() == room || (self.large.is_some() && self.since.elapsed() > PATIENCE) {
                self.write_filled().await?;
            }
        }
        Ok(())
    }

    async fn write_filled(&mut self) -> Result<(), MediaError> {
        // Asked for each piece, because many write at once, and not every request says how much comes.
        self.media.room_for(self.filling.len() as u64)?;
        self.rest().await?;
        let may_flush = self.unflushed >= FLUSH && self.flushing.as_ref().is_none_or(JoinHandle::is_finished);
        if may_flush {
            self.flushed().await?;
        }
        let State::Resting(mut tail) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(MediaError::Stopping);
        };
        if may_flush {
            let file = tail.file.clone();
            self.flushing = Some(spawn_blocking(move || file.sync_data()));
            self.unflushed = 0;
        }
        // An upload that is not fast gives its place to another once nothing large is in memory.
        let place = if self.since.elapsed() > PATIENCE { self.large.take() } else { None };
        let piece = std::mem::take(&mut self.filling);
        self.unflushed += piece.len();
        self.state = State::Writing(spawn_blocking(move || {
            let written = tail.write(&piece);
            drop((piece, place));
            (tail, written)
        }));
        Ok(())
    }

    /// Waits until nothing is being written.
    async fn rest(&mut self) -> Result<(), MediaError> {
        let State::Writing(writing) = &mut self.state else { return Ok(()) };
        let ended = writing.await;
        self.state = State::Failed;
        let (tail, written) = ended.map_err(|_| MediaError::Stopping)?;
        // What was written before an error counts still.
        self.state = State::Resting(tail);
        if written.is_err() {
            self.filling.clear();
        }
        Ok(written?)
    }

    /// Waits until the disk keeps what it was last asked to keep. When it refused, nothing of the request counts: what it
    /// refused is told once.
    async fn flushed(&mut self) -> Result<(), MediaError> {
        let Some(flushing) = &mut self.flushing else { return Ok(()) };
        let flushed = flushing.await;
        self.flushing = None;
        let refused = match flushed {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.into(),
            Err(_) => MediaError::Stopping,
        };
        self.state = State::Failed;
        Err(refused)
    }

    async fn finish(mut self: Box<Self>, whole: bool) -> Result<Appended, MediaError> {
        let mut failure = None;
        if !self.filling.is_empty()
            && let Err(error) = self.write_filled().await
        {
            failure = Some(error);
        }
        if let Err(error) = self.rest().await {
            failure.get_or_insert(error);
        }
        if let Err(error) = self.flushed().await {
            failure.get_or_insert(error);
        }
        self.large = None;
        let Appending { media, mut upload, state, taken, _permit, _tracked, .. } = *self;
        let State::Resting(tail) = state else { return Err(failure.unwrap_or(MediaError::Stopping)) };
        let Tail { file, offset, digest, checksum } = *tail;
        let broken = !whole || failure.is_some();
        if let Some(checksum) = checksum
            && (broken || !checksum.holds())
        {
            spawn_blocking(move || file.set_len(upload.offset)).await.map_err(|_| MediaError::Stopping)??;
            return failure.map_or(Ok(Appended::Mismatch), Err);
        }
        if offset > upload.offset {
            spawn_blocking(move || file.sync_data()).await.map_err(|_| MediaError::Stopping)??;
            let expires = now().plus(media.settings().upload_rest.as_secs());
            if !media.0.storage.advance_upload(&upload.id, offset, expires).await? {
                return Err(MediaError::NotFound);
            }
            media.0.metrics.upload_bytes.inc_by(offset - upload.offset);
            (upload.offset, upload.expires) = (offset, expires);
        }
        if let Some(digest) = digest {
            media.0.uploads.rest(&upload, digest);
        }
        if let Some(error) = failure {
            return Err(error);
        }
        Ok(Appended::Yes(media.complete(upload, &taken).await?))
    }
}
