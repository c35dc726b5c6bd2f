//! Routes, statuses and headers, as a browser sees them.

use std::collections::BTreeSet;

use chanterelle_relay::settings::Keys;

use crate::support::TestRelay;
use crate::support::http::{get, request};

const THREAD: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const HTML: &str = "accept: text/html,application/xhtml+xml,*/*;q=0.8";

#[tokio::test]
async fn pages_are_the_shell_and_what_is_no_page_is_not_found() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let shell = get(address, "/", &[HTML]).await;
    assert_eq!(shell.status, 200);
    let pages = [
        "/?lang=en".to_owned(),
        "/b/cats".to_owned(),
        "/b/a-1".to_owned(),
        format!("/b/cats/t/{THREAD}"),
        "/f".to_owned(),
        "/me".to_owned(),
        "/peers".to_owned(),
        "/settings?lang=en".to_owned(),
        "/index.html".to_owned(),
    ];
    for page in pages {
        let answer = get(address, &page, &[HTML]).await;
        assert_eq!((answer.status, &answer.body), (200, &shell.body), "{page}");
    }
    let absent = [
        "/b/".to_owned(),
        "/b/Cats".to_owned(),
        "/b/-cats".to_owned(),
        format!("/b/{}", "a".repeat(33)),
        "/b/cats/".to_owned(),
        "/b/%ff".to_owned(),
        "/b/cats/t/1234".to_owned(),
        "/b/cats/t/%ff".to_owned(),
        format!("/b/%ff/t/{THREAD}"),
        format!("/b/cats/t/{}", THREAD.to_uppercase()),
        format!("/b/Cats/t/{THREAD}"),
        "/chanterelle-web-0123456789abcdef.js".to_owned(),
        "/../Cargo.toml".to_owned(),
        "/%2e%2e/Cargo.toml".to_owned(),
        "/identity/index.html".to_owned(),
        "/api/v2/info".to_owned(),
        "/wp-login.php".to_owned(),
    ];
    for path in absent {
        let answer = get(address, &path, &["accept: */*"]).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.error_code(), "not_found", "{path}");
        let answer = get(address, &path, &[HTML]).await;
        assert_eq!(answer.status, 404, "{path}");
        if path.starts_with("/api/") {
            assert_eq!(answer.error_code(), "not_found", "an API speaks JSON, also to a browser");
        } else {
            assert!(answer.text().contains("There is nothing here"), "{path}");
            assert_ne!(answer.body, shell.body);
        }
    }
    relay.stop().await;
}

