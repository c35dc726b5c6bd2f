//! A peer in a page, made of the tab's own transports and nothing else, that a test tells what to do: it asks and answers
//! by streams of plain bytes, against js-libp2p (`../peer.js`), which has the same functions.

#[cfg(target_arch = "wasm32")]
mod address;
#[cfg(target_arch = "wasm32")]
mod page;
#[cfg(target_arch = "wasm32")]
#[path = "../../../web/src/net/websocket.rs"]
mod websocket;

fn main() {}
