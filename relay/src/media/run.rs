//! What runs for files beside the requests: the clean-up, the exchange with peers, the making of renditions and their
//! publishing.

use std::path::Path;

use chanterelle_core::base::Limits;
use chanterelle_core::event::Draft;
use libp2p_stream::Control;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::exchange::{Note, Runner, STREAM_QUEUE};
use super::jobs::{self, Queue, QueueError};
use super::render::{Renderer, Tools};
use super::{Change, FOLDER, Media, Publisher};
use crate::net::media::Streams;
use crate::settings::RenditionSettings;

/// The folder of files that are worked on, in the folder of files.
const WORK: &str = "renditions";

/// Renditions that wait to be published. The queue remembers the rest.
const DRAFTS: usize = 64;

/// The ends of what goes to and fro between the driver and what runs here.
pub(crate) struct Ends {
    /// From the driver: peers, and events with files.
    pub(crate) notes: mpsc::UnboundedReceiver<Note>,
    /// To the driver: what is to be published.
    pub(crate) drafts: mpsc::Sender<(u32, Draft)>,
    /// From the driver: what is stored of it.
    pub(crate) published: mpsc::UnboundedReceiver<u32>,
    /// Which blobs come and go.
    pub(crate) changes: mpsc::UnboundedReceiver<Change>,
}

/// The same at the driver's side.
pub(crate) struct DriverEnds {
    pub(crate) media: mpsc::UnboundedSender<Note>,
    pub(crate) drafts: mpsc::Receiver<(u32, Draft)>,
    pub(crate) published: mpsc::UnboundedSender<u32>,
}

/// Both sides, and where blobs tell of themselves.
pub(crate) fn ends() -> (Ends, DriverEnds, mpsc::UnboundedSender<Change>) {
    let (media, notes) = mpsc::unbounded_channel();
    let (drafts, to_publish) = mpsc::channel(DRAFTS);
    let (is_stored, published) = mpsc::unbounded_channel();
    let (change, changes) = mpsc::unbounded_channel();
    let here = Ends { notes, drafts, published, changes };
    (here, DriverEnds { media, drafts: to_publish, published: is_stored }, change)
}

/// Starts all of it; it ends with `stop`.
///
/// # Errors
/// When the queue of renditions cannot be used.
pub(crate) async fn start(
    media: &Media,
    ends: Ends,
    settings: &RenditionSettings,
    data: &Path,
    control: Control,
    seed: [u8; 32],
    stop: CancellationToken,
) -> Result<JoinSet<()>, QueueError> {
    let mut running = JoinSet::new();
    running.spawn(media.clone().run());
    let (events, stream_events) = mpsc::channel(STREAM_QUEUE);
    let streams = Streams::new(control, events);
    let accepting = streams.clone();
    let stopped = stop.clone();
    running.spawn(async move {
        tokio::select! {
            () = accepting.accept() => {}
            () = stopped.cancelled() => {}
        }
    });
    let runner = Runner::new(seed, Limits::default(), media.clone(), streams);
    running.spawn(runner.run(ends.notes, ends.changes, stream_events, stop.clone()));
    if settings.workers == 0 {
        return Ok(running);
    }
    let tools = Tools::find(&settings.ffmpeg);
    if tools.is_none() {
        tracing::info!(ffmpeg = settings.ffmpeg, "there is no ffmpeg, so nothing is made of audio and video");
    }
    let renderer = match Renderer::new(tools) {
        Ok(renderer) => renderer,
        Err(error) => {
            tracing::warn!(%error, "the system does not say which program this is, so no renditions are made");
            return Ok(running);
        }
    };
    let folder = data.join(FOLDER).join(WORK);
    let config = jobs::Config::new(renderer, folder, settings.workers, stop.clone());
    let queue = Queue::start(media.storage(), std::sync::Arc::new(media.clone()), config).await?;
    media.render_by(queue.clone());
    let publisher = Publisher { queue: queue.clone(), drafts: ends.drafts, ended: ends.published };
    running.spawn(publisher.run(stop));
    running.spawn(async move { queue.stopped().await });
    Ok(running)
}
