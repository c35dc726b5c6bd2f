//! What is fetched: who wants it, and the room for it.
//!
//! Whether there is room, and that it is taken, takes a while in which the page may think otherwise. So each wish has a
//! number, and is followed only while it is the last one of its blob.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::base::{BlobId, Limits};
use chanterelle_core::media::Groups;
use chanterelle_core::media::exchange::{Input, Priority, Want};
use chanterelle_core::media::quota::{Quota, QuotaError};
use chanterelle_core::media::tree::{groups_in, outboard_bytes};
use wasm_bindgen_futures::spawn_local;

use super::Shell;
use crate::messages::{Class, Fetch, StorageStatus, StoreError, Tab, ToPage, Urgency};
use crate::store::{Store, kept_for};

/// What memory may take where nothing is kept.
pub(super) const MEMORY_QUOTA: u64 = 256 << 20;

/// The quota that is assumed where the browser tells none.
const ASSUMED_QUOTA: u64 = 1 << 30;

/// What is left free of the quota, for posts and for what is being written, as a divisor.
const RESERVE: u64 = 10;

/// How long it takes until peers have said whether they hold something.
const ASKING: Duration = Duration::from_secs(3);

/// A blob that is wanted.
#[derive(Default)]
pub(super) struct Wanted {
    tabs: BTreeSet<Tab>,
    /// The number of the last wish.
    number: u64,
}

/// The same, as core has it.
pub(super) fn priority(urgency: Urgency) -> Priority {
    match urgency {
        Urgency::Thumbnail => Priority::Thumbnail,
        Urgency::Original => Priority::Original,
        Urgency::Background => Priority::Background,
    }
}

impl Shell {
    pub(super) fn want(self: &Rc<Self>, tab: Tab, want: Want, class: Class) {
        let id = want.id;
        if self.is_blocked(&id) {
            return self.port.post(&ToPage::Blob(id, Fetch::Blocked));
        }
        // That no blob has; the exchange would not fetch it either.
        if !(1..=Limits::default().blob_bytes).contains(&want.size) {
            return;
        }
        self.wants.set(self.wants.get() + 1);
        let number = self.wants.get();
        let mut wanted = self.wanted.borrow_mut();
        let wish = wanted.entry(id).or_default();
        wish.tabs.insert(tab);
        wish.number = number;
        drop(wanted);
        let shell = self.clone();
        spawn_local(async move {
            let _room = shell.room.lock().await;
            if !shell.is_last(&id, number) {
                return;
            }
            let outcome = shell.take_room(&want, class).await;
            // Blocked it is not wanted either.
            if !shell.wanted.borrow().contains_key(&id) {
                return shell.remove_empty(id);
            }
            if !shell.is_last(&id, number) {
                return;
            }
            match outcome {
                Ok(None) => {
                    let (size, groups) = shell
                        .store
                        .held_of(&id)
                        .unwrap_or_else(|| (want.size, Groups::none(groups_in(want.size))));
                    shell.tell(Input::Hold { id, size, groups });
                    shell.tell(Input::Want(want));
                }
                Ok(Some(fetch)) => {
                    shell.wanted.borrow_mut().remove(&id);
                    shell.port.post(&ToPage::Blob(id, fetch));
                }
                Err(error) => {
                    shell.wanted.borrow_mut().remove(&id);
                    shell.port.post(&ToPage::Trouble(error));
                }
            }
        });
    }

    pub(super) fn unwant(self: &Rc<Self>, tab: Tab, id: BlobId) {
        let mut wanted = self.wanted.borrow_mut();
        if let Some(wish) = wanted.get_mut(&id) {
            wish.tabs.remove(&tab);
            if !wish.tabs.is_empty() {
                return;
            }
        }
        wanted.remove(&id);
        drop(wanted);
        self.tell(Input::Unwant(id));
        // Room is kept for what has begun to come.
        self.remove_empty(id);
    }

