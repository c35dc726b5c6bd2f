//! The way out: events are sent when the peer has granted credit, new ones before old ones, several to a frame.

use core::time::Duration;
use std::sync::Arc;

use serde_bytes::ByteBuf;

use super::api::{Output, Ticket};
use super::session::Reading;
use super::{Node, Reader};
use crate::base::{EventId, PeerId, map_of};
use crate::crypto::Verify;
use crate::wire::Frame;

/// Between two frames of events, and two of acknowledgements, to one peer: below what a person notices, and together
/// below the rate at which a peer would charge for it.
const PACE: Duration = Duration::from_millis(25);

/// Bytes of events in one frame, below [`crate::base::Limits::frame_bytes`] whatever compression does.
const FRAME_BYTES: usize = 96 * 1024;

impl<V: Verify> Node<V> {
    /// Encodes and sends a frame.
    pub(super) fn send(&mut self, peer: PeerId, frame: &Frame) {
        self.outputs.push_back(Output::Send(peer, frame.encode(&self.limits)));
    }

    /// Has a durable event acknowledged with the next frame of acknowledgements.
    pub(super) fn acknowledge(&mut self, peer: PeerId, id: EventId) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.out.acks.push(id);
            self.touched.insert(peer);
        }
    }

    /// Lets a peer send more, once half of what it was let is used; not while our storage is far behind.
    pub(super) fn grant(&mut self, peer: PeerId) {
        let window = self.limits.window_frames;
        if self.persist.backlog() > self.limits.persist_events * 4 || !self.has_room() {
            return;
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let frames = session.inn.frames + window;
        if frames >= session.inn.granted + window / 2 {
            session.inn.granted = frames;
            self.send(peer, &Frame::Credit { frames });
        }
    }

    /// Says again, now and then, what we want and how much may be sent, and offers again what was never acknowledged.
    /// These are states, not steps: saying them twice does no harm, and a peer that missed them once is not left
    /// without for the rest of the session.
    pub(super) fn refresh(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if session.role.is_none() || session.refresh_at > self.now.instant {
            return;
        }
        session.refresh_at = self.now.instant + self.limits.reconcile_every;
        // Also for whoever was given none while the storage failed.
        self.grant(peer);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let credit = Frame::Credit { frames: session.inn.granted };
        let interest = self.interest_frame();
        self.send(peer, &credit);
        self.send(peer, &interest);
        self.offer_unsent(peer);
        self.repeat_lazy(peer);
        self.meet(peer);
        self.seek(peer);
        self.plan_scopes(peer);
    }

    /// Sends what may be sent to a peer now.
    pub(super) fn pump(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if session.role.is_none() || session.out.not_before > self.now.instant {
            return;
        }
        let mut sent = self.tell_prunes(peer);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        while !session.out.acks.is_empty() {
            let count = session.out.acks.len().min(self.limits.frame_ids);
            let ids = session.out.acks.drain(..count).collect();
            self.outputs.push_back(Output::Send(peer, Frame::Ack { ids }.encode(&self.limits)));
            sent = true;
        }
        if session.out.have_at <= self.now.instant {
            let ids = core::mem::take(&mut session.out.have);
            // It may have come to the peer meanwhile, and from it to us, or be gone from here.
            let news = ids.into_iter().filter(|id| !session.neighbour.has.contains(id));
            let news: Vec<EventId> = news.filter(|id| self.index.contains(id)).collect();
            for ids in news.chunks(self.limits.frame_ids) {
                let ids = ids.to_vec();
                self.outputs.push_back(Output::Send(peer, Frame::Have { ids }.encode(&self.limits)));
                sent = true;
            }
        }
        let names = core::mem::take(&mut session.out.names);
        let has_credit = session.out.has_credit();
        if !names.is_empty() {
            self.send(peer, &Frame::Directory { names });
            sent = true;
        }
        if has_credit {
            sent |= self.pump_events(peer);
        }
        if sent && let Some(session) = self.sessions.get_mut(&peer) {
            session.out.not_before = self.now.instant + PACE;
        }
    }

    /// Sends one frame of events or asks for the bodies of one; whether one was sent.
    fn pump_events(&mut self, peer: PeerId) -> bool {
        let Some(session) = self.sessions.get_mut(&peer) else { return false };
        let live = !session.out.live.is_empty();
        if !live && (session.out.sync.is_empty() || session.out.reading.is_some()) {
            return false;
        }
        let queue = if live { &mut session.out.live } else { &mut session.out.sync };
        let (mut ids, mut bytes) = (Vec::new(), 0);
        while let Some(id) = queue.front() {
            let size = self.index.get(id).map_or(0, |row| row.size() as usize);
            if ids.len() == self.limits.frame_events || (!ids.is_empty() && bytes + size > FRAME_BYTES) {
                break;
            }
            bytes += size;
            ids.extend(queue.pop_front());
        }
        if !live {
            for id in &ids {
                session.out.queued.remove(id);
            }
        }
        ids.retain(|id| self.index.contains(id));
        if ids.is_empty() {
            self.touched.insert(peer);
            return false;
        }
        let stored: Vec<EventId> = ids.iter().filter(|id| !self.persist.is_pending(id)).copied().collect();
        if stored.is_empty() {
            let events = ids.iter().filter_map(|id| self.persist.bytes(id)).map(Arc::clone).collect();
            self.send_events(peer, events);
            return true;
        }
        if live {
            // Stored meanwhile, while credit was short: they go the way of all stored events, ahead of the others.
            let session = self.sessions.get_mut(&peer).expect("looked up above");
            for id in ids.into_iter().rev() {
                if session.out.queued.insert(id) {
                    session.out.sync.push_front(id);
                }
            }
            self.touched.insert(peer);
            return false;
        }
        let ticket = self.ticket();
        self.reads.insert(ticket, Reader::Peer(peer));
        let session = self.sessions.get_mut(&peer).expect("looked up above");
        // What becomes durable before the answer is in neither place then.
        let ids = ids.into_iter().map(|id| (id, self.persist.bytes(&id).map(Arc::clone))).collect();
        session.out.reading = Some(Reading { ticket, events: ids });
        self.outputs.push_back(Output::Read(ticket, stored));
        false
    }

    pub(super) fn on_bodies_for_peer(
        &mut self,
        peer: PeerId,
        ticket: Ticket,
        found: Vec<(EventId, Vec<u8>)>,
    ) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let Some(reading) = session.out.reading.take_if(|reading| reading.ticket == ticket) else { return };
        let mut found = map_of(found);
        let (mut events, mut withheld) = (Vec::<Arc<[u8]>>::new(), Vec::new());
        for (id, at_hand) in reading.events {
            match at_hand.or_else(|| found.remove(&id).map(Arc::from)) {
                Some(bytes) => events.push(bytes),
                // The storage cannot read it now. Whoever asked need not wait.
                None => withheld.push(id),
            }
        }
        if !withheld.is_empty() {
            // Nobody acknowledges what was never sent, and here that is not the peer's doing.
            for id in &withheld {
                session.unacked.remove(id);
            }
            self.send(peer, &Frame::Withheld { ids: withheld });
        }
        if !events.is_empty() {
            self.send_events(peer, events);
        }
        self.touched.insert(peer);
    }

    fn send_events(&mut self, peer: PeerId, events: Vec<Arc<[u8]>>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.out.sent += 1;
        session.out.not_before = self.now.instant + PACE;
        let n = session.out.sent;
        let events = events.iter().map(|bytes| ByteBuf::from(bytes.to_vec())).collect();
        self.send(peer, &Frame::Events { n, events });
    }
}
