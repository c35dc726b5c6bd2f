//! Files: the tree over a blob, what its first bytes say, and how it crosses a network. One binary, because each
//! costs a link; natively and in a browser.

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

mod anything;
mod frames;
mod hostile;
mod kinds;
mod laws;
mod net;
mod quota;
mod stories;
mod tree;
#[cfg(not(target_arch = "wasm32"))]
mod tree_reference;
