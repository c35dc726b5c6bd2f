//! What happened to a peer that is not its own affair: it goes to the world, which acts on it between two windows.

use serde_bytes::ByteBuf;

use crate::base::{EventId, Instant, PeerId};
use crate::invite::Address;

/// One thing that happened.
pub(super) struct News {
    pub at: Instant,
    pub peer: usize,
    /// Counts what the peer did, so that no two are equal in order.
    pub sequence: u64,
    pub what: Happening,
}

pub(super) enum Happening {
    /// It wants to be connected to another, which can be asked for at these relays.
    Dials(PeerId, Vec<Address>),
    /// It has ended its session with this peer.
    Closed(usize),
    /// It wrote something.
    Wrote(EventId, ByteBuf),
}
