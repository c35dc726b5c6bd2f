//! The relay: a peer that is always there. It serves the page, brings tabs together and keeps what it is given.
//!
//! A shell around [`chanterelle_core::Node`]: [`driver`] runs the node, [`net`] moves frames, [`storage`] keeps events,
//! [`http`] answers browsers, [`startup`] ties them together. What is absent: rules of the protocol, which are the
//! node's; TLS, which is a proxy's; and any way for an event but `/chanterelle/1`.

mod clients;
pub mod driver;
mod http;
pub mod metrics;
pub mod net;
pub mod settings;
pub mod startup;
pub mod storage;
pub mod telemetry;

pub use settings::Settings;
pub use startup::Application;
