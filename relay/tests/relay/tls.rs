//! TLS by the relay itself, with certificates from files.

use std::path::Path;
use std::time::Duration;

use chanterelle_relay::settings::Keys;
use libp2p::Multiaddr;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::program::{Running, program};
use crate::support::tab::Tab;
use crate::support::tls::{Authority, connect, get, shown};
use crate::support::{TestRelay, http, until};

/// What the relays of the tests are called.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// Settings for the certificate in a folder.
fn certified(folder: &Path) -> Keys {
    Keys {
        tls_certificate: Some(folder.join("cert.pem")),
        tls_key: Some(folder.join("key.pem")),
        ..Keys::default()
    }
}

/// An authority, a folder with a certificate by it, and a relay that uses it.
async fn relay() -> (Authority, TempDir, TestRelay) {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a temporary folder"));
    authority.issue(&NAMES, folder.path());
    let relay = TestRelay::with(certified(folder.path())).await;
    (authority, folder, relay)
}

#[tokio::test]
async fn page_and_api_are_served_over_tls_and_nothing_without() {
    let (authority, _folder, relay) = relay().await;
    let address = relay.app.address();
    assert_eq!(relay.app.url(), format!("https://{address}/"));
    let mut client = authority.client();
    let mut config = (**client.config()).clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    client = std::sync::Arc::new(config).into();

    let mut stream = connect(&client, address, "localhost").await.expect("the handshake succeeds");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let page = get(&mut stream, "/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("strict-transport-security"), Some("max-age=31536000"));
    let policy = page.header("content-security-policy").expect("a policy stands on every answer");
    assert!(!policy.contains("ws://"), "{policy}");

    let mut stream = connect(&client, address, "127.0.0.1").await.expect("the handshake succeeds");
    let info = get(&mut stream, "/api/v1/info").await.json();
    let external = format!("/dns/localhost/tcp/{}/tls/ws/p2p/{}", address.port(), relay.app.peer());
    assert_eq!(info["addresses"], serde_json::json!([external]), "what the certificate names");

    let refused = http::get(address, "/b/cats", &[]).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (400, "https_required"));
    assert_eq!(refused.header("strict-transport-security"), None);
    relay.stop().await;
}

#[tokio::test]
async fn without_tls_browsers_are_not_told_to_insist_on_it() {
    let relay = TestRelay::start().await;
    assert_eq!(http::get(relay.app.address(), "/", &[]).await.header("strict-transport-security"), None);
    relay.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let (authority, folder, relay) = relay().await;
    let address = relay.app.address();
    let client = authority.client();
    let mut old = connect(&client, address, "localhost").await.expect("the handshake succeeds");
    let first = shown(&old);

    // Half of it does not fit the other half, and what is in use stays.
    std::fs::write(folder.path().join("key.pem"), "nonsense").expect("the folder is writable");
    let stream = connect(&client, address, "localhost").await.expect("the handshake succeeds");
    assert_eq!(shown(&stream), first);

    let renewed = authority.issue(&NAMES, folder.path());
    until("the new certificate is shown", async || {
        let stream = connect(&client, address, "localhost").await.expect("the handshake succeeds");
        let found = shown(&stream);
        assert!(found == first || found == renewed);
        found == renewed
    })
    .await;
    assert_eq!(get(&mut old, "/livez").await.status, 200, "connections go on");
    relay.stop().await;
}

#[tokio::test]
async fn a_slow_handshake_does_not_keep_its_place() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a temporary folder"));
    authority.issue(&NAMES, folder.path());
    let keys = Keys { connections_per_address: Some(2), ..certified(folder.path()) };
    let relay = TestRelay::with(keys).await;
    let address = relay.app.address();
    let mut silent = TcpStream::connect(address).await.expect("the relay listens");
    let mut halting = TcpStream::connect(address).await.expect("the relay listens");
    // The beginning of a handshake that is not gone on with.
    halting.write_all(&[22, 3, 1, 2, 0, 1]).await.expect("the relay reads");
    until("both have their places", async || relay.app.metrics().connections.get() == 2).await;
    let mut third = TcpStream::connect(address).await.expect("the relay listens");
    let mut refusal = [0; 12];
    third.read_exact(&mut refusal).await.expect("the relay answers");
    assert_eq!(&refusal, b"HTTP/1.1 429", "a handshake counts");

    for stream in [&mut silent, &mut halting] {
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the relay closes it");
    }
    let mut stream = connect(&authority.client(), address, "localhost").await.expect("there is a place");
    assert_eq!(get(&mut stream, "/livez").await.status, 200);
    relay.stop().await;
}

#[tokio::test]
async fn relays_meet_over_tls_when_they_trust_each_others_authority() {
    let (authority, folder, public) = relay().await;
    let file = authority.write(folder.path());
    let port = public.app.address().port();
    let url = format!("https://localhost:{port}");
    let data = tempfile::tempdir().expect("a temporary folder");

    let mut stranger = program();
    stranger.env("SSL_CERT_FILE", Authority::new().write(data.path()));
    let stranger = Running::of(&mut stranger, data.path(), &["--peer", &url]);
    stranger.logs("invalid peer certificate").await;
    drop(stranger);

    let addresses = [url, format!("/ip4/127.0.0.1/tcp/{port}/wss"), format!("wss://localhost:{port}")];
    for (seed, peer) in (1..).zip(addresses) {
        let mut private = program();
        private.env("SSL_CERT_FILE", &file);
        let mut private = Running::of(&mut private, data.path(), &["--peer", &peer]);
        let mut author = Tab::connect(seed, private.multiaddr().await).await;
        let before = public.app.metrics().events.get();
        let post = author.publish("test", "by way of TLS").await;
        author.wait(|seen| seen.sent.contains(&post)).await;
        until("the post has crossed", async || public.app.metrics().events.get() > before).await;
        let told = http::get(private.address, "/api/v1/info", &[]).await.json()["relays"].clone();
        let told: Multiaddr = told[0].as_str().and_then(|told| told.parse().ok()).expect("an address");
        assert!(told.to_string().ends_with(&format!("/p2p/{}", public.app.peer())), "{told}");
        private.kill();
    }
    public.stop().await;
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_in_one_line() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().expect("a temporary folder"));
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for folder in [&one, &two] {
        std::fs::create_dir(folder).expect("the folder is writable");
        authority.issue(&NAMES, folder);
    }
    let nonsense = folder.path().join("nonsense");
    std::fs::write(&nonsense, "nonsense").expect("the folder is writable");
    let absent = folder.path().join("absent");
    for (certificate, key, words) in [
        (&absent, &two.join("key.pem"), "tls_certificate: cannot read"),
        (&one.join("cert.pem"), &absent, "tls_key: cannot read"),
        (&nonsense, &one.join("key.pem"), "holds no certificate in PEM"),
        (&one.join("cert.pem"), &nonsense, "holds no private key in PEM"),
        (&one.join("cert.pem"), &two.join("key.pem"), "is not the key of the certificate"),
    ] {
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
        command.arg("--tls-certificate").arg(certificate).arg("--tls-key").arg(key);
        let output = command.output().expect("the program runs");
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(line.lines().count() == 1 && line.contains(words), "{words} is not in {line}");
    }
}
