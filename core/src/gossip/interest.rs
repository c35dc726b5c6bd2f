//! Whose events a peer wants to hear of.

use std::collections::BTreeSet;

use crate::base::BoardId;

/// A declared interest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Everything there is.
    pub all: bool,
    /// Or these boards.
    pub boards: BTreeSet<BoardId>,
}

impl Interest {
    /// Whether it covers the events of a board. What belongs to no board (profiles) interests those who want
    /// everything.
    #[must_use]
    pub fn covers(&self, board: &BoardId) -> bool {
        self.all || self.boards.contains(board)
    }
}
