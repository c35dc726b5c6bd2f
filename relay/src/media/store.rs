//! Whole blobs, each under its id with its tree beside it: in a local folder, or in a bucket that speaks S3.
//!
//! A blob is written to the local disk first and put here when it is whole and hashed, in one step, so that none is ever
//! seen half. What is put is durable when [`BlobStore::put`] returns. Knows nothing of who wants what kept; two writers of
//! one id are the caller's to keep apart.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use chanterelle_core::base::BlobId;
use chanterelle_core::media::tree::{Hashed, Node, PARENT_BYTES, Parent, outboard_bytes};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt as _};
use tokio::task::spawn_blocking;

use super::staging::{remove_file, sync_folder};
use super::{MediaError, s3};
use crate::settings::BlobPlace;

/// The folder of blobs in the local folder or the bucket.
const FOLDER: &str = "blobs";

/// What a tree's name ends in.
const TREE: &str = ".tree";

/// Bytes read from a file at a time: a few of these per reader are in memory.
const PIECE: u64 = 128 * 1024;

/// Bytes of one part on the way to a bucket. S3 takes 10,000 parts, and the largest blob is 512 of these.
const UPLOAD_PART: u64 = 8 * 1024 * 1024;

/// Where whole blobs are. Clones share it.
#[derive(Clone, Debug)]
pub struct BlobStore {
    objects: Arc<dyn ObjectStore>,
    /// The local folder, when blobs lie in it.
    local: Option<PathBuf>,
}

impl BlobStore {
    /// The place that `settings` name; a local one is `folder`, which exists.
    ///
    /// # Errors
    /// When the place cannot be used as it is set.
    pub fn open(settings: &BlobPlace, folder: &FilePath) -> Result<BlobStore, MediaError> {
        match settings {
            BlobPlace::Local => {
                let objects = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
                Ok(BlobStore { objects: Arc::new(objects), local: Some(folder.to_owned()) })
            }
            BlobPlace::S3(bucket) => Ok(BlobStore { objects: Arc::new(s3::open(bucket)?), local: None }),
        }
    }

