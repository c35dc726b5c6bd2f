//! Who the neighbours of a tab are, and who could be.
//!
//! HyParView (Leitão, Pereira, Rodrigues, "HyParView: a membership protocol for reliable gossip-based broadcast", 2007) on
//! connections that cost a browser a second and a relay's help: the *active view* are the sessions with other tabs, a few;
//! the [`PassiveView`] are those that could take the place of one that is lost. A peer says in a signed [`PeerRecord`] at
//! which relays it can be asked for. Whoever has a session with it tells others that want the same boards ([`Readers`]).
//! Knows no sessions and no bytes of frames.

mod passive;
mod readers;
mod record;

pub use passive::{PassiveView, Source, Wanted};
pub use readers::Readers;
pub use record::{ClaimedPeerRecord, PEER_RECORD_BYTES, PeerRecord, PeerRecordError, RECORD_RELAYS};
