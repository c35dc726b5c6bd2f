//! The node as a machine without I/O: told as stories, with time, disks and frames moved by hand. One binary, because
//! each costs a link; natively and in a browser.
//!
//! Many peers under faults are the simulator's; here every step can be looked at or withheld.

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

mod acknowledgement;
mod authors;
mod batches;
mod budget;
mod credit;
mod delivery;
mod drafts;
mod files;
mod friends;
mod hello;
mod hostile;
mod interest;
mod laws;
mod lazy;
mod neighbours;
mod publish;
mod restart;
mod screen;
mod shell;
mod shuffle;
mod storage;
mod tree;
mod views;
mod want;
mod world;
