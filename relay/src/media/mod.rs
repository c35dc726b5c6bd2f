//! Files that posts refer to: the store of whole blobs, what is on the way into it, and what is kept for how long.
//!
//! Every way in and out passes [`Media`], which holds the block list before it. Whole blobs are in [`store`], what is
//! known of them in [`crate::storage`], uploads in [`uploads`], blobs that come group by group in [`fetch`], the clean-up in
//! [`clean`]. Speaks neither HTTP nor the exchange between peers, and never looks into a file further than at what it is.

mod blocked;
mod busy;
mod clean;
mod digest;
mod error;
pub(crate) mod exchange;
mod fetch;
pub mod jobs;
mod publish;
pub mod render;
mod renditions;
mod reserved;
mod room;
pub(crate) mod run;
mod s3;
mod staging;
pub mod store;
pub mod uploads;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chanterelle_core::base::{AuthorId, BlobId, EventId, Seconds};
use chanterelle_core::media::tree::{self, GROUP_BYTES, Node, Parent};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::{Mutex, MutexGuard, Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use blocked::Blocked;
pub use error::MediaError;
pub use exchange::Note;
pub use fetch::Fetch;
pub use publish::Publisher;
pub use store::BlobStore;
pub use uploads::Uploads;

use crate::metrics::{Metrics, count};
use crate::settings::MediaSettings;
use crate::storage::{Blob, Keeping, Owner, Pin, Storage, Wanted};
use busy::Busy;
use digest::{Digest, Digested};
use jobs::Queue;
use reserved::Reserved;
use staging::Staging;

/// The folder in the data folder.
const FOLDER: &str = "media";

/// Files hashed at a time: reading more at once is slower on disks, and each holds a tree of up to 16 MiB.
const HASHING: usize = 2;

/// Blobs that different tasks may change at a time. Two that share a place only wait for each other.
const LOCKS: usize = 64;

/// Files read by clients at a time, each an open one.
const READERS: usize = 4_096;

/// Files that are open while blobs are fetched: content and tree of each of the 256 that the exchange looks for.
pub const FETCHED_FILES: usize = 512;

/// Files that are open for connections beside their sockets, of each at most one.
pub const TRANSFERRED_FILES: usize = READERS + uploads::WRITERS;

/// What the relay's media work with.
#[derive(Debug)]
pub struct Config {
    /// The relay's data folder.
    pub data: PathBuf,
    /// The operator's settings.
    pub settings: MediaSettings,
    /// The database.
    pub storage: Storage,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// A secret of this relay, under which client addresses are kept.
    pub secret: [u8; 32],
    /// As whom this relay signs what it has made of files.
    pub producer: AuthorId,
    /// Told which blobs come and go.
    pub changes: mpsc::UnboundedSender<Change>,
    /// When to stop.
    pub stop: CancellationToken,
}

/// A blob came into the store, or must not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// With so many bytes.
    Added(BlobId, u64),
    /// It is not served any more, or was blocked before it came.
    Removed(BlobId),
}

/// The relay's media. Clones share them.
#[derive(Clone, Debug)]
pub struct Media(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: BlobStore,
    staging: Staging,
    storage: Storage,
    blocked: Blocked,
    settings: MediaSettings,
    keeping: Keeping,
    metrics: Arc<Metrics>,
    secret: [u8; 32],
    uploads: Uploads,
    fetching: Busy<BlobId>,
    reserved: Reserved,
    /// Whoever looks whether there is room holds this until what takes it counts.
    deciding: Mutex<()>,
    /// Whoever puts or removes a blob holds the lock of its id meanwhile.
    locks: Vec<Mutex<()>>,
    hashing: Semaphore,
    readers: Arc<Semaphore>,
    /// Work that outlives the request it began with.
    tasks: TaskTracker,
    producer: AuthorId,
    changes: mpsc::UnboundedSender<Change>,
    /// What is made of files; set once the queue has begun.
    queue: OnceLock<Queue>,
    stop: CancellationToken,
    /// When this relay began: what was staged before and is not known is nobody's.
    begun: SystemTime,
}

