//! Which blobs the relay looks for: those that are to be kept, as many as there are places for, in turn.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chanterelle_core::base::{BlobId, PeerId};
use chanterelle_core::media::exchange::{Input, Priority, Want};

use super::super::{Fetch, Media, MediaError};
use super::underway::{Files, Underway};
use super::{Done, LOOK_EVERY, Runner};

/// Blobs looked for at a time. Each is a line in every `look` of a turn.
const WANTS: usize = 256;

/// How long nothing may come of one before another that is wanted may have its place.
const PATIENCE: Duration = LOOK_EVERY;

/// Sizes that events say of blobs, in one look into the database, at most.
const SIZES: usize = WANTS * 4;

/// Places that are given to others in one look into the database, at most.
const TURNED: usize = WANTS / 4;

impl Runner {
    /// Looks in the database for what is to be kept, going on where it was left.
    pub(super) fn look(&mut self) {
        let (media, finish) = (self.media.clone(), self.finish.clone());
        let most = (WANTS.saturating_sub(self.underway.len())).max(TURNED);
        let known: BTreeSet<BlobId> = self.underway.keys().copied().collect();
        let begin = self.looked;
        tokio::spawn(async move {
            let (mut again, mut new, mut ids) = (Vec::new(), Vec::new(), BTreeSet::new());
            let (mut after, mut is_second) = (begin, false);
            // What cannot be read is logged, and looked for again later.
            'pages: while let Ok((wanted, next)) = media.wanted(after, WANTS as u32).await {
                for blob in wanted {
                    let place = (blob.id, blob.size);
                    let is_known = known.contains(&blob.id);
                    let has_place = is_known || ids.contains(&blob.id) || ids.len() < most;
                    let is_full = again.len() + new.len() >= SIZES;
                    if !has_place || is_full || (is_second && place > begin) {
                        break 'pages;
                    }
                    after = place;
                    if is_known {
                        again.push(blob);
                    } else {
                        ids.insert(blob.id);
                        new.push(blob);
                    }
                }
                match next {
                    Some(next) => after = next,
                    // What is before the place where this began.
                    None if !is_second => (after, is_second) = (<(BlobId, u64)>::default(), true),
                    None => break,
                }
            }
            let _ = finish.send(Done::Looked(again, new, after));
        });
    }

    /// Has a blob fetched, beginning with what came of it before. When there is no place for it, it takes that of another of
    /// which nothing has come for the longest time, at once if it is known who probably holds it.
    pub(super) fn want(&mut self, id: BlobId, size: u64, hints: Vec<PeerId>) {
        let patience = if hints.is_empty() { PATIENCE } else { Duration::ZERO };
        let want = Want { id, size, priority: Priority::Background, hints };
        if let Some(underway) = self.underway.get_mut(&id) {
            return match &mut underway.early {
                Some(early) => early.push(want),
                None => self.input(Input::Want(want)),
            };
        }
        if self.underway.len() >= WANTS {
            let oldest = self.underway.iter().min_by_key(|(_, underway)| underway.came);
            let Some(id) = oldest.filter(|(_, old)| old.came.elapsed() >= patience).map(|(id, _)| *id) else {
                return;
            };
            self.input(Input::Forget(id));
            self.leave(&id, true);
        }
        let files = self.open(id, size, None);
        let came = Instant::now();
        self.underway.insert(id, Underway { size, files, early: Some(vec![want]), came });
    }

    /// Opens files for a blob; `before` are those that it had by another size, of which nothing counts.
    pub(super) fn open(&self, id: BlobId, size: u64, before: Option<Files>) -> Files {
        let (files, opening) = Files::new();
        let (media, finish, opened) = (self.media.clone(), self.finish.clone(), files.clone());
        tokio::spawn(async move {
            let is_anew = before.is_some();
            if let Some(before) = before {
                before.leave(false).await;
            }
            let done = match open(&media, id, size).await {
                Ok(Some(fetch)) if is_anew && fetch.size() != size => {
                    Done::Whole(id, opened, Err(MediaError::WrongContent(id)))
                }
                Ok(Some(fetch)) => {
                    let (size, groups) = (fetch.size(), fetch.groups().clone());
                    opening.done(fetch);
                    Done::Opened(id, opened, size, groups)
                }
                Ok(None) => Done::Whole(id, opened, Ok(())),
                Err(error) => Done::Whole(id, opened, Err(error)),
            };
            let _ = finish.send(done);
        });
        files
    }

    /// A blob is fetched no more. What has come of it stays on the disk, if it is to be kept.
    pub(super) fn leave(&mut self, id: &BlobId, keeps: bool) {
        if let Some(Underway { files, .. }) = self.underway.remove(id) {
            tokio::spawn(async move { files.leave(keeps).await });
        }
    }
}

/// The files of a blob that is to be fetched; none when it is stored.
async fn open(media: &Media, id: BlobId, size: u64) -> Result<Option<Fetch>, MediaError> {
    match media.blob(&id).await? {
        Some(_) => Ok(None),
        None => media.fetch(id, size).await.map(Some),
    }
}
