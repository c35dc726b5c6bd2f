//! What the static page is told, and what is said when the program itself fails. Knows no part of the program.

use std::panic;

use wasm_bindgen::JsValue;
use web_sys::{Document, console};

/// Writes where a panic happened to the console, and has the static page explain it if it happened on the page. The
/// page hears of a panic in the worker by itself, from the trap that follows.
pub(crate) fn report_panics() {
    panic::set_hook(Box::new(|info| {
        console::error_1(&JsValue::from(info.to_string()));
        // Nothing is left to do if even that fails.
        if let Some(document) = document() {
            let _ = document.document_element().map(|root| root.set_attribute("data-failed", "page"));
            let _ = document.get_element_by_id("failed").map(|failed| failed.set_attribute("role", "alert"));
        }
    }));
}

/// Takes away what was shown until the program ran.
pub(crate) fn program_runs() {
    let Some(document) = document() else { return };
    if let Some(boot) = document.get_element_by_id("boot") {
        boot.remove();
    }
    if let Some(root) = document.document_element() {
        // Only a plain name is set.
        let _ = root.set_attribute("data-running", "");
    }
}

fn document() -> Option<Document> {
    web_sys::window().and_then(|window| window.document())
}
