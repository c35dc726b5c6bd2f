//! Where events stay: one SQLite database in the data folder, one writer, a few readers.
//!
//! A batch is one transaction, and it is acknowledged only after the commit reached the disk (`synchronous=FULL`).
//! Keeps what the node hands it; knows no protocol, forgets no event, and never repairs a damaged database. Beside the
//! events stands what is known of blobs and uploads; their bytes are in `media`.

mod blobs;
mod events;
mod jobs;
mod keeping;
mod lock;
mod refs;
mod uploads;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use chanterelle_core::node::StorageError;
use futures::future::BoxFuture;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Executor as _, SqlSafeStr as _, SqliteConnection};

pub use blobs::{Blob, Owner, Pin, References, Totals, Wanted};
pub use events::Position;
pub use jobs::{Ended, Finished, JobState, Place, Profile, Rendered, Rendition, Work};
pub use keeping::Keeping;
pub use lock::DataLock;
pub use uploads::{LEAST, Part, Upload, UploadId};

use crate::metrics::{Metrics, count};

/// The database's file in the data folder.
const FILE: &str = "chanterelle.db";

/// Readers at a time. More only wait for each other's disk.
const READERS: u32 = 4;

/// How long a statement waits for another's lock. Only a checkpoint can hold one here.
const BUSY: Duration = Duration::from_secs(10);

/// How long a failed batch counts against the storage. A node with anything to store tries again within seconds, and
/// whoever asks is to hear within half a minute that there is room again.
const FAILURE_COUNTS: Duration = Duration::from_secs(20);

/// Bytes for which there must be room: the largest event, its row and its places in the indexes, and some more.
const ROOM: u32 = 128 * 1024;

/// Why the storage cannot be opened. One line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or written.
    #[error("cannot use the data directory {0}: {1}")]
    Folder(PathBuf, std::io::Error),
    /// Another relay uses the folder.
    #[error("the data directory {0} is in use by another relay; stop it or choose another directory")]
    InUse(PathBuf),
    /// The database cannot be opened or brought up to date.
    #[error("cannot open the database {0}: {1}")]
    Database(PathBuf, String),
}

/// The relay's storage. Clones share it.
#[derive(Clone, Debug)]
pub struct Storage {
    writer: SqlitePool,
    readers: SqlitePool,
    metrics: Arc<Metrics>,
    health: Arc<Mutex<Health>>,
    failure_counts: Duration,
}

/// What is known of the storage.
#[derive(Debug, Default)]
struct Health {
    /// When a batch last failed, until one succeeds.
    failing: Option<(Instant, StorageError)>,
    /// Whether there was room for [`ROOM`] since the start, and since something last found none.
    has_room: bool,
}

impl Storage {
    /// Opens the database in `folder`, makes it if there is none, and brings its tables up to date. `max_mib` bounds
    /// its file. The caller holds the folder's [`DataLock`].
    ///
    /// # Errors
    /// When the database cannot be opened, is damaged, or was written by a later version.
    pub async fn open(
        folder: &Path,
        max_mib: Option<u32>,
        metrics: Arc<Metrics>,
    ) -> Result<Storage, OpenError> {
        let path = folder.join(FILE);
        let failed = |error: &dyn std::fmt::Display| OpenError::Database(path.clone(), one_line(error));
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let writer_options = match max_mib {
            // In pages of 4,096 bytes, SQLite's default.
            Some(mib) => options.clone().pragma("max_page_count", (u64::from(mib) * 256).to_string()),
            None => options.clone(),
        };
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(writer_options)
            .await
            .map_err(|error| failed(&error))?;
        migrations().run(&writer).await.map_err(|error| failed(&error))?;
        // All of them now and for good: when open files run short, none could be opened.
        let readers = SqlitePoolOptions::new()
            .min_connections(READERS)
            .max_connections(READERS)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .map_err(|error| failed(&error))?;
        let health = Arc::default();
        let storage = Storage { writer, readers, metrics, health, failure_counts: FAILURE_COUNTS };
        storage.fill_refs().await.map_err(|error| failed(&error))?;
        Ok(storage)
    }

    /// Whether an event can be written right now: by what became of the last batch, and by writing something. A batch
    /// that failed long ago says nothing any more, because nobody may have tried since. As long as it is not known that
    /// there is room, what is written is as large as an event: a small row has its page already.
    ///
    /// # Errors
    /// Why not.
    pub async fn probe(&self) -> Result<(), StorageError> {
        let (failing, has_room) = {
            let health = self.health();
            (health.failing.clone(), health.has_room)
        };
        if let Some((at, error)) = failing
            && at.elapsed() < self.failure_counts
        {
            return Err(error);
        }
        if !has_room {
            self.write_probe(ROOM).await?;
        }
        self.write_probe(0).await?;
        self.health().has_room |= !has_room;
        Ok(())
    }

    async fn write_probe(&self, bytes: u32) -> Result<(), StorageError> {
        let probe = "INSERT INTO meta (key, value) VALUES ('probe', zeroblob(?)) \
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        let written = sqlx::query(probe).bind(bytes).execute(&self.writer).await;
        written.map(drop).map_err(|error| self.failed("a probe", &error))
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().expect("no code panics while it holds this")
    }

