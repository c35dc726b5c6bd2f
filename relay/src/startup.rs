//! A whole relay as one value: bound, started, stopped. Tests start many, on port 0.
//!
//! Order of a start: port, data folder, key, database, UDP port; each failure is one line. The HTTP server answers from
//! then on; [`Application::ready`] waits until the stored events are read. Sets up no logging and catches no signal:
//! that is the program's.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chanterelle_core::base::Limits;
use chanterelle_core::crypto::{Identity, relay_root};
use futures::FutureExt as _;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::address::{Endpoint, Host};
use crate::clients::{Rate, Slots};
use crate::driver::{self, Driver, DriverError};
use crate::http::assets::Assets;
use crate::http::serve::Server;
use crate::http::{self, App};
use crate::media::jobs::QueueError;
use crate::media::{self, Media, MediaError};
use crate::metrics::Metrics;
use crate::net::dialler::Dialler;
use crate::net::key::{self, KeyError};
use crate::net::outbox::Owed;
use crate::net::session::Shared;
use crate::net::{self, Network};
use crate::relays::Relays;
use crate::settings::{self, Settings, StunListen};
use crate::storage::{DataLock, OpenError, Storage};
use crate::stun;
use crate::tls::{self, TlsError};

/// Frames that wait for the node, of all sessions together. Less than a peer may send at once without being charged,
/// so that a pause of ours never looks like a flood of theirs.
const EVENT_QUEUE: usize = 128;

/// Upgraded WebSockets that wait for libp2p.
const INCOMING_QUEUE: usize = 256;

/// For what the secret is derived under which client addresses are kept. A relay with another key counts anew.
const ADDRESSES: &[u8] = b"chanterelle relay client addresses";

/// Names of a certificate that are told as addresses; some certificates have a hundred.
const NAMES: usize = 8;

/// Why a relay does not start. One line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken.
    #[error(
        "cannot listen on {0}: the port is in use; stop the other program or choose another with --listen"
    )]
    PortInUse(SocketAddr),
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// STUN cannot be answered on the address that was set for it.
    #[error("cannot answer STUN on {0}: {1}; choose another address with --stun-listen, or off")]
    Stun(SocketAddr, io::Error),
    /// The data folder or the database cannot be used.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The node cannot be made.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// TLS is asked for and cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The place for files cannot be used.
    #[error("cannot use the place for files: {0}")]
    Media(#[from] MediaError),
    /// The queue of renditions cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// libp2p cannot be set up.
    #[error("cannot set up libp2p: {0}")]
    Network(String),
}

/// Why a running relay ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What is stored cannot be read.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// A defect.
    #[error("{0} ended unexpectedly; this is a defect, please report it with the log")]
    Ended(&'static str),
}

/// A running relay.
#[derive(Debug)]
pub struct Application {
    address: SocketAddr,
    stun_address: Option<SocketAddr>,
    has_tls: bool,
    peer: libp2p::PeerId,
    metrics: Arc<Metrics>,
    storage: Storage,
    restored: watch::Receiver<bool>,
    stop: CancellationToken,
    stop_network: CancellationToken,
    sessions: TaskTracker,
    drain: Duration,
    driver: JoinHandle<Result<(), DriverError>>,
    network: JoinHandle<()>,
    server: JoinHandle<()>,
    stun: JoinHandle<()>,
    files: JoinHandle<()>,
    _lock: DataLock,
}

