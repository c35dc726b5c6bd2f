//! Credit: how many frames of events may be under way, in both directions.

use chanterelle_core::event::Event;
use chanterelle_core::node::CloseReason;
use chanterelle_core::wire::{Frame, Role};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board};
use super::shell::{EPOCH, Shell, interest, peer};
use super::world::World;

const BOB: u8 = 0x60;

/// A tab that sends one event to a frame.
fn frugal() -> Shell {
    Shell::new(0x50, Role::Tab, |limits| limits.frame_events = 1)
}

fn replies(count: usize) -> Vec<Event> {
    let thread = author(1).thread("cats", "x", EPOCH);
    let replies = (1..count).map(|n| author(2).reply(board("cats"), thread.id(), &n.to_string(), EPOCH));
    [thread.clone()].into_iter().chain(replies).collect()
}

fn wanting(events: &[Event]) -> Frame {
    Frame::Want { ids: events.iter().map(Event::id).collect() }
}

/// The numbers of the frames of events sent to Bob.
fn numbers(shell: &mut Shell) -> Vec<u64> {
    let frames = shell.frames(peer(BOB)).into_iter();
    frames.filter_map(|frame| if let Frame::Events { n, .. } = frame { Some(n) } else { None }).collect()
}

/// The credit last given to Bob.
fn granted(shell: &mut Shell) -> Option<u64> {
    let frames = shell.frames(peer(BOB)).into_iter().rev();
    frames.filter_map(|frame| if let Frame::Credit { frames } = frame { Some(frames) } else { None }).next()
}

#[test]
fn no_more_is_sent_than_the_peer_lets_us() {
    let mut shell = frugal();
    let events = replies(40);
    shell.hold(&events);
    shell.greet(peer(BOB), Role::Tab, 5);
    shell.hear(peer(BOB), wanting(&events));
    shell.advance(30_000);
    assert_eq!(numbers(&mut shell), [1, 2, 3, 4, 5]);
    shell.hear(peer(BOB), Frame::Credit { frames: 7 });
    shell.advance(10_000);
    assert_eq!(numbers(&mut shell), [6, 7]);
    shell.hear(peer(BOB), Frame::Credit { frames: 3 });
    shell.advance(10_000);
    assert!(numbers(&mut shell).is_empty(), "credit is a total and never shrinks");
    shell.hear(peer(BOB), Frame::Credit { frames: 1_000 });
    shell.advance(10_000);
    assert_eq!(numbers(&mut shell), (8..=40).collect::<Vec<_>>());
}

#[test]
fn everything_but_events_is_said_without_credit() {
    let mut shell = Shell::tab(0x50);
    let events = replies(4);
    shell.hold(&events);
    shell.greet(peer(BOB), Role::Tab, 0);
    shell.hear(peer(BOB), wanting(&events));
    shell.hear_events(peer(BOB), 1, &events);
    shell.subscribe("cats");
    shell.advance(1_000);
    let frames = shell.frames(peer(BOB));
    assert!(frames.contains(&Frame::Ack { ids: events.iter().map(Event::id).collect() }), "{frames:?}");
    assert!(frames.contains(&interest(&["cats"])));
    assert!(!frames.iter().any(|frame| matches!(frame, Frame::Events { .. })));
}

#[test]
fn without_credit_there_is_nothing_to_wake_up_for() {
    let mut shell = frugal();
    let events = replies(4);
    shell.hold(&events);
    shell.greet(peer(BOB), Role::Tab, 0);
    shell.hear(peer(BOB), wanting(&events));
    let next = shell.node.poll_timeout().expect("a refresh, at least");
    assert!(next.since(shell.now.instant).as_secs() >= 10);
}

#[test]
fn credit_is_given_anew_once_half_is_used() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.frames(peer(BOB));
    let window = shell.limits().window_frames;
    for (n, event) in (1..).zip(&replies(70)) {
        shell.hear_events(peer(BOB), n, [event]);
        shell.advance(20);
        if let Some(total) = granted(&mut shell) {
            assert_eq!(total, n + window);
            assert_eq!(n % (window / 2), 0, "now and then");
        }
    }
    assert!(shell.closed().is_empty());
}

#[test]
fn sending_on_without_credit_ends_the_session() {
    let mut shell = Shell::new(0x50, Role::Tab, |limits| {
        limits.window_frames = 4;
        limits.persist_events = 1;
    });
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    let events = replies(400);
    for (n, event) in (1..).zip(&events) {
        shell.hear_events(peer(BOB), n, [event]);
        shell.advance(20);
    }
    let held = events.iter().filter(|event| shell.holds(event.id())).count();
    assert!((4..=16).contains(&held), "{held} events in memory");
    assert_eq!(shell.closed(), [(peer(BOB), CloseReason::Budget)]);
}

