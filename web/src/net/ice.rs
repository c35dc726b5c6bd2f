//! The servers that help two tabs find a way to each other (STUN and TURN, RFC 8489 and 8656): those the person has set,
//! and those that relays tell of.

use std::cell::RefCell;

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::JsValue;

use super::address;

/// Servers used at a time: each is asked at every connection, and browsers warn of more.
const MOST: usize = 4;

/// The longest URL, user name or password, bytes.
const TEXT_BYTES: usize = 512;

thread_local! {
    /// Those of the person come first.
    static SERVERS: RefCell<(Vec<Server>, Vec<Server>)> = RefCell::default();
}

/// One server, as browsers take it: they refuse to connect at all when one of the list is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    url: String,
    /// User name and password, which TURN needs.
    login: Option<(String, String)>,
}

impl Server {
    /// Reads `URL` or `URL|USER|PASSWORD`, as operators write it too; `None` when it is no such server.
    pub(crate) fn read(text: &str) -> Option<Server> {
        let mut parts = text.trim().splitn(3, '|');
        let url = parts.next()?;
        let login = parts.next().map(|user| (user.to_owned(), parts.next().unwrap_or_default().to_owned()));
        Server::new(url, login)
    }

    fn new(url: &str, login: Option<(String, String)>) -> Option<Server> {
        let (scheme, rest) = url.split_once(':')?;
        let needs_login = match scheme {
            "stun" | "stuns" => false,
            "turn" | "turns" => true,
            _ => return None,
        };
        let (host, query) = rest.split_once('?').map_or((rest, None), |(host, query)| (host, Some(query)));
        let query_fits =
            query.is_none_or(|query| needs_login && matches!(query, "transport=udp" | "transport=tcp"));
        let fits = |text: &String| !text.is_empty() && text.len() <= TEXT_BYTES;
        let login = login.filter(|(user, password)| fits(user) && fits(password));
        let is_whole = url.len() <= TEXT_BYTES && query_fits && (login.is_some() || !needs_login);
        (is_whole && address::is_authority(host)).then(|| Server { url: url.to_owned(), login })
    }

    /// The host, and the port if there is one.
    fn authority(&self) -> &str {
        let rest = self.url.split_once(':').map_or("", |(_, rest)| rest);
        rest.split('?').next().unwrap_or_default()
    }

    fn object(&self) -> JsValue {
        let object = Object::new();
        let set = |key: &str, value: &str| {
            // A fresh object takes any field.
            let _ = Reflect::set(&object, &key.into(), &value.into());
        };
        set("urls", &self.url);
        if let Some((user, password)) = &self.login {
            set("username", user);
            set("credential", password);
        }
        object.into()
    }
}

/// The servers of the moment, as `RTCConfiguration` has them.
pub(super) fn servers() -> Array {
    SERVERS.with_borrow(|(own, told)| own.iter().chain(told).take(MOST).map(Server::object).collect())
}

/// The person has set these.
pub(super) fn set(servers: Vec<Server>) {
    SERVERS.with_borrow_mut(|(own, _)| *own = servers);
}

/// A relay has told of servers, in the form of `RTCIceServer`s. Those that nobody can use are left out.
pub(super) fn learn(servers: &Array) {
    let text = |of: &JsValue, key: &str| Reflect::get(of, &key.into()).ok().and_then(|text| text.as_string());
    let mut read = Vec::new();
    for server in servers.iter().take(MOST) {
        let login = text(&server, "username").zip(text(&server, "credential"));
        let urls = Reflect::get(&server, &"urls".into()).unwrap_or_default();
        let urls = if Array::is_array(&urls) { Array::from(&urls) } else { Array::of1(&urls) };
        let urls = urls.iter().take(MOST).filter_map(|url| url.as_string());
        let urls = urls.filter_map(|url| Server::new(&url, login.clone()));
        read.extend(urls.filter(|server| address::may_send_to(server.authority())));
    }
    SERVERS.with_borrow_mut(|(_, told)| {
        // The latest first: a relay that is left has no more to say.
        told.retain(|server| !read.contains(server));
        told.splice(..0, read);
        told.truncate(MOST);
    });
}
