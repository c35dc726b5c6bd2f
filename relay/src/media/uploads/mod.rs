//! Uploads: how a file comes in over several requests and several runs of the relay, and becomes a blob.
//!
//! Knows nothing of HTTP. One request at a time writes an upload; where it is, the database says. Hashes what comes as it
//! comes; what an earlier run of the relay took is hashed when it is whole.

mod append;
mod checksum;
mod join;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chanterelle_core::base::{BlobId, Seconds};
use chanterelle_core::media::tree::outboard_bytes;
use tokio::sync::Semaphore;

pub use append::{Append, Appended};
pub use checksum::{ALGORITHMS, Checksum, ChecksumError};
pub use join::PARTS;

use super::busy::{Busy, Taken};
use super::digest::{Digest, Digested};
use super::{Media, MediaError, now};
use crate::metrics::count;
use crate::storage::{LEAST, Owner, Part, Pin, Upload, UploadId};

/// Bytes of trees kept for uploads that rest between two requests: 8 GiB of uploads. Others are hashed at their end.
const RESTING_BYTES: u64 = 32 * 1024 * 1024;

/// Requests that write at a time. Each has two pieces in memory, and one client address at most a quarter of these.
pub(super) const WRITERS: usize = 1_024;

/// Of these, so many may have large pieces: 64 MiB in all.
const LARGE_WRITERS: usize = 64;

/// What a resting hash takes beside its tree, bytes, rounded up.
const RESTING_COST: u64 = 32 * 1024;

/// What is in memory of uploads.
#[derive(Debug)]
pub struct Uploads {
    writing: Busy<UploadId>,
    writers: Arc<Semaphore>,
    large: Arc<Semaphore>,
    resting: Mutex<BTreeMap<UploadId, (Digest, u64)>>,
}

impl Default for Uploads {
    fn default() -> Self {
        Uploads {
            writing: Busy::default(),
            writers: Arc::new(Semaphore::new(WRITERS)),
            large: Arc::new(Semaphore::new(LARGE_WRITERS)),
            resting: Mutex::default(),
        }
    }
}

impl Uploads {
    /// The hash of what an upload holds so far, if it is known.
    fn resume(&self, upload: &Upload) -> Option<Digest> {
        let known = self.resting().remove(&upload.id).map(|(digest, _)| digest);
        match known {
            _ if upload.offset == 0 => Some(Digest::default()),
            Some(digest) if digest.length() == upload.offset => Some(digest),
            _ => None,
        }
    }

    /// Keeps the hash until the next request, if there is room.
    fn rest(&self, upload: &Upload, digest: Digest) {
        let cost = RESTING_COST + outboard_bytes(upload.length);
        let mut resting = self.resting();
        let taken: u64 = resting.values().map(|(_, cost)| cost).sum();
        if digest.length() == upload.offset && taken + cost <= RESTING_BYTES {
            resting.insert(upload.id, (digest, cost));
        }
    }

    /// Forgets an upload that is over.
    pub(super) fn forget(&self, id: &UploadId) {
        self.resting().remove(id);
    }

    fn resting(&self) -> MutexGuard<'_, BTreeMap<UploadId, (Digest, u64)>> {
        self.resting.lock().expect("no code panics while it holds this")
    }
}

/// An upload that nobody else appends to.
#[derive(Debug)]
pub struct Held {
    media: Media,
    upload: Upload,
    taken: Taken<UploadId>,
}

impl Held {
    /// The upload as it is.
    #[must_use]
    pub fn upload(&self) -> &Upload {
        &self.upload
    }

    /// Goes on where it ends.
    ///
    /// # Errors
    /// When it has ended, too many write just now, or the disk does not take more.
    pub async fn append(self, checksum: Option<Checksum>) -> Result<Append, MediaError> {
        let media = self.media.clone();
        // Whoever stops waiting must not give the name back while the file is being brought to where the upload ends.
        media.unhurried(self.open(checksum)).await?
    }

