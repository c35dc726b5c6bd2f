//! What `worker.js` calls.

use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{MessagePort, console};

/// Serves the page at this port, for as long as the worker lives.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen exports public functions only")]
pub fn serve(port: MessagePort) {
    // What follows is a trap, which the page hears of; why, only the console.
    std::panic::set_hook(Box::new(|info| console::error_1(&info.to_string().into())));
    chanterelle_media::serve(port);
}
