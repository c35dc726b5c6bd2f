//! Who is connected to whom by the scenario, beside those that find each other.

use std::collections::BTreeSet;

use super::pair;
use crate::sim::dice::Dice;
use crate::sim::peer::Peer;
use crate::sim::shard::Shared;

/// Every tab with one relay, relays with each other, some tabs with some that share a board, honest peers with liars.
/// Without relays the tabs of a board form a ring beside, so that it is in one piece.
pub(super) fn connect(dice: &mut Dice, shared: &Shared, peers: &[Peer]) -> BTreeSet<(usize, usize)> {
    let scenario = &shared.scenario;
    let mut links = BTreeSet::new();
    let relays = scenario.relays;
    for a in 0..relays {
        links.extend((a + 1..relays).map(|b| (a, b)));
    }
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); scenario.boards];
    for tab in peers[relays..].iter().filter(|tab| !tab.is_liar) {
        tab.boards.iter().for_each(|board| readers[usize::from(*board)].push(tab.number));
    }
    for tab in peers[relays..].iter().filter(|tab| !tab.is_liar) {
        if relays > 0 {
            links.insert(pair(dice.below(relays as u64) as usize, tab.number));
        }
        for _ in 0..scenario.neighbours {
            let board = tab.boards[dice.below(tab.boards.len() as u64) as usize];
            let others = &readers[usize::from(board)];
            let other = others[dice.below(others.len() as u64) as usize];
            if other != tab.number {
                links.insert(pair(tab.number, other));
            }
        }
    }
    if relays == 0 {
        for readers in &readers {
            let next = readers.iter().cycle().skip(1);
            links.extend(readers.iter().zip(next).filter(|(a, b)| a != b).map(|(&a, &b)| pair(a, b)));
        }
    }
    let liars = shared.liars.clone();
    if !liars.is_empty() {
        for honest in peers.iter().filter(|peer| !peer.is_liar) {
            for _ in 0..scenario.liars_each {
                let liar = liars.start + dice.below(liars.len() as u64) as usize;
                links.insert(pair(honest.number, liar));
            }
        }
    }
    links
}
