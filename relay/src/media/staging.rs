//! What is not whole yet, in a folder of the local disk: uploads and fetches under way.
//!
//! Survives a restart; how much of a file counts is written elsewhere, and only after it is on the disk. Removes what
//! nobody knows any more.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The folder in that of the media.
const FOLDER: &str = "partial";

/// The folder. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Staging(PathBuf);

impl Staging {
    /// Makes the folder in `media` if there is none.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn open(media: &Path) -> io::Result<Staging> {
        let folder = media.join(FOLDER);
        fs::create_dir_all(&folder)?;
        // A folder that a crash takes away takes its files with it.
        sync_folder(media)?;
        Ok(Staging(folder))
    }

    /// Where the file `name` is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Opens a file to be read and written, and makes it if there is none: it is there after a crash, too.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) fn file(&self, name: &str) -> io::Result<File> {
        let path = self.path(name);
        match File::options().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        sync_folder(&self.0)?;
        Ok(file)
    }

    /// Removes a file. One that is not there is no error.
    ///
    /// # Errors
    /// When it may still be there.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        remove_file(&self.path(name))
    }

    /// The names of all files.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    /// Removes every file but `known` that was not written since `begun`; how many there were.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn sweep(&self, known: &BTreeSet<String>, begun: SystemTime) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let is_known = entry.file_name().to_str().is_some_and(|name| known.contains(name));
            if !is_known && entry.metadata()?.modified()? < begun {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Bytes that the disk has left for somebody who is not root.
    ///
    /// # Errors
    /// When the system does not say.
    pub(super) fn free(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.0)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Removes a file. One that is not there is no error.
///
/// # Errors
/// When it may still be there.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, SystemTime};

    use super::Staging;

    #[test]
    fn what_nobody_knows_is_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let staging = Staging::open(folder.path()).expect("the folder is writable");
        for name in ["known", "unknown"] {
            staging.file(name).expect("the folder is writable");
        }
        let known = BTreeSet::from(["known".to_owned(), "absent".to_owned()]);
        let sweep = |begun| staging.sweep(&known, begun).expect("the folder is readable");
        assert_eq!(sweep(SystemTime::UNIX_EPOCH), 0, "somebody has just begun them");
        assert_eq!(sweep(SystemTime::now() + Duration::from_secs(60)), 1);
        assert!(staging.path("known").exists() && !staging.path("unknown").exists());
        staging.remove("known").expect("it can be removed");
        staging.remove("known").expect("what is not there is removed already");
        assert!(staging.free().expect("the system says") > 0);
    }
}
