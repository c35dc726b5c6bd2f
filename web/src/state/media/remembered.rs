//! What the person has said of files, remembered in this browser alone.

use std::collections::BTreeSet;

use chanterelle_core::base::{BlobId, BoardId};
use leptos::prelude::window;

const BOARDS: &str = "chanterelle.boards-shown";

/// More than a person says in years; local storage has room for five megabytes.
const MOST: usize = 10_000;

/// Blobs of which something was said.
pub(super) struct Ids {
    item: &'static str,
    ids: BTreeSet<BlobId>,
}

impl Ids {
    pub(super) fn remembered(item: &'static str) -> Ids {
        Ids { item, ids: list(item).collect() }
    }

    pub(super) fn has(&self, id: &BlobId) -> bool {
        self.ids.contains(id)
    }

    pub(super) fn count(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn all(&self) -> Vec<BlobId> {
        self.ids.iter().copied().collect()
    }

    /// Says it of blobs, or takes it back.
    pub(super) fn set(&mut self, ids: &[BlobId], said: bool) {
        let mut changed = false;
        for id in ids {
            changed |= match said {
                true if self.ids.len() >= MOST => false,
                true => self.ids.insert(*id),
                false => self.ids.remove(id),
            };
        }
        if changed {
            keep(self.item, self.ids.iter().map(ToString::to_string));
        }
    }
}

/// Boards whose thumbnails come without being asked for.
pub(super) fn boards() -> Vec<BoardId> {
    list(BOARDS).map(|BlobId(id)| BoardId(id)).collect()
}

pub(super) fn remember_boards(boards: &[BoardId]) {
    keep(BOARDS, boards.iter().map(ToString::to_string));
}

/// Ids in hexadecimal, a line each; what is none is passed over.
fn list(item: &str) -> impl Iterator<Item = BlobId> + use<> {
    let storage = window().local_storage().ok().flatten();
    let text = storage.and_then(|storage| storage.get_item(item).ok().flatten()).unwrap_or_default();
    let ids: Vec<BlobId> = text.lines().take(MOST).filter_map(|line| line.parse().ok()).collect();
    ids.into_iter()
}

fn keep(item: &str, ids: impl Iterator<Item = String>) {
    let storage = window().local_storage().ok().flatten();
    if let Some(storage) = storage {
        // Where nothing can be remembered it holds for this visit.
        let _ = storage.set_item(item, &ids.collect::<Vec<_>>().join("\n"));
    }
}
