//! Broadcast among peers that are alike: the tree that they make of their links, and how it is mended.

use chanterelle_core::base::{EventId, PeerId};
use chanterelle_core::crypto::SecretKey;
use chanterelle_core::node::Input;
use chanterelle_core::wire::Frame;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board};
use super::shell::{EPOCH, Shell, events_of, peer, record_of};
use super::world::World;

fn reader(number: u8) -> Shell {
    let mut shell = Shell::tab(number);
    shell.subscribe("cats");
    shell
}

/// Readers with links between any two.
fn mesh(readers: u8) -> World {
    let mut world = World::new((1..=readers).map(reader).collect());
    let readers = usize::from(readers);
    for a in 0..readers {
        (a + 1..readers).for_each(|b| world.link(a, b));
    }
    world.run(3_000);
    world
}

/// The ways on which an event was carried whole.
fn ways(world: &World, event: EventId) -> Vec<(usize, usize)> {
    let limits = world.shells[0].limits();
    let brings = |frame: &Frame| events_of(frame, limits).iter().any(|brought| brought.id() == event);
    let brought = world.carried.iter().filter(|(_, _, frame)| brings(frame));
    brought.map(|(from, to, _)| (*from, *to)).collect()
}

/// Writes a post on one shell and lets it spread; the ways it took.
fn spread(world: &mut World, author: usize) -> Vec<(usize, usize)> {
    world.carried.clear();
    let thread = world.shells[author].write_thread("cats", &format!("by {author}"));
    world.run(3_000);
    assert!(world.shells.iter().all(|shell| shell.holds(thread)));
    ways(world, thread)
}

fn says(shell: &mut Shell, to: PeerId, is: impl Fn(&Frame) -> bool) -> bool {
    shell.frames(to).iter().any(is)
}

#[test]
fn neighbours_make_a_tree_of_their_links_and_each_is_brought_an_event_once() {
    let mut world = mesh(6);
    // At first by every link. What a tab wrote itself it sends to all of its neighbours always.
    assert!(spread(&mut world, 0).len() > 5);
    for author in [0, 0, 0] {
        let ways = spread(&mut world, author);
        assert_eq!(ways.len(), 5, "{ways:?}");
    }
}

#[test]
fn one_tree_serves_every_author() {
    // A ring: what comes from one side must not come from the other.
    let mut world = World::new((1..=7).map(reader).collect());
    (0..7).for_each(|tab| world.link(tab, (tab + 1) % 7));
    world.run(3_000);
    (0..7).for_each(|author| drop(spread(&mut world, author)));
    let again: usize = (0..7).map(|author| spread(&mut world, author).len() - 6).sum();
    // Of a ring one link is too many. Only the two at its ends send their own over it, and then it is another.
    assert!(again <= 4, "{again}");
}

#[test]
fn a_branch_that_is_gone_is_mended_by_whoever_waits_and_stays_mended() {
    let mut world = mesh(5);
    (0..3).for_each(|_| drop(spread(&mut world, 0)));
    // Nobody hears of this from its author but one.
    (2..5).for_each(|tab| world.sever(0, tab));
    let mended = spread(&mut world, 0);
    assert_eq!(mended.len(), 4, "{mended:?}");
    world.carried.clear();
    let thread = world.shells[0].write_thread("cats", "and on");
    world.run(200);
    assert!(world.shells.iter().all(|shell| shell.holds(thread)), "without waiting");
    assert!(!world.carried.iter().any(|(_, _, frame)| matches!(frame, Frame::Graft { .. })));
}

