//! What of the data belongs to samples that stay; everything else in it is emptied.

use super::super::Plan;
use super::samples::{MAX_RANGES, OPEN};
use crate::messages::CleanError;

/// The data of a file.
#[derive(Default)]
pub(super) struct Data {
    /// Where it lies, in order.
    places: Vec<(u64, u64)>,
    /// What stays, in any order, over each other or not.
    kept: Vec<(u64, u64)>,
}

impl Data {
    /// Whether there is any.
    pub(super) fn is_there(&self) -> bool {
        !self.places.is_empty()
    }

    /// There is data between two places, behind all that was named before.
    pub(super) fn lies(&mut self, from: u64, end: u64) {
        self.places.push((from, end));
    }

    /// These stay; one that ends at [`OPEN`] reaches to the next.
    pub(super) fn keep(&mut self, ranges: Vec<(u64, u64)>) -> Result<(), CleanError> {
        if self.kept.len() + ranges.len() > MAX_RANGES {
            return Err(CleanError::TooMuch);
        }
        self.kept.extend(ranges);
        Ok(())
    }

    /// Empties what does not stay.
    pub(super) fn empty_rest(mut self, plan: &mut Plan) -> Result<(), CleanError> {
        self.kept.sort_unstable();
        self.kept.dedup_by(|next, last| {
            if last.1 == OPEN && next.0 > last.0 {
                last.1 = next.0;
            }
            let goes_on = next.0 <= last.1;
            if goes_on {
                last.1 = last.1.max(next.1);
            }
            goes_on
        });
        let mut kept = self.kept.into_iter().peekable();
        for (from, end) in self.places {
            let mut at = from;
            while let Some((begins, ends)) = kept.peek().copied().filter(|(begins, _)| *begins < end) {
                plan.fill(at, begins.saturating_sub(at), 0)?;
                at = at.max(ends);
                if ends > end && ends != OPEN {
                    // It goes on in the next.
                    break;
                }
                kept.next();
            }
            plan.fill(at, end.saturating_sub(at), 0)?;
        }
        Ok(())
    }
}
