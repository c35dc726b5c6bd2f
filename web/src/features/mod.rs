//! What the pages let a person see and do, by subject. Features read the client's signals and send commands; they know
//! neither each other's page nor the network.

pub(crate) mod boards;
pub(crate) mod by_hand;
pub(crate) mod catalog;
pub(crate) mod code;
pub(crate) mod comment;
pub(crate) mod composer;
pub(crate) mod direct;
pub(crate) mod friends;
pub(crate) mod identity;
pub(crate) mod media;
pub(crate) mod network;
pub(crate) mod paths;
pub(crate) mod peers;
pub(crate) mod post;
pub(crate) mod preview;
pub(crate) mod qr;
pub(crate) mod scan;
pub(crate) mod thread;
