//! A disk that refuses: nothing is shown as safe that is not, and nothing of one's own is lost.

use chanterelle_core::event::Event;
use chanterelle_core::node::{Input, Notice, StorageError, Target};
use chanterelle_core::view::PostState::{Pending, Saved};
use chanterelle_core::wire::{Frame, Role};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board};
use super::shell::{EPOCH, Shell, peer, thread_target};
use super::world::World;

const BOB: u8 = 0x60;

fn failed() -> Result<(), StorageError> {
    Err(StorageError::Failed("the disk is on fire".to_owned()))
}

fn unavailable() -> Result<(), StorageError> {
    Err(StorageError::Unavailable("private browsing".to_owned()))
}

#[test]
fn a_strangers_post_is_forgotten_and_obtained_again() {
    let mut world = World::new(vec![Shell::tab(0x50), Shell::relay(0x20)]);
    let thread = author(1).thread("cats", "x", EPOCH);
    world.shells[1].hold([&thread]);
    let now = world.shells[1].now;
    world.shells[0].set_clock(now.instant);
    world.shells[0].subscribe("cats");
    world.shells[0].open(1, Target::Catalog { board: board("cats"), limit: 10 });
    world.shells[0].hold_batches = true;
    world.link(0, 1);
    world.run(1_000);
    // The name of the board is noted first.
    world.shells[0].store(Ok(()));
    world.run(1_000);
    assert_eq!(world.shells[0].screen(1).threads[&thread.id()].state, Pending);

    world.shells[0].store(Err(StorageError::Full));
    world.run(1_000);
    assert!(!world.shells[0].holds(thread.id()));
    assert!(world.shells[0].screen(1).threads.is_empty(), "what is gone is not shown");
    assert_eq!(world.shells[0].notices(), [Notice::StorageFailing(StorageError::Full)]);

    world.run(120_000);
    assert!(world.shells[0].node.is_pending(&thread.id()), "reconciliation found it again");
    world.shells[0].store(Ok(()));
    world.run(1_000);
    assert_eq!(world.shells[0].screen(1).threads[&thread.id()].state, Saved);
    assert_eq!(world.shells[0].notices(), [Notice::StorageWorks]);
    assert!(world.closed.is_empty());
}

#[test]
fn its_sender_may_simply_send_it_again() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    let thread = author(1).thread("cats", "x", EPOCH);
    shell.hear_events(peer(BOB), 1, [&thread]);
    shell.store(failed());
    assert!(!shell.holds(thread.id()));
    shell.hear_events(peer(BOB), 2, [&thread]);
    shell.advance(60_000);
    shell.store(Ok(()));
    shell.advance(1_000);
    assert_eq!(shell.acks(peer(BOB)), [thread.id()]);
}

#[test]
fn an_own_post_is_kept_and_stored_later() {
    let mut shell = Shell::tab(0x50);
    shell.hold_batches = true;
    let thread = shell.write_thread("cats", "hello");
    shell.open(1, thread_target(board("cats"), thread));
    let retry = u64::try_from(shell.limits().persist_retry.as_millis()).expect("seconds");
    for _ in 0..4 {
        shell.store(failed());
        assert_eq!((shell.screen(1).state(thread), shell.screen(1).comment(thread)), (Pending, "hello"));
        shell.advance(retry - 1);
        assert!(shell.batches.is_empty(), "not at once");
        shell.advance(1);
        assert_eq!(shell.batches[0].puts[0].row.id, thread);
        assert!(shell.batches[0].strict && shell.batches[0].puts[0].event.is_some());
    }
    let notice = Notice::StorageFailing(StorageError::Failed("the disk is on fire".to_owned()));
    assert_eq!(shell.notices(), [notice], "told once");

    shell.store(Ok(()));
    shell.advance(1_000);
    assert_eq!(shell.notices(), [Notice::StorageWorks]);
    assert_eq!(shell.screen(1).state(thread), Saved);
    shell.write_reply("cats", thread, "again");
    shell.store(failed());
    assert_eq!(shell.notices().len(), 1, "a new failure is told anew");
}

