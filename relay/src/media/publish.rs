//! Tells posts of their renditions: each becomes an event that the relay signs, and only once that is stored the queue is
//! told that it is done.

use std::collections::HashMap;
use std::time::Duration;

use chanterelle_core::base::EventId;
use chanterelle_core::event::{BlobRef, Content, Draft, Persona, RenditionBody};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::jobs::Queue;
use crate::storage::Finished;

/// After the queue could not be read.
const PAUSE: Duration = Duration::from_secs(10);

/// Publishes what the queue has finished.
#[derive(Debug)]
pub struct Publisher {
    /// The queue.
    pub queue: Queue,
    /// To the driver: what to publish, with a number.
    pub drafts: mpsc::Sender<(u32, Draft)>,
    /// From the driver: the number of what is stored, or was refused for good.
    pub ended: mpsc::UnboundedReceiver<u32>,
}

impl Publisher {
    /// Runs until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut next = 0_u32;
        let mut waiting: HashMap<u32, (i64, EventId)> = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(number) = self.ended.recv() => {
                    if let Some((job, post)) = waiting.remove(&number) {
                        self.told(job, post).await;
                    }
                }
                // One portion at a time: the queue gives again what was not told.
                finished = self.queue.finished(), if waiting.is_empty() => match finished {
                    Ok(finished) => for finished in finished {
                        let (job, post) = (finished.number, finished.place.post);
                        next = next.wrapping_add(1);
                        waiting.insert(next, (job, post));
                        if self.drafts.send((next, draft(finished))).await.is_err() {
                            return;
                        }
                    },
                    // Logged there.
                    Err(_) => sleep(PAUSE).await,
                },
            }
        }
    }

    async fn told(&self, job: i64, post: EventId) {
        if let Err(error) = self.queue.told(job, post).await {
            tracing::warn!(%error, %post, "a rendition may be announced twice");
        }
    }
}

fn draft(finished: Finished) -> Draft {
    let Finished { place, source, profile, blob, size, rendered, .. } = finished;
    // Profiles have at most 1,920 pixels, but for clean ones: of those whose sides an event cannot say it says none.
    let sides = rendered.width.zip(rendered.height);
    let sides =
        sides.and_then(|(width, height)| Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?)));
    let (width, height) = sides.unzip();
    Draft {
        persona: Persona::Identity,
        content: Content::Rendition {
            board: place.board,
            thread: place.thread,
            post: place.post,
            body: RenditionBody {
                source,
                profile: profile.name().to_owned(),
                mime: rendered.mime,
                width,
                height,
                duration: rendered.duration,
            },
            blob: BlobRef { id: blob, size },
        },
    }
}
