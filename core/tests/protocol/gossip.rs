//! Laws of broadcast: who hears of an event, and what is remembered of a neighbour.

use std::collections::{BTreeMap, BTreeSet};

use chanterelle_core::base::{BoardId, EventId, PeerId, Seconds};
use chanterelle_core::gossip::{Interest, Neighbour, Push, Recent, recipients};
use chanterelle_core::store::Row;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::samples;
use super::strategies::laws;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn id(n: u8) -> EventId {
    EventId([n; 32])
}

fn row(n: u8, board: u8) -> Row {
    Row { id: id(n), board: BoardId([board; 32]), ..Row::of(&samples::event("post"), Seconds(0), false) }
}

fn interest(all: bool, boards: &BTreeSet<u8>) -> Interest {
    Interest { all, boards: boards.iter().map(|n| BoardId([*n; 32])).collect() }
}

#[derive(Clone, Debug)]
enum Action {
    Insert(u8),
    Forget(u8),
}

proptest! {
    #![proptest_config(laws(256))]

    /// Against a naive twin that forgets nothing by itself.
    #[test]
    fn the_latest_are_remembered(
        limit in 2..9_usize,
        actions in vec(prop_oneof![4 => (0..20_u8).prop_map(Action::Insert), 1 => (0..20_u8).prop_map(Action::Forget)], 0..60),
    ) {
        // What was put in, in this order, and whether it was not forgotten since.
        let (mut recent, mut all) = (Recent::new(limit), Vec::<(u8, bool)>::new());
        let forget = |all: &mut Vec<(u8, bool)>, n| all.iter_mut().filter(|(held, _)| *held == n).for_each(|entry| entry.1 = false);
        for action in actions {
            match action {
                Action::Insert(n) => {
                    let is_new = !recent.contains(&id(n));
                    prop_assert_eq!(recent.insert(id(n)), is_new);
                    if is_new {
                        forget(&mut all, n);
                        all.push((n, true));
                    }
                }
                Action::Forget(n) => {
                    recent.forget(&id(n));
                    forget(&mut all, n);
                }
            }
            let remembered: Vec<u8> = (0..20).filter(|n| recent.contains(&id(*n))).collect();
            prop_assert!(remembered.len() <= limit);
            prop_assert!(remembered.iter().all(|n| all.contains(&(*n, true))));
            let mut latest = all[all.len().saturating_sub(limit / 2)..].iter();
            prop_assert!(latest.all(|(n, is_held)| !is_held || remembered.contains(n)), "{:?} of {:?}", remembered, all);
        }
    }

    /// A neighbour hears of an event when it asked for its board and is not known to have it: the id alone where it
    /// wants that, and the event never twice.
    #[test]
    fn a_neighbour_hears_what_it_asked_for_once(
        wishes in vec((any::<bool>(), btree_set(0..4_u8, 0..3), btree_set(0..4_u8, 0..2), any::<bool>()), 1..6),
        pruned in vec((0..6_usize, 0..4_u8), 0..6),
        events in vec(0..8_u8, 0..30),
        known in vec((0..6_usize, 0..8_u8), 0..10),
    ) {
        let mut neighbours: BTreeMap<PeerId, Neighbour> = BTreeMap::new();
        for (n, (all, boards, lazy, lazy_of_others)) in (0..).zip(&wishes) {
            let mut neighbour = Neighbour::new(100);
            neighbour.interest = interest(*all, boards);
            neighbour.lazy = interest(false, lazy).boards;
            neighbour.lazy_of_others = *lazy_of_others;
            neighbours.insert(PeerId([n; 32]), neighbour);
        }
        for (peer, board) in &pruned {
            if let Some(neighbour) = neighbours.values_mut().nth(*peer) {
                neighbour.prune(BoardId([*board; 32]));
            }
        }
        let mut has: BTreeSet<(usize, u8)> = BTreeSet::new();
        for (peer, event) in known {
            if let Some(neighbour) = neighbours.values_mut().nth(peer) {
                neighbour.has.insert(id(event));
                has.insert((peer, event));
            }
        }
        for event in events {
            // An event has one board and one author.
            let (board, own) = (event % 4, event < 4);
            let told = recipients(&Row { own, ..row(event, board) }, neighbours.iter_mut());
            let hears = wishes.iter().enumerate().filter(|(_, (all, boards, ..))| *all || boards.contains(&board));
            let expected: Vec<(PeerId, Push)> = hears
                .filter_map(|(peer, (_, _, lazy, lazy_of_others))| {
                    let is_lazy =
                        !own && (*lazy_of_others || lazy.contains(&board) || pruned.contains(&(peer, board)));
                    let push = if is_lazy { Push::Lazy } else { Push::Eager };
                    let is_news = if is_lazy { !has.contains(&(peer, event)) } else { has.insert((peer, event)) };
                    is_news.then(|| (PeerId([u8::try_from(peer).expect("few"); 32]), push))
                })
                .collect();
            prop_assert_eq!(told, expected);
        }
    }

    #[test]
    fn an_interest_covers_its_boards(all: bool, boards in btree_set(0..8_u8, 0..6), board in 0..8_u8) {
        let covers = interest(all, &boards).covers(&BoardId([board; 32]));
        prop_assert_eq!(covers, all || boards.contains(&board));
    }
}

#[test]
fn whoever_asked_for_nothing_hears_nothing() {
    let mut neighbours = BTreeMap::from([(PeerId([1; 32]), Neighbour::new(2))]);
    assert_eq!(recipients(&row(1, 1), neighbours.iter_mut()), []);
    let neighbour = neighbours.get_mut(&PeerId([1; 32])).expect("put above");
    assert!(!neighbour.has.contains(&id(1)), "what was not sent is not taken to be known");
}
