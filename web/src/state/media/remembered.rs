//! What the person has said of files, remembered in this browser alone.

use chanterelle_core::base::{BlobId, BoardId};
use leptos::prelude::*;

use super::{BlobState, Class, Media};
use crate::media::ToMedia;

const BOARDS: &str = "chanterelle.boards-shown";
pub(super) const BLOCKED: &str = "chanterelle.blocked";
pub(super) const KEPT: &str = "chanterelle.kept";

/// More than a person says in years; local storage has room for five megabytes.
const MOST: usize = 10_000;

/// Blobs of which something was said, in any tab of this browser.
pub(super) struct Ids {
    item: &'static str,
    /// Sorted.
    ids: Vec<BlobId>,
}

impl Ids {
    pub(super) fn remembered(item: &'static str) -> Ids {
        let mut ids = Ids { item, ids: Vec::new() };
        ids.look_again();
        ids
    }

    /// Takes up what other tabs have said.
    pub(super) fn look_again(&mut self) {
        if let Some(text) = text(self.item) {
            self.ids = list(&text).collect();
            self.ids.sort_unstable();
            self.ids.dedup();
        }
    }

    pub(super) fn has(&self, id: &BlobId) -> bool {
        self.ids.binary_search(id).is_ok()
    }

    pub(super) fn count(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn all(&self) -> Vec<BlobId> {
        self.ids.clone()
    }

    /// Says it of blobs, or takes it back.
    pub(super) fn set(&mut self, ids: &[BlobId], said: bool) {
        self.look_again();
        let mut changed = false;
        for id in ids {
            changed |= match (self.ids.binary_search(id), said) {
                (Err(place), true) if self.ids.len() < MOST => {
                    self.ids.insert(place, *id);
                    true
                }
                (Ok(place), false) => {
                    self.ids.remove(place);
                    true
                }
                _ => false,
            };
        }
        if changed {
            keep(self.item, self.ids.iter().map(ToString::to_string));
        }
    }
}

impl Media {
    /// Keeps a blob when room is needed, or no longer. `class` is whose it is.
    pub(crate) fn pin(self, blob: BlobId, kept: bool, class: Class) {
        self.inner.update_value(|inner| {
            inner.kept.set(&[blob], kept);
            if let Some(entry) = inner.blobs.get(&blob) {
                entry.blob.kept.set(kept);
            }
        });
        let class = if kept { class.min(Class::Pinned) } else { class };
        self.say(&ToMedia::Classify { ids: vec![blob], class });
    }

    /// Never shows, keeps or gives out these blobs again; or takes that back.
    pub(crate) fn block(self, blobs: &[BlobId], blocked: bool) {
        self.inner.update_value(|inner| {
            inner.blocked.set(blobs, blocked);
            for blob in blobs {
                if let Some(entry) = inner.blobs.get_mut(blob) {
                    entry.block(blocked);
                }
            }
        });
        self.say_blocked();
        self.gather();
    }

    /// Takes back all that was blocked.
    pub(crate) fn unblock_all(self) {
        let all = self.inner.with_value(|inner| inner.blocked.all());
        self.block(&all, false);
    }

    /// Whether the person does not want to see this blob.
    pub(crate) fn is_blocked(self, blob: &BlobId) -> bool {
        self.inner.with_value(|inner| inner.blocked.has(blob))
    }

    /// Follows what was said in other tabs.
    pub(super) fn look_again(self) {
        self.inner.update_value(|inner| {
            inner.blocked.look_again();
            inner.kept.look_again();
            for (id, entry) in &mut inner.blobs {
                let (blocked, kept) = (inner.blocked.has(id), inner.kept.has(id));
                if blocked != (entry.blob.state.get_untracked() == BlobState::Blocked) {
                    entry.block(blocked);
                }
                if kept != entry.blob.kept.get_untracked() {
                    entry.blob.kept.set(kept);
                }
            }
        });
        if let Some(boards) = boards() {
            self.boards.set(boards);
        }
        self.say_blocked();
        self.gather();
    }

    /// Whether thumbnails of this board come without being asked for. Tracked.
    pub(crate) fn shows(self, board: BoardId) -> bool {
        self.boards.with(|boards| boards.contains(&board))
    }

    /// Says so, from now on; remembered in this browser.
    pub(crate) fn show(self, board: BoardId, shown: bool) {
        self.boards.update(|boards| {
            // Another tab may have said something of others.
            *boards = self::boards().unwrap_or_else(|| std::mem::take(boards));
            boards.retain(|other| *other != board);
            if shown {
                boards.push(board);
            }
        });
        self.boards.with_untracked(|boards| remember_boards(boards));
    }
}

/// Whether this is where something of files is remembered.
pub(super) fn is_ours(item: &str) -> bool {
    [BLOCKED, KEPT, BOARDS].contains(&item)
}

/// Boards whose thumbnails come without being asked for.
pub(super) fn boards() -> Option<Vec<BoardId>> {
    Some(list(&text(BOARDS)?).map(|BlobId(id)| BoardId(id)).collect())
}

pub(super) fn remember_boards(boards: &[BoardId]) {
    keep(BOARDS, boards.iter().map(ToString::to_string));
}

/// What is remembered; none where nothing is, or can be.
fn text(item: &str) -> Option<String> {
    window().local_storage().ok()??.get_item(item).ok()?
}

/// Ids in hexadecimal, a line each; what is none is passed over.
fn list(text: &str) -> impl Iterator<Item = BlobId> {
    text.lines().take(MOST).filter_map(|line| line.parse().ok())
}

fn keep(item: &str, ids: impl Iterator<Item = String>) {
    let storage = window().local_storage().ok().flatten();
    if let Some(storage) = storage {
        // Where nothing can be remembered it holds for this visit.
        let _ = storage.set_item(item, &ids.collect::<Vec<_>>().join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_several_tabs_say_is_remembered_of_all() {
        let item = "test.ids";
        keep(item, std::iter::empty());
        let (mut one, mut other) = (Ids::remembered(item), Ids::remembered(item));
        let [first, second] = [1, 2].map(|n| BlobId([n; 32]));
        one.set(&[first], true);
        other.set(&[second], true);
        assert!(other.has(&first) && !one.has(&second));
        one.look_again();
        assert_eq!(one.all(), [first, second]);
        other.set(&[first], false);
        assert_eq!(Ids::remembered(item).all(), [second]);
    }
}
