//! The queue of renditions, over blobs that lie in memory and the database of a relay.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chanterelle_core::base::{BlobId, BoardId, EventId};
use chanterelle_relay::media::jobs::{Blobs, BlobsError, Config, Queue};
use chanterelle_relay::media::render::{Profile, Renderer, Tools};
use chanterelle_relay::metrics::Metrics;
use chanterelle_relay::storage::{JobState, Place, Rendition, Storage};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::render::{halves, renderer, script};
use crate::support::until;

/// Blobs in memory. One of no bytes is a file that never ends.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<BlobId, Vec<u8>>>);

#[async_trait]
impl Blobs for Memory {
    async fn fetch(&self, id: BlobId, file: &Path, _output: u64) -> Result<(), BlobsError> {
        let bytes = self.0.lock().expect("no test panics here").get(&id).cloned().ok_or(BlobsError::Gone)?;
        #[cfg(target_os = "linux")]
        if bytes.is_empty() {
            crate::render::fifo(file);
            return Ok(());
        }
        std::fs::write(file, bytes).map_err(|error| BlobsError::Failed(error.to_string()))
    }

    async fn keep(&self, file: &Path, _source: BlobId) -> Result<(BlobId, u64), BlobsError> {
        let bytes = std::fs::read(file).map_err(|error| BlobsError::Failed(error.to_string()))?;
        let (id, size) = (BlobId(Sha256::digest(&bytes).into()), bytes.len() as u64);
        self.0.lock().expect("no test panics here").insert(id, bytes);
        Ok((id, size))
    }
}

const PICTURE: BlobId = BlobId([1; 32]);
const ENDLESS: BlobId = BlobId([2; 32]);
const NOISE: BlobId = BlobId([3; 32]);

/// A queue on a folder of its own.
struct Bench {
    folder: TempDir,
    blobs: Arc<Memory>,
}

/// The queue as it runs.
struct Running {
    queue: Queue,
    storage: Storage,
    stop: CancellationToken,
}

impl Bench {
    fn new() -> Bench {
        let mut picture = std::io::Cursor::new(Vec::new());
        halves(600, 400).write_to(&mut picture, image::ImageFormat::Png).expect("it is written");
        let noise = b"no picture".to_vec();
        let blobs = BTreeMap::from([(PICTURE, picture.into_inner()), (ENDLESS, Vec::new()), (NOISE, noise)]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        Bench { folder, blobs: Arc::new(Memory(Mutex::new(blobs))) }
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("rendering")
    }

    async fn storage(&self) -> Storage {
        Storage::open(self.folder.path(), None, Arc::new(Metrics::default()))
            .await
            .expect("the database opens")
    }

    async fn start(&self, renderer: Renderer, back_off: Duration) -> Running {
        let (storage, stop) = (self.storage().await, CancellationToken::new());
        let config = Config { back_off, ..Config::new(renderer, self.work(), 1, stop.clone()) };
        let queue =
            Queue::start(storage.clone(), self.blobs.clone(), config).await.expect("the queue starts");
        Running { queue, storage, stop }
    }
}

impl Running {
    async fn ask(&self, source: BlobId, profile: Profile, number: u8) {
        self.queue.ask(source, &[profile], place(number)).await.expect("it is stored");
    }

    async fn rendition(&self, source: BlobId) -> Rendition {
        let found = self.queue.renditions(source).await.expect("they are read");
        found.into_iter().next().expect("there is one")
    }

    async fn until(&self, source: BlobId, state: JobState) -> Rendition {
        until("the job is there", async || self.rendition(source).await.state == state).await;
        self.rendition(source).await
    }

