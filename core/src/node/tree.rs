//! Which links belong to the tree of a board: those among peers that are alike, tabs or relays, and the shortcuts from relays
//! to some tabs. What else a relay tells a tab, and a tab a relay, follows from who brings the tab its boards
//! ([`Frame::Lazy`]).

use std::collections::BTreeMap;

use super::Node;
use super::session::{Asked, Session};
use crate::base::{BoardId, EventId, PeerId, set_of};
use crate::crypto::Verify;
use crate::wire::{Frame, Role};

/// Seconds for which an event is new. Who brings it again later is no branch too many, but completes what one of us missed.
const NEW: u64 = 30;

/// Of the readers of a board a relay brings its events to every so manieth although others would, and to two at least: each is
/// then a few hops from one of them.
const EVERY: usize = 8;
const LEAST: usize = 2;

/// Boards of which one tab is a shortcut.
const SHORTCUTS_OF_ONE: usize = 256;

impl<V: Verify> Node<V> {
    /// A peer has brought what is here. Unless it was asked to, one of the two ways on which the event came is too many: this
    /// one, because it was the slower.
    pub(super) fn brought_again(&mut self, peer: PeerId, id: &EventId, asked: Option<Asked>) {
        let Some(row) = self.index.get(id) else { return };
        let (board, is_new) = (row.board(), row.first_seen().plus(NEW) >= self.now.unix);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if asked.is_some() || !is_new || !may_be_pruned(self.role, session) {
            return;
        }
        if session.role == Some(self.role) {
            session.neighbour.prune(board);
        }
        // Also when it was pruned before: the peer may not have heard of it.
        session.prunes.insert(board);
    }

    /// A peer has brought what is new here. If it had to be asked because nobody else brought it, it is a better way.
    pub(super) fn brought_first(&mut self, peer: PeerId, id: &EventId, asked: Option<Asked>) {
        let Some(row) = self.index.get(id) else { return };
        if let Some(session) =
            self.sessions.get_mut(&peer).filter(|_| asked.is_some_and(|asked| asked.grafts))
        {
            session.neighbour.graft(&row.board());
        }
    }

    /// A peer was told of events and nobody brought them in time.
    pub(super) fn on_graft(&mut self, peer: PeerId, ids: Vec<EventId>) {
        let boards = ids.iter().filter_map(|id| self.index.get(id)).map(|row| row.board());
        for board in set_of(boards) {
            self.graft(peer, board);
        }
        self.on_want(peer, ids);
    }

    fn graft(&mut self, peer: PeerId, board: BoardId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.neighbour.graft(&board);
        if self.role == Role::Relay && session.role == Some(Role::Tab) {
            let most = LEAST.max(self.neighbours.readers.count(&board) / EVERY);
            let of_board = self.shortcuts.entry(board).or_default();
            let shortcuts = &mut session.neighbour.shortcuts;
            if *of_board < most && shortcuts.len() < SHORTCUTS_OF_ONE && shortcuts.insert(board) {
                *of_board += 1;
            }
        }
    }

    /// A peer is brought events of these boards by others, sooner.
    pub(super) fn on_prune(&mut self, peer: PeerId, boards: Vec<BoardId>) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let is_alike = session.role == Some(self.role);
        for board in boards {
            if is_alike {
                session.neighbour.prune(board);
            } else if session.neighbour.shortcuts.remove(&board) {
                one_less(&mut self.shortcuts, board);
            }
        }
    }

    /// The shortcut is another's now.
    pub(super) fn forget_shortcuts(&mut self, session: &Session) {
        session.neighbour.shortcuts.iter().for_each(|board| one_less(&mut self.shortcuts, *board));
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

fn one_less(shortcuts: &mut BTreeMap<BoardId, usize>, board: BoardId) {
    let count = shortcuts.remove(&board).unwrap_or_default();
    if count > 1 {
        shortcuts.insert(board, count - 1);
    }
}

/// Whether a peer can be told to bring less: one that is alike, or the relay of a tab.
pub(super) fn may_be_pruned(own: Role, session: &Session) -> bool {
    own == Role::Tab || session.role == Some(Role::Relay)
}
