//! One at a time: who writes what just now.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

/// The names that are taken. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Busy<K: Ord>(Arc<Mutex<BTreeSet<K>>>);

/// That a name is taken. Dropping it gives the name back.
#[derive(Debug)]
pub(super) struct Taken<K: Ord + Copy> {
    name: K,
    busy: Busy<K>,
}

impl<K: Ord> Default for Busy<K> {
    fn default() -> Self {
        Busy(Arc::default())
    }
}

impl<K: Ord + Copy> Busy<K> {
    /// Takes a name; `None` when somebody has it.
    pub(super) fn take(&self, name: K) -> Option<Taken<K>> {
        let busy = Busy(self.0.clone());
        self.lock().insert(name).then(|| Taken { name, busy })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<K>> {
        self.0.lock().expect("no code panics while it holds this")
    }
}

impl<K: Ord + Copy> Drop for Taken<K> {
    fn drop(&mut self) {
        self.busy.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::Busy;

    #[test]
    fn a_name_is_taken_once_and_comes_back() {
        let busy = Busy::default();
        let taken = busy.take(1).expect("nobody has it");
        assert!(busy.take(1).is_none() && busy.take(2).is_some());
        drop(taken);
        assert!(busy.take(1).is_some());
    }
}
