//! A file of the browser's as something that is read at offsets. Synchronous, as only workers may.

use web_sys::Blob;

use crate::clean::Source;
use crate::messages::CleanError;
use crate::store::{read_blob, words};

/// A file of the browser's.
pub(super) struct BlobSource {
    blob: Blob,
    size: u64,
}

impl BlobSource {
    pub(super) fn new(blob: Blob) -> Self {
        let size = blob.size() as u64;
        BlobSource { blob, size }
    }

    pub(super) fn blob(&self) -> &Blob {
        &self.blob
    }
}

impl Source for BlobSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), CleanError> {
        if at.checked_add(into.len() as u64).is_none_or(|end| end > self.size) {
            return Err(CleanError::Truncated);
        }
        // A file that was changed since it was chosen is refused by the browser.
        read_blob(&self.blob, at, into).map_err(|error| CleanError::Unreadable(words(&error)))
    }
}
