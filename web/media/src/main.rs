//! The media program's worker. It is started by `worker.js` as the node's worker is, when the page first has to do with
//! media, and lives until the page ends it.

#[cfg(target_arch = "wasm32")]
mod worker;

fn main() {}
