//! Several tabs of one profile: only the one that leads has a network, so the others have it fetch what they want, and hear
//! how that goes. Which blobs came is told by the storage itself.

use chanterelle_core::base::BlobId;
use js_sys::Uint8Array;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use web_sys::{BroadcastChannel, MessageEvent};

use chanterelle_media::messages::{Fetch, ToMedia, decode, encode};

/// What tabs of one build say to each other about files.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Between {
    /// To the one that leads: what its program is to be told.
    Ask(ToMedia),
    /// By the one that leads: how a blob is, of those that somebody wants or watches.
    Blob(BlobId, Fetch),
    /// By the one that leads from now on, which knows of nothing that was asked before.
    Leads,
}

/// The channel of this build's tabs, closed when dropped.
pub(super) struct Others {
    channel: BroadcastChannel,
    _on_message: Closure<dyn Fn(MessageEvent)>,
}

impl Others {
    /// Joins the channel; none where the browser has none, and then every tab is alone.
    pub(super) fn join(build: &str, on: impl Fn(Between) + 'static) -> Option<Others> {
        let channel = BroadcastChannel::new(&format!("chanterelle files {build}")).ok()?;
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let said = Uint8Array::new(&event.data()).to_vec();
            // What is not understood is of no tab of this build.
            if let Ok(said) = decode(&said) {
                on(said);
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Some(Others { channel, _on_message: on_message })
    }

    pub(super) fn say(&self, said: &Between) {
        let bytes = Uint8Array::from(encode(said).as_slice());
        self.channel.post_message(&bytes).expect("bytes can be posted");
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}