#[test]
fn a_number_far_ahead_is_more_than_was_let() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    let events = replies(10);
    for (n, event) in (0..).zip(&events) {
        shell.hear_events(peer(BOB), u64::MAX / 2048 - n, [event]);
    }
    assert!(events.iter().all(|event| !shell.holds(event.id())));
    assert_eq!(shell.closed(), [(peer(BOB), CloseReason::Budget)]);
}

/// Frames are counted by the receiver too: a sender that never counts on has not thereby unlimited credit.
#[test]
fn counting_wrongly_gives_no_credit() {
    for number in [0, 1] {
        let mut shell = Shell::new(0x50, Role::Tab, |limits| {
            limits.window_frames = 4;
            limits.persist_events = 1;
        });
        shell.greet_reader(peer(BOB), &[]);
        shell.hold_batches = true;
        let events = replies(400);
        for event in &events {
            shell.hear_events(peer(BOB), number, [event]);
            shell.advance(20);
        }
        let held = events.iter().filter(|event| shell.holds(event.id())).count();
        assert!(held <= 16, "{held} events in memory, all of them frame {number}");
        assert_eq!(shell.closed(), [(peer(BOB), CloseReason::Budget)]);
    }
}

#[test]
fn credit_that_was_lost_is_given_again() {
    let mut shells = vec![frugal(), Shell::relay(0x20)];
    let events = replies(100);
    shells[0].hold(&events);
    let start = shells[0].now.instant;
    shells[1].set_clock(start);
    let mut world = World::new(shells);
    world.lose = Box::new(|_, _, frame| matches!(frame, Frame::Credit { .. }));
    world.shells[0].subscribe("cats");
    world.link(0, 1);
    world.run(30_000);
    let arrived = |world: &World| events.iter().filter(|event| world.shells[1].holds(event.id())).count();
    assert_eq!(arrived(&world), 32, "what was let from the beginning");
    world.lose = Box::new(|_, _, _| false);
    world.run(90_000);
    assert_eq!(arrived(&world), 100);
    assert!(world.closed.is_empty());
}

/// Bodies are being read for one frame while a new post takes the last credit: that frame must wait.
#[test]
fn credit_is_kept_for_a_frame_whose_bodies_are_being_read() {
    let mut shell = frugal();
    let events = replies(3);
    shell.hold(&events);
    shell.greet(peer(BOB), Role::Tab, 1);
    shell.hear(peer(BOB), interest(&["cats"]));
    shell.hold_reads = true;
    shell.hear(peer(BOB), wanting(&events));
    shell.advance(1_000);
    assert_eq!(shell.reads.len(), 1);
    shell.hold_batches = true;
    shell.write_thread("cats", "new");
    shell.advance(1_000);
    shell.read();
    shell.advance(10_000);
    assert_eq!(numbers(&mut shell), [1], "one frame was let, and one was sent");
    assert!(shell.node.poll_timeout().is_none_or(|at| at > shell.now.instant));
    shell.hear(peer(BOB), Frame::Credit { frames: 10 });
    shell.hold_reads = false;
    while !shell.reads.is_empty() {
        shell.read();
    }
    shell.advance(1_000);
    assert_eq!(numbers(&mut shell), [2, 3, 4]);
}

/// Both have much the other lacks, at the full rate: neither may take the other for a flood.
#[test]
fn two_honest_nodes_never_charge_each_other() {
    let mut shells = vec![Shell::relay(0x21), Shell::relay(0x20)];
    let count = if cfg!(target_arch = "wasm32") { 2_000 } else { 4_000 };
    for (number, shell) in (1..).zip(&mut shells) {
        let thread = author(number).thread("cats", "x", EPOCH);
        let reply = |n: u32| author(number).reply(board("cats"), thread.id(), &n.to_string(), EPOCH);
        let events: Vec<Event> = (0..count).map(reply).collect();
        shell.hold(&events);
        shell.limits_from_now_on(|limits| limits.frame_events = 1);
    }
    let mut world = World::new(shells);
    world.link(0, 1);
    for _ in 0..240 {
        world.run(1_000);
        world.carried.clear();
        if world.shells.iter().all(|shell| shell.node.index().len() == 2 * count as usize) {
            break;
        }
    }
    assert!(world.closed.is_empty(), "{:?}", world.closed);
    let held: Vec<usize> = world.shells.iter().map(|shell| shell.node.index().len()).collect();
    assert_eq!(held, [2 * count as usize; 2]);
}
