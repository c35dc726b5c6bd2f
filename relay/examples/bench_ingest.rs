//! How many events a second the relay stores durably: the whole way through node and storage with group commit, against
//! the same storage with one transaction for each event, in one run on one disk.
//!
//! Prints one line a metric, `bench-row` and a JSON object. Eight simulated sessions send as fast as their credit lets
//! them; the clock stops when the last event is acknowledged. Verification is part of the first figure and not of the
//! second, so the ratio is rather too low than too high.

#[path = "../tests/relay/support/author.rs"]
mod author;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chanterelle_core::base::{EventId, Limits, PeerId, Seconds};
use chanterelle_core::node::{Batch, Put, Ticket};
use chanterelle_core::wire::{Frame, Hello, Role, VERSION};
use chanterelle_relay::driver::{Config, Driver};
use chanterelle_relay::metrics::Metrics;
use chanterelle_relay::net::session::{Outbox, OutboxReceiver, SessionEvent, SessionId};
use chanterelle_relay::storage::Storage;
use serde_bytes::ByteBuf;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Events stored with group commit.
const EVENTS: usize = 20_000;

/// Sessions that send them.
const SESSIONS: u8 = 8;

/// Events in one frame, as a tab that catches up sends them.
const FRAME: usize = 64;

/// Events stored one by one: enough for a steady rate, few enough for a slow disk.
const ONE_BY_ONE: usize = 1_000;

/// The usual length of a post.
const COMMENT: &str =
    "It stands in the moss under the old spruce, where it stood last year and the year before.";

#[tokio::main]
async fn main() {
    let now = Seconds(SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs());
    let of_session = EVENTS / usize::from(SESSIONS);
    let events: Vec<Vec<Put>> =
        (0..SESSIONS).map(|session| author::threads(session, "bench", of_session, now, COMMENT)).collect();
    let single = one_by_one(&events[0][..ONE_BY_ONE]).await;
    let group = grouped(events).await;
    let row = serde_json::json!({
        "name": "ingest.group_commit",
        "value": group.round(),
        "unit": "events/s",
        "baseline": single.round(),
        "ratio": (group / single * 100.0).round() / 100.0,
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

/// Events a second, one transaction each.
async fn one_by_one(puts: &[Put]) -> f64 {
    let (_folder, storage) = storage(Arc::new(Metrics::default())).await;
    let begun = Instant::now();
    for put in puts {
        let batch = Batch { ticket: Ticket(0), strict: true, puts: vec![put.clone()], state: None };
        storage.store(&batch).await.expect("the event is stored");
    }
    let rate = puts.len() as f64 / begun.elapsed().as_secs_f64();
    storage.close().await;
    rate
}

/// Events a second through the driver, from the first frame to the last acknowledgement.
async fn grouped(events: Vec<Vec<Put>>) -> f64 {
    let metrics = Arc::new(Metrics::default());
    let (_folder, storage) = storage(metrics.clone()).await;
    let (sessions, sessions_receiver) = mpsc::channel(128);
    let (disconnect, _disconnected) = mpsc::unbounded_channel();
    let (restored, mut ready) = watch::channel(false);
    let stop = CancellationToken::new();
    // The sessions here are not paced as real ones are, so the node must not take their speed for a flood.
    let limits = Limits { frames_per_second: 1_000_000, ..Limits::default() };
    let driver = Driver::new(Config {
        peer: PeerId([255; 32]),
        limits: limits.clone(),
        agent: "bench".to_owned(),
        storage: storage.clone(),
        metrics: metrics.clone(),
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
        .into_iter()
        .zip(0_u8..)
        .map(|(puts, number)| tokio::spawn(session(number, puts, sessions.clone(), limits.clone())));
    for sender in senders.collect::<Vec<_>>() {
        sender.await.expect("every event is acknowledged");
    }
    let rate = total as f64 / begun.elapsed().as_secs_f64();
    eprintln!("{total} events in {} transactions", metrics.commits.get());
    assert_eq!(metrics.events_stored.get(), total as u64);
    stop.cancel();
    driver.await.expect("the driver does not panic").expect("the driver ends well");
    storage.close().await;
    rate
}

/// One peer that sends all its events and waits for all acknowledgements.
async fn session(number: u8, puts: Vec<Put>, sessions: mpsc::Sender<SessionEvent>, limits: Limits) {
    let (peer, session) = (PeerId([number; 32]), SessionId(u64::from(number)));
    let (outbox, mut inbox) = Outbox::new();
    let say = async |frame: &Frame| {
        let frame = frame.encode(&limits);
        sessions.send(SessionEvent::Received { peer, session, frame }).await.expect("the driver runs");
    };
    sessions.send(SessionEvent::Opened { peer, session, outbox }).await.expect("the driver runs");
    let hello =
        Hello { v: VERSION, role: Role::Tab, agent: "bench".to_owned(), window: limits.window_frames };
    say(&Frame::Hello(hello)).await;
    // No interest: what others send is not wanted back.
    let mut unacknowledged: BTreeSet<EventId> = puts.iter().map(|put| put.row.id).collect();
    let mut frames: VecDeque<Vec<ByteBuf>> = puts
        .chunks(FRAME)
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
