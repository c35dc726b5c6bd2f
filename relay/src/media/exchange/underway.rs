//! The files of a blob that the exchange fetches: opened, written, read, and finished or left.

use std::sync::Arc;
use std::time::Instant;

use chanterelle_core::base::BlobId;
use chanterelle_core::media::exchange::Want;
use chanterelle_core::media::tree::Verified;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::super::{Fetch, Media, MediaError};
use super::log;

/// Bytes of a blob after which what came is made durable.
const SAVE_EVERY: u64 = 8 * 1024 * 1024;

/// A blob on its way.
pub(super) struct Underway {
    /// The size it is fetched as, bytes.
    pub(super) size: u64,
    pub(super) files: Files,
    /// What is wanted of it while its files are being opened.
    pub(super) early: Option<Vec<Want>>,
    /// When something of it last came, or else since when it is wanted.
    pub(super) came: Instant,
}

/// The files of a blob on its way. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Files(Arc<Mutex<Place>>);

/// Nothing before they are open, and once the blob is in the store or its files are left.
#[derive(Default)]
struct Place {
    fetch: Option<Fetch>,
    unsaved: u64,
}

/// Files that are being opened: whoever reads or writes waits.
pub(super) struct Opening(OwnedMutexGuard<Place>);

impl Files {
    /// Files that are to be opened.
    pub(super) fn new() -> (Files, Opening) {
        let files = Files::default();
        let place = files.0.clone().try_lock_owned().expect("nobody else has them yet");
        (files, Opening(place))
    }

    /// Whether these are the same files.
    pub(super) fn is(&self, other: &Files) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A slice of what has come; `None` when the blob is not on its way any more.
    pub(super) async fn slice(
        &self,
        size: u64,
        first: u32,
        count: u32,
    ) -> Option<Result<Vec<u8>, MediaError>> {
        let place = self.0.lock().await;
        match &place.fetch {
            Some(fetch) if fetch.size() == size => Some(fetch.slice(first, count).await),
            Some(_) => Some(Err(MediaError::NotFound)),
            None => None,
        }
    }

    /// Writes what was verified.
    pub(super) async fn write(&self, first: u32, verified: Verified) -> Result<(), MediaError> {
        let mut place = self.0.lock().await;
        let Place { fetch, unsaved } = &mut *place;
        let fetch = fetch.as_mut().ok_or(MediaError::NotFound)?;
        let bytes = verified.data.len() as u64;
        fetch.write(first, verified).await?;
        *unsaved += bytes;
        if *unsaved >= SAVE_EVERY {
            *unsaved = 0;
            fetch.save().await?;
        }
        Ok(())
    }

    /// Puts the blob into the store, unless it came there by another way. Whoever reads waits meanwhile, and finds it there.
    pub(super) async fn finish(&self, media: &Media, id: BlobId) -> Result<(), MediaError> {
        let mut place = self.0.lock().await;
        let outcome = match place.fetch.take() {
            Some(fetch) if fetch.groups().is_all() => fetch.finish().await.map(drop),
            Some(fetch) => fetch.abandon().and(Err(MediaError::NotFound)),
            None => Err(MediaError::NotFound),
        };
        match outcome {
            Err(error) if !matches!(media.blob(&id).await, Ok(Some(_))) => Err(error),
            _ => Ok(()),
        }
    }

    /// Ends the way of the blob. What has come stays for another time, if it is to be kept.
    pub(super) async fn leave(&self, keeps: bool) {
        let Some(fetch) = self.0.lock().await.fetch.take() else { return };
        let left = if keeps && !fetch.groups().is_none() { fetch.save().await } else { fetch.abandon() };
        log(left);
    }
}

impl Opening {
    /// They are open.
    pub(super) fn done(mut self, fetch: Fetch) {
        self.0.fetch = Some(fetch);
    }
}