impl Application {
    /// Starts a relay.
    ///
    /// # Errors
    /// When the port, the data folder, the key or the database cannot be used.
    pub async fn start(settings: Settings) -> Result<Application, StartError> {
        let listener = bind(settings.listen).await?;
        let address = listener.local_addr().map_err(|error| StartError::Listen(settings.listen, error))?;
        let lock = DataLock::take(&settings.data)?;
        let key = key::load_or_create(&settings.data)?;
        let stop = CancellationToken::new();
        let dialler = dialler(&settings.peers)?;
        let metrics = Arc::new(Metrics::default());
        let expiry = metrics.certificate_expiry.clone();
        let tls = tls::Server::start(&settings.tls, &settings.data, expiry, stop.clone())?;
        let has_tls = tls.is_some();
        let relays = Relays::new(metrics.relays.clone());
        let storage = Storage::open(&settings.data, settings.max_database_mib, metrics.clone()).await?;
        let identity = Identity::from_root(relay_root(&key::seed(&key)));
        let (media_ends, driver_ends, changes) = media::run::ends();
        let media = Media::open(media::Config {
            data: settings.data.clone(),
            settings: settings.media.clone(),
            storage: storage.clone(),
            metrics: metrics.clone(),
            secret: key.derive_secret(ADDRESSES).expect("the relay's key is Ed25519"),
            producer: identity.identity().public(),
            changes,
            stop: stop.clone(),
        })?;

        let limits = Limits::default();
        let agent = concat!("chanterelle/", env!("CARGO_PKG_VERSION"));
        let peer = key.public().to_peer_id();
        let core_peer = key::core_peer(&peer).expect("the relay's key is Ed25519");
        let stop_network = CancellationToken::new();
        let sessions = TaskTracker::new();
        let (session_events, session_events_receiver) = mpsc::channel(EVENT_QUEUE);
        let (disconnect, disconnect_receiver) = mpsc::unbounded_channel();
        let (incoming, incoming_receiver) = mpsc::channel(INCOMING_QUEUE);
        let (restored, restored_receiver) = watch::channel(false);

        let driver = Driver::new(driver::Config {
            peer: core_peer,
            limits: limits.clone(),
            agent: agent.to_owned(),
            storage: storage.clone(),
            metrics: metrics.clone(),
            relays: relays.clone(),
            identity,
            media: driver_ends.media,
            drafts: driver_ends.drafts,
            published: driver_ends.published,
            sessions: session_events_receiver,
            disconnect,
            restored,
            stop: stop.clone(),
            drain: settings.drain.mul_f32(0.6),
        })?;

        let names = tls.as_ref().map_or(&[][..], tls::Server::names);
        let external = external_addresses(&settings, address, names);
        warn_of_plain_http(&settings);
        let stun = bind_stun(settings.stun_listen, address).await?;
        let stun_address = stun.as_ref().and_then(|socket| socket.local_addr().ok());
        let own = stun_address.and_then(|bound| stun::told(bound, &external, settings.is_development()));
        let network = Network::new(
            net::Config {
                key,
                incoming: incoming_receiver,
                dialler,
                peers: settings.peers.clone(),
                relays: relays.clone(),
                listen: Endpoint::listening(address, has_tls).multiaddr(),
                external: external.clone(),
                agent: agent.to_owned(),
                max_connections: u32::try_from(settings.max_connections).unwrap_or(u32::MAX),
                shared: Shared {
                    events: session_events,
                    owed: Owed::default(),
                    limits: Arc::new(limits.clone()),
                    metrics: metrics.clone(),
                },
            },
            disconnect_receiver,
            sessions.clone(),
        )
        .map_err(StartError::Network)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(DriverError::Entropy)?;
        let files = media::run::start(
            &media,
            media_ends,
            &settings.media.renditions,
            &settings.data,
            network.media(),
            seed,
            stop.clone(),
        )
        .await?;

        let slots = Slots::new(
            settings.max_connections,
            settings.connections_per_address,
            metrics.connections.clone(),
        );
        let rate = Arc::new(Rate::new(settings.api_requests_per_minute));
        let drain = settings.drain;
        let trusted_proxies = settings.trusted_proxies.clone();
        let ice_servers = own.into_iter().chain(settings.ice_servers.clone()).collect();
        let app = App {
            settings: Arc::new(settings),
            limits: Arc::new(limits),
            peer,
            addresses: external.into_iter().map(|address| address.with(Protocol::P2p(peer))).collect(),
            ice_servers,
            relays,
            assets: Arc::new(Assets::embedded()),
            storage: storage.clone(),
            media: media.clone(),
            metrics: metrics.clone(),
            slots: slots.clone(),
            rate: rate.clone(),
            incoming,
            restored: restored_receiver.clone(),
            stop: stop.clone(),
            probe: Arc::default(),
        };
        let router = http::router(app);
        let server = Server { listener, router, tls, slots, rate, trusted_proxies, metrics: metrics.clone() };

        let runtime = tokio::runtime::Handle::current();
        Ok(Application {
            address,
            stun_address,
            has_tls,
            peer,
            metrics: metrics.clone(),
            storage,
            restored: restored_receiver,
            sessions,
            drain,
            // On a thread of its own: the node computes, and nobody else should wait for it.
            driver: tokio::task::spawn_blocking(move || runtime.block_on(driver.run())),
            network: tokio::spawn(network.run(stop.clone(), stop_network.clone())),
            server: tokio::spawn(server.run(stop.clone())),
            files: tokio::spawn(files.join_all().map(drop)),
            stun: tokio::spawn(run_stun(stun, metrics, stop.clone())),
            stop,
            stop_network,
            _lock: lock,
        })
    }

    /// Where the relay listens, with the port the system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers STUN, if it does.
    #[must_use]
    pub fn stun_address(&self) -> Option<SocketAddr> {
        self.stun_address
    }

