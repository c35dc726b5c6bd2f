//! Rateless invertible Bloom lookup tables: sums of a set from which the difference to another set can be taken.
//!
//! Yang, Gilad, Alizadeh, "Practical Rateless Set Reconciliation", SIGCOMM 2024 (arXiv 2402.02668): section 4.2 for
//! the mapping. A symbol is in cell i with a probability of about 1 / (1 + α i). Of the paper's α = 1/2 the decoder
//! needs 1.37 cells a difference for 1,000 differences, 1.45 once in a hundred times. Here α is 1/8 for 3 of 16
//! symbols and 3/4 for the others (the paper's irregular codes), and no step is longer than a draw of 1/32 makes
//! it, so that hardly two symbols are in the same cells all along, which would hold up decoding for long: 1.21
//! cells, 1.30 once in a hundred times, found by trying. These powers are made of square roots, which IEEE 754
//! rounds in one way on every target.
//!
//! A cell is one word: the exclusive or of the short names (48 bits) and of their checks (16 bits). It counts
//! nothing: who has an event is told by looking it up. A wrong name that passes for the only one in a cell, with a
//! probability below 2^-16 / (1 + α i) for each cell looked at, is taken out like any other, and comes out again,
//! and is then taken back, when what it was made of has been found. Knows no events, only their short names.

use super::short::{SHORT_BITS, SHORT_MASK};

/// Steps that decoding may take for each cell. A symbol is in about 18 of 2,000 cells and 30 of 65,536, and no more
/// symbols come out than there are cells; a hostile peer may choose names that are in more, and that come out again
/// and again.
const STEPS: usize = 32;

/// Steps beside those, for what is found by mistake in few cells.
const STEPS_MORE: usize = 1_024;

/// Cells to ask for when about so many differences are expected, by a guess with a standard deviation of 6 %. Of
/// 1,000 they are enough unless the guess was more than 15 % too low; of 5 to 50 they are too few in 2 cases of
/// 100, because what few need varies most. Too few cost a round trip and half as many again.
pub(super) fn needed(differences: u64) -> u64 {
    (differences.saturating_mul(3) / 2).saturating_add(differences.isqrt() * 2 + 10)
}

/// A short name with its check, as it is added up in cells.
pub(super) fn symbol(short: u64, key: u64) -> u64 {
    short | (seed(short, key) & !SHORT_MASK)
}

/// Adds a symbol to each cell it belongs to, or takes it away again.
pub(super) fn toggle(cells: &mut [u64], symbol: u64, key: u64) {
    let mut walk = Walk::new(symbol, key);
    while let Some(cell) = cells.get_mut(walk.at) {
        *cell ^= symbol;
        walk.step();
    }
}

/// The short names, ascending, whose sums these cells are. `None` when there are too few cells to tell, or when
/// they are no such sums.
pub(super) fn decode(mut cells: Vec<u64>, key: u64) -> Option<Vec<u64>> {
    let mut steps = cells.len() * STEPS + STEPS_MORE;
    let mut found = Vec::new();
    let mut way = Vec::new();
    let mut ready: Vec<usize> = (0..cells.len()).filter(|at| is_single(cells[*at], key)).collect();
    // All that are ready before what becomes so: what was taken out by mistake comes out again at once in some
    // other cell, and would be put back and taken out for ever while the rest waits.
    while !ready.is_empty() {
        for at in core::mem::take(&mut ready) {
            let symbol = cells[at];
            if !is_single(symbol, key) {
                continue;
            }
            way.clear();
            let mut walk = Walk::new(symbol, key);
            while walk.at < cells.len() {
                way.push(walk.at);
                walk.step();
            }
            steps = steps.checked_sub(way.len())?;
            // That it belongs here is worth some more bits of check.
            if way.binary_search(&at).is_err() {
                continue;
            }
            found.push(symbol & SHORT_MASK);
            for at in &way {
                cells[*at] ^= symbol;
                if is_single(cells[*at], key) {
                    ready.push(*at);
                }
            }
        }
    }
    cells.iter().all(|cell| *cell == 0).then(|| odd(found))
}

/// What occurs an odd number of times: the rest was taken out and put back.
fn odd(mut names: Vec<u64>) -> Vec<u64> {
    names.sort_unstable();
    let mut odd = Vec::with_capacity(names.len());
    for name in names {
        if odd.last() == Some(&name) {
            odd.pop();
        } else {
            odd.push(name);
        }
    }
    odd
}

/// Whether the cell looks as if it had one symbol.
fn is_single(cell: u64, key: u64) -> bool {
    cell != 0 && symbol(cell & SHORT_MASK, key) == cell
}

/// The way of a symbol through the cells it is in.
struct Walk {
    state: u64,
    at: usize,
    is_dense: bool,
}

impl Walk {
    fn new(symbol: u64, key: u64) -> Self {
        let state = seed(symbol & SHORT_MASK, key);
        Self { state, at: 0, is_dense: state % 16 < 3 }
    }

    /// To the next cell. With x = 1 / u, u uniform between 1/32 and 1, the gap is (i + c)(x^α - 1), c = (1 + 1/α) /
    /// 2, rounded up.
    fn step(&mut self) {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let uniform = (mix(self.state) as f64 + 1.0) / 18_446_744_073_709_551_616.0;
        let half = (32.0 / (1.0 + 31.0 * uniform)).sqrt();
        let quarter = half.sqrt();
        let (power, shift) = if self.is_dense { (quarter.sqrt(), 4.5) } else { (half * quarter, 7.0 / 6.0) };
        let gap = (self.at as f64 + shift) * (power - 1.0);
        // A float beyond its bounds becomes the bound.
        self.at = self.at.saturating_add((gap.ceil() as usize).max(1));
    }
}

