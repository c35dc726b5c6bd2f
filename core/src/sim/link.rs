//! What a link does to frames, in one direction: a seeded machine that says when a frame arrives, or that it does not.
//!
//! Knows no peers and no frames. Its shortest delay is what the engine may run ahead by, so nothing arrives sooner.

use super::dice::Dice;
use crate::base::Instant;

/// The character of all links of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Shortest delay, milliseconds; at least 1.
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

    /// The same without faults that last: its delays are what they were.
    pub(super) fn calmed(self) -> Link {
        Link { lost: 0, reordered: 0, broken: 0, ..self }
    }
}

/// One direction of one link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direction {
    dice: Dice,
    /// When the last frame arrives: a stream keeps the order.
    last: Instant,
}

impl Direction {
    pub(super) fn new(dice: Dice) -> Direction {
        Direction { dice, last: Instant(0) }
    }

    /// When a frame that leaves at `departure` arrives, `more_ms` later than others would; `None` if never.
    pub(super) fn carry(&mut self, link: &Link, departure: Instant, more_ms: u64) -> Option<Instant> {
        let delay = self.dice.within((link.least_ms, link.most_ms)) + more_ms;
        if self.dice.chance(link.lost) {
            return None;
        }
        let arrival = Instant(departure.0 + delay);
        if self.dice.chance(link.reordered) {
            return Some(arrival);
        }
        self.last = self.last.max(arrival);
        Some(self.last)
    }
}

/// What a peer sends by: frames leave one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uplink {
    /// Microseconds at which the last frame has left.
    free_us: u64,
}

impl Uplink {
    /// When a frame of `bytes` has left that is sent `now`, at `kbps` thousand bits a second (0: at once).
    pub(super) fn depart(&mut self, now: Instant, bytes: usize, kbps: u64) -> Instant {
        if kbps == 0 {
            return now;
        }
        let microseconds = bytes as u64 * 8_000 / kbps;
        self.free_us = self.free_us.max(now.0 * 1_000) + microseconds;
        Instant(self.free_us.div_ceil(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn frames_keep_their_order_unless_the_link_reorders() {
        let arrivals = |link: &Link| -> Vec<Instant> {
            let mut direction = Direction::new(Dice::new(1, &[]));
            (0..200).filter_map(|at| direction.carry(link, Instant(at), 0)).collect()
        };
        let in_order = arrivals(&Link::CLEAN);
        assert_eq!(in_order.len(), 200);
        assert!(in_order.is_sorted() && in_order[0].0 >= 10);
        let faulty = arrivals(&Link { lost: 100, reordered: 500, ..Link::CLEAN });
        assert!(!faulty.is_sorted() && (150..200).contains(&faulty.len()));
    }

    #[test]
    fn an_uplink_takes_the_time_its_bytes_need() {
        let mut uplink = Uplink::default();
        assert_eq!(uplink.depart(Instant(5), 1_000_000, 0), Instant(5));
        assert_eq!(uplink.depart(Instant(5), 1_000, 800), Instant(15));
        assert_eq!(uplink.depart(Instant(5), 1_000, 800), Instant(25), "behind the first");
        assert_eq!(uplink.depart(Instant(100), 1_000, 800), Instant(110));
    }
}
