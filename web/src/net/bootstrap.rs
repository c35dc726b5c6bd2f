//! What a relay tells of itself and of others, by `GET /api/v1/info`.
//!
//! Together with the page's own files this is the only HTTP of a tab. Dials nothing.

use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;
use js_sys::{Array, Date, JSON, Reflect, Uint8Array};
use libp2p::Multiaddr;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, ReadableStreamDefaultReader, RequestCache, RequestInit, RequestRedirect, Response,
};

use super::address::{self, Origin};
use super::ice;

/// Where a relay tells about itself.
const INFO: &str = "/api/v1/info";

/// How long a relay may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An answer that is longer is none, bytes.
const ANSWER_BYTES: usize = 64 * 1024;

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

/// When to ask relays next for others, while there are too few: later and later, as long as nothing changes.
#[derive(Clone, Copy, Default)]
pub(super) struct Asking {
    pub(super) due: u64,
    wait: u64,
}

impl Asking {
    /// Milliseconds between the first two times, and between any two.
    const FIRST: u64 = 5_000;
    const LONGEST: u64 = 10 * 60 * 1_000;

    /// After relays were asked.
    pub(super) fn later(self, now: u64) -> Asking {
        let wait = (self.wait * 2).clamp(Self::FIRST, Self::LONGEST);
        Asking { due: now + wait, wait }
    }
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
    ice::learn(&list("ice_servers"));
    let told = list("addresses").concat(&list("relays"));
    let told = told.iter().take(ADDRESSES).filter_map(|told| address::read(&told.as_string()?));
    let told = told.filter(|told| address::judge(told, origin).is_ok());
    Info { addresses: told.collect(), clock_off }
}

/// Ends a request when it is dropped, however that comes about.
struct Request(AbortController);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn get(url: &str) -> Result<(JsValue, Option<u64>), JsValue> {
    let request = Request(AbortController::new()?);
    let options = RequestInit::new();
    options.set_cache(RequestCache::NoStore);
    // The host was judged, and where it would send the tab is not.
    options.set_redirect(RequestRedirect::Error);
    options.set_signal(Some(&request.0.signal()));
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
    let text = String::from_utf8(body(&response).await?).map_err(|_| JsValue::UNDEFINED)?;
    Ok((JSON::parse(&text)?, clock_off))
}

/// What an answer holds, if that is not too much. The length that it gives of itself may be a lie.
async fn body(response: &Response) -> Result<Vec<u8>, JsValue> {
    let mut bytes = Vec::new();
    let Some(stream) = response.body() else { return Ok(bytes) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let part = JsFuture::from(reader.read()).await?;
        // Absent at the end.
        let Ok(part) = Reflect::get(&part, &"value".into())?.dyn_into::<Uint8Array>() else {
            return Ok(bytes);
        };
        if bytes.len() + part.length() as usize > ANSWER_BYTES {
            return Err(JsValue::UNDEFINED);
        }
        bytes.append(&mut part.to_vec());
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use futures::FutureExt as _;
    use js_sys::{Function, Reflect};
    use wasm_bindgen::{JsCast as _, JsValue};
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::{AbortSignal, Response};

    use super::{ANSWER_BYTES, ask, body, origin};

    fn script(body: &str) -> JsValue {
        Function::new_no_args(body).call0(&JsValue::UNDEFINED).expect("a script without faults")
    }

    #[wasm_bindgen_test]
    fn a_request_follows_nobody_and_ends_with_whoever_waits_for_it() {
        // Asked once, by what follows at once; it never answers.
        let asked = script(
            "const asked = {}, real = window.fetch;
            window.fetch = (url, options) => {
                window.fetch = real;
                asked.url = url;
                asked.options = options;
                return new Promise(() => {});
            };
            return asked;",
        );
        let address = "/dns4/relay.example/tcp/443/tls/ws".parse().expect("an address");
        let origin = origin();
        let mut waiting = Box::pin(ask(&address, &origin));
        assert!(waiting.as_mut().now_or_never().is_none());

        let get = |of: &JsValue, key: &str| Reflect::get(of, &key.into()).expect("an object");
        assert_eq!(get(&asked, "url"), "https://relay.example:443/api/v1/info");
        let options = get(&asked, "options");
        assert_eq!(get(&options, "redirect"), "error");
        let signal: AbortSignal = get(&options, "signal").unchecked_into();
        assert!(!signal.aborted());
        drop(waiting);
        assert!(signal.aborted());
    }

    #[wasm_bindgen_test]
    async fn an_answer_is_read_up_to_a_bound() {
        let answer = async |script_of: &str| body(&script(script_of).unchecked_into::<Response>()).await;
        assert_eq!(answer("return new Response()").await, Ok(Vec::new()));
        assert_eq!(answer("return new Response('{\"v\": 1}')").await, Ok(b"{\"v\": 1}".to_vec()));
        let of = |length: usize| format!("return new Response(new Uint8Array({length}))");
        assert_eq!(answer(&of(ANSWER_BYTES)).await, Ok(vec![0; ANSWER_BYTES]));
        assert!(answer(&of(ANSWER_BYTES + 1)).await.is_err());
        let endless = "const pull = (to) => to.enqueue(new Uint8Array(1000));
            return new Response(new ReadableStream({ pull }))";
        assert!(answer(endless).await.is_err());
    }
}
