//! Reading blobs: whole ones for the page, slices of what is held for others.
//!
//! Whoever leads opens a file to read slices, which takes microseconds each; through the browser's own reading it takes two
//! milliseconds. Others can still read it all the while, as the page does, without opening it.

use std::rc::Rc;

use chanterelle_core::base::BlobId;
use chanterelle_core::media::tree::{
    GROUP_BYTES, Node, Parent, content_bytes, outboard_bytes, parents_of, slice,
};
use chanterelle_core::media::{KIND_BYTES, MediaKind};
use web_sys::Blob;

use super::Store;
use super::files::{File, read_blob};
use super::record::Record;
use super::trouble::failed;
use crate::messages::{StoreError, UNKNOWN};

/// Blobs that stay open for slices: of each the tree is in memory, a 256th of it.
const MAX_READINGS: usize = 8;

/// A whole blob that is being read.
pub(super) struct Reading {
    data: Content,
    outboard: Vec<u8>,
}

/// How a file is read.
enum Content {
    Open(File),
    Blob(Blob),
}

impl Content {
    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), StoreError> {
        match self {
            Content::Open(file) => file.read_at(at, into),
            Content::Blob(blob) => read_blob(blob, at, into).map_err(|error| failed(&error)),
        }
    }
}

impl Store {
    /// All of a blob, as something the page can make a URL of. Its type is that of its first bytes; of what is neither picture nor
    /// sound nor film it is one that browsers only save.
    ///
    /// # Errors
    /// When not all of it is there. What the browser has lost the file of is forgotten.
    pub async fn blob(&self, id: &BlobId) -> Result<Blob, StoreError> {
        let file = match self.records.borrow().get(id) {
            Some(record) if record.is_whole() => record.file.clone(),
            _ => return Err(StoreError::Missing),
        };
        let blob = self.forget_lost(id, &file, self.folder.read(&file).await).await?;
        let mut head = vec![0; KIND_BYTES.min(blob.size() as usize)];
        read_blob(&blob, 0, &mut head).map_err(|error| failed(&error))?;
        let kind = MediaKind::of(&head).map_or(UNKNOWN, |kind| kind.mime);
        let typed = blob.slice_with_f64_and_f64_and_content_type(0.0, blob.size(), kind);
        typed.map_err(|error| failed(&error))
    }

    /// The slice of groups that are held, as others verify it.
    ///
    /// # Errors
    /// When they are not held, or cannot be read.
    pub async fn slice(&self, id: &BlobId, first: u32, count: u32) -> Result<Vec<u8>, StoreError> {
        let (size, held, is_whole) = {
            let records = self.records.borrow();
            let record = records.get(id).ok_or(StoreError::Missing)?;
            (record.size, record.held(), record.is_whole())
        };
        if !held.covers(first, count) {
            return Err(StoreError::Missing);
        }
        let trouble = |error: &dyn std::fmt::Display| StoreError::Failed(error.to_string());
        let nodes = parents_of(size, first, count).map_err(|error| trouble(&error))?;
        let at = u64::from(first) * GROUP_BYTES;
        let mut data = vec![0; content_bytes(size, first, count) as usize];
        let parents: Vec<Parent> = if is_whole {
            let reading = self.reading(id, size).await?;
            reading.data.read_at(at, &mut data)?;
            nodes.iter().map(|node| reading.parent(*node)).collect::<Result<_, _>>()?
        } else {
            // Only the tab that leads has these open, and only it is asked.
            let part = self.part(id, size).await?;
            part.data.read_at(at, &mut data)?;
            let parent = |node: &Node| {
                let mut parent = [0; 64];
                part.tree.read_at(node.offset(), &mut parent).map(|()| parent)
            };
            nodes.iter().map(parent).collect::<Result<_, _>>()?
        };
        let mut parents = parents.into_iter();
        slice(size, first, count, |_| parents.next().expect("one for each that was named"), &data)
            .map_err(|error| trouble(&error))
    }

    /// The files of a whole blob.
    async fn reading(&self, id: &BlobId, size: u64) -> Result<Rc<Reading>, StoreError> {
        if let Some(reading) = self.recall(id) {
            return Ok(reading);
        }
        let (file, tree) = {
            let records = self.records.borrow();
            let record: &Record = records.get(id).ok_or(StoreError::Missing)?;
            (record.file.clone(), record.tree())
        };
        let mut outboard = vec![0; outboard_bytes(size) as usize];
        self.forget_lost(id, &file, self.content(&tree).await).await?.read_at(0, &mut outboard)?;
        let data = self.forget_lost(id, &file, self.content(&file).await).await?;
        // Another slice may have opened it meanwhile, and this one then reads it in the slow way, once.
        let reading = Rc::new(Reading { data, outboard });
        let mut readings = self.readings.borrow_mut();
        if readings.iter().all(|(other, _)| other != id) {
            if readings.len() >= MAX_READINGS {
                readings.remove(0);
            }
            readings.push((*id, reading.clone()));
        }
        Ok(reading)
    }

    /// Removes the record of a blob one of whose files is missing.
    async fn forget_lost<T>(
        &self,
        id: &BlobId,
        file: &str,
        opened: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if matches!(opened, Err(StoreError::Missing)) {
            self.remove_if(id, |record| record.is_whole() && record.file == file).await?;
        }
        opened
    }

    /// The files of a blob that was read lately, which it is now again.
    fn recall(&self, id: &BlobId) -> Option<Rc<Reading>> {
        let mut readings = self.readings.borrow_mut();
        let place = readings.iter().position(|(other, _)| other == id)?;
        let found = readings.remove(place);
        let reading = found.1.clone();
        readings.push(found);
        Some(reading)
    }

    async fn content(&self, file: &str) -> Result<Content, StoreError> {
        if self.leads()
            && let Ok(file) = self.folder.reopen(file).await
        {
            return Ok(Content::Open(file));
        }
        Ok(Content::Blob(self.folder.read(file).await?))
    }
}

impl Reading {
    fn parent(&self, node: Node) -> Result<Parent, StoreError> {
        let at = usize::try_from(node.offset()).map_err(|_| StoreError::Missing)?;
        self.outboard.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(StoreError::Missing)
    }
}
