//! The libp2p stack of a tab: WebSocket, noise, yamux; identify and ping; streams of the session protocol.
//!
//! What is dialled and what is done with a connection is the driver's business. Circuit relay and WebRTC are further
//! transports beside [`WebSocketTransport`] and further fields of [`Behaviour`].

use std::time::Duration;

use chanterelle_core::base::PeerId as NodeId;
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::upgrade::Version;
use libp2p::identity::{Keypair, PublicKey};
use libp2p::swarm::{Config, NetworkBehaviour};
use libp2p::{PeerId, Swarm, Transport, identify, noise, ping, yamux};

use super::websocket::WebSocketTransport;

/// From the first byte to a multiplexed connection. A phone on a bad line needs seconds.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection without a session is of no use; a moment, so that one can be opened.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two pings. libp2p forgives the first that fails, so a relay that fell silent without a word is given up after
/// twice this and the next together: within 30 seconds.
const PING_INTERVAL: Duration = Duration::from_secs(8);

/// How long a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(6);

/// What the tab does on every connection.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) streams: libp2p_stream::Behaviour,
}

/// A swarm with a key that was never used before and is never stored.
pub(super) fn swarm() -> Swarm<Behaviour> {
    swarm_over(WebSocketTransport)
}

/// The same over another transport.
pub(super) fn swarm_over<T>(transport: T) -> Swarm<Behaviour>
where
    T: Transport<Dial: Send, ListenerUpgrade: Send> + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
{
    let key = Keypair::generate_ed25519();
    let transport = transport
        // Lazily: the only protocol of each layer is proposed together with its first message.
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&key).expect("a fresh Ed25519 key signs the noise key"))
        .multiplex(yamux::Config::default())
        .timeout(UPGRADE_TIMEOUT)
        .boxed();
    let identify = identify::Config::new("/chanterelle/1".to_owned(), key.public())
        .with_agent_version(crate::AGENT.to_owned())
        .with_hide_listen_addrs(true);
    let behaviour = Behaviour {
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT),
        ),
        streams: libp2p_stream::Behaviour::new(),
    };
    let config = Config::with_executor(wasm_bindgen_futures::spawn_local)
        .with_idle_connection_timeout(IDLE_TIMEOUT)
        // In the order of the list: the way the page came first, and one socket at a time.
        .with_dial_concurrency_factor(1.try_into().expect("one is not zero"));
    Swarm::new(transport, behaviour, key.public().to_peer_id(), config)
}

/// The protocol's name of a peer; none for keys other than Ed25519, which the protocol does not have.
pub(super) fn node_id(peer: PeerId) -> Option<NodeId> {
    let hash = peer.as_ref();
    // Keys up to 42 bytes are spelled out in a peer id, under the code of the identity hash (libp2p, peer-ids.md).
    let key = PublicKey::try_decode_protobuf(hash.digest()).ok().filter(|_| hash.code() == 0)?;
    key.try_into_ed25519().ok().map(|key| NodeId(key.to_bytes()))
}
