//! Who hears of what: boards asked for, boards given up, boards that others have named.

use chanterelle_core::base::{BoardName, Seconds};
use chanterelle_core::event::{Content, Event, Kind};
use chanterelle_core::node::{Command, Target};
use chanterelle_core::wire::{Frame, Role};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board, name};
use super::shell::{EPOCH, Shell, interest, peer};
use super::world::World;

const ANN: u8 = 0x10;
const BOB: u8 = 0x60;
const CAT: u8 = 0x70;

fn directories(shell: &mut Shell, to: u8) -> Vec<BoardName> {
    let frames = shell.frames(peer(to)).into_iter();
    frames.flat_map(|frame| if let Frame::Directory { names } = frame { names } else { Vec::new() }).collect()
}

#[test]
fn only_who_asked_for_a_board_gets_its_posts() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(ANN), &["cats", "birds"]);
    shell.greet_reader(peer(BOB), &["dogs"]);
    shell.greet_relay(peer(CAT));
    let events = [author(1).thread("cats", "x", EPOCH), author(1).thread("dogs", "x", EPOCH)];
    shell.hear_events(peer(CAT), 1, &events);
    shell.advance(1_000);
    assert_eq!(shell.events(peer(ANN)), [events[0].id()]);
    assert_eq!(shell.events(peer(BOB)), [events[1].id()]);
    let own = shell.write_thread("fish", "y");
    shell.advance(1_000);
    assert_eq!(shell.events(peer(CAT)), [own], "who wants everything has the others already");
    assert!(shell.events(peer(ANN)).is_empty() && shell.events(peer(BOB)).is_empty());
}

/// A tab may be any stranger's; a relay is where the person is.
#[test]
fn what_was_written_and_not_acknowledged_is_offered_to_relays_and_to_tabs_that_ask_for_its_board() {
    let mut shell = Shell::tab(0x50);
    let own = shell.write_thread("fish", "y");
    shell.publish(Content::Profile { name: "Ann".to_owned(), about: None }).expect("a good draft");
    shell.greet_reader(peer(ANN), &["cats"]);
    shell.advance(200_000);
    assert_eq!(shell.events(peer(ANN)), []);
    shell.hear(peer(ANN), interest(&["cats", "fish"]));
    shell.advance(1_000);
    assert_eq!(shell.events(peer(ANN)), [own]);
    shell.greet(peer(BOB), Role::Relay, 100);
    shell.advance(1_000);
    assert_eq!(shell.events(peer(BOB)).len(), 2, "before it says what it wants");
}

#[test]
fn whoever_said_nothing_of_its_interest_gets_nothing() {
    let mut shell = Shell::tab(0x50);
    shell.greet(peer(BOB), Role::Relay, 100);
    shell.greet_reader(peer(ANN), &[]);
    shell.hear_events(peer(ANN), 1, [&author(1).thread("cats", "x", EPOCH)]);
    shell.advance(1_000);
    assert!(shell.events(peer(BOB)).is_empty());
}

#[test]
fn subscribing_later_brings_the_past() {
    for relay in [true, false] {
        let other = if relay { Shell::relay(0x20) } else { Shell::tab(0x20) };
        let mut world = World::new(vec![Shell::tab(0x50), other, Shell::tab(0x60)]);
        world.shells[1].subscribe("cats");
        world.shells[2].subscribe("cats");
        world.link(1, 2);
        let thread = world.shells[2].write_thread("cats", "long ago");
        let replies: Vec<_> =
            (0..20).map(|n| world.shells[2].write_reply("cats", thread, &n.to_string())).collect();
        world.run(5_000);
        world.sever(1, 2);
        world.link(0, 1);
        world.run(5_000);
        assert!(!world.shells[0].holds(thread), "nobody asked for it");
        world.shells[0].subscribe("cats");
        world.run(5_000);
        assert!(replies.iter().chain([&thread]).all(|id| world.shells[0].holds(*id)), "relay: {relay}");
    }
}

#[test]
fn an_empty_relay_asks_at_once_for_boards_it_has_just_heard_of() {
    for empty in [0x20, 0x40] {
        let mut world = World::new(vec![Shell::relay(empty), Shell::relay(0x30), Shell::tab(0x60)]);
        world.shells[2].subscribe("cats");
        world.link(1, 2);
        let thread = world.shells[2].write_thread("cats", "from before the other relay");
        world.run(5_000);
        world.link(0, 1);
        world.run(2_000);
        assert!(world.shells[0].holds(thread), "whichever of the two opens the reconciliation: {empty:#x}");
    }
}

#[test]
fn unsubscribing_stops() {
    let mut world = World::new(vec![Shell::tab(0x50), Shell::relay(0x20), Shell::tab(0x60)]);
    world.shells[0].subscribe("cats");
    world.link(0, 1);
    world.link(1, 2);
    let first = world.shells[2].write_thread("cats", "one");
    world.run(1_000);
    world.shells[0].command(Command::Unsubscribe(name("cats")));
    world.run(1_000);
    let second = world.shells[2].write_thread("cats", "two");
    world.run(300_000);
    assert!(world.shells[0].holds(first), "what is held stays");
    assert!(!world.shells[0].holds(second));
    world.shells[0].subscribe("cats");
    world.run(1_000);
    assert!(world.shells[0].holds(second));
}

