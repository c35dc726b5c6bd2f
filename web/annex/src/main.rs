//! The annex's worker. The page sends questions, one to a message, and gets one answer to each, in the same order. It is
//! started by `worker.js` as the node's worker is, ends when the page ends it, and remembers nothing between questions.

#[cfg(target_arch = "wasm32")]
mod worker;

fn main() {}
