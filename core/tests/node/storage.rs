//! A disk that refuses: nothing is shown as safe that is not, and nothing of one's own is lost.

use chanterelle_core::node::{Notice, StorageError, Target};
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
    let held = puts(&shell);
    assert_eq!((held[0], held[held.len() - 1], held.len()), (two, three, 3));
    shell.store(failed());
    shell.advance(10_000);
    assert_eq!(puts(&shell), [two, three], "the stranger's is forgotten, in no batch twice");
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
    shell.input(chanterelle_core::node::Input::Disconnected(peer(BOB)));
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
