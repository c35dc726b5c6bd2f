//! Whether somebody has of a blob what is missing here.

use crate::base::{BlobId, PeerId};

use super::Exchange;
use super::peer::{Asking, Said};

impl Exchange {
    /// Whether somebody who can be asked has some of it that is not here; of what is only watched, has any of it.
    pub(super) fn is_found(&self, id: &BlobId) -> bool {
        match self.fetches.get(id) {
            Some(fetch) => fetch.is_found,
            None => self.sayers(id).next().is_some(),
        }
    }

    /// Finds out anew whether a fetch is found. When it is no longer, others are to be asked for it.
    pub(super) fn mind_found(&mut self, id: &BlobId) {
        let Some(fetch) = self.fetches.get(id) else { return };
        let is_found = self.is_offered(id, fetch.size);
        let fetch = self.fetches.get_mut(id).expect("it was there");
        self.looks_changed |= fetch.is_found && !is_found;
        fetch.is_found = is_found;
    }

    /// The same of everything that a peer holds some of.
    pub(super) fn mind_found_with(&mut self, peer: PeerId) {
        let said: Vec<BlobId> = self.peers[&peer].asking.said.keys().copied().collect();
        said.iter().for_each(|id| self.mind_found(id));
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
