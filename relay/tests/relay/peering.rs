//! Several relays: each keeps a session with the others it was told of, and what one is given all have.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chanterelle_core::base::{EventId, Seconds};
use chanterelle_core::node::{Batch, Ticket};
use chanterelle_relay::metrics::{Direction, Metrics};
use chanterelle_relay::settings::Keys;
use chanterelle_relay::storage::{DataLock, Storage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::support::author::threads;
use crate::support::http::get;
use crate::support::tab::Tab;
use crate::support::{TestRelay, free_address, until};

/// Told of relays at these addresses.
fn peers(addresses: &[SocketAddr]) -> Keys {
    Keys {
        peer: Some(addresses.iter().map(|address| format!("http://{address}")).collect()),
        ..Keys::default()
    }
}

/// The same, listening there itself.
fn at(address: SocketAddr, others: &[SocketAddr]) -> Keys {
    Keys { listen: Some(address.to_string()), ..peers(others) }
}

/// Waits until a relay has a session with so many others, and no session beside them.
async fn linked(relay: &TestRelay, relays: i64) {
    let metrics = relay.app.metrics();
    until("the relays are linked", async || {
        metrics.relays.get() == relays && metrics.sessions.get() == relays
    })
    .await;
}

/// Waits until a relay holds so many events.
async fn holds(relay: &TestRelay, events: i64) {
    until("everything has arrived", async || relay.app.metrics().events.get() == events).await;
}

/// Sessions since the start.
fn sessions(relay: &TestRelay) -> f64 {
    let text = relay.app.metrics().encode();
    let counted = |line: &&str| {
        line.starts_with("chanterelle_sessions ") || line.starts_with("chanterelle_sessions_ended_total")
    };
    let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
    text.lines().filter(counted).filter_map(value).sum()
}

/// What `/api/v1/info` says of other relays.
async fn told(relay: &TestRelay) -> BTreeSet<String> {
    let info = get(relay.app.address(), "/api/v1/info", &[]).await.json();
    let relays = info["relays"].as_array().expect("a list").iter();
    relays.map(|address| address.as_str().expect("text").to_owned()).collect()
}

async fn published(tab: &mut Tab, comment: &str) -> EventId {
    let post = tab.publish("test", comment).await;
    tab.wait(|seen| seen.sent.contains(&post)).await;
    post
}

async fn reader(seed: u8, relay: &TestRelay) -> Tab {
    let mut reader = Tab::connect(seed, relay.multiaddr()).await;
    reader.read_board("test");
    reader.wait(|seen| seen.synced).await;
    reader
}

#[tokio::test]
async fn a_post_reaches_readers_at_another_relay_live_and_by_reconciliation() {
    let a = TestRelay::start().await;
    let mut author = Tab::connect(1, a.multiaddr()).await;
    let before = published(&mut author, "before the other relay").await;

    let b = TestRelay::with(peers(&[a.app.address()])).await;
    let mut reader = reader(2, &b).await;
    reader.wait(|seen| seen.catalog.contains(&before)).await;
    let live = published(&mut author, "while it is there").await;
    reader.wait(|seen| seen.catalog.contains(&live)).await;

    author.read_board("test");
    let back = published(&mut reader, "and back").await;
    author.wait(|seen| seen.catalog.contains(&back)).await;
    b.stop().await;
    a.stop().await;
}

#[tokio::test]
async fn what_is_given_to_one_end_of_a_chain_reaches_the_other() {
    let a = TestRelay::start().await;
    let b = TestRelay::with(peers(&[a.app.address()])).await;
    let mut first = reader(1, &a).await;
    let before = published(&mut first, "before the end of the chain").await;
    let c = TestRelay::with(peers(&[b.app.address()])).await;
    let mut last = reader(2, &c).await;
    last.wait(|seen| seen.catalog.contains(&before)).await;
    let there = published(&mut first, "there").await;
    last.wait(|seen| seen.catalog.contains(&there)).await;
    let back = published(&mut last, "and back").await;
    first.wait(|seen| seen.catalog.contains(&back)).await;
    for relay in [c, b, a] {
        assert_eq!(relay.app.metrics().events_stored.get(), 3);
        relay.stop().await;
    }
}

#[tokio::test]
async fn in_a_ring_nothing_goes_round_and_nothing_is_stored_twice() {
    let addresses = [free_address(), free_address(), free_address()];
    let (a, b, c) = tokio::join!(
        TestRelay::with(at(addresses[0], &addresses[1..2])),
        TestRelay::with(at(addresses[1], &addresses[2..])),
        TestRelay::with(at(addresses[2], &addresses[..1])),
    );
    let ring = [a, b, c];
    for relay in &ring {
        linked(relay, 2).await;
    }
    let mut author = reader(1, &ring[0]).await;
    let mut readers = [reader(2, &ring[1]).await, reader(3, &ring[2]).await];
    let frames =
        |relay: &TestRelay| relay.app.metrics().frames.get_or_create(&Direction { direction: "out" }).get();
    let before: u64 = ring.iter().map(frames).sum();
    for number in 0..20 {
        let post = published(&mut author, &format!("post {number}")).await;
        for reader in &mut readers {
            reader.wait(|seen| seen.catalog.contains(&post)).await;
        }
    }
    // Each post crosses each side of the ring at most once each way and is acknowledged; a few of other frames beside.
    let frames = ring.iter().map(frames).sum::<u64>() - before;
    assert!(frames < 20 * 24, "{frames} frames for 20 posts");
    for relay in ring {
        assert_eq!(relay.app.metrics().events_stored.get(), 20);
        relay.stop().await;
    }
}

/// How long bytes take on a link of [`far`].
const DELAY: Duration = Duration::from_millis(50);

/// Where a relay is reached over a link on which everything takes [`DELAY`].
async fn far(relay: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(relay).await else { continue };
            let ((near_reader, near_writer), (far_reader, far_writer)) =
                (near.into_split(), far.into_split());
            tokio::spawn(delay(near_reader, far_writer));
            tokio::spawn(delay(far_reader, near_writer));
        }
    });
    address
}

