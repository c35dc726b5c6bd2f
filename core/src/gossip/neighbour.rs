//! A neighbour as broadcast sees it, and which neighbours hear of an event.
//!
//! Plumtree (Leitão, Pereira, Rodrigues, "Epidemic Broadcast Trees", 2007): at first every link pushes whole events. Who
//! is pushed one that it has already prunes the link: from then on both ends tell each other ids alone. Who is told an id and
//! brought nothing in time grafts the link back. What is left of the links of one board is a tree, along which events
//! take the ways that were the fastest when it was last mended; the others are there to mend it.
//!
//! One tree serves all authors of a board, and peers that read several boards have one for each. Unlike the paper's, messages
//! do not say how many hops they are from their author: a tab that sends nought would say that it wrote them. So nothing
//! swaps a long branch for a short one but that who waits too long grafts.
//!
//! A relay is not part of the tree, or it would be all of it: nobody is faster. But it brings events to a few tabs of a board,
//! those that had waited longest when they asked, and so the tree begins at many places.

use std::collections::BTreeSet;

use super::{Interest, Recent};
use crate::base::{BoardId, PeerId};
use crate::store::Row;

/// Boards of which a link may be outside the tree: more than a relay sees in use at a time. Of any further one all is pushed.
const PRUNED: usize = 16_384;

/// One peer that there is a session with.
#[derive(Debug)]
pub struct Neighbour {
    /// What it asked to hear.
    pub interest: Interest,
    /// What it is known to have: what it sent, was sent or acknowledged lately.
    pub has: Recent,
    /// Boards of whose events it wants to hear the ids alone, because others bring it those.
    pub lazy: BTreeSet<BoardId>,
    /// Whether it hears the ids alone of whatever somebody else wrote.
    pub lazy_of_others: bool,
    /// Boards of whose tree the link is no part.
    pruned: BTreeSet<BoardId>,
    /// Boards of whose events it is sent all, whatever else it said: it is a tab that we, a relay, bring them to, for it
    /// to bring them to others.
    pub shortcuts: BTreeSet<BoardId>,
}

/// How a neighbour hears of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It is sent the event.
    Eager,
    /// It is told the id, and asks.
    Lazy,
}

impl Neighbour {
    /// One that has asked for nothing yet; `remember` bounds what is remembered of it.
    #[must_use]
    pub fn new(remember: usize) -> Self {
        Self {
            interest: Interest::default(),
            has: Recent::new(remember),
            lazy: BTreeSet::new(),
            lazy_of_others: false,
            pruned: BTreeSet::new(),
            shortcuts: BTreeSet::new(),
        }
    }

    /// How it hears of an event. What the person here wrote always goes whole: nobody else brings it, and a neighbour
    /// that never takes it is to be found out.
    #[must_use]
    pub fn push(&self, own: bool, board: &BoardId) -> Push {
        let others_bring = self.lazy.contains(board) || self.pruned.contains(board);
        let is_shortcut = || self.shortcuts.contains(board);
        let is_lazy = !own && (self.lazy_of_others || others_bring) && !is_shortcut();
        if is_lazy { Push::Lazy } else { Push::Eager }
    }

    /// Takes the link out of the tree of a board.
    pub fn prune(&mut self, board: BoardId) {
        if self.pruned.len() < PRUNED {
            self.pruned.insert(board);
        }
    }

    /// Puts the link back into the tree of a board.
    pub fn graft(&mut self, board: &BoardId) {
        self.pruned.remove(board);
    }
}

/// The neighbours that should hear of `row` now. Whoever is sent it is from now on taken to have it.
pub fn recipients<'a>(
    row: &Row,
    neighbours: impl Iterator<Item = (&'a PeerId, &'a mut Neighbour)>,
) -> Vec<(PeerId, Push)> {
    let hears =
        |neighbour: &Neighbour| neighbour.interest.covers(&row.board) && !neighbour.has.contains(&row.id);
    let recipient = |(peer, neighbour): (&PeerId, &mut Neighbour)| {
        let push = neighbour.push(row.own, &row.board);
        if push == Push::Eager {
            neighbour.has.insert(row.id);
        }
        (*peer, push)
    };
    neighbours.filter(|(_, neighbour)| hears(neighbour)).map(recipient).collect()
}
