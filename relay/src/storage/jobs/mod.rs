//! The table of what is to be made of files: in, out, and what became of each.
//!
//! A fair order stands in the table itself, so that a restart keeps it (start-time fair queueing, Goyal, Vin and Cheng
//! 1996, with every job of a lane of one length): a job's turn is the one that is on when it comes, or behind the last
//! of its thread. Starts nothing and knows no time: that is the business of `media::jobs`.

mod model;

use std::collections::BTreeMap;

use chanterelle_core::base::{BlobId, EventId};
use chanterelle_core::node::StorageError;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

pub use model::{Ended, Finished, JobState, Place, Profile, Rendered, Rendition, Work};

use super::Storage;

/// Those that are told at a time.
const TOLD: i64 = 64;

impl Storage {
    /// Makes jobs of those that have none, and remembers the post. `lane` says which lane a profile is in.
    ///
    /// # Errors
    /// When nothing was stored.
    pub async fn ask_jobs(
        &self,
        source: BlobId,
        profiles: Vec<(Profile, u8)>,
        place: Place,
    ) -> Result<(), StorageError> {
        self.write("asking for renditions", move |connection| {
            Box::pin(async move {
                for (profile, lane) in profiles {
                    ask(connection, source, profile, lane, place).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Begins the job whose turn it is.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub async fn begin_job(&self, lane: u8, now: u64) -> Result<Option<Work>, StorageError> {
        let begin = "UPDATE jobs SET state = 'running', attempts = attempts + 1 WHERE number = (\
                         SELECT number FROM jobs WHERE state = 'queued' AND lane = ? AND not_before <= ? \
                         ORDER BY turn, number LIMIT 1) \
                     RETURNING number, source, profile, attempts";
        self.write("beginning a job", move |connection| {
            Box::pin(async move {
                let row = sqlx::query(begin).bind(lane).bind(signed(now)).fetch_optional(connection).await?;
                row.map(|row| {
                    Ok(Work {
                        number: row.get(0),
                        source: id(row.get(1))?,
                        profile: profile(row.get(2))?,
                        attempts: row.get(3),
                    })
                })
                .transpose()
            })
        })
        .await
    }

    /// When the next job of a lane may begin, in milliseconds since 1970.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_job(&self, lane: u8) -> Result<Option<u64>, StorageError> {
        let next = "SELECT min(not_before) FROM jobs WHERE state = 'queued' AND lane = ?";
        let next: Option<i64> = sqlx::query_scalar(next)
            .bind(lane)
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.failed("reading jobs", &error))?;
        Ok(next.map(i64::cast_unsigned))
    }

    /// What became of an attempt. Of a job that was forgotten meanwhile nothing is stored, and `false` returned.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub async fn end_job(&self, number: i64, ended: Ended) -> Result<bool, StorageError> {
        self.write("ending a job", move |connection| {
            Box::pin(async move {
                let query = match ended {
                    Ended::Done(blob, size, rendered) => sqlx::query(
                        "UPDATE jobs SET state = 'done', reason = NULL, blob = ?, size = ?, type = ?, width = ?, \
                         height = ?, duration = ? WHERE number = ?",
                    )
                    .bind(blob.as_bytes().to_vec())
                    .bind(signed(size))
                    .bind(rendered.mime)
                    .bind(rendered.width)
                    .bind(rendered.height)
                    .bind(rendered.duration.map(signed)),
                    Ended::Otherwise(state, reason) => {
                        sqlx::query("UPDATE jobs SET state = ?, reason = ? WHERE number = ?")
                            .bind(state.name())
                            .bind(reason)
                    }
                    Ended::Again(not_before, reason) => sqlx::query(
                        "UPDATE jobs SET state = 'queued', not_before = ?, reason = ? WHERE number = ?",
                    )
                    .bind(signed(not_before))
                    .bind(reason),
                    Ended::NotBegun(not_before) => sqlx::query(
                        "UPDATE jobs SET state = 'queued', not_before = ?, attempts = max(attempts - 1, 0) \
                         WHERE number = ?",
                    )
                    .bind(signed(not_before)),
                };
                let done = query.bind(number).execute(connection).await?;
                Ok(done.rows_affected() > 0)
            })
        })
        .await
    }

    /// After a start: what was running waits for its turn again, or has failed when that was its last attempt. What
    /// waited for an ffmpeg waits for its turn when there is one. Nothing waits for a clock that may be another's.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub async fn restore_jobs(&self, attempts: u32, has_tools: bool) -> Result<(), StorageError> {
        self.write("restoring jobs", move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE jobs SET state = iif(attempts < ?, 'queued', 'failed'), \
                     reason = 'the relay ended while it was at it' WHERE state = 'running'",
                )
                .bind(attempts)
                .execute(&mut *connection)
                .await?;
                sqlx::query("UPDATE jobs SET not_before = 0 WHERE state = 'queued'")
                    .execute(&mut *connection)
                    .await?;
                if has_tools {
                    sqlx::query(
                        "UPDATE jobs SET state = 'queued', attempts = 0, not_before = 0, reason = NULL \
                         WHERE state = 'unavailable'",
                    )
                    .execute(&mut *connection)
                    .await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Forgets all jobs of a file: the numbers of those that were running, and the renditions there were.
    ///
    /// # Errors
    /// When nothing was forgotten.
    pub async fn forget_jobs(&self, source: BlobId) -> Result<(Vec<i64>, Vec<BlobId>), StorageError> {
        self.write("forgetting jobs", move |connection| {
            Box::pin(async move {
                let rows = sqlx::query("DELETE FROM jobs WHERE source = ? RETURNING number, state, blob")
                    .bind(source.as_bytes().to_vec())
                    .fetch_all(connection)
                    .await?;
                let (mut running, mut blobs) = (Vec::new(), Vec::new());
                for row in rows {
                    if row.get::<&str, _>(1) == JobState::Running.name() {
                        running.push(row.get(0));
                    }
                    if let Some(blob) = row.get::<Option<&[u8]>, _>(2) {
                        blobs.push(id(blob)?);
                    }
                }
                Ok((running, blobs))
            })
        })
        .await
    }

    /// Renditions of which posts have not been told, the oldest first, a few dozen at most.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn untold_jobs(&self) -> Result<Vec<Finished>, StorageError> {
        let untold = "SELECT number, source, profile, blob, size, type, width, height, duration, post, board, \
                             job_places.thread \
                      FROM job_places JOIN jobs ON number = job \
                      WHERE told = 0 AND state = 'done' ORDER BY number LIMIT ?";
        let rows = sqlx::query(untold).bind(TOLD).fetch_all(&self.readers).await;
        let found: Result<_, sqlx::Error> = rows.and_then(|rows| rows.iter().map(finished).collect());
        found.map_err(|error| self.failed("reading jobs", &error))
    }

    /// That a post has been told.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub async fn told_job(&self, number: i64, post: EventId) -> Result<(), StorageError> {
        self.write("telling of a job", move |connection| {
            Box::pin(async move {
                sqlx::query("UPDATE job_places SET told = 1 WHERE job = ? AND post = ?")
                    .bind(number)
                    .bind(post.as_bytes().to_vec())
                    .execute(connection)
                    .await
                    .map(drop)
            })
        })
        .await
    }

    /// How it stands with the renditions of a file, those left out that are not needed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn renditions(&self, source: BlobId) -> Result<Vec<Rendition>, StorageError> {
        let found = "SELECT profile, state, attempts, reason, not_before, blob, size, type, width, height, duration \
                     FROM jobs WHERE source = ? AND state <> 'unneeded' ORDER BY number";
        let rows = sqlx::query(found).bind(source.as_bytes().to_vec()).fetch_all(&self.readers).await;
        let found: Result<_, sqlx::Error> = rows.and_then(|rows| rows.iter().map(rendition).collect());
        found.map_err(|error| self.failed("reading jobs", &error))
    }

    /// How many jobs there are in each state.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_jobs(&self) -> Result<BTreeMap<JobState, u64>, StorageError> {
        let rows = sqlx::query("SELECT state, count(*) FROM jobs GROUP BY state")
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.failed("reading jobs", &error))?;
        let mut counts: BTreeMap<JobState, u64> = JobState::ALL.into_iter().map(|state| (state, 0)).collect();
        for row in rows {
            if let Some(state) = JobState::ALL.into_iter().find(|state| state.name() == row.get::<&str, _>(0))
            {
                counts.insert(state, row.get::<i64, _>(1).cast_unsigned());
            }
        }
        Ok(counts)
    }
}

