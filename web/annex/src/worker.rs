//! The port: bytes in, bytes out.

use chanterelle_annex::question::{Ask, Question, decode, encode};
use chanterelle_annex::{backup, qr, scan, stretch, words};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::{MessageEvent, MessagePort, console};
use zeroize::Zeroizing;

/// Answers at this port, for as long as the worker lives. Called by `worker.js`. First says that it is there, by a message
/// without bytes.
#[wasm_bindgen]
#[allow(unreachable_pub, reason = "wasm-bindgen exports public functions only")]
pub fn serve(port: MessagePort) {
    // What follows is a trap, which the page hears of; why, only the console.
    std::panic::set_hook(Box::new(|info| console::error_1(&info.to_string().into())));
    let on_message = Closure::<dyn Fn(MessageEvent)>::new({
        let port = port.clone();
        move |event: MessageEvent| {
            let asked: Uint8Array = event.data().unchecked_into();
            let bytes = Zeroizing::new(asked.to_vec());
            // It was transferred, so this is the last of it outside of this program.
            asked.fill(0, 0, asked.length());
            let question = decode(&bytes).expect("the page is of the same build");
            post(&port, &Zeroizing::new(answer(question)));
        }
    });
    post(&port, &[]);
    // This also starts the port.
    port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
}

fn answer(question: Question) -> Vec<u8> {
    match &question {
        Question::WordsOf(asked) => reply(asked, Ok(words::words(&asked.0))),
        Question::RootOf(asked) => reply(asked, words::root(&asked.0.0)),
        Question::Seal(asked) => {
            let sealed = backup::seal(&asked.content.0, &asked.passphrase.0);
            reply(asked, sealed.map(serde_bytes::ByteBuf::from))
        }
        Question::Open(asked) => reply(asked, backup::open(&asked.file, &asked.passphrase.0)),
        Question::Stretch(asked) => {
            reply(asked, stretch::stretch(&asked.passphrase.0, &asked.salt, &asked.cost))
        }
        Question::Draw(asked) => reply(asked, qr::draw(&asked.0)),
        Question::Scan(asked) => reply(asked, scan::scan(asked.width, &asked.rgba)),
    }
}

/// The question is there for its type alone: it says what its answer is.
fn reply<Q: Ask>(_: &Q, outcome: Result<Q::Answer, Q::Refusal>) -> Vec<u8> {
    encode(&outcome)
}

fn post(port: &MessagePort, bytes: &[u8]) {
    let bytes = Uint8Array::from(bytes);
    port.post_message_with_transferable(&bytes, &Array::of1(&bytes.buffer()))
        .expect("a fresh buffer can be transferred");
}
