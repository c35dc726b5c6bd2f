//! The network watch: events travel in sessions (`/chanterelle/1`) and nowhere else.
//!
//! Sessions run inside the one WebSocket to the relay and are encrypted there, so this holds by what is outside: all
//! that a browser may send beside the WebSocket are GETs of the page's own files, of its shell and of the relay's
//! description, without a body and without a query, and the words of a post are in nothing that was sent or received.
//! That events did arrive in sessions is what the relay's figures say.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::http;
use crate::netlog::{NetLog, Request};

/// What is allowed, and what is looked for.
#[derive(Clone, Debug)]
pub struct Watch {
    relays: Vec<SocketAddr>,
    files: BTreeSet<String>,
    markers: Vec<String>,
}

/// The one answer of the relay's HTTP interface that a page needs.
const INFO: &str = "/api/v1/info";

/// The shell of the page, which the service worker keeps beside the files.
const SHELL: &str = "/";

/// What files of a page are.
const FILES: [&str; 6] =
    ["text/javascript", "text/css", "application/wasm", "application/manifest+json", "image/", "font/"];

impl Watch {
    /// A watch over a browser that talked to these relays, which still run. `markers` are words that stand in posts and
    /// nowhere else.
    ///
    /// Which of the paths that were asked for are files of the page is asked of the relays, so that the page may be any.
    pub async fn over(log: &NetLog, relays: &[SocketAddr], markers: &[String]) -> Watch {
        let mut watch = Watch {
            relays: relays.to_vec(),
            files: BTreeSet::from([INFO.to_owned(), SHELL.to_owned()]),
            markers: markers.to_vec(),
        };
        let asked: BTreeSet<&str> = log.requests.iter().map(|request| request.url.as_str()).collect();
        for url in asked {
            let Some(("http", path)) = watch.split(url) else { continue };
            if !watch.files.contains(path) && is_file(url).await {
                watch.files.insert(path.to_owned());
            }
        }
        watch
    }

    /// The scheme and the path of a URL of one of the relays.
    fn split<'a>(&self, url: &'a str) -> Option<(&'a str, &'a str)> {
        let (scheme, rest) = url.split_once("://")?;
        let path = self.relays.iter().find_map(|relay| rest.strip_prefix(&relay.to_string()))?;
        path.starts_with('/').then_some((scheme, path))
    }

    /// Everything in the log that is not allowed, in words. `opened` are the URLs that were opened by hand.
    #[must_use]
    pub fn violations(&self, log: &NetLog, opened: &BTreeSet<String>) -> Vec<String> {
        let requests = log.requests.iter().filter_map(|request| {
            let complaint = self.complaint(request, opened)?;
            Some(format!("{} {} of {:?}: {complaint}", request.method, request.url, request.initiator))
        });
        let streams = log.streams.iter().flat_map(|((source, kind), bytes)| {
            let found = self.markers.iter().filter(|marker| contains(bytes, marker.as_bytes()));
            found.map(move |marker| {
                let url =
                    log.requests.iter().find(|request| request.source == *source).map(|request| &request.url);
                format!("the words {marker:?} of a post are in {kind} of {url:?}")
            })
        });
        requests.chain(streams).collect()
    }

    /// What is wrong with a request.
    fn complaint(&self, request: &Request, opened: &BTreeSet<String>) -> Option<&'static str> {
        let Some((scheme, path)) = self.split(&request.url) else {
            // Chromium asks its makers for updates and the time whatever it is told. None of it resolves.
            return request.initiator.is_some().then_some("it goes to somebody who is not the relay");
        };
        let (plain, _) = request.url.split_once('#').unwrap_or((&request.url, ""));
        if request.uploads {
            Some("it has a body")
        } else if request.method != "GET" {
            Some("it is no GET")
        } else if scheme == "ws" {
            (path != "/").then_some("libp2p is at /")
        } else if request.navigates && opened.iter().any(|url| url.split('#').next() == Some(plain)) {
            None
        } else {
            (!self.files.contains(path)).then_some("it is no file of the page")
        }
    }
}