/// What decides the way of a symbol, and its check in the upper bits.
fn seed(short: u64, key: u64) -> u64 {
    mix(short ^ key)
}

/// The last steps of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014): each
/// bit of the result depends on each bit. No secret hangs on it: whoever fills cells knows the key.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

const _: () = assert!(SHORT_BITS == 48, "a cell holds a short name and 16 bits of check");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::set_of;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const KEY: u64 = 0x0123_4567_89ab_cdef;

    fn names(from: u64, count: u64) -> Vec<u64> {
        (from..from + count).map(|n| mix(n) & SHORT_MASK).collect()
    }

    fn cells_of(names: &[u64], count: usize) -> Vec<u64> {
        let mut cells = vec![0; count];
        names.iter().for_each(|name| toggle(&mut cells, symbol(*name, KEY), KEY));
        cells
    }

    #[test]
    fn the_difference_of_two_sets_comes_out_of_their_cells() {
        for differences in [0, 1, 2, 10, 100, 1_000] {
            let count = differences * 2 + 60;
            let (mut ours, common) = (names(0, differences as u64 / 2), names(1_000_000, 5_000));
            let mut theirs = names(2_000_000, differences as u64 - ours.len() as u64);
            let mut expected = [ours.as_slice(), &theirs].concat();
            expected.sort_unstable();
            ours.extend(&common);
            theirs.extend(&common);
            let cells =
                cells_of(&ours, count).iter().zip(cells_of(&theirs, count)).map(|(a, b)| a ^ b).collect();
            assert_eq!(decode(cells, KEY), Some(expected), "{differences}");
        }
    }

    #[test]
    fn too_few_cells_give_nothing() {
        let names = names(0, 1_000);
        assert_eq!(decode(cells_of(&names, 1_000), KEY), None);
        assert_eq!(decode(Vec::new(), KEY), Some(Vec::new()));
    }

    /// More cells, never others.
    #[test]
    fn cells_go_on_where_they_ended() {
        let names = names(0, 100);
        assert_eq!(cells_of(&names, 50)[..], cells_of(&names, 90)[..50]);
    }

    #[test]
    fn a_symbol_is_in_fewer_and_fewer_cells() {
        let cells = 4_096;
        let mut members = vec![0_u32; cells];
        for name in names(0, 20_000) {
            let mut walk = Walk::new(symbol(name, KEY), KEY);
            while walk.at < cells {
                members[walk.at] += 1;
                walk.step();
            }
        }
        assert_eq!(members[0], 20_000, "all are in the first");
        for at in [100_usize, 1_000, 4_000] {
            let near: u32 = members[at - 50..at + 50].iter().sum();
            let mean = |alpha: f64| 20_000.0 / (1.0 + alpha * at as f64);
            // More than without a bound on the steps.
            let expected = (mean(0.125) * 3.0 + mean(0.75) * 13.0) / 16.0;
            let share = f64::from(near) / 100.0 / expected;
            assert!((1.0..1.25).contains(&share), "{share} of what is expected around cell {at}");
        }
    }

    /// Two names whose sum looks like a third: it is taken out, comes out again when one of the two is found, and
    /// is put back.
    #[test]
    fn what_only_looked_like_a_name_heals() {
        let names = names(0, 2_000);
        let pairs = names.iter().enumerate().flat_map(|(at, a)| names[..at].iter().map(move |b| (*a, *b)));
        let sum = |(a, b): (u64, u64)| symbol(a, KEY) ^ symbol(b, KEY);
        let mut healed = 0;
        for (a, b) in pairs.filter(|pair| is_single(sum(*pair), KEY)) {
            let expected = vec![a.min(b), a.max(b)];
            match decode(cells_of(&[a, b], 24), KEY) {
                Some(found) => assert_eq!(found, expected),
                None => continue,
            }
            healed += 1;
        }
        assert!(healed > 20, "{healed} of about 30");
        assert_eq!(odd(vec![5, 3, 5, 5, 3]), [5]);
    }

    #[test]
    fn cells_that_all_look_like_single_names_end() {
        let hostile: Vec<u64> = names(0, 4_096).into_iter().map(|name| symbol(name, KEY)).collect();
        assert_eq!(decode(hostile, KEY), None);
        let one = symbol(names(0, 1)[0], KEY);
        assert_eq!(decode(vec![one; 4_096], KEY), None);
    }

    #[test]
    fn a_check_is_rarely_right_by_chance() {
        let passed = (0..1_000_000).filter(|n| is_single(mix(*n), KEY)).count();
        assert!((3..40).contains(&passed), "{passed} of a million, about 15 expected");
    }

    /// The same on every target: what is in a cell is part of the protocol.
    #[test]
    fn the_way_of_a_symbol_is_fixed() {
        let way = |name: u64| {
            let mut walk = Walk::new(symbol(name, KEY), KEY);
            let mut way = Vec::new();
            while walk.at < 1_000_000_000 {
                way.push(walk.at);
                walk.step();
            }
            way
        };
        let ways: Vec<Vec<usize>> = names(0, 2_000).into_iter().map(way).collect();
        assert!(ways.iter().all(|way| way.is_sorted_by(|a, b| a < b)));
        let all: Vec<u8> = ways.concat().iter().flat_map(|at| (*at as u64).to_le_bytes()).collect();
        assert_eq!(
            blake3::hash(&all).to_hex().as_str(),
            "0cccb0cca4e3abbd76b15b82cd82eb187b593e062b6fb487769b6513073b9309"
        );
        assert_eq!(set_of(ways.iter().map(|way| way[0])).len(), 1);
    }
}
