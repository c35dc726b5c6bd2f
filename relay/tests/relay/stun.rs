//! STUN over real sockets, and what tabs are told of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chanterelle_relay::Application;
use chanterelle_relay::settings::Keys;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::support::http::get;
use crate::support::program::{Running, program};
use crate::support::{TestRelay, until};

/// Keys with `stun_listen` alone.
fn stun_listen(value: &str) -> Keys {
    Keys { stun_listen: Some(value.to_owned()), ..Keys::default() }
}

async fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port")
}

/// `ice_servers` of the relay that listens there.
async fn told(relay: SocketAddr) -> Value {
    get(relay, "/api/v1/info", &[]).await.json()["ice_servers"].clone()
}

/// A Binding request without attributes, whose transaction is `id` again and again.
fn request(id: u8) -> Vec<u8> {
    [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[id; 12]].concat()
}

/// The answer to [`request`] for an IPv4 address (RFC 8489, section 14.2).
fn answer(id: u8, client: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(client) = client else { panic!("{client} is of IPv4") };
    let cookie = [0x21, 0x12, 0xa4, 0x42];
    let mut answer = [&[1, 1, 0, 12][..], &cookie, &[id; 12], &[0, 0x20, 0, 8, 0, 1]].concat();
    answer.extend(client.port().to_be_bytes().iter().zip(cookie).map(|(byte, mask)| byte ^ mask));
    answer.extend(client.ip().octets().iter().zip(cookie).map(|(byte, mask)| byte ^ mask));
    answer
}

async fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut datagram = [0; 2_000];
    // Far above what anything here takes.
    let received = timeout(Duration::from_secs(120), socket.recv(&mut datagram)).await;
    let length = received.expect("the relay answers").expect("the socket works");
    datagram[..length].to_vec()
}

#[tokio::test]
async fn a_tab_learns_its_address_from_the_relay() {
    let turn = json!({"urls": ["turn:turn.example"], "username": "user", "credential": "secret"});
    let ice_servers = Some(vec!["turn:turn.example|user|secret".to_owned()]);
    let relay = TestRelay::with(Keys { ice_servers, ..Keys::default() }).await;
    let address = relay.app.address();
    assert_eq!(relay.app.stun_address(), Some(address), "the same port, of UDP");
    assert_eq!(told(address).await, json!([{"urls": [format!("stun:{address}")]}, turn]));

    let tab = socket().await;
    tab.connect(address).await.expect("loopback has a way to itself");
    let own = tab.local_addr().expect("a bound socket has an address");
    // Nothing is said to what is no request, so the first answer is to what came after it.
    for nothing in [&b"hello"[..], &[], &[0; 2_000], &answer(1, own)] {
        tab.send(nothing).await.expect("the relay listens");
    }
    tab.send(&request(2)).await.expect("the relay listens");
    assert_eq!(received(&tab).await, answer(2, own));
    tab.send(&request(3)).await.expect("the relay listens");
    assert_eq!(received(&tab).await, answer(3, own));

    let counted =
        ["chanterelle_stun_answered_total 2", "chanterelle_stun_dropped_total{reason=\"malformed\"} 4"];
    let shown = async || {
        let metrics = get(address, "/metrics", &[]).await;
        counted.iter().all(|line| metrics.text().contains(line))
    };
    until("all is counted", shown).await;

    relay.stop().await;
    UdpSocket::bind(address).await.expect("a stopped relay leaves its port");
}

#[tokio::test]
async fn a_flood_from_one_address_is_answered_in_part() {
    let relay = TestRelay::with(stun_listen("127.0.0.1:0")).await;
    let tab = socket().await;
    tab.connect(relay.app.stun_address().expect("it answers STUN"))
        .await
        .expect("loopback has a way to itself");
    let dropped = async || {
        // More than an address may in a second, however the seconds lie.
        for id in 0..=250 {
            tab.send(&request(id)).await.expect("the relay listens");
        }
        let metrics = get(relay.app.address(), "/metrics", &[]).await;
        metrics.text().contains("chanterelle_stun_dropped_total{reason=\"address\"}")
    };
    until("some is dropped", dropped).await;
    relay.stop().await;
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let relay = TestRelay::with(stun_listen("off")).await;
    let address = relay.app.address();
    assert_eq!(relay.app.stun_address(), None);
    assert_eq!(told(address).await, json!([]));
    UdpSocket::bind(address).await.expect("nobody has the port");
    relay.stop().await;
}

#[tokio::test]
async fn behind_a_proxy_tabs_are_told_of_it_only_where_they_reach_it() {
    let external = Some(vec!["/dns4/relay.example/tcp/443/wss".to_owned()]);
    let relay = TestRelay::with(Keys { external: external.clone(), ..Keys::default() }).await;
    assert_eq!(told(relay.app.address()).await, json!([]));
    relay.stop().await;

    let relay = TestRelay::with(Keys { external, ..stun_listen("0.0.0.0:0") }).await;
    let port = relay.app.stun_address().expect("it answers STUN").port();
    assert_eq!(told(relay.app.address()).await, json!([{"urls": [format!("stun:relay.example:{port}")]}]));
    relay.stop().await;
}

#[tokio::test]
async fn an_address_that_was_set_and_is_taken_is_refused() {
    let socket = socket().await;
    let taken = socket.local_addr().expect("a bound socket has an address");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let keys = Keys {
        listen: Some("127.0.0.1:0".to_owned()),
        data: Some(folder.path().to_owned()),
        ..stun_listen(&taken.to_string())
    };
    let settings = keys.resolve().expect("the test's settings are valid");
    let line = Application::start(settings).await.expect_err("the port is taken").to_string();
    assert!(line.starts_with(&format!("cannot answer STUN on {taken}: ")), "{line}");
    assert!(line.contains("--stun-listen") && !line.contains('\n'), "{line}");
}

#[tokio::test]
async fn a_relay_starts_without_the_port_beside_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let taken = socket().await;
    let listen = taken.local_addr().expect("a bound socket has an address").to_string();
    let mut running = Running::of(&mut program(), folder.path(), &["--listen", &listen]);
    running.logs("set stun_listen to another address, or to off").await;
    assert_eq!(told(running.address).await, json!([]));
    let log = running.killed_log();
    assert_eq!(log.lines().count(), 1, "{log}");
}
