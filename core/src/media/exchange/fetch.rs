//! One blob that is fetched: which of its groups are under way, and which comes next.
//!
//! Rarest first, as BitTorrent does (Cohen, "Incentives Build Robustness in BitTorrent", 2003, section 2.4.1), then in
//! order. Whom to ask is not decided here.

use crate::base::{Instant, PeerId};
use crate::media::Groups;

use super::api::Priority;

/// A blob that is fetched.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) size: u64,
    /// What events say of the size beside that.
    pub(super) other_sizes: Vec<u64>,
    pub(super) priority: Priority,
    /// When it was wanted, among those of one priority.
    pub(super) order: u64,
    pub(super) hints: Vec<PeerId>,
    /// Asked for and not answered.
    pub(super) asked: Groups,
    /// Verified and not stored yet.
    pub(super) writing: Groups,
    /// For each group how many peers have it that do not have all; empty when there is no such peer.
    rarity: Vec<u16>,
    partial: u32,
    /// Where the order of equally rare groups begins while others trade in parts of the blob, so that two who fetch
    /// it do not ask the same peer for the same.
    start: u32,
    /// Left alone until then, because it could not be stored.
    pub(super) paused: Option<Instant>,
    /// For how many turns nobody was found that holds it.
    pub(super) turns: u32,
    /// Whether somebody who can be asked has some of it that is not here, as was last found out.
    pub(super) is_found: bool,
}

impl Fetch {
    pub(super) fn new(size: u64, total: u32, priority: Priority, order: u64, start: u32) -> Self {
        Self {
            size,
            other_sizes: Vec::new(),
            priority,
            order,
            hints: Vec::new(),
            asked: Groups::none(total),
            writing: Groups::none(total),
            rarity: Vec::new(),
            partial: 0,
            start,
            paused: None,
            turns: 0,
            is_found: false,
        }
    }

    /// Counts what somebody holds in part, or no longer.
    pub(super) fn count(&mut self, groups: &Groups, is_there: bool) {
        if groups.is_all() || groups.is_none() || groups.total() != self.asked.total() {
            return;
        }
        if self.rarity.is_empty() {
            self.rarity = vec![0; self.asked.total() as usize];
        }
        for at in 0..groups.words() {
            let mut word = groups.word(at);
            while word != 0 {
                let rarity = &mut self.rarity[(at * 64 + word.trailing_zeros()) as usize];
                *rarity = if is_there { rarity.saturating_add(1) } else { rarity.saturating_sub(1) };
                word &= word - 1;
            }
        }
        self.partial = if is_there { self.partial + 1 } else { self.partial.saturating_sub(1) };
        if self.partial == 0 {
            self.rarity = Vec::new();
        }
    }

    /// Whether some group is neither held nor under way.
    pub(super) fn has_free(&self, held: &Groups) -> bool {
        (0..held.words()).any(|at| self.free(held, at) != 0)
    }

    /// The group that proves the size, while events disagree about that and nobody gave it.
    pub(super) fn proof(&self, held: &Groups) -> Option<u32> {
        let last = self.asked.total() - 1;
        let is_open = !self.other_sizes.is_empty() && !held.contains(last) && !self.writing.contains(last);
        is_open.then_some(last)
    }

    /// What to ask somebody for who has `theirs`: at most `most` groups in a row.
    pub(super) fn pick(&self, held: &Groups, theirs: &Groups, most: u32) -> Option<(u32, u32)> {
        let start = if self.partial > 0 { self.start } else { 0 };
        // Nobody who has a group in part is rarer than none, or than this peer alone.
        let rarest = if theirs.is_all() { 0 } else { 1 };
        let words = held.words();
        let mut best: Option<(u16, u32)> = None;
        'search: for step in 0..=words {
            let at = (start / 64 + step) % words;
            let behind = u64::MAX << (start % 64);
            let part = if step == 0 {
                behind
            } else if step == words {
                !behind
            } else {
                u64::MAX
            };
            let mut free = self.free(held, at) & theirs.word(at) & part;
            while free != 0 {
                let group = at * 64 + free.trailing_zeros();
                let rarity = self.rarity(group);
                if best.is_none_or(|(least, _)| rarity < least) {
                    best = Some((rarity, group));
                    if rarity <= rarest || self.rarity.is_empty() {
                        break 'search;
                    }
                }
                free &= free - 1;
            }
        }
        let (rarity, first) = best?;
        let goes_on = |group: &u32| {
            self.free(held, group / 64) & theirs.word(group / 64) & 1 << (group % 64) != 0
                && self.rarity(*group) == rarity
        };
        let count = (first..held.total().min(first + most)).take_while(goes_on).count();
        Some((first, count as u32))
    }

    fn rarity(&self, group: u32) -> u16 {
        self.rarity.get(group as usize).copied().unwrap_or_default()
    }

    /// Groups that are neither held nor under way.
    fn free(&self, held: &Groups, at: u32) -> u64 {
        let left = held.total().saturating_sub(at * 64);
        let all = if left < 64 { (1 << left) - 1 } else { u64::MAX };
        all & !(held.word(at) | self.asked.word(at) | self.writing.word(at))
    }
}

#[cfg(test)]
mod tests {
    use super::{Fetch, Groups, Priority};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const TOTAL: u32 = 200;

    fn some(groups: impl IntoIterator<Item = u32>) -> Groups {
        let mut set = Groups::none(TOTAL);
        set.insert_all(groups);
        set
    }

    fn fetch(start: u32) -> Fetch {
        Fetch::new(u64::from(TOTAL) * 16_384, TOTAL, Priority::Original, 0, start)
    }

    #[test]
    fn in_order_while_all_hold_all() {
        let mut fetch = fetch(77);
        let (all, held) = (Groups::all(TOTAL), some(0..10));
        assert_eq!(fetch.pick(&held, &all, 16), Some((10, 16)));
        fetch.asked.insert_all(10..26);
        fetch.writing.insert_all(30..40);
        assert_eq!(fetch.pick(&held, &all, 16), Some((26, 4)));
        assert_eq!(fetch.pick(&some((0..30).chain(150..TOTAL)), &all, 16), Some((40, 16)));
        assert_eq!(fetch.pick(&some(0..195), &all, 16), Some((195, 5)));
        assert_eq!((fetch.pick(&all, &all, 16), fetch.has_free(&all)), (None, false));
    }

    #[test]
    fn the_rarest_first_then_from_the_start_on() {
        let mut fetch = fetch(77);
        let (all, none) = (Groups::all(TOTAL), Groups::none(TOTAL));
        let (one, other) = (some(0..150), some(100..TOTAL));
        fetch.count(&one, true);
        fetch.count(&other, true);
        assert_eq!(fetch.pick(&none, &all, 16), Some((77, 16)), "once as rare as 150 and more");
        assert_eq!(fetch.pick(&none, &other, 60), Some((150, 50)), "100 to 150 the first has, too");
        assert_eq!(fetch.pick(&none, &some(0..20), 16), Some((0, 16)), "from the beginning, after the end");
        assert_eq!(fetch.pick(&none, &some(110..120), 16), Some((110, 10)));
        fetch.count(&one, false);
        assert_eq!(fetch.pick(&none, &all, 16), Some((77, 16)), "now nobody else has it");
        fetch.count(&other, false);
        assert_eq!(fetch.pick(&none, &all, 16), Some((0, 16)), "nobody trades any more");
    }
}
