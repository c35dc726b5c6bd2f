//! Two swarms and a relay in one page: what comes out of the transport is a connection as any other.

use std::future::poll_fn;
use std::pin::Pin;

use futures::future::{Either, join, select};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _};
use libp2p::core::transport::{
    Boxed, DialOpts, ListenerId, MemoryTransport, OrTransport, PortUse, TransportEvent,
};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{Config as SwarmConfig, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, Transport as _, noise, relay, yamux};
use libp2p_stream::Control;
use multistream_select::dialer_select_proto;
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::{CONFIG, peer, soon};
use crate::{Error, Permit, Transport, relayed};

const ECHO: StreamProtocol = StreamProtocol::new("/echo/1");

type Upgraded = Boxed<(PeerId, StreamMuxerBox)>;

fn upgraded<T>(transport: T, key: &Keypair, version: Version) -> Upgraded
where
    T: libp2p::Transport<Dial: Send, ListenerUpgrade: Send> + Send + Unpin + 'static,
    T::Output: futures::AsyncRead + futures::AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
{
    let noise = noise::Config::new(key).expect("a key can sign");
    transport.upgrade(version).authenticate(noise).multiplex(yamux::Config::default()).boxed()
}

/// The address of a relay, with its id.
async fn relay() -> Multiaddr {
    let key = Keypair::generate_ed25519();
    let id = key.public().to_peer_id();
    let behaviour = relay::Behaviour::new(id, relay::Config::default());
    let config = SwarmConfig::with_executor(spawn_local);
    let mut swarm =
        Swarm::new(upgraded(MemoryTransport::default(), &key, Version::V1Lazy), behaviour, id, config);
    swarm.listen_on(Protocol::Memory(0).into()).expect("memory can be listened to");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    swarm.add_external_address(address.clone());
    spawn_local(swarm.for_each(async |_| {}));
    address.with(Protocol::P2p(id))
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    relay: relay::client::Behaviour,
    streams: libp2p_stream::Behaviour,
}

fn tab() -> Swarm<Behaviour> {
    tab_with(Permit::given())
}

fn tab_with(permit: Permit) -> Swarm<Behaviour> {
    let key = Keypair::generate_ed25519();
    let id = key.public().to_peer_id();
    let (relayed, behaviour) = relay::client::new(id);
    let direct = Transport::new(upgraded(relayed, &key, Version::V1Lazy), CONFIG, permit)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    let transport = OrTransport::new(direct, upgraded(MemoryTransport::default(), &key, Version::V1Lazy))
        .map(|either, _| either.into_inner())
        .boxed();
    let behaviour = Behaviour { relay: behaviour, streams: libp2p_stream::Behaviour::new() };
    Swarm::new(transport, behaviour, id, SwarmConfig::with_executor(spawn_local))
}

/// A tab that sends back what it hears; where it listens.
async fn echo(relay: &Multiaddr) -> Multiaddr {
    let mut swarm = tab();
    let mut incoming = swarm.behaviour().streams.new_control().accept(ECHO).expect("accepted once");
    let address = relay.clone().with(Protocol::P2pCircuit).with(Protocol::WebRTC);
    swarm.listen_on(address).expect("it is such an address");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    spawn_local(swarm.for_each(async |_| {}));
    spawn_local(async move {
        while let Some((_, mut stream)) = incoming.next().await {
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.expect("it has an end");
            stream.write_all(&heard).await.expect("the other side reads");
            stream.close().await.expect("it is open");
        }
    });
    address
}

async fn ask(control: &mut Control, peer: PeerId, words: &[u8]) -> Vec<u8> {
    let mut stream = control.open_stream(peer, ECHO).await.expect("there is a connection");
    stream.write_all(words).await.expect("the other side reads");
    stream.close().await.expect("it is open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it has an end");
    answer
}

/// What comes first of a dial.
async fn dialled(swarm: &mut Swarm<Behaviour>, address: &Multiaddr, peer: PeerId) -> Result<(), String> {
    swarm.dial(address.clone()).expect("it is such an address");
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { peer_id, .. } if peer_id == peer => return Ok(()),
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.to_string()),
            _ => {}
        }
    }
}

fn peer_in(address: &Multiaddr) -> PeerId {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => peer,
        other => panic!("no peer at the end: {other:?}"),
    }
}

#[wasm_bindgen_test]
async fn a_swarm_dials_another_through_a_relay() {
    let relay = soon(relay()).await;
    let there = soon(echo(&relay)).await;
    let peer = peer_in(&there);
    assert_eq!(there, relay.with(Protocol::P2pCircuit).with(Protocol::WebRTC).with(Protocol::P2p(peer)));
    let mut swarm = tab();
    soon(dialled(&mut swarm, &there, peer)).await.expect("it is reached");
    let mut control = swarm.behaviour().streams.new_control();
    let asked = Box::pin(ask(&mut control, peer, b"over a data channel"));
    match select(asked, Box::pin(swarm.for_each(async |_| {}))).await {
        Either::Left((answer, _)) => assert_eq!(answer, b"over a data channel"),
        Either::Right(_) => unreachable!("a swarm goes on"),
    }
}

