//! The relay: a peer that is always there. It serves the page, brings tabs together and keeps what it is given.
//!
//! A shell around [`chanterelle_core::Node`]: [`driver`] runs the node, [`net`] moves frames, [`storage`] keeps events,
//! [`media`] keeps files, [`http`] answers browsers, [`stun`] tells tabs their addresses, [`relays`] are the others, [`startup`] ties them together. What is absent: rules of the
//! protocol, which are the node's; and any way for an event but `/chanterelle/1`.

mod address;
mod clients;
pub mod driver;
mod http;
pub mod media;
pub mod metrics;
pub mod net;
pub mod relays;
pub mod settings;
pub mod startup;
pub mod storage;
mod stun;
pub mod telemetry;
mod tls;

pub use settings::Settings;
pub use startup::Application;
