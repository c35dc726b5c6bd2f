//! Chromium's network log: every request of every page, worker and of the browser itself, with every byte on every
//! socket (`--log-net-log` with `--net-log-capture-mode=Everything`; described in Chromium's `net/docs/net-log.md`).
//!
//! Only read here; what is allowed to be in it is the business of [`crate::watch`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::Value;

/// What a browser sent and received.
#[derive(Debug, Default)]
pub struct NetLog {
    /// Requests in the order they were begun; each redirect is one more.
    pub requests: Vec<Request>,
    /// What was transferred, by the log's source (a request, a socket, …) and the kind of event. Pieces are joined.
    pub streams: BTreeMap<(i64, String), Vec<u8>>,
}

/// A request for a URL. That of a WebSocket begins with `ws`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The log's number for it.
    pub source: i64,
    /// The whole URL.
    pub url: String,
    /// The method.
    pub method: String,
    /// The origin of the page or worker that asked; `None` is the browser itself, for a person or for its own ends.
    pub initiator: Option<String>,
    /// Whether it is for the document of a tab.
    pub navigates: bool,
    /// Whether it has a body.
    pub uploads: bool,
    /// Whether it went to the network, and was not answered from the cache alone.
    pub sent: bool,
    /// The status and the headers that came from the network, each `name: value`. Empty before an answer.
    pub answer: Vec<String>,
}

impl Request {
    /// A header of the answer.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

#[derive(Deserialize)]
struct File {
    constants: Constants,
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Constants {
    log_event_types: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: u64,
    source: Source,
    #[serde(default)]
    params: Value,
}

#[derive(Deserialize)]
struct Source {
    id: i64,
}

impl NetLog {
    /// Reads the log of a browser that has ended.
    ///
    /// # Errors
    /// When it is not there, or not complete.
    pub fn read(file: &Path) -> Result<NetLog, String> {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        NetLog::parse(&text)
    }

    fn parse(text: &str) -> Result<NetLog, String> {
        let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let names: BTreeMap<u64, &str> =
            file.constants.log_event_types.iter().map(|(name, number)| (*number, name.as_str())).collect();
        let mut log = NetLog::default();
        let mut outgoing = BTreeSet::new();
        for event in &file.events {
            log.take(names.get(&event.kind).copied().unwrap_or_default(), event, &mut outgoing)?;
        }
        // What the driver and the browser say to each other goes over sockets that the browser accepts, and is no traffic.
        log.streams.retain(|(source, kind), _| !kind.starts_with("SOCKET_") || outgoing.contains(source));
        Ok(log)
    }

    fn take(&mut self, kind: &str, event: &Event, outgoing: &mut BTreeSet<i64>) -> Result<(), String> {
        let source = event.source.id;
        let parameters = &event.params;
        let text = |key: &str| parameters[key].as_str().unwrap_or_default().to_owned();
        match kind {
            "URL_REQUEST_START_JOB" if parameters["url"].is_string() => {
                let initiator = text("initiator");
                self.requests.push(Request {
                    source,
                    url: text("url"),
                    method: text("method"),
                    initiator: (initiator != "not an origin").then_some(initiator),
                    navigates: text("request_type") == "main frame",
                    ..Request::default()
                });
            }
            "UPLOAD_DATA_STREAM_INIT" => self.with(source, |request| request.uploads = true),
            "HTTP_TRANSACTION_SEND_REQUEST_HEADERS" => self.with(source, |request| request.sent = true),
            "HTTP_TRANSACTION_READ_RESPONSE_HEADERS" => {
                let lines = parameters["headers"].as_array().into_iter().flatten();
                let lines: Vec<String> = lines.filter_map(|line| line.as_str().map(str::to_owned)).collect();
                self.with(source, |request| request.answer = lines);
            }
            "TCP_CONNECT" => drop(outgoing.insert(source)),
            _ => {}
        }
        if let Some(bytes) = parameters["bytes"].as_str() {
            let bytes =
                BASE64.decode(bytes.as_bytes()).map_err(|error| format!("bytes of {kind}: {error}"))?;
            self.streams.entry((source, kind.to_owned())).or_default().extend(bytes);
        }
        Ok(())
    }

    fn with(&mut self, source: i64, change: impl FnOnce(&mut Request)) {
        if let Some(request) = self.requests.iter_mut().rev().find(|request| request.source == source) {
            change(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NetLog;

    const LOG: &str = r#"{"constants": {"logEventTypes": {"URL_REQUEST_START_JOB": 1, "UPLOAD_DATA_STREAM_INIT": 2,
        "HTTP_TRANSACTION_SEND_REQUEST_HEADERS": 3, "HTTP_TRANSACTION_READ_RESPONSE_HEADERS": 4, "TCP_CONNECT": 5,
        "SOCKET_BYTES_SENT": 6}}, "events": [
        {"type": 1, "source": {"id": 7}, "params": {"url": "http://h/a", "method": "POST", "initiator": "http://h",
            "request_type": "other"}},
        {"type": 2, "source": {"id": 7}},
        {"type": 3, "source": {"id": 7}, "params": {"headers": []}},
        {"type": 4, "source": {"id": 7}, "params": {"headers": ["HTTP/1.1 200 OK", "Content-Length: 12"]}},
        {"type": 1, "source": {"id": 7}, "params": {"net_error": -105}},
        {"type": 1, "source": {"id": 8}, "params": {"url": "http://h/", "method": "GET", "initiator": "not an origin",
            "request_type": "main frame"}},
        {"type": 5, "source": {"id": 9}},
        {"type": 6, "source": {"id": 9}, "params": {"bytes": "YWI="}},
        {"type": 6, "source": {"id": 9}, "params": {"bytes": "Yw=="}},
        {"type": 6, "source": {"id": 10}, "params": {"bytes": "ZA=="}}
    ]}"#;

    #[test]
    fn requests_and_bytes_are_read() {
        let log = NetLog::parse(LOG).expect("the log is complete");
        let [posted, navigated] = log.requests.as_slice() else { panic!("{:?}", log.requests) };
        assert!(posted.uploads && posted.sent && !posted.navigates);
        assert_eq!((posted.method.as_str(), posted.initiator.as_deref()), ("POST", Some("http://h")));
        assert_eq!(posted.header("content-length"), Some("12"));
        assert!(navigated.navigates && !navigated.sent && navigated.initiator.is_none());
        let streams: Vec<_> = log.streams.into_iter().collect();
        assert_eq!(
            streams,
            [((9, "SOCKET_BYTES_SENT".to_owned()), b"abc".to_vec())],
            "pieces of outgoing sockets"
        );
    }

    #[test]
    fn a_log_that_breaks_off_is_an_error() {
        assert!(NetLog::parse(&LOG[..LOG.len() - 20]).is_err());
    }
}
