//! A blob that comes group by group, from others who hold it: verified before it gets here, hashed again when it is whole.
//!
//! What has come can be given to others before the rest is there. It stays through a restart as far as
//! [`Fetch::save`] has made it durable, and is removed when nothing has come for as long as an upload may rest. Asks
//! nobody for anything: that is the exchange.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chanterelle_core::base::{BlobId, Limits};
use chanterelle_core::media::Groups;
use chanterelle_core::media::tree::{self, GROUP_BYTES, Node, PARENT_BYTES, Parent, Verified};
use tokio::task::spawn_blocking;

use super::busy::Taken;
use super::reserved::Reservation;
use super::staging::{Staging, sync_folder};
use super::{Media, MediaError, store};

/// Endings of the files of one fetch: content, tree, which groups are there, and the list of these while it is written.
const ENDINGS: [&str; 4] = [DATA, TREE, DRAFT, GROUPS];
const DATA: &str = ".data";
const TREE: &str = ".tree";
const DRAFT: &str = ".new";
const GROUPS: &str = ".groups";

/// A blob under way.
#[derive(Debug)]
pub struct Fetch {
    media: Media,
    id: BlobId,
    size: u64,
    data: Arc<File>,
    tree: Arc<File>,
    groups: Groups,
    reservation: Reservation,
    _taken: Taken<BlobId>,
}

impl Fetch {
    /// Goes on where the blob was left, also if that is of another size. `taken` holds its name, `reservation` its room.
    pub(super) async fn open(
        media: Media,
        id: BlobId,
        size: u64,
        taken: Taken<BlobId>,
        reservation: Reservation,
    ) -> Result<Fetch, MediaError> {
        let staging = media.0.staging.clone();
        let work = move || {
            let known = fs::read(staging.path(&format!("{id}{GROUPS}"))).ok();
            // Without the list nothing says which of the bytes are right.
            let (size, groups) = match known.and_then(|known| groups_of(&known)) {
                Some(known) => known,
                None => {
                    remove(&staging, &id)?;
                    (size, Groups::none(tree::groups_in(size)))
                }
            };
            let (data, tree) = (staging.file(&format!("{id}{DATA}"))?, staging.file(&format!("{id}{TREE}"))?);
            Ok::<_, io::Error>((data, tree, size, groups))
        };
        let (data, tree, size, groups) = spawn_blocking(work).await.map_err(|_| MediaError::Stopping)??;
        let (data, tree) = (Arc::new(data), Arc::new(tree));
        reservation.wrote(u64::from(groups.count()) * GROUP_BYTES);
        Ok(Fetch { media, id, size, data, tree, groups, reservation, _taken: taken })
    }

    /// The size it is taken as, bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Which groups are there.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Writes what [`tree::verify`] found to be the content from group `first` on.
    ///
    /// # Errors
    /// When it is not whole groups of this blob, or the disk does not take it or has no more left than is to be left.
    pub async fn write(&mut self, first: u32, verified: Verified) -> Result<(), MediaError> {
        let begin = u64::from(first) * GROUP_BYTES;
        let end = begin + verified.data.len() as u64;
        let whole = end == self.size || end.is_multiple_of(GROUP_BYTES);
        if verified.data.is_empty() || end > self.size || !whole {
            return Err(MediaError::WrongContent(self.id));
        }
        self.media.room_for(end - begin)?;
        let (data, tree) = (self.data.clone(), self.tree.clone());
        let work = move || {
            data.write_all_at(&verified.data, begin)?;
            verified.parents.iter().try_for_each(|(node, parent)| tree.write_all_at(parent, node.offset()))
        };
        spawn_blocking(work).await.map_err(|_| MediaError::Stopping)??;
        self.reservation.wrote(end - begin);
        self.groups.insert_all(first..first + tree::groups_in(end - begin));
        Ok(())
    }

