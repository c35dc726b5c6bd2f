//! The overlay: which peers a tab could be connected to directly, and whom it dials.
//!
//! A peer says in a signed [`PeerRecord`] at which relays it can be asked for. Whoever has a session with it tells others
//! that want the same boards ([`Readers`]), and these choose ([`Candidates`]). Knows no sessions and no bytes of frames.

mod candidates;
mod readers;
mod record;

pub use candidates::{Candidates, Source};
pub use readers::Readers;
pub use record::{ClaimedPeerRecord, PEER_RECORD_BYTES, PeerRecord, PeerRecordError, RECORD_RELAYS};
