//! The libp2p stack of a tab: WebSocket, noise, yamux to relays, WebRTC to other tabs; identify and ping; streams of the
//! session protocol.
//!
//! What is dialled and what is done with a connection is the driver's business. Relayed connections never come up here:
//! they serve the signalling of direct ones inside their transport, and are closed.

use std::time::Duration;

use chanterelle_core::base::PeerId as NodeId;
use chanterelle_webrtc::{Permit, Prepared};
use futures::future::Either;
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::{Keypair, PublicKey, ed25519};
use libp2p::swarm::{Config, NetworkBehaviour};
use libp2p::{PeerId, Swarm, Transport, identify, noise, ping, relay, yamux};

use super::websocket::WebSocketTransport;
use super::{address, ice};

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
    pub(super) relay: relay::client::Behaviour,
}

/// A swarm and what steers its direct connections.
pub(super) struct Stack {
    pub(super) swarm: Swarm<Behaviour>,
    /// Where to put those that were made by hand.
    pub(super) prepared: Prepared,
    /// Whether there may be any.
    pub(super) permit: Permit,
}

/// A swarm of this key, which should never have been used before.
pub(super) fn swarm(key: &Keypair) -> Stack {
    swarm_over(WebSocketTransport, key)
}

/// The same over another transport.
pub(super) fn swarm_over<T>(transport: T, key: &Keypair) -> Stack
where
    T: Transport<Dial: Send, ListenerUpgrade: Send> + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
{
    let (circuits, relay) = relay::client::new(key.public().to_peer_id());
    let config = chanterelle_webrtc::Config { ice_servers: ice::servers, may_dial: address::may_send };
    let permit = Permit::default();
    let direct = chanterelle_webrtc::Transport::new(upgraded(circuits, key), config, permit.clone())
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    let prepared = Prepared::default();
    let by_hand = prepared.clone().map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    let transport = OrTransport::new(by_hand, OrTransport::new(direct, upgraded(transport, key)))
        .map(|either, _| match either {
            Either::Left(connection) => connection,
            Either::Right(either) => either.into_inner(),
        })
        .boxed();
    let identify = identify::Config::new("/chanterelle/1".to_owned(), key.public())
        .with_agent_version(crate::AGENT.to_owned())
        .with_hide_listen_addrs(true)
        // What peers say of where they listen is dialled by libp2p itself, past the rules for addresses.
        .with_cache_size(0);
    let behaviour = Behaviour {
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT),
        ),
        streams: libp2p_stream::Behaviour::new(),
        relay,
    };
    let config = Config::with_executor(wasm_bindgen_futures::spawn_local)
        .with_idle_connection_timeout(IDLE_TIMEOUT)
        // In the order of the list: the way the page came first, and one socket at a time.
        .with_dial_concurrency_factor(1.try_into().expect("one is not zero"));
    let swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), config);
    Stack { swarm, prepared, permit }
}

/// Connections of a transport, authenticated and multiplexed.
pub(super) fn upgraded<T>(transport: T, key: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)>
where
    T: Transport<Dial: Send, ListenerUpgrade: Send> + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
{
    transport
        // Lazily: the only protocol of each layer is proposed together with its first message.
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(key).expect("an Ed25519 key signs the noise key"))
        .multiplex(yamux::Config::default())
        .timeout(UPGRADE_TIMEOUT)
        .boxed()
}

/// The protocol's name of a peer; none for keys other than Ed25519, which the protocol does not have.
pub(super) fn node_id(peer: PeerId) -> Option<NodeId> {
    let hash = peer.as_ref();
    // Keys up to 42 bytes are spelled out in a peer id, under the code of the identity hash (libp2p, peer-ids.md).
    let key = PublicKey::try_decode_protobuf(hash.digest()).ok().filter(|_| hash.code() == 0)?;
    key.try_into_ed25519().ok().map(|key| NodeId(key.to_bytes()))
}

/// libp2p's name of a peer; none for bytes that are no key.
pub(super) fn libp2p_id(node: NodeId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(node.as_bytes()).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}
