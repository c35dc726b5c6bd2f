//! What is not kept any more. Whether a blob still may go is decided where its record is changed, so that what somebody says
//! of it meanwhile counts.

use std::collections::BTreeSet;

use chanterelle_core::base::BlobId;

use super::database::Durability;
use super::record::{Record, tree_of};
use super::{Store, now};
use crate::messages::{Class, StoreError};

/// How long a blob that no post refers to is kept for a draft, milliseconds: a day.
const DRAFT_KEPT: u64 = 24 * 60 * 60 * 1000;

impl Store {
    /// Removes a blob, if it is there.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn remove(&self, id: &BlobId) -> Result<(), StoreError> {
        self.release(id);
        self.remove_if(id, |_| true).await.map(drop)
    }

    /// Removes a blob of which this is so when it comes to that. Gives whether it did.
    pub(super) async fn remove_if(
        &self,
        id: &BlobId,
        is_meant: impl FnOnce(&Record) -> bool,
    ) -> Result<bool, StoreError> {
        let change = |before: Option<Record>| match before {
            Some(record) if is_meant(&record) => (None, Some(record.file)),
            before => (before, None),
        };
        let file = self.change(id, Durability::Relaxed, change).await?;
        if let Some(file) = &file {
            self.release(id);
            self.discard(file).await;
        }
        Ok(file.is_some())
    }

    /// Removes a blob of a stranger's, if it still is one. Gives whether it did.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn evict(&self, id: &BlobId) -> Result<bool, StoreError> {
        self.remove_if(id, |record| record.class == Class::Strangers).await
    }

    /// Removes a blob of which nothing came yet. Gives whether it did.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn remove_empty(&self, id: &BlobId) -> Result<bool, StoreError> {
        self.remove_if(id, |record| record.held().is_none()).await
    }

    /// A blob that was written here is in one draft less. In the last it is removed, unless a post refers to it or another tab
    /// has written it, too. Gives whether it was.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn remove_draft(&self, id: &BlobId) -> Result<bool, StoreError> {
        let written = {
            let mut drafts = self.drafts.borrow_mut();
            match drafts.get_mut(id) {
                Some((count @ 2.., _)) => {
                    *count -= 1;
                    return Ok(false);
                }
                Some((_, written)) => *written,
                None => return Ok(false),
            }
        };
        self.drafts.borrow_mut().remove(id);
        // Whoever writes it again says when.
        self.remove_if(id, |record| record.is_draft && Some(record.shown) == written).await
    }

    /// Removes what no record names, and drafts that nobody came back to; gives their names. A file that is being written by
    /// another tab is open and stays; `pause` is between looking for files and looking for records, so that one that was just
    /// finished is seen with its record.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn tidy(&self, pause: impl Future<Output = ()>) -> Result<Vec<BlobId>, StoreError> {
        // Of some that were wanted nothing ever came.
        let is_left = |record: &Record| {
            (record.is_draft || record.held().is_none()) && record.shown.saturating_add(DRAFT_KEPT) < now()
        };
        let mut removed = Vec::new();
        let names = self.folder.names().await?;
        pause.await;
        if let Some(database) = &self.database {
            let all = database.all().await?;
            let mut known = BTreeSet::new();
            for (id, bytes) in all {
                let Some(record) = Record::decode(&bytes) else {
                    self.remove(&id).await?;
                    continue;
                };
                if is_left(&record) && self.remove_if(&id, is_left).await? {
                    removed.push(id);
                } else {
                    known.extend([record.tree(), record.file]);
                }
            }
            for name in names.iter().filter(|name| !known.contains(*name)) {
                // One that is open cannot be removed, and another time will do.
                let _ = self.folder.remove(name).await;
            }
        }
        Ok(removed)
    }

    /// A blob was written here at this time; `first` is the same if it was not here before.
    pub(super) fn note_draft(&self, id: BlobId, first: Option<u64>, written: u64) {
        let mut drafts = self.drafts.borrow_mut();
        let (count, when) = drafts.entry(id).or_insert((0, None));
        *count += 1;
        // What was another's before stays so.
        *when = first.or(when.map(|_| written));
    }

    /// Lets go of the files of a blob.
    pub(super) fn release(&self, id: &BlobId) {
        self.parts.borrow_mut().remove(id);
        self.readings.borrow_mut().retain(|(other, _)| other != id);
    }

    /// Removes two files that no record names. What cannot be removed now is rubbish, and goes another time.
    pub(super) async fn discard(&self, file: &str) {
        let _ = self.folder.remove(file).await;
        let _ = self.folder.remove(&tree_of(file)).await;
    }
}
