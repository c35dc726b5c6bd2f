//! A seeded network in one process: many [`crate::Node`]s, the very ones of the tab, under virtual time and faults.
//!
//! One seed gives one run: the same frames at the same moments, the same trace hash, on every target. Links lose,
//! delay and reorder frames, break and split; peers crash and come back with what was durable. The protocol is what
//! runs in the product; only the shell around it is simulated. Signature verdicts are remembered by event, because
//! each of many peers would find the same.

mod link;
mod network;
mod peer;
mod report;
mod scenario;
mod verify;

pub use link::Link;
pub use network::run;
pub use report::Report;
pub use scenario::{SCENARIOS, Scenario};
