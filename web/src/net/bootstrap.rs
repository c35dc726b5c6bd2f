//! How a tab learns whom to dial: it asks the relay that served the page, by `GET /api/v1/info`.
//!
//! Together with the page's own files this is the only HTTP of a tab. Dials nothing.

use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;
use js_sys::{Array, Reflect};
use libp2p::{Multiaddr, PeerId};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{RequestCache, RequestInit, Response};

use super::address::{self, Origin};

/// Where the relay tells about itself.
const INFO: &str = "/api/v1/info";

/// How long the relay may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses taken from an answer; a relay has a name or two.
const ADDRESSES: u32 = 8;

/// A relay and the addresses to try, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relay {
    pub(super) peer: PeerId,
    pub(super) addresses: Vec<Multiaddr>,
}

/// Where this page came from.
pub(super) fn origin() -> Origin {
    let location = web_sys::window().expect("the network lives on the page").location();
    // The page's own location can always be read.
    let text = |part: Result<String, JsValue>| part.unwrap_or_default();
    Origin { scheme: text(location.protocol()), host: text(location.hostname()), port: text(location.port()) }
}

/// Asks the relay that served the page who it is.
///
/// # Errors
/// When it does not answer or cannot be dialled, in words for the person.
pub(super) async fn relay(origin: &Origin) -> Result<Relay, String> {
    let first = origin.address()?;
    let answer = match select(Delay::new(TIMEOUT), Box::pin(ask())).await {
        Either::Left(_) => None,
        Either::Right((answer, _)) => answer.ok(),
    };
    let answer = answer.ok_or_else(|| format!("the relay at {} does not answer", origin.host))?;
    let peer = Reflect::get(&answer, &"peer_id".into()).ok().and_then(|peer| peer.as_string());
    let peer = peer
        .and_then(|peer| peer.parse().ok())
        .ok_or_else(|| format!("{} answers, but not as a relay of this network", origin.host))?;

    let mut addresses = vec![first];
    let told = Reflect::get(&answer, &"addresses".into()).unwrap_or_default();
    for told in told.dyn_into::<Array>().unwrap_or_default().iter().take(ADDRESSES as usize) {
        let Some(address) = told.as_string().and_then(|told| told.parse::<Multiaddr>().ok()) else {
            continue;
        };
        // The first may be among them under another spelling.
        if address::url(&address) != address::url(&addresses[0])
            && address::stranger_url(&address, origin).is_some()
        {
            addresses.push(address);
        }
    }
    Ok(Relay { peer, addresses })
}

async fn ask() -> Result<JsValue, JsValue> {
    let options = RequestInit::new();
    options.set_cache(RequestCache::NoStore);
    let window = web_sys::window().expect("the network lives on the page");
    let response: Response =
        JsFuture::from(window.fetch_with_str_and_init(INFO, &options)).await?.unchecked_into();
    if !response.ok() {
        return Err(JsValue::UNDEFINED);
    }
    JsFuture::from(response.json()?).await
}
