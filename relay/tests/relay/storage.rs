//! What is stored stays, whatever happens to the process.

use std::collections::BTreeSet;
use std::sync::Arc;

use chanterelle_core::base::{EventId, Seconds};
use chanterelle_core::node::{Batch, Put, StorageError, Ticket};
use chanterelle_core::store::Row;
use chanterelle_relay::metrics::Metrics;
use chanterelle_relay::settings::Keys;
use chanterelle_relay::storage::{OpenError, Position, Storage};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use crate::support::author::threads;
use crate::support::http::get;
use crate::support::tab::Tab;
use crate::support::{TestRelay, until};

async fn open(folder: &std::path::Path) -> Storage {
    Storage::open(folder, None, Arc::new(Metrics::default())).await.expect("the database opens")
}

fn batch(puts: &[Put], state: Option<&[u8]>) -> Batch {
    Batch { ticket: Ticket(1), strict: true, puts: puts.to_vec(), state: state.map(<[u8]>::to_vec) }
}

/// Everything a start would restore, by id.
async fn rows(storage: &Storage) -> Vec<Row> {
    let (mut rows, mut position) = (Vec::new(), Position::default());
    while let Some((portion, next)) = storage.rows(position).await.expect("the rows are read") {
        rows.extend(portion);
        position = next;
    }
    rows.sort_by_key(|row| row.id);
    rows
}

/// The database from outside, under no limit of ours.
async fn database(folder: &std::path::Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.join("chanterelle.db"));
    SqliteConnection::connect_with(&options).await.expect("the database opens")
}

#[tokio::test]
async fn rows_bytes_and_state_come_back_as_they_were_stored() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // More than one statement holds, and not a multiple of it.
    let mut puts = threads(1, "test", 150, Seconds(1_700_000_000), "text");
    let storage = open(folder.path()).await;
    storage.store(&batch(&puts, Some(b"one"))).await.expect("the batch is stored");
    storage.store(&batch(&[], Some(b"two"))).await.expect("the batch is stored");
    storage.close().await;

    let storage = open(folder.path()).await;
    puts.sort_by_key(|put| put.row.id);
    let expected: Vec<Row> = puts.iter().map(|put| put.row.clone()).collect();
    assert_eq!(rows(&storage).await, expected);
    assert_eq!(storage.state().await, Ok(Some(b"two".to_vec())));
    let mut ids: Vec<EventId> = puts.iter().map(|put| put.row.id).collect();
    ids.push(EventId([9; 32]));
    let mut found = storage.read(&ids).await.expect("the events are read");
    found.sort();
    let expected: Vec<(EventId, Vec<u8>)> = puts
        .iter()
        .map(|put| (put.row.id, put.event.as_deref().expect("new events have bytes").to_vec()))
        .collect();
    assert_eq!(found, expected, "an event that is not there is left out");
}

#[tokio::test]
async fn a_changed_row_keeps_the_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let puts = threads(1, "test", 2, Seconds(1_700_000_000), "text");
    let storage = open(folder.path()).await;
    storage.store(&batch(&puts, None)).await.expect("the batch is stored");
    let mut row = puts[0].row.clone();
    row.sent = true;
    storage
        .store(&batch(&[Put { row: row.clone(), event: None, from: None }], None))
        .await
        .expect("the row is stored");
    assert!(rows(&storage).await.contains(&row));
    let bytes = storage.read(&[row.id]).await.expect("the event is read");
    assert_eq!(bytes[0].1, puts[0].event.as_deref().expect("bytes"));
    // The same event again, as after a lost acknowledgement.
    storage.store(&batch(&puts, None)).await.expect("storing twice does no harm");
    assert_eq!(rows(&storage).await.len(), 2);
}

#[tokio::test]
async fn a_batch_is_stored_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let puts = threads(1, "test", 400, Seconds(1_700_000_000), &"long ".repeat(1_500));
    let storage = Storage::open(folder.path(), Some(1), Arc::new(Metrics::default()))
        .await
        .expect("the database opens");
    storage.store(&batch(&puts[..10], None)).await.expect("ten fit");
    let full = storage.store(&batch(&puts, Some(b"state"))).await;
    assert_eq!(full, Err(StorageError::Full), "3 MB do not fit into one");
    assert_eq!(storage.probe().await, Err(StorageError::Full));
    assert_eq!(rows(&storage).await.len(), 10);
    assert_eq!(storage.state().await, Ok(None));
    let read = storage.read(&[puts[3].row.id]).await.expect("reading goes on");
    assert_eq!(read.len(), 1);
    storage.store(&batch(&puts[10..12], None)).await.expect("two more fit");
    assert_eq!(storage.probe().await, Ok(()), "what works again is ready again");
}

