//! Slow clients, floods and proxies, with raw sockets.

use std::net::SocketAddr;
use std::time::Duration;

use chanterelle_relay::settings::Keys;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::http::{get, parse, raw};
use crate::support::{TestRelay, until};

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("the relay listens")
}

/// Reads until the relay closes.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let closed = timeout(Duration::from_secs(60), stream.read_to_end(&mut read)).await;
    // A reset is an end, too.
    let _ = closed.expect("the relay closes");
    read
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_and_others_are_served_meanwhile() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let (mut silent, mut dripping) = (connect(address).await, connect(address).await);
    dripping.write_all(b"GET / HTTP/1.1\r\nhost: relay.test\r\n").await.expect("the relay reads");
    let (mut reader, mut writer) = dripping.split();
    let drip = async {
        while writer.write_all(b"x: y\r\n").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let mut read = Vec::new();
    let cut = async {
        tokio::select! {
            () = drip => {}
            _ = reader.read_to_end(&mut read) => {}
        }
    };
    assert_eq!(get(address, "/livez", &[]).await.status, 200);
    let both = futures::future::join(timeout(Duration::from_secs(60), cut), until_closed(&mut silent)).await;
    assert!(both.0.is_ok(), "the dripping client is cut off");
    assert!(!String::from_utf8_lossy(&read).starts_with("HTTP/1.1 200"));
    relay.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let relay = TestRelay::start().await;
    // As much as the relay reads of a head, and no end: were there more, its answer could be lost with the rest.
    let mut head = b"GET / HTTP/1.1\r\nhost: relay.test\r\nx: ".to_vec();
    head.resize(64 * 1024, b'y');
    let answer = raw(relay.app.address(), &head).await;
    assert_eq!(answer.status, 431);
    // A larger one is cut off while it is sent. The answer may get through or not, but it is no other.
    head.extend([b'y'; 256 * 1024]);
    let mut stream = connect(relay.app.address()).await;
    let _ = stream.write_all(&head).await;
    let answer = until_closed(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"));
    assert_eq!(get(relay.app.address(), "/livez", &[]).await.status, 200);
    relay.stop().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_sent() {
    let relay = TestRelay::start().await;
    let head = "POST /api/v1/info HTTP/1.1\r\nhost: relay.test\r\nconnection: close\r\n\
                content-length: 10000001\r\n\r\n";
    let answer = raw(relay.app.address(), head.as_bytes()).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.error_code(), "too_large");
    // Of which nobody can say how large it is.
    let head = "GET /api/v1/info HTTP/1.1\r\nhost: relay.test\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let answer = raw(relay.app.address(), head.as_bytes()).await;
    assert_eq!(answer.status, 413);
    relay.stop().await;
}

#[tokio::test]
async fn an_address_has_so_many_requests_a_minute() {
    let relay = TestRelay::with(Keys { api_requests_per_minute: Some(3), ..Keys::default() }).await;
    let address = relay.app.address();
    for _ in 0..3 {
        assert_eq!(get(address, "/api/v1/info", &[]).await.status, 200);
    }
    let refused = get(address, "/api/v1/info", &[]).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.error_code(), "too_many_requests");
    let wait: u64 =
        refused.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds to wait");
    assert!((1..=60).contains(&wait), "{wait}");
    let upgrade = [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-version: 13",
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    let mut head = "GET / HTTP/1.1\r\nhost: relay.test\r\n".to_owned();
    upgrade.iter().for_each(|line| head.push_str(&format!("{line}\r\n")));
    head.push_str("\r\n");
    let mut stream = connect(address).await;
    stream.write_all(head.as_bytes()).await.expect("the relay reads");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("the relay answers");
    assert_eq!(&status, b"HTTP/1.1 429", "an upgrade counts as a request");
    // Pages and health are not the API.
    for path in ["/", "/livez", "/readyz", "/metrics"] {
        assert_eq!(get(address, path, &[]).await.status, 200, "{path}");
    }
    relay.stop().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_limit_is_the_clients() {
    let keys = Keys {
        api_requests_per_minute: Some(2),
        trusted_proxies: Some(vec!["127.0.0.1".to_owned()]),
        ..Keys::default()
    };
    let relay = TestRelay::with(keys).await;
    let address = relay.app.address();
    let status = async |client: &str| {
        get(address, "/api/v1/info", &[&format!("x-forwarded-for: {client}")]).await.status
    };
    for _ in 0..2 {
        assert_eq!(status("192.0.2.1").await, 200);
    }
    assert_eq!(status("192.0.2.1").await, 429);
    assert_eq!(status("198.51.100.7, 192.0.2.1").await, 429, "what the client wrote itself does not count");
    assert_eq!(status("192.0.2.2").await, 200);
    assert_eq!(status("2001:db8::1").await, 200);
    assert_eq!(status("2001:db8::2").await, 200);
    assert_eq!(status("2001:db8::3").await, 429, "one household");
    relay.stop().await;
}

#[tokio::test]
async fn without_a_trusted_proxy_nobody_speaks_for_another() {
    let relay = TestRelay::with(Keys { api_requests_per_minute: Some(1), ..Keys::default() }).await;
    let address = relay.app.address();
    assert_eq!(get(address, "/api/v1/info", &["x-forwarded-for: 192.0.2.1"]).await.status, 200);
    assert_eq!(get(address, "/api/v1/info", &["x-forwarded-for: 192.0.2.2"]).await.status, 429);
    relay.stop().await;
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let relay = TestRelay::with(Keys { connections_per_address: Some(2), ..Keys::default() }).await;
    let address = relay.app.address();
    let first = connect(address).await;
    let _second = connect(address).await;
    let open = || relay.app.metrics().connections.get();
    until("both have their places", async || open() == 2).await;
    let mut third = connect(address).await;
    let refused = parse(&until_closed(&mut third).await);
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
    drop(first);
    until("the place is free again", async || open() == 1).await;
    assert_eq!(get(address, "/livez", &[]).await.status, 200, "the place is free again");
    relay.stop().await;
}
