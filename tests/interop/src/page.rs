//! The peer: what it is made of, and what it does.
#![allow(unreachable_pub, reason = "wasm-bindgen exports public functions alone")]

use std::cell::{Cell, RefCell};
use std::io;
use std::time::Duration;

use chanterelle_webrtc::{Config, Permit};
use futures::channel::{mpsc, oneshot};
use futures::future::try_join_all;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _, select};
use js_sys::{Array, JSON};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{Config as SwarmConfig, ConnectionId, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Swarm, Transport, noise, relay, yamux};
use libp2p_stream::{Control, IncomingStreams};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;

use super::websocket::WebSocketTransport;

/// Whoever answers says what was asked, once it has all come.
const WHOLE: StreamProtocol = StreamProtocol::new("/interop/whole/1");

/// Whoever answers gives up at the first byte.
const BROKEN: StreamProtocol = StreamProtocol::new("/interop/broken/1");

/// Whoever answers says one byte once all has come.
const SINK: StreamProtocol = StreamProtocol::new("/interop/sink/1");

#[derive(NetworkBehaviour)]
struct Behaviour {
    streams: libp2p_stream::Behaviour,
    relay: relay::client::Behaviour,
}

/// What the swarm is to do.
enum Wish {
    /// Dial, and tell what became of it.
    Dial(Multiaddr, oneshot::Sender<Result<PeerId, String>>),
    /// End every connection with a peer.
    Leave(PeerId),
}

thread_local! {
    static PEER: RefCell<Option<(Control, mpsc::UnboundedSender<Wish>)>> = const { RefCell::new(None) };
    /// The port of the relay, which answers STUN there, too.
    static PORT: Cell<u16> = const { Cell::new(0) };
}

/// The relay tells this browser its address on loopback. The names that it makes up for its others lead nowhere here.
fn ice_servers() -> Array {
    let servers = format!(r#"[{{"urls": "stun:127.0.0.1:{}"}}]"#, PORT.get());
    JSON::parse(&servers).expect("it is JSON").unchecked_into()
}

fn swarm() -> Swarm<Behaviour> {
    let key = Keypair::generate_ed25519();
    let (circuits, relay) = relay::client::new(key.public().to_peer_id());
    let config = Config { ice_servers, may_dial: |_| true };
    let direct = chanterelle_webrtc::Transport::new(upgraded(circuits, &key), config, Permit::given())
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    let sockets = upgraded(WebSocketTransport, &key);
    let transport = OrTransport::new(direct, sockets).map(|either, _| either.into_inner()).boxed();
    let behaviour = Behaviour { streams: libp2p_stream::Behaviour::new(), relay };
    // Connections last between the questions of a test.
    let config =
        SwarmConfig::with_executor(spawn_local).with_idle_connection_timeout(Duration::from_secs(60 * 60));
    Swarm::new(transport, behaviour, key.public().to_peer_id(), config)
}

fn upgraded<T>(transport: T, key: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)>
where
    T: Transport<Dial: Send, ListenerUpgrade: Send> + Send + Unpin + 'static,
    T::Output: futures::AsyncRead + futures::AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
{
    transport
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(key).expect("an Ed25519 key signs the noise key"))
        .multiplex(yamux::Config::default())
        .boxed()
}

/// Begins to listen at a relay; where it can be asked for, once it can.
#[wasm_bindgen]
pub async fn start(relay: String) -> Result<String, String> {
    let mut swarm = swarm();
    let relay: Multiaddr = relay.parse().map_err(fault)?;
    let own = *swarm.local_peer_id();
    let port = relay.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
    PORT.set(port.ok_or("the relay has no port")?);
    swarm.listen_on(relay.with(Protocol::P2pCircuit).with(Protocol::WebRTC)).map_err(fault)?;
    let control = swarm.behaviour().streams.new_control();
    let (wishes, wanted) = mpsc::unbounded();
    PEER.set(Some((control.clone(), wishes)));
    let mut answering = control.clone();
    spawn_local(answer(answering.accept(WHOLE).map_err(fault)?, |stream| async {
        drop(whole(stream).await);
    }));
    spawn_local(answer(answering.accept(BROKEN).map_err(fault)?, |mut stream| async move {
        // Dropped with the question unanswered.
        drop(stream.read(&mut [0]).await);
    }));
    spawn_local(answer(answering.accept(SINK).map_err(fault)?, |stream| async {
        drop(sink(stream).await);
    }));
    let (listening, listens) = oneshot::channel();
    spawn_local(run(swarm, wanted, listening));
    let address = listens.await.map_err(fault)?;
    let is_whole = address.iter().last() == Some(Protocol::P2p(own));
    Ok(if is_whole { address } else { address.with(Protocol::P2p(own)) }.to_string())
}

