//! What peers say to each other on `/chanterelle/1`: frames, their versions and their bounds.
//!
//! One session is one ordered stream of frames. A frame is an unsigned varint length and that many bytes; the shells
//! move those bytes, [`Deframer`] and [`prefixed`] mark their bounds, [`Frame::decode`] and [`Frame::encode`] read and
//! write them. Opens no connection and knows no node.

mod frame;
mod framing;

pub use frame::{Frame, FrameError, Hello, Role, Scope};
pub use framing::{Deframer, FramingError, prefixed};

/// The stream protocol of a session.
pub const SESSION_PROTOCOL: &str = "/chanterelle/1";

/// The version in the first frame. Peers of another version part with a word about it.
pub const VERSION: u64 = 1;
