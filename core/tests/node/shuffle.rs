//! How tabs hear of others than those their relays know: shuffles, readers of boards that no neighbour reads, and those
//! who were neighbours before a restart.

use chanterelle_core::base::{PeerId, Seconds};
use chanterelle_core::crypto::SecretKey;
use chanterelle_core::gossip::PeerRecord;
use chanterelle_core::wire::Frame;
use serde_bytes::ByteBuf;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::board;
use super::shell::{EPOCH, Shell, peer, record_of};
use super::world::World;

const RELAY: u8 = 0xf0;

fn tab(number: u8) -> Shell {
    let mut shell = Shell::with_key(number, |_| {});
    shell.subscribe("cats");
    shell.go_direct(&["ours"]);
    shell
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

fn id(number: u8) -> PeerId {
    PeerId(key(number).public().0)
}

fn told(number: u8) -> ByteBuf {
    record_of(&key(number), &["theirs"], EPOCH)
}

/// A neighbour played by the test, which says where it can be asked for.
fn greet(shell: &mut Shell, number: u8, boards: &[&str]) {
    shell.greet_reader(id(number), boards);
    shell.hear(id(number), Frame::Peers { records: vec![told(number)] });
}

fn about(records: &[ByteBuf]) -> Vec<PeerId> {
    records.iter().map(|bytes| PeerRecord::read(bytes).expect("a record").peer()).collect()
}

/// Whom a peer was told of in shuffles since this was last asked.
fn shuffles(shell: &mut Shell, to: PeerId) -> Vec<Vec<PeerId>> {
    let frames = shell.frames(to).into_iter();
    frames
        .filter_map(|frame| if let Frame::Shuffle { records } = frame { Some(about(&records)) } else { None })
        .collect()
}

fn dials(shell: &mut Shell) -> Vec<PeerId> {
    core::mem::take(&mut shell.dials).into_iter().map(|(peer, _)| peer).collect()
}

#[test]
fn each_minute_one_neighbour_is_told_of_some_peers_and_tells_of_some() {
    let mut shell = tab(1);
    for number in 2..6 {
        greet(&mut shell, number, &["cats"]);
    }
    shell.hear(id(2), Frame::Peers { records: (10..14).map(told).collect() });
    let mut told_of = Vec::new();
    for _ in 0..10 {
        shell.advance(60_000);
        for number in 2..6 {
            for shuffle in shuffles(&mut shell, id(number)) {
                assert_eq!(shuffle[0], shell.id(), "its own first");
                assert!(shuffle.len() <= 8 && !shuffle.contains(&id(number)), "{shuffle:?}");
                told_of.push(shuffle);
            }
        }
    }
    assert!((7..=20).contains(&told_of.len()), "{} in ten minutes", told_of.len());
    let all: Vec<PeerId> = told_of.concat();
    assert!((2..6).chain(10..14).all(|number| all.contains(&id(number))));
    // The answer is of as many.
    shell.said.clear();
    shell.hear(id(3), Frame::Shuffle { records: (20..24).map(told).collect() });
    let frames = shell.frames(id(3));
    let [Frame::Peers { records }] = &frames[..] else { panic!("{frames:?}") };
    assert!((3..=8).contains(&records.len()) && !about(records).contains(&id(3)));
    // Not at any pace.
    shell.hear(id(3), Frame::Shuffle { records: Vec::new() });
    shell.advance(1_000);
    assert!(!shell.frames(id(3)).iter().any(|frame| matches!(frame, Frame::Peers { .. })), "at once");
    shell.advance(10_000);
    shell.said.clear();
    shell.hear(id(3), Frame::Shuffle { records: Vec::new() });
    assert!(matches!(shell.frames(id(3))[..], [Frame::Peers { .. }]));
    // What was told is passed on.
    shell.advance(600_000);
    let passed = (2..6).flat_map(|number| shuffles(&mut shell, id(number)).concat()).collect::<Vec<_>>();
    assert!((20..24).any(|number| passed.contains(&id(number))));
}

#[test]
fn who_wants_no_direct_connections_tells_of_nobody() {
    let mut shell = Shell::with_key(1, |_| {});
    shell.subscribe("cats");
    greet(&mut shell, 2, &["cats"]);
    greet(&mut shell, 3, &["cats"]);
    shell.advance(200_000);
    shell.hear(id(2), Frame::Shuffle { records: vec![told(9)] });
    let says = |frame: &Frame| matches!(frame, Frame::Shuffle { .. } | Frame::Peers { .. });
    assert!(!shell.frames(id(2)).iter().chain(&shell.frames(id(3))).any(says));
    assert_eq!(dials(&mut shell), []);
}

/// At a relay everybody hears of everybody at it. Those of two relays are one network by those who are at both, or heard of
/// one that is.
#[test]
fn word_of_a_peer_goes_round() {
    let mut world = World::new((1..=6).map(tab).collect());
    (0..5).for_each(|n| world.link(n, n + 1));
    world.run(600_000);
    let first = world.shells[0].id();
    let last = &mut world.shells[5];
    assert!(dials(last).contains(&first), "five shuffles away");
}

#[test]
fn readers_of_a_board_that_no_neighbour_reads_are_sought_and_dialled_beside_the_others() {
    let mut shell = tab(1);
    shell.subscribe("rare");
    shell.greet_relay(peer(RELAY));
    for number in 2..7 {
        greet(&mut shell, number, &["cats"]);
    }
    shell.said.clear();
    shell.advance(60_000);
    let sought = Frame::Seek { boards: vec![board("rare")] };
    assert!(shell.frames(peer(RELAY)).contains(&sought));
    dials(&mut shell);
    shell.hear(peer(RELAY), Frame::Peers { records: vec![told(20)] });
    shell.advance(10_000);
    assert_eq!(dials(&mut shell), [id(20)]);
    // Once there is one, five are enough.
    greet(&mut shell, 20, &["rare"]);
    shell.hear(peer(RELAY), Frame::Peers { records: vec![told(21)] });
    shell.said.clear();
    shell.advance(60_000);
    assert!(!shell.frames(peer(RELAY)).iter().any(|frame| matches!(frame, Frame::Seek { .. })));
    assert_eq!(dials(&mut shell), []);
}

#[test]
fn a_relay_names_readers_of_the_boards_it_is_asked_for() {
    let mut relay = Shell::relay(RELAY);
    greet(&mut relay, 1, &["cats", "rare"]);
    greet(&mut relay, 2, &["cats"]);
    greet(&mut relay, 3, &["cats", "rare"]);
    let mut asked = |boards: &[&str]| {
        relay.said.clear();
        let boards = boards.iter().map(|name| board(name)).collect();
        relay.hear(id(1), Frame::Seek { boards });
        let frames = relay.frames(id(1)).into_iter();
        let mut told: Vec<PeerId> = frames
            .flat_map(|frame| if let Frame::Peers { records } = frame { about(&records) } else { Vec::new() })
            .collect();
        told.sort_unstable();
        told
    };
    assert_eq!(asked(&["rare"]), [id(3)]);
    let mut both = [id(2), id(3)];
    both.sort_unstable();
    assert_eq!(asked(&[]), both);
    assert_eq!(asked(&["dogs"]), [], "it does not read that board itself");
}

#[test]
fn the_neighbours_of_longest_standing_are_dialled_again_after_a_restart() {
    let mut shell = tab(1);
    for number in 2..8 {
        greet(&mut shell, number, &["cats"]);
        shell.advance(5_000);
    }
    shell.advance(200_000);
    shell.restart();
    shell.go_direct(&["ours"]);
    shell.advance(10_000);
    let mut dialled = dials(&mut shell);
    dialled.sort_unstable();
    let mut anchors: Vec<PeerId> = (2..6).map(id).collect();
    anchors.sort_unstable();
    assert_eq!(dialled, anchors);
}

#[test]
fn who_was_there_hours_ago_is_not() {
    let mut shell = tab(1);
    greet(&mut shell, 2, &["cats"]);
    shell.advance(200_000);
    shell.now.unix = Seconds(shell.now.unix.0 + 4_000);
    shell.restart();
    shell.go_direct(&["ours"]);
    shell.advance(10_000);
    assert_eq!(dials(&mut shell), []);
}
