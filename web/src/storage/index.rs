//! The `index` store: packed rows in records of a size the browser reads fast, and few of them.
//!
//! Every batch adds records at the end. After the start neighbouring small ones are merged, so that the number of
//! records stays in proportion to the number of events and not to the number of batches. A merge keeps to the keys
//! of what it replaces, so the order of rows never changes and batches can be stored meanwhile.

use std::collections::BTreeSet;

use chanterelle_core::node::StorageError;
use chanterelle_core::store::Row;
use futures::future::join;
use js_sys::Uint8Array;
use rexie::{KeyRange, TransactionMode};
use wasm_bindgen::JsValue;

use super::connection::Durability;
use super::{INDEX, Storage, bytes, failed};

/// A record takes no more rows beyond this many bytes, about 250 rows. Chromium keeps values above 64 KiB in files of
/// their own, each with the cost of a file.
const RECORD_BYTES: usize = 48 * 1024;

/// A record below this is small.
const SMALL_BYTES: usize = RECORD_BYTES / 2;

/// Records read at a time: at most 3 MB, so that the browser fetches one portion while another is unpacked.
const PORTION: usize = 64;

/// A portion with this many small records is merged: fewer cost less to read than to write anew.
const WORTH_MERGING: usize = 16;

/// The first and the last key of a portion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    first: f64,
    last: f64,
}

/// Rows as records, in order.
pub(super) fn records<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<Vec<u8>> {
    let mut records: Vec<Vec<u8>> = Vec::new();
    for row in rows {
        match records.last_mut() {
            Some(record) if record.len() < RECORD_BYTES => row.pack(record),
            _ => {
                let mut record = Vec::new();
                row.pack(&mut record);
                records.push(record);
            }
        }
    }
    records
}

/// Reads all rows, in portions and in the order they were stored, and returns the portions worth merging. A damaged
/// record is skipped: its events are missed and come back from other peers.
///
/// # Errors
/// When the storage cannot be read.
pub(super) async fn read(
    storage: &Storage,
    mut each: impl FnMut(Vec<Row>),
) -> Result<Vec<Span>, StorageError> {
    let keys = keys(storage).await?;
    let mut spans = keys.chunks(PORTION).map(|keys| Span { first: keys[0], last: keys[keys.len() - 1] });
    let mut fragmented = Vec::new();
    let mut current = spans.next();
    let mut values = match current {
        Some(span) => fetch(storage, span).await?,
        None => Vec::new(),
    };
    while let Some(span) = current {
        let next = spans.next();
        let fetch_next = async {
            match next {
                Some(span) => fetch(storage, span).await,
                None => Ok(Vec::new()),
            }
        };
        let unpack = async {
            let small = values.iter().filter(|record| record.len() < SMALL_BYTES).count();
            if small >= WORTH_MERGING {
                fragmented.push(span);
            }
            each(values.iter().filter_map(|record| Row::unpack_all(record).ok()).flatten().collect());
        };
        let (fetched, ()) = join(fetch_next, unpack).await;
        values = fetched?;
        current = next;
    }
    Ok(fragmented)
}

/// Merges the records of portions that [`read`] returned, each in one transaction, so that all of it or nothing is
/// done. A portion that holds a damaged record is left alone.
///
/// # Errors
/// When the storage refuses. What was not merged is as it was.
pub(super) async fn merge(storage: &Storage, portions: Vec<Span>) -> Result<(), StorageError> {
    for span in portions {
        let old = fetch(storage, span).await?;
        let Ok(rows) = Row::unpack_all(&old.concat()) else { continue };
        let new = records(&last_of_each(rows));
        if new.len() > old.len() {
            continue;
        }
        let transaction = storage.writer.begin(&[INDEX], Durability::Relaxed)?;
        let index = transaction.store(INDEX);
        index.delete(&range(span)?.into());
        for (record, key) in new.iter().zip(keys_within(span)) {
            index.put(&bytes(record), Some(&key.into()));
        }
        transaction.done().await?;
    }
    Ok(())
}

/// The last row of every id, in order.
pub(super) fn last_of_each(rows: Vec<Row>) -> Vec<Row> {
    let mut seen = BTreeSet::new();
    let mut last: Vec<Row> = rows.into_iter().rev().filter(|row| seen.insert(row.id)).collect();
    last.reverse();
    last
}

/// Keys are whole numbers.
fn keys_within(span: Span) -> impl Iterator<Item = f64> {
    (0_u32..).map(move |n| span.first + f64::from(n)).take_while(move |key| *key <= span.last)
}

async fn keys(storage: &Storage) -> Result<Vec<f64>, StorageError> {
    let transaction =
        storage.reader.transaction(&[INDEX], TransactionMode::ReadOnly).map_err(|e| failed(&e))?;
    let store = transaction.store(INDEX).map_err(|error| failed(&error))?;
    let keys = store.get_all_keys(None, None).await.map_err(|error| failed(&error))?;
    Ok(keys.iter().filter_map(JsValue::as_f64).collect())
}

async fn fetch(storage: &Storage, span: Span) -> Result<Vec<Vec<u8>>, StorageError> {
    let transaction =
        storage.reader.transaction(&[INDEX], TransactionMode::ReadOnly).map_err(|e| failed(&e))?;
    let store = transaction.store(INDEX).map_err(|error| failed(&error))?;
    let values = store.get_all(Some(range(span)?), None).await.map_err(|error| failed(&error))?;
    Ok(values.into_iter().map(|value| Uint8Array::from(value).to_vec()).collect())
}

fn range(span: Span) -> Result<KeyRange, StorageError> {
    KeyRange::bound(&span.first.into(), &span.last.into(), None, None)
        .map_err(|error| StorageError::Failed(error.to_string()))
}
