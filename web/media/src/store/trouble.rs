//! What browsers say when they do not store.

use js_sys::Object;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::DomException;

use crate::messages::StoreError;

/// Why storage cannot be used at all.
pub(crate) fn unavailable(error: &JsValue) -> StoreError {
    StoreError::Unavailable(words(error))
}

/// Why a request failed.
pub(crate) fn failed(error: &JsValue) -> StoreError {
    match name(error).as_deref() {
        Some("QuotaExceededError") => StoreError::Full,
        Some("NotFoundError") => StoreError::Missing,
        _ => StoreError::Failed(words(error)),
    }
}

/// What kind of error it is. An error of quota is a kind of its own in newer browsers.
fn name(error: &JsValue) -> Option<String> {
    match error.dyn_ref::<DomException>() {
        Some(error) => Some(error.name()),
        None => js_sys::Reflect::get(error, &"name".into()).ok()?.as_string(),
    }
}

/// What the browser says about an error.
pub(crate) fn words(error: &JsValue) -> String {
    match error.dyn_ref::<DomException>() {
        Some(error) => format!("{} ({})", error.message(), error.name()),
        None => error.as_string().unwrap_or_else(|| String::from(Object::from(error.clone()).to_string())),
    }
}
