//! Boards others have named. Anyone can name any board, so there are only so many, and the oldest is forgotten first:
//! whoever fills the list with nonsense displaces hints, which come again with the next session, and no posts.

use std::collections::VecDeque;

use crate::base::{BoardId, BoardName, BoxMap};
use crate::crypto::open_board_id;

/// More names than a person scrolls through.
const LIMIT: usize = 1_024;

/// Names heard, by board.
#[derive(Default)]
pub(super) struct Directory {
    names: BoxMap<BoardId, BoardName>,
    /// The boards, longest known first.
    order: VecDeque<BoardId>,
}

impl Directory {
    /// Takes note of a name; the boards for which that changed anything.
    pub(super) fn insert(&mut self, name: BoardName) -> Vec<BoardId> {
        let board = open_board_id(&name);
        if self.names.insert(board, name).is_some() {
            return Vec::new();
        }
        self.order.push_back(board);
        let mut changed = vec![board];
        if self.order.len() > LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
            changed.push(oldest);
        }
        changed
    }

    pub(super) fn get(&self, board: &BoardId) -> Option<&BoardName> {
        self.names.get(board)
    }

    pub(super) fn boards(&self) -> impl Iterator<Item = &BoardId> {
        self.names.keys()
    }

    /// The names, longest known first.
    pub(super) fn names(&self) -> impl Iterator<Item = &BoardName> {
        self.order.iter().filter_map(|board| self.names.get(board))
    }
}
