//! What is evicted so that something else fits: strangers' blobs alone, the one shown longest ago first, and for a
//! stranger's sake only within the strangers' share.
//!
//! A pure choice over what the storage lists. It reads no clock and deletes nothing; own, pinned and followed blobs go when
//! the person says so, never because something new comes.

use crate::base::{BlobId, Seconds};

/// Why a blob is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeptFor {
    /// It is nobody's the person knows.
    Strangers,
    /// Its author is followed.
    Followed,
    /// The person asked for it to be kept, or a relay's operator did.
    Pinned,
    /// The person made it.
    Own,
}

/// A blob in the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The blob.
    pub id: BlobId,
    /// Bytes it takes, with its parents.
    pub size: u64,
    /// Why it is there.
    pub kept_for: KeptFor,
    /// How many pins hold it. With one it is never evicted, whatever it was kept for at first.
    pub pins: u32,
    /// When somebody last saw it.
    pub shown: Seconds,
}

impl Kept {
    fn is_strangers(&self) -> bool {
        self.kept_for == KeptFor::Strangers && self.pins == 0
    }
}

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes in all.
    pub total: u64,
    /// Of them for strangers' blobs: a quarter, by [`Quota::of`].
    pub strangers: u64,
}

/// Why nothing is evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// It is larger than all that strangers may have.
    #[error("{need} bytes are more than the {share} that others' files may take; keep it by pinning it")]
    Share {
        /// Bytes needed.
        need: u64,
        /// The strangers' share.
        share: u64,
    },
    /// Even without any stranger's blob there is no room.
    #[error(
        "{need} bytes do not fit beside the {kept} of {total} that are kept; remove something or allow more"
    )]
    Full {
        /// Bytes needed.
        need: u64,
        /// Bytes that are never evicted.
        kept: u64,
        /// Bytes allowed.
        total: u64,
    },
}

impl Quota {
    /// With a quarter for strangers.
    #[must_use]
    pub fn of(total: u64) -> Self {
        Self { total, strangers: total / 4 }
    }

    /// What to evict so that `need` bytes more of this class fit, in order: strangers' blobs, the one shown longest ago
    /// first, no more than needed. Blobs with the same time go by id, so that the choice depends on nothing else.
    ///
    /// # Errors
    /// When they cannot fit whatever is evicted; then nothing is.
    pub fn evict(&self, kept: &[Kept], need: u64, kept_for: KeptFor) -> Result<Vec<BlobId>, QuotaError> {
        // Wider than any list of sizes can fill.
        let sum = |is_meant: &dyn Fn(&Kept) -> bool| {
            kept.iter().filter(|kept| is_meant(kept)).map(|kept| u128::from(kept.size)).sum::<u128>()
        };
        let (mut strangers, others) = (sum(&Kept::is_strangers), sum(&|kept| !kept.is_strangers()));
        // How much of strangers' may stay.
        let Some(mut room) = u128::from(self.total).checked_sub(others + u128::from(need)) else {
            let kept = u64::try_from(others).unwrap_or(u64::MAX);
            return Err(QuotaError::Full { need, kept, total: self.total });
        };
        if kept_for == KeptFor::Strangers {
            let share = self.strangers;
            room = room.min(share.checked_sub(need).ok_or(QuotaError::Share { need, share })?.into());
        }
        let mut oldest: Vec<&Kept> = kept.iter().filter(|kept| kept.is_strangers()).collect();
        oldest.sort_unstable_by_key(|kept| (kept.shown, kept.id));
        let mut evicted = Vec::new();
        for kept in oldest {
            if strangers <= room {
                break;
            }
            strangers -= u128::from(kept.size);
            evicted.push(kept.id);
        }
        Ok(evicted)
    }
}
