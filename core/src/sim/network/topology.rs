//! Who is connected to whom at the beginning of a run.

use std::collections::BTreeSet;

use super::pair;
use crate::base::BoardName;
use crate::crypto::Rng;
use crate::sim::peer::Peer;
use crate::sim::scenario::Scenario;

/// Every tab with one relay, relays with each other, and some tabs with some that share a board. Without relays the
/// tabs of a board form a ring beside, so that it is in one piece.
pub(super) fn connect(rng: &mut Rng, scenario: &Scenario, peers: &[Peer]) -> BTreeSet<(usize, usize)> {
    let mut links = BTreeSet::new();
    let relays = scenario.relays;
    for a in 0..relays {
        links.extend((a + 1..relays).map(|b| (a, b)));
    }
    for tab in &peers[relays..] {
        if relays > 0 {
            links.insert(pair(rng.below(relays as u64) as usize, tab.number));
        }
        let shares = |other: &&Peer| other.number != tab.number && !other.boards.is_disjoint(&tab.boards);
        let others: Vec<usize> = peers[relays..].iter().filter(shares).map(|other| other.number).collect();
        for _ in 0..scenario.neighbours.min(others.len()) {
            links.insert(pair(tab.number, others[rng.below(others.len() as u64) as usize]));
        }
    }
    if relays == 0 {
        let boards: BTreeSet<&BoardName> = peers.iter().flat_map(|peer| &peer.boards).collect();
        for board in boards {
            let readers: Vec<usize> =
                peers.iter().filter(|peer| peer.boards.contains(board)).map(|peer| peer.number).collect();
            let next = readers.iter().cycle().skip(1);
            links.extend(readers.iter().zip(next).filter(|(a, b)| a != b).map(|(&a, &b)| pair(a, b)));
        }
    }
    links
}