    async fn open(self, checksum: Option<Checksum>) -> Result<Append, MediaError> {
        let Held { media, mut upload, taken } = self;
        if upload.ended {
            return Err(MediaError::NotFound);
        }
        let permit = media.0.uploads.writers.clone().try_acquire_owned().map_err(|_| MediaError::Crowded)?;
        // A request may take longer than is left, and others are to find the upload meanwhile.
        let (now, rest) = (now(), media.settings().upload_rest.as_secs());
        if upload.expires <= now.plus(rest.div_ceil(2)) {
            upload.expires = now.plus(rest);
            media.0.storage.advance_upload(&upload.id, upload.offset, upload.expires).await?;
        }
        Append::open(media, upload, checksum, taken, permit).await
    }
}

impl Media {
    /// Begins an upload of `length` bytes, of which none is there.
    ///
    /// # Errors
    /// When it is too large, or there is no room, in all or for its owner.
    pub async fn create_upload(
        &self,
        owner: Owner,
        length: u64,
        metadata: Option<String>,
        part: Part,
    ) -> Result<Upload, MediaError> {
        self.create_beside(owner, length, metadata, part, 0).await
    }

    /// The same, where `counted` bytes of it count for the owner already.
    async fn create_beside(
        &self,
        owner: Owner,
        length: u64,
        metadata: Option<String>,
        part: Part,
        counted: u64,
    ) -> Result<Upload, MediaError> {
        let settings = self.settings();
        if length == 0 || length > settings.blob_bytes {
            return Err(MediaError::TooLarge(settings.blob_bytes));
        }
        let now = now();
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| MediaError::Io(std::io::Error::other(error.to_string())))?;
        let expires = now.plus(settings.upload_rest.as_secs());
        let id = UploadId(id);
        let upload =
            Upload { id, owner, length, offset: 0, metadata, part, expires, blob: None, ended: false };
        let of_owner = match owner {
            Owner::Author(_) => settings.author_bytes,
            Owner::Address(_) => settings.address_bytes,
        };
        // Among the readers, because the writer has events to store.
        let _deciding = self.0.deciding.lock().await;
        if length.max(LEAST) > self.room_left().await? {
            return Err(MediaError::Full);
        }
        let more = length.max(LEAST).saturating_sub(counted);
        if self.0.storage.bytes_owned(&owner, now).await?.saturating_add(more) > of_owner {
            return Err(MediaError::OwnerFull);
        }
        self.0.storage.create_upload(&upload).await?;
        count(&self.0.metrics.uploads, "created");
        Ok(upload)
    }

    /// An upload. One that is whole and did not become a blob, because the relay stopped or could not store it, becomes
    /// one now.
    ///
    /// # Errors
    /// When there is none, or it cannot become a blob.
    pub async fn upload(&self, id: &UploadId) -> Result<Upload, MediaError> {
        let upload = self.find(id).await?;
        let is_due = upload.offset == upload.length && upload.blob.is_none() && !upload.ended;
        if !is_due || upload.part != Part::Whole {
            return Ok(upload);
        }
        // Whoever writes it brings it to its end.
        let Some(taken) = self.0.uploads.writing.take(*id) else { return Ok(upload) };
        let (media, id) = (self.clone(), *id);
        self.unhurried(async move {
            let upload = media.find(&id).await?;
            media.complete(upload, &taken).await
        })
        .await?
    }

    async fn find(&self, id: &UploadId) -> Result<Upload, MediaError> {
        let upload = self.0.storage.upload(id).await?.ok_or(MediaError::NotFound)?;
        // The clean-up may not have come by yet.
        let ended = upload.ended || upload.expires <= now();
        Ok(Upload { ended, ..upload })
    }

    /// Takes an upload to append to it.
    ///
    /// # Errors
    /// When there is none, or somebody else has it.
    pub async fn hold(&self, id: &UploadId) -> Result<Held, MediaError> {
        let taken = self.0.uploads.writing.take(*id).ok_or(MediaError::Busy)?;
        let upload = self.find(id).await?;
        Ok(Held { media: self.clone(), upload, taken })
    }

    /// Whether the disk takes so many bytes more.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_room(&self, bytes: u64) -> Result<(), MediaError> {
        self.room_for(bytes)
    }

    /// Removes an upload, and the blob it has become if nothing else keeps that: what counts for nobody any more takes no
    /// room.
    ///
    /// # Errors
    /// When there is none, somebody writes it, or it may still be there.
    pub async fn terminate(&self, id: &UploadId) -> Result<(), MediaError> {
        let taken = self.0.uploads.writing.take(*id).ok_or(MediaError::Busy)?;
        let (media, id) = (self.clone(), *id);
        self.unhurried(async move {
            let _taken = taken;
            let upload = media.find(&id).await?;
            media.discard(&id).await?;
            count(&media.0.metrics.uploads, "terminated");
            match upload.blob {
                Some(blob) => media.let_go_of(&blob).await,
                None => Ok(()),
            }
        })
        .await?
    }

    async fn let_go_of(&self, blob: &BlobId) -> Result<(), MediaError> {
        let _lock = self.lock(blob).await;
        if self.0.storage.drop_unkept(blob, &self.0.keeping, now(), None).await? {
            self.remove(blob).await?;
        }
        Ok(())
    }

    /// Ends an upload that has expired, unless somebody writes it or has gone on with it meanwhile; whether it is ended.
    pub(super) async fn expire(&self, id: &UploadId, now: Seconds) -> Result<bool, MediaError> {
        let Some(_taken) = self.0.uploads.writing.take(*id) else { return Ok(false) };
        if !self.0.storage.end_upload(id, now).await? {
            return Ok(false);
        }
        self.0.uploads.forget(id);
        self.0.staging.remove(&id.to_string())?;
        Ok(true)
    }

    async fn discard(&self, id: &UploadId) -> Result<(), MediaError> {
        self.0.uploads.forget(id);
        self.0.storage.drop_upload(id).await?;
        Ok(self.0.staging.remove(&id.to_string())?)
    }

    /// Makes a blob of an upload that is whole. Others stay as they are.
    async fn complete(&self, upload: Upload, taken: &Taken<UploadId>) -> Result<Upload, MediaError> {
        if upload.offset < upload.length || upload.blob.is_some() || upload.part == Part::Partial {
            return Ok(upload);
        }
        let path = self.0.staging.path(&upload.id.to_string());
        let digest = self.0.uploads.resume(&upload).filter(|digest| digest.length() == upload.length);
        let digested = match digest {
            Some(digest) => digest.finish(),
            None => self.digest(path, upload.length).await?,
        };
        self.store_upload(upload, digested, taken).await
    }

    /// Puts the file of an upload into the store. Blocked content is thrown away with the upload.
    async fn store_upload(
        &self,
        upload: Upload,
        digested: Digested,
        _: &Taken<UploadId>,
    ) -> Result<Upload, MediaError> {
        let expires = now().plus(self.settings().pin.as_secs());
        let pin = Pin { upload: upload.id, owner: upload.owner, expires };
        let path = self.0.staging.path(&upload.id.to_string());
        match self.put(digested, &path, Some(pin)).await {
            Ok(blob) => {
                count(&self.0.metrics.uploads, "completed");
                Ok(Upload { blob: Some(blob), offset: upload.length, expires, ..upload })
            }
            Err(MediaError::Blocked) => {
                self.discard(&upload.id).await?;
                Err(MediaError::Blocked)
            }
            Err(error) => Err(error),
        }
    }

    /// Runs `work` to its end whatever becomes of the request it belongs to; the relay waits for it when it stops.
    ///
    /// # Errors
    /// When the relay stops before.
    pub async fn unhurried<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, MediaError> {
        self.0.tasks.spawn(work).await.map_err(|_| MediaError::Stopping)
    }

    /// Shortens how long parts stay that were joined.
    async fn let_go(&self, parts: &[Upload], until: Seconds) -> Result<(), MediaError> {
        for part in parts {
            let expires = part.expires.min(until);
            self.0.storage.advance_upload(&part.id, part.offset, expires).await?;
        }
        Ok(())
    }
}
