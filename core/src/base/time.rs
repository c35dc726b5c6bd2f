//! Two clocks that are never mixed: a monotonic one for deadlines, a wall clock for the claims in events.
//!
//! The crate owns neither; a shell passes [`Now`] into every call. Times in events are whole seconds, because
//! milliseconds would fingerprint a clock across pseudonyms.

use core::ops::Add;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on the shell's monotonic clock, in milliseconds from an arbitrary origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// Time since `earlier`, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(rhs.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Whole seconds since the Unix epoch. Untrusted when it comes out of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

impl Seconds {
    /// The moment `seconds` later.
    #[must_use]
    pub fn plus(self, seconds: u64) -> Seconds {
        Seconds(self.0.saturating_add(seconds))
    }

    /// The day it lies in.
    #[must_use]
    pub fn day(self) -> Day {
        Day(u32::try_from(self.0 / DAY).unwrap_or(u32::MAX))
    }
}

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// A day of universal time, counted from the Unix epoch. Whatever lies beyond the last that can be counted lies in that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub u32);

/// Both clocks at the moment of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic, for deadlines.
    pub instant: Instant,
    /// Wall clock, for events.
    pub unix: Seconds,
}

#[cfg(test)]
mod tests {
    use super::{Day, Duration, Instant, Seconds};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn days_are_those_of_universal_time() {
        assert_eq!(Seconds(86_399).day(), Day(0));
        assert_eq!(Seconds(86_400).day(), Day(1));
        assert_eq!(Seconds(u64::MAX).day(), Day(u32::MAX));
    }

    #[test]
    fn clocks_stop_at_their_ends() {
        assert_eq!(Instant(5) + Duration::from_micros(2_999), Instant(7), "whole milliseconds");
        assert_eq!(Instant(5) + Duration::MAX, Instant(u64::MAX));
        assert_eq!(Instant(9).since(Instant(4)), Duration::from_millis(5));
        assert_eq!(Instant(4).since(Instant(9)), Duration::ZERO);
        assert_eq!(Seconds(u64::MAX).plus(1), Seconds(u64::MAX));
    }
}
