//! Who hears of a new event at once, and how: broadcast over a tree that the neighbours of a board find by themselves.
//!
//! Each event is forwarded once, when it is first admitted, so a network without loss delivers it to every reachable peer;
//! whatever is lost is found by [`crate::sync`]. Knows neighbours and interests, no bytes.

mod interest;
mod membership;
mod neighbour;
mod recent;

pub use interest::Interest;
pub use membership::{
    ClaimedPeerRecord, PEER_RECORD_BYTES, PassiveView, PeerRecord, PeerRecordError, RECORD_RELAYS, Readers,
    Source, Wanted,
};
pub use neighbour::{Neighbour, Push, recipients};
pub use recent::Recent;
