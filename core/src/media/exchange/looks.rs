//! Who is to look for what: all of a few peers, of many those that probably hold it and some others in turn.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{BlobId, Instant, PeerId};

use super::Exchange;

/// Places that watched blobs have among those that are looked for, however many are wanted.
const WATCHED: usize = 64;

impl Exchange {
    pub(super) fn watch(&mut self, ids: Vec<BlobId>) {
        let before = core::mem::take(&mut self.watched);
        self.watched.extend(ids.into_iter().take(self.limits.media_look));
        self.progress.extend(self.watched.difference(&before));
        self.looks_changed |= self.watched != before;
    }

    /// When what is looked for may be told again: many wants at a time are one frame.
    pub(super) fn looks_due(&self) -> Instant {
        self.looked_at.map_or(self.now, |at| at + self.limits.media_look_every)
    }

    /// Lets others be asked, and other blobs be asked for, when the turn of those before is over.
    pub(super) fn end_turn(&mut self) {
        if self.turn_ends.is_none_or(|end| end > self.now) {
            return;
        }
        self.turn_ends = None;
        self.turn = self.in_turn().last().copied().unwrap_or(self.turn);
        let unfound: Vec<BlobId> = self.looked_for().into_iter().filter(|id| !self.is_found(id)).collect();
        for id in unfound {
            if let Some(fetch) = self.fetches.get_mut(&id) {
                fetch.turns = fetch.turns.saturating_add(1);
            }
        }
        self.looks_changed = true;
    }

    /// Decides anew what each peer is to look for.
    pub(super) fn follow_looks(&mut self) {
        self.looks_changed = false;
        let ids = self.looked_for();
        let is_few = self.peers.len() <= self.limits.media_ask_all;
        let mut wishes: BTreeMap<PeerId, BTreeSet<BlobId>> = BTreeMap::new();
        if is_few {
            let all: BTreeSet<BlobId> = ids.iter().copied().collect();
            let peers = self.peers.keys().filter(|peer| !self.is_banned(peer));
            wishes.extend(peers.map(|peer| (*peer, all.clone())));
        } else {
            let in_turn = self.in_turn();
            for id in &ids {
                let holders = self.holders.get(id).into_iter().flatten();
                let hints = self.fetches.get(id).into_iter().flat_map(|fetch| &fetch.hints);
                let others = in_turn.iter().take(if self.is_found(id) { 0 } else { in_turn.len() });
                for peer in holders.chain(hints).chain(others) {
                    wishes.entry(*peer).or_default().insert(*id);
                }
            }
            wishes.retain(|peer, _| self.peers.contains_key(peer) && !self.is_banned(peer));
        }
        for (id, peer) in &mut self.peers {
            let wish = wishes.remove(id).unwrap_or_default();
            if peer.asking.wish != wish {
                peer.asking.wish = wish;
                self.touched.insert(*id);
                self.looked_at = Some(self.now);
            }
        }
        let is_unfound = !is_few && ids.iter().any(|id| !self.is_found(id));
        let takes_turns = is_unfound || self.fetches.len() > ids.len();
        self.turn_ends = match self.turn_ends {
            _ if !takes_turns => None,
            None => Some(self.now + self.limits.media_ask_every),
            end => end,
        };
    }

    /// What is looked for, as far as there is room: first what is found or was looked for least, then what is
    /// needed soonest.
    fn looked_for(&self) -> Vec<BlobId> {
        let mut wanted: Vec<(u32, &(_, u64, BlobId))> = self
            .order
            .iter()
            .map(|entry| (if self.is_found(&entry.2) { 0 } else { self.fetches[&entry.2].turns }, entry))
            .collect();
        wanted.sort_unstable();
        let most = self.limits.media_look;
        let room = most - self.watched.len().min(WATCHED).min(most);
        let mut ids: Vec<BlobId> = wanted.iter().take(room).map(|(_, (_, _, id))| *id).collect();
        let watched = self.watched.iter().filter(|id| !self.fetches.contains_key(id));
        ids.extend(watched.take(most - ids.len()));
        ids
    }

    /// Those whose turn it is, of many peers.
    fn in_turn(&self) -> Vec<PeerId> {
        use core::ops::Bound::{Excluded, Unbounded};
        let behind = self.peers.range((Excluded(self.turn), Unbounded));
        let before = self.peers.range(..=self.turn);
        let peers = behind.chain(before).map(|(id, _)| *id).filter(|id| !self.is_banned(id));
        peers.take(self.limits.media_ask_some).collect()
    }
}