    /// Makes what is there durable. Costs three times to the disk: once every few megabytes is often enough.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub async fn save(&self) -> Result<(), MediaError> {
        let (data, tree) = (self.data.clone(), self.tree.clone());
        let [draft, path] =
            [DRAFT, GROUPS].map(|ending| self.media.0.staging.path(&format!("{}{ending}", self.id)));
        let list = [&self.size.to_le_bytes(), &self.groups.to_bytes()[..]].concat();
        let work = move || {
            data.sync_data()?;
            tree.sync_data()?;
            // Whole or not at all, and only after what it lists.
            let mut file = File::create(&draft)?;
            file.write_all(&list)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            path.parent().map_or(Ok(()), sync_folder)
        };
        Ok(spawn_blocking(work).await.map_err(|_| MediaError::Stopping)??)
    }

    /// The slice of `count` groups from `first` on, all of which are there.
    ///
    /// # Errors
    /// When one is not there, or the disk cannot be read.
    pub async fn slice(&self, first: u32, count: u32) -> Result<Vec<u8>, MediaError> {
        let nodes = tree::parents_of(self.size, first, count)?;
        if !self.groups.covers(first, count) {
            return Err(MediaError::NotFound);
        }
        let begin = u64::from(first) * GROUP_BYTES;
        let range: Range<u64> = begin..begin + tree::content_bytes(self.size, first, count);
        let data: Bytes = store::read_at(self.data.clone(), range).await?;
        let tree = self.tree.clone();
        let read = move || nodes.iter().map(|node| read_parent(&tree, *node)).collect::<io::Result<Vec<_>>>();
        let parents = spawn_blocking(read).await.map_err(|_| MediaError::Stopping)??;
        let mut parents = parents.into_iter();
        let parent = |_| parents.next().expect("one for each node was read");
        Ok(tree::slice(self.size, first, count, parent, &data)?)
    }

    /// Stores the blob, of which all groups are there.
    ///
    /// # Errors
    /// When it is not the blob, or is blocked: then nothing of it is kept. When it is not whole, or cannot be stored.
    pub async fn finish(self) -> Result<BlobId, MediaError> {
        if !self.groups.is_all() {
            return Err(MediaError::NotFound);
        }
        let path = self.media.0.staging.path(&format!("{}{DATA}", self.id));
        let digested = self.media.digest(path.clone(), self.size).await?;
        if digested.hashed.id != self.id {
            self.abandon()?;
            return Err(MediaError::WrongContent(self.id));
        }
        let stored = self.media.put(digested, &path, None).await;
        if matches!(stored, Ok(_) | Err(MediaError::Blocked)) {
            self.abandon()?;
        }
        stored
    }

    /// Removes everything that has come.
    ///
    /// # Errors
    /// When some of it may still be there.
    pub fn abandon(&self) -> Result<(), MediaError> {
        Ok(remove(&self.media.0.staging, &self.id)?)
    }
}

fn read_parent(tree: &File, node: Node) -> io::Result<Parent> {
    let mut parent = [0; PARENT_BYTES as usize];
    tree.read_exact_at(&mut parent, node.offset())?;
    Ok(parent)
}

/// The size of a blob and the groups of it, as a list says.
fn groups_of(list: &[u8]) -> Option<(u64, Groups)> {
    let (size, groups) = list.split_first_chunk()?;
    let size = u64::from_le_bytes(*size);
    (1..=Limits::default().blob_bytes).contains(&size).then_some(())?;
    Some((size, Groups::from_bytes(tree::groups_in(size), groups)?))
}

/// The list first: without it the rest is nothing.
fn remove(staging: &Staging, id: &BlobId) -> io::Result<()> {
    ENDINGS.iter().rev().try_for_each(|ending| staging.remove(&format!("{id}{ending}")))
}

/// Removes fetches of which nothing was saved for `rest`, and those that are blocked, whoever writes them; returns the files
/// of the others.
pub(super) fn sweep(media: &Media, rest: Duration) -> io::Result<Vec<String>> {
    let staging = &media.0.staging;
    let id_of = |name: &String| {
        ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).and_then(|id| id.parse::<BlobId>().ok())
    };
    let ids: BTreeSet<BlobId> = staging.names()?.iter().filter_map(id_of).collect();
    let mut kept = Vec::new();
    for id in ids {
        // Whoever writes it holds its name.
        let taken = media.0.fetching.take(id);
        let is_kept = match taken {
            _ if media.is_blocked(&id) => false,
            None => true,
            // Without the list nothing says which of the bytes are right.
            Some(_) => match fs::metadata(staging.path(&format!("{id}{GROUPS}"))) {
                Ok(list) => SystemTime::now().duration_since(list.modified()?).unwrap_or_default() < rest,
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            },
        };
        if is_kept {
            kept.extend(ENDINGS.map(|ending| format!("{id}{ending}")));
        } else {
            remove(staging, &id)?;
        }
    }
    Ok(kept)
}
