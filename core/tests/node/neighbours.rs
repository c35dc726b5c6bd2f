//! Direct neighbours: how tabs find each other, who dials whom and when, for whom there is room, and what a hostile peer
//! can make of it.

use chanterelle_core::base::{PeerId, Seconds};
use chanterelle_core::crypto::SecretKey;
use chanterelle_core::invite::FriendCode;
use chanterelle_core::node::{CloseReason, Command, Input};
use chanterelle_core::wire::{Frame, Role};
use serde_bytes::ByteBuf;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::friends::{address, identity, key, reach, record};
use super::shell::{EPOCH, Said, Shell, interest, peer, record_of};
use super::world::World;

const RELAY: u8 = 0xf0;

/// Tabs with keys that read one board, the lowest id first.
fn tabs(count: u8) -> Vec<Shell> {
    let tab = |number| {
        let mut shell = Shell::with_key(number, |_| {});
        shell.subscribe("cats");
        shell
    };
    let mut tabs: Vec<Shell> = (1..=count).map(tab).collect();
    tabs.sort_by_key(Shell::id);
    tabs
}

fn tab() -> Shell {
    tabs(1).remove(0)
}

/// A tab that allows direct connections and is at a relay played by the test.
fn tab_at_relay() -> Shell {
    let mut shell = tab();
    shell.go_direct(&["ours"]);
    shell.greet_relay(peer(RELAY));
    shell
}

