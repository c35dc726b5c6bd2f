//! The servers that help two tabs find a way to each other (STUN and TURN, RFC 8489 and 8656): those the person has set,
//! and those that relays tell of.

use std::cell::RefCell;

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::JsValue;

use super::address;

/// Servers used at a time: each is asked at every connection, and browsers warn of more.
const MOST: usize = 4;

/// As many of them may be the person's, so that those of relays have a place.
pub(crate) const OWN_SERVERS: usize = MOST - 1;

/// The longest URL, user name or password, bytes: STUN has room for a user name below this (RFC 8489, section 14.3), and
/// Chromium refuses a longer one.
const TEXT_BYTES: usize = 508;

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

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use js_sys::{Array, JSON, Reflect};
    use wasm_bindgen::JsValue;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::{RtcConfiguration, RtcPeerConnection};

    use super::{MOST, SERVERS, Server, TEXT_BYTES, learn, servers, set};

    /// Whether the browser makes a connection with these servers. One that is malformed spoils all.
    fn is_taken(servers: &Array) -> bool {
        let configuration = RtcConfiguration::new();
        configuration.set_ice_servers(servers);
        let connection = RtcPeerConnection::new_with_configuration(&configuration);
        if let Ok(connection) = &connection {
            connection.close();
        }
        connection.is_ok()
    }

    /// What is used when relays have told of these, in JSON, and the person of none.
    fn told(json: &str) -> Vec<String> {
        learn(&Array::from(&JSON::parse(json).expect("JSON")));
        used()
    }

    fn used() -> Vec<String> {
        let servers = servers();
        assert!(servers.length() as usize <= MOST && is_taken(&servers), "{servers:?}");
        let url = |server: JsValue| Reflect::get(&server, &"urls".into()).ok()?.as_string();
        servers.iter().map(|server| url(server).expect("each has a URL")).collect()
    }

    #[wasm_bindgen_test]
    fn what_is_read_is_taken_by_the_browser() {
        let long = "x".repeat(TEXT_BYTES);
        for text in [
            "stun:stun.example",
            "stun:stun.example:3478",
            "  stun:localhost:65535\r",
            "stun:192.0.2.1:1",
            "stun:[2001:db8::1]",
            "stun:[2001:db8::1]:3478",
            "stuns:stun.example:5349",
            "stun:stun.example|user|password",
            "turn:turn.example|user|password",
            "turn:192.0.2.1:3478|user|pass|word",
            "turn:[::1]:3478?transport=udp|user|password",
            "turns:turn.example?transport=tcp|\u{fc}ser|p\u{e4}ssword\u{1f344}",
            &format!("turn:turn.example|{long}|{long}"),
            &format!("turn:turn.example|{}|x", "\u{fc}".repeat(TEXT_BYTES / 2)),
        ] {
            let server = Server::read(text).unwrap_or_else(|| panic!("{text} is a server"));
            assert!(is_taken(&Array::of1(&server.object())), "{text}");
        }
        let with_bar = Server::read("turn:192.0.2.1|user|pass|word").and_then(|server| server.login);
        assert_eq!(with_bar, Some(("user".to_owned(), "pass|word".to_owned())));
    }

    #[wasm_bindgen_test]
    fn what_is_no_server_is_not_read() {
        let long = "x".repeat(TEXT_BYTES + 1);
        for text in [
            "",
            "|",
            "stun",
            "stun:",
            "stun:|user|password",
            "stun.example",
            "stun.example:3478",
            "https://stun.example",
            "stun://stun.example",
            "stun:stun.example/",
            "stun:stun.example#x",
            "stun:user@stun.example",
            "stun:stun example",
            "stun:stun.example :3478",
            "stun:stun_.example",
            "stun:stun..example",
            "stun:st\u{fc}n.example",
            "stun:192.0.2",
            "stun:0x7f000001",
            "stun:stun.example:",
            "stun:stun.example:0",
            "stun:stun.example:65536",
            "stun:stun.example:+80",
            "stun:stun.example:-1",
            "stun:stun.example:80:80",
            "stun:[2001:db8::1",
            "stun:[2001:db8::1]x",
            "stun:[2001:db8::1]x:80",
            "stun:[2001:db8::1]:",
            "stun:[192.0.2.1]",
            "stun:[stun.example]",
            "stun:2001:db8::1",
            "stun:stun.example?transport=udp",
            "turn:turn.example",
            "turn:turn.example|user",
            "turn:turn.example|user|",
            "turn:turn.example||password",
            "turn:turn.example?transport=sctp|user|password",
            "turn:turn.example?transport=udp&x=y|user|password",
            "turn:turn.example?|user|password",
            &format!("turn:turn.example|{long}|x"),
            &format!("turn:turn.example|x|{long}"),
            &format!("stun:{}example", "stun.".repeat(TEXT_BYTES / 5)),
        ] {
            assert_eq!(Server::read(text), None, "{text}");
        }
    }

    /// Whatever parts a URL is made of: what gets through is taken, or no connection could be made any more.
    #[wasm_bindgen_test]
    fn nothing_that_the_browser_refuses_gets_through() {
        let schemes = ["stun:", "stuns:", "turn:", "turns:", "stun://", "STUN:", "sip:", ":", ""];
        let hosts = [
            "h",
            "h.example",
            "-h",
            "h-",
            "H.EXAMPLE",
            "1.2.3.4",
            "1.2.3",
            "999.1.1.1",
            "[::1]",
            "[::1%1]",
            "[::ffff:1.2.3.4]",
            "::1",
            "[]",
            "[::1]]",
            "h%20",
            "h\\",
            "h|h",
            "xn--h",
            "h.",
            ".h",
            "",
            "h\tx",
            "h\nx",
            "h\0",
            "a:b",
        ];
        let ports =
            ["", ":", ":1", ":00080", ":65535", ":65536", ":0", ":+1", ":-1", ":1x", ": 1", ":0x10", ":1:1"];
        let queries = ["", "?", "?transport=udp", "?transport=tcp", "?transport=TCP", "?transport=", "?x"];
        let logins = ["", "|u|p", "|\u{1}|\0", "|u", "||p", "|u|"];
        let mut read = Vec::new();
        for scheme in schemes {
            for host in hosts {
                for port in ports {
                    for query in queries {
                        for login in logins {
                            let text = format!("{scheme}{host}{port}{query}{login}");
                            read.extend(Server::read(&text).map(|server| (text, server)));
                        }
                    }
                }
            }
        }
        assert!(read.len() > 100, "{}", read.len());
        // Many at a time, because browsers make only so many connections.
        for some in read.chunks(64) {
            let all: Array = some.iter().map(|(_, server)| server.object()).collect();
            if !is_taken(&all) {
                let wrong = some.iter().filter(|(_, server)| !is_taken(&Array::of1(&server.object())));
                panic!("{:?}", wrong.map(|(text, _)| text).collect::<Vec<_>>());
            }
        }
    }

    #[wasm_bindgen_test]
    fn what_relays_tell_is_held_to_the_same() {
        SERVERS.take();
        for json in [
            "[]",
            "[null, 1, true, \"stun:stun.example\", [], {}]",
            "[{\"urls\": null}, {\"urls\": 1}, {\"urls\": {}}, {\"urls\": []}, {\"urls\": [null, 1, [\"stun:stun.example\"]]}]",
            "[{\"url\": \"stun:stun.example\"}]",
            "[{\"urls\": \"turn:turn.example\"}, {\"urls\": \"stun:stun.example?transport=udp\"}]",
            "[{\"urls\": \"turn:turn.example\", \"username\": \"user\"}]",
            "[{\"urls\": \"turn:turn.example\", \"username\": 1, \"credential\": 2}]",
            "[{\"urls\": \"turn:turn.example\", \"username\": \"\", \"credential\": \"x\"}]",
            "[{\"urls\": \"stun:stun.example:+80\"}, {\"urls\": \"stun:[::1]x\"}, {\"urls\": \"\"}]",
            "[{\"urls\": \"stun:stun.example\\u0000\"}]",
        ] {
            assert_eq!(told(json), [""; 0], "{json}");
        }
        let mixed = "[{\"urls\": [\"stun:one.example\", 7, \"turn:two.example\", \"stun:three.example\"]},
            {\"urls\": \"turn:four.example\", \"username\": \"user\", \"credential\": \"password\", \"credentialType\": \"x\"}]";
        assert_eq!(told(mixed), ["stun:one.example", "stun:three.example", "turn:four.example"]);
        SERVERS.take();
    }

    #[wasm_bindgen_test]
    fn there_are_never_more_than_are_used() {
        SERVERS.take();
        let many = |name: &str| {
            let urls: Vec<String> = (0..1_000).map(|n| format!("\"stun:{name}-{n}.example\"")).collect();
            format!("[{{\"urls\": [{}]}}]", urls.join(","))
        };
        assert_eq!(told(&many("a")).len(), MOST);
        let each: Vec<String> = (0..1_000).map(|n| format!("{{\"urls\": \"stun:b-{n}.example\"}}")).collect();
        let told_each = told(&format!("[{}]", each.join(",")));
        assert_eq!(
            told_each,
            ["stun:b-0.example", "stun:b-1.example", "stun:b-2.example", "stun:b-3.example"]
        );
        assert_eq!(SERVERS.with_borrow(|(_, told)| told.len()), MOST, "nor more kept");

        // What was told last comes first, and nothing twice.
        assert_eq!(told("[{\"urls\": \"stun:b-2.example\"}]")[..2], ["stun:b-2.example", "stun:b-0.example"]);
        assert_eq!(used().len(), MOST);

        // The person's own come before all.
        let own = |count: usize| {
            (0..count).filter_map(|n| Server::read(&format!("stun:own-{n}.example"))).collect()
        };
        set(own(1));
        assert_eq!(used()[..2], ["stun:own-0.example", "stun:b-2.example"]);
        set(own(9));
        assert_eq!(
            used(),
            ["stun:own-0.example", "stun:own-1.example", "stun:own-2.example", "stun:own-3.example"]
        );
        set(Vec::new());
        assert_eq!(used()[0], "stun:b-2.example");
        SERVERS.take();
    }
}