impl Media {
    /// Opens the store and the folder for what is under way.
    ///
    /// # Errors
    /// When either cannot be used.
    pub fn open(config: Config) -> Result<Media, MediaError> {
        let folder = config.data.join(FOLDER);
        std::fs::create_dir_all(&folder)?;
        let settings = config.settings;
        Ok(Media(Arc::new(Inner {
            store: BlobStore::open(&settings.place, &folder)?,
            staging: Staging::open(&folder)?,
            storage: config.storage,
            blocked: Blocked::open(config.data.join(blocked::FILE)),
            keeping: Keeping::new(settings.boards.as_deref(), &settings.authors),
            settings,
            metrics: config.metrics,
            secret: config.secret,
            uploads: Uploads::default(),
            fetching: Busy::default(),
            reserved: Reserved::default(),
            deciding: Mutex::default(),
            // Clocks of file systems are a little behind.
            begun: SystemTime::now() - std::time::Duration::from_secs(1),
            locks: (0..LOCKS).map(|_| Mutex::default()).collect(),
            hashing: Semaphore::new(HASHING),
            readers: Arc::new(Semaphore::new(READERS)),
            tasks: TaskTracker::new(),
            producer: config.producer,
            changes: config.changes,
            queue: OnceLock::new(),
            stop: config.stop,
        })))
    }

    /// The database.
    pub(crate) fn storage(&self) -> Storage {
        self.0.storage.clone()
    }

    /// The operator's settings.
    #[must_use]
    pub fn settings(&self) -> &MediaSettings {
        &self.0.settings
    }

    /// Whom a request without a signature is counted for.
    #[must_use]
    pub fn owner_at(&self, address: IpAddr) -> Owner {
        let hash = blake3::keyed_hash(&self.0.secret, address.to_string().as_bytes());
        let short = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        Owner::Address(*short)
    }

    /// Whether the operator has blocked the blob.
    #[must_use]
    pub fn is_blocked(&self, id: &BlobId) -> bool {
        self.0.blocked.contains(id)
    }

    /// The blob, if it is stored.
    ///
    /// # Errors
    /// When it is blocked, or the database cannot be read.
    pub async fn blob(&self, id: &BlobId) -> Result<Option<Blob>, MediaError> {
        self.refuse_blocked(id)?;
        Ok(self.0.storage.blob(id).await?)
    }

    /// Bytes of a stored blob, as they come from the disk or the bucket. `range` is within its size and not empty.
    ///
    /// # Errors
    /// When it is blocked, not there, or cannot be read, or too many read just now.
    pub async fn read(
        &self,
        id: &BlobId,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, MediaError>>, MediaError> {
        self.refuse_blocked(id)?;
        let permit = self.0.readers.clone().try_acquire_owned().map_err(|_| MediaError::Crowded)?;
        let pieces = self.0.store.read(id, range).await?;
        let held = move |piece| {
            let _held = &permit;
            piece
        };
        Ok(pieces.map(held).boxed())
    }

    /// Parents of a stored blob's tree, in the order asked for.
    ///
    /// # Errors
    /// When it is blocked, not there, has no such nodes, or cannot be read.
    pub async fn parents(&self, id: &BlobId, nodes: &[Node]) -> Result<Vec<Parent>, MediaError> {
        self.refuse_blocked(id)?;
        self.0.store.parents(id, nodes).await
    }

    /// The slice of `count` groups from `first` on of a stored blob, for whoever verifies it by
    /// [`chanterelle_core::media::tree::verify`].
    ///
    /// # Errors
    /// When it is blocked, not there, has no such groups, or cannot be read.
    pub async fn slice(&self, blob: &Blob, first: u32, count: u32) -> Result<Vec<u8>, MediaError> {
        let nodes = tree::parents_of(blob.size, first, count)?;
        let begin = u64::from(first) * GROUP_BYTES;
        let range = begin..begin + tree::content_bytes(blob.size, first, count);
        self.refuse_blocked(&blob.id)?;
        let data = self.0.store.read_all(&blob.id, range).await?;
        let mut parents = self.0.store.parents(&blob.id, &nodes).await?.into_iter();
        let parent = |_| parents.next().expect("one for each node was read");
        Ok(tree::slice(blob.size, first, count, parent, &data)?)
    }

    /// Begins to take a blob that is not stored group by group, or goes on where it was left.
    ///
    /// # Errors
    /// When it is blocked, larger than the settings allow, there is no room, in all or for its author, or somebody takes
    /// it already.
    pub async fn fetch(&self, id: BlobId, size: u64) -> Result<Fetch, MediaError> {
        self.refuse_blocked(&id)?;
        if size == 0 || size > self.0.settings.blob_bytes {
            return Err(MediaError::TooLarge(self.0.settings.blob_bytes));
        }
        let taken = self.0.fetching.take(id).ok_or(MediaError::Busy)?;
        let author = self.0.storage.author_of(&self.0.keeping, &id, size).await?;
        let reservation = {
            let _deciding = self.0.deciding.lock().await;
            if let Some(author) = &author
                && self.taken_by(author).await?.saturating_add(size) > self.0.settings.author_bytes
            {
                return Err(MediaError::OwnerFull);
            }
            self.reserve(id, author, size).await?
        };
        Fetch::open(self.clone(), id, size, taken, reservation).await
    }

    /// Blobs that are to be kept and are not stored, behind `after` in the order of ids and sizes, at most `limit`: those
    /// that events refer to as the settings say, whose author has room left, and that nobody blocked. The second value is
    /// where to go on; `None` at the end.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn wanted(
        &self,
        after: (BlobId, u64),
        limit: u32,
    ) -> Result<(Vec<Wanted>, Option<(BlobId, u64)>), MediaError> {
        let found = self.0.storage.wanted(&self.0.keeping, after, limit).await?;
        let next = found.last().filter(|_| found.len() >= limit as usize).map(|last| (last.id, last.size));
        Ok((self.affordable(found).await?, next))
    }

