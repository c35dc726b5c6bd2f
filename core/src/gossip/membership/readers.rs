//! Who reads which board, of those that may be told of.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use crate::base::{BoardId, PeerId};
use crate::crypto::Rng;

/// Readers looked at for each board that somebody asks for: boards have thousands.
const LOOKED_AT: usize = 16;

/// Readers told at a time: those who share the most boards, and as many others by chance, so that friends of one board do
/// not become an island.
const TOLD: usize = 8;

/// The readers of every board.
#[derive(Debug, Default)]
pub struct Readers {
    boards: BTreeMap<BoardId, BTreeSet<PeerId>>,
}

impl Readers {
    /// Adds or removes a reader of these boards.
    pub fn set<'a>(&mut self, peer: PeerId, boards: impl IntoIterator<Item = &'a BoardId>, reads: bool) {
        for board in boards {
            let readers = self.boards.entry(*board).or_default();
            if reads {
                readers.insert(peer);
            } else {
                readers.remove(&peer);
            }
            if readers.is_empty() {
                self.boards.remove(board);
            }
        }
    }

    /// How many read a board.
    #[must_use]
    pub fn count(&self, board: &BoardId) -> usize {
        self.boards.get(board).map_or(0, BTreeSet::len)
    }

    /// At most [`TOLD`] others who read some of these boards.
    pub fn sharing<'a>(
        &self,
        peer: PeerId,
        boards: impl IntoIterator<Item = &'a BoardId>,
        rng: &mut Rng,
    ) -> Vec<PeerId> {
        let mut shared: BTreeMap<PeerId, usize> = BTreeMap::new();
        for readers in boards.into_iter().filter_map(|board| self.boards.get(board)) {
            let mut start = PeerId::default();
            rng.fill(&mut start.0);
            let round = readers.range((Excluded(start), Unbounded)).chain(readers.range(..=start));
            for reader in round.filter(|reader| **reader != peer).take(LOOKED_AT) {
                *shared.entry(*reader).or_default() += 1;
            }
        }
        let mut others: Vec<(usize, u64, PeerId)> =
            shared.into_iter().map(|(reader, boards)| (boards, rng.next_u64(), reader)).collect();
        others.sort_unstable_by(|a, b| b.cmp(a));
        let rest = others.split_off(others.len().min(TOLD / 2));
        let mut by_chance: Vec<(u64, PeerId)> =
            rest.into_iter().map(|(_, chance, peer)| (chance, peer)).collect();
        by_chance.sort_unstable();
        let best = others.into_iter().map(|(_, _, peer)| peer);
        best.chain(by_chance.into_iter().map(|(_, peer)| peer)).take(TOLD).collect()
    }
}
