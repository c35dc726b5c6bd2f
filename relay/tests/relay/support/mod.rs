//! What the tests share: relays, raw HTTP, authors of events, and tabs without a browser.

pub(crate) mod author;
pub(crate) mod http;
pub(crate) mod tab;
pub(crate) mod transport;

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

    /// With `keys`, listening on loopback.
    pub(crate) async fn with(keys: Keys) -> TestRelay {
        TestRelay::on(tempfile::tempdir().expect("a temporary folder"), keys).await
    }

    /// On a data folder that was used before.
    pub(crate) async fn on(data: TempDir, keys: Keys) -> TestRelay {
        let folder = Some(data.path().to_owned());
        let keys = Keys { listen: Some("127.0.0.1:0".to_owned()), data: folder, ..keys };
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