async fn ask(
    connection: &mut SqliteConnection,
    source: BlobId,
    profile: Profile,
    lane: u8,
    place: Place,
) -> Result<(), sqlx::Error> {
    let source = source.as_bytes().to_vec();
    let thread = place.thread.as_bytes().to_vec();
    let job = "INSERT INTO jobs (source, profile, lane, thread, turn, state) SELECT ?1, ?2, ?3, ?4, max(\
                   coalesce((SELECT min(turn) FROM jobs WHERE state = 'running' AND lane = ?3), \
                       (SELECT min(turn) FROM jobs WHERE state = 'queued' AND lane = ?3), 0), \
                   coalesce((SELECT max(turn) + 1 FROM jobs \
                       WHERE state IN ('queued', 'running') AND lane = ?3 AND thread = ?4), 0)), 'queued' \
               WHERE true ON CONFLICT (source, profile) DO NOTHING";
    sqlx::query(job)
        .bind(&source)
        .bind(profile.name())
        .bind(lane)
        .bind(&thread)
        .execute(&mut *connection)
        .await?;
    let post = "INSERT INTO job_places (job, post, board, thread) \
                SELECT number, ?, ?, ? FROM jobs WHERE source = ? AND profile = ? ON CONFLICT DO NOTHING";
    sqlx::query(post)
        .bind(place.post.as_bytes().to_vec())
        .bind(place.board.as_bytes().to_vec())
        .bind(&thread)
        .bind(&source)
        .bind(profile.name())
        .execute(&mut *connection)
        .await
        .map(drop)
}

