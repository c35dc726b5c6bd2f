//! What is on its way into the store and counts as if it were there: whoever looks whether there is room counts it, too, so
//! that many that fit alone are not taken together.
//!
//! Kept in memory: what is under way begins anew after a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chanterelle_core::base::{AuthorId, BlobId};

/// Everything that is reserved. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Reserved(Arc<Mutex<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    next: u64,
    parts: BTreeMap<u64, Part>,
}

#[derive(Debug)]
struct Part {
    id: BlobId,
    author: Option<AuthorId>,
    size: u64,
    written: u64,
}

/// Room for one blob, which is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    number: u64,
    reserved: Reserved,
}

impl Reserved {
    /// Reserves room for a blob, at the cost of `author`. Whether there is some is known to the caller.
    pub(super) fn take(&self, id: BlobId, author: Option<AuthorId>, size: u64) -> Reservation {
        let mut parts = self.lock();
        parts.next += 1;
        let number = parts.next;
        parts.parts.insert(number, Part { id, author, size, written: 0 });
        Reservation { number, reserved: self.clone() }
    }

    /// Whether something is reserved for the blob.
    pub(super) fn has(&self, id: &BlobId) -> bool {
        self.lock().parts.values().any(|part| part.id == *id)
    }

    /// Bytes in all.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().parts.values().map(|part| part.size).sum()
    }

    /// Those of them that are not on the disk yet.
    pub(super) fn missing(&self) -> u64 {
        self.lock().parts.values().map(|part| part.size.saturating_sub(part.written)).sum()
    }

    /// Bytes at the cost of an author.
    pub(super) fn bytes_of(&self, author: &AuthorId) -> u64 {
        self.lock().parts.values().filter(|part| part.author == Some(*author)).map(|part| part.size).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().expect("no code panics while it holds this")
    }
}

impl Reservation {
    /// So many bytes more are on the disk.
    pub(super) fn wrote(&self, bytes: u64) {
        if let Some(part) = self.reserved.lock().parts.get_mut(&self.number) {
            part.written = part.written.saturating_add(bytes);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.reserved.lock().parts.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::{AuthorId, BlobId};

    use super::Reserved;

    #[test]
    fn what_is_reserved_counts_until_it_is_let_go() {
        let reserved = Reserved::default();
        let (id, author) = (BlobId([1; 32]), AuthorId([2; 32]));
        let first = reserved.take(id, Some(author), 100);
        let second = reserved.take(id, None, 10);
        first.wrote(60);
        assert_eq!((reserved.bytes(), reserved.missing(), reserved.bytes_of(&author)), (110, 50, 100));
        first.wrote(60);
        assert_eq!(reserved.missing(), 10, "what is written twice is there once");
        drop(first);
        assert_eq!((reserved.bytes(), reserved.bytes_of(&author), reserved.has(&id)), (10, 0, true));
        drop(second);
        assert!(!reserved.has(&id));
    }
}