    /// Writes everything back into the one file and closes it.
    pub async fn close(self) {
        self.readers.close().await;
        if let Err(error) = self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").await {
            tracing::warn!(%error, "the write-ahead log stays beside the database; the next start reads it");
        }
        self.writer.close().await;
    }

    /// Does `work` in one transaction. When this returns, all of it is durable or nothing is. As with batches, the
    /// connection of one that failed is closed.
    async fn write<T, W>(&self, what: &'static str, work: W) -> Result<T, StorageError>
    where
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send,
    {
        let failed = |error| self.failed(what, &error);
        let mut writer = self.writer.acquire().await.map_err(failed)?;
        let result = async {
            let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
            let done = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(done)
        };
        let result = result.await;
        if result.is_err()
            && let Err(error) = writer.close().await
        {
            tracing::debug!(%error, "the connection of a failed transaction closed with an error");
        }
        result.map_err(failed)
    }

    /// Counts, logs and translates a failure.
    fn failed(&self, what: &'static str, error: &sqlx::Error) -> StorageError {
        let error = storage_error(error);
        let reason = if error == StorageError::Full { "full" } else { "failed" };
        self.health().has_room &= error != StorageError::Full;
        count(&self.metrics.storage_errors, reason);
        tracing::error!(%error, "storage: {what} failed");
        error
    }
}

fn storage_error(error: &sqlx::Error) -> StorageError {
    // SQLITE_FULL, also for ENOSPC; SQLITE_IOERR_SHMSIZE, when there is no room for the index of the log.
    const FULL: [&str; 2] = ["13", "4874"];
    let code = error.as_database_error().and_then(|error| error.code());
    match code {
        Some(code) if FULL.contains(&code.as_ref()) => StorageError::Full,
        _ => StorageError::Failed(one_line(error)),
    }
}

/// As SQLite has numbers. Times and sizes are far below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number again; none is written below zero.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn one_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().replace('\n', "; ")
}

/// The tables, step by step. A step that has run anywhere is never changed again.
fn migrations() -> Migrator {
    let steps = [
        (1, "events", include_str!("../../migrations/0001_events.sql")),
        (2, "media", include_str!("../../migrations/0002_media.sql")),
        (3, "jobs", include_str!("../../migrations/0003_jobs.sql")),
    ];
    let steps = steps.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(steps.into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use chanterelle_core::node::{Batch, StorageError, Ticket};

    use sqlx::Executor as _;

    use super::{READERS, Storage};
    use crate::metrics::Metrics;

    async fn open(folder: &Path) -> Storage {
        Storage::open(folder, Some(1), Arc::new(Metrics::default())).await.expect("the database opens")
    }

    /// What the writer's connection was told when it was opened.
    async fn settings(storage: &Storage) -> Vec<i64> {
        let mut settings = Vec::new();
        for pragma in ["PRAGMA synchronous", "PRAGMA max_page_count", "PRAGMA foreign_keys"] {
            let value = sqlx::query_scalar(pragma).fetch_one(&storage.writer).await;
            settings.push(value.expect("the pragma has a value"));
        }
        settings
    }

    #[tokio::test]
    async fn after_a_failed_batch_another_connection_writes_under_the_same_settings() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let storage = open(folder.path()).await;
        let batch = |bytes: usize| Batch {
            ticket: Ticket(1),
            strict: true,
            puts: Vec::new(),
            state: Some(vec![7; bytes]),
        };
        for _ in 0..3 {
            assert_eq!(settings(&storage).await, [2, 256, 1]);
            assert_eq!(storage.store(&batch(2 << 20)).await, Err(StorageError::Full), "2 MiB are not 1");
            assert_eq!(storage.store(&batch(1)).await, Ok(()));
            assert_eq!(storage.state().await, Ok(Some(vec![7])));
        }
    }

    #[tokio::test]
    async fn a_database_at_its_bound_is_not_ready_though_a_small_row_still_fits() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut storage = open(folder.path()).await;
        storage.failure_counts = Duration::ZERO;
        let batch = |bytes: usize| Batch {
            ticket: Ticket(1),
            strict: true,
            puts: Vec::new(),
            state: Some(vec![7; bytes]),
        };
        assert_eq!(storage.probe().await, Ok(()));
        let fill = "INSERT INTO meta (key, value) VALUES (?, zeroblob(4096))";
        let mut rows = 0;
        while sqlx::query(fill).bind(format!("fill {rows}")).execute(&storage.writer).await.is_ok() {
            rows += 1;
            assert!(rows < 256, "1 MiB is full by now");
        }
        assert_eq!(storage.store(&batch(2 << 20)).await, Err(StorageError::Full));
        assert_eq!(storage.write_probe(0).await, Ok(()), "a small row has its page");
        for _ in 0..2 {
            assert_eq!(storage.probe().await, Err(StorageError::Full));
        }
        storage.close().await;
        let storage = open(folder.path()).await;
        assert_eq!(storage.probe().await, Err(StorageError::Full), "after a start, too");
        storage.writer.execute("DELETE FROM meta WHERE key LIKE 'fill%'").await.expect("somebody makes room");
        assert_eq!(storage.probe().await, Ok(()));
    }

    #[tokio::test]
    async fn every_reader_is_open_from_the_start() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(open(folder.path()).await.readers.size(), READERS);
    }
}
