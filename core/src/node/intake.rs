//! The way in: events pass the one door and whatever follows from an admission is set off here.

use super::Node;
use crate::admit::{Admission, Door, RejectReason, admit};
use crate::base::{EventId, PeerId};
use crate::crypto::Verify;
use crate::event::Event;
use crate::gossip::{Push, recipients};
use crate::store::Row;
use crate::trust::Fault;

impl<V: Verify> Node<V> {
    /// Admits events from a peer.
    pub(super) fn on_events(&mut self, peer: PeerId, events: &[impl AsRef<[u8]>]) {
        let mut faults = 0;
        for admission in self.at_the_door(events) {
            match admission {
                // Neither acknowledged nor remembered: the next reconciliation brings it again.
                Admission::Accepted(event) if !self.has_room() => {
                    self.answered(peer, &event.id());
                }
                Admission::Accepted(event) => {
                    let id = event.id();
                    let asked = self.arrived(peer, id);
                    self.accept(event, Some(peer), false);
                    self.brought_first(peer, &id, asked);
                }
                Admission::Duplicate(id) => {
                    let asked = self.arrived(peer, id);
                    self.brought_again(peer, &id, asked);
                    if self.persist.is_pending(&id) {
                        self.persist.add_sender(&id, peer);
                    } else if self.index.contains(&id) {
                        self.acknowledge(peer, id);
                    }
                }
                Admission::Deferred { event, until } => {
                    self.arrived(peer, event.id());
                    self.defer(&event, until, None);
                }
                Admission::Rejected(reason) => {
                    *self.rejections.entry(reason.label()).or_default() += 1;
                    faults += 1;
                }
            }
        }
        (0..faults).take_while(|_| self.charge(peer, Fault::Event)).for_each(drop);
    }

    /// Admits an event that was signed by this person and published by this request.
    ///
    /// # Errors
    /// When it is refused like anyone's.
    pub(super) fn admit_own(&mut self, event: &[u8], request: u32) -> Result<EventId, RejectReason> {
        match self.at_the_door(&[event]).pop().expect("one event has one admission") {
            Admission::Accepted(event) => {
                let id = event.id();
                self.accept(event, None, true);
                Ok(id)
            }
            Admission::Duplicate(id) => Ok(id),
            // Signed by this clock, so at most by one that was set back since; its time will come.
            Admission::Deferred { event, until } => {
                self.defer(&event, until, Some(request));
                Ok(event.id())
            }
            Admission::Rejected(reason) => Err(reason),
        }
    }

    pub(super) fn at_the_door(&mut self, events: &[impl AsRef<[u8]>]) -> Vec<Admission> {
        let index = &self.index;
        let held = |id: &EventId| index.contains(id);
        let door = Door { limits: &self.limits, now: self.now.unix, held: &held };
        admit(events, &door, &mut self.verify)
    }

    pub(super) fn accept(&mut self, event: Event, sender: Option<PeerId>, own: bool) {
        let mut row = Row::of(&event, self.now.unix, own);
        // Written elsewhere by the same person; whoever sent it has it, so it need not be sent.
        if !own && self.is_recognised(&row) {
            (row.own, row.sent) = (true, true);
        }
        let board = row.board;
        let named = |node: &Node<V>| node.index.board(&board).is_some_and(|board| board.name().is_some());
        let was_named = named(self);
        self.index.insert(row.clone());
        let naming = !was_named && named(self);
        self.persist.add(row.id, event.bytes().clone(), sender);
        if let Some(session) = sender.and_then(|peer| self.sessions.get_mut(&peer)) {
            session.neighbour.has.insert(row.id);
            session.standing.was_useful();
        }
        let neighbours = self.sessions.iter_mut().filter(|(_, session)| session.role.is_some());
        let targets = recipients(&row, neighbours.map(|(peer, session)| (peer, &mut session.neighbour)));
        let now = self.now.instant;
        for (peer, push) in targets {
            let pace = self.have_pace(self.sessions.get(&peer).and_then(|session| session.role));
            let Some(session) = self.sessions.get_mut(&peer) else { continue };
            if push == Push::Lazy {
                session.queue_have(row.id, now, pace);
            } else {
                session.queue_live(row.id);
                if row.own && !row.sent {
                    session.expect_ack(row.id, self.now.instant);
                }
            }
            self.touched.insert(peer);
        }
        self.event_came_or_goes(&row.id);
        if own && row.follow.is_some() {
            let peers: Vec<PeerId> = self.ready_peers().collect();
            peers.into_iter().for_each(|peer| self.plan_scopes(peer));
        }
        if naming {
            self.views.board_named(&self.index, &board);
            self.announce_board(&row);
        }
    }

    /// Tells those who do not read a board that it exists now.
    fn announce_board(&mut self, row: &Row) {
        let Some(name) = &row.board_name else { return };
        for (peer, session) in self.sessions.iter_mut() {
            let names = &mut session.out.names;
            // A hint: what finds no room is named again in the next session.
            if session.role.is_some()
                && !session.neighbour.interest.covers(&row.board)
                && names.len() < self.limits.frame_boards
            {
                names.push(name.clone());
                self.touched.insert(*peer);
            }
        }
    }
}
