//! The relay's side of libp2p: WebSockets from the HTTP server and to other relays, circuits for tabs, session streams
//! for the driver.
//!
//! The only importer of libp2p's swarm; everything beyond it is plain channels. Dials the operator's relays and nobody
//! else. Event here means the swarm's; events of the protocol travel inside frames and are not looked at.

pub(crate) mod dialler;
pub mod key;
mod links;
pub(crate) mod media;
mod muxer;
pub mod outbox;
pub mod session;
mod streams;
pub(crate) mod transport;
pub(crate) mod websocket;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use chanterelle_core::base::PeerId;
use chanterelle_core::wire::SESSION_PROTOCOL;
use futures::StreamExt as _;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{ConnectionId, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, Transport as _, connection_limits, identify, noise, ping, relay};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::address::Endpoint;
use crate::metrics::{Metrics, count};
use crate::relays::Relays;
use dialler::Dialler;
use links::Links;
use session::{Opener, SessionId, Shared};
use transport::{Incoming, WebSocketTransport};

/// How long a client may take from the upgrade to an authenticated, multiplexed connection.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Handshakes under way; more are refused and come back later.
const HANDSHAKES: u32 = 4_096;

/// Connections of one peer: the old ones of a tab that changed its network, until their pings fail.
const CONNECTIONS_PER_PEER: u32 = 8;

/// Streams of one connection: a session, pings and the circuits of a tab with all its neighbours.
const STREAMS_PER_CONNECTION: usize = 64;

/// How long a connection may carry nothing. A tab opens its session or reserves at once.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Addresses remembered of those that one peer says it has.
const ADDRESSES_OF_ONE: usize = 8;

/// Between two pings. 50,000 tabs cost 2,500 a second.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long a ping may take. The library forgives the first that fails, so a closed laptop is noticed within a minute.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What the network is made of.
pub(crate) struct Config {
    /// The relay's key.
    pub(crate) key: Keypair,
    /// Upgraded WebSockets.
    pub(crate) incoming: mpsc::Receiver<Incoming>,
    /// Opens WebSockets to other relays.
    pub(crate) dialler: Dialler,
    /// Other relays to keep a session with.
    pub(crate) peers: Vec<Multiaddr>,
    /// The relays met.
    pub(crate) relays: Relays,
    /// Where the relay listens, as libp2p writes it.
    pub(crate) listen: Multiaddr,
    /// Where it is reached, told to peers.
    pub(crate) external: Vec<Multiaddr>,
    /// Software and version, told to peers.
    pub(crate) agent: String,
    /// Established connections in all.
    pub(crate) max_connections: u32,
    /// What sessions share.
    pub(crate) shared: Shared,
}

/// The libp2p host of the relay.
pub(crate) struct Network {
    swarm: Swarm<Behaviour>,
    shared: Shared,
    /// Peers the driver wants gone.
    disconnect: mpsc::UnboundedReceiver<PeerId>,
    links: Links,
    relays: Relays,
    sessions: TaskTracker,
    next_session: u64,
    ended: mpsc::UnboundedReceiver<Ended>,
    end: mpsc::UnboundedSender<Ended>,
    /// Who has a reservation, until it times out or the last of their connections ends: libp2p tells that one was closed
    /// of every connection, also of those that had none.
    reserved: HashSet<libp2p::PeerId>,
}

/// A session is over.
struct Ended {
    peer: libp2p::PeerId,
    connection: ConnectionId,
    by: Opener,
}

/// Every connection has these.
#[derive(NetworkBehaviour)]
struct Behaviour {
    limits: connection_limits::Behaviour,
    streams: streams::Behaviour,
    media: libp2p_stream::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    relay: relay::Behaviour,
}