#[test]
fn an_interest_replaces_the_one_before() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.hear(peer(BOB), interest(&["dogs"]));
    shell.greet_reader(peer(ANN), &[]);
    let events = [author(1).thread("cats", "x", EPOCH), author(1).thread("dogs", "x", EPOCH)];
    shell.hear_events(peer(ANN), 1, &events);
    shell.advance(1_000);
    assert_eq!(shell.events(peer(BOB)), [events[1].id()]);
}

#[test]
fn subscriptions_survive_a_restart() {
    let mut shell = Shell::tab(0x50);
    shell.subscribe("cats");
    shell.subscribe("dogs");
    shell.command(Command::Unsubscribe(name("dogs")));
    shell.restart();
    shell.greet(peer(BOB), Role::Tab, 1);
    assert_eq!(shell.frames(peer(BOB))[1], interest(&["cats"]));
}

#[test]
fn saying_the_same_again_changes_nothing() {
    let mut shell = Shell::tab(0x50);
    shell.subscribe("cats");
    shell.greet_reader(peer(BOB), &[]);
    shell.said.clear();
    shell.hold_batches = true;
    shell.subscribe("cats");
    shell.command(Command::Unsubscribe(name("dogs")));
    shell.advance(1_000);
    assert!(shell.said.is_empty() && shell.batches.is_empty(), "{:?}", shell.said);
}

#[test]
fn a_new_board_is_announced_to_those_who_do_not_read_it() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(ANN), &["cats"]);
    shell.greet_reader(peer(BOB), &["dogs"]);
    let thread = shell.write_thread("cats", "hello");
    shell.advance(1_000);
    assert_eq!(directories(&mut shell, BOB), [name("cats")]);
    assert!(directories(&mut shell, ANN).is_empty(), "the post itself says so");
    shell.write_reply("cats", thread, "hello");
    shell.write_thread("cats", "hello again");
    shell.advance(1_000);
    assert!(directories(&mut shell, BOB).is_empty(), "once");
}

#[test]
fn a_board_is_named_by_its_first_thread_even_after_replies() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(ANN), &[]);
    shell.greet_reader(peer(BOB), &["dogs"]);
    shell.open(1, Target::Boards);
    let thread = author(1).thread("cats", "x", EPOCH);
    let reply = author(2).reply(board("cats"), thread.id(), "y", EPOCH);
    shell.hear_events(peer(ANN), 1, [&reply]);
    shell.advance(1_000);
    assert!(shell.screen(1).boards.is_empty(), "nobody has said what it is called");
    shell.hear_events(peer(ANN), 2, [&thread]);
    shell.advance(1_000);
    assert_eq!(directories(&mut shell, BOB), [name("cats")]);
    assert_eq!(shell.screen(1).boards[&board("cats")].posts, 2);
}

#[test]
fn boards_named_by_others_are_listed_and_remembered() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.open(1, Target::Boards);
    shell.subscribe("cats");
    shell.hear(peer(BOB), Frame::Directory { names: ["cats", "dogs"].map(name).to_vec() });
    shell.advance(1_000);
    let check = |shell: &Shell| {
        let boards = &shell.screen(1).boards;
        let listed: Vec<_> = boards
            .values()
            .map(|card| (card.name.as_str(), card.subscribed, card.posts, card.last))
            .collect();
        assert_eq!(listed.len(), 2, "{listed:?}");
        assert!(listed.contains(&("cats", true, 0, None)) && listed.contains(&("dogs", false, 0, None)));
    };
    check(&shell);
    shell.restart();
    shell.open(1, Target::Boards);
    check(&shell);
}

#[test]
fn hearsay_is_not_passed_on() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.hear(peer(BOB), Frame::Directory { names: vec![name("cats")] });
    shell.greet_reader(peer(ANN), &[]);
    assert!(directories(&mut shell, ANN).is_empty());
}

#[test]
fn as_many_boards_are_remembered_as_a_person_scrolls_through() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.open(1, Target::Boards);
    for round in 0..8 {
        let names = (0..256).map(|n| name(&format!("board-{round}-{n}"))).collect();
        shell.hear(peer(BOB), Frame::Directory { names });
        shell.advance(1_000);
    }
    assert_eq!(shell.screen(1).boards.len(), 1_024);
    assert!(shell.closed().is_empty());
    shell.restart();
    shell.open(1, Target::Boards);
    assert_eq!(shell.screen(1).boards.len(), 1_024);
    // One's own boards have their place all the same.
    shell.subscribe("cats");
    shell.write_thread("dogs", "hello");
    shell.advance(1_000);
    assert_eq!(shell.screen(1).boards.len(), 1_026);
}

