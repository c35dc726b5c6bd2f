//! Which links belong to the tree of a board: those among peers that are alike, tabs or relays. What a relay tells a tab, and
//! a tab a relay, follows from who brings the tab its boards ([`Frame::Lazy`]).

use super::Node;
use super::session::Asked;
use crate::base::{EventId, PeerId};
use crate::crypto::Verify;
use crate::wire::Frame;

/// Seconds for which an event is new. Who brings it again later is no branch too many, but completes what one of us missed.
const NEW: u64 = 30;

impl<V: Verify> Node<V> {
    /// Whether a peer is what this one is, so that both spread events alike.
    pub(super) fn is_alike(&self, peer: &PeerId) -> bool {
        self.sessions.get(peer).is_some_and(|session| session.role == Some(self.role))
    }

    /// A peer has brought what is here. Unless it was asked to, one of the two ways on which the event came is too many: this
    /// one, because it was the slower.
    pub(super) fn brought_again(&mut self, peer: PeerId, id: &EventId, asked: Option<Asked>) {
        let Some(row) = self.index.get(id) else { return };
        let (board, is_new) = (row.board, row.first_seen.plus(NEW) >= self.now.unix);
        if asked.is_some() || !is_new || !self.is_alike(&peer) {
            return;
        }
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.neighbour.prune(board);
            // Also when it was pruned before: the peer may not have heard of it.
            session.prunes.insert(board);
        }
    }

    /// A peer has brought what is new here. If it had to be asked because nobody else brought it, it is a better way.
    pub(super) fn brought_first(&mut self, peer: PeerId, id: &EventId, asked: Option<Asked>) {
        let Some(row) = self.index.get(id) else { return };
        if let Some(session) =
            self.sessions.get_mut(&peer).filter(|_| asked.is_some_and(|asked| asked.grafts))
        {
            session.neighbour.graft(&row.board);
        }
    }

    /// A peer was told of events and nobody brought them in time.
    pub(super) fn on_graft(&mut self, peer: PeerId, ids: Vec<EventId>) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            for row in ids.iter().filter_map(|id| self.index.get(id)) {
                session.neighbour.graft(&row.board);
            }
        }
        self.on_want(peer, ids);
    }

    /// Tells a peer of which boards the link is no part of the tree.
    pub(super) fn tell_prunes(&mut self, peer: PeerId) -> bool {
        let Some(session) = self.sessions.get_mut(&peer) else { return false };
        let boards: Vec<_> = core::mem::take(&mut session.prunes).into_iter().collect();
        for boards in boards.chunks(self.limits.frame_boards) {
            self.send(peer, &Frame::Prune { boards: boards.to_vec() });
        }
        !boards.is_empty()
    }
}