#[tokio::test]
async fn every_answer_holds_the_page_to_what_it_is() {
    let relay = TestRelay::start().await;
    for path in ["/", "/absent", "/api/v1/info", "/livez"] {
        let answer = get(relay.app.address(), path, &[HTML]).await;
        let policy = answer.header("content-security-policy").expect("a policy stands on every answer");
        for directive in [
            "script-src 'self' 'wasm-unsafe-eval'",
            "connect-src 'self' https: wss: ws://127.0.0.1:*",
            "worker-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(directive), "{path}: {directive} is missing from {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"), "{path}");
        assert!(answer.header("permissions-policy").is_some(), "{path}");
    }
    relay.stop().await;
}

#[tokio::test]
async fn a_page_of_the_public_dials_nothing_unencrypted() {
    let keys = Keys { external: Some(vec!["/dns4/relay.example/tcp/443/wss".to_owned()]), ..Keys::default() };
    let relay = TestRelay::with(keys).await;
    let answer = get(relay.app.address(), "/", &[HTML]).await;
    let policy = answer.header("content-security-policy").expect("a policy stands on every answer");
    assert!(policy.contains("connect-src 'self' https: wss:;") && !policy.contains("ws://"), "{policy}");
    relay.stop().await;
}

#[tokio::test]
async fn the_shell_is_revalidated_compressed_and_answered_to_head() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let plain = get(address, "/", &[]).await;
    assert_eq!(plain.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(plain.header("cache-control"), Some("no-cache"));
    let tag = plain.header("etag").expect("the shell has a tag");
    let again = get(address, "/b/cats", &[&format!("if-none-match: {tag}")]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let packed = get(address, "/", &["accept-encoding: gzip, br"]).await;
    assert_eq!(packed.header("content-encoding"), Some("br"));
    assert!(packed.body.len() < plain.body.len());
    assert_ne!(packed.header("etag"), Some(tag));
    let head = request(address, "HEAD", "/", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(plain.body.len().to_string().as_str()));
    relay.stop().await;
}

#[tokio::test]
async fn another_method_is_refused_with_those_that_work() {
    let relay = TestRelay::start().await;
    for path in ["/", "/b/cats", "/api/v1/info", "/livez", "/index.html"] {
        let answer = request(relay.app.address(), "DELETE", path, &[]).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.error_code(), "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{path}");
    }
    assert_eq!(request(relay.app.address(), "POST", "/absent", &[]).await.status, 404);
    relay.stop().await;
}

#[tokio::test]
async fn the_relay_says_what_it_is() {
    let keys = Keys {
        stun_listen: Some("off".to_owned()),
        ice_servers: Some(vec!["turn:turn.example|user|secret".to_owned()]),
        ..Keys::default()
    };
    let relay = TestRelay::with(keys).await;
    let address = relay.app.address();
    let answer = get(address, "/api/v1/info", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let info = answer.json();
    let keys: BTreeSet<_> = info.as_object().expect("an object").keys().map(String::as_str).collect();
    let promised = ["software", "version", "protocol", "peer_id", "addresses", "ice_servers", "limits"];
    assert!(promised.iter().all(|key| keys.contains(key)), "{keys:?}");
    assert_eq!(info["software"], "chanterelle");
    assert_eq!(info["protocol"], "/chanterelle/1");
    assert_eq!(info["peer_id"], relay.app.peer().to_string());
    let dialled = format!("/ip4/127.0.0.1/tcp/{}/ws/p2p/{}", relay.app.address().port(), relay.app.peer());
    assert_eq!(info["addresses"], serde_json::json!([dialled]));
    let turn = serde_json::json!({"urls": ["turn:turn.example"], "username": "user", "credential": "secret"});
    assert_eq!(info["ice_servers"], serde_json::json!([turn]));
    assert_eq!(info["limits"]["event_bytes"], 65_536);
    assert_eq!(get(address, "/api/system.version", &[]).await.body, answer.body);
    relay.stop().await;
}

#[tokio::test]
async fn peers_are_told_the_addresses_the_operator_set() {
    let keys = Keys { external: Some(vec!["/dns4/relay.example/tcp/443/wss".to_owned()]), ..Keys::default() };
    let relay = TestRelay::with(keys).await;
    let info = get(relay.app.address(), "/api/v1/info", &[]).await.json();
    let address = format!("/dns4/relay.example/tcp/443/wss/p2p/{}", relay.app.peer());
    assert_eq!(info["addresses"], serde_json::json!([address]));
    relay.stop().await;
}

#[tokio::test]
async fn a_running_relay_is_alive_ready_and_counted() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    assert_eq!(get(address, "/livez", &[]).await.status, 200);
    assert_eq!(get(address, "/readyz", &[]).await.status, 200);
    get(address, "/b/cats", &[]).await;
    get(address, "/absent", &[]).await;
    let metrics = get(address, "/metrics", &[]).await;
    let content_type = metrics.header("content-type").expect("a type");
    assert!(content_type.starts_with("application/openmetrics-text"), "{content_type}");
    for line in [
        "chanterelle_http_requests_total{route=\"/b/{board}\",status=\"200\"} 1",
        "chanterelle_http_requests_total{route=\"unknown\",status=\"404\"} 1",
        "chanterelle_connections 1",
        "# EOF",
    ] {
        assert!(metrics.text().contains(line), "{line} is missing from {}", metrics.text());
    }
    relay.stop().await;
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_refused() {
    let relay = TestRelay::start().await;
    let headers = ["upgrade: websocket", "sec-websocket-version: 13"];
    let answer = get(relay.app.address(), "/", &headers).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.error_code(), "bad_request");
    relay.stop().await;
}
