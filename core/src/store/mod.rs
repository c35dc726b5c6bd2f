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
mod row;
mod slab;

pub use board::BoardRef;
pub use fold::Fold;
pub use held::RowRef;
pub use index::Index;
pub use row::{Rel, Row, RowError};