#[tokio::test]
async fn a_storage_that_was_full_stores_again_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let puts = threads(1, "test", 400, Seconds(1_700_000_000), &"long ".repeat(1_500));
    let storage = Storage::open(folder.path(), Some(1), Arc::new(Metrics::default()))
        .await
        .expect("the database opens");
    // One by one: SQLite ends a transaction by itself when its only row does not fit.
    let mut stored = Vec::new();
    for put in &puts {
        if storage.store(&batch(std::slice::from_ref(put), None)).await.is_err() {
            break;
        }
        stored.push(put.row.id);
    }
    assert!(stored.len() < puts.len(), "3 MB do not fit into one");
    let next = batch(&puts[stored.len()..=stored.len()], None);
    assert_eq!(storage.store(&next).await, Err(StorageError::Full), "still full, and nothing worse");
    stored.sort();
    assert_eq!(rows(&storage).await.iter().map(|row| row.id).collect::<Vec<_>>(), stored);

    let room = "DELETE FROM events WHERE rowid IN (SELECT rowid FROM events LIMIT 40)";
    database(folder.path()).await.execute(room).await.expect("somebody makes room");
    storage.store(&next).await.expect("there is room again");
    assert_eq!(storage.probe().await, Ok(()));
    assert_eq!(rows(&storage).await.len(), stored.len() - 39);
}

#[tokio::test]
async fn a_batch_that_is_abandoned_half_way_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let puts = threads(1, "test", 2_000, Seconds(1_700_000_000), "text");
    let storage = open(folder.path()).await;
    for delay in 0..20 {
        let (storage, batch) = (storage.clone(), batch(&puts, None));
        let task = tokio::spawn(async move { storage.store(&batch).await });
        // Not a wait for anything: a different moment each round.
        tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
        task.abort();
        let finished = task.await.is_ok();
        let stored = rows(&open(folder.path()).await).await.len();
        assert!(stored == 0 || stored == puts.len(), "{stored} of {} events are stored", puts.len());
        assert!(!finished || stored == puts.len(), "what was acknowledged is there");
        if stored > 0 {
            break;
        }
    }
    storage.store(&batch(&puts, None)).await.expect("the storage works on");
    assert_eq!(rows(&storage).await.len(), puts.len());
}

#[tokio::test]
async fn a_database_of_a_later_version_or_none_at_all_is_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("chanterelle.db"), [7; 8_192]).expect("the folder is writable");
    let error = Storage::open(folder.path(), None, Arc::new(Metrics::default())).await.expect_err("noise");
    assert!(matches!(error, OpenError::Database(..)));
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[tokio::test]
async fn a_full_relay_says_so_serves_what_it_has_and_stores_again_when_there_is_room() {
    let data = TestRelay::start().await.stop().await;
    let mut outside = database(data.path()).await;
    // Leaves a tenth of the room.
    let ballast = "CREATE TABLE ballast AS SELECT zeroblob(3800000) AS bytes";
    outside.execute(ballast).await.expect("the database is ours");
    let relay = TestRelay::on(data, Keys { max_database_mib: Some(4), ..Keys::default() }).await;
    let mut author = Tab::connect(1, relay.multiaddr()).await;
    let first = author.publish("test", "the first").await;
    author.wait(|seen| seen.sent.contains(&first)).await;
    let mut posts = BTreeSet::from([first]);
    let failed = |relay: &TestRelay| {
        relay.app.metrics().encode().contains("chanterelle_storage_errors_total{reason=\"full\"}")
    };
    while !failed(&relay) {
        // Long enough that a few hundred are more than fits.
        let text: String = (0..800).map(|word| format!("{} ", word * posts.len())).collect();
        posts.insert(author.publish("test", &text).await);
        assert!(posts.len() < 5_000, "the database must be full by now");
    }
    let ready = get(relay.app.address(), "/readyz", &[]).await;
    assert_eq!((ready.status, ready.error_code().as_str()), (507, "insufficient_storage"));
    assert_eq!(get(relay.app.address(), "/livez", &[]).await.status, 200);
    let acknowledged = author.seen().sent;
    assert!(acknowledged.len() < posts.len(), "there was no room for all");
    assert!(
        acknowledged.is_subset(&stored(&mut outside).await),
        "nothing is acknowledged that is not stored"
    );
    let mut reader = Tab::connect(2, relay.multiaddr()).await;
    reader.read_board("test");
    reader.wait(|seen| seen.catalog.contains(&first)).await;

    outside.execute("DROP TABLE ballast").await.expect("somebody makes room");
    let after = author.publish("test", "there is room again").await;
    author.wait(|seen| seen.sent.contains(&after)).await;
    assert!(stored(&mut outside).await.is_superset(&author.seen().sent));
    until("the relay is ready again", async || get(relay.app.address(), "/readyz", &[]).await.status == 200)
        .await;
    outside.close().await.expect("the database closes");
    relay.stop().await;
}

/// The events in the database.
async fn stored(database: &mut SqliteConnection) -> BTreeSet<EventId> {
    let ids: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT id FROM events").fetch_all(database).await.expect("the ids are read");
    ids.iter().map(|id| EventId::try_from(id.as_slice()).expect("ids are of one length")).collect()
}
