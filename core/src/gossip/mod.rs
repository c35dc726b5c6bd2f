//! Broadcast: who hears of a new event at once.
//!
//! Plain forwarding: a new event goes to every neighbour that asked for its board and is not known to have it. Each
//! event is forwarded once, when it is first admitted, so a network without loss delivers it to every reachable peer;
//! whatever is lost is found by [`crate::sync`]. Knows neighbours and interests, no bytes.

mod interest;
mod recent;

pub use interest::Interest;
pub use recent::Recent;

use crate::base::PeerId;
use crate::store::Row;

/// A neighbour as broadcast sees it.
#[derive(Debug)]
pub struct Neighbour {
    /// What it asked to hear.
    pub interest: Interest,
    /// What it is known to have: what it sent, was sent or acknowledged lately.
    pub has: Recent,
}

impl Neighbour {
    /// One that has asked for nothing yet; `remember` bounds what is remembered of it.
    #[must_use]
    pub fn new(remember: usize) -> Self {
        Self { interest: Interest::default(), has: Recent::new(remember) }
    }
}

/// The neighbours that should be sent `row` now, and are from now on taken to have it.
pub fn recipients<'a>(
    row: &Row,
    neighbours: impl Iterator<Item = (&'a PeerId, &'a mut Neighbour)>,
) -> Vec<PeerId> {
    neighbours
        .filter(|(_, neighbour)| neighbour.interest.covers(&row.board))
        .filter_map(|(peer, neighbour)| neighbour.has.insert(row.id).then_some(*peer))
        .collect()
}
