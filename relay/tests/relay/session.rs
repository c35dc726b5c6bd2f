//! Events between tabs through a relay, over real WebSockets, Noise, Yamux and `/chanterelle/1`.

use std::time::Duration;

use chanterelle_core::base::Limits;
use chanterelle_core::wire::{Deframer, Frame, SESSION_PROTOCOL};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::swarm::{StreamProtocol, SwarmEvent};
use tokio::time::timeout;

use crate::support::TestRelay;
use crate::support::tab::{Tab, keep, swarm};

#[tokio::test]
async fn a_post_reaches_a_reader_at_once_and_a_later_one_by_reconciliation() {
    let relay = TestRelay::start().await;
    let mut author = Tab::connect(1, relay.multiaddr()).await;
    let mut reader = Tab::connect(2, relay.multiaddr()).await;
    reader.read_board("test");
    reader.wait(|seen| seen.synced).await;
    author.wait(|seen| seen.synced).await;

    let first = author.publish("test", "hello").await;
    author.wait(|seen| seen.sent.contains(&first)).await;
    reader.wait(|seen| seen.catalog.contains(&first)).await;

    // Whoever was not there finds it in the relay, after the author has gone.
    drop(author);
    let mut late = Tab::connect(3, relay.multiaddr()).await;
    late.read_board("test");
    late.wait(|seen| seen.catalog.contains(&first)).await;
    let second = late.publish("test", "hello back").await;
    reader.wait(|seen| seen.catalog.contains(&second)).await;
    relay.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_under_the_same_name() {
    let relay = TestRelay::start().await;
    let mut author = Tab::connect(1, relay.multiaddr()).await;
    let post = author.publish("test", "kept").await;
    author.wait(|seen| seen.sent.contains(&post)).await;
    let peer = relay.app.peer();
    drop(author);
    let data = relay.stop().await;

    let relay = TestRelay::on(data, Default::default()).await;
    assert_eq!(relay.app.peer(), peer);
    assert_eq!(relay.app.metrics().events.get(), 1);
    let mut reader = Tab::connect(2, relay.multiaddr()).await;
    reader.read_board("test");
    reader.wait(|seen| seen.catalog.contains(&post)).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_hundred_posts_at_once_are_all_acknowledged() {
    let relay = TestRelay::start().await;
    let mut author = Tab::connect(1, relay.multiaddr()).await;
    let requests: Vec<u32> =
        (0..100).map(|number| author.publish_soon("test", &format!("{number}"))).collect();
    let seen = author.wait(|seen| requests.iter().all(|request| seen.published.contains_key(request))).await;
    let posts: Vec<_> = requests.iter().map(|request| seen.published[request]).collect();
    author.wait(|seen| posts.iter().all(|post| seen.sent.contains(post))).await;
    assert_eq!(relay.app.metrics().events_stored.get(), 100);
    relay.stop().await;
}

/// Opens a session by hand, sends `bytes`, and reads until the relay ends it; the frames it sent.
async fn session_with(relay: &TestRelay, bytes: &[u8]) -> Vec<Frame> {
    let mut swarm = swarm();
    let mut control = swarm.behaviour().stream.new_control();
    swarm.dial(relay.multiaddr()).expect("the address can be dialled");
    while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
    let kept = keep(swarm);
    let protocol = StreamProtocol::new(SESSION_PROTOCOL);
    let mut stream = control.open_stream(relay.app.peer(), protocol).await.expect("the relay takes sessions");
    // The relay may end the session before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    let mut read = Vec::new();
    let ended = timeout(Duration::from_secs(60), stream.read_to_end(&mut read)).await;
    // A reset is an end, too.
    let _ = ended.expect("the relay ends the session");
    kept.abort();
    let limits = Limits::default();
    let mut deframer = Deframer::new(limits.frame_bytes);
    deframer.push(&read);
    let frames = std::iter::from_fn(|| deframer.next_frame().expect("the relay frames rightly"));
    frames.map(|frame| Frame::decode(&frame, &limits).expect("the relay speaks rightly")).collect()
}

#[tokio::test]
async fn garbage_ends_the_session_and_the_relay_lives_on() {
    let relay = TestRelay::start().await;
    // A length beyond the limit; frames that are no frames; noise.
    session_with(&relay, &[0xff, 0xff, 0xff, 0x7f]).await;
    let frames = session_with(&relay, &[2, 0, 0].repeat(100)).await;
    assert!(matches!(frames[0], Frame::Hello(_)));
    assert!(matches!(frames.last(), Some(Frame::Bye { .. })), "a peer is told why: {frames:?}");
    let noise: Vec<u8> = (0..100_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    session_with(&relay, &noise).await;

    let mut author = Tab::connect(1, relay.multiaddr()).await;
    let post = author.publish("test", "still here").await;
    author.wait(|seen| seen.sent.contains(&post)).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_peer_that_comes_back_replaces_its_old_session() {
    let relay = TestRelay::start().await;
    let key = libp2p::identity::Keypair::generate_ed25519();
    let protocol = StreamProtocol::new(SESSION_PROTOCOL);
    let limits = Limits::default();
    let mut first_byte = [0];
    let mut streams = Vec::new();
    for round in 0..2 {
        let mut swarm = crate::support::tab::swarm_of(&key);
        let mut control = swarm.behaviour().stream.new_control();
        swarm.dial(relay.multiaddr()).expect("the address can be dialled");
        while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
        let kept = keep(swarm);
        // Sooner than the relay lets a peer come back, the new session is the one that ends: try until it stays.
        let stream = loop {
            let mut stream = control
                .open_stream(relay.app.peer(), protocol.clone())
                .await
                .expect("the relay takes sessions");
            if stream.read_exact(&mut first_byte).await.is_ok() {
                break stream;
            }
            assert_eq!(round, 1, "the first session stays");
        };
        streams.push((stream, kept));
    }
    let (mut first, _) = streams.remove(0);
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(60), first.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the old session is ended");
    let (mut second, _) = streams.remove(0);
    let mut length = usize::from(first_byte[0]);
    assert!(length < limits.frame_bytes);
    let mut hello = vec![0; std::mem::take(&mut length)];
    second.read_exact(&mut hello).await.expect("the new session goes on");
    assert!(matches!(Frame::decode(&hello, &limits), Ok(Frame::Hello(_))));
    relay.stop().await;
}
