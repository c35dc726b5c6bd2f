//! What a relay tells of itself and of others, by `GET /api/v1/info`.
//!
//! Together with the page's own files this is the only HTTP of a tab. Dials nothing.

use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;
use js_sys::{Array, Date, Reflect};
use libp2p::Multiaddr;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{RequestCache, RequestInit, Response};

use super::address::{self, Origin};

/// Where a relay tells about itself.
const INFO: &str = "/api/v1/info";

/// How long a relay may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses taken from one answer: a relay's own, and those of its peers.
const ADDRESSES: usize = 16;

/// Where this page came from.
pub(super) fn origin() -> Origin {
    let location = web_sys::window().expect("the network lives on the page").location();
    // The page's own location can always be read.
    let text = |part: Result<String, JsValue>| part.unwrap_or_default();
    Origin { scheme: text(location.protocol()), host: text(location.hostname()), port: text(location.port()) }
}

/// What a relay tells.
#[derive(Debug, Default)]
pub(super) struct Info {
    /// Where it and the relays it knows are reached.
    pub(super) addresses: Vec<Multiaddr>,
    /// How far its clock is from this device's, seconds, if the browser lets that be seen.
    pub(super) clock_off: Option<u64>,
}

/// Asks the relay at `address`. Nothing when it does not answer: then nothing is lost but hints.
pub(super) async fn ask(address: &Multiaddr, origin: &Origin) -> Info {
    let Some(url) = address::url(address) else { return Info::default() };
    // `ws` and `wss` differ from `http` and `https` in this alone.
    let url = format!("http{}", url.trim_start_matches("ws").trim_end_matches('/')) + INFO;
    let (answer, clock_off) = match select(Delay::new(TIMEOUT), Box::pin(get(&url))).await {
        Either::Right((Ok(answer), _)) => answer,
        _ => return Info::default(),
    };
    let list = |key: &str| {
        let list = Reflect::get(&answer, &key.into()).unwrap_or_default();
        list.dyn_into::<Array>().unwrap_or_default()
    };
    let told = list("addresses").concat(&list("relays"));
    let told = told.iter().take(ADDRESSES).filter_map(|told| address::read(&told.as_string()?));
    let told = told.filter(|told| address::judge(told, origin).is_ok());
    Info { addresses: told.collect(), clock_off }
}

async fn get(url: &str) -> Result<(JsValue, Option<u64>), JsValue> {
    let options = RequestInit::new();
    options.set_cache(RequestCache::NoStore);
    let window = web_sys::window().expect("the network lives on the page");
    let response: Response =
        JsFuture::from(window.fetch_with_str_and_init(url, &options)).await?.unchecked_into();
    if !response.ok() {
        return Err(JsValue::UNDEFINED);
    }
    // Only the relay that the page came from may be asked for this header.
    let said = response.headers().get("date")?.map(|date| Date::parse(&date)).filter(|said| !said.is_nan());
    // Both are milliseconds since 1970.
    let clock_off = said.map(|said| ((said - Date::now()).abs() / 1_000.0) as u64);
    Ok((JsFuture::from(response.json()?).await?, clock_off))
}
