//! What comes to a peer, and in which order: by time, then by sender, then as the sender sent it.

use core::cmp::Ordering;

use super::peek::{Mark, Name};
use crate::base::{EventId, Instant, PeerId};
use crate::node::{Batch, Ticket};

/// Sender of what the world does to a peer.
pub(super) const WORLD: usize = usize::MAX;

/// Something that comes to a peer. No two of one peer are equal, so their order does not depend on who was served first.
pub(super) struct Mail {
    pub at: Instant,
    /// The number of the peer that sent it, which may be the receiver, or [`WORLD`].
    pub from: usize,
    /// Counts what the sender sends.
    pub sequence: u64,
    pub what: What,
}

/// What was seen of a frame when it was sent.
pub(super) struct Seen {
    /// Its name, of a frame that an honest peer sent.
    pub name: Option<Name>,
    /// The events in it, with how many hops they have come.
    pub events: Vec<(Mark, u8)>,
}

pub(super) enum What {
    /// A frame of a session.
    Frame { session: u64, bytes: Vec<u8>, seen: Seen },
    /// The other has ended the session.
    Ended { session: u64 },
    /// A session with a peer has begun.
    Connected(PeerId, bool),
    /// One is gone.
    Disconnected(PeerId),
    /// A peer cannot be dialled.
    Unreachable(PeerId),
    /// A transaction is complete.
    Commit { batch: Batch, fails: bool },
    /// A read is complete.
    Read(Ticket, Vec<EventId>),
    /// The person writes.
    Write,
}

impl Mail {
    fn order(&self) -> (Instant, usize, u64) {
        (self.at, self.from, self.sequence)
    }
}

impl PartialEq for Mail {
    fn eq(&self, other: &Mail) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Mail {}

impl PartialOrd for Mail {
    fn partial_cmp(&self, other: &Mail) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The first to come is the greatest, as a heap wants it.
impl Ord for Mail {
    fn cmp(&self, other: &Mail) -> Ordering {
        other.order().cmp(&self.order())
    }
}
