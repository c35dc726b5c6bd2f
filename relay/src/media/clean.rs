//! What nobody wants any more goes: expired uploads, blobs that nothing keeps, blobs that were blocked.
//!
//! Removes a blob's row before its bytes, and asks again in the statement that removes the row, so that a blob that
//! somebody wants at the last moment stays. Looks through the store once after the start, for what a crash left between
//! bytes and row.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chanterelle_core::base::{BlobId, Seconds};
use futures::TryStreamExt as _;
use tokio::time::interval;

use super::digest::Digest;
use super::{Change, Media, MediaError, fetch, now};
use crate::metrics::count;
use crate::storage::Blob;

/// How often the block list is looked at: so long after it was written it holds.
const BLOCKED_EVERY: Duration = Duration::from_secs(1);

/// How often the rest is done at most. Half the shortest time that was set, when that is sooner.
const CLEAN_EVERY: Duration = Duration::from_secs(60);

/// How long it is remembered that an upload has expired.
const REMEMBERED: u64 = 24 * 60 * 60;

/// Cleans until the relay stops.
pub(super) async fn run(media: &Media) {
    let settings = media.settings();
    let shortest = settings.grace.min(settings.pin).min(settings.upload_rest);
    let every = (shortest / 2).clamp(BLOCKED_EVERY, CLEAN_EVERY);
    media.count_blobs().await;
    let mut cleaned = None::<Instant>;
    let stop = media.0.stop.clone();
    let work = async {
        report("looking through the media store", reconcile(media).await);
        report("removing blocked files", remove_blocked(media).await);
        let mut tick = interval(BLOCKED_EVERY);
        loop {
            tick.tick().await;
            let is_turn = cleaned.is_none_or(|at| at.elapsed() >= every);
            if media.0.blocked.refresh() || (is_turn && media.0.blocked.is_due()) {
                report("removing blocked files", remove_blocked(media).await);
            }
            if is_turn {
                cleaned = Some(Instant::now());
                report("cleaning up", clean(media).await);
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

fn report(what: &str, result: Result<(), MediaError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what} failed and is tried again");
    }
}

async fn clean(media: &Media) -> Result<(), MediaError> {
    let (settings, storage) = (media.settings(), &media.0.storage);
    let now = now();
    media.measure_disk()?;
    media.count_renditions().await;
    for id in storage.expired_uploads(now).await? {
        if media.expire(&id, now).await? {
            count(&media.0.metrics.uploads, "expired");
        }
    }
    storage.forget_uploads(Seconds(now.0.saturating_sub(REMEMBERED))).await?;
    fetch::sweep(media, settings.upload_rest)?;
    let before = Seconds(now.0.saturating_sub(settings.grace.as_secs()));
    for id in storage.loosen(&media.0.keeping, now, before).await? {
        let _lock = media.lock(&id).await;
        if storage.drop_unkept(&id, &media.0.keeping, now, Some(before)).await? {
            media.remove(&id).await?;
            tracing::debug!(%id, "nothing kept this file");
        }
    }
    Ok(())
}

/// Removes all that is blocked, and has nobody fetch it any more. One file that cannot be removed holds up no other.
///
/// # Errors
/// The first of what went wrong: then it is due still.
pub(super) async fn remove_blocked(media: &Media) -> Result<(), MediaError> {
    media.0.blocked.set_due(false);
    let mut outcome = Ok(());
    for id in media.0.blocked.named() {
        match media.forms_of(&id).await {
            Ok(forms) => drop(media.0.blocked.block_forms(forms)),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    for id in media.0.blocked.all() {
        outcome = outcome.and(remove_one_blocked(media, &id).await);
    }
    outcome =
        outcome.and(fetch::sweep(media, media.settings().upload_rest).map(drop).map_err(MediaError::from));
    if outcome.is_err() {
        media.0.blocked.set_due(true);
    }
    outcome
}

async fn remove_one_blocked(media: &Media, id: &BlobId) -> Result<(), MediaError> {
    let _lock = media.lock(id).await;
    if media.0.storage.blob(id).await?.is_none() {
        // One on its way comes no further. The exchange may have stopped.
        let _ = media.0.changes.send(Change::Removed(*id));
        return Ok(());
    }
    // Nobody is given it, so that the bytes can go first: as long as there is a row, this is tried again.
    media.remove(id).await?;
    media.0.storage.drop_blob(id).await?;
    media.count_blobs().await;
    tracing::info!(%id, "a blocked file was removed");
    Ok(())
}

/// Brings rows and bytes together, and removes staged files that nobody knows.
async fn reconcile(media: &Media) -> Result<(), MediaError> {
    let mut known = media.staged().await?;
    known.extend(fetch::sweep(media, media.settings().upload_rest)?);
    let removed = media.0.staging.sweep(&known, media.0.begun)?;
    if removed > 0 {
        tracing::info!(files = removed, "removed what was left of uploads that are over");
    }
    let rows: BTreeMap<BlobId, u64> = media.0.storage.all_blobs().await?.into_iter().collect();
    let mut seen = BTreeSet::new();
    let mut found = media.0.store.list();
    while let Some((id, size)) = found.try_next().await? {
        seen.insert(id);
        if rows.get(&id) != Some(&size) {
            adopt(media, id).await?;
        }
    }
    for id in rows.keys().filter(|id| !seen.contains(id)) {
        let _lock = media.lock(id).await;
        // Perhaps it was put there meanwhile.
        if media.0.store.size(id).await?.is_none() {
            media.0.storage.drop_blob(id).await?;
            tracing::warn!(%id, "a file is gone from the media store; it is fetched again if somebody holds it");
        }
    }
    media.count_blobs().await;
    Ok(())
}

/// Enters a blob that has no row, if its bytes are what its name says. Whether anything keeps it shows like with any other.
async fn adopt(media: &Media, id: BlobId) -> Result<(), MediaError> {
    let _lock = media.lock(&id).await;
    let size = media.0.store.length(&id).await?;
    let row = media.0.storage.blob(&id).await?;
    if size.is_none() || row.map(|row| row.size) == size {
        return Ok(());
    }
    let mut digest = Digest::default();
    let size = size.unwrap_or_default();
    if size > 0 {
        let mut pieces = media.0.store.read(&id, 0..size).await?;
        while let Some(piece) = pieces.try_next().await? {
            digest.update(&piece);
        }
    }
    let digested = digest.finish();
    media.0.storage.drop_blob(&id).await?;
    if digested.hashed.id != id || media.is_blocked(&id) || size == 0 {
        tracing::warn!(%id, "a file in the media store is not what its name says, or blocked, and was removed");
        return media.0.store.remove(&id).await;
    }
    media.0.store.put_tree(digested.hashed).await?;
    let blob = Blob { id, size, kind: digested.kind.map(str::to_owned) };
    media.0.storage.add_blob(blob, now(), None).await?;
    // The exchange may have stopped.
    let _ = media.0.changes.send(Change::Added(id, size));
    Ok(())
}
