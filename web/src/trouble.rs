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
    // Only plain names are set and removed.
    if let Some(root) = document.document_element() {
        let _ = root.set_attribute("data-running", "");
        // What failed before, in an extension perhaps, has not kept the program from running.
        let _ = root.remove_attribute("data-failed");
    }
    if let Some(failed) = document.get_element_by_id("failed") {
        let _ = failed.remove_attribute("role");
    }
}

fn document() -> Option<Document> {
    web_sys::window().and_then(|window| window.document())
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::{document, program_runs};

    #[wasm_bindgen_test]
    fn a_program_that_runs_takes_back_that_it_cannot() {
        // As www/index.html leaves it after an error.
        let document = document().expect("the tests run in a page");
        let root = document.document_element().expect("a page has a root");
        root.set_attribute("data-failed", "page").expect("a plain name");
        let failed = document.create_element("div").expect("a plain name");
        failed.set_id("failed");
        failed.set_attribute("role", "alert").expect("a plain name");
        root.append_child(&failed).expect("the root takes elements");

        program_runs();
        assert!(root.has_attribute("data-running") && !root.has_attribute("data-failed"));
        assert!(!failed.has_attribute("role"));
        failed.remove();
    }
}
