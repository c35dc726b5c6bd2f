//! Reconciliation: two peers find out which events of a scope either lacks.
//!
//! By rateless tables, whose cost follows from how much differs ([`Exchange`] begins, [`answer`] answers;
//! docs/sync.md), and by ranges where that has failed (A. Meyer, "Range-Based Set Reconciliation", 2022): the
//! negentropy crate, protocol version 1 ([`Reconciler`]). The side that began learns both differences; the other
//! side keeps no state. A result is a hint: the event's signature decides. Moves no events and knows no budget.

mod bits;
mod cache;
mod claims;
mod estimate;
mod exchange;
mod message;
mod reconciler;
mod respond;
mod riblt;
mod scope;
mod set;
mod short;
mod span;
mod summary;

pub use cache::Cache;
pub use claims::Claims;
pub use exchange::{Exchange, Found, Needs, Step, unknown_names};
pub use reconciler::{Difference, Reconciler, SyncError};
pub use respond::{Answer, ExchangeError, Held, answer};
pub use scope::{events_in, size_of};
pub use set::{DaySet, Gathered};
pub use short::{Salt, Salts};
pub use span::Span;