fn finished(row: &SqliteRow) -> Result<Finished, sqlx::Error> {
    Ok(Finished {
        number: row.get(0),
        source: id(row.get(1))?,
        profile: profile(row.get(2))?,
        blob: id(row.get(3))?,
        size: row.get::<i64, _>(4).cast_unsigned(),
        rendered: Rendered {
            mime: row.get(5),
            width: row.get(6),
            height: row.get(7),
            duration: row.get::<Option<i64>, _>(8).map(i64::cast_unsigned),
        },
        place: Place { post: id(row.get(9))?, board: id(row.get(10))?, thread: id(row.get(11))? },
    })
}

fn rendition(row: &SqliteRow) -> Result<Rendition, sqlx::Error> {
    let state: &str = row.get(1);
    let state = JobState::ALL.into_iter().find(|found| found.name() == state);
    let state = state.ok_or_else(|| damaged("state"))?;
    let is_retried = state == JobState::Queued && row.get::<Option<&str>, _>(3).is_some();
    let mime: Option<String> = row.get(7);
    Ok(Rendition {
        profile: profile(row.get(0))?,
        state,
        attempts: row.get(2),
        reason: row.get(3),
        not_before: is_retried.then(|| row.get::<i64, _>(4).cast_unsigned()),
        id: row.get::<Option<&[u8]>, _>(5).map(id::<BlobId>).transpose()?.map(|id| id.to_string()),
        size: row.get::<Option<i64>, _>(6).map(i64::cast_unsigned),
        rendered: mime.map(|mime| Rendered {
            mime,
            width: row.get(8),
            height: row.get(9),
            duration: row.get::<Option<i64>, _>(10).map(i64::cast_unsigned),
        }),
    })
}

fn id<'a, T: TryFrom<&'a [u8]>>(bytes: &'a [u8]) -> Result<T, sqlx::Error> {
    T::try_from(bytes).map_err(|_| damaged("id"))
}

fn profile(name: &str) -> Result<Profile, sqlx::Error> {
    name.parse().map_err(|_| damaged("profile"))
}

fn damaged(what: &str) -> sqlx::Error {
    sqlx::Error::Protocol(format!("a job's {what} is damaged"))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
