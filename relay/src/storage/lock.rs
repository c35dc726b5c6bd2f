//! One relay to a data folder: an advisory lock on a file in it, which the system takes back when the process ends.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use super::OpenError;

/// The lock's file in the data folder.
const FILE: &str = "lock";

/// Holds a data folder. Dropping it lets go.
#[derive(Debug)]
pub struct DataLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl DataLock {
    /// Makes the folder if there is none, and takes it.
    ///
    /// # Errors
    /// When the folder cannot be written or another process holds it.
    pub fn take(folder: &Path) -> Result<DataLock, OpenError> {
        let failed = |error| OpenError::Folder(folder.to_owned(), error);
        fs::create_dir_all(folder).map_err(failed)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(DataLock(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DataLock;
    use crate::storage::OpenError;

    #[test]
    fn a_folder_is_held_by_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let held = DataLock::take(folder.path()).expect("nobody holds it");
        assert!(matches!(DataLock::take(folder.path()), Err(OpenError::InUse(_))));
        drop(held);
        assert!(DataLock::take(folder.path()).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_is_said_so() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        std::fs::write(&file, b"").expect("the folder is writable");
        let error = DataLock::take(&file.join("data")).expect_err("a file has no folders");
        assert!(error.to_string().starts_with("cannot use the data directory"), "{error}");
    }
}
