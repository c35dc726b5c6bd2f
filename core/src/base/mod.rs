//! What everything else stands on: time, identifiers, limits. Uses nothing of this crate.

mod box_map;
mod gather;
pub mod ids;
pub mod limits;
pub mod time;

pub(crate) use box_map::BoxMap;
pub(crate) use gather::{map_of, set_of};
pub use ids::{AuthorId, BlobId, BoardId, BoardName, BoardNameError, EventId, PeerId, Slot, ThreadId};
pub use limits::Limits;
pub use time::{Day, Instant, Now, Seconds};