impl Network {
    /// A host that is ready to run.
    ///
    /// # Errors
    /// Says in one line why the host cannot be made; a defect, since the settings are checked before.
    pub(crate) fn new(
        config: Config,
        disconnect: mpsc::UnboundedReceiver<PeerId>,
        sessions: TaskTracker,
    ) -> Result<Network, String> {
        let noise = noise::Config::new(&config.key).map_err(|error| error.to_string())?;
        let transport = WebSocketTransport::new(config.incoming, config.dialler)
            .upgrade(Version::V1)
            .authenticate(noise)
            .multiplex(muxer::Config::new(STREAMS_PER_CONNECTION))
            .timeout(HANDSHAKE_TIMEOUT)
            .boxed();
        let public = config.key.public();
        let peer = public.to_peer_id();
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_pending_incoming(Some(HANDSHAKES))
            .with_max_established_incoming(Some(config.max_connections))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER));
        let links = Links::new(&config.peers, Instant::now());
        let mut limits = connection_limits::Behaviour::new(limits);
        links.named().for_each(|peer| limits.bypass_peer_id(&peer));
        let behaviour = Behaviour {
            limits,
            streams: streams::Behaviour::default(),
            media: libp2p_stream::Behaviour::new(),
            identify: identify::Behaviour::new(
                // Peers are told where the world reaches this relay, not where it listens behind its proxy.
                identify::Config::new(SESSION_PROTOCOL.to_owned(), public)
                    .with_agent_version(config.agent)
                    .with_hide_listen_addrs(true),
            ),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_TIMEOUT),
            ),
            relay: relay::Behaviour::new(peer, circuits()),
        };
        let swarm_config =
            libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIMEOUT);
        let mut swarm = Swarm::new(transport, behaviour, peer, swarm_config);
        swarm.listen_on(config.listen).map_err(|error| error.to_string())?;
        for address in config.external {
            swarm.add_external_address(address);
        }
        let (end, ended) = mpsc::unbounded_channel();
        Ok(Network {
            swarm,
            shared: config.shared,
            disconnect,
            links,
            relays: config.relays,
            sessions,
            next_session: 0,
            reserved: HashSet::new(),
            ended,
            end,
        })
    }

    /// Opens streams of media, and takes those of peers.
    pub(crate) fn media(&self) -> libp2p_stream::Control {
        self.swarm.behaviour().media.new_control()
    }

    /// Runs until `stop`, then drops every connection. From `drain` on nobody is dialled any more.
    pub(crate) async fn run(mut self, drain: CancellationToken, stop: CancellationToken) {
        loop {
            // Far away when nobody is to be dialled.
            let dial_at = self.links.next().unwrap_or_else(|| Instant::now() + IDLE_TIMEOUT);
            tokio::select! {
                () = drain.cancelled(), if self.links.next().is_some() => self.links.clear(),
                () = sleep_until(dial_at) => self.dial(),
                Some(ended) = self.ended.recv() => self.on_ended(&ended),
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(peer) = self.disconnect.recv() => {
                    if let Some(peer) = key::libp2p_peer(&peer) {
                        // It may be gone already.
                        let _ = self.swarm.disconnect_peer_id(peer);
                    }
                }
                () = stop.cancelled() => return,
            }
        }
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let metrics = &self.shared.metrics;
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                tracing::debug!(peer = %peer_id, "connected");
                metrics.peers.inc();
                self.on_connected(connection_id, peer_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, "disconnected");
                metrics.peers.dec();
                self.links.refused(
                    connection_id,
                    "the connection ended before a session began",
                    Instant::now(),
                );
                if num_established == 0 {
                    self.reserved.remove(&peer_id);
                    // As many as fit into memory are far below 2^63.
                    metrics.reservations.set(self.reserved.len() as i64);
                    if let Some(peer) = key::core_peer(&peer_id) {
                        self.relays.gone(&peer);
                    }
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.links.failed(connection_id, &error, Instant::now());
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "a connection failed before it was established");
                count(&metrics.connections_refused, "handshake");
            }
            SwarmEvent::Behaviour(BehaviourEvent::Streams(event)) => self.on_stream(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => self.on_identified(peer_id, &info),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { connection, result, .. })) => {
                if let Err(error) = result
                    && !matches!(error, ping::Failure::Unsupported)
                {
                    tracing::debug!(%error, "a peer does not answer");
                    self.swarm.close_connection(connection);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Relay(event)) => {
                on_circuit(metrics, &mut self.reserved, &event);
            }
            _ => {}
        }
    }

    /// Dials the relays whose time has come.
    fn dial(&mut self) {
        let now = Instant::now();
        for dial in self.links.dial(now) {
            let connection = dial.connection_id();
            if let Err(error) = self.swarm.dial(dial) {
                self.links.failed(connection, &error, now);
            }
        }
    }

    /// Whoever answers a dial is asked for a session, unless there is one already.
    fn on_connected(&mut self, connection: ConnectionId, peer: libp2p::PeerId) {
        let Some(answered) = self.links.connected(connection, peer, Instant::now()) else { return };
        let behaviour = self.swarm.behaviour_mut();
        // The operator's choice is not counted like a stranger; it may have come here, too.
        behaviour.limits.bypass_peer_id(&peer);
        if answered.wanted {
            behaviour.streams.open(peer, connection);
        } else {
            self.swarm.close_connection(connection);
        }
        if let Some(peer) = key::core_peer(&peer) {
            self.relays.dialled(peer, answered.address, std::time::Instant::now());
        }
    }

    fn on_stream(&mut self, event: streams::Event) {
        match event {
            streams::Event::Opened { peer, connection, by, stream } => {
                let Some(named) = key::core_peer(&peer) else { return };
                self.links.session_began(peer, Instant::now());
                self.next_session += 1;
                let session =
                    session::run(stream, named, SessionId(self.next_session), by, self.shared.clone());
                let end = self.end.clone();
                self.sessions.spawn(async move {
                    session.await;
                    // The network may have stopped.
                    let _ = end.send(Ended { peer, connection, by });
                });
            }
            streams::Event::Refused { connection, reason } => {
                self.links.refused(connection, &reason, Instant::now());
                self.swarm.close_connection(connection);
            }
        }
    }

    fn on_ended(&mut self, ended: &Ended) {
        self.links.session_ended(ended.peer, Instant::now());
        if ended.by == Opener::Us {
            // We opened the connection for this session alone. It may be closed already.
            self.swarm.close_connection(ended.connection);
        }
    }

    /// Remembers where a relay is reached. Whoever takes circuits may be one; its session shows whether it is.
    fn on_identified(&mut self, peer: libp2p::PeerId, info: &identify::Info) {
        if !info.protocols.contains(&relay::HOP_PROTOCOL_NAME) {
            return;
        }
        let addresses = info.listen_addrs.iter().filter_map(Endpoint::of);
        let addresses =
            addresses.map(|at| at.multiaddr().with(Protocol::P2p(peer))).take(ADDRESSES_OF_ONE).collect();
        if let Some(peer) = key::core_peer(&peer) {
            self.relays.says(peer, addresses, std::time::Instant::now());
        }
    }
}