#[test]
fn a_post_crosses_a_relay_to_every_reader_once() {
    let mut world =
        World::new(vec![Shell::tab(0x50), Shell::relay(0x20), Shell::tab(0x51), Shell::tab(0x52)]);
    for reader in [2, 3] {
        world.shells[reader].subscribe("cats");
        world.link(1, reader);
    }
    world.link(0, 1);
    world.run(1_000);
    world.carried.clear();
    let thread = world.shells[0].write_thread("cats", "hello");
    world.run(1_000);
    assert!(world.shells.iter().all(|shell| shell.disk.bytes.contains_key(&thread)));
    let mut ways: Vec<(usize, usize)> = world
        .carried
        .iter()
        .filter(|(_, _, frame)| matches!(frame, Frame::Events { .. }))
        .map(|(from, to, _)| (*from, *to))
        .collect();
    ways.sort_unstable();
    assert_eq!(ways, [(0, 1), (1, 2), (1, 3)]);
}

#[test]
fn profiles_go_to_those_who_want_everything() {
    let mut world = World::new(vec![Shell::tab(0x50), Shell::relay(0x20), Shell::tab(0x60)]);
    world.link(0, 1);
    world.link(0, 2);
    world.run(1_000);
    let profile = Content::Profile { name: "Ann".to_owned(), about: None };
    let (id, thread) = world.shells[0].publish(profile).expect("a good draft");
    world.run(1_000);
    assert_eq!(thread, None);
    assert!(world.shells[1].holds(id) && !world.shells[2].holds(id));
    assert!(world.shells[0].node.index().get(&id).expect("it is ours").sent());
}

/// On another device, or after the storage was lost.
#[test]
fn a_lost_profile_comes_back_from_the_relay() {
    let mut world = World::new(vec![Shell::tab(0x50), Shell::relay(0x20), Shell::tab(0x50)]);
    world.link(0, 1);
    let profile = |name: &str| Content::Profile { name: name.to_owned(), about: None };
    let (old, _) = world.shells[0].publish(profile("Ann")).expect("a good draft");
    world.run(1_000);
    world.sever(0, 1);
    let (mine, _) = world.shells[2].publish(profile("Anna")).expect("a good draft");
    // Two of one key cannot be told apart by their ids here, so the first one leaves.
    world.shells.swap_remove(0);
    world.link(0, 1);
    world.run(2_000);
    assert!(world.shells[0].holds(old) && world.shells[1].holds(mine));
}

#[test]
fn an_unknown_kind_is_kept_and_passed_on() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(ANN), &[]);
    shell.greet_reader(peer(BOB), &["cats"]);
    let unknown: Event = author(1).event(Kind(4_000), Seconds(EPOCH.0 - 5), |fields| {
        fields.board = board("cats");
        fields.body = ipld_core::ipld!({ "what": [1, 2, 3] });
    });
    shell.hear_events(peer(ANN), 1, [&unknown]);
    shell.advance(1_000);
    assert_eq!(shell.events(peer(BOB)), [unknown.id()]);
    assert_eq!(shell.acks(peer(ANN)), [unknown.id()]);
}

/// New boards are told of in few frames: a relay on which many appear at once must not look like a flood.
#[test]
fn many_new_boards_are_told_of_in_few_frames() {
    let mut shell = Shell::relay(0x50);
    shell.greet_reader(peer(ANN), &["cats"]);
    shell.greet_reader(peer(BOB), &[]);
    shell.frames(peer(ANN));
    let events: Vec<Event> = (0..200).map(|n| author(1).thread(&format!("b{n}"), "x", EPOCH)).collect();
    shell.hear_events(peer(BOB), 1, &events);
    shell.advance(1_000);
    let frames = shell.frames(peer(ANN));
    let named: Vec<usize> = frames
        .iter()
        .filter_map(|frame| if let Frame::Directory { names } = frame { Some(names.len()) } else { None })
        .collect();
    assert_eq!(named.iter().sum::<usize>(), 200);
    assert!(named.len() <= 3, "{named:?}");
}

/// Anyone can name any board; whoever names many must not keep others' from being heard of.
#[test]
fn the_directory_forgets_the_oldest() {
    let mut shell = Shell::tab(0x50);
    shell.open(1, Target::Boards);
    shell.greet_reader(peer(BOB), &[]);
    for round in 0..5 {
        let names = (0..256).map(|n| name(&format!("junk-{round}-{n}"))).collect();
        shell.hear(peer(BOB), Frame::Directory { names });
    }
    shell.greet_reader(peer(ANN), &[]);
    shell.hear(peer(ANN), Frame::Directory { names: vec![name("cats")] });
    shell.advance(1_000);
    let shown = shell.screen(1).boards.values().map(|card| card.name.to_string()).collect::<Vec<_>>();
    assert!(shown.contains(&"cats".to_owned()), "{} boards", shown.len());
    assert!(!shown.contains(&"junk-0-0".to_owned()));
    assert_eq!(shown.len(), 1_024);
    shell.restart();
    shell.open(1, Target::Boards);
    shell.advance(1_000);
    assert_eq!(shell.screen(1).boards.len(), 1_024, "and is remembered");
}