#[test]
fn who_brings_again_what_came_just_now_is_asked_not_to() {
    let mut shell = reader(0x50);
    shell.greet_reader(peer(1), &["cats"]);
    shell.greet_reader(peer(2), &["cats"]);
    let news = author(1).thread("cats", "x", EPOCH);
    shell.hear_events(peer(1), 1, [&news]);
    shell.hear_events(peer(2), 1, [&news]);
    shell.advance(1_000);
    let prunes = |frame: &Frame| *frame == Frame::Prune { boards: vec![board("cats")] };
    assert!(says(&mut shell, peer(2), prunes));
    assert!(!says(&mut shell, peer(1), prunes));
    // Nor is it sent anything whole. It is told, and may ask.
    let next = author(1).thread("cats", "y", EPOCH);
    shell.hear_events(peer(1), 2, [&next]);
    shell.advance(1_000);
    let frames = shell.frames(peer(2));
    assert!(frames.contains(&Frame::Have { ids: vec![next.id()] }), "{frames:?}");
    assert!(frames.iter().all(|frame| events_of(frame, &shell.limits().clone()).is_empty()));
    shell.hear(peer(2), Frame::Graft { ids: vec![next.id()] });
    shell.advance(1_000);
    assert_eq!(shell.events(peer(2)), [next.id()]);
    // From now on it is.
    let last = author(1).thread("cats", "z", EPOCH);
    shell.hear_events(peer(1), 3, [&last]);
    shell.advance(1_000);
    assert_eq!(shell.events(peer(2)), [last.id()]);
}

#[test]
fn who_asks_for_one_branch_gets_the_other_direction_too() {
    let mut shell = reader(0x50);
    shell.greet_reader(peer(1), &["cats"]);
    let (news, reply) = (author(1).thread("cats", "x", EPOCH), author(2).thread("cats", "y", EPOCH));
    shell.hear(peer(1), Frame::Prune { boards: vec![board("cats")] });
    shell.hear(peer(1), Frame::Have { ids: vec![news.id()] });
    shell.advance(2_000);
    assert!(says(&mut shell, peer(1), |frame| *frame == Frame::Graft { ids: vec![news.id()] }));
    shell.hear_events(peer(1), 1, [&news]);
    shell.greet_reader(peer(2), &["cats"]);
    shell.hear_events(peer(2), 1, [&reply]);
    shell.advance(1_000);
    assert_eq!(shell.events(peer(1)), [reply.id()]);
}

/// After a partition each side brings the other what it has, from several sides at once.
#[test]
fn what_is_old_prunes_nothing() {
    let mut shell = reader(0x50);
    shell.greet_reader(peer(1), &["cats"]);
    shell.greet_reader(peer(2), &["cats"]);
    let old = author(1).thread("cats", "x", EPOCH);
    shell.hear_events(peer(1), 1, [&old]);
    shell.advance(120_000);
    shell.hear_events(peer(2), 1, [&old]);
    shell.advance(1_000);
    assert!(!says(&mut shell, peer(2), |frame| matches!(frame, Frame::Prune { .. })));
}

#[test]
fn what_was_asked_for_prunes_nothing() {
    let mut shell = reader(0x50);
    shell.greet_reader(peer(1), &["cats"]);
    shell.greet_reader(peer(2), &["cats"]);
    let news = author(1).thread("cats", "x", EPOCH);
    shell.hear(peer(1), Frame::Have { ids: vec![news.id()] });
    shell.advance(1_000);
    shell.hear_events(peer(2), 1, [&news]);
    shell.hear_events(peer(1), 1, [&news]);
    shell.advance(1_000);
    assert!(!says(&mut shell, peer(2), |frame| matches!(frame, Frame::Prune { .. })));
}

/// A relay with a tab that others bring the board's events.
fn relay_and_lazy_tab() -> Shell {
    let mut relay = Shell::relay(0x20);
    relay.greet_reader(peer(1), &["cats"]);
    relay.greet_reader(peer(2), &["cats"]);
    relay.hear(peer(1), Frame::Lazy { boards: vec![board("cats")] });
    relay
}

#[test]
fn who_waited_in_vain_is_a_shortcut_of_the_relay_until_others_are_faster() {
    let mut relay = relay_and_lazy_tab();
    let events: Vec<_> = ["a", "b", "c"].map(|text| author(1).thread("cats", text, EPOCH)).into();
    relay.hear_events(peer(2), 1, [&events[0]]);
    relay.advance(1_000);
    assert!(says(&mut relay, peer(1), |frame| *frame == Frame::Have { ids: vec![events[0].id()] }));
    relay.hear(peer(1), Frame::Graft { ids: vec![events[0].id()] });
    relay.advance(1_000);
    assert_eq!(relay.events(peer(1)), [events[0].id()]);
    relay.hear_events(peer(2), 2, [&events[1]]);
    assert_eq!(relay.events(peer(1)), [events[1].id()], "at once, though it is lazy");
    relay.hear(peer(1), Frame::Prune { boards: vec![board("cats")] });
    relay.advance(1_000);
    relay.hear_events(peer(2), 3, [&events[2]]);
    relay.advance(1_000);
    assert_eq!(relay.events(peer(1)), []);
}

