//! Into which spans of days two peers cut a scope to compare it: single days where most of what differs lies, and
//! longer ones the older they are.
//!
//! Spans of 16^k days lie on the calendar, counted from the Unix epoch. A day belongs to the shortest span of which
//! 16 make up the block that holds the last day, or the block before: single days for the last 17 to 32 days, 16 at
//! a time for the last 272 to 512, and so on. Both sides find the same spans by two days alone, an old span changes
//! its bounds only when it joins a longer one, and a century has no more than 70.

use crate::base::Day;

/// Days in a block of single days, and spans in a block of longer ones.
const FACTOR: u64 = 16;

/// Spans there can be at most: eight lengths reach beyond the days that can be counted, 32 of each.
pub(super) const MAX_SPANS: usize = 256;

/// Days from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first.
    pub from: Day,
    /// The last.
    pub to: Day,
}

impl Span {
    /// Whether the day lies in it.
    #[must_use]
    pub fn contains(&self, day: Day) -> bool {
        (self.from..=self.to).contains(&day)
    }

    /// Whether a day lies in both.
    #[must_use]
    pub fn meets(&self, other: &Span) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// The spans from day `since` to day `last`, ascending; the first may begin in the middle of what it would be. None
/// when `since` is later.
pub(super) fn spans(since: Day, last: Day) -> Vec<Span> {
    let mut spans = Vec::new();
    let (mut from, last) = (u64::from(since.0), u64::from(last.0));
    while from <= last {
        let mut length = 1;
        while from / (length * FACTOR) + 1 < last / (length * FACTOR) {
            length *= FACTOR;
        }
        let to = (from / length * length + length - 1).min(last);
        spans.push(Span { from: day(from), to: day(to) });
        from = to + 1;
    }
    spans
}

fn day(number: u64) -> Day {
    Day(u32::try_from(number).expect("no later than the last day, which is one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn bounds(since: u32, last: u32) -> Vec<(u32, u32)> {
        spans(Day(since), Day(last)).iter().map(|span| (span.from.0, span.to.0)).collect()
    }

    #[test]
    fn the_last_days_are_single_and_older_ones_longer() {
        let single = |days: core::ops::RangeInclusive<u32>| days.map(|day| (day, day));
        assert_eq!(bounds(40, 40), [(40, 40)]);
        assert_eq!(bounds(41, 40), []);
        let expected: Vec<_> = [(5, 15), (16, 31)].into_iter().chain(single(32..=50)).collect();
        assert_eq!(bounds(5, 50), expected);
        // 4,000 = 250 * 16 = 15 * 256 + 160: days 3,984 to 4,000 are single, 3,584 to 3,983 in spans of 16.
        let long = (0..14).map(|n| (n * 256, n * 256 + 255));
        let middle = (224..249).map(|n| (n * 16, n * 16 + 15));
        let expected: Vec<_> = long.chain(middle).chain(single(3_984..=4_000)).collect();
        assert_eq!(bounds(0, 4_000), expected);
    }

    #[test]
    fn spans_are_few_and_cover_every_day_once() {
        for (since, last) in
            [(0, u32::MAX), (1, u32::MAX - 1), (u32::MAX, u32::MAX), (77, 65_537), (0, 20_720)]
        {
            let spans = spans(Day(since), Day(last));
            assert!(spans.len() <= MAX_SPANS, "{}", spans.len());
            assert_eq!((spans[0].from.0, spans.last().map(|span| span.to.0)), (since, Some(last)));
            assert!(spans.windows(2).all(|pair| pair[0].to.0 + 1 == pair[1].from.0));
        }
        assert!(spans(Day(20_720 - 36_500 / 2), Day(20_720)).len() <= 70);
    }

    /// A day more changes few spans, so that what is kept for the others stays.
    #[test]
    fn a_new_day_leaves_old_spans_as_they_are() {
        for last in 20_000..20_300 {
            let (before, after) = (bounds(19_000, last), bounds(19_000, last + 1));
            let gone = before.iter().filter(|span| !after.contains(span)).count();
            assert!(gone <= 32, "{gone} of {}", before.len());
            if (last + 1) % 16 != 0 {
                assert_eq!(gone, 0);
            }
        }
    }

    #[test]
    fn spans_know_what_they_hold() {
        let span = Span { from: Day(3), to: Day(5) };
        assert!(
            span.contains(Day(3))
                && span.contains(Day(5))
                && !span.contains(Day(6))
                && !span.contains(Day(2))
        );
        let meets = |from, to| span.meets(&Span { from: Day(from), to: Day(to) });
        assert!(meets(5, 9) && meets(0, 3) && meets(4, 4) && meets(0, 9) && !meets(6, 9) && !meets(0, 2));
    }
}
