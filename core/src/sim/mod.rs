//! A seeded network in one process: many [`crate::Node`]s, the very ones of the tab, under virtual time and faults.
//!
//! One seed gives one run: the same frames at the same moments, the same trace hash, on every target and with any number of
//! workers. Links lose, delay and reorder frames, break and split; peers come, go, crash and come back with what was
//! durable; some are liars. The protocol is what runs in the product; only the shell around it is simulated. Signature
//! verdicts are remembered by event, because each of many peers would find the same.
//!
//! Peers are shared out among [`Shard`]s, which live through windows as long as the shortest link (`shard`); between two
//! windows the world acts (`network`): sessions begin and end, peers crash, people are told to write.

mod book;
mod chain;
mod dice;
mod disk;
mod histogram;
mod liars;
mod link;
mod mail;
mod network;
mod news;
mod peek;
mod peer;
mod people;
mod report;
mod scenario;
mod serve;
mod shard;
mod tally;
mod verify;

pub use histogram::Histogram;
pub use liars::Kind as LiarKind;
pub use link::Link;
pub use network::{run, run_with};
pub use report::{Broken, Report};
pub use scenario::{SCENARIOS, Scenario, ScenarioError};
pub use shard::Shard;
