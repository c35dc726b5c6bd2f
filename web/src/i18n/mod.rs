//! Every text a person reads, in one place, so that other languages can stand beside it.
//!
//! English is the only language so far; names that outside checks hold on to are listed in `docs/interfaces.md`.

mod en;

pub(crate) use en::*;
