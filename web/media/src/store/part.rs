//! A blob that comes in part: verified groups are written where they belong, and are held when a record says so, after the
//! files are flushed. So what is held after a crash was verified.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use chanterelle_core::base::BlobId;
use chanterelle_core::media::Groups;
use chanterelle_core::media::tree::{GROUP_BYTES, Node, Parent};

use super::database::Durability;
use super::files::File;
use super::record::{Record, tree_of};
use super::{Store, fresh_name, now};
use crate::messages::{Class, StoreError};

/// The files of a blob in part.
pub(super) struct Part {
    /// What the record says they are called.
    file: String,
    pub(super) data: File,
    pub(super) tree: File,
    /// Groups that are written and not yet held.
    pub(super) fresh: RefCell<BTreeSet<u32>>,
}

impl Store {
    /// Makes room for a blob of which nothing is there yet. One that is there stays as it is, also when it is of another
    /// size, and is kept as long as the class says; that somebody asks for it counts as a look at it.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn expect(&self, id: &BlobId, size: u64, class: Class) -> Result<(), StoreError> {
        if self.records.borrow().contains_key(id) {
            self.shown(&[*id]).await?;
            return self.keep(&[*id], class).await;
        }
        let record = Record::empty(size, class, &fresh_name(), now());
        self.change(id, Durability::Relaxed, |before| (Some(before.unwrap_or(record)), ())).await
    }

    /// Writes groups that were verified, of a blob of this size: what is there of it by another size counts for nothing any
    /// more. They are held after [`Store::commit`]. Only the tab that leads does so.
    ///
    /// # Errors
    /// When the blob is not expected, the disk is full, or the browser refuses.
    pub async fn write_groups(
        &self,
        id: &BlobId,
        size: u64,
        first: u32,
        data: &[u8],
        parents: &[(Node, Parent)],
    ) -> Result<(), StoreError> {
        if self.records.borrow().get(id).is_some_and(Record::is_whole) {
            return Ok(());
        }
        let part = self.part_anew(id, size).await?;
        part.data.write_at(u64::from(first) * GROUP_BYTES, data)?;
        for (node, parent) in parents {
            part.tree.write_at(node.offset(), parent)?;
        }
        let count = data.len().div_ceil(GROUP_BYTES as usize) as u32;
        part.fresh.borrow_mut().extend(first..first + count);
        Ok(())
    }

    /// Makes durable what was written of a blob of this size. Gives whether all of it is there now.
    ///
    /// # Errors
    /// When the disk is full, or the browser refuses; then what was written counts when a later one succeeds. When the blob
    /// is not there, or by another size.
    pub async fn commit(&self, id: &BlobId, size: u64) -> Result<bool, StoreError> {
        if self.records.borrow().get(id).is_none_or(|record| record.size != size) {
            return Err(StoreError::Missing);
        }
        let Some(part) = self.parts.borrow().get(id).cloned() else {
            return Ok(self.is_whole(id));
        };
        let fresh = part.fresh.take();
        let outcome = self.commit_groups(id, &part, &fresh).await;
        if outcome.is_err() {
            // Those of others, whose turn comes, are among them.
            part.fresh.borrow_mut().extend(fresh);
        }
        let is_whole = outcome?;
        if is_whole == Some(true) {
            // From now on it is read like any other.
            self.parts.borrow_mut().remove(id);
        }
        is_whole.ok_or(StoreError::Missing)
    }

    /// Says of groups that they are held. Gives whether all are then; none of a blob that is not there any more, or is in
    /// other files.
    async fn commit_groups(
        &self,
        id: &BlobId,
        part: &Part,
        fresh: &BTreeSet<u32>,
    ) -> Result<Option<bool>, StoreError> {
        part.data.flush()?;
        part.tree.flush()?;
        self.change(id, Durability::Relaxed, |record| {
            let Some(mut record) = record else { return (None, None) };
            if record.file == part.file {
                let mut held: Groups = record.held();
                held.insert_all(fresh.iter().copied());
                record.set_held(&held);
            } else if !record.is_whole() {
                return (Some(record), None);
            }
            let is_whole = record.is_whole();
            (Some(record), Some(is_whole))
        })
        .await
    }

    /// The open files of a blob of this size in part. Only the tab that leads has such.
    pub(super) async fn part(&self, id: &BlobId, size: u64) -> Result<Rc<Part>, StoreError> {
        let _opening = self.opening.lock().await;
        self.open_part(id, size).await
    }

    /// The same; what is there of another size is begun anew.
    async fn part_anew(&self, id: &BlobId, size: u64) -> Result<Rc<Part>, StoreError> {
        let _opening = self.opening.lock().await;
        if self.records.borrow().get(id).is_some_and(|record| record.size != size) {
            let file = fresh_name();
            let change = |before: Option<Record>| match before {
                Some(old) if !old.is_whole() => {
                    (Some(Record::empty(size, old.class, &file, old.shown)), Some(old))
                }
                other => (other, None),
            };
            if let Some(before) = self.change(id, Durability::Relaxed, change).await? {
                self.discard(&before.file).await;
            }
        }
        self.open_part(id, size).await
    }

    async fn open_part(&self, id: &BlobId, size: u64) -> Result<Rc<Part>, StoreError> {
        let file = self.file_of_part(id, size).ok_or(StoreError::Missing)?;
        if let Some(part) = self.parts.borrow().get(id).filter(|part| part.file == file) {
            return Ok(part.clone());
        }
        let part = Rc::new(Part {
            data: self.folder.write(&file).await?,
            tree: self.folder.write(&tree_of(&file)).await?,
            file,
            fresh: RefCell::default(),
        });
        // Meanwhile it may have been removed, or another tab leads.
        if self.file_of_part(id, size).as_ref() != Some(&part.file) {
            return Err(StoreError::Missing);
        }
        self.parts.borrow_mut().insert(*id, part.clone());
        Ok(part)
    }

    /// The file of a blob of this size in part, if it is to be open here.
    fn file_of_part(&self, id: &BlobId, size: u64) -> Option<String> {
        let records = self.records.borrow();
        let is_it = |record: &&Record| self.leads() && !record.is_whole() && record.size == size;
        records.get(id).filter(is_it).map(|record| record.file.clone())
    }
}
