//! The protocol as others meet it: golden bytes, the one door, hostile input, and the laws of index, views, gossip and
//! reconciliation. One binary, because each costs a link; natively and in a browser.

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

mod admission;
mod canonical;
mod connect;
mod frames;
mod golden;
mod gossip;
mod hostile;
mod index;
mod invite;
mod kit;
mod media;
mod membership;
mod naive;
mod notation;
mod retention;
mod samples;
mod strategies;
mod sync;
mod sync_exchange;
mod sync_hostile;
mod sync_pair;
mod vectors;
mod views;
mod world;
