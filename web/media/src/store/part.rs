//! A blob that comes in part: verified groups are written where they belong, and are held when a record says so, after the
//! files are flushed. So what is held after a crash was verified.

use std::cell::RefCell;
use std::rc::Rc;

use chanterelle_core::base::BlobId;
use chanterelle_core::media::Groups;
use chanterelle_core::media::tree::{GROUP_BYTES, Node, Parent};

use super::database::Durability;
use super::files::File;
use super::record::Record;
use super::{Store, fresh_name, now};
use crate::messages::{Class, StoreError};

/// The files of a blob in part.
pub(super) struct Part {
    pub(super) data: File,
    pub(super) tree: File,
    /// Groups that are written and not yet held.
    fresh: RefCell<Vec<u32>>,
}

impl Store {
    /// Makes room for a blob of which nothing is there yet. One that is there stays as it is, and is kept as long as the
    /// class says.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn expect(&self, id: &BlobId, size: u64, class: Class) -> Result<(), StoreError> {
        if self.records.borrow().get(id).is_some_and(|record| record.size == size) {
            return self.keep(&[*id], class).await;
        }
        let record = Record::empty(size, class, &fresh_name(), now());
        self.change(id, Durability::Relaxed, |before| match before {
            Some(before) if before.is_whole() || before.size == size => (Some(before), ()),
            // What was said to be of another size was never whole.
            _ => (Some(record), ()),
        })
        .await
    }

    /// Writes groups that were verified. They are held after [`Store::commit`]. Only the tab that leads does so.
    ///
    /// # Errors
    /// When the blob is not expected, the disk is full, or the browser refuses.
    pub async fn write_groups(
        &self,
        id: &BlobId,
        first: u32,
        data: &[u8],
        parents: &[(Node, Parent)],
    ) -> Result<(), StoreError> {
        if self.records.borrow().get(id).is_some_and(Record::is_whole) {
            return Ok(());
        }
        let part = self.part(id).await?;
        part.data.write_at(u64::from(first) * GROUP_BYTES, data)?;
        for (node, parent) in parents {
            part.tree.write_at(node.offset(), parent)?;
        }
        let count = data.len().div_ceil(GROUP_BYTES as usize) as u32;
        part.fresh.borrow_mut().extend(first..first + count);
        Ok(())
    }

    /// Makes durable what was written of a blob. Gives whether all of it is there now.
    ///
    /// # Errors
    /// When the disk is full, or the browser refuses; what was written counts for nothing then.
    pub async fn commit(&self, id: &BlobId) -> Result<bool, StoreError> {
        let Some(part) = self.parts.borrow().get(id).cloned() else {
            return self.records.borrow().get(id).map(Record::is_whole).ok_or(StoreError::Missing);
        };
        let fresh = part.fresh.take();
        part.data.flush()?;
        part.tree.flush()?;
        let is_whole = self
            .change(id, Durability::Relaxed, |record| {
                let after = record.map(|mut record| {
                    let mut held: Groups = record.held();
                    for group in fresh {
                        held.insert(group);
                    }
                    record.set_held(&held);
                    record
                });
                let is_whole = after.as_ref().map(Record::is_whole);
                (after, is_whole)
            })
            .await?;
        if is_whole == Some(true) {
            // From now on it is read like any other.
            self.parts.borrow_mut().remove(id);
        }
        is_whole.ok_or(StoreError::Missing)
    }

    /// The open files of a blob in part.
    pub(super) async fn part(&self, id: &BlobId) -> Result<Rc<Part>, StoreError> {
        let _opening = self.opening.lock().await;
        if let Some(part) = self.parts.borrow().get(id) {
            return Ok(part.clone());
        }
        let (file, tree) = {
            let records = self.records.borrow();
            let record = records.get(id).filter(|record| !record.is_whole()).ok_or(StoreError::Missing)?;
            (record.file.clone(), record.tree())
        };
        let part = Rc::new(Part {
            data: self.folder.write(&file).await?,
            tree: self.folder.write(&tree).await?,
            fresh: RefCell::default(),
        });
        self.parts.borrow_mut().insert(*id, part.clone());
        Ok(part)
    }
}
