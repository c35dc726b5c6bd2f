//! What a link does to frames. A seeded machine of its own: given a generator and a moment, it says when a frame
//! arrives, or that it does not.

use crate::base::Instant;
use crate::crypto::Rng;

/// The character of all links of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Shortest delay, milliseconds.
    pub least_ms: u64,
    /// Longest delay, milliseconds.
    pub most_ms: u64,
    /// Frames lost, of a thousand. A real session is an ordered stream and loses none; the protocol must bear it all
    /// the same.
    pub lost: u64,
    /// Frames that overtake others, of a thousand.
    pub reordered: u64,
    /// Whole sessions that break in a minute, of a thousand.
    pub broken: u64,
}

impl Link {
    /// A link without faults.
    pub const CLEAN: Link = Link { least_ms: 10, most_ms: 50, lost: 0, reordered: 0, broken: 0 };

    /// When a frame sent `now` arrives, after the one before it arrived at `previous`; `None` if never.
    pub(super) fn carry(&self, rng: &mut Rng, now: Instant, previous: Instant) -> Option<Instant> {
        let delay = self.least_ms + rng.below(self.most_ms - self.least_ms + 1);
        if chance(rng, self.lost) {
            return None;
        }
        let arrival = Instant(now.0 + delay);
        Some(if chance(rng, self.reordered) { arrival } else { arrival.max(previous) })
    }
}

/// True in `per_thousand` of a thousand cases.
pub(super) fn chance(rng: &mut Rng, per_thousand: u64) -> bool {
    per_thousand > 0 && rng.below(1_000) < per_thousand
}
