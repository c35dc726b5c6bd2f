//! The block list: blobs that are neither stored, kept, taken nor given, by the operator's word.
//!
//! A file with one id a line; `#` begins a comment. It is read again when it changes. A line that names nothing is said in
//! the log and passed over, so that a slip of the pen unblocks nothing else. A file that is there and cannot be read
//! leaves what was read before in force.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use chanterelle_core::base::BlobId;

/// The file in the data folder.
pub(super) const FILE: &str = "blocked";

/// The list. Clones share it.
#[derive(Clone, Debug)]
pub struct Blocked {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    ids: BTreeSet<BlobId>,
    /// What this relay has made of those.
    forms: BTreeSet<BlobId>,
    /// Of the file that was read: when it was written, and its size.
    read: Option<(SystemTime, u64)>,
    /// Whether something that is blocked may still be here.
    is_due: bool,
    /// Whether it could not be read last time, so that this is said once.
    failing: bool,
}

impl Blocked {
    /// Reads the file at `path`, if there is one.
    #[must_use]
    pub fn open(path: PathBuf) -> Blocked {
        let blocked = Blocked { path, state: Arc::default() };
        blocked.refresh();
        blocked
    }

    /// Whether the blob is blocked.
    #[must_use]
    pub fn contains(&self, id: &BlobId) -> bool {
        let state = self.lock();
        state.ids.contains(id) || state.forms.contains(id)
    }

    /// The blobs that the list names.
    #[must_use]
    pub fn named(&self) -> BTreeSet<BlobId> {
        self.lock().ids.clone()
    }

    /// The same with what was made of them.
    #[must_use]
    pub fn all(&self) -> BTreeSet<BlobId> {
        let state = self.lock();
        state.ids.union(&state.forms).copied().collect()
    }

    /// Blocks what was made of what the list names, until the list changes; says whether that is news.
    pub fn block_forms(&self, forms: impl IntoIterator<Item = BlobId>) -> bool {
        let mut state = self.lock();
        let before = state.forms.len();
        state.forms.extend(forms);
        let is_news = state.forms.len() > before;
        state.is_due |= is_news;
        is_news
    }

    /// Whether something that is blocked may still be here.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.lock().is_due
    }

    /// Says whether it may.
    pub fn set_due(&self, is_due: bool) {
        self.lock().is_due = is_due;
    }

    /// Reads the file again if it has changed; says whether it has.
    pub fn refresh(&self) -> bool {
        let seen = match fs::metadata(&self.path).and_then(|meta| Ok((meta.modified()?, meta.len()))) {
            Ok(seen) => Some(seen),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return self.failed(&error),
        };
        if self.lock().read == seen && !self.lock().failing {
            return false;
        }
        let text = match seen {
            None => String::new(),
            Some(_) => match fs::read(&self.path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) => return self.failed(&error),
            },
        };
        let ids = parse(&text);
        tracing::info!(blobs = ids.len(), "the block list was read");
        *self.lock() = State { ids, read: seen, is_due: true, ..State::default() };
        true
    }

    fn failed(&self, error: &io::Error) -> bool {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.failing, true) {
            tracing::error!(%error, "the block list cannot be read; what was read of it before stays in force");
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this")
    }
}

fn parse(text: &str) -> BTreeSet<BlobId> {
    let mut ids = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let id = line.split('#').next().unwrap_or_default().trim();
        if id.is_empty() {
            continue;
        }
        match id.to_ascii_lowercase().parse() {
            Ok(id) => drop(ids.insert(id)),
            Err(_) => tracing::warn!(
                line = number + 1,
                "this line of the block list is not the 64 hexadecimal digits of a blob and blocks nothing"
            ),
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::BlobId;

    use super::{Blocked, parse};

    #[test]
    fn broken_lines_block_nothing_and_hinder_nothing() {
        let (one, two) = (BlobId([0xa1; 32]), BlobId([2; 32]));
        let upper = one.to_string().to_uppercase();
        let text = format!("# by order of a court\n{upper}  # a picture\n\nnonsense\n{two}0\n  {two}\n");
        assert_eq!(parse(&text).into_iter().collect::<Vec<_>>(), [two, one]);
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("blocked");
        let id = BlobId([7; 32]);
        let blocked = Blocked::open(path.clone());
        assert!(!blocked.contains(&id) && !blocked.refresh());
        std::fs::write(&path, format!("{id}\n")).expect("the folder is writable");
        assert!(blocked.refresh() && blocked.contains(&id));
        assert!(!blocked.refresh(), "nothing has changed since");
        std::fs::remove_file(&path).expect("the folder is writable");
        assert!(blocked.refresh() && !blocked.contains(&id));
    }

    #[test]
    fn a_file_that_cannot_be_read_unblocks_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("blocked");
        let id = BlobId([7; 32]);
        std::fs::write(&path, format!("{id}\n")).expect("the folder is writable");
        let blocked = Blocked::open(path.clone());
        std::fs::remove_file(&path).expect("the folder is writable");
        std::fs::create_dir(&path).expect("the folder is writable");
        assert!(!blocked.refresh() && blocked.contains(&id));
    }
}