#[test]
fn a_relay_has_only_so_many_shortcuts_of_a_board() {
    let mut relay = Shell::relay(0x20);
    let keys: Vec<SecretKey> = (100..140).map(|number| SecretKey::from_seed([number; 32])).collect();
    let tabs: Vec<PeerId> = keys.iter().map(|key| PeerId(key.public().0)).collect();
    for (tab, key) in tabs.iter().zip(&keys) {
        relay.greet_reader(*tab, &["cats"]);
        relay.hear(*tab, Frame::Peers { records: vec![record_of(key, &["ours"], EPOCH)] });
        relay.hear(*tab, Frame::Lazy { boards: vec![board("cats")] });
    }
    relay.greet_reader(peer(1), &["cats"]);
    let (news, next) = (author(1).thread("cats", "x", EPOCH), author(1).thread("cats", "y", EPOCH));
    relay.hear_events(peer(1), 1, [&news]);
    tabs.iter().for_each(|tab| relay.hear(*tab, Frame::Graft { ids: vec![news.id()] }));
    relay.advance(1_000);
    relay.said.clear();
    relay.hear_events(peer(1), 2, [&next]);
    let brought = |relay: &mut Shell| tabs.iter().filter(|tab| !relay.events(**tab).is_empty()).count();
    assert_eq!(brought(&mut relay), 5, "every eighth");
    // Who leaves makes room.
    relay.input(Input::Disconnected(tabs[0]));
    relay.hear(tabs[39], Frame::Graft { ids: vec![news.id()] });
    relay.advance(1_000);
    relay.said.clear();
    relay.hear_events(peer(1), 3, [&author(1).thread("cats", "z", EPOCH)]);
    assert_eq!(brought(&mut relay), 4, "of 39");
}

#[test]
fn a_relay_that_has_no_room_for_a_shortcut_is_waited_for_longer() {
    let mut shell = reader(0x50);
    shell.greet_relay(peer(1));
    shell.greet_reader(peer(2), &["cats"]);
    shell.advance(1_000);
    let told = |n: u8| author(n).thread("cats", "x", EPOCH).id();
    shell.hear(peer(1), Frame::Have { ids: vec![told(1)] });
    shell.advance(100);
    assert_eq!(shell.wants(peer(1)), [told(1)]);
    shell.hear(peer(1), Frame::Have { ids: vec![told(2)] });
    shell.advance(500);
    assert_eq!(shell.wants(peer(1)), []);
    shell.advance(700);
    assert_eq!(shell.wants(peer(1)), [told(2)]);
}

#[test]
fn a_relay_that_brings_what_neighbours_brought_is_told() {
    let mut shell = reader(0x50);
    shell.greet_relay(peer(1));
    shell.greet_reader(peer(2), &["cats"]);
    let (news, next) = (author(1).thread("cats", "x", EPOCH), author(1).thread("cats", "y", EPOCH));
    shell.hear_events(peer(2), 1, [&news]);
    shell.hear_events(peer(1), 1, [&news]);
    shell.advance(1_000);
    let prunes = |frame: &Frame| *frame == Frame::Prune { boards: vec![board("cats")] };
    assert!(says(&mut shell, peer(1), prunes));
    // The other way round it is the neighbour that is told.
    shell.hear_events(peer(1), 2, [&next]);
    shell.hear_events(peer(2), 2, [&next]);
    shell.advance(1_000);
    assert!(says(&mut shell, peer(2), prunes) && !says(&mut shell, peer(1), prunes));
}

#[test]
fn relays_that_know_each_other_make_a_tree_too() {
    let mut world = World::new((1..=5).map(Shell::relay).collect());
    world.shells.push(reader(0x50));
    for a in 0..5 {
        (a + 1..5).for_each(|b| world.link(a, b));
    }
    world.link(0, 5);
    world.run(3_000);
    (0..3).for_each(|_| drop(spread(&mut world, 5)));
    assert_eq!(spread(&mut world, 5).len(), 5, "one way to each");
}