async fn run(
    mut swarm: Swarm<Behaviour>,
    mut wanted: mpsc::UnboundedReceiver<Wish>,
    listening: oneshot::Sender<Multiaddr>,
) {
    let mut listening = Some(listening);
    let mut dialling = Vec::new();
    // Whoever asked may not wait any more.
    let tell = |dialling: &mut Vec<(ConnectionId, oneshot::Sender<_>)>, connection, outcome| {
        if let Some(at) = dialling.iter().position(|(id, _)| *id == connection) {
            let _ = dialling.swap_remove(at).1.send(outcome);
        }
    };
    loop {
        select! {
            wish = wanted.select_next_some() => match wish {
                Wish::Dial(address, done) => {
                    let options = DialOpts::from(address);
                    let connection = options.connection_id();
                    dialling.push((connection, done));
                    if let Err(error) = swarm.dial(options) {
                        tell(&mut dialling, connection, Err(fault(error)));
                    }
                }
                // Err says that there is none.
                Wish::Leave(peer) => drop(swarm.disconnect_peer_id(peer)),
            },
            event = swarm.select_next_some() => match event {
                SwarmEvent::NewListenAddr { address, .. } => {
                    listening.take().map(|listening| listening.send(address));
                }
                SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                    tell(&mut dialling, connection_id, Ok(peer_id));
                }
                SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                    tell(&mut dialling, connection_id, Err(fault(error)));
                }
                _ => {}
            },
        }
    }
}

/// Connects to an address; who is there.
#[wasm_bindgen]
pub async fn dial(address: String) -> Result<String, String> {
    let (done, connected) = oneshot::channel();
    wish(Wish::Dial(address.parse().map_err(fault)?, done))?;
    connected.await.map_err(fault)?.map(|peer| peer.to_string())
}

/// Ends every connection with a peer.
#[wasm_bindgen]
pub fn leave(peer: &str) -> Result<(), String> {
    wish(Wish::Leave(peer.parse().map_err(fault)?))
}

fn wish(wish: Wish) -> Result<(), String> {
    PEER.with_borrow(|peer| peer.as_ref().expect("it was started").1.unbounded_send(wish)).map_err(fault)
}

async fn open(peer: &str, protocol: StreamProtocol) -> Result<Stream, String> {
    let peer: PeerId = peer.parse().map_err(fault)?;
    let mut control = PEER.with_borrow(|peer| peer.as_ref().expect("it was started").0.clone());
    control.open_stream(peer, protocol).await.map_err(fault)
}

/// Says so many bytes on each of so many streams at once, all open before the first is finished, and reads the answers to
/// their ends; how many bytes they have, all together.
#[wasm_bindgen]
pub async fn ask(peer: String, size: usize, count: usize) -> Result<usize, String> {
    let streams = try_join_all((0..count).map(|_| open(&peer, WHOLE))).await?;
    let answers = streams.into_iter().map(|mut stream| async move {
        stream.write_all(&vec![7; size]).await?;
        stream.close().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map(|_| answer.len())
    });
    try_join_all(answers).await.map(|sizes| sizes.iter().sum()).map_err(fault)
}

/// Sends so many bytes on one stream, and waits until they have all come.
#[wasm_bindgen]
pub async fn send(peer: String, size: usize) -> Result<(), String> {
    let mut stream = open(&peer, SINK).await?;
    let bytes = vec![7; size.min(1024 * 1024)];
    let mut left = size;
    while left > 0 {
        let count = left.min(bytes.len());
        stream.write_all(&bytes[..count]).await.map_err(fault)?;
        left -= count;
    }
    stream.close().await.map_err(fault)?;
    stream.read_exact(&mut [0]).await.map_err(fault)
}

/// Asks somebody who gives up: what is noticed of it.
#[wasm_bindgen]
pub async fn broken(peer: String) -> Result<String, String> {
    let mut stream = open(&peer, BROKEN).await?;
    stream.write_all(&[7]).await.map_err(fault)?;
    let outcome = stream.read(&mut [0]).await;
    Ok(outcome.map_or_else(|error| error.kind().to_string(), |count| format!("{count} bytes")))
}

async fn answer<F: Future<Output = ()> + 'static>(mut incoming: IncomingStreams, each: fn(Stream) -> F) {
    while let Some((_, stream)) = incoming.next().await {
        spawn_local(each(stream));
    }
}

async fn whole(mut stream: Stream) -> io::Result<()> {
    let mut asked = Vec::new();
    stream.read_to_end(&mut asked).await?;
    stream.write_all(&asked).await?;
    stream.close().await
}

async fn sink(mut stream: Stream) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while stream.read(&mut buffer).await? > 0 {}
    stream.write_all(&[7]).await?;
    stream.close().await
}

fn fault(error: impl std::fmt::Display) -> String {
    error.to_string()
}
