//! A whole product to try out: the real relay as a process of its own, and real browsers, each a process with a profile
//! of its own, looked at the way a person does: by roles and names.
//!
//! There is no short cut into the product here. What a test knows of a page is what `docs/interfaces.md` promises; what
//! it knows of the relay is its command line and its HTTP. Everything is waited for as a condition and nothing is slept
//! for. The tests themselves are in `tests/`, the bench is `src/bin/bench_load.rs`.
//!
//! These functions serve tests alone: where something cannot go on they panic and say why.

pub mod attach;
pub mod browser;
pub mod contract;
pub mod elements;
pub mod files;
pub mod firefox;
pub mod http;
pub mod interop;
pub mod netlog;
pub mod page;
pub mod place;
pub mod process;
pub mod relay;
pub mod site;
pub mod stage;
pub mod wait;
pub mod watch;
