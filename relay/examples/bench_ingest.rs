//! `cargo xtask bench ingest`: how many events a second the relay makes durable, many in one transaction, against a
//! transaction for each event.
//!
//! Prints one line a metric, `bench-row` and a JSON object.
//!
//! | row | what runs |
//! |---|---|
//! | `ingest.group_commit` | the storage alone: batches as large as the node makes them at most, against batches of one |
//! | `ingest.acknowledged` | the whole way from a frame of events to their acknowledgement, verification included: eight sessions that send as fast as their credit lets them, against the same with one event a transaction |
//!
//! How long a disk takes to flush changes from moment to moment, most of all on a virtual machine: what is compared is
//! measured in turns, and the round with the median ratio is told.

#[path = "../tests/relay/support/author.rs"]
mod author;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chanterelle_core::base::{EventId, Limits, PeerId, Seconds};
use chanterelle_core::crypto::{Identity, Root};
use chanterelle_core::node::{Batch, Put, Ticket};
use chanterelle_core::wire::{Frame, Hello, Role, VERSION};
use chanterelle_relay::driver::{Config, Driver};
use chanterelle_relay::metrics::Metrics;
use chanterelle_relay::net::outbox::{Outbox, OutboxReceiver, Owed};
use chanterelle_relay::net::session::{Opener, SessionEvent, SessionId};
use chanterelle_relay::relays::Relays;
use chanterelle_relay::storage::Storage;
use serde_bytes::ByteBuf;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Turns. Odd, so that there is a median.
const ROUNDS: usize = 5;

/// Sessions that send.
const SESSIONS: usize = 8;

/// Events stored in each round, many in a transaction.
const MANY: usize = 12_000;

/// Events stored in each round one by one.
const FEW: usize = 400;

/// The usual length of a post.
const COMMENT: &str =
    "It stands in the moss under the old spruce, where it stood last year and the year before.";

#[tokio::main(worker_threads = 2)]
async fn main() {
    let now = Seconds(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));
    let events: Vec<Vec<Put>> = (0..SESSIONS as u8)
        .map(|session| author::threads(session, "bench", MANY / SESSIONS, now, COMMENT))
        .collect();
    let all = events.concat();
    let few: Vec<Vec<Put>> = events.iter().map(|puts| puts[..FEW / SESSIONS].to_vec()).collect();
    let limits = Limits::default();
    let (mut stored, mut acknowledged) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let single = store(&all[..FEW], 1).await;
        stored.push((store(&all, limits.persist_events).await, single));
        let single = acknowledge(&few, 1).await;
        acknowledged.push((acknowledge(&events, limits.persist_events).await, single));
    }
    tell("ingest.group_commit", stored);
    tell("ingest.acknowledged", acknowledged);
}

/// Tells the round with the median ratio.
fn tell(name: &str, mut rounds: Vec<(f64, f64)>) {
    for (many, single) in &rounds {
        eprintln!("{name}: {many:.0} events/s against {single:.0}");
    }
    rounds.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (many, single) = rounds[rounds.len() / 2];
    let row = serde_json::json!({
        "name": name,
        "value": many.round(),
        "unit": "events/s",
        "baseline": single.round(),
        "ratio": (many / single * 100.0).round() / 100.0,
    });
    println!("bench-row {row}");
}

/// A storage in a folder of its own, beside the program: a temporary folder is often only memory.
async fn storage(metrics: Arc<Metrics>) -> (tempfile::TempDir, Storage) {
    let program = std::env::current_exe().expect("the program has a path");
    let beside = program.parent().expect("the program lies in a folder");
    let folder = tempfile::tempdir_in(beside).expect("the folder is writable");
    let storage = Storage::open(folder.path(), None, metrics).await.expect("the database opens");
    (folder, storage)
}

/// Events a second, so many in each transaction.
async fn store(puts: &[Put], together: usize) -> f64 {
    let (_folder, storage) = storage(Arc::new(Metrics::default())).await;
    let batches: Vec<Batch> = puts
        .chunks(together)
        .map(|puts| Batch { ticket: Ticket(0), strict: true, puts: puts.to_vec(), state: None })
        .collect();
    let begun = Instant::now();
    for batch in &batches {
        storage.store(batch).await.expect("the events are stored");
    }
    let rate = puts.len() as f64 / begun.elapsed().as_secs_f64();
    storage.close().await;
    rate
}