    /// Stores the content of a staged file, which hashes to `hashed`, with its tree. It is on the disk, and nobody changes
    /// the file any more. When this returns, the blob is durable; the file is still there, and is the caller's to remove
    /// once the blob is known: a crash in between must lose neither.
    ///
    /// # Errors
    /// When nothing is stored under the id, or nobody can say.
    pub async fn put(&self, hashed: &Hashed, staged: &FilePath) -> Result<(), MediaError> {
        // The tree first, so that no blob is without.
        if !hashed.outboard.is_empty() {
            let tree = Bytes::from(hashed.outboard.clone());
            self.objects.put(&tree_path(&hashed.id), tree.into()).await?;
        }
        let path = blob_path(&hashed.id);
        match &self.local {
            Some(folder) => {
                let (from, to) = (staged.to_owned(), folder.join(path.as_ref()));
                spawn_blocking(move || place(&from, &to)).await.map_err(|_| MediaError::Stopping)??;
            }
            None => {
                let file = Arc::new(File::open(staged)?);
                if hashed.size <= UPLOAD_PART {
                    let bytes = read_at(file, 0..hashed.size).await?;
                    self.objects.put(&path, bytes.into()).await?;
                } else {
                    let mut upload = self.objects.put_multipart(&path).await?;
                    if let Err(error) = send(&mut *upload, file, hashed.size).await {
                        // Parts of uploads that never ended are the bucket's rules' to remove.
                        let _ = upload.abort().await;
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Bytes of a blob. `range` is within its size and not empty.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn read(
        &self,
        id: &BlobId,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, MediaError>>, MediaError> {
        let options = GetOptions { range: Some(range.clone().into()), ..GetOptions::default() };
        let found = self.objects.get_opts(&blob_path(id), options).await?;
        if found.range != range {
            return Err(MediaError::Damaged(*id));
        }
        Ok(match found.payload {
            GetResultPayload::File(file, _) => pieces(Arc::new(file), range),
            GetResultPayload::Stream(stream) => stream.map_err(MediaError::from).boxed(),
        })
    }

    /// Gives a blob's file the further name `file`, for somebody who only reads it; whether that could be done.
    pub async fn link(&self, id: &BlobId, file: &FilePath) -> bool {
        let Some(folder) = &self.local else { return false };
        let (from, to) = (folder.join(blob_path(id).as_ref()), file.to_owned());
        spawn_blocking(move || fs::hard_link(from, to)).await.is_ok_and(|linked| linked.is_ok())
    }

    /// Bytes of a blob, in memory: for a few groups.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn read_all(&self, id: &BlobId, range: Range<u64>) -> Result<Bytes, MediaError> {
        Ok(self.objects.get_range(&blob_path(id), range).await?)
    }

    /// Some parents of a blob's tree, in the order asked for.
    ///
    /// # Errors
    /// When the tree is not there or has no such nodes.
    pub async fn parents(&self, id: &BlobId, nodes: &[Node]) -> Result<Vec<Parent>, MediaError> {
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        let ranges: Vec<_> = nodes.iter().map(|node| node.offset()..node.offset() + PARENT_BYTES).collect();
        let found = self.objects.get_ranges(&tree_path(id), &ranges).await?;
        found.iter().map(|bytes| Parent::try_from(&bytes[..]).map_err(|_| MediaError::Damaged(*id))).collect()
    }

    /// The size of a blob, if it is there with a tree that fits.
    ///
    /// # Errors
    /// When nobody can say.
    pub async fn size(&self, id: &BlobId) -> Result<Option<u64>, MediaError> {
        let Some(size) = self.length(id).await? else { return Ok(None) };
        let tree = match outboard_bytes(size) {
            0 => 0,
            _ => found(self.objects.head(&tree_path(id)).await)?.map_or(0, |meta| meta.size),
        };
        Ok((tree == outboard_bytes(size)).then_some(size))
    }

    /// The size of a blob's bytes, if they are there.
    ///
    /// # Errors
    /// When nobody can say.
    pub async fn length(&self, id: &BlobId) -> Result<Option<u64>, MediaError> {
        Ok(found(self.objects.head(&blob_path(id)).await)?.map(|meta| meta.size))
    }

    /// Writes the tree of a blob that is there without.
    ///
    /// # Errors
    /// When it is not written.
    pub async fn put_tree(&self, hashed: Hashed) -> Result<(), MediaError> {
        if !hashed.outboard.is_empty() {
            self.objects.put(&tree_path(&hashed.id), Bytes::from(hashed.outboard).into()).await?;
        }
        Ok(())
    }

    /// Removes a blob and its tree. One that is not there is no error.
    ///
    /// # Errors
    /// When it may still be there.
    pub async fn remove(&self, id: &BlobId) -> Result<(), MediaError> {
        found(self.objects.delete(&blob_path(id)).await)?;
        found(self.objects.delete(&tree_path(id)).await)?;
        Ok(())
    }

    /// The ids of all that is there, whole or not, with sizes.
    ///
    /// # Errors
    /// Ends with one when the place cannot be listed.
    pub fn list(&self) -> BoxStream<'static, Result<(BlobId, u64), MediaError>> {
        self.objects
            .list(Some(&Path::from(FOLDER)))
            .map_err(MediaError::from)
            .try_filter_map(async |meta| {
                Ok(meta.location.filename().and_then(|name| name.parse().ok()).map(|id| (id, meta.size)))
            })
            .boxed()
    }
}

fn blob_path(id: &BlobId) -> Path {
    path(id, "")
}

fn tree_path(id: &BlobId) -> Path {
    path(id, TREE)
}

/// In 256 folders, because some file systems and many tools are slow with a million files in one.
fn path(id: &BlobId, ending: &str) -> Path {
    let name = id.to_string();
    Path::from(format!("{FOLDER}/{}/{name}{ending}", &name[..2]))
}

/// Gives a file a second name, in place of whatever had that name, durably.
fn place(from: &FilePath, to: &FilePath) -> io::Result<()> {
    let Some(folder) = to.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
        folder.ancestors().skip(1).take(2).try_for_each(sync_folder)?;
    }
    // Beside what is under way, where the next start removes what a crash leaves.
    let draft = from.with_extension("link");
    remove_file(&draft)?;
    if fs::hard_link(from, &draft).is_err() {
        // A file system without links.
        fs::copy(from, &draft)?;
        File::open(&draft)?.sync_all()?;
    }
    fs::rename(&draft, to)?;
    // Where both were names of one file already, renaming leaves both.
    remove_file(&draft)?;
    sync_folder(folder)
}

/// That something is not there is an answer.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, MediaError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn send(upload: &mut dyn MultipartUpload, file: Arc<File>, size: u64) -> Result<(), MediaError> {
    let mut position = 0;
    while position < size {
        let end = size.min(position + UPLOAD_PART);
        upload.put_part(read_at(file.clone(), position..end).await?.into()).await?;
        position = end;
    }
    upload.complete().await?;
    Ok(())
}

/// The bytes of a file in pieces, of which one is read at a time.
pub(super) fn pieces(file: Arc<File>, range: Range<u64>) -> BoxStream<'static, Result<Bytes, MediaError>> {
    stream::try_unfold((file, range), async |(file, range)| {
        if range.is_empty() {
            return Ok(None);
        }
        let end = range.end.min(range.start + PIECE);
        let piece = read_at(file.clone(), range.start..end).await?;
        Ok(Some((piece, (file, end..range.end))))
    })
    .boxed()
}

/// Bytes of a file. The caller bounds the range.
pub(super) async fn read_at(file: Arc<File>, range: Range<u64>) -> Result<Bytes, MediaError> {
    let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let read = spawn_blocking(move || {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, range.start).map(|()| bytes)
    });
    Ok(read.await.map_err(|_| MediaError::Stopping)??.into())
}
