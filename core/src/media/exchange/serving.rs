//! Their streams: what peers look for and ask for, and how it is given out.
//!
//! Peers are served in turn, a request each; of one peer no more is read than its connection takes.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use crate::base::{BlobId, Instant, PeerId};
use crate::media::tree::slice_bytes;
use crate::media::{Groups, HeldItem, MediaFrame};

use super::peer::{Get, Serving};
use super::{CloseReason, Exchange, MediaStream, Output, Reading, Ticket};

/// Room left in a frame for one more bitmap of the largest blob.
const BITMAP_ROOM: usize = 40 * 1024;

impl Exchange {
    pub(super) fn accepted(&mut self, id: PeerId) {
        self.close_serving(id);
        let reason = match () {
            () if self.is_banned(&id) => CloseReason::Banned,
            // It opens another later, and must not wait for answers on this one.
            () if !self.peers.contains_key(&id) => CloseReason::NoSession,
            () => {
                let epoch = self.name();
                let serving = &mut self.peers.get_mut(&id).expect("it was there").serving;
                return (serving.is_open, serving.epoch) = (true, epoch);
            }
        };
        self.outputs.push_back(Output::CloseStream { peer: id, stream: MediaStream::Theirs, reason });
    }

    /// Forgets what was asked on a stream that is no more; what is being read for it is dropped when it comes.
    pub(super) fn close_serving(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let before = core::mem::take(&mut peer.serving);
        before.looks.keys().for_each(|blob| self.looks_no_longer(id, blob));
        self.handed_out -= before.handed_out();
        self.mind_hunger(id);
        self.touched.insert(id);
    }

    /// A peer says what it looks for. What that adds is followed when the last time was long enough ago. What it looks for no
    /// longer is forgotten at once: it has forgotten what it was told of that, and is to be told again when it looks for it
    /// again, however soon.
    pub(super) fn look(&mut self, id: PeerId, ids: Vec<BlobId>) -> Result<(), CloseReason> {
        let ids: BTreeSet<BlobId> = ids.into_iter().collect();
        let serving = &mut self.peers.get_mut(&id).expect("its frame came").serving;
        let gone: Vec<BlobId> = serving.looks.keys().filter(|blob| !ids.contains(blob)).copied().collect();
        for blob in &gone {
            serving.looks.remove(blob);
            serving.untold.remove(blob);
        }
        serving.next_looks = Some(ids);
        gone.iter().for_each(|blob| self.looks_no_longer(id, blob));
        Ok(())
    }

    pub(super) fn follow_their_looks(&mut self, id: PeerId) {
        let (now, every) = (self.now, self.limits.media_look_every);
        let Some(serving) = self.peers.get_mut(&id).map(|peer| &mut peer.serving) else { return };
        let is_due = serving.looked_at.is_none_or(|at| at + every <= now);
        let Some(looks) = serving.next_looks.take_if(|_| is_due) else { return };
        serving.looked_at = Some(now);
        for blob in looks {
            if let Entry::Vacant(new) = serving.looks.entry(blob) {
                new.insert(None);
                serving.untold.insert(blob);
                self.lookers.entry(blob).or_default().insert(id);
            }
        }
    }

    fn looks_no_longer(&mut self, id: PeerId, blob: &BlobId) {
        if let Some(lookers) = self.lookers.get_mut(blob) {
            lookers.remove(&id);
            if lookers.is_empty() {
                self.lookers.remove(blob);
            }
        }
    }

    /// Tells a peer what has changed of that it looks for, each blob not too often.
    pub(super) fn tell(&mut self, id: PeerId) {
        loop {
            let Some(serving) = self.peers.get_mut(&id).map(|peer| &mut peer.serving) else { return };
            if !serving.has_room(&self.limits, self.handed_out) {
                return;
            }
            let (mut items, mut bytes) = (Vec::new(), 0);
            for blob in serving.untold.clone() {
                if items.len() == self.limits.media_held
                    || bytes + BITMAP_ROOM > self.limits.media_frame_bytes
                {
                    break;
                }
                let told = serving.looks.get_mut(&blob).expect("only what is looked for is told");
                if told.is_some_and(|at| at + self.limits.media_held_every > self.now) {
                    continue;
                }
                serving.untold.remove(&blob);
                let held = self.held.get(&blob);
                let size = held.map_or(1, |held| held.size);
                let groups = held.map_or_else(|| Groups::none(1), |held| held.groups.clone());
                // Nobody has to be told that there is still nothing.
                if groups.is_none() && told.is_none() {
                    continue;
                }
                *told = Some(self.now);
                let item = HeldItem::new(blob, size, &groups);
                bytes += 64 + item.groups.as_ref().map_or(0, Vec::len);
                items.push(item);
            }
            if items.is_empty() {
                return;
            }
            self.send(id, MediaStream::Theirs, &MediaFrame::Held { items });
        }
    }

