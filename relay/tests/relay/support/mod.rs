//! What the tests share: relays, raw HTTP, uploads, authors of events, and tabs without a browser.

pub(crate) mod author;
pub(crate) mod bucket;
pub(crate) mod by_hand;
pub(crate) mod holder;
pub(crate) mod http;
pub(crate) mod program;
pub(crate) mod tab;
pub(crate) mod tls;
pub(crate) mod transport;
pub(crate) mod tus;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use chanterelle_relay::Application;
use chanterelle_relay::settings::Keys;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tempfile::TempDir;

/// A relay on a port of its own, with a data folder of its own.
pub(crate) struct TestRelay {
    pub(crate) app: Application,
    pub(crate) data: TempDir,
}

impl TestRelay {
    /// With the defaults.
    pub(crate) async fn start() -> TestRelay {
        TestRelay::with(Keys::default()).await
    }

    /// With `keys`, listening on loopback, on a free port unless they say where.
    pub(crate) async fn with(keys: Keys) -> TestRelay {
        TestRelay::on(tempfile::tempdir().expect("a temporary folder"), keys).await
    }

    /// On a data folder that was used before.
    pub(crate) async fn on(data: TempDir, keys: Keys) -> TestRelay {
        let folder = Some(data.path().to_owned());
        let listen = keys.listen.clone().or_else(|| Some("127.0.0.1:0".to_owned()));
        let keys = Keys { listen, data: folder, ..keys };
        let settings = keys.resolve().expect("the test's settings are valid");
        let app = Application::start(settings).await.expect("the relay starts");
        assert!(app.ready().await, "the relay reads its events");
        TestRelay { app, data }
    }

    /// Where tabs dial it.
    pub(crate) fn multiaddr(&self) -> Multiaddr {
        let address = self.app.address();
        Multiaddr::from(address.ip())
            .with(Protocol::Tcp(address.port()))
            .with(Protocol::Ws("/".into()))
            .with(Protocol::P2p(self.app.peer()))
    }

    /// Stops it and leaves the data folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.app.stop().await;
        self.data
    }
}

/// Waits until something holds that cannot be waited for otherwise.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        // Far above what anything here takes: a wait that goes wrong should say so.
        assert!(begun.elapsed() < Duration::from_secs(120), "it does not happen that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An address of loopback where nobody listens, for relays that must know each other before they start. Another program
/// could take it first; then the relay says so.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address")
}
