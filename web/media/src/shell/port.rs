//! The port to the page: messages as bytes, with what does not belong into bytes behind them.

use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{MessageEvent, MessagePort};

use crate::messages::{ToMedia, ToPage, decode, encode};

/// The port to the page.
pub(super) struct Port(MessagePort);

impl Port {
    pub(super) fn new(port: MessagePort) -> Self {
        Port(port)
    }

    /// Calls `hear` with each message and its array, for as long as the worker lives.
    pub(super) fn listen(&self, hear: impl Fn(ToMedia, Array) + 'static) {
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let parts: Array = event.data().unchecked_into();
            let bytes = Uint8Array::new(&parts.get(0)).to_vec();
            hear(decode(&bytes).expect("the page is of the same build"), parts);
        });
        // This also starts the port.
        self.0.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();
    }

    /// Says something.
    pub(super) fn post(&self, message: &ToPage) {
        self.post_with(message, None);
    }

    /// Says something, with a thing behind it that is copied.
    pub(super) fn post_with(&self, message: &ToPage, part: Option<&JsValue>) {
        self.send(message, part, None);
    }

    /// Says something, with bytes behind it.
    pub(super) fn post_bytes(&self, message: &ToPage, bytes: &[u8]) {
        let buffer = Uint8Array::from(bytes).buffer();
        self.send(message, Some(&buffer), Some(&buffer));
    }

    fn send(&self, message: &ToPage, part: Option<&JsValue>, transferred: Option<&ArrayBuffer>) {
        let bytes = Uint8Array::from(encode(message).as_slice());
        let transfer = Array::of1(&bytes.buffer());
        let parts = Array::of1(&bytes);
        if let Some(part) = part {
            parts.push(part);
        }
        if let Some(buffer) = transferred {
            transfer.push(buffer);
        }
        self.0.post_message_with_transferable(&parts, &transfer).expect("what the program makes can be sent");
    }
}
