//! Circuit relay v2: enough for signalling, too little for anything else.

use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{StreamProtocol, SwarmEvent};
use libp2p::{Multiaddr, PeerId, relay};
use libp2p_stream::Control;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::tab::{BehaviourEvent, keep, swarm};
use crate::support::{TestRelay, until};

const ECHO: StreamProtocol = StreamProtocol::new("/test/echo/1");

/// A peer that answers on [`ECHO`] through a circuit of the relay, and its address there.
async fn listener(relay: &TestRelay) -> (Multiaddr, PeerId, JoinHandle<()>) {
    let mut swarm = swarm();
    let mut incoming = swarm.behaviour().stream.new_control().accept(ECHO).expect("nobody else accepts");
    let circuit = relay.multiaddr().with(Protocol::P2pCircuit);
    swarm.listen_on(circuit.clone()).expect("circuits can be listened on");
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Relay(relay::client::Event::ReservationReqAccepted {
                ..
            })) => break,
            SwarmEvent::ListenerClosed { reason, .. } => panic!("no reservation: {reason:?}"),
            _ => {}
        }
    }
    let peer = *swarm.local_peer_id();
    let kept = keep(swarm);
    tokio::spawn(async move {
        while let Some((_, stream)) = incoming.next().await {
            let (mut reader, mut writer) = stream.split();
            tokio::spawn(async move { futures::io::copy(&mut reader, &mut writer).await });
        }
    });
    (circuit.with(Protocol::P2p(peer)), peer, kept)
}

/// Dials a circuit.
async fn dialler(circuit: &Multiaddr) -> (Control, JoinHandle<()>) {
    let mut swarm = swarm();
    let control = swarm.behaviour().stream.new_control();
    swarm.dial(circuit.clone()).expect("circuits can be dialled");
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { endpoint, .. } if endpoint.is_relayed() => break,
            SwarmEvent::OutgoingConnectionError { error, .. } => panic!("the dial failed: {error}"),
            _ => {}
        }
    }
    (control, keep(swarm))
}

#[tokio::test]
async fn a_circuit_carries_signalling_and_is_cut_beyond_its_limit() {
    let relay = TestRelay::start().await;
    let (circuit, peer, _listener) = listener(&relay).await;
    let (mut control, _dialler) = dialler(&circuit).await;
    let mut stream = control.open_stream(peer, ECHO).await.expect("the stream opens through the circuit");

    let offer = [7; 4_000];
    stream.write_all(&offer).await.expect("an offer passes");
    stream.flush().await.expect("an offer passes");
    let mut answer = [0; 4_000];
    stream.read_exact(&mut answer).await.expect("an answer passes");
    assert_eq!(offer, answer);
    assert_eq!(relay.app.metrics().reservations.get(), 1);
    assert_eq!(relay.app.metrics().circuits.get(), 1);

    let flood = vec![0; 256 * 1024];
    let (mut reader, mut writer) = stream.split();
    let writing = async {
        let _ = writer.write_all(&flood).await;
        let _ = writer.flush().await;
    };
    let mut echoed = Vec::new();
    let reading = reader.read_to_end(&mut echoed);
    let (_, ended) = timeout(Duration::from_secs(60), futures::future::join(writing, reading))
        .await
        .expect("the circuit is cut");
    assert!(ended.is_err() || echoed.len() < flood.len());
    assert!(echoed.len() < 128 * 1024, "{} bytes came back", echoed.len());
    relay.stop().await;
}

#[tokio::test]
async fn reservations_are_counted_and_connections_without_one_are_not() {
    let relay = TestRelay::start().await;
    let (.., listener) = listener(&relay).await;
    let metrics = relay.app.metrics();
    until("the reservation to be counted", async || metrics.reservations.get() == 1).await;
    let mut passing = swarm();
    passing.dial(relay.multiaddr()).expect("a relay can be dialled");
    loop {
        match passing.select_next_some().await {
            SwarmEvent::ConnectionEstablished { .. } => break,
            SwarmEvent::OutgoingConnectionError { error, .. } => panic!("the dial failed: {error}"),
            _ => {}
        }
    }
    until("both to be connected", async || metrics.connections.get() == 2).await;
    drop(passing);
    until("one to be gone", async || metrics.connections.get() == 1).await;
    assert_eq!(metrics.reservations.get(), 1, "nothing was reserved there");
    listener.abort();
    until("the reservation to be gone", async || metrics.reservations.get() == 0).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_circuit_to_nobody_is_denied() {
    let relay = TestRelay::start().await;
    let mut swarm = swarm();
    let nobody = libp2p::identity::Keypair::generate_ed25519().public().to_peer_id();
    let circuit = relay.multiaddr().with(Protocol::P2pCircuit).with(Protocol::P2p(nobody));
    swarm.dial(circuit).expect("circuits can be dialled");
    loop {
        if let SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), .. } =
            swarm.select_next_some().await
        {
            assert_eq!(peer, nobody);
            break;
        }
    }
    let text = relay.app.metrics().encode();
    assert!(text.contains("chanterelle_circuits_denied_total{reason=\"circuit\"} 1"), "{text}");
    relay.stop().await;
}
