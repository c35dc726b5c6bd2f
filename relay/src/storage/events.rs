//! Events in and out of the database.

use std::time::Instant;

use chanterelle_core::base::EventId;
use chanterelle_core::node::{Batch, Put, StorageError};
use chanterelle_core::store::Row;
use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{Storage, refs, signed};

/// Rows in one statement: a few hundred save nothing more, and the statement's text stays in the cache.
const INSERT: usize = 64;

/// Identifiers in one statement.
const SELECT: usize = 64;

/// Rows read at a time when everything is restored.
const PORTION: i64 = 4_096;

/// The key of [`Batch::state`].
const STATE: &str = "state";

/// A place in the table of events, from which a restore goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position(i64);

impl Storage {
    /// Stores a batch in one transaction. When this returns, the batch is durable or none of it is stored.
    ///
    /// # Errors
    /// When nothing was stored.
    pub async fn store(&self, batch: &Batch) -> Result<(), StorageError> {
        let result = self.try_store(batch).await.map_err(|error| self.failed("storing", &error));
        self.health().failing = result.clone().err().map(|error| (Instant::now(), error));
        result
    }

    /// A connection whose batch failed is closed, and the next batch opens another. SQLite ends a transaction by itself
    /// when the disk is full or fails; sqlx believes it still open then, and would begin no other on that connection.
    async fn try_store(&self, batch: &Batch) -> Result<(), sqlx::Error> {
        let mut writer = self.writer.acquire().await?;
        let result = write(&mut writer, batch).await;
        if result.is_err()
            && let Err(error) = writer.close().await
        {
            tracing::debug!(%error, "the connection of a failed batch closed with an error");
        }
        result
    }

    /// The bytes of those of `ids` that are stored, in no particular order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn read(&self, ids: &[EventId]) -> Result<Vec<(EventId, Vec<u8>)>, StorageError> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(SELECT) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT id, bytes FROM events WHERE id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.as_bytes().as_slice());
            }
            query.push(")");
            let query = query.build().persistent(ids.len() == SELECT);
            let rows =
                query.fetch_all(&self.readers).await.map_err(|error| self.failed("reading", &error))?;
            for row in rows {
                let id = EventId::try_from(row.get::<&[u8], _>(0))
                    .map_err(|_| StorageError::Failed("an event's id is damaged".to_owned()))?;
                found.push((id, row.get(1)));
            }
        }
        Ok(found)
    }

    /// The rows behind `position` and the position behind them; `None` when there are no more.
    ///
    /// # Errors
    /// When the database cannot be read or a row is damaged.
    pub async fn rows(&self, position: Position) -> Result<Option<(Vec<Row>, Position)>, StorageError> {
        let failed = |error: sqlx::Error| self.failed("restoring", &error);
        let found = sqlx::query("SELECT rowid, row FROM events WHERE rowid > ? ORDER BY rowid LIMIT ?")
            .bind(position.0)
            .bind(PORTION)
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        let Some(last) = found.last() else { return Ok(None) };
        let next = Position(last.get(0));
        let packed: Vec<u8> = found.iter().flat_map(|row| row.get::<&[u8], _>(1)).copied().collect();
        let rows = Row::unpack_all(&packed).map_err(|error| StorageError::Failed(error.to_string()))?;
        Ok(Some((rows, next)))
    }

    /// What the last batch with a state remembered.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn state(&self) -> Result<Option<Vec<u8>>, StorageError> {
        sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(STATE)
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.failed("restoring", &error))
    }
}

/// One batch in one transaction.
async fn write(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let new: Vec<(&Put, &[u8])> =
        batch.puts.iter().filter_map(|put| Some((put, put.event.as_deref()?))).collect();
    for puts in new.chunks(INSERT) {
        insert(&mut transaction, puts).await?;
        let rows: Vec<(&Row, &[u8])> = puts.iter().map(|(put, bytes)| (&put.row, *bytes)).collect();
        refs::write(&mut transaction, &rows).await?;
    }
    for put in batch.puts.iter().filter(|put| put.event.is_none()) {
        update(&mut transaction, &put.row).await?;
    }
    if let Some(state) = &batch.state {
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES (?, ?) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(STATE)
        .bind(state)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

/// An event that is there already keeps its bytes, which its id fixes, and its place.
async fn insert(connection: &mut SqliteConnection, puts: &[(&Put, &[u8])]) -> Result<(), sqlx::Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO events (id, board, thread, author, kind, time, first_seen, row, bytes) ",
    );
    query.push_values(puts, |mut values, (put, bytes)| {
        let row = &put.row;
        values
            .push_bind(row.id.as_bytes().as_slice())
            .push_bind(row.board.as_bytes().as_slice())
            .push_bind(row.thread.as_ref().map(|thread| thread.as_bytes().as_slice()))
            .push_bind(row.author.as_bytes().as_slice())
            .push_bind(i64::from(row.kind.0))
            .push_bind(signed(row.time.0))
            .push_bind(signed(row.first_seen.0))
            .push_bind(packed(row))
            .push_bind(*bytes);
    });
    query.push(" ON CONFLICT (id) DO UPDATE SET first_seen = excluded.first_seen, row = excluded.row");
    query.build().persistent(puts.len() == INSERT || puts.len() == 1).execute(connection).await.map(drop)
}

async fn update(connection: &mut SqliteConnection, row: &Row) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE events SET first_seen = ?, row = ? WHERE id = ?")
        .bind(signed(row.first_seen.0))
        .bind(packed(row))
        .bind(row.id.as_bytes().as_slice())
        .execute(connection)
        .await
        .map(drop)
}

fn packed(row: &Row) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    row.pack(&mut bytes);
    bytes
}