#[wasm_bindgen_test]
async fn without_a_permit_nobody_is_dialled_or_answered() {
    let relay = soon(relay()).await;
    let permit = Permit::given();
    let mut there = tab_with(permit.clone());
    there
        .listen_on(relay.clone().with(Protocol::P2pCircuit).with(Protocol::WebRTC))
        .expect("it is such an address");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = soon(there.select_next_some()).await {
            break address;
        }
    };
    let peer = peer_in(&address);
    permit.set(false);
    let refused = async {
        loop {
            if let SwarmEvent::IncomingConnectionError { .. } = there.select_next_some().await {
                break;
            }
        }
    };
    let mut here = tab();
    let (dialled, ()) = soon(join(dialled(&mut here, &address, peer), refused)).await;
    dialled.expect_err("it is not answered");

    let mut here = tab_with(Permit::default());
    let error = soon(self::dialled(&mut here, &address, peer)).await.expect_err("it is not permitted");
    assert!(error.contains(&Error::NotPermitted.to_string()), "{error}");
}

#[wasm_bindgen_test]
async fn twenty_in_a_row_are_reached() {
    let relay = soon(relay()).await;
    for _ in 0..20 {
        let there = soon(echo(&relay)).await;
        let mut swarm = tab();
        soon(dialled(&mut swarm, &there, peer_in(&there))).await.expect("it is reached");
    }
}

#[wasm_bindgen_test]
async fn who_is_not_there_is_not_reached_and_the_relay_stays() {
    let relay = soon(relay()).await;
    let absent = Keypair::generate_ed25519().public().to_peer_id();
    let circuit = relay.clone().with(Protocol::P2pCircuit).with(Protocol::WebRTC);
    let mut swarm = tab();
    let refused = soon(dialled(&mut swarm, &circuit.with(Protocol::P2p(absent)), absent)).await;
    assert!(refused.is_err());
    assert!(swarm.is_connected(&peer_in(&relay)));
}

/// The two ends of a relayed connection.
async fn relayed_ends() -> (StreamMuxerBox, StreamMuxerBox) {
    // Lazily, nothing would be agreed before something is said.
    let [mut here, mut there] =
        [(); 2].map(|()| upgraded(MemoryTransport::default(), &Keypair::generate_ed25519(), Version::V1));
    there.listen_on(ListenerId::next(), Protocol::Memory(0).into()).expect("memory can be listened to");
    let next = async |there: &mut Upgraded| poll_fn(|context| Pin::new(&mut *there).poll(context)).await;
    let TransportEvent::NewAddress { listen_addr, .. } = next(&mut there).await else {
        panic!("it listens somewhere");
    };
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
    let dial = here.dial(listen_addr, options).expect("it is such an address");
    let accept = async {
        let TransportEvent::Incoming { upgrade, .. } = next(&mut there).await else {
            panic!("nothing but a connection happens");
        };
        upgrade.await
    };
    let (dialled, accepted) = join(dial, accept).await;
    (dialled.expect("it is accepted").1, accepted.expect("it was dialled").1)
}

/// Asks on a relayed connection for what js-libp2p asks for there; whether it is spoken.
async fn identifies(muxer: &mut StreamMuxerBox) -> bool {
    let stream = poll_fn(|context| muxer.poll_outbound_unpin(context)).await.expect("it opens");
    let agreed = Box::pin(dialer_select_proto(stream, ["/ipfs/id/1.0.0"], Version::V1));
    match select(agreed, poll_fn(|context| muxer.poll_unpin(context))).await {
        Either::Left((agreed, _)) => agreed.is_ok(),
        Either::Right(_) => panic!("the connection was lost"),
    }
}

#[wasm_bindgen_test]
async fn what_else_is_asked_for_below_is_not_spoken() {
    let (a, (ours, mut theirs)) = (peer(), soon(relayed_ends()).await);
    // Before signalling and while it goes on, and more often than streams are agreed on at a time.
    let asks = Box::pin(async {
        for _ in 0..20 {
            assert!(!identifies(&mut theirs).await);
        }
        theirs
    });
    let connected = match soon(select(asks, Box::pin(relayed::offer(ours, &a)))).await {
        Either::Left((theirs, offer)) => {
            let (offered, answered) = soon(join(offer, relayed::answer(theirs, CONFIG))).await;
            offered.and(answered.map(drop))
        }
        Either::Right((offered, _)) => offered,
    };
    connected.expect("they connect all the same");
}
