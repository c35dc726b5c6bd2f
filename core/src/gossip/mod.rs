//! Broadcast: who hears of a new event at once.
//!
//! A new event goes to every neighbour that asked for its board and is not known to have it: whole, or its id alone where
//! somebody else brings it sooner (eager and lazy push of Plumtree: Leitão, Pereira, Rodrigues, "Epidemic Broadcast
//! Trees", 2007, section 3.2). Each event is forwarded once, when it is first admitted, so a network without loss delivers
//! it to every reachable peer; whatever is lost is found by [`crate::sync`]. Knows neighbours and interests, no bytes.

mod interest;
mod recent;

use std::collections::BTreeSet;

pub use interest::Interest;
pub use recent::Recent;

use crate::base::{BoardId, PeerId};
use crate::store::Row;

/// A neighbour as broadcast sees it.
#[derive(Debug)]
pub struct Neighbour {
    /// What it asked to hear.
    pub interest: Interest,
    /// What it is known to have: what it sent, was sent or acknowledged lately.
    pub has: Recent,
    /// Boards of whose events it wants to hear the ids alone.
    pub lazy: BTreeSet<BoardId>,
    /// Whether it hears the ids alone of whatever somebody else wrote.
    pub lazy_of_others: bool,
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
        }
    }

    /// How it hears of an event. What the person here wrote always goes whole: nobody else brings it, and a neighbour
    /// that never takes it is to be found out.
    #[must_use]
    pub fn push(&self, row: &Row) -> Push {
        let is_lazy = !row.own && (self.lazy_of_others || self.lazy.contains(&row.board));
        if is_lazy { Push::Lazy } else { Push::Eager }
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
        let push = neighbour.push(row);
        if push == Push::Eager {
            neighbour.has.insert(row.id);
        }
        (*peer, push)
    };
    neighbours.filter(|(_, neighbour)| hears(neighbour)).map(recipient).collect()
}