    /// The URL of its page there.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}/", if self.has_tls { "https" } else { "http" }, self.address)
    }

    /// The relay's name on the network.
    #[must_use]
    pub fn peer(&self) -> libp2p::PeerId {
        self.peer
    }

    /// The relay's figures.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Waits until the stored events are read; false when that failed, and then [`Application::ended`] says why.
    pub fn ready(&self) -> impl Future<Output = bool> + Send + use<> {
        let mut restored = self.restored.clone();
        async move { restored.wait_for(|restored| *restored).await.is_ok() }
    }

    /// Waits for the relay to end by itself, which it does only when something is wrong.
    pub async fn ended(&mut self) -> RunError {
        tokio::select! {
            result = &mut self.driver => match result {
                Ok(Err(error)) => error.into(),
                Ok(Ok(())) | Err(_) => RunError::Ended("the node"),
            },
            _ = &mut self.network => RunError::Ended("the network"),
            _ = &mut self.server => RunError::Ended("the HTTP server"),
            _ = &mut self.stun => RunError::Ended("the STUN server"),
            _ = &mut self.files => RunError::Ended("the keeping of files"),
        }
    }

    /// Stops: nothing new is taken, what was taken is finished, everything is written back. Takes as long as the
    /// settings allow at most.
    pub async fn stop(self) {
        let begun = Instant::now();
        let until = |part| (begun + self.drain.mul_f32(part)).into();
        self.stop.cancel();
        self.sessions.close();
        let finish = async {
            // Each says in the log what went wrong with it.
            end(self.stun).await;
            end(self.driver).await;
            self.sessions.wait().await;
            self.stop_network.cancel();
            end(self.network).await;
        };
        let network_abort = self.stop_network.clone();
        if timeout_at(until(0.8), finish).await.is_err() {
            tracing::warn!("some sessions did not end in time");
            network_abort.cancel();
        }
        let server_abort = self.server.abort_handle();
        if timeout_at(until(0.9), end(self.server)).await.is_err() {
            tracing::warn!("some requests were not answered in time");
            server_abort.abort();
        }
        // What a request has begun to write is finished, so that it counts.
        if timeout_at(until(0.95), end(self.files)).await.is_err() {
            tracing::warn!("some uploads were not finished in time; they go on where the database says");
        }
        if timeout_at(until(1.0), self.storage.close()).await.is_err() {
            tracing::warn!("the database was not closed in time; the next start reads its log");
        }
    }
}

/// Waits for a task, unless it has ended already and may have been asked.
async fn end<T>(task: JoinHandle<T>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse(address),
        _ => StartError::Listen(address, error),
    })
}

/// An address that was set is the operator's wish. The port beside the relay's own may be taken by anybody, and a relay
/// without STUN is still one.
async fn bind_stun(wanted: StunListen, listen: SocketAddr) -> Result<Option<UdpSocket>, StartError> {
    match wanted {
        StunListen::Off => Ok(None),
        StunListen::At(address) => {
            UdpSocket::bind(address).await.map(Some).map_err(|error| StartError::Stun(address, error))
        }
        StunListen::AsListen => Ok(UdpSocket::bind(listen)
            .await
            .inspect_err(|error| {
                tracing::warn!(
                    %error,
                    "cannot answer STUN on UDP port {}, so tabs behind NATs do not learn their addresses here: free \
                     the port, or set stun_listen to another address, or to off",
                    listen.port()
                );
            })
            .ok()),
    }
}

async fn run_stun(socket: Option<UdpSocket>, metrics: Arc<Metrics>, stop: CancellationToken) {
    match socket {
        Some(socket) => stun::Server::new(socket, metrics).run(stop).await,
        None => stop.cancelled().await,
    }
}

/// What peers are told: what the operator set, else the names that are certified, or on loopback the socket itself.
/// Anything else would be a guess.
fn external_addresses(settings: &Settings, address: SocketAddr, names: &[String]) -> Vec<Multiaddr> {
    if !settings.external.is_empty() {
        return settings.external.clone();
    }
    if !names.is_empty() {
        let at = |name: &String| Endpoint {
            host: Host::Name(name.clone(), None),
            port: address.port(),
            tls: true,
        };
        return names.iter().take(NAMES).map(|name| at(name).multiaddr()).collect();
    }
    if address.ip().is_loopback() {
        return vec![Endpoint::listening(address, settings.tls != settings::Tls::Off).multiaddr()];
    }
    tracing::warn!(
        "no external address is set, so tabs cannot be reached through this relay; see --external"
    );
    Vec::new()
}

/// A page that comes to another machine unencrypted has no keys and keeps nothing.
fn warn_of_plain_http(settings: &Settings) {
    let plain = settings.tls == settings::Tls::Off && settings.trusted_proxies.is_empty();
    if plain && !settings.listen.ip().is_loopback() {
        tracing::warn!(
            "browsers on other machines give a page over plain http no storage, no crypto and no service worker: set \
             tls_certificate and tls_key, or acme_domain, or put a proxy with TLS in front and name it in trusted_proxies"
        );
    }
}

/// Whom the relays that are dialled with TLS must be certified by is asked once, at the start.
fn dialler(peers: &[Multiaddr]) -> Result<Dialler, TlsError> {
    let tls = peers.iter().filter_map(Endpoint::of).any(|peer| peer.tls);
    Ok(Dialler::new(if tls { Some(tls::client_config()?) } else { None }))
}
