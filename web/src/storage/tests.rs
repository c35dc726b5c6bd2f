//! The storage in a real browser.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chanterelle_core::base::{AuthorId, BoardId, EventId, Seconds};
use chanterelle_core::crypto::Root;
use chanterelle_core::event::Kind;
use chanterelle_core::node::{Batch, Put, StorageError, Ticket};
use chanterelle_core::store::{Marks, Row};
use futures::FutureExt as _;
use futures_timer::Delay;
use js_sys::{Reflect, Uint8Array};
use rexie::Rexie;
use serde_bytes::ByteArray;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

use super::connection::{Connection, Durability};
use super::{EVENTS, Held, INDEX, Lock, LockKey, META, SecretError, Storage, VERSION, bytes, index};

/// A storage of its own for a test, empty.
async fn fresh(name: &'static str) -> Storage {
    Rexie::delete(name).await.expect("no other connection is open");
    open(name).await
}

async fn open(name: &'static str) -> Storage {
    Storage::open_named(name, || ()).await.expect("the browser has IndexedDB")
}

/// Counts the errors that nobody catches, which would end a worker.
fn uncaught() -> Rc<Cell<u32>> {
    let count = Rc::new(Cell::new(0));
    let counter = count.clone();
    let on_error = Closure::<dyn Fn()>::new(move || counter.set(counter.get() + 1));
    web_sys::window()
        .expect("the tests run in a page")
        .add_event_listener_with_callback("error", on_error.as_ref().unchecked_ref())
        .expect("any event can be listened to");
    on_error.forget();
    count
}

/// Long enough for what the browser still has to tell.
async fn a_moment() {
    Delay::new(Duration::from_millis(300)).await;
}

fn row(n: u32, sent: bool) -> Row {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    Row {
        id: EventId(id),
        author: AuthorId([1; 32]),
        board: BoardId([2; 32]),
        thread: None,
        kind: Kind(1),
        time: Seconds(u64::from(n)),
        seq: 0,
        first_seen: Seconds(7),
        size: 100,
        sage: false,
        own: sent,
        sent,
        salt: None,
        board_name: None,
        follow: None,
        refs: Vec::new(),
        marks: Marks::default(),
    }
}

fn put(n: u32, event: Option<&[u8]>) -> Put {
    Put { row: row(n, event.is_none()), event: event.map(Arc::from), from: None }
}

fn batch(strict: bool, puts: Vec<Put>, state: Option<&[u8]>) -> Batch {
    Batch { ticket: Ticket(1), strict, puts, state: state.map(<[u8]>::to_vec) }
}

async fn rows(storage: &Storage) -> Vec<Row> {
    let mut all = Vec::new();
    storage.rows(|rows| all.extend(rows)).await.expect("readable");
    all
}

async fn records(storage: &Storage) -> usize {
    let transaction = storage.reader.transaction(&[INDEX], rexie::TransactionMode::ReadOnly).expect("open");
    transaction.store(INDEX).expect("there").count(None).await.expect("counts") as usize
}

#[wasm_bindgen_test]
async fn what_was_written_is_there_after_opening_again() {
    let name = "test-write";
    let storage = fresh(name).await;
    let first = batch(true, vec![put(1, Some(b"one")), put(2, Some(b"two"))], Some(b"before"));
    storage.write(&first).await.expect("stored");
    let second = batch(false, vec![put(3, Some(b"three")), put(1, None)], Some(b"after"));
    storage.write(&second).await.expect("stored");
    storage.write(&batch(false, Vec::new(), None)).await.expect("nothing is stored just as well");
    drop(storage);

    let storage = open(name).await;
    let ids: Vec<EventId> = [3, 9, 1].iter().map(|n| row(*n, false).id).collect();
    let found = storage.read(&ids).await.expect("readable");
    assert_eq!(found, [(ids[0], b"three".to_vec()), (ids[2], b"one".to_vec())]);
    assert_eq!(storage.state().await, Ok(Some(b"after".to_vec())));
    let expected = [row(1, false), row(2, false), row(3, false), row(1, true)];
    assert_eq!(rows(&storage).await, expected);
}

