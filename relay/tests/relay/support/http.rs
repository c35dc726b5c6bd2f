//! HTTP by hand, so that the tests see the bytes and not what a library makes of them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The code of a structured error, after checking its form.
    pub(crate) fn error_code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/json"));
        let json = self.json();
        let error = json["error"].as_object().expect("an error is an object");
        assert_eq!(error.keys().map(String::as_str).collect::<Vec<_>>(), ["code", "id", "message"]);
        let id = error["id"].as_str().expect("the id is text");
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(!error["message"].as_str().expect("the message is text").is_empty());
        error["code"].as_str().expect("the code is text").to_owned()
    }
}

/// `GET path` with more headers, each a whole line.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &[&str]) -> Answer {
    request(address, "GET", path, headers).await
}

/// Any method, without a body.
pub(crate) async fn request(address: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: relay.test\r\nconnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    raw(address, head.as_bytes()).await
}

/// Any method, with a body.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> Answer {
    let mut message = format!(
        "{method} {path} HTTP/1.1\r\nhost: relay.test\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for header in headers {
        message.push_str(header);
        message.push_str("\r\n");
    }
    message.push_str("\r\n");
    raw(address, &[message.as_bytes(), body].concat()).await
}

/// Sends bytes and reads until the relay closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("the relay listens");
    stream.write_all(bytes).await.expect("the relay reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the relay answers");
    parse(&answer)
}

/// Takes an answer apart. A body with chunks would be shown as it came; the relay sends none.
pub(crate) fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("the answer has a head");
    let head = std::str::from_utf8(&answer[..end]).expect("the head is text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("the first line has a status");
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').expect("a header has a colon");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Answer {
        status: status.parse().expect("the status is a number"),
        headers: headers.collect(),
        body: answer[end + 4..].to_vec(),
    }
}
