//! What a peer may cost us before we part: points that refill with time, and a price for each fault.
//!
//! A fault here is something an honest peer of this version never sends. An event from the future, a duplicate or a
//! lost answer costs nothing.

use crate::base::{Instant, Limits};

/// A frame that cannot be read: honest software sends none.
pub(super) const BAD_FRAME: u32 = 25;
/// An event refused for its bytes; one costs us a decoding and a signature check.
pub(super) const BAD_EVENT: u32 = 20;
/// A frame where it has no place.
pub(super) const MISPLACED: u32 = 5;
/// A frame above the sustained rate.
pub(super) const EXCESS: u32 = 1;

/// One peer's points and frame rate.
#[derive(Clone, Debug)]
pub struct Budget {
    points: u32,
    frames: u32,
    refilled: Instant,
}

impl Budget {
    /// A full budget.
    #[must_use]
    pub fn new(now: Instant, limits: &Limits) -> Self {
        Self { points: limits.budget_points, frames: Self::burst(limits), refilled: now }
    }

    /// Five seconds' worth at once: a first reconciliation of many boards, or what piled up in a hidden tab.
    fn burst(limits: &Limits) -> u32 {
        limits.frames_per_second * 5
    }

    /// Counts a frame that costs as much as several; false when the budget is spent.
    pub fn frames(&mut self, count: usize, now: Instant, limits: &Limits) -> bool {
        (0..count).all(|_| self.frame(now, limits))
    }

    /// Counts one frame; false when the budget is spent.
    pub fn frame(&mut self, now: Instant, limits: &Limits) -> bool {
        let seconds = u32::try_from(now.since(self.refilled).as_secs()).unwrap_or(u32::MAX);
        if seconds > 0 {
            let points = self.points.saturating_add(seconds.saturating_mul(limits.budget_refill));
            self.points = points.min(limits.budget_points);
            let frames = self.frames.saturating_add(seconds.saturating_mul(limits.frames_per_second));
            self.frames = frames.min(Self::burst(limits));
            // Whole seconds only, so that nothing is lost to rounding.
            self.refilled = self.refilled + core::time::Duration::from_secs(u64::from(seconds));
        }
        match self.frames.checked_sub(1) {
            Some(left) => {
                self.frames = left;
                true
            }
            None => self.charge(EXCESS),
        }
    }

    /// Takes points for a fault; false when the budget is spent.
    pub fn charge(&mut self, price: u32) -> bool {
        self.points = self.points.saturating_sub(price);
        self.points > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{BAD_EVENT, Budget};
    use crate::base::{Instant, Limits};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_rare_fault_is_forgiven_and_repetition_is_not() {
        let limits = Limits::default();
        let mut budget = Budget::new(Instant(0), &limits);
        for round in 0..100 {
            assert!(budget.frame(Instant(round * 60_000), &limits));
            assert!(budget.charge(BAD_EVENT), "one fault a minute");
        }
        let mut budget = Budget::new(Instant(0), &limits);
        assert_eq!((0..).take_while(|_| budget.charge(BAD_EVENT)).count(), 4);
    }

    #[test]
    fn the_sustained_rate_is_free_and_a_flood_is_not() {
        let limits = Limits::default();
        let mut budget = Budget::new(Instant(0), &limits);
        for frame in 0..10_000 {
            assert!(budget.frame(Instant(frame * 10), &limits), "100 a second");
        }
        let mut budget = Budget::new(Instant(0), &limits);
        let borne = (0..).take_while(|_| budget.frame(Instant(0), &limits)).count();
        assert_eq!(borne, 500 + 99);
    }
}