/// How many WebSockets were asked for.
#[must_use]
pub fn websockets(log: &NetLog) -> usize {
    log.requests.iter().filter(|request| request.url.starts_with("ws")).count()
}

/// Whether there is a file of a page at this URL: no query, and an answer that says so by its type and by how it may be
/// kept. Whatever is made for the one who asks may not be kept.
async fn is_file(url: &str) -> bool {
    if url.contains('?') {
        return false;
    }
    let Ok(answer) = http::get(url, &[]).await else { return false };
    let caching = answer.header("cache-control");
    answer.status == 200
        && FILES.iter().any(|kind| answer.header("content-type").starts_with(kind))
        && (caching == "no-cache" || caching.contains("immutable"))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Watch;
    use crate::netlog::{NetLog, Request};

    const PAGE: &str = "http://127.0.0.1:7";

    fn watch() -> Watch {
        Watch {
            relays: vec!["127.0.0.1:7".parse().expect("an address")],
            files: ["/", "/api/v1/info", "/app-0123456789abcdef.js"].map(str::to_owned).into(),
            markers: vec!["secret".to_owned()],
        }
    }

    fn request(url: &str) -> Request {
        let initiator = Some(PAGE.to_owned());
        Request { url: url.to_owned(), method: "GET".to_owned(), initiator, ..Request::default() }
    }

    fn complaints(request: Request) -> Vec<String> {
        let opened = BTreeSet::from([format!("{PAGE}/b/x?lang=en")]);
        watch().violations(&NetLog { requests: vec![request], ..NetLog::default() }, &opened)
    }

    #[test]
    fn the_page_and_its_session_are_allowed() {
        for url in ["/", "/api/v1/info", "/app-0123456789abcdef.js"] {
            assert_eq!(complaints(request(&format!("{PAGE}{url}"))), [""; 0]);
        }
        assert_eq!(complaints(request("ws://127.0.0.1:7/")), [""; 0]);
        let opened = Request { navigates: true, initiator: None, ..request(&format!("{PAGE}/b/x?lang=en")) };
        assert_eq!(complaints(opened), [""; 0]);
        let own =
            Request { initiator: None, method: "POST".to_owned(), ..request("https://update.example/") };
        assert_eq!(complaints(own), [""; 0], "the browser's own ends");
    }

    #[test]
    fn everything_else_is_a_violation() {
        for url in [
            "http://127.0.0.1:7/api/v1/info?event=1",
            "http://127.0.0.1:7/?event=1",
            "http://127.0.0.1:7/api/v1/events",
            "http://127.0.0.1:7/b/x?lang=en",
            "http://127.0.0.1:8/api/v1/info",
            "https://elsewhere.example/",
            "ws://127.0.0.1:7/other",
            "ws://127.0.0.1:70/",
        ] {
            assert_eq!(complaints(request(url)).len(), 1, "{url}");
        }
        let info = || request(&format!("{PAGE}/api/v1/info"));
        assert_eq!(complaints(Request { method: "POST".to_owned(), ..info() }).len(), 1);
        assert_eq!(complaints(Request { uploads: true, ..info() }).len(), 1);
        let typed = Request { navigates: true, ..request(&format!("{PAGE}/b/secret")) };
        assert_eq!(complaints(typed).len(), 1, "a page that nobody opened");
    }

    #[test]
    fn words_of_posts_are_found_in_bytes() {
        let mut log = NetLog::default();
        log.streams.insert((1, "SOCKET_BYTES_SENT".to_owned()), b"no".to_vec());
        assert_eq!(watch().violations(&log, &BTreeSet::new()), [""; 0]);
        log.streams.insert((1, "SOCKET_BYTES_SENT".to_owned()), b"a secret".to_vec());
        assert_eq!(watch().violations(&log, &BTreeSet::new()).len(), 1);
    }
}
