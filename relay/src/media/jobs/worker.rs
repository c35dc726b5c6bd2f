//! One worker: takes the job whose turn it is, has it rendered, says what became of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chanterelle_core::node::StorageError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{ATTEMPTS, Blobs, BlobsError, Config, Queue};
use crate::media::render::{Bounds, RenderError};
use crate::storage::{Ended, JobState, Work};

/// How much longer each attempt waits than the one before.
const SLOWER: u32 = 6;

/// How long a job waits for room.
const ROOM: Duration = Duration::from_secs(60);

/// How long a worker waits for a database that fails.
const STORAGE: Duration = Duration::from_secs(5);

/// Works until it is stopped.
pub(super) async fn run(queue: Queue, blobs: Arc<dyn Blobs>, config: Arc<Config>, lane: u8) {
    let stop = config.stop.clone();
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = next(&queue, lane) => next,
        };
        match next {
            Ok(work) => work_on(&queue, &*blobs, &config, work).await,
            // The storage has said why.
            Err(_) => {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(STORAGE) => {}
                }
            }
        }
    }
}

/// Waits for a job's turn and begins it.
async fn next(queue: &Queue, lane: u8) -> Result<Work, StorageError> {
    let signal = &queue.signals.work[usize::from(lane)];
    loop {
        let now = now();
        if queue.storage.next_job(lane).await?.is_some_and(|due| due <= now)
            && let Some(work) = queue.storage.begin_job(lane, now).await?
        {
            // Another worker may have something to do as well.
            signal.notify_one();
            return Ok(work);
        }
        let due = queue.storage.next_job(lane).await?;
        // A clock that is set back must not hold up a job for longer than a minute.
        let wait = due.map(|due| Duration::from_millis(due.saturating_sub(now)).min(ROOM));
        tokio::select! {
            () = signal.notified() => {}
            () = sleep(wait.unwrap_or(ROOM)) => {}
        }
    }
}

async fn work_on(queue: &Queue, blobs: &dyn Blobs, config: &Config, work: Work) {
    let forgotten = CancellationToken::new();
    let running = Running::enter(queue, work.number, forgotten.clone());
    let ended = tokio::select! {
        () = config.stop.cancelled() => Ended::NotBegun(0),
        () = forgotten.cancelled() => return,
        ended = attempt(blobs, config, work) => ended,
    };
    drop(running);
    tell(work, &ended);
    // A job whose end cannot be stored is running for the table, and queued again by the next start.
    if let Ok(true) = queue.storage.end_job(work.number, ended).await {
        queue.signals.finished.notify_one();
        // Another attempt is due at a time that no worker has heard of.
        queue.signals.work[usize::from(super::lane(work.profile))].notify_one();
    }
}

/// A job that can be ended by whoever forgets it.
struct Running<'a>(&'a Queue, i64);

impl<'a> Running<'a> {
    fn enter(queue: &'a Queue, number: i64, forgotten: CancellationToken) -> Running<'a> {
        let running = &queue.signals.running;
        running.lock().expect("no code panics while it holds this").insert(number, forgotten);
        Running(queue, number)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.signals.running.lock().expect("no code panics while it holds this").remove(&self.1);
    }
}

async fn attempt(blobs: &dyn Blobs, config: &Config, work: Work) -> Ended {
    let folder = match Folder::make(&config.folder, work.number) {
        Ok(folder) => folder,
        Err(error) => return again(config, work, error.to_string()),
    };
    let (input, output) = (folder.0.join("input"), folder.0.join("output"));
    let room = Bounds::of(work.profile).output;
    if let Err(error) = blobs.fetch(work.source, &input, room).await {
        return no_blob(config, work, error);
    }
    let rendered = match config.renderer.render(work.profile, &input, &output).await {
        Ok(rendered) => rendered,
        Err(error) => return no_rendition(config, work, error),
    };
    match blobs.keep(&output, work.source).await {
        Ok((blob, size)) => Ended::Done(blob, size, rendered),
        Err(error) => no_blob(config, work, error),
    }
}

fn no_blob(config: &Config, work: Work, error: BlobsError) -> Ended {
    match error {
        BlobsError::Gone => Ended::Otherwise(JobState::Failed, error.to_string()),
        BlobsError::Full => Ended::NotBegun(now().saturating_add(ROOM.as_millis() as u64)),
        BlobsError::Failed(reason) => again(config, work, reason),
    }
}

fn no_rendition(config: &Config, work: Work, error: RenderError) -> Ended {
    if error.is_worth_another_try() {
        return again(config, work, error.to_string());
    }
    let state = match error {
        RenderError::Unneeded(_) => JobState::Unneeded,
        RenderError::Unavailable(_) => JobState::Unavailable,
        _ => JobState::Failed,
    };
    Ended::Otherwise(state, error.to_string())
}

fn again(config: &Config, work: Work, reason: String) -> Ended {
    if work.attempts >= ATTEMPTS {
        return Ended::Otherwise(JobState::Failed, reason);
    }
    let wait = config.back_off.saturating_mul(SLOWER.saturating_pow(work.attempts.saturating_sub(1)));
    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    Ended::Again(now().saturating_add(wait), reason)
}

fn tell(work: Work, ended: &Ended) {
    let Work { source, profile, attempts, .. } = work;
    let source = source.short();
    match ended {
        Ended::Done(..) => tracing::debug!(source, %profile, "rendered"),
        Ended::Otherwise(state, reason) if *state != JobState::Failed => {
            tracing::debug!(source, %profile, reason, "not rendered");
        }
        Ended::Otherwise(_, reason) => tracing::info!(source, %profile, attempts, reason, "rendering failed"),
        Ended::Again(_, reason) => {
            tracing::info!(source, %profile, attempts, reason, "rendering failed, and is tried again");
        }
        Ended::NotBegun(_) => tracing::debug!(source, %profile, "rendering waits"),
    }
}

/// A job's files, which are removed with it.
struct Folder(PathBuf);

impl Folder {
    fn make(parent: &Path, number: i64) -> std::io::Result<Folder> {
        let folder = parent.join(number.to_string());
        std::fs::create_dir(&folder)?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "files of a rendition stay until the next start");
        }
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
