//! The tab of Chanterelle: one program that is the page in a window and the node in a worker.
//!
//! | module | runs on | what it is |
//! |---|---|---|
//! | [`app`], [`layout`], [`pages`], [`features`], [`kit`], [`markup`], [`i18n`] | page | what is seen |
//! | [`state`] | page | what the node tells, as signals |
//! | [`link`] | page | starts worker and network; messages to and from them |
//! | [`annex`] | page | a second program, for what few visits need, in a worker of its own |
//! | [`offline`] | page | the service worker, and newer versions of the page |
//! | [`net`] | page | libp2p |
//! | [`worker`] | worker | the node, and the loop that performs its outputs |
//! | [`storage`] | worker | IndexedDB |

mod annex;
mod app;
mod features;
mod i18n;
mod kit;
mod layout;
mod link;
mod markup;
mod media;
mod net;
mod offline;
mod pages;
mod program;
mod state;
mod storage;
mod trouble;
mod worker;

/// What this program calls itself among peers.
const AGENT: &str = concat!("chanterelle-tab/", env!("CARGO_PKG_VERSION"));

#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

fn main() {
    trouble::report_panics();
    // The worker's part begins with `worker::serve`.
    if web_sys::window().is_some() {
        link::boot();
        trouble::program_runs();
        app::mount();
    }
}
