//! What page and worker say to each other, and the one encoding of it: DAG-CBOR, which the program holds already.
//!
//! Both ends are the same build of the same program, so nothing here has versions or golden bytes, and bytes that do
//! not decode are a defect. A message carries as many items as have come together; its buffer is transferred.

use chanterelle_core::base::PeerId;
use chanterelle_core::node::{Command, Update};
use js_sys::{Array, Uint8Array};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::MessagePort;

use crate::storage::StorageStatus;

/// What the page tells the worker.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// The page is there, and this is its key on the network. Comes first, and once.
    Start(PeerId),
    /// A person wants something.
    Command(Command),
    /// A session is open.
    Connected(PeerId),
    /// It is gone.
    Disconnected(PeerId),
    /// A frame arrived.
    Received(PeerId, ByteBuf),
}

/// What the worker tells the page.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToPage {
    /// The node of this profile runs behind this page: from now on it may have sessions.
    Running,
    /// The person should know.
    Update(Update),
    /// How the storage is.
    Storage(StorageStatus),
    /// The node cannot run now, in words for the person. If it does later, [`ToPage::Running`] tells.
    Failed(String),
    /// A frame to be sent.
    Send(PeerId, ByteBuf),
    /// A session to be closed after what was sent before, with words why.
    Close(PeerId, String),
    /// So many bytes of the peer's frames have been dealt with.
    Took(PeerId, u32),
}

/// Sends items as one message. None when there are none.
pub(crate) fn post<T: Serialize>(port: &MessagePort, items: &[T]) {
    if items.is_empty() {
        return;
    }
    let bytes = serde_ipld_dagcbor::to_vec(items).expect("messages encode");
    let bytes = Uint8Array::from(bytes.as_slice());
    port.post_message_with_transferable(&bytes, &Array::of1(&bytes.buffer()))
        .expect("a fresh buffer can be transferred");
}

/// Reads the items of a message.
///
/// # Errors
/// When the data is no message of the same build.
pub(crate) fn read<T: DeserializeOwned>(data: &JsValue) -> Result<Vec<T>, String> {
    let bytes: &Uint8Array = data.dyn_ref().ok_or("the message holds no bytes")?;
    serde_ipld_dagcbor::from_slice(&bytes.to_vec()).map_err(|error| error.to_string())
}
