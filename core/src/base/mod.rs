//! What everything else stands on: time, identifiers, limits. Uses nothing of this crate.

pub mod ids;
pub mod limits;
pub mod time;

pub use ids::{AuthorId, BlobId, BoardId, BoardName, BoardNameError, EventId, PeerId, Slot, ThreadId};
pub use limits::Limits;
pub use time::{Instant, Now, Seconds};
