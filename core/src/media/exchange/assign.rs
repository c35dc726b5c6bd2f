//! What is asked of whom: wants in their order, of each the rarest groups first, of each peer as much as it is fast.
//!
//! Near the end of a blob, when all of it is under way, who has nothing to do is asked once more for what somebody
//! slower was asked for long ago (the end game of BitTorrent).

use core::time::Duration;

use crate::base::{BlobId, Instant, PeerId};
use crate::media::tree::content_bytes;
use crate::media::{Groups, MediaFrame};

use super::peer::Call;
use super::{Exchange, MediaStream};

/// How long a request is left to one peer alone, at least.
const PATIENCE: Duration = Duration::from_millis(150);

impl Exchange {
    /// Asks for everything that may be asked for now.
    pub(super) fn assign(&mut self) {
        self.assign_at = None;
        let mut free: Vec<PeerId> = self.lines_with_room();
        let wants: Vec<BlobId> = self.order.iter().map(|(_, _, id)| *id).collect();
        for id in wants {
            if free.is_empty() || self.fetching >= self.limits.media_fetching_bytes {
                return;
            }
            let fetch = self.fetches.get_mut(&id).expect("what is in order is fetched");
            if let Some(until) = fetch.paused {
                if until > self.now {
                    self.assign_at = Some(self.assign_at.map_or(until, |at| at.min(until)));
                    continue;
                }
                fetch.paused = None;
            }
            self.assign_blob(id, &mut free);
        }
    }

    /// Peers that may be asked for more, of those that hold anything.
    fn lines_with_room(&self) -> Vec<PeerId> {
        let holding = self.peers.iter().filter(|(_, peer)| !peer.asking.said.is_empty());
        holding.filter(|(_, peer)| peer.asking.has_room(&self.limits)).map(|(id, _)| *id).collect()
    }

    fn assign_blob(&mut self, id: BlobId, free: &mut Vec<PeerId>) {
        let size = self.fetches[&id].size;
        let holds =
            |peer: &PeerId| self.peers[peer].asking.said.get(&id).is_some_and(|said| said.size == size);
        let mut holders: Vec<PeerId> = free.iter().copied().filter(holds).collect();
        // In turns, so that the first does not get all there is.
        while !holders.is_empty() && self.fetching < self.limits.media_fetching_bytes {
            holders.retain(|peer| {
                let is_asked = self.ask_next(id, *peer);
                let has_room = self.peers[peer].asking.has_room(&self.limits);
                if !has_room {
                    free.retain(|other| other != peer);
                }
                is_asked && has_room
            });
        }
        let is_all_under_way =
            self.held.get(&id).is_some_and(|held| !self.fetches[&id].has_free(&held.groups));
        if is_all_under_way {
            self.end_game(id, free);
        }
    }

    /// Asks a peer for the groups that come next of those it has; whether there were any.
    fn ask_next(&mut self, id: BlobId, peer: PeerId) -> bool {
        let (fetch, asking) = (&self.fetches[&id], &self.peers[&peer].asking);
        let (Some(said), Some(held)) = (asking.said.get(&id), self.held.get(&id)) else { return false };
        let next = match fetch.proof(&held.groups).filter(|last| said.groups.contains(*last)) {
            // Nothing else before that, of each who has it: else who holds a part could keep up a lie about the size.
            Some(last) => Some((last, 1)).filter(|_| !asking.live().any(|call| call.id == id)),
            None => fetch.pick(&held.groups, &said.groups, asking.pace.groups(self.limits.media_get_groups)),
        };
        let Some((first, count)) = next else { return false };
        self.ask(id, peer, first, count);
        true
    }

    fn ask(&mut self, id: BlobId, peer: PeerId, first: u32, count: u32) {
        let call = self.name();
        let fetch = self.fetches.get_mut(&id).expect("what is asked for is fetched");
        fetch.asked.insert_all(first..first + count);
        let bytes = content_bytes(fetch.size, first, count);
        let asking = &mut self.peers.get_mut(&peer).expect("it has room").asking;
        let expected = asking.pace.expected(bytes);
        let entry = Call {
            id,
            size: fetch.size,
            first,
            count,
            asked: self.now,
            // Three times as long as silence is borne, and four times as long as it should take.
            deadline: self.now + self.limits.media_stall * 3 + expected * 4,
            bytes,
            is_given_up: false,
            is_doubled: false,
        };
        asking.pace.asked(self.now, bytes);
        asking.calls.insert(call, entry);
        self.fetching += bytes;
        self.touched.insert(peer);
        self.send(peer, MediaStream::Ours, &MediaFrame::Get { call, id, first, count });
    }

    /// Asks peers that have nothing to do for what others are too slow with.
    fn end_game(&mut self, id: BlobId, free: &mut Vec<PeerId>) {
        let Some(holders) = self.holders.get(&id) else { return };
        let mut late: Vec<(Instant, PeerId, u64)> = Vec::new();
        for holder in holders {
            let calls = self.peers[holder].asking.calls.iter();
            let late_ones = calls.filter(|(_, call)| call.id == id && !call.is_given_up && !call.is_doubled);
            late.extend(late_ones.map(|(name, call)| (call.asked, *holder, *name)));
        }
        late.sort_unstable();
        for peer in free.clone() {
            if !self.peers[&peer].asking.pace.is_idle() {
                continue;
            }
            let Some(at) = late.iter().position(|(_, slow, call)| self.could_help(peer, *slow, *call)) else {
                continue;
            };
            let (asked, slow, call) = late[at];
            let Call { first, count, bytes, .. } = self.peers[&slow].asking.calls[&call];
            let due = asked + PATIENCE + self.peers[&peer].asking.pace.expected(bytes) * 2;
            if due > self.now {
                self.assign_at = Some(self.assign_at.map_or(due, |at| at.min(due)));
                continue;
            }
            late.remove(at);
            let slow = &mut self.peers.get_mut(&slow).expect("it was there").asking;
            slow.calls.get_mut(&call).expect("it was there").is_doubled = true;
            self.ask(id, peer, first, count);
            let asking = &mut self.peers.get_mut(&peer).expect("it was asked").asking;
            asking
                .calls
                .values_mut()
                .for_each(|call| call.is_doubled |= call.id == id && call.first == first);
            free.retain(|other| *other != peer);
        }
    }

    /// Whether `peer` has all that `slow` was asked for.
    fn could_help(&self, peer: PeerId, slow: PeerId, call: u64) -> bool {
        let call = self.peers[&slow].asking.calls[&call];
        let said = self.peers[&peer].asking.said.get(&call.id);
        peer != slow
            && said.is_some_and(|said| said.size == call.size && covers(&said.groups, &call))
            && self.fetches.get(&call.id).is_some_and(|fetch| fetch.size == call.size)
    }
}

fn covers(groups: &Groups, call: &Call) -> bool {
    groups.covers(call.first, call.count)
}