/// Circuits carry the signalling of a direct connection and nothing else: 128 KiB and 2 minutes, as libp2p's defaults
/// have it, but for thousands of tabs.
fn circuits() -> relay::Config {
    let times = |count| NonZeroU32::new(count).expect("the literals are above zero");
    let none = relay::Config {
        max_reservations: 16_384,
        max_reservations_per_peer: 4,
        reservation_duration: Duration::from_secs(60 * 60),
        reservation_rate_limiters: Vec::new(),
        max_circuits: 4_096,
        // A tab that joins dials eight neighbours, each perhaps twice.
        max_circuits_per_peer: 16,
        max_circuit_duration: Duration::from_secs(2 * 60),
        max_circuit_bytes: 128 * 1024,
        circuit_src_rate_limiters: Vec::new(),
    };
    // At once and then one each interval; an address may be a school or a whole mobile network.
    none.reservation_rate_per_peer(times(30), Duration::from_secs(30))
        .reservation_rate_per_ip(times(600), Duration::from_secs(1))
        .circuit_src_per_peer(times(60), Duration::from_secs(5))
        .circuit_src_per_ip(times(600), Duration::from_secs(1))
}

fn on_circuit(metrics: &Metrics, reserved: &mut HashSet<libp2p::PeerId>, event: &relay::Event) {
    match event {
        relay::Event::ReservationReqAccepted { src_peer_id, .. } => {
            reserved.insert(*src_peer_id);
        }
        relay::Event::ReservationTimedOut { src_peer_id } => {
            reserved.remove(src_peer_id);
        }
        relay::Event::ReservationReqDenied { .. } => count(&metrics.circuits_denied, "reservation"),
        relay::Event::CircuitReqAccepted { .. } => {
            metrics.circuits_opened.inc();
            metrics.circuits.inc();
        }
        relay::Event::CircuitClosed { .. } => {
            metrics.circuits.dec();
        }
        relay::Event::CircuitReqDenied { .. } => count(&metrics.circuits_denied, "circuit"),
        _ => {}
    }
    metrics.reservations.set(reserved.len() as i64);
}
