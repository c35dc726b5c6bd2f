//! Reconciliation: two peers find out which events of a scope either lacks.
//!
//! Range-based set reconciliation (A. Meyer, "Range-Based Set Reconciliation", 2022) by the negentropy crate, protocol
//! version 1. The side that began learns both differences; the other side keeps no state. A result is a hint: the
//! event's signature decides. Moves no events and knows no budget.

mod bits;
mod estimate;
mod reconciler;
mod riblt;
mod scope;
mod short;
mod span;

pub use reconciler::{Difference, Reconciler, SyncError};
pub use scope::{events_in, size_of};
