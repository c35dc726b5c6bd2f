//! The media program: what a tab does with the bytes of pictures and files.
//!
//! | module | what it is |
//! |---|---|
//! | [`messages`] | what page and program say to each other; all that the page has of this package |
//! | [`clean`] | takes what tells of the maker out of a file, and leaves picture and sound as they are |
//! | `prepare` | makes of a chosen file what is published: kind, picture, thumbnail, thumbhash |
//! | `store` | keeps blobs in the browser |
//! | `shell` | the loop, and the shell of core's exchange |
//!
//! It runs in a worker of its own, because hashing, decoding and synchronous files would hold up page or node; `main.rs`
//! is that worker. There is no network and no document here: streams and `<video>` elements are the page's.

pub mod messages;

#[cfg(feature = "program")]
pub mod clean;
#[cfg(all(feature = "program", target_arch = "wasm32"))]
pub(crate) mod prepare;
#[cfg(all(feature = "program", target_arch = "wasm32"))]
mod shell;
#[cfg(all(feature = "program", target_arch = "wasm32"))]
pub mod store;

/// Serves the page at this port for as long as the worker lives.
#[cfg(all(feature = "program", target_arch = "wasm32"))]
pub fn serve(port: web_sys::MessagePort) {
    shell::serve(port);
}

#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