async fn delay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let read = async move {
        let mut piece = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut piece).await {
            if sender.send((tokio::time::Instant::now() + DELAY, piece[..count].to_vec())).is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((at, piece)) = receiver.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(read, write);
}

#[tokio::test]
async fn relays_that_dial_each_other_at_once_keep_one_session() {
    for round in 0..6_u8 {
        // While one's session is on its way, the other opens its own.
        let addresses = [free_address(), free_address()];
        let links = [far(addresses[0]).await, far(addresses[1]).await];
        let (a, b) = tokio::join!(
            TestRelay::with(at(addresses[0], &links[1..])),
            TestRelay::with(at(addresses[1], &links[..1])),
        );
        linked(&a, 1).await;
        linked(&b, 1).await;
        let (mut first, mut second) = (reader(round, &a).await, reader(100 + round, &b).await);
        let there = published(&mut first, "there").await;
        second.wait(|seen| seen.catalog.contains(&there)).await;
        let back = published(&mut second, "and back").await;
        first.wait(|seen| seen.catalog.contains(&back)).await;
        drop((first, second));
        for relay in [&a, &b] {
            linked(relay, 1).await;
            // One of the reader, and of the two between the relays one that stays.
            let opened = sessions(relay);
            assert!(opened <= 3.0, "round {round}: {opened} sessions");
        }
        a.stop().await;
        b.stop().await;
    }
}

#[tokio::test]
async fn a_relay_that_was_away_is_dialled_until_it_is_back_and_gets_what_it_missed() {
    let address = free_address();
    let b = TestRelay::with(peers(&[address])).await;
    let a = TestRelay::with(at(address, &[])).await;
    linked(&b, 1).await;
    let data = a.stop().await;
    linked(&b, 0).await;
    let mut author = reader(1, &b).await;
    published(&mut author, "while it is away").await;
    drop(author);
    let a = TestRelay::on(data, at(address, &[])).await;
    linked(&b, 1).await;
    holds(&a, 1).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn relays_tell_tabs_of_each_other() {
    let a = TestRelay::start().await;
    let b = TestRelay::with(peers(&[a.app.address()])).await;
    linked(&b, 1).await;
    let of_a = BTreeSet::from([a.multiaddr().to_string()]);
    let of_b = BTreeSet::from([b.multiaddr().to_string()]);
    assert_eq!(told(&b).await, of_a, "where it was dialled");
    until("the dialled relay has asked for the address of the other", async || told(&a).await == of_b).await;
    // A tab is no relay.
    let tab = reader(1, &a).await;
    assert_eq!(told(&a).await, of_b);
    drop(tab);
    b.stop().await;
    linked(&a, 0).await;
    assert_eq!(told(&a).await, of_b, "it may come back");
    a.stop().await;
}

#[tokio::test]
async fn a_public_relay_tells_of_no_private_address() {
    let a = TestRelay::start().await;
    let external = Some(vec!["/dns4/relay.example/tcp/443/wss".to_owned()]);
    let b = TestRelay::with(Keys { external, ..peers(&[a.app.address()]) }).await;
    linked(&b, 1).await;
    assert!(told(&b).await.is_empty(), "the other is on loopback");
    let public = format!("/dns4/relay.example/tcp/443/tls/ws/p2p/{}", b.app.peer());
    until("the public address is told at home", async || told(&a).await.contains(&public)).await;
    assert_eq!(
        told(&a).await,
        BTreeSet::from([public]),
        "where it listens behind its proxy is told to nobody, not even by libp2p"
    );
    b.stop().await;
    a.stop().await;
}

/// How many events a first reconciliation between two relays moves.
const MANY: usize = 20_000;

#[tokio::test]
async fn a_new_relay_fills_itself_with_all_that_another_has() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let now = Seconds(SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs());
    {
        let _lock = DataLock::take(data.path()).expect("nobody holds it");
        let storage =
            Storage::open(data.path(), None, Arc::new(Metrics::default())).await.expect("the database opens");
        for (seed, board) in (1..=10).zip(["cats", "dogs"].iter().cycle()) {
            let mut puts =
                threads(seed, board, MANY / 10, now, "It stands in the moss under the old spruce.");
            // As a relay has them: what was written here would be offered to everybody without being asked for.
            puts.iter_mut().for_each(|put| put.row.own = false);
            let batch = Batch { ticket: Ticket(1), strict: true, puts, state: None };
            storage.store(&batch).await.expect("the events are stored");
        }
        storage.close().await;
    }
    let a = TestRelay::on(data, Keys::default()).await;
    assert_eq!(a.app.metrics().events.get(), MANY as i64);
    let b = TestRelay::with(peers(&[a.app.address()])).await;
    until("the first have arrived", async || b.app.metrics().events.get() > 0).await;
    let begun = Instant::now();
    holds(&b, MANY as i64).await;
    until("everything is stored", async || b.app.metrics().events_stored.get() == MANY as u64).await;
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("peering.first_reconciliation: {MANY} events in {seconds:.1} s");
    assert_eq!(sessions(&b), 1.0, "nobody was cut off for being quick");
    b.stop().await;
    a.stop().await;
}