    async fn stop(self) {
        self.stop.cancel();
        self.queue.stopped().await;
        self.storage.close().await;
    }
}

fn place(number: u8) -> Place {
    Place { post: EventId([number; 32]), board: BoardId([7; 32]), thread: EventId([number; 32]) }
}

/// A program that dies, and a file with a line for each time it did.
fn mortal(bench: &Bench) -> (Renderer, PathBuf) {
    let (program, deaths) = (bench.folder.path().join("program"), bench.folder.path().join("deaths"));
    script(&program, &format!("echo >> {}; kill -9 $$", deaths.display()));
    (Renderer { program, ..renderer() }, deaths)
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

const SOON: Duration = Duration::from_millis(10);
const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_file_is_rendered_once_and_every_post_that_has_it_is_told() {
    let bench = Bench::new();
    let running = bench.start(renderer(), NEVER).await;
    running.ask(PICTURE, Profile::Thumb, 1).await;
    running.ask(PICTURE, Profile::Thumb, 2).await;
    let finished = running.queue.finished().await.expect("they are read");
    let posts: Vec<Place> = finished.iter().map(|finished| finished.place).collect();
    assert_eq!(posts, [place(1), place(2)]);
    assert_eq!((finished[0].source, finished[0].profile), (PICTURE, Profile::Thumb));
    assert_eq!((finished[0].rendered.width, finished[0].rendered.height), (Some(250), Some(167)));
    let rendition = running.rendition(PICTURE).await;
    assert_eq!((rendition.state, rendition.attempts, rendition.reason), (JobState::Done, 1, None));
    assert_eq!(rendition.id, Some(finished[0].blob.to_string()));

    running.queue.told(finished[0].number, place(1).post).await.expect("it is stored");
    running.stop().await;
    let running = bench.start(renderer(), NEVER).await;
    let again = running.queue.finished().await.expect("they are read");
    assert_eq!(again, finished[1..], "who was not told is told after a restart");
    running.queue.told(again[0].number, place(2).post).await.expect("it is stored");
    running.ask(PICTURE, Profile::Thumb, 3).await;
    let third = running.queue.finished().await.expect("they are read");
    assert_eq!((third.len(), third[0].place, third[0].blob), (1, place(3), finished[0].blob));
    assert_eq!(running.rendition(PICTURE).await.attempts, 1, "nothing was done again");
    assert_eq!(std::fs::read_dir(bench.work()).expect("it is there").count(), 0, "no file is left");
    running.stop().await;
}

#[tokio::test]
async fn a_job_that_dies_is_tried_three_times_and_has_failed_then() {
    let bench = Bench::new();
    let (mortal, deaths) = mortal(&bench);
    let running = bench.start(mortal, SOON).await;
    running.ask(PICTURE, Profile::Thumb, 1).await;
    let rendition = running.until(PICTURE, JobState::Failed).await;
    assert_eq!((rendition.attempts, lines(&deaths)), (3, 3));
    assert!(rendition.reason.expect("there is a reason").contains("signal 9"));
    let counts = running.queue.counts().await.expect("they are counted");
    assert_eq!((counts[&JobState::Failed], counts[&JobState::Queued]), (1, 0));
    running.stop().await;
}

#[tokio::test]
async fn between_two_attempts_it_waits_and_others_have_their_turn() {
    let bench = Bench::new();
    let (mortal, deaths) = mortal(&bench);
    let running = bench.start(mortal, NEVER).await;
    running.ask(PICTURE, Profile::Thumb, 1).await;
    until("it has died once", async || running.rendition(PICTURE).await.reason.is_some()).await;
    let rendition = running.rendition(PICTURE).await;
    assert_eq!((rendition.state, rendition.attempts), (JobState::Queued, 1));
    assert!(rendition.not_before.is_some());
    running.ask(NOISE, Profile::Thumb, 2).await;
    until("so has the other", async || running.rendition(NOISE).await.reason.is_some()).await;
    assert_eq!(lines(&deaths), 2);
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_picture_or_is_gone_fails_at_once() {
    let bench = Bench::new();
    let running = bench.start(renderer(), NEVER).await;
    running.ask(NOISE, Profile::Thumb, 1).await;
    running.ask(BlobId([9; 32]), Profile::Thumb, 2).await;
    for source in [NOISE, BlobId([9; 32])] {
        let rendition = running.until(source, JobState::Failed).await;
        assert_eq!((rendition.attempts, rendition.not_before), (1, None));
    }
    // A picture without metadata needs no cleaning, of which nobody has to hear.
    running.queue.ask(PICTURE, &[Profile::Clean, Profile::Thumb], place(3)).await.expect("it is stored");
    running.queue.finished().await.expect("they are read");
    let found = running.queue.renditions(PICTURE).await.expect("they are read");
    assert_eq!(found.iter().map(|found| found.profile).collect::<Vec<_>>(), [Profile::Thumb]);
    running.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_was_running_runs_again_after_a_restart() {
    let bench = Bench::new();
    let running = bench.start(renderer(), NEVER).await;
    running.ask(ENDLESS, Profile::Thumb, 1).await;
    running.ask(PICTURE, Profile::Thumb, 2).await;
    running.until(ENDLESS, JobState::Running).await;
    assert_eq!(running.rendition(PICTURE).await.state, JobState::Queued);
    running.stop().await;
    let left = async || crate::render::processes(&bench.work());
    until("its process has ended", async || left().await.is_empty()).await;

    // A relay that was told to stop does not count as an attempt; one that was killed does.
    let storage = bench.storage().await;
    assert_eq!(storage.renditions(ENDLESS).await.expect("they are read")[0].attempts, 0);
    let begun = storage.begin_job(0, u64::MAX / 2).await.expect("it is stored").expect("there is a job");
    assert_eq!((begun.source, begun.attempts), (ENDLESS, 1));
    storage.close().await;
    let mut picture = std::io::Cursor::new(Vec::new());
    halves(60, 40).write_to(&mut picture, image::ImageFormat::Png).expect("it is written");
    bench.blobs.0.lock().expect("no test panics here").insert(ENDLESS, picture.into_inner());

    let running = bench.start(renderer(), NEVER).await;
    assert_eq!(running.until(ENDLESS, JobState::Done).await.attempts, 2);
    running.until(PICTURE, JobState::Done).await;
    running.stop().await;
}

#[tokio::test]
async fn a_job_that_the_relay_does_not_survive_fails_in_the_end() {
    let bench = Bench::new();
    let storage = bench.storage().await;
    storage.ask_jobs(PICTURE, vec![(Profile::Thumb, 0)], place(1)).await.expect("it is stored");
    for attempts in 1..=3 {
        storage.restore_jobs(3, false).await.expect("they are restored");
        let begun = storage.begin_job(0, 0).await.expect("it is stored").expect("it is its turn");
        assert_eq!(begun.attempts, attempts);
    }
    storage.restore_jobs(3, false).await.expect("they are restored");
    assert_eq!(storage.begin_job(0, 0).await, Ok(None));
    let found = storage.renditions(PICTURE).await.expect("they are read");
    assert_eq!(found[0].state, JobState::Failed);
    storage.close().await;
}

#[tokio::test]
async fn what_needs_an_ffmpeg_waits_for_one() {
    let bench = Bench::new();
    let running = bench.start(renderer(), NEVER).await;
    running.ask(PICTURE, Profile::Low, 1).await;
    let rendition = running.until(PICTURE, JobState::Unavailable).await;
    assert!(rendition.reason.expect("there is a reason").contains("ffmpeg"));
    running.stop().await;
    let ffmpeg = bench.folder.path().join("ffmpeg");
    script(&ffmpeg, "echo not this one >&2; exit 1");
    let tools = Some(Tools { ffmpeg: ffmpeg.clone(), ffprobe: ffmpeg });
    let running = bench.start(Renderer { tools, ..renderer() }, NEVER).await;
    let rendition = running.until(PICTURE, JobState::Failed).await;
    assert!(rendition.reason.expect("there is a reason").contains("not this one"));
    running.stop().await;
}

#[tokio::test]
async fn a_thread_with_many_files_does_not_keep_another_waiting() {
    let bench = Bench::new();
    let storage = bench.storage().await;
    let ask = async |source: u8, thread: u8| {
        storage.ask_jobs(BlobId([source; 32]), vec![(Profile::Thumb, 0)], place(thread)).await
    };
    let begin = async || {
        let begun = storage.begin_job(0, 0).await.expect("it is stored").expect("there is a job");
        begun.source.as_bytes()[0]
    };
    for source in 10..20 {
        ask(source, 1).await.expect("it is stored");
    }
    assert_eq!(begin().await, 10);
    for source in 20..23 {
        ask(source, 2).await.expect("it is stored");
    }
    ask(30, 3).await.expect("it is stored");
    let mut order = Vec::new();
    for _ in 0..7 {
        order.push(begin().await);
    }
    assert_eq!(order, [20, 30, 11, 21, 12, 22, 13]);
    assert_eq!(storage.begin_job(1, 0).await, Ok(None), "the other lane is empty");
    storage.close().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_is_forgotten_leaves_no_process_and_no_job() {
    let bench = Bench::new();
    let running = bench.start(renderer(), NEVER).await;
    running.ask(PICTURE, Profile::Thumb, 1).await;
    let made = running.queue.finished().await.expect("they are read")[0].blob;
    running.ask(ENDLESS, Profile::Thumb, 2).await;
    running.until(ENDLESS, JobState::Running).await;
    until("its process runs", async || !crate::render::processes(&bench.work()).is_empty()).await;
    assert_eq!(running.queue.forget(ENDLESS).await, Ok(Vec::new()));
    until("it has ended", async || crate::render::processes(&bench.work()).is_empty()).await;
    assert_eq!(running.queue.renditions(ENDLESS).await, Ok(Vec::new()));
    assert_eq!(running.queue.forget(PICTURE).await, Ok(vec![made]));
    running.stop().await;
}