/// Events a second through the driver, at most so many in a transaction, from the first frame to the last
/// acknowledgement.
async fn acknowledge(events: &[Vec<Put>], together: usize) -> f64 {
    let metrics = Arc::new(Metrics::default());
    let (_folder, storage) = storage(metrics.clone()).await;
    let (sessions, sessions_receiver) = mpsc::channel(128);
    let (disconnect, _disconnected) = mpsc::unbounded_channel();
    let (restored, mut ready) = watch::channel(false);
    let stop = CancellationToken::new();
    // The sessions here are not paced as real ones are, so the node must not take their speed for a flood.
    let limits = Limits { frames_per_second: 1_000_000, persist_events: together, ..Limits::default() };
    let driver = Driver::new(Config {
        peer: PeerId([255; 32]),
        limits: limits.clone(),
        agent: "bench".to_owned(),
        storage: storage.clone(),
        metrics: metrics.clone(),
        relays: Relays::new(metrics.relays.clone()),
        identity: Identity::from_root(Root([7; 32])),
        media: mpsc::unbounded_channel().0,
        drafts: mpsc::channel(1).1,
        published: mpsc::unbounded_channel().0,
        sessions: sessions_receiver,
        disconnect,
        restored,
        stop: stop.clone(),
        drain: Duration::from_secs(10),
    })
    .expect("the system has entropy");
    let runtime = tokio::runtime::Handle::current();
    let driver = tokio::task::spawn_blocking(move || runtime.block_on(driver.run()));
    ready.wait_for(|ready| *ready).await.expect("an empty storage is read");

    let total = events.iter().map(Vec::len).sum::<usize>();
    let begun = Instant::now();
    let senders = events
        .iter()
        .zip(0_u8..)
        .map(|(puts, number)| tokio::spawn(session(number, puts.clone(), sessions.clone(), limits.clone())));
    for sender in senders.collect::<Vec<_>>() {
        sender.await.expect("every event is acknowledged");
    }
    let rate = total as f64 / begun.elapsed().as_secs_f64();
    assert_eq!(metrics.events_stored.get(), total as u64);
    stop.cancel();
    driver.await.expect("the driver does not panic").expect("the driver ends well");
    storage.close().await;
    rate
}

/// One peer that sends all its events and waits for all acknowledgements.
async fn session(number: u8, puts: Vec<Put>, sessions: mpsc::Sender<SessionEvent>, limits: Limits) {
    let (peer, session) = (PeerId([number; 32]), SessionId(u64::from(number)));
    let (outbox, mut inbox) = Outbox::new(Owed::default());
    let say = async |frame: &Frame| {
        let frame = frame.encode(&limits);
        sessions.send(SessionEvent::Received { peer, session, frame }).await.expect("the driver runs");
    };
    sessions
        .send(SessionEvent::Opened { peer, session, by: Opener::Peer, outbox })
        .await
        .expect("the driver runs");
    let window = limits.window_frames;
    let hello = Hello { v: VERSION, role: Role::Tab, agent: "bench".to_owned(), window, producer: None };
    say(&Frame::Hello(hello)).await;
    // No interest: what others send is not wanted back.
    let mut unacknowledged: BTreeSet<EventId> = puts.iter().map(|put| put.row.id).collect();
    let mut frames: VecDeque<Vec<ByteBuf>> = puts
        .chunks(limits.frame_events)
        .map(|puts| puts.iter().filter_map(|put| put.event.as_deref().map(ByteBuf::from)).collect())
        .collect();
    let (mut sent, mut granted) = (0, 0);
    while !unacknowledged.is_empty() {
        while sent < granted
            && let Some(events) = frames.pop_front()
        {
            sent += 1;
            say(&Frame::Events { n: sent, events }).await;
        }
        match next(&mut inbox, &limits).await {
            Frame::Hello(hello) => granted = hello.window,
            Frame::Credit { frames } => granted = granted.max(frames),
            Frame::Ack { ids } => {
                for id in ids {
                    unacknowledged.remove(&id);
                }
            }
            Frame::Bye { reason } => panic!("the relay ended the session: {reason}"),
            _ => {}
        }
    }
}

async fn next(inbox: &mut OutboxReceiver, limits: &Limits) -> Frame {
    let frame = inbox.next().await.expect("the session goes on");
    Frame::decode(&frame, limits).expect("the relay speaks rightly")
}
