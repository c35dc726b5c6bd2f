//! Whether somebody has of a blob what is missing here, and of which size the blob then is.
//!
//! Events may lie about the size, so that of a few that events say the holders choose one. The last group proves it: no
//! slice with it verifies by another size, and nothing changes the size after that.

use crate::base::{BlobId, PeerId};

use super::peer::{Asking, Said};
use super::{Exchange, Groups, Holding};
use crate::media::tree::groups_in;

/// Of sizes that events say beside the one that is fetched, so many are remembered.
const OTHER_SIZES: usize = 3;

impl Exchange {
    /// Whether somebody who can be asked has some of it that is not here; of what is only watched, has any of it.
    pub(super) fn is_found(&self, id: &BlobId) -> bool {
        match self.fetches.get(id) {
            Some(fetch) => fetch.is_found,
            None => self.sayers(id).next().is_some(),
        }
    }

    /// Finds out anew whether a fetch is found, if need be by another of its sizes. When it is no longer, others are to be
    /// asked for it.
    pub(super) fn mind_found(&mut self, id: &BlobId) {
        let Some(fetch) = self.fetches.get(id) else { return };
        let mut is_found = self.is_offered(id, fetch.size);
        if !is_found {
            let other = fetch.other_sizes.iter().copied().find(|size| self.is_offered(id, *size));
            other.into_iter().for_each(|size| self.take_size(id, size));
            is_found = other.is_some();
        }
        let fetch = self.fetches.get_mut(id).expect("it was there");
        self.looks_changed |= fetch.is_found && !is_found;
        fetch.is_found = is_found;
    }

    /// The same of everything that a peer holds some of.
    pub(super) fn mind_found_with(&mut self, peer: PeerId) {
        let said: Vec<BlobId> = self.peers[&peer].asking.said.keys().copied().collect();
        said.iter().for_each(|id| self.mind_found(id));
    }

    /// Remembers that an event says that a blob that is fetched has this size. Of many such sizes those that nobody who
    /// holds it says are forgotten, the first one first.
    pub(super) fn note_size(&mut self, id: &BlobId, size: u64) {
        let Some(fetch) = self.fetches.get(id) else { return };
        let is_proven = self.held.get(id).is_some_and(|held| held.groups.contains(held.groups.total() - 1));
        if is_proven || fetch.size == size || fetch.other_sizes.contains(&size) {
            return;
        }
        let is_full = fetch.other_sizes.len() >= OTHER_SIZES;
        let nobodys = fetch.other_sizes.iter().position(|other| is_full && !self.is_offered(id, *other));
        let fetch = self.fetches.get_mut(id).expect("it was there");
        if let Some(at) = nobodys {
            fetch.other_sizes.remove(at);
        }
        if fetch.other_sizes.len() < OTHER_SIZES {
            fetch.other_sizes.push(size);
        }
    }

    /// What else events say is forgotten once the size is proven.
    pub(super) fn prove_size(&mut self, id: &BlobId) {
        let Some(fetch) = self.fetches.get_mut(id) else { return };
        let held = self.held.get(id).filter(|held| held.size == fetch.size);
        if held.is_some_and(|held| held.groups.contains(held.groups.total() - 1)) {
            fetch.other_sizes.clear();
        }
    }

    /// Begins a blob anew as one of another of its sizes.
    fn take_size(&mut self, id: &BlobId, size: u64) {
        let Some(before) = self.fetches.remove(id) else { return };
        self.give_up_everywhere(id);
        self.forget_writes(id);
        self.held.insert(*id, Holding { size, groups: Groups::none(groups_in(size)) });
        let mut fetch = self.begin(*id, size, before.priority);
        (fetch.order, fetch.hints, fetch.turns) = (before.order, before.hints, before.turns);
        fetch.other_sizes = before.other_sizes.into_iter().filter(|other| *other != size).collect();
        fetch.other_sizes.push(before.size);
        self.fetches.insert(*id, fetch);
        self.changed(*id);
        self.may_assign = true;
    }

    /// Whether somebody who can be asked has some of a blob of this size that is not here.
    fn is_offered(&self, id: &BlobId, size: u64) -> bool {
        let held = self.held.get(id).filter(|held| held.size == size);
        let offers = |said: &Said| {
            said.size == size && held.is_none_or(|held| said.groups.has_more_than(&held.groups))
        };
        self.sayers(id).any(|asking| offers(&asking.said[id]))
    }

    /// Those who can be asked and say that they hold some of a blob.
    fn sayers(&self, id: &BlobId) -> impl Iterator<Item = &Asking> {
        let holders = self.holders.get(id).into_iter().flatten();
        let asking = holders.filter_map(|peer| self.peers.get(peer)).map(|peer| &peer.asking);
        asking.filter(|asking| !asking.is_stalled && asking.said.contains_key(id))
    }
}