#[wasm_bindgen_test]
async fn an_empty_storage_has_nothing() {
    let storage = fresh("test-empty").await;
    assert_eq!(rows(&storage).await, []);
    assert_eq!(storage.state().await, Ok(None));
    assert_eq!(storage.read(&[row(1, false).id]).await, Ok(Vec::new()));
}

#[wasm_bindgen_test]
async fn merging_keeps_the_last_row_of_every_id_and_their_order() {
    let storage = fresh("test-merge").await;
    for n in 0..100 {
        // Every tenth row is stored a second time, sent.
        let again = (n % 10 == 0 && n > 0).then(|| put(n - 10, None));
        let puts = std::iter::once(put(n, Some(b"x"))).chain(again).collect();
        storage.write(&batch(false, puts, None)).await.expect("stored");
    }
    let mut before = Vec::new();
    let untidy = storage.rows(|rows| before.extend(rows)).await.expect("readable");
    assert_eq!(records(&storage).await, 100);

    // A batch that comes while the merge is under way.
    storage.write(&batch(false, vec![put(95, None)], None)).await.expect("stored");
    storage.tidy(untidy).await.expect("merged");
    assert!(records(&storage).await <= 4, "{} records", records(&storage).await);

    let after = rows(&storage).await;
    let expected: Vec<Row> = (0..100).map(|n| row(n, n % 10 == 0 && n < 90 || n == 95)).collect();
    let mut last: Vec<Row> = index::last_of_each(after);
    last.sort_by_key(|row| row.id);
    assert_eq!(last, expected);
}

#[wasm_bindgen_test]
async fn large_batches_are_cut_into_records_that_are_not_merged() {
    let storage = fresh("test-large").await;
    let puts = (0..2_000).map(|n| put(n, None)).collect();
    storage.write(&batch(false, puts, None)).await.expect("stored");
    let mut count = 0;
    let untidy = storage.rows(|rows| count += rows.len()).await.expect("readable");
    assert_eq!(count, 2_000);
    assert!(untidy.0.is_empty());
    let before = records(&storage).await;
    assert!((2..=10).contains(&before), "{before} records");
}

#[wasm_bindgen_test]
async fn a_damaged_record_is_skipped_and_left_alone() {
    let storage = fresh("test-damage").await;
    storage.write(&batch(false, vec![put(1, None)], None)).await.expect("stored");
    let transaction = storage.writer.begin(&[INDEX], Durability::Relaxed).expect("open");
    transaction.store(INDEX).put(&bytes(b"not rows"), None);
    transaction.done().await.expect("stored");
    for n in 2..40 {
        storage.write(&batch(false, vec![put(n, None)], None)).await.expect("stored");
    }
    let mut count = 0;
    let untidy = storage.rows(|rows| count += rows.len()).await.expect("readable");
    assert_eq!(count, 39);
    storage.tidy(untidy).await.expect("tidied");
    assert_eq!(records(&storage).await, 40);
}

#[wasm_bindgen_test]
async fn a_batch_that_cannot_be_stored_leaves_nothing() {
    let storage = fresh("test-abort").await;
    let transaction = storage.writer.begin(&[EVENTS, INDEX], Durability::Strict).expect("open");
    transaction.store(EVENTS).put(&bytes(b"value"), Some(&bytes(b"key")));
    // A boolean is no key: the browser throws.
    transaction.store(INDEX).put(&bytes(b"value"), Some(&JsValue::TRUE));
    let outcome = transaction.done().await;
    assert!(matches!(&outcome, Err(StorageError::Failed(why)) if why.contains("DataError")), "{outcome:?}");

    let transaction = storage.reader.transaction(&[EVENTS], rexie::TransactionMode::ReadOnly).expect("open");
    assert_eq!(transaction.store(EVENTS).expect("there").count(None).await, Ok(0));
}

