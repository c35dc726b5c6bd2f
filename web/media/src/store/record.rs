//! What is remembered of each blob.

use chanterelle_core::media::Groups;
use chanterelle_core::media::tree::groups_in;
use serde::{Deserialize, Serialize};

use crate::messages::Class;

/// What is remembered of a blob. Of an encoding of its own, postcard, under the database's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Bytes.
    pub(super) size: u64,
    /// Whose it is, which decides how long it is kept.
    pub(super) class: Class,
    /// The file with its content; that with the tree is called the same with `.tree` behind it.
    pub(super) file: String,
    /// Which groups are there, as a bitmap; none for all.
    #[serde(with = "serde_bytes")]
    held: Option<Vec<u8>>,
    /// Whether no post refers to it yet.
    pub(super) is_draft: bool,
    /// When it was last on a screen, or made, milliseconds of the system's clock.
    pub(super) shown: u64,
}

impl Record {
    /// The record of a blob that is there.
    pub(super) fn whole(size: u64, class: Class, file: &str, shown: u64) -> Self {
        Record { size, class, file: file.to_owned(), held: None, is_draft: true, shown }
    }

    /// The record of a blob of which nothing is there yet.
    pub(super) fn empty(size: u64, class: Class, file: &str, shown: u64) -> Self {
        let mut record = Record { is_draft: false, ..Self::whole(size, class, file, shown) };
        record.set_held(&Groups::none(groups_in(size)));
        record
    }

    /// Which groups are there.
    pub(super) fn held(&self) -> Groups {
        let total = groups_in(self.size);
        match &self.held {
            None => Groups::all(total),
            // What cannot be read counts for nothing.
            Some(bytes) => Groups::from_bytes(total, bytes).unwrap_or_else(|| Groups::none(total)),
        }
    }

    pub(super) fn set_held(&mut self, held: &Groups) {
        self.held = (!held.is_all()).then(|| held.to_bytes());
    }

    /// Whether all of it is there.
    pub(super) fn is_whole(&self) -> bool {
        self.held.is_none()
    }

    /// Whether another record says something that other tabs want to know: anything but which groups are there of a part.
    pub(super) fn is_news_after(&self, before: &Self) -> bool {
        let held = before.held.clone();
        self.is_whole() != before.is_whole() || Record { held, ..self.clone() } != *before
    }

    /// Bytes of it that are there, to the nearest group.
    pub(super) fn held_bytes(&self) -> u64 {
        if self.is_whole() {
            return self.size;
        }
        let held = u64::from(self.held().count());
        (held * chanterelle_core::media::tree::GROUP_BYTES).min(self.size)
    }

    /// The file with its tree.
    pub(super) fn tree(&self) -> String {
        tree_of(&self.file)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("records encode")
    }

    /// Nothing for what cannot be read, which is as good as no blob.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let record: Record = postcard::from_bytes(bytes).ok()?;
        (record.size > 0).then_some(record)
    }
}

/// What the file with the tree of a file is called.
pub(super) fn tree_of(file: &str) -> String {
    format!("{file}.tree")
}
