//! How much to ask of one peer at a time, from how fast it answers.
//!
//! The window is what the peer gives in one and a half round trips and an eighth of a second: enough that its connection
//! never runs dry while an answer is on its way, little enough that what is wanted later and sooner does not wait behind
//! it for long. It knows no blobs.

use core::time::Duration;

use crate::base::Instant;
use crate::media::tree::GROUP_BYTES;

const KIB: u64 = 1024;
/// Asked for before anything is known: two requests, so that the second is under way while the first is answered.
const FIRST_WINDOW: u64 = 256 * KIB;
const WINDOWS: core::ops::RangeInclusive<u64> = 64 * KIB..=8 * 1024 * KIB;
/// Two parts in a hundred of a request of two groups are parents; of less, twice as much.
const LEAST_GROUPS: u64 = 2;
const FIRST_GROUPS: u32 = 8;
/// What a peer is taken to give that answered nothing at all, bytes a second: it is asked for the least, which one that
/// gives a little can answer in time.
const SLOWEST: u64 = KIB;
/// Answers are counted over this long: shorter, and one burst looks like a fast connection.
const SAMPLE: Duration = Duration::from_millis(100);

/// What is known of a peer's speed.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Bytes a second; 0 is unknown.
    rate: u64,
    /// The shortest time from question to answer, milliseconds.
    round_trip: Option<u64>,
    /// Bytes asked for and not answered.
    in_flight: u64,
    /// Since when answers are counted, and their bytes.
    since: Instant,
    counted: u64,
    /// Whether the window was full since then, so that it was the peer who was slow.
    was_full: bool,
    /// When it last answered, or was first asked again after a pause.
    heard: Instant,
}

impl Pace {
    /// That of a peer which was too slow, or away.
    pub(super) fn slow() -> Self {
        Self { rate: SLOWEST, ..Self::default() }
    }

    pub(super) fn asked(&mut self, now: Instant, bytes: u64) {
        if self.in_flight == 0 {
            (self.since, self.counted, self.was_full, self.heard) = (now, 0, false, now);
        }
        self.in_flight += bytes;
        self.was_full |= !self.has_room();
    }

    /// An answer of `given` bytes to a question of `bytes`, asked at `asked`.
    pub(super) fn answered(&mut self, now: Instant, asked: Instant, bytes: u64, given: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
        self.heard = now;
        if given == 0 {
            return;
        }
        let took = (now.since(asked).as_millis() as u64).max(1);
        self.round_trip = Some(self.round_trip.map_or(took, |least| least.min(took)));
        self.counted += given;
        let passed = now.since(self.since);
        if passed >= SAMPLE || self.in_flight == 0 {
            let sample = self.counted * 1_000 / (passed.as_millis() as u64).max(1);
            // A peer that was asked for little was not slow.
            if self.rate == 0 || sample > self.rate || self.was_full {
                self.rate = if self.rate == 0 { sample } else { self.rate.midpoint(sample) }.max(1);
            }
            (self.since, self.counted, self.was_full) = (now, 0, !self.has_room());
        }
    }

    /// Whether more may be asked for.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.window()
    }

    /// Whether nothing is asked for.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0
    }

    /// When it last answered, or was first asked again after a pause.
    pub(super) fn heard(&self) -> Instant {
        self.heard
    }

    /// Groups of one request, at most `most`: what the peer gives in a quarter of a second.
    pub(super) fn groups(&self, most: u32) -> u32 {
        let groups = match self.rate {
            0 => FIRST_GROUPS,
            rate => u32::try_from((rate / 4 / GROUP_BYTES).max(LEAST_GROUPS)).unwrap_or(most),
        };
        groups.min(most)
    }

    /// How long `bytes` more would probably take.
    pub(super) fn expected(&self, bytes: u64) -> Duration {
        let rate = if self.rate == 0 { FIRST_WINDOW } else { self.rate };
        Duration::from_millis((self.in_flight + bytes) * 1_000 / rate + self.round_trip.unwrap_or_default())
    }

    fn window(&self) -> u64 {
        if self.rate == 0 {
            return FIRST_WINDOW;
        }
        // Rates of more than a terabyte a second are a clock that stood still.
        let rate = self.rate.min(1 << 40);
        let patience = (self.round_trip.unwrap_or_default() * 3 / 2).min(10_000) + 125;
        (rate * patience / 1_000).clamp(*WINDOWS.start(), *WINDOWS.end())
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_WINDOW, Instant, KIB, Pace};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Asks a peer of `rate` bytes a second and `delay` milliseconds for as much as the window allows; what it was given
    /// in `seconds`.
    fn run(rate: u64, delay: u64, seconds: u64) -> (u64, Pace) {
        let (mut pace, mut given, mut asked) = (Pace::default(), 0, Vec::new());
        let mut free_at = 0;
        for now in 0..seconds * 1_000 {
            while asked.first().is_some_and(|(done, _, _)| *done <= now) {
                let (_, at, bytes) = asked.remove(0);
                pace.answered(Instant(now), at, bytes, bytes);
                given += bytes;
            }
            while pace.has_room() {
                let bytes = u64::from(pace.groups(16)) * 16 * KIB;
                pace.asked(Instant(now), bytes);
                free_at = free_at.max(now + delay / 2) + bytes * 1_000 / rate;
                asked.push((free_at + delay / 2, Instant(now), bytes));
            }
        }
        (given, pace)
    }

    #[test]
    fn a_fast_peer_is_kept_busy() {
        for (rate, delay) in [(20_000_000, 50), (2_000_000, 200), (10_000_000, 20)] {
            let (given, _) = run(rate, delay, 5);
            assert!(given * 100 >= rate * 5 * 85, "{given} of {}", rate * 5);
        }
    }

    #[test]
    fn a_slow_peer_is_asked_for_little() {
        let (given, pace) = run(100_000, 50, 20);
        assert!(given * 100 >= 100_000 * 20 * 85, "{given}");
        assert!(pace.in_flight <= FIRST_WINDOW + 64 * KIB, "{}", pace.in_flight);
        assert_eq!(pace.groups(16), 2);
    }

    #[test]
    fn asking_for_little_does_not_make_a_peer_slow() {
        let (_, mut pace) = run(10_000_000, 20, 3);
        let before = pace.rate;
        pace.in_flight = 0;
        for second in 10..20 {
            pace.asked(Instant(second * 1_000), 100);
            pace.answered(Instant(second * 1_000 + 20), Instant(second * 1_000), 100, 100);
        }
        assert_eq!(pace.rate, before);
    }

    #[test]
    fn no_numbers_are_too_large() {
        let mut pace = Pace::default();
        pace.asked(Instant(5), u64::MAX >> 20);
        pace.answered(Instant(5), Instant(5), u64::MAX >> 20, u64::MAX >> 20);
        assert!(pace.has_room() && pace.groups(16) == 16);
        assert!(pace.expected(1 << 32).as_secs() < 1);
    }
}
