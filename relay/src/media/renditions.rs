//! Which other forms of stored files are made, for which posts, and how it stands with them.
//!
//! A file and the post that carries it come in any order: whenever either does, the queue is asked for what the post's
//! words about the file call for. What is in the file is looked at where it is rendered.

use std::path::Path;

use async_trait::async_trait;
use chanterelle_core::base::{BlobId, EventId, Limits};
use chanterelle_core::event::{Attachment, Body, Event};
use futures::TryStreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::jobs::{Blobs, BlobsError, Queue, Source, plan};
use super::{Media, MediaError};
use crate::metrics::State;
use crate::storage::{Blob, Place, Rendition};

/// Posts of one file that are told of its renditions; more carry it for their own sake.
const POSTS: u32 = 256;

impl Media {
    /// From now on renditions are made by this queue. To be called once.
    pub(crate) fn render_by(&self, queue: Queue) {
        // Only a second queue could be refused.
        let _ = self.0.queue.set(queue);
    }

    /// The renditions of a blob that there are, will be, or cannot be.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn renditions(&self, id: &BlobId) -> Result<Vec<Rendition>, MediaError> {
        match self.0.queue.get() {
            Some(queue) => Ok(queue.renditions(*id).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Counts the renditions by how they stand.
    pub(super) async fn count_renditions(&self) {
        // What cannot be read is logged there; the figures stay those from before.
        let Some(queue) = self.0.queue.get() else { return };
        for (state, jobs) in queue.counts().await.unwrap_or_default() {
            let gauge = self.0.metrics.renditions.get_or_create(&State { state: state.name() });
            gauge.set(i64::try_from(jobs).unwrap_or(i64::MAX));
        }
    }

    /// A blob is in the store: asks for what the posts that carry it call for.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub(crate) async fn render(&self, id: &BlobId) -> Result<(), MediaError> {
        let (Some(queue), Some(blob)) = (self.0.queue.get(), self.0.storage.blob(id).await?) else {
            return Ok(());
        };
        for bytes in self.0.storage.events_with(id, POSTS).await? {
            // What is stored was let in by the door.
            let Ok(event) = Event::decode(&bytes, &Limits::default()) else { continue };
            let Some(place) = place(&event) else { continue };
            for file in Attachment::of(&event).iter().filter(|file| file.blob.id == *id) {
                queue.ask(*id, &plan(&source(&blob, file)), place).await?;
            }
        }
        Ok(())
    }

    /// Events were stored: asks for what they call for of the files that are here already.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub(crate) async fn render_for(&self, events: &[EventId]) -> Result<(), MediaError> {
        for id in self.0.storage.stored_of(events).await? {
            self.render(&id).await?;
        }
        Ok(())
    }

    /// What this relay has made of a blob. What others say was made of it, or is its thumbnail, is left out: else whoever
    /// knows of something blocked could have anything blocked.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn forms_of(&self, id: &BlobId) -> Result<Vec<BlobId>, MediaError> {
        Ok(self.0.storage.made_of(id, &self.0.producer).await?)
    }

    /// Events were stored: blocks what they say this relay has made of what is blocked.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub(crate) async fn block_for(&self, events: &[EventId]) -> Result<(), MediaError> {
        let mut forms = Vec::new();
        for (_, bytes) in self.0.storage.read(events).await? {
            let Ok(event) = Event::decode(&bytes, &Limits::default()) else { continue };
            forms.extend(self.form_in(&event));
        }
        if self.0.blocked.block_forms(forms) {
            super::clean::remove_blocked(self).await?;
        }
        Ok(())
    }

    /// What an event of this relay's says was made of something blocked.
    fn form_in(&self, event: &Event) -> Option<BlobId> {
        let Body::Rendition(body) = event.body() else { return None };
        let is_own = event.fields().author == self.0.producer;
        event.fields().blobs.first().map(|blob| blob.id).filter(|_| is_own && self.is_blocked(&body.source))
    }

    /// A blob is gone.
    pub(super) async fn forget_renditions(&self, id: BlobId) -> Result<(), MediaError> {
        if let Some(queue) = self.0.queue.get() {
            let made = queue.forget(id).await?;
            // Otherwise what was made of it goes by itself: nothing refers to it once its posts are withdrawn.
            if self.is_blocked(&id) {
                self.0.blocked.block_forms(made);
            }
        }
        Ok(())
    }
}

/// Where a post is; none of an event that is no post.
fn place(event: &Event) -> Option<Place> {
    let (fields, post) = (event.fields(), event.id());
    let thread = if event.kind().is_post() { Some(fields.thread.unwrap_or(post)) } else { None }?;
    Some(Place { post, board: fields.board, thread })
}

/// The bytes say what it is, the post what it looks like.
fn source<'a>(blob: &'a Blob, file: &Attachment) -> Source<'a> {
    let sides = file.info.width.zip(file.info.height);
    Source {
        mime: blob.kind.as_deref().unwrap_or("application/octet-stream"),
        size: blob.size,
        sides: sides.map(|(width, height)| (width.into(), height.into())),
        has_thumb: file.thumb.is_some(),
    }
}

#[async_trait]
impl Blobs for Media {
    async fn fetch(&self, id: BlobId, file: &Path, output: u64) -> Result<(), BlobsError> {
        let blob = self.blob(&id).await.map_err(refused)?.ok_or(BlobsError::Gone)?;
        self.room_for(output).map_err(refused)?;
        if self.0.store.link(&id, file).await {
            return Ok(());
        }
        self.room_for(blob.size.saturating_add(output)).map_err(refused)?;
        let mut pieces = self.read(&id, 0..blob.size).await.map_err(refused)?;
        let mut to = tokio::fs::File::create_new(file).await.map_err(|error| refused(error.into()))?;
        while let Some(piece) = pieces.try_next().await.map_err(refused)? {
            to.write_all(&piece).await.map_err(|error| refused(error.into()))?;
        }
        to.flush().await.map_err(|error| refused(error.into()))
    }

    async fn keep(&self, file: &Path, _: BlobId) -> Result<(BlobId, u64), BlobsError> {
        let kept = async {
            let size = tokio::fs::metadata(file).await?.len();
            let digested = self.digest(file.to_owned(), size).await?;
            let _reservation = {
                let _deciding = self.0.deciding.lock().await;
                self.reserve(digested.hashed.id, None, size).await?
            };
            Ok::<_, MediaError>((self.put(digested, file, None).await?, size))
        };
        kept.await.map_err(refused)
    }
}

fn refused(error: MediaError) -> BlobsError {
    match error {
        MediaError::Blocked | MediaError::NotFound => BlobsError::Gone,
        MediaError::Full => BlobsError::Full,
        error => BlobsError::Failed(error.to_string()),
    }
}