#[test]
fn own_posts_are_stored_in_the_order_they_were_written() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    let thread = shell.write_thread("cats", "one");
    shell.store(Ok(()));
    let two = shell.write_reply("cats", thread, "two");
    shell.hear_events(peer(BOB), 1, [&author(1).thread("cats", "x", EPOCH)]);
    let three = shell.write_reply("cats", thread, "three");
    shell.store(failed());
    shell.advance(10_000);
    let puts = |shell: &Shell| shell.batches[0].puts.iter().map(|put| put.row.id).collect::<Vec<_>>();
    assert_eq!(puts(&shell), [two, three], "the stranger's is forgotten, though it was in no batch");
    shell.store(failed());
    shell.advance(10_000);
    assert_eq!(puts(&shell), [two, three], "in no batch twice");
}

#[test]
fn subscriptions_are_stored_later_too() {
    let mut shell = Shell::tab(0x50);
    shell.hold_batches = true;
    shell.subscribe("cats");
    shell.store(failed());
    shell.advance(10_000);
    shell.store(Ok(()));
    shell.restart();
    shell.open(1, Target::Boards);
    assert!(shell.screen(1).boards[&board("cats")].subscribed);
}

#[test]
fn a_note_about_a_post_is_stored_later_too() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    let thread = shell.write_thread("cats", "hello");
    shell.hold_batches = true;
    shell.hear(peer(BOB), Frame::Ack { ids: vec![thread] });
    shell.store(failed());
    assert!(!shell.disk.rows[&thread].sent);
    shell.advance(10_000);
    shell.store(Ok(()));
    assert!(shell.disk.rows[&thread].sent);
}

#[test]
fn acknowledged_while_storing_failed_it_is_stored_once_and_as_sent() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.hold_batches = true;
    let thread = shell.write_thread("cats", "hello");
    shell.hear(peer(BOB), Frame::Ack { ids: vec![thread] });
    shell.store(failed());
    shell.advance(10_000);
    let puts: Vec<_> = shell.batches[0].puts.iter().map(|put| (put.row.id, put.row.sent)).collect();
    assert_eq!(puts, [(thread, true)]);
    shell.store(Ok(()));
    assert!(shell.batches.is_empty(), "nothing is left to note");
}

#[test]
fn without_any_storage_memory_holds_everything() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.hold_batches = true;
    let mine = shell.write_thread("cats", "mine");
    shell.store(unavailable());
    let theirs = author(1).thread("cats", "theirs", EPOCH);
    let answer = author(2).reply(board("cats"), mine, "an answer", EPOCH);
    shell.hear_events(peer(BOB), 1, [&theirs, &answer]);
    shell.open(1, thread_target(board("cats"), mine));
    shell.open(2, Target::Catalog { board: board("cats"), limit: 10 });
    for _ in 0..5 {
        shell.advance(10_000);
        shell.store(unavailable());
    }
    shell.advance(1_000);
    assert!([mine, theirs.id(), answer.id()].iter().all(|id| shell.node.is_pending(id)));
    let screen = shell.screen(1);
    assert_eq!((screen.comment(mine), screen.comment(answer.id())), ("mine", "an answer"));
    assert_eq!((screen.state(mine), screen.state(answer.id())), (Pending, Pending));
    let card = &shell.screen(2).threads[&theirs.id()];
    assert_eq!((card.excerpt.as_str(), card.state), ("theirs", Pending));
    assert!(shell.reads.is_empty(), "there is nothing to read");
    assert_eq!(shell.notices().len(), 1);
    assert!(shell.acks(peer(BOB)).is_empty(), "memory is no promise");
}

