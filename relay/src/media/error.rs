//! Why something with media cannot be done.

use std::io;

use chanterelle_core::base::BlobId;
use chanterelle_core::media::tree::SliceError;
use chanterelle_core::node::StorageError;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// On the block list.
    #[error("the operator of this relay has blocked this file")]
    Blocked,
    /// No room on the disk, in the bucket, or within the bounds that were set.
    #[error("there is no room left to store this")]
    Full,
    /// The owner has used what one may have.
    #[error(
        "this would be more than this relay keeps for one author or address; wait until earlier uploads expire"
    )]
    OwnerFull,
    /// Larger than the settings allow, bytes.
    #[error("a file has 1 to {0} bytes here")]
    TooLarge(u64),
    /// Nothing by this name.
    #[error("there is no such file here")]
    NotFound,
    /// Somebody else does the same just now.
    #[error("another request is writing this")]
    Busy,
    /// Too many read or write at once.
    #[error("too many files are being read or written just now; try again in a moment")]
    Crowded,
    /// What was fetched is not what was asked for.
    #[error("the content is not that of {0}")]
    WrongContent(BlobId),
    /// What is stored is not as it was written.
    #[error("what is stored of {0} is damaged; restore the media folder from a backup, or remove the file")]
    Damaged(BlobId),
    /// No such groups.
    #[error(transparent)]
    Slice(#[from] SliceError),
    /// The bucket cannot be used as it is set.
    #[error("cannot use the bucket: {0}")]
    Bucket(String),
    /// The relay is stopping.
    #[error("the relay is stopping")]
    Stopping,
    /// The database.
    #[error("the database: {0}")]
    Storage(StorageError),
    /// The disk.
    #[error("the disk: {0}")]
    Io(io::Error),
    /// The store of whole blobs.
    #[error("the media store: {0}")]
    Store(object_store::Error),
}

impl From<io::Error> for MediaError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => MediaError::Full,
            _ => MediaError::Io(error),
        }
    }
}

impl From<StorageError> for MediaError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Full => MediaError::Full,
            error => MediaError::Storage(error),
        }
    }
}

impl From<object_store::Error> for MediaError {
    fn from(error: object_store::Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<io::Error>()
                && matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            {
                return MediaError::Full;
            }
            cause = inner.source();
        }
        match error {
            object_store::Error::NotFound { .. } => MediaError::NotFound,
            error => MediaError::Store(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::MediaError;

    #[test]
    fn a_full_disk_is_known_wherever_it_is_met() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(MediaError::from(full()), MediaError::Full));
        let wrapped = object_store::Error::Generic { store: "local", source: Box::new(full()) };
        assert!(matches!(MediaError::from(wrapped), MediaError::Full));
        let other = object_store::Error::Generic { store: "local", source: "broken".into() };
        assert!(matches!(MediaError::from(other), MediaError::Store(_)));
    }
}
