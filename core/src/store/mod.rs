//! The index of held events, packed, and the orders in which protocols and views ask for them.
//!
//! Bodies are not here; they live in the shell's storage. Nothing here decides whether an event may enter.

mod board;
mod change;
mod days;
mod fold;
mod held;
mod index;
mod key;
mod order;
mod prune;
mod retention;
mod row;
mod slab;

pub use board::BoardRef;
pub use fold::Fold;
pub use held::RowRef;
pub use index::Index;
pub use prune::Pruned;
pub use retention::{Class, Marks, Refusal, Retention};
pub use row::{Rel, Row, RowError};