    /// The same of what certain events refer to, without an order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn wanted_by(&self, events: &[EventId]) -> Result<Vec<Wanted>, MediaError> {
        let found = self.0.storage.wanted_by(&self.0.keeping, events).await?;
        self.affordable(found).await
    }

    /// Every stored blob with its size.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn held(&self) -> Result<Vec<(BlobId, u64)>, MediaError> {
        Ok(self.0.storage.all_blobs().await?)
    }

    /// A peer gave bytes that are not a blob's.
    pub(crate) fn count_liar(&self) {
        count(&self.0.metrics.media_refused, "liar");
    }

    /// Puts a staged file into the store and says so in the database, with `pin` for whoever uploaded it; the file goes
    /// last, so that whatever ends this before can be begun again. The content is on the disk. Nothing is stored under a
    /// wrong id, because the id is that of `digested`.
    async fn put(&self, digested: Digested, staged: &Path, pin: Option<Pin>) -> Result<BlobId, MediaError> {
        let Digested { hashed, kind } = digested;
        let (id, size) = (hashed.id, hashed.size);
        let _lock = self.lock(&id).await;
        // Whoever removes what was blocked waits for the lock, too.
        self.refuse_blocked(&id)?;
        let is_there =
            self.0.storage.blob(&id).await?.is_some() && self.0.store.size(&id).await? == Some(size);
        if !is_there {
            self.0.store.put(&hashed, staged).await?;
        }
        let blob = Blob { id, size, kind: kind.map(str::to_owned) };
        self.0.storage.add_blob(blob, now(), pin).await?;
        if let Err(error) = staging::remove_file(staged) {
            tracing::warn!(%id, %error, "a file that is stored stays among those under way until the next start");
        }
        self.count_blobs().await;
        // The exchange may have stopped.
        let _ = self.0.changes.send(Change::Added(id, size));
        Ok(id)
    }

    /// Removes a blob whose row is gone. The caller holds its lock.
    async fn remove(&self, id: &BlobId) -> Result<(), MediaError> {
        let _ = self.0.changes.send(Change::Removed(*id));
        self.0.store.remove(id).await?;
        self.count_blobs().await;
        self.forget_renditions(*id).await
    }

    /// Hashes the first `length` bytes of a staged file.
    async fn digest(&self, path: PathBuf, length: u64) -> Result<Digested, MediaError> {
        let _permit = self.0.hashing.acquire().await.map_err(|_| MediaError::Stopping)?;
        let work = move || {
            let file = std::fs::File::open(path)?;
            file.sync_all()?;
            Digest::of_file(&file, length)
        };
        Ok(spawn_blocking(work).await.map_err(|_| MediaError::Stopping)??)
    }

    fn refuse_blocked(&self, id: &BlobId) -> Result<(), MediaError> {
        if self.is_blocked(id) {
            count(&self.0.metrics.media_refused, "blocked");
            return Err(MediaError::Blocked);
        }
        Ok(())
    }

    async fn count_blobs(&self) {
        // What cannot be read is logged there; the figures stay those from before.
        if let Ok(totals) = self.0.storage.totals().await {
            self.0.metrics.blobs.set(i64::try_from(totals.blobs).unwrap_or(i64::MAX));
            self.0.metrics.blob_bytes.set(i64::try_from(totals.bytes).unwrap_or(i64::MAX));
        }
    }

    async fn lock(&self, id: &BlobId) -> MutexGuard<'_, ()> {
        self.0.locks[usize::from(id.0[0]) % LOCKS].lock().await
    }

    /// Runs the clean-up until the relay stops, and then waits for what was begun.
    pub(crate) async fn run(self) {
        clean::run(&self).await;
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// The names of all files under way.
    async fn staged(&self) -> Result<BTreeSet<String>, MediaError> {
        let uploads = self.0.storage.uploads_under_way().await?;
        Ok(uploads.iter().map(ToString::to_string).collect())
    }
}

/// The wall clock. One before 1970 reads as 1970.
#[must_use]
pub fn now() -> Seconds {
    Seconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