    /// When there is something to say to a peer, though nothing comes.
    pub(super) fn serving_due(&self, serving: &Serving) -> Option<Instant> {
        let look =
            serving.next_looks.as_ref().and(serving.looked_at).map(|at| at + self.limits.media_look_every);
        let told = serving.untold.iter().filter_map(|blob| serving.looks.get(blob).copied().flatten());
        let tell = told.min().map(|at| at + self.limits.media_held_every);
        // Who does not read is told when it does.
        tell.filter(|_| serving.has_room(&self.limits, self.handed_out)).into_iter().chain(look).min()
    }

    /// A peer asks for groups.
    pub(super) fn get(&mut self, id: PeerId, get: Get) -> Result<(), CloseReason> {
        let serving = &mut self.peers.get_mut(&id).expect("its frame came").serving;
        if serving.calls.len() >= self.limits.media_gets {
            return Err(CloseReason::TooManyGets);
        }
        if !serving.calls.insert(get.call) {
            return Err(CloseReason::RepeatedCall);
        }
        serving.queue.push_back(get);
        self.mind_hunger(id);
        Ok(())
    }

    /// Whether a peer has requests that could be begun.
    pub(super) fn mind_hunger(&mut self, id: PeerId) {
        let serving = &self.peers[&id].serving;
        let has_some = serving.handed_out() > 0;
        self.hungry.remove(&(!has_some, id));
        // What is handed out to others may be less when its turn comes.
        if serving.has_room(&self.limits, 0) && !serving.queue.is_empty() {
            self.hungry.insert((has_some, id));
        } else {
            self.hungry.remove(&(has_some, id));
        }
    }

    /// Whose request is begun next: first of those to whom nothing is handed out, in turn.
    fn next_hungry(&self) -> Option<PeerId> {
        use core::ops::Bound::{Excluded, Included};
        let last = PeerId([u8::MAX; 32]);
        let next = |has_some: bool| {
            let behind = self.hungry.range((Excluded((has_some, self.served)), Included((has_some, last))));
            let before = self.hungry.range((has_some, PeerId::default())..=(has_some, self.served));
            behind.chain(before).next().map(|(_, peer)| *peer)
        };
        let is_full = self.handed_out >= self.limits.media_unflushed_total;
        next(false).or_else(|| next(true).filter(|_| !is_full))
    }

    /// Begins requests, a peer after the other, while the storage may be asked for more.
    pub(super) fn serve(&mut self) {
        while self.reads.len() < self.limits.media_reads {
            let Some(id) = self.next_hungry() else { return };
            self.served = id;
            self.touched.insert(id);
            let serving = &mut self.peers.get_mut(&id).expect("who is hungry is there").serving;
            let get = serving.queue.pop_front().expect("who is hungry has asked");
            let held = self.held.get(&get.id).filter(|held| held.groups.covers(get.first, get.count));
            if let Some(size) = held.map(|held| held.size) {
                let bytes = slice_bytes(size, get.first, get.count).expect("what is held is there");
                serving.reading += bytes;
                self.handed_out += bytes;
                let (epoch, ticket) = (serving.epoch, self.name());
                let Get { call, id: blob, first, count } = get;
                self.reads.insert(ticket, Reading { peer: id, epoch, call, id: blob, bytes });
                self.outputs.push_back(Output::Read { ticket, id: blob, size, first, count });
            } else {
                serving.calls.remove(&get.call);
                self.send(id, MediaStream::Theirs, &MediaFrame::None { call: get.call });
            }
            self.mind_hunger(id);
        }
    }

    pub(super) fn read_done(&mut self, ticket: Ticket, slice: Option<Vec<u8>>) {
        let Some(reading) = self.reads.remove(&ticket) else { return };
        let Some(peer) = self.peers.get_mut(&reading.peer) else { return };
        if peer.serving.epoch != reading.epoch {
            return;
        }
        peer.serving.reading -= reading.bytes;
        self.handed_out -= reading.bytes;
        peer.serving.calls.remove(&reading.call);
        let is_held = self.held.contains_key(&reading.id);
        let slice = slice.filter(|slice| is_held && slice.len() as u64 == reading.bytes);
        // To the peer that it is not given means that it is not held; later it is to hear that it is.
        if slice.is_none()
            && is_held
            && let Some(told) = peer.serving.looks.get_mut(&reading.id)
        {
            *told = Some(self.now);
            peer.serving.untold.insert(reading.id);
        }
        let call = reading.call;
        let frame = slice.map_or(MediaFrame::None { call }, |bytes| MediaFrame::Slice { call, bytes });
        self.send(reading.peer, MediaStream::Theirs, &frame);
        self.mind_hunger(reading.peer);
        self.touched.insert(reading.peer);
    }
}
