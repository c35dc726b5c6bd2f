//! Files: how their bytes are named, checked and fetched from whoever holds them.
//!
//! A blob is named by the BLAKE3 hash of its bytes, and every 16 KiB of it can be checked by themselves
//! ([`tree`]). What of this a person gets to see, and where the bytes lie, is the shells' business: there is no storage,
//! no network and no decoder here.

pub mod exchange;
mod frame;
mod groups;
mod kind;
pub mod quota;
pub mod tree;

pub use exchange::Exchange;
pub use frame::{HeldItem, MediaFrame, MediaFrameError};
pub use groups::Groups;
pub use kind::{Dimensions, KIND_BYTES, MediaClass, MediaKind};

/// The stream protocol of the exchange of blobs.
pub const MEDIA_PROTOCOL: &str = "/chanterelle/media/1";
