//! What is to be made of files: asked for once, done in turn, tried again, told to whoever publishes it.
//!
//! The queue is a table of the relay's database ([`crate::storage`]), so it survives a restart. There are two lanes, one
//! for what takes seconds and one for films, so that a picture never waits for a film; within a lane every thread has its
//! turn. Where blobs lie is known to [`Blobs`] alone, and a finished rendition becomes an event elsewhere
//! ([`Queue::finished`]).

mod plan;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chanterelle_core::base::{BlobId, EventId};
use chanterelle_core::node::StorageError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use plan::{Source, plan};

use super::render::{Profile, Renderer};
use crate::storage::{Finished, JobState, Place, Rendition, Storage};

/// Attempts until a job has failed.
pub const ATTEMPTS: u32 = 3;

/// Where the bytes of blobs come from and go to.
#[async_trait]
pub trait Blobs: fmt::Debug + Send + Sync {
    /// Puts a blob's bytes into `file`, which is not there yet; a link to them will do, because nobody writes to it. There is
    /// to be room beside it for `output` bytes.
    ///
    /// # Errors
    /// Why they are not there now.
    async fn fetch(&self, id: BlobId, file: &Path, output: u64) -> Result<(), BlobsError>;

    /// Keeps the bytes of `file`, which it may take away, as a rendition of `source`: their id and their number.
    ///
    /// # Errors
    /// Why they are not kept.
    async fn keep(&self, file: &Path, source: BlobId) -> Result<(BlobId, u64), BlobsError>;
}

/// Why a blob cannot be had or kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobsError {
    /// It is not here, or not to be given to anybody.
    #[error("the file is not here any more")]
    Gone,
    /// There is no room; there may be later.
    #[error("there is no room for it")]
    Full,
    /// Something else.
    #[error("{0}")]
    Failed(String),
}

/// How the workers work.
#[derive(Debug)]
pub struct Config {
    /// What they render with.
    pub renderer: Renderer,
    /// A folder of theirs alone, for files they work on. What an earlier run left there is removed.
    pub folder: PathBuf,
    /// Renderings at a time in each of the two lanes, at least one.
    pub workers: usize,
    /// How long the second attempt waits; the third waits six times as long.
    pub back_off: Duration,
    /// Ends them. What they are at is begun again by the next start, and does not count as an attempt.
    pub stop: CancellationToken,
}

impl Config {
    /// With the usual waits.
    #[must_use]
    pub fn new(renderer: Renderer, folder: PathBuf, workers: usize, stop: CancellationToken) -> Config {
        Config { renderer, folder, workers, back_off: Duration::from_secs(10), stop }
    }
}

/// Why there is no queue.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The folder cannot be made or emptied.
    #[error("cannot use the folder {0} for renditions: {1}")]
    Folder(PathBuf, io::Error),
    /// The table cannot be used.
    #[error("cannot read the queue of renditions: {0}")]
    Storage(#[from] StorageError),
}

/// What is waiting for what.
#[derive(Debug, Default)]
struct Signals {
    /// Of each lane: there may be something to do.
    work: [Notify; LANES],
    /// There may be somebody to tell.
    finished: Notify,
    /// Ends a running job that is forgotten, by its number.
    running: Mutex<BTreeMap<i64, CancellationToken>>,
}

/// Lanes.
const LANES: usize = 2;

/// The lane of a profile.
fn lane(profile: Profile) -> u8 {
    match profile {
        Profile::Thumb | Profile::Clean | Profile::Preview => 0,
        Profile::Low | Profile::High => 1,
    }
}

/// The queue. Clones share it.
#[derive(Clone, Debug)]
pub struct Queue {
    storage: Storage,
    signals: Arc<Signals>,
    workers: TaskTracker,
}

impl Queue {
    /// Takes up what was left, and starts the workers.
    ///
    /// # Errors
    /// When the folder or the table cannot be used.
    pub async fn start(storage: Storage, blobs: Arc<dyn Blobs>, config: Config) -> Result<Queue, QueueError> {
        let failed = |error| QueueError::Folder(config.folder.clone(), error);
        match std::fs::remove_dir_all(&config.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => std::fs::create_dir_all(&config.folder).map_err(failed)?,
        }
        storage.restore_jobs(ATTEMPTS, config.renderer.tools.is_some()).await?;
        let queue = Queue { storage, signals: Arc::default(), workers: TaskTracker::new() };
        let config = Arc::new(config);
        for lane in 0..LANES as u8 {
            for _ in 0..config.workers.max(1) {
                let (queue, blobs, config) = (queue.clone(), blobs.clone(), config.clone());
                queue.workers.clone().spawn(worker::run(queue, blobs, config, lane));
            }
        }
        queue.workers.close();
        Ok(queue)
    }

    /// Waits until the workers have ended, which [`Config::stop`] makes them do.
    pub async fn stopped(&self) {
        self.workers.wait().await;
    }

    /// Asks for renditions of a file for a post that has it. What was asked for before is not done again, but the post
    /// is told of it. To be called once the blob is here.
    ///
    /// # Errors
    /// When nothing was stored.
    pub async fn ask(&self, source: BlobId, profiles: &[Profile], place: Place) -> Result<(), StorageError> {
        if profiles.is_empty() {
            return Ok(());
        }
        let profiles = profiles.iter().map(|&profile| (profile, lane(profile))).collect();
        self.storage.ask_jobs(source, profiles, place).await?;
        self.signals.work.iter().for_each(Notify::notify_one);
        self.signals.finished.notify_one();
        Ok(())
    }

    /// Waits until there are renditions of which posts have not been told, and gives a few dozen of them. Whoever has
    /// told a post says so with [`Queue::told`]; otherwise it is given again, also by the next start. For one caller.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn finished(&self) -> Result<Vec<Finished>, StorageError> {
        loop {
            let finished = self.storage.untold_jobs().await?;
            if !finished.is_empty() {
                return Ok(finished);
            }
            self.signals.finished.notified().await;
        }
    }

    /// A post has been told of a rendition: the event is stored, or will never be wanted.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub async fn told(&self, number: i64, post: EventId) -> Result<(), StorageError> {
        self.storage.told_job(number, post).await
    }

    /// Forgets a file that is no longer here or must not be, and ends what is being made of it. Gives the renditions
    /// there were, which nothing refers to any more.
    ///
    /// # Errors
    /// When nothing was forgotten.
    pub async fn forget(&self, source: BlobId) -> Result<Vec<BlobId>, StorageError> {
        let (running, blobs) = self.storage.forget_jobs(source).await?;
        let tokens = self.signals.running.lock().expect("no code panics while it holds this");
        running.iter().filter_map(|number| tokens.get(number)).for_each(CancellationToken::cancel);
        Ok(blobs)
    }

    /// How it stands with the renditions of a file: what exists, what is pending, what failed and why.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn renditions(&self, source: BlobId) -> Result<Vec<Rendition>, StorageError> {
        self.storage.renditions(source).await
    }

    /// How many jobs there are in each state, for metrics.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub async fn counts(&self) -> Result<BTreeMap<JobState, u64>, StorageError> {
        self.storage.count_jobs().await
    }
}
