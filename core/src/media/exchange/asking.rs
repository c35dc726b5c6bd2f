//! Our streams, and what comes on them: who holds what, and the answers to what was asked.

use crate::base::{BlobId, Instant, PeerId};
use crate::media::tree::{content_bytes, verify};
use crate::media::{Groups, HeldItem, MediaFrame};

use super::pace::Pace;
use super::peer::{Asking, Call, Line, OURS_UNFLUSHED, Said};
use super::{CloseReason, Exchange, MediaStream, Output, Writing};

/// A stream that does not come is tried again after 2^5 times the first pause at most.
const DOUBLINGS: u32 = 5;

impl Exchange {
    pub(super) fn opened(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.asking.line == Line::Opening) {
            peer.asking.line = Line::Open;
            self.touched.insert(id);
        }
    }

    /// The stream broke, or could not be opened.
    pub(super) fn line_broke(&mut self, id: PeerId) {
        if self.peers.get(&id).is_none_or(|peer| matches!(peer.asking.line, Line::Shut(_))) {
            return;
        }
        self.drop_line(id);
        let asking = &mut self.peers.get_mut(&id).expect("it was there").asking;
        let pause = self.limits.media_reopen * 2_u32.pow(asking.failures.min(DOUBLINGS));
        asking.failures += 1;
        asking.line = Line::Shut(self.now + pause);
        self.touched.insert(id);
    }

    /// Forgets all that was said and asked on our stream; others are asked for it.
    pub(super) fn drop_line(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let asking = core::mem::take(&mut peer.asking);
        peer.asking.wish = asking.wish;
        peer.asking.failures = asking.failures;
        peer.asking.line = Line::Shut(self.now);
        for (blob, said) in &asking.said {
            self.unlist(id, blob, said);
        }
        for call in asking.calls.values().filter(|call| !call.is_given_up) {
            self.fetching = self.fetching.saturating_sub(call.bytes);
            self.release(call);
        }
        asking.said.keys().for_each(|blob| self.mind_found(blob));
        self.looks_changed |= !asking.said.is_empty();
        self.may_assign = true;
    }

    /// Opens, uses or closes our stream as what is to be looked for demands.
    pub(super) fn tend_line(&mut self, id: PeerId) {
        let (now, idle) = (self.now, self.limits.media_idle);
        let Some(asking) = self.peers.get_mut(&id).map(|peer| &mut peer.asking) else { return };
        match asking.line {
            Line::Shut(until) if until <= now && !asking.wish.is_empty() => {
                asking.line = Line::Opening;
                self.outputs.push_back(Output::OpenStream(id));
            }
            Line::Open if asking.wish != asking.looked && asking.unflushed < OURS_UNFLUSHED => {
                asking.looked.clone_from(&asking.wish);
                asking.idle = asking.wish.is_empty().then_some(now);
                let ids = asking.wish.iter().copied().collect();
                let dropped: Vec<BlobId> =
                    asking.said.keys().filter(|id| !asking.looked.contains(id)).copied().collect();
                self.send(id, MediaStream::Ours, &MediaFrame::Look { ids });
                dropped.iter().for_each(|blob| self.unsay(id, blob));
            }
            Line::Open if asking.calls.is_empty() && asking.idle.is_some_and(|since| since + idle <= now) => {
                let (peer, stream, reason) = (id, MediaStream::Ours, CloseReason::Idle);
                self.outputs.push_back(Output::CloseStream { peer, stream, reason });
                self.drop_line(id);
            }
            Line::Shut(_) | Line::Opening | Line::Open => {}
        }
    }

    /// When there is something to do about what is asked, though nothing comes.
    pub(super) fn asking_due(&self, asking: &Asking) -> Option<Instant> {
        match asking.line {
            Line::Shut(until) => (!asking.wish.is_empty()).then_some(until),
            Line::Opening => None,
            Line::Open => {
                let idle = asking
                    .idle
                    .filter(|_| asking.calls.is_empty())
                    .map(|since| since + self.limits.media_idle);
                let deadlines = asking.live().map(|call| call.deadline);
                let stall =
                    asking.stalls_at(&self.limits).into_iter().chain(asking.restarts_at(&self.limits));
                deadlines.chain(idle).chain(stall).min()
            }
        }
    }

    /// Gives up what was not answered in time.
    pub(super) fn give_up(&mut self, id: PeerId) {
        let now = self.now;
        let Some(asking) = self.peers.get_mut(&id).map(|peer| &mut peer.asking) else { return };
        let is_stalled = asking.stalls_at(&self.limits).is_some_and(|at| at <= now);
        asking.is_stalled |= is_stalled;
        if is_stalled {
            self.looks_changed = true;
            self.mind_found_with(id);
        }
        let asking = &self.peers[&id].asking;
        let restarts = asking.restarts_at(&self.limits).is_some_and(|at| at <= now);
        self.give_up_calls(id, |call| is_stalled || call.deadline <= now);
        if restarts {
            let (peer, stream, reason) = (id, MediaStream::Ours, CloseReason::Stalled);
            self.outputs.push_back(Output::CloseStream { peer, stream, reason });
            self.line_broke(id);
            self.peers.get_mut(&id).expect("it was there").asking.pace = Pace::slow();
        }
    }

    /// Lets others be asked for those of the peer's requests that are like this.
    pub(super) fn give_up_calls(&mut self, id: PeerId, is_meant: impl Fn(&Call) -> bool) {
        let Some(asking) = self.peers.get_mut(&id).map(|peer| &mut peer.asking) else { return };
        let mut given_up = Vec::new();
        for call in asking.calls.values_mut().filter(|call| !call.is_given_up && is_meant(call)) {
            call.is_given_up = true;
            self.fetching = self.fetching.saturating_sub(call.bytes);
            given_up.push(*call);
        }
        self.may_assign |= !given_up.is_empty();
        self.touched.extend((!given_up.is_empty()).then_some(id));
        given_up.iter().for_each(|call| self.release(call));
    }

    /// The groups of a request that is no more are free, but for those that another was asked for, too.
    fn release(&mut self, call: &Call) {
        let Some(fetch) = self.fetches.get_mut(&call.id).filter(|fetch| fetch.size == call.size) else {
            return;
        };
        let holders = self.holders.get(&call.id).into_iter().flatten();
        let calls = holders.filter_map(|peer| self.peers.get(peer)).flat_map(|peer| peer.asking.live());
        let others: Vec<&Call> =
            calls.filter(|other| other.id == call.id && other.size == call.size).collect();
        for group in call.first..call.first + call.count {
            let is_asked = |other: &&Call| (other.first..other.first + other.count).contains(&group);
            if !others.iter().any(is_asked) {
                fetch.asked.remove(group);
            }
        }
    }

    /// A peer says what it holds.
    pub(super) fn items(&mut self, peer: PeerId, items: Vec<HeldItem>) -> Result<(), CloseReason> {
        for item in items {
            let asking = &mut self.peers.get_mut(&peer).expect("its frame came").asking;
            asking.failures = 0;
            // What was not asked for, or is not any more: its word and ours crossed.
            if !asking.looked.contains(&item.id) {
                continue;
            }
            let groups = item.groups(&self.limits).expect("checked when it was read");
            self.unlist_said(peer, &item.id);
            let asking = &mut self.peers.get_mut(&peer).expect("its frame came").asking;
            if groups.is_none() || asking.bitmaps + bitmap_bytes(&groups) > self.limits.media_bitmap_bytes {
                self.give_up_calls(peer, |call| call.id == item.id);
                self.mind_found(&item.id);
                continue;
            }
            asking.bitmaps += bitmap_bytes(&groups);
            if let Some(fetch) = self.fetches.get_mut(&item.id).filter(|fetch| fetch.size == item.size) {
                fetch.count(&groups, true);
            }
            asking.said.insert(item.id, Said { size: item.size, groups });
            if self.holders.entry(item.id).or_default().insert(peer) {
                self.note_progress(item.id);
            }
            self.mind_found(&item.id);
            self.may_assign = true;
        }
        Ok(())
    }

    /// A peer holds nothing of a blob any more, as far as we are concerned.
    fn unsay(&mut self, peer: PeerId, id: &BlobId) {
        self.unlist_said(peer, id);
        self.give_up_calls(peer, |call| call.id == *id);
        self.mind_found(id);
    }

    fn unlist_said(&mut self, peer: PeerId, id: &BlobId) {
        let asking = &mut self.peers.get_mut(&peer).expect("it is there").asking;
        if let Some(said) = asking.said.remove(id) {
            asking.bitmaps -= bitmap_bytes(&said.groups);
            self.unlist(peer, id, &said);
        }
    }

    fn unlist(&mut self, peer: PeerId, id: &BlobId, said: &Said) {
        if let Some(fetch) = self.fetches.get_mut(id).filter(|fetch| fetch.size == said.size) {
            fetch.count(&said.groups, false);
        }
        if let Some(holders) = self.holders.get_mut(id) {
            holders.remove(&peer);
            if holders.is_empty() {
                self.holders.remove(id);
                self.looks_changed = true;
            }
        }
        self.note_progress(*id);
    }

    /// A peer answers: with a slice, or that it does not.
    pub(super) fn slice(&mut self, peer: PeerId, name: u64, bytes: Option<&[u8]>) -> Result<(), CloseReason> {
        let asking = &mut self.peers.get_mut(&peer).expect("its frame came").asking;
        let call = asking.calls.remove(&name).ok_or(CloseReason::UnknownCall)?;
        asking.pace.answered(self.now, call.asked, call.bytes, if bytes.is_some() { call.bytes } else { 0 });
        asking.failures = 0;
        if core::mem::take(&mut asking.is_stalled) {
            self.looks_changed = true;
            self.mind_found_with(peer);
        }
        self.may_assign = true;
        if !call.is_given_up {
            self.fetching = self.fetching.saturating_sub(call.bytes);
            self.release(&call);
        }
        let Some(bytes) = bytes else {
            self.unsay(peer, &call.id);
            return Ok(());
        };
        let (Some(fetch), Some(held)) = (self.fetches.get_mut(&call.id), self.held.get(&call.id)) else {
            return Ok(());
        };
        if fetch.size != call.size {
            return Ok(());
        }
        let range = call.first..call.first + call.count;
        let is_there = |group: &u32| held.groups.contains(*group) || fetch.writing.contains(*group);
        let twice =
            range.clone().filter(is_there).map(|group| content_bytes(call.size, group, 1)).sum::<u64>();
        self.duplicates += twice;
        if twice == call.bytes {
            return Ok(());
        }
        let Ok(verified) = verify(&call.id, call.size, call.first, call.count, bytes) else {
            self.outputs.push_back(Output::Liar { peer, id: call.id });
            return Err(CloseReason::Liar);
        };
        for group in range {
            fetch.asked.remove(group);
            fetch.writing.insert(group);
        }
        let ticket = self.name();
        self.fetching += call.bytes;
        let Call { id, size, first, count, bytes, .. } = call;
        self.writes.insert(ticket, Writing { id, size, first, count, bytes });
        let (data, parents) = (verified.data, verified.parents);
        self.outputs.push_back(Output::Write { ticket, id, size, first, data, parents });
        Ok(())
    }
}

/// What a bitmap takes in memory; all or nothing takes none.
fn bitmap_bytes(groups: &Groups) -> usize {
    if groups.is_all() || groups.is_none() { 0 } else { groups.words() as usize * 8 }
}
