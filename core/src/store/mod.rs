//! The index of held events: rows and the orders in which protocols and views ask for them.
//!
//! Bodies are not here; they live in the shell's storage. Nothing here decides whether an event may enter.

mod fold;
mod index;
mod row;

pub use fold::Fold;
pub use index::{BoardIndex, Index};
pub use row::{Rel, Row, RowError};