#[test]
fn a_storage_that_returns_takes_everything() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.hold_batches = true;
    let mine = shell.write_thread("cats", "mine");
    shell.store(unavailable());
    let theirs = author(1).thread("cats", "theirs", EPOCH);
    shell.hear_events(peer(BOB), 1, [&theirs]);
    shell.advance(10_000);
    shell.store(unavailable());
    shell.advance(10_000);
    shell.store(Ok(()));
    assert!(shell.disk.bytes.contains_key(&mine) && shell.disk.bytes.contains_key(&theirs.id()));
    assert!(shell.batches.is_empty());
    shell.advance(1_000);
    assert_eq!(shell.acks(peer(BOB)), [theirs.id()]);
    assert_eq!(shell.notices().last(), Some(&Notice::StorageWorks));
}

/// When everything of a failed batch was forgotten, there is nothing to try again, and no reason to wake up for it.
#[test]
fn after_forgetting_nothing_is_left_to_wake_up_for() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    shell.hear_events(peer(BOB), 1, [&author(1).thread("cats", "x", EPOCH)]);
    shell.store(failed());
    shell.advance(30_000);
    shell.input(Input::Disconnected(peer(BOB)));
    assert!(shell.node.poll_timeout().is_none_or(|at| at > shell.now.instant));
}

#[test]
fn a_refused_post_of_a_stranger_still_reaches_those_it_was_passed_on_to() {
    let mut shell = Shell::tab(0x50);
    let ann = peer(0x10);
    shell.greet_reader(peer(BOB), &[]);
    shell.greet_reader(ann, &["cats"]);
    shell.hold_batches = true;
    let thread = author(1).thread("cats", "x", EPOCH);
    shell.hear_events(peer(BOB), 1, [&thread]);
    assert_eq!(shell.events(ann), [thread.id()], "live posts do not wait for a disk");
    shell.store(failed());
    shell.hear(ann, Frame::Want { ids: vec![thread.id()] });
    shell.advance(1_000);
    assert!(shell.frames(ann).contains(&Frame::Withheld { ids: vec![thread.id()] }));
}

/// What the storage's failure kept from being granted is granted when it works again.
#[test]
fn credit_is_given_again_after_a_failure() {
    let mut shell = Shell::new(0x50, Role::Relay, |limits| limits.persist_events = 10);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    let window = shell.limits().window_frames;
    let thread = author(1).thread("cats", "x", EPOCH);
    for n in 1..=window {
        let text = |i: u64| format!("{n} {i}");
        let events: Vec<_> =
            (0..3).map(|i| author(2).reply(board("cats"), thread.id(), &text(i), EPOCH)).collect();
        shell.hear_events(peer(BOB), n, &events);
    }
    while !shell.batches.is_empty() {
        shell.store(failed());
        shell.advance(6_000);
    }
    shell.hold_batches = false;
    shell.advance(120_000);
    let granted = shell.frames(peer(BOB)).into_iter().filter_map(|frame| match frame {
        Frame::Credit { frames } => Some(frames),
        _ => None,
    });
    assert_eq!(granted.max(), Some(2 * window), "all that was received was dealt with");
}

/// A relay that writes eight events at a time: what it keeps in memory is 128 of at most 4 KiB, or 512 KiB.
fn small_relay() -> Shell {
    Shell::new(0x50, Role::Relay, |limits| limits.persist_events = 8)
}

const SMALL_RELAY: usize = 512 * 1024;

/// As large as a comment may be, and all the same a hundredth of it on the wire.
fn large(number: u32) -> Event {
    let comment = format!("{number} {}", "\u{1F344}".repeat(9_000));
    author(2).reply(board("cats"), author(1).thread("cats", "x", EPOCH).id(), &comment, EPOCH)
}

/// Peer after peer uses up what it may send and comes back as another.
fn flood(shell: &mut Shell, events: &[Event], mut each: impl FnMut(&mut Shell)) {
    for (number, events) in (0x60..).zip(events.chunks(24)) {
        shell.greet_reader(peer(number), &[]);
        for (n, events) in (1..).zip(events.chunks(6)) {
            shell.hear_events(peer(number), n, events);
            each(shell);
        }
        shell.input(Input::Disconnected(peer(number)));
    }
}

