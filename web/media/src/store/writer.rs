//! A blob that is made here: written to a file of its own while it is hashed, and a blob only when its record is there.
//!
//! The file stays open until then: nobody takes for rubbish what is open.

use std::rc::Rc;

use chanterelle_core::base::BlobId;
use chanterelle_core::media::tree::Outboard;
use wasm_bindgen_futures::spawn_local;

use super::database::Durability;
use super::files::File;
use super::record::{Record, tree_of};
use super::{Store, now};
use crate::messages::{Class, StoreError};

/// A blob being written.
pub struct Writer {
    store: Rc<Store>,
    name: String,
    file: Option<File>,
    tree: Outboard,
    size: u64,
}

impl Writer {
    /// An empty one.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn new(store: &Rc<Store>) -> Result<Self, StoreError> {
        let name = super::fresh_name();
        let file = store.folder.write(&name).await?;
        Ok(Writer { store: store.clone(), name, file: Some(file), tree: Outboard::new(), size: 0 })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// When the disk is full, or the browser refuses. Nothing is left of it then once it is dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.as_ref().expect("it is open until it is finished").write_at(self.size, bytes)?;
        self.tree.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Makes it a blob of its own that no post refers to yet, and returns when it is durable. If there is one already, nothing
    /// is kept twice. Gives its name, its size, and whether it was not here before. It is in one draft more until
    /// [`Store::remove_draft`].
    ///
    /// # Errors
    /// When the disk is full, or the browser refuses.
    pub async fn finish(mut self) -> Result<(BlobId, u64, bool), StoreError> {
        let hashed = std::mem::take(&mut self.tree).finish();
        let tree = self.store.folder.write(&tree_of(&self.name)).await?;
        tree.write_at(0, &hashed.outboard)?;
        tree.flush()?;
        self.file.as_ref().expect("it is open until it is finished").flush()?;
        let written = now();
        let record = Record::whole(hashed.size, Class::Own, &self.name, written);
        let change = |before: Option<Record>| match before {
            Some(mut before) if before.is_whole() => {
                before.class = before.class.min(Class::Own);
                before.shown = written;
                (Some(before), None)
            }
            before => (Some(record), Some(before)),
        };
        let outcome = self.store.change(&hashed.id, Durability::Strict, change).await?;
        let is_new = outcome.is_some();
        self.store.note_draft(hashed.id, is_new.then_some(written), written);
        match outcome {
            // The files of what was there in part.
            Some(before) => {
                let file = self.file.take();
                self.store.release(&hashed.id);
                drop((file, tree));
                if let Some(before) = before {
                    self.store.discard(&before.file).await;
                }
            }
            None => drop(tree),
        }
        Ok((hashed.id, hashed.size, is_new))
    }
}

impl Drop for Writer {
    /// What is no blob is removed.
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            let (store, name) = (self.store.clone(), std::mem::take(&mut self.name));
            drop(file);
            spawn_local(async move { store.discard(&name).await });
        }
    }
}