    /// Whether the wish of this number is the last one of the blob.
    fn is_last(&self, id: &BlobId, number: u64) -> bool {
        self.wanted.borrow().get(id).is_some_and(|wish| wish.number == number)
    }

    /// Removes a blob of which nothing came, unless it is wanted again by then.
    fn remove_empty(self: &Rc<Self>, id: BlobId) {
        let shell = self.clone();
        self.ask(async move |store| {
            let _room = shell.room.lock().await;
            let may_go = store.leads() && !shell.wanted.borrow().contains_key(&id);
            if may_go && store.remove_empty(&id).await? {
                shell.tell(Input::Forget(id));
            }
            Ok(())
        });
    }

    /// Sees to it that there is room for a blob. Gives why it is not to be fetched, if so.
    async fn take_room(self: &Rc<Self>, want: &Want, class: Class) -> Result<Option<Fetch>, StoreError> {
        if self.store.held_of(&want.id).is_none() {
            match self.make_room(class, want.size).await? {
                Ok(()) => {}
                Err(QuotaError::Full { .. }) => return Ok(Some(Fetch::NoRoom)),
                Err(QuotaError::Share { .. }) => return Ok(Some(Fetch::NoShare)),
            }
        }
        self.store.expect(&want.id, want.size, class).await?;
        Ok(self.store.is_whole(&want.id).then_some(Fetch::Complete))
    }

    /// Makes room for a blob, or says why there is none. Only whoever leads removes; nobody else fetches. To be called while the
    /// room is held.
    pub(super) async fn make_room(
        self: &Rc<Self>,
        class: Class,
        size: u64,
    ) -> Result<Result<(), QuotaError>, StoreError> {
        let kept = self.store.kept();
        let blobs = kept.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.size));
        let (quota, used) = match self.store.status() {
            StorageStatus::Kept => Store::estimate().await.unwrap_or((ASSUMED_QUOTA, blobs)),
            StorageStatus::MemoryOnly(_) => (MEMORY_QUOTA, blobs),
        };
        // What is not blobs is not ours to remove.
        let total = (quota - quota / RESERVE).saturating_sub(used.saturating_sub(blobs));
        let quota = Quota { total, ..Quota::of(quota) };
        let evicted = match quota.evict(&kept, size + outboard_bytes(size), kept_for(class)) {
            Ok(evicted) if self.store.leads() => evicted,
            other => return Ok(other.map(drop)),
        };
        let mut gone = Vec::new();
        for id in evicted {
            if self.store.evict(&id).await? {
                self.tell(Input::Forget(id));
                if self.wanted.borrow_mut().remove(&id).is_some() {
                    self.port.post(&ToPage::Blob(id, Fetch::NoRoom));
                }
                gone.push(id);
            }
        }
        if !gone.is_empty() {
            self.port.post(&ToPage::Changed(gone));
        }
        Ok(Ok(()))
    }

    /// Has the holders of these found. That nobody holds one is no news before peers can have said so.
    pub(super) fn watch(self: &Rc<Self>, ids: Vec<BlobId>) {
        let now: BTreeSet<BlobId> = ids.iter().copied().collect();
        let before = self.watched.replace(now.clone());
        if !self.store.leads() {
            return;
        }
        let fresh: Vec<BlobId> = now.difference(&before).copied().collect();
        self.unasked.borrow_mut().extend(fresh.iter().copied());
        self.tell(Input::Watch(ids));
        if fresh.is_empty() {
            return;
        }
        let shell = self.clone();
        spawn_local(async move {
            futures_timer::Delay::new(ASKING).await;
            for id in fresh {
                if shell.unasked.borrow_mut().remove(&id) && shell.watched.borrow().contains(&id) {
                    let (held, total) = shell
                        .store
                        .held_of(&id)
                        .map_or((0, 0), |(_, groups)| (groups.count(), groups.total()));
                    shell.port.post(&ToPage::Blob(id, Fetch::Progress { held, total, holders: 0 }));
                }
            }
        });
    }
}