#[test]
fn a_relay_whose_storage_hangs_keeps_no_more_in_memory_than_it_may() {
    let mut shell = small_relay();
    shell.hold_batches = true;
    let events: Vec<Event> = (0..96).map(large).collect();
    let largest = events.iter().map(|event| event.bytes().len()).max().expect("there are some");
    assert!(events.len() * largest > 4 * SMALL_RELAY);
    flood(&mut shell, &events, |shell| {
        assert!(shell.node.pending_bytes() <= SMALL_RELAY + largest, "{}", shell.node.pending_bytes());
    });
    assert!(shell.node.pending_bytes() > SMALL_RELAY / 2, "what there is room for is taken");

    let mut shell = small_relay();
    shell.hold_batches = true;
    let thread = author(1).thread("cats", "x", EPOCH).id();
    let small: Vec<Event> =
        (0..400).map(|n| author(2).reply(board("cats"), thread, &n.to_string(), EPOCH)).collect();
    flood(&mut shell, &small, |_| {});
    assert_eq!(small.iter().filter(|event| shell.holds(event.id())).count(), 128, "small ones are counted");
}

#[test]
fn a_relay_whose_storage_fails_keeps_one_batch_to_try_with() {
    let mut shell = small_relay();
    shell.hold_batches = true;
    shell.greet_reader(peer(BOB), &[]);
    shell.hear_events(peer(BOB), 1, [&large(1_000)]);
    shell.store(failed());
    assert_eq!(shell.node.pending_bytes(), 0, "nothing of others' outlives a failure");
    let events: Vec<Event> = (0..96).map(large).collect();
    flood(&mut shell, &events, |shell| {
        assert!(shell.node.pending_bytes() <= 8 * 4 * 1024 + 64 * 1024, "{}", shell.node.pending_bytes());
    });
    assert!(shell.node.pending_bytes() > 0, "or it would never be tried again");
    shell.advance(10_000);
    shell.store(failed());
    assert_eq!(shell.node.pending_bytes(), 0);
}

#[test]
fn what_a_relay_had_no_room_for_arrives_when_its_storage_works_again() {
    let mut world = World::new(vec![small_relay(), Shell::relay(0x20)]);
    world.shells[0].hold_batches = true;
    world.link(0, 1);
    world.run(1_000);
    let events: Vec<Event> = (0..40).map(large).collect();
    events.chunks(6).for_each(|events| world.shells[1].hold(events));
    for _ in 0..10 {
        world.run(20_000);
        while !world.shells[0].batches.is_empty() {
            world.shells[0].store(Err(StorageError::Full));
        }
        assert!(world.shells[0].node.pending_bytes() <= SMALL_RELAY);
    }
    assert!(events.iter().all(|event| !world.shells[0].disk.bytes.contains_key(&event.id())));
    world.shells[0].hold_batches = false;
    world.run(600_000);
    assert!(events.iter().all(|event| world.shells[0].disk.bytes.contains_key(&event.id())));
    assert!(world.closed.is_empty());
}

/// Each peer waits for its acknowledgement in the memory of the relay.
#[test]
fn many_who_send_the_same_are_not_all_remembered() {
    let mut shell = small_relay();
    shell.hold_batches = true;
    let event = author(1).thread("cats", "x", EPOCH);
    let peers = 0x60..=0xf0;
    for number in peers.clone() {
        shell.greet_reader(peer(number), &[]);
        shell.hear_events(peer(number), 1, [&event]);
    }
    shell.store(Ok(()));
    shell.advance(1_000);
    let told = peers.filter(|number| !shell.acks(peer(*number)).is_empty()).count();
    assert_eq!(told, 64);
    shell.hear_events(peer(0xf0), 2, [&event]);
    shell.advance(1_000);
    assert_eq!(shell.acks(peer(0xf0)), [event.id()], "whoever sends it again hears of it");
}
