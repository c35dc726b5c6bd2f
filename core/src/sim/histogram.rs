//! How often each of millions of numbers came up, in a few kilobytes.
//!
//! Numbers below 1,024 are told apart; above, each power of two has 512 buckets, so a quantile is off by at most a
//! 512th (the buckets of HdrHistogram with one bit more). Nothing is ever removed.

/// A distribution of milliseconds, hops or whatever is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u64,
}

/// Numbers with a bucket of their own.
const EXACT: u64 = 1_024;

impl Histogram {
    /// Counts a number.
    pub fn add(&mut self, value: u64) {
        let bucket = bucket(value);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Counts all that another has counted.
    pub fn merge(&mut self, other: &Histogram) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The number that `per_thousand` of a thousand do not exceed, rounded down to its bucket; 0 when there is none.
    #[must_use]
    pub fn quantile(&self, per_thousand: u64) -> u64 {
        let rank = (self.total * per_thousand).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return least_of(bucket);
            }
        }
        0
    }

    /// The largest number, rounded down to its bucket.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.quantile(1_000)
    }

    /// The mean; 0 when there is none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum as f64 / self.total as f64 }
    }
}

fn bucket(value: u64) -> usize {
    if value < EXACT {
        return value as usize;
    }
    let power = u64::from(value.ilog2()) - 10;
    // Of each power of two above, the 512 upper halves of the ten leading bits.
    (EXACT + power * 512 + ((value >> (power + 1)) - 512)) as usize
}

fn least_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let (power, place) = ((bucket - EXACT) / 512, (bucket - EXACT) % 512);
    (512 + place) << (power + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn buckets_are_one_behind_the_other_and_narrow() {
        let mut before = 0;
        for value in (0..5_000).chain((0..50).map(|power| 1 << power)).chain([u64::MAX]) {
            let least = least_of(bucket(value));
            assert!(least <= value && value - least <= value / 512, "{value}");
        }
        for value in 0..100_000 {
            assert!(bucket(value) == before || bucket(value) == before + 1, "{value}");
            before = bucket(value);
        }
    }

    #[test]
    fn quantiles_of_two_halves_are_those_of_the_whole() {
        let (mut whole, mut even, mut odd) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        assert_eq!((whole.quantile(500), whole.most()), (0, 0));
        for value in 1..=999 {
            whole.add(value);
            if value % 2 == 0 { even.add(value) } else { odd.add(value) }
        }
        even.merge(&odd);
        assert_eq!(even, whole);
        assert_eq!((whole.quantile(500), whole.quantile(990), whole.most()), (500, 990, 999));
        assert!((whole.mean() - 500.0).abs() < 1e-9);
    }
}
