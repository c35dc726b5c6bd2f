//! Whether there is room: on the disk, in the store, and for an author.
//!
//! What is under way counts as if it were there. Whoever takes room holds [`super::Inner::deciding`] from the look until
//! what takes it counts, so that two do not take the same.

use std::collections::BTreeMap;

use chanterelle_core::base::{AuthorId, BlobId};

use super::reserved::Reservation;
use super::{Media, MediaError};
use crate::storage::Wanted;

impl Media {
    /// Those of them that may be fetched, and of which there is room for all.
    pub(super) async fn affordable(&self, found: Vec<Wanted>) -> Result<Vec<Wanted>, MediaError> {
        let settings = &self.0.settings;
        let mut room = self.room_left().await?;
        let mut taken = BTreeMap::new();
        let mut wanted = Vec::new();
        for blob in found {
            if blob.size == 0 || blob.size > settings.blob_bytes || self.is_blocked(&blob.id) {
                continue;
            }
            // What is under way is counted already.
            if self.0.reserved.has(&blob.id) {
                wanted.push(blob);
                continue;
            }
            let of_author = match taken.get(&blob.author) {
                Some(bytes) => *bytes,
                None => self.taken_by(&blob.author).await?,
            };
            let more = of_author.saturating_add(blob.size);
            let fits = blob.size <= room && more <= settings.author_bytes;
            taken.insert(blob.author, if fits { more } else { of_author });
            if fits {
                room -= blob.size;
                wanted.push(blob);
            }
        }
        Ok(wanted)
    }

    /// Bytes that the files of an author take, with those under way.
    pub(super) async fn taken_by(&self, author: &AuthorId) -> Result<u64, MediaError> {
        let stored = self.0.storage.bytes_of(author).await?;
        Ok(stored.saturating_add(self.0.reserved.bytes_of(author)))
    }

    /// Reserves room for a blob. The caller holds [`super::Inner::deciding`].
    pub(super) async fn reserve(
        &self,
        id: BlobId,
        author: Option<AuthorId>,
        size: u64,
    ) -> Result<Reservation, MediaError> {
        if size > self.room_left().await? {
            return Err(MediaError::Full);
        }
        Ok(self.0.reserved.take(id, author, size))
    }

    /// Whether the local disk takes so many bytes more and has left what the operator wants to be left.
    pub(super) fn room_for(&self, bytes: u64) -> Result<(), MediaError> {
        let free = self.measure_disk()?;
        if free < bytes.saturating_add(self.0.settings.free_bytes) {
            return Err(MediaError::Full);
        }
        Ok(())
    }

    /// Bytes that the store and the disk take beyond what they hold and what is on its way.
    pub(super) async fn room_left(&self) -> Result<u64, MediaError> {
        let (settings, totals) = (&self.0.settings, self.0.storage.totals().await?);
        let kept_free = settings.free_bytes.saturating_add(self.0.reserved.missing());
        let on_disk = self.measure_disk()?.saturating_sub(kept_free);
        let taken = totals.bytes.saturating_add(totals.open).saturating_add(self.0.reserved.bytes());
        Ok(settings.total_bytes.map_or(on_disk, |total| on_disk.min(total.saturating_sub(taken))))
    }

    pub(super) fn measure_disk(&self) -> Result<u64, MediaError> {
        let free = self.0.staging.free()?;
        self.0.metrics.media_disk_free.set(i64::try_from(free).unwrap_or(i64::MAX));
        Ok(free)
    }
}