#[wasm_bindgen_test]
async fn the_root_stays_the_same_and_its_key_cannot_be_exported() {
    let name = "test-root";
    let storage = fresh(name).await;
    let root = root_of(&storage).await;
    assert_ne!(root, [0; 32]);
    drop(storage);

    let storage = open(name).await;
    assert_eq!(root_of(&storage).await, root);
    let key = storage.meta("key").await.expect("readable").expect("stored");
    assert_eq!(Reflect::get(&key, &"extractable".into()), Ok(JsValue::FALSE));
    let wrapped = Uint8Array::from(storage.meta("root").await.expect("readable").expect("stored")).to_vec();
    assert!(!wrapped.windows(8).any(|part| part == &root[..8]));
}

/// The root of a storage that is not locked.
async fn root_of(storage: &Storage) -> [u8; 32] {
    match storage.root().await.expect("made or read") {
        Held::Open(root) => root.0,
        Held::Locked(lock) => panic!("locked by {lock:?}"),
    }
}

fn lock(salt: u8) -> Lock {
    Lock { salt: ByteArray::new([salt; 16]), memory: 65_536, passes: 3, lanes: 1 }
}

#[wasm_bindgen_test]
async fn a_lock_opens_by_its_key_alone() {
    let name = "test-lock";
    let storage = fresh(name).await;
    let root = root_of(&storage).await;
    let (right, wrong) = (LockKey::new([1; 32]), LockKey::new([2; 32]));
    storage.lock(None, Some((&right, &lock(1)))).await.expect("locked");
    drop(storage);

    let storage = open(name).await;
    assert!(matches!(storage.root().await, Ok(Held::Locked(held)) if held == lock(1)));
    for key in [None, Some(&wrong)] {
        assert!(matches!(storage.unlock(key).await, Err(SecretError::WrongKey)));
        assert_eq!(storage.lock(key, None).await, Err(SecretError::WrongKey), "nor is it taken off");
    }
    assert_eq!(storage.unlock(Some(&right)).await.expect("the right key").0, root);

    // Another passphrase, then none.
    storage.lock(Some(&right), Some((&wrong, &lock(2)))).await.expect("locked anew");
    assert!(matches!(storage.unlock(Some(&right)).await, Err(SecretError::WrongKey)));
    storage.lock(Some(&wrong), None).await.expect("taken off");
    assert_eq!(root_of(&storage).await, root);
}

#[wasm_bindgen_test]
async fn another_identity_takes_the_place_and_the_one_before_comes_back() {
    let name = "test-replace";
    let storage = fresh(name).await;
    let first = root_of(&storage).await;
    let key = LockKey::new([1; 32]);
    storage.lock(None, Some((&key, &lock(1)))).await.expect("locked");
    storage.write(&batch(false, Vec::new(), Some(b"\xa0"))).await.expect("stored");
    assert_eq!(storage.has_previous().await, Ok(false));
    assert_eq!(storage.swap().await, Err(SecretError::NoPrevious));

    storage.replace(&Root([9; 32]), None).await.expect("replaced");
    drop(storage);
    let storage = open(name).await;
    assert_eq!(root_of(&storage).await, [9; 32]);
    assert_eq!(storage.has_previous().await, Ok(true));

    storage.swap().await.expect("swapped");
    assert!(matches!(storage.root().await, Ok(Held::Locked(held)) if held == lock(1)), "with its lock");
    assert_eq!(storage.unlock(Some(&key)).await.expect("the right key").0, first);
    storage.swap().await.expect("and back");
    assert_eq!(root_of(&storage).await, [9; 32]);

    // With a third, going back leads to each.
    storage.replace(&Root([8; 32]), None).await.expect("replaced");
    storage.swap().await.expect("swapped");
    assert_eq!(storage.unlock(Some(&key)).await.expect("the right key").0, first);
    storage.swap().await.expect("swapped");
    assert_eq!(root_of(&storage).await, [9; 32]);
    storage.swap().await.expect("swapped");
    assert_eq!(root_of(&storage).await, [8; 32]);
}

