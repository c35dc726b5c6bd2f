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
    /// Days since the Unix epoch.
    #[must_use]
    pub fn day(self) -> u64 {
        self.0 / 86_400
    }

    /// The moment `seconds` later.
    #[must_use]
    pub fn plus(self, seconds: u64) -> Seconds {
        Seconds(self.0.saturating_add(seconds))
    }
}

/// Both clocks at the moment of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic, for deadlines.
    pub instant: Instant,
    /// Wall clock, for events.
    pub unix: Seconds,
}
