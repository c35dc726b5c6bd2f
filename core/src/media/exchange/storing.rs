//! What is wanted, what is stored, and what the storage answers.

use crate::base::{BlobId, PeerId};
use crate::media::Groups;
use crate::media::tree::groups_in;

use super::fetch::Fetch;
use super::{Exchange, Holding, Output, Priority, Ticket, Want};

/// Of the hints to one want, so many are kept; the last ones told.
const HINTS: usize = 8;

impl Exchange {
    pub(super) fn want(&mut self, want: Want) {
        let Want { id, size, priority, hints } = want;
        if !(1..=self.limits.blob_bytes).contains(&size) {
            return;
        }
        // All of it is here, whatever size somebody claims.
        if self.held.get(&id).is_some_and(|held| held.groups.is_all()) {
            self.outputs.push_back(Output::Complete(id));
            return;
        }
        // Of what has begun to come the size stays, unless holders say another that is told of here.
        let begun = self.held.get(&id).filter(|held| !held.groups.is_none()).map(|held| held.size);
        let taken = self.fetches.get(&id).map(|fetch| fetch.size).or(begun).unwrap_or(size);
        if self.held.get(&id).is_none_or(|held| held.size != taken) {
            self.forget_writes(&id);
            self.held.insert(id, Holding { size: taken, groups: Groups::none(groups_in(taken)) });
            self.changed(id);
        }
        let before = self.fetches.remove(&id);
        if let Some(before) = &before {
            self.order.remove(&(before.priority, before.order, id));
        }
        let mut fetch = before.unwrap_or_else(|| self.begin(id, taken, priority));
        fetch.priority = priority;
        fetch.hints.retain(|hint| !hints.contains(hint));
        fetch.hints.extend(hints);
        fetch.hints.drain(..fetch.hints.len().saturating_sub(HINTS));
        self.order.insert((priority, fetch.order, id));
        self.fetches.insert(id, fetch);
        self.looks_changed = true;
        self.may_assign = true;
        self.note_progress(id);
        self.note_size(&id, size);
        self.mind_found(&id);
    }

    pub(super) fn begin(&mut self, id: BlobId, size: u64, priority: Priority) -> Fetch {
        let total = groups_in(size);
        let start = u32::try_from(self.rng.below(u64::from(total))).expect("below a number of 32 bits");
        let mut fetch = Fetch::new(size, total, priority, self.name(), start);
        let holders = self.holders.get(&id).into_iter().flatten();
        for said in holders.filter_map(|peer| self.peers[peer].asking.said.get(&id)) {
            if said.size == size {
                fetch.count(&said.groups, true);
            }
        }
        let writes = self.writes.values().filter(|write| write.id == id && write.size == size);
        for write in writes {
            fetch.writing.insert_all(write.first..write.first + write.count);
        }
        fetch
    }

    pub(super) fn unwant(&mut self, id: &BlobId) {
        let Some(fetch) = self.fetches.remove(id) else { return };
        self.order.remove(&(fetch.priority, fetch.order, *id));
        self.give_up_everywhere(id);
        let is_written = self.writes.values().any(|write| write.id == *id);
        if !is_written && self.held.get(id).is_some_and(|held| held.groups.is_none()) {
            self.held.remove(id);
        }
        self.looks_changed = true;
    }

    /// Nobody is waited for any longer who was asked for some of it.
    pub(super) fn give_up_everywhere(&mut self, id: &BlobId) {
        let asked: Vec<PeerId> = self.holders.get(id).into_iter().flatten().copied().collect();
        asked.into_iter().for_each(|peer| self.give_up_calls(peer, |call| call.id == *id));
    }

    pub(super) fn hold(&mut self, id: BlobId, size: u64, groups: Groups) {
        let is_sound = (1..=self.limits.blob_bytes).contains(&size) && groups.total() == groups_in(size);
        let is_other = self.fetches.get(&id).is_some_and(|fetch| fetch.size != size);
        if !is_sound || (is_other && !groups.is_all()) {
            return;
        }
        match self.held.get_mut(&id).filter(|held| held.size == size) {
            Some(held) if !groups.is_all() => {
                let more = (0..groups.total()).filter(|group| groups.contains(*group));
                held.groups.insert_all(more);
            }
            Some(held) => held.groups = groups,
            None => drop(self.held.insert(id, Holding { size, groups })),
        }
        self.changed(id);
        self.complete(id);
        self.prove_size(&id);
        self.mind_found(&id);
    }

    pub(super) fn forget(&mut self, id: &BlobId) {
        self.unwant(id);
        self.forget_writes(id);
        if self.held.remove(id).is_some() {
            self.changed(*id);
        }
    }

    /// Writes under way are of a blob that is not held any more.
    pub(super) fn forget_writes(&mut self, id: &BlobId) {
        let fetching = &mut self.fetching;
        self.writes.retain(|_, write| {
            let is_other = write.id != *id;
            *fetching = fetching.saturating_sub(if is_other { 0 } else { write.bytes });
            is_other
        });
    }

    pub(super) fn write_done(&mut self, ticket: Ticket, stored: bool) {
        let Some(write) = self.writes.remove(&ticket) else { return };
        self.fetching = self.fetching.saturating_sub(write.bytes);
        self.may_assign = true;
        let range = write.first..write.first + write.count;
        if let Some(fetch) = self.fetches.get_mut(&write.id).filter(|fetch| fetch.size == write.size) {
            fetch.writing.remove_all(range.clone());
            if !stored {
                fetch.paused = Some(self.now + self.limits.media_write_retry);
            }
        }
        if let Some(held) = self.held.get_mut(&write.id).filter(|held| held.size == write.size && stored) {
            held.groups.insert_all(range);
            self.changed(write.id);
            self.complete(write.id);
            self.prove_size(&write.id);
            self.mind_found(&write.id);
        }
    }

    /// Ends the fetch of a blob when all of it is stored.
    fn complete(&mut self, id: BlobId) {
        let is_all = self.held.get(&id).is_some_and(|held| held.groups.is_all());
        if is_all && self.fetches.contains_key(&id) {
            self.unwant(&id);
            self.outputs.push_back(Output::Complete(id));
        }
    }

    /// What is held of a blob has changed: the shell and those who look for it are to know.
    pub(super) fn changed(&mut self, id: BlobId) {
        self.note_progress(id);
        for peer in self.lookers.get(&id).into_iter().flatten() {
            let serving = &mut self.peers.get_mut(peer).expect("who looks is there").serving;
            if serving.untold.insert(id) {
                self.touched.insert(*peer);
            }
        }
    }
}