#[wasm_bindgen_test]
async fn a_root_that_cannot_be_opened_is_kept() {
    let storage = fresh("test-root-damaged").await;
    storage.root().await.expect("made");
    let damaged = vec![7; 60];
    let transaction = storage.writer.begin(&[META], Durability::Relaxed).expect("open");
    transaction.store(META).put(&bytes(&damaged), Some(&"root".into()));
    transaction.done().await.expect("stored");
    assert!(matches!(storage.root().await, Err(StorageError::Unavailable(_))));

    let transaction = storage.writer.begin(&[META], Durability::Relaxed).expect("open");
    transaction.store(META).delete(&"key".into());
    transaction.done().await.expect("deleted");
    assert!(matches!(storage.root().await, Err(StorageError::Unavailable(_))));
    let kept = storage.meta("root").await.expect("readable").expect("stored");
    assert_eq!(Uint8Array::from(kept).to_vec(), damaged);
}

#[wasm_bindgen_test]
async fn a_newer_version_gets_the_storage_and_the_old_one_says_so() {
    let name = "test-newer";
    drop(fresh(name).await);
    let lost = Rc::new(Cell::new(false));
    let tell = lost.clone();
    let storage = Storage::open_named(name, move || tell.set(true)).await.expect("opens");

    let newer = Rexie::builder(name).version(VERSION + 1).build().await.expect("nobody is in the way");
    assert!(lost.get(), "the old one was told");
    let outcome = storage.write(&batch(true, vec![put(1, Some(b"late"))], None)).await;
    assert!(matches!(outcome, Err(StorageError::Unavailable(_))), "{outcome:?}");
    newer.close();

    let uncaught = uncaught();
    let outcome = Storage::open_named(name, || ()).await.err();
    assert!(matches!(&outcome, Some(StorageError::Unavailable(_))), "{outcome:?}");
    let outcome = Connection::open(name, VERSION, || ()).await.err();
    assert!(matches!(&outcome, Some(StorageError::Unavailable(_))), "{outcome:?}");
    a_moment().await;
    assert_eq!(uncaught.get(), 0);
    // Nothing that failed is in the way.
    Rexie::delete(name).await.expect("deleted");
}

#[wasm_bindgen_test]
async fn an_opening_that_is_given_up_disturbs_nobody_and_leaves_nothing_open() {
    let name = "test-given-up";
    drop(fresh(name).await);
    let uncaught = uncaught();
    assert!(Connection::open(name, VERSION, || ()).now_or_never().is_none());
    assert!(Connection::open(name, VERSION + 7, || ()).now_or_never().is_none());
    assert!(Storage::open_named(name, || ()).now_or_never().is_none());
    a_moment().await;
    // Waits for every connection to be closed.
    Rexie::delete(name).await.expect("deleted");
    assert_eq!(uncaught.get(), 0);
}

#[wasm_bindgen_test]
async fn a_write_that_is_given_up_disturbs_nobody() {
    let storage = fresh("test-write-given-up").await;
    let uncaught = uncaught();
    let batch = batch(true, vec![put(1, Some(b"one"))], None);
    assert!(storage.write(&batch).now_or_never().is_none());
    a_moment().await;
    assert_eq!(rows(&storage).await, [row(1, false)]);
    assert_eq!(uncaught.get(), 0);
}

#[wasm_bindgen_test]
async fn the_writer_never_makes_a_database_without_stores() {
    let name = "test-writer";
    Rexie::delete(name).await.expect("no connection is open");
    let outcome = Connection::open(name, VERSION, || ()).await.err();
    assert!(matches!(&outcome, Some(StorageError::Unavailable(_))), "{outcome:?}");
    let storage = open(name).await;
    storage.write(&batch(true, vec![put(1, Some(b"one"))], None)).await.expect("there are stores");
}