/// Peers played by the test, who have keys: above or below an id.
fn others(than: PeerId, above: bool) -> impl Iterator<Item = SecretKey> {
    let keys = (0..=u64::MAX).map(|number| {
        let mut seed = [0xee; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        SecretKey::from_seed(seed)
    });
    keys.filter(move |key| (id_of(key) > than) == above)
}

fn id_of(key: &SecretKey) -> PeerId {
    PeerId(key.public().0)
}

/// Asks for readers of any board that is read here.
fn seek() -> Frame {
    Frame::Seek { boards: Vec::new() }
}

fn peers(records: impl IntoIterator<Item = ByteBuf>) -> Frame {
    Frame::Peers { records: records.into_iter().collect() }
}

/// The record of a played peer.
fn told(key: &SecretKey) -> ByteBuf {
    record_of(key, &["theirs"], EPOCH)
}

/// Whom a shell wanted to dial since this was last asked.
fn dials(shell: &mut Shell) -> Vec<PeerId> {
    core::mem::take(&mut shell.dials).into_iter().map(|(peer, _)| peer).collect()
}

/// When a shell dials somebody who cannot be reached, in seconds from now, for as long as it is watched.
fn attempts(shell: &mut Shell, whom: PeerId, seconds: u64) -> Vec<u64> {
    let begin = shell.now.instant;
    let mut at = Vec::new();
    for _ in 0..seconds * 2 {
        for peer in dials(shell) {
            assert_eq!(peer, whom);
            at.push(shell.now.instant.since(begin).as_secs());
            shell.input(Input::Unreachable(peer));
        }
        shell.advance(500);
    }
    at
}

/// What a peer was told of neighbours since this was last asked: presenting, seeking.
fn about_neighbours(shell: &mut Shell, to: PeerId) -> Vec<Frame> {
    let about = |frame: &Frame| matches!(frame, Frame::Peers { .. } | Frame::Seek { .. });
    shell.frames(to).into_iter().filter(about).collect()
}

#[test]
fn two_at_one_relay_find_each_other_and_the_lower_dials() {
    for first in [1, 2] {
        let mut shells = tabs(2);
        shells.insert(0, Shell::relay(RELAY));
        let mut world = World::new(shells);
        let (low, high) = (world.shells[1].id(), world.shells[2].id());
        assert!(low < high);
        world.shells[1].go_direct(&["low"]);
        world.shells[2].go_direct(&["high"]);
        world.link(0, first);
        world.link(0, 3 - first);
        assert_eq!(world.shells[1].dials, [(high, vec![address("high")])], "at once, whoever came first");
        world.run(3_900);
        assert!(world.shells[2].dials.is_empty(), "the higher waits");
        world.run(200);
        assert_eq!(world.shells[2].dials, [(low, vec![address("low")])], "but not for ever");
    }
}

#[test]
fn the_higher_does_not_dial_who_has_come() {
    let mut shells = tabs(2);
    shells.insert(0, Shell::relay(RELAY));
    let mut world = World::new(shells);
    world.shells[1].go_direct(&["low"]);
    world.shells[2].go_direct(&["high"]);
    world.link(0, 1);
    world.link(0, 2);
    world.link(1, 2);
    world.run(600_000);
    assert_eq!(dials(&mut world.shells[2]), []);
    assert_eq!(dials(&mut world.shells[1]).len(), 1, "and the lower not again");
}

#[test]
fn readers_of_other_boards_are_not_told_of_each_other() {
    let mut shells = tabs(2);
    shells.insert(0, Shell::relay(RELAY));
    let mut world = World::new(shells);
    world.shells[2].command(Command::Unsubscribe(super::authors::name("cats")));
    world.shells[2].subscribe("dogs");
    world.shells[1].go_direct(&["low"]);
    world.shells[2].go_direct(&["high"]);
    world.link(0, 1);
    world.link(0, 2);
    world.run(120_000);
    assert!(world.shells.iter().all(|shell| shell.dials.is_empty()));
    // Until they have a board in common, which is acted on at once.
    world.shells[1].subscribe("dogs");
    world.carry();
    assert_eq!(dials(&mut world.shells[1]).len(), 1);
}

#[test]
fn who_does_not_want_direct_connections_takes_no_part() {
    let mut shells = tabs(2);
    shells.insert(0, Shell::relay(RELAY));
    let mut world = World::new(shells);
    world.shells[1].go_direct(&["low"]);
    world.shells[2].command(Command::Direct(None));
    world.link(0, 1);
    world.link(0, 2);
    world.run(200_000);
    let about = |(from, _, frame): &&(usize, usize, Frame)| {
        *from == 2 && matches!(frame, Frame::Peers { .. } | Frame::Seek { .. })
    };
    assert_eq!(world.carried.iter().filter(about).count(), 0);
    assert!(world.shells.iter().all(|shell| shell.dials.is_empty()));
}

#[test]
fn what_was_told_before_direct_connections_were_allowed_is_not_remembered() {
    let mut shell = tab();
    let other = others(shell.id(), true).next().expect("one");
    shell.greet_relay(peer(RELAY));
    shell.hear(peer(RELAY), peers([told(&other)]));
    shell.go_direct(&["ours"]);
    shell.advance(30_000);
    assert_eq!(dials(&mut shell), []);
    shell.hear(peer(RELAY), peers([told(&other)]));
    assert_eq!(dials(&mut shell), [id_of(&other)]);
    shell.input(Input::Unreachable(id_of(&other)));
    // And forgotten when they are not any more.
    shell.command(Command::Direct(None));
    shell.go_direct(&["ours"]);
    shell.advance(60_000);
    assert_eq!(dials(&mut shell), []);
}

#[test]
fn somebody_elses_record_is_not_taken_for_ones_own() {
    let mut shell = tab();
    let other = others(shell.id(), true).next().expect("one");
    shell.command(Command::Direct(Some(told(&other))));
    shell.greet_relay(peer(RELAY));
    assert_eq!(about_neighbours(&mut shell, peer(RELAY)), []);
}

#[test]
fn a_record_is_told_once_and_again_when_it_is_another() {
    let mut shell = tab_at_relay();
    let frames = about_neighbours(&mut shell, peer(RELAY));
    assert!(matches!(frames[..], [Frame::Peers { .. }, Frame::Seek { .. }]), "{frames:?}");
    shell.advance(125_000);
    assert_eq!(about_neighbours(&mut shell, peer(RELAY)), [seek(), seek()], "each minute");
    shell.go_direct(&["elsewhere"]);
    let frames = about_neighbours(&mut shell, peer(RELAY));
    assert!(matches!(frames[..], [Frame::Peers { .. }, Frame::Seek { .. }]), "{frames:?}");
    // With neighbours enough nobody is looked for, but who comes is told where we are.
    for number in 1..=5 {
        shell.greet_reader(peer(number), &["cats"]);
    }
    about_neighbours(&mut shell, peer(RELAY));
    shell.advance(125_000);
    assert_eq!(about_neighbours(&mut shell, peer(RELAY)), []);
    assert!(matches!(about_neighbours(&mut shell, peer(5))[..], [Frame::Peers { .. }]));
}

#[test]
fn a_relay_tells_of_readers_where_they_are_now_and_not_of_those_who_left() {
    let mut relay = Shell::relay(RELAY);
    let keys: Vec<SecretKey> = others(PeerId([0; 32]), true).take(3).collect();
    let [here, gone, nowhere] = [0, 1, 2].map(|n| id_of(&keys[n]));
    for (key, relays) in keys.iter().zip([&["here"][..], &["gone"], &[]]) {
        relay.greet_reader(id_of(key), &["cats"]);
        relay.hear(id_of(key), peers([record_of(key, relays, EPOCH)]));
    }
    let moved = record_of(&keys[0], &["moved"], EPOCH.plus(5));
    relay.hear(here, peers([moved.clone()]));
    relay.hear(here, peers([told(&keys[0])]));
    relay.input(Input::Disconnected(gone));
    relay.said.clear();
    relay.greet_reader(peer(1), &["cats", "dogs"]);
    relay.hear(peer(1), seek());
    assert_eq!(about_neighbours(&mut relay, peer(1)), [peers([moved])]);
    // Who asks without saying where it can be asked for is told to nobody.
    assert_eq!(about_neighbours(&mut relay, here), []);
    assert_eq!(about_neighbours(&mut relay, nowhere), []);
    // Who leaves a board is not told of either.
    relay.hear(here, interest(&["fish"]));
    relay.hear(peer(1), seek());
    assert_eq!(about_neighbours(&mut relay, peer(1)), []);
}

/// A relay sees tabs come and go for years.
#[test]
fn those_who_left_take_no_place_of_those_who_are_here() {
    let (mut relay, readers) = relay_with_readers(200);
    for reader in &readers[1..] {
        relay.input(Input::Disconnected(*reader));
    }
    relay.greet_reader(peer(1), &["cats"]);
    for _ in 0..10 {
        relay.hear(peer(1), seek());
        assert_eq!(about_neighbours(&mut relay, peer(1)).len(), 1, "the one that is here");
    }
}

#[test]
fn a_few_are_looked_for_and_a_few_more_may_come() {
    let mut shell = tab_at_relay();
    let keys: Vec<SecretKey> = others(shell.id(), true).take(12).collect();
    shell.hear(peer(RELAY), peers(keys[..8].iter().map(told)));
    shell.hear(peer(RELAY), peers(keys[8..].iter().map(told)));
    let dialled = dials(&mut shell);
    assert_eq!(dialled.len(), 5);
    for peer in &dialled {
        shell.greet_reader(*peer, &["cats"]);
    }
    shell.advance(600_000);
    assert_eq!(dials(&mut shell), []);
    // One leaves: another is dialled.
    shell.input(Input::Disconnected(dialled[0]));
    assert_eq!(dials(&mut shell).len(), 1);
}

#[test]
fn nobody_is_dialled_twice_at_a_time_or_while_connected() {
    let mut shell = tab_at_relay();
    let keys: Vec<SecretKey> = others(shell.id(), true).take(3).collect();
    shell.greet_reader(id_of(&keys[0]), &["cats"]);
    for _ in 0..5 {
        shell.hear(peer(RELAY), peers(keys.iter().map(told)));
        shell.advance(1_000);
    }
    let mut dialled = dials(&mut shell);
    dialled.sort_unstable();
    let mut expected = vec![id_of(&keys[1]), id_of(&keys[2])];
    expected.sort_unstable();
    assert_eq!(dialled, expected);
}

#[test]
fn the_ninth_is_told_that_there_is_no_room() {
    let mut shell = tab_at_relay();
    for number in 1..=8 {
        shell.greet_reader(peer(number), &["cats"]);
    }
    assert_eq!(shell.closed(), []);
    shell.greet_reader(peer(9), &["cats"]);
    assert_eq!(shell.closed(), [(peer(9), CloseReason::Full)]);
    let frames = shell.frames(peer(9));
    assert!(matches!(frames[..], [Frame::Hello(_), Frame::Bye { .. }]), "{frames:?}");
    // Relays need no place.
    shell.greet_relay(peer(0xe0));
    shell.input(Input::Disconnected(peer(3)));
    shell.greet_reader(peer(9), &["cats"]);
    assert_eq!(shell.closed(), []);
}

#[test]
fn who_reads_other_boards_takes_no_place_from_who_reads_ours() {
    let mut shell = tab_at_relay();
    for number in 1..=8 {
        shell.greet_reader(peer(number), &["dogs"]);
    }
    assert_eq!(shell.closed(), []);
    about_neighbours(&mut shell, peer(RELAY));
    shell.advance(60_000);
    assert_eq!(about_neighbours(&mut shell, peer(RELAY)), [seek()], "still alone");
    let keys: Vec<SecretKey> = others(shell.id(), true).take(8).collect();
    shell.hear(peer(RELAY), peers(keys.iter().map(told)));
    let dialled = dials(&mut shell);
    assert_eq!(dialled.len(), 5);
    for (whom, leaves) in dialled.iter().zip([8, 7, 6, 5, 4]) {
        shell.greet_reader(*whom, &["cats"]);
        assert_eq!(shell.closed(), [(peer(leaves), CloseReason::Full)]);
    }
    shell.advance(600_000);
    assert_eq!(dials(&mut shell), []);
    // Who never says what it reads reads nothing.
    shell.greet(peer(9), Role::Tab, 9);
    assert_eq!(shell.closed(), [(peer(3), CloseReason::Full)]);
    shell.advance(14_000);
    shell.input(Input::Disconnected(peer(1)));
    shell.input(Input::Disconnected(peer(2)));
    (20..22).for_each(|number| shell.greet_reader(peer(number), &["cats"]));
    assert_eq!(shell.closed(), []);
    shell.advance(2_000);
    shell.greet_reader(peer(22), &["cats"]);
    assert_eq!(shell.closed(), [(peer(9), CloseReason::Full)]);
}

#[test]
fn a_relay_takes_in_everybody() {
    let mut relay = Shell::relay(RELAY);
    for number in 1..=50 {
        relay.greet_reader(peer(number), &["cats"]);
    }
    assert_eq!(relay.closed(), []);
}

/// A tab whose person has a friend: person 2, who said `ago` seconds ago that they are at `peer(2)`.
fn tab_with_friend(ago: u64) -> Shell {
    let mut shell = tab_at_relay();
    shell.advance(2 * 3_600_000);
    let time = Seconds(shell.now.unix.0 - ago);
    shell.command(Command::Befriend(FriendCode::new(key(2).public(), identity(2).reach(0))));
    shell.greet_relay(peer(RELAY));
    shell.hear(peer(RELAY), reach(&[&record(2, "friendly", time)]));
    shell.advance(1);
    shell
}

#[test]
fn a_friend_is_dialled_where_they_are() {
    let mut shell = tab_with_friend(60);
    let higher = peer(2) > shell.id();
    if !higher {
        assert!(shell.dials.is_empty());
        shell.advance(4_000);
    }
    assert_eq!(shell.dials, [(peer(2), vec![address("friendly")])]);
}

#[test]
fn a_friend_of_whom_nothing_was_heard_for_an_hour_is_not() {
    let mut shell = tab_with_friend(3_600);
    shell.advance(60_000);
    assert_eq!(shell.relays.friends, [address("friendly")], "though the relay is still worth a look");
    assert_eq!(dials(&mut shell), []);
}

#[test]
fn a_friend_who_falls_silent_is_dialled_no_longer() {
    let mut shell = tab_with_friend(60);
    let at = attempts(&mut shell, peer(2), 2 * 3_600);
    let last = at.last().copied().unwrap_or_default();
    assert!((1_500..2_700).contains(&last), "45 minutes: {at:?}");
}

/// Whoever is here need not say where they are.
#[test]
fn a_friend_who_is_connected_stays_one() {
    let mut shell = tab_with_friend(60);
    shell.greet_reader(peer(2), &["dogs"]);
    shell.advance(2 * 3_600_000);
    (11..=17).for_each(|number| shell.greet_reader(peer(number), &["cats"]));
    shell.greet_reader(peer(18), &["cats"]);
    assert_eq!(shell.closed(), [(peer(18), CloseReason::Full)]);
}

#[test]
fn a_friend_displaces_a_stranger_and_strangers_do_not() {
    let mut shell = tab_with_friend(60);
    shell.advance(10_000);
    assert_eq!(dials(&mut shell), [peer(2)]);
    shell.input(Input::Unreachable(peer(2)));
    for number in 11..=18 {
        shell.greet_reader(peer(number), &["cats"]);
    }
    // There is no place, and still friends are looked for.
    shell.advance(10_000);
    assert_eq!(dials(&mut shell), [peer(2)]);
    shell.greet_reader(peer(2), &["cats"]);
    assert_eq!(shell.closed(), [(peer(18), CloseReason::Full)]);
    shell.greet_reader(peer(10), &["cats"]);
    assert_eq!(shell.closed(), [(peer(10), CloseReason::Full)], "the friend stays");
    shell.advance(600_000);
    assert_eq!(dials(&mut shell), []);
}

#[test]
fn a_friend_stays_whatever_they_read() {
    let mut shell = tab_with_friend(60);
    shell.greet_reader(peer(2), &["dogs"]);
    shell.greet_reader(peer(1), &["dogs"]);
    (11..=16).for_each(|number| shell.greet_reader(peer(number), &["cats"]));
    shell.greet_reader(peer(17), &["cats"]);
    assert_eq!(shell.closed(), [(peer(1), CloseReason::Full)]);
    shell.greet_reader(peer(18), &["cats"]);
    assert_eq!(shell.closed(), [(peer(18), CloseReason::Full)]);
}

#[test]
fn who_cannot_be_reached_is_tried_more_and_more_seldom_and_then_forgotten() {
    let mut shell = tab_at_relay();
    let other = others(shell.id(), true).next().expect("one");
    shell.hear(peer(RELAY), peers([told(&other)]));
    let tries = attempts(&mut shell, id_of(&other), 3_600);
    assert_eq!(tries.len(), 5, "{tries:?}");
    let gaps: Vec<u64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (gap, most) in gaps.iter().zip([5, 10, 20, 40]) {
        assert!((most / 2 - 1..=most + 1).contains(gap), "{gaps:?}");
    }
    // Told of again it may be back.
    shell.hear(peer(RELAY), peers([told(&other)]));
    assert_eq!(dials(&mut shell), [id_of(&other)]);
}

#[test]
fn an_attempt_of_which_nothing_is_heard_makes_room_again() {
    let mut shell = tab_at_relay();
    let keys: Vec<SecretKey> = others(shell.id(), true).take(6).collect();
    shell.hear(peer(RELAY), peers(keys.iter().map(told)));
    assert_eq!(dials(&mut shell).len(), 5);
    shell.advance(39_000);
    assert_eq!(dials(&mut shell), []);
    shell.advance(2_000);
    assert_eq!(dials(&mut shell), [id_of(&keys[5])]);
}

/// Who has neighbours enough says so after the connection has come about.
#[test]
fn who_is_sent_away_comes_more_and_more_seldom() {
    let mut shell = tab_at_relay();
    let other = others(shell.id(), true).next().expect("one");
    shell.hear(peer(RELAY), peers([told(&other)]));
    let mut count = 0;
    for _ in 0..600 {
        for peer in dials(&mut shell) {
            count += 1;
            shell.greet(peer, Role::Tab, 9);
            shell.hear(peer, Frame::Bye { reason: "full".to_owned() });
        }
        shell.advance(1_000);
    }
    assert_eq!(count, 5);
}

#[test]
fn forged_records_are_charged() {
    let mut shell = tab_at_relay();
    let mut forged = told(&others(shell.id(), true).next().expect("one"));
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let mut borne = 0;
    while shell.closed().is_empty() {
        assert!(borne < 10, "{borne} are borne");
        shell.hear(peer(RELAY), peers([forged.clone()]));
        borne += 1;
    }
    assert_eq!(borne, 5);
    shell.greet_relay(peer(RELAY));
    shell.hear(peer(RELAY), peers(vec![forged; 8]));
    assert_eq!(shell.closed(), [(peer(RELAY), CloseReason::Budget)], "in one frame as in many");
    assert_eq!(dials(&mut shell), []);
}

/// A signature costs more to look at than everything else about a record.
#[test]
fn what_is_no_news_is_not_looked_at_closely() {
    let mut shell = tab_at_relay();
    let other = others(shell.id(), true).next().expect("one");
    let forged = |relays: &[&str], time| {
        let mut record = record_of(&other, relays, time);
        let last = record.len() - 1;
        record[last] ^= 1;
        peers([record])
    };
    shell.hear(peer(RELAY), peers([told(&other)]));
    shell.greet_reader(id_of(&other), &["cats"]);
    shell.hear(id_of(&other), peers([told(&other)]));
    for from in [peer(RELAY), id_of(&other)] {
        for _ in 0..10 {
            shell.hear(from, forged(&["theirs"], EPOCH));
        }
    }
    (0..10).for_each(|_| shell.hear(peer(RELAY), forged(&[], EPOCH.plus(1))));
    assert_eq!(shell.closed(), []);
    for from in [peer(RELAY), id_of(&other)] {
        (0..5).for_each(|_| shell.hear(from, forged(&["theirs"], EPOCH.plus(1))));
        assert_eq!(shell.closed(), [(from, CloseReason::Budget)]);
    }
}

#[test]
fn records_cost_a_peer_by_their_number() {
    let mut shell = tab_at_relay();
    let record = told(&others(shell.id(), true).next().expect("one"));
    let frame = peers(vec![record; 8]);
    let free = (0..).take_while(|_| {
        shell.hear(peer(RELAY), frame.clone());
        shell.pauses.is_empty()
    });
    assert_eq!(free.count(), 312, "half a second's worth");
    let borne = (0..).take_while(|_| {
        shell.hear(peer(RELAY), frame.clone());
        shell.closed().is_empty()
    });
    assert!((300..500).contains(&borne.count()));
}

/// A relay with so many readers that can be asked for, who have nothing more to be told.
fn relay_with_readers(count: usize) -> (Shell, Vec<PeerId>) {
    let mut relay = Shell::relay(RELAY);
    let keys: Vec<SecretKey> = others(PeerId([0; 32]), true).take(count).collect();
    for key in &keys {
        relay.greet_reader(id_of(key), &["cats"]);
        relay.hear(id_of(key), peers([told(key)]));
    }
    relay.said.clear();
    (relay, keys.iter().map(id_of).collect())
}

#[test]
fn asking_costs_by_what_it_makes_a_relay_do() {
    let (mut relay, readers) = relay_with_readers(30);
    relay.greet_reader(peer(1), &["cats"]);
    let free = (0..).take_while(|_| {
        relay.hear(peer(1), seek());
        relay.pauses.is_empty()
    });
    assert!((50..70).contains(&free.count()));
    let borne = (0..).take_while(|_| {
        relay.hear(peer(1), seek());
        relay.closed().is_empty()
    });
    assert!(borne.count() < 250);
    assert!(readers.iter().all(|reader| relay.frames(*reader).is_empty()), "an asker without a record");
}

/// What others ask for must not look like a flood of the relay's.
#[test]
fn many_who_ask_do_not_make_a_relay_flood_its_readers() {
    let (mut relay, readers) = relay_with_readers(1);
    let askers: Vec<SecretKey> = others(readers[0], true).take(40).collect();
    for key in &askers {
        relay.greet_reader(id_of(key), &["cats"]);
        relay.hear(id_of(key), peers([told(key)]));
        (0..20).for_each(|_| relay.hear(id_of(key), seek()));
    }
    assert_eq!(about_neighbours(&mut relay, readers[0]).len(), 1);
    for _ in 0..10 {
        relay.advance(100);
        askers.iter().for_each(|key| relay.hear(id_of(key), seek()));
    }
    assert_eq!(about_neighbours(&mut relay, readers[0]).len(), 10);
    assert_eq!(relay.closed(), []);
}

#[test]
fn invented_peers_fill_only_the_share_of_who_tells_of_them() {
    let mut shell = tab_at_relay();
    let mut keys = others(shell.id(), true);
    let honest = keys.next().expect("one");
    let invented: Vec<SecretKey> = keys.take(200).collect();
    shell.greet_reader(peer(1), &["cats"]);
    for keys in invented.chunks(8) {
        shell.hear(peer(1), peers(keys.iter().map(told)));
        shell.advance(50);
    }
    shell.hear(peer(RELAY), peers([told(&honest)]));
    let dialled_at = (0..120).find(|_| {
        let dialled = dials(&mut shell);
        dialled.iter().for_each(|peer| shell.input(Input::Unreachable(*peer)));
        // Told again and again.
        shell.hear(peer(1), peers(invented.iter().take(8).map(told)));
        shell.advance(1_000);
        dialled.contains(&id_of(&honest))
    });
    assert!(dialled_at.is_some_and(|seconds| seconds < 30), "{dialled_at:?}");
}

/// Direct connections are never needed: with none that comes about everything is as without.
#[test]
fn without_any_that_succeeds_everything_arrives_as_ever() {
    let mut shells = tabs(3);
    shells.insert(0, Shell::relay(RELAY));
    let mut world = World::new(shells);
    for tab in 1..=3 {
        world.shells[tab].go_direct(&["somewhere"]);
        world.link(0, tab);
    }
    let mut written = Vec::new();
    for tab in [1, 2, 3].into_iter().cycle().take(60) {
        written.push(world.shells[tab].write_thread("cats", "hello"));
        world.run(2_000);
        for shell in &mut world.shells {
            dials(shell).into_iter().for_each(|peer| shell.input(Input::Unreachable(peer)));
        }
        assert!(world.shells.iter().all(|shell| written.iter().all(|event| shell.holds(*event))));
    }
    let of = |pick: fn(&Frame) -> bool| world.carried.iter().filter(|(_, _, frame)| pick(frame)).count();
    assert_eq!(of(|frame| matches!(frame, Frame::Events { .. })), 60 * 3, "each up once and down to two");
    assert_eq!(of(|frame| matches!(frame, Frame::Want { .. })), 0);
    assert!(world.closed.is_empty());
    assert!(world.shells[0].take(|said| matches!(said, Said::Close(..)).then_some(())).is_empty());
}
