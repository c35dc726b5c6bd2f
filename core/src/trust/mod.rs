//! What a peer may cost, what it did wrong, and what follows from it.
//!
//! Concerns peers, the keys on the network that change with every visit, and no authors: whom a person trusts is another
//! matter. Decides nothing about what is valid.

mod fault;
mod standing;

pub use fault::Fault;
pub use standing::{Cost, Standing, Verdict};
