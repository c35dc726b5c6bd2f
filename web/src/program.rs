//! Programs beside the page's own: each is a module of wasm with its JavaScript, and runs in a worker of its own. `worker.js`
//! starts them; what they are called stands in the page's shell.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{HtmlMetaElement, MessageChannel, MessagePort, Worker, WorkerOptions, WorkerType};

/// The script that starts a program in a worker.
pub(crate) const LOADER: &str = "/worker.js";

/// Starts a program: its worker, and the port to it.
///
/// # Errors
/// Only a browser that has no workers for this page refuses. What fails later, the worker tells by an event.
pub(crate) fn start(loader: &str, name: &str) -> Result<(Worker, MessagePort), JsValue> {
    let channel = MessageChannel::new()?;
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    let worker = Worker::new_with_options(loader, &options)?;
    let message = Object::new();
    let program = place(name)?;
    Reflect::set(&message, &"module".into(), &format!("{program}_bg.wasm").into())?;
    Reflect::set(&message, &"glue".into(), &format!("{program}.js").into())?;
    Reflect::set(&message, &"port".into(), &channel.port2())?;
    worker.post_message_with_transfer(&message, &Array::of1(&channel.port2()))?;
    Ok((worker, channel.port1()))
}

/// The address of a program, up to what its JavaScript and its module are called behind that.
///
/// # Errors
/// When the page has none.
pub(crate) fn place(name: &str) -> Result<String, JsValue> {
    let document = web_sys::window().and_then(|window| window.document()).ok_or("there is no document")?;
    let place =
        document.query_selector(&format!("meta[name={name}]"))?.ok_or("the page has no such program")?;
    Ok(place.unchecked_into::<HtmlMetaElement>().content())
}
