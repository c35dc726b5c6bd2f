//! The Chanterelle protocol as a pure, deterministic library.
//!
//! What is absent: no clock, no randomness, no I/O, no async, no locks, no statics. A shell hands a [`Node`] inputs
//! and performs its outputs; the tab, the relay and the simulator are three shells around the same node, so what is
//! proved in simulation is what runs in the tab.
//!
//! The loop of every shell:
//!
//! 1. pass one [`node::Input`] with the current [`base::Now`] to [`Node::handle`];
//! 2. drain [`Node::poll_output`] until it is empty and perform each [`node::Output`];
//! 3. sleep until the next input or the deadline of [`Node::poll_timeout`], then pass [`node::Input::Wake`].
//!
//! A folder uses only folders above it in this list.

pub mod admit;
pub mod base;
pub mod crypto;
pub mod event;
pub mod gossip;
pub mod invite;
pub mod media;
pub mod node;
#[cfg(feature = "sim")]
pub mod sim;
pub mod store;
pub mod sync;
pub mod trust;
pub mod view;
pub mod wire;

pub use node::Node;

#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
