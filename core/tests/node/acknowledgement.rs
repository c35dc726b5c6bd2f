//! Nothing is acknowledged, or shown as saved or sent, before it is.

use chanterelle_core::base::EventId;
use chanterelle_core::event::Content;
use chanterelle_core::node::{Input, StorageError, Target};
use chanterelle_core::view::PostState::{Pending, Saved, Sent};
use chanterelle_core::wire::{Frame, Role};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board};
use super::shell::{EPOCH, Shell, peer, reply_draft, thread_target};
use super::world::World;

const ANN: u8 = 0x10;
const BOB: u8 = 0x60;

#[test]
fn nothing_is_acknowledged_before_it_is_durable_and_then_once() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    let event = author(1).thread("cats", "x", EPOCH);
    shell.hear_events(peer(BOB), 1, [&event]);
    shell.advance(10_000);
    assert!(shell.holds(event.id()) && shell.node.is_pending(&event.id()));
    assert!(shell.acks(peer(BOB)).is_empty());

    shell.store(Ok(()));
    shell.advance(10_000);
    assert!(!shell.node.is_pending(&event.id()));
    assert_eq!(shell.acks(peer(BOB)), [event.id()]);
    shell.advance(600_000);
    assert!(shell.acks(peer(BOB)).is_empty());
}

#[test]
fn what_could_not_be_stored_is_not_acknowledged() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    let event = author(1).thread("cats", "x", EPOCH);
    shell.hear_events(peer(BOB), 1, [&event]);
    shell.store(Err(StorageError::Full));
    shell.advance(60_000);
    assert!(shell.acks(peer(BOB)).is_empty());
}

#[test]
fn a_duplicate_of_a_durable_event_is_acknowledged_again() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    let event = author(1).thread("cats", "x", EPOCH);
    for n in 1..4 {
        shell.hear_events(peer(BOB), n, [&event]);
        shell.advance(1_000);
        assert_eq!(shell.acks(peer(BOB)), [event.id()], "frame {n}");
    }
    assert!(shell.batches.is_empty() && shell.closed().is_empty());
}

#[test]
fn a_duplicate_of_a_pending_event_is_acknowledged_to_all_who_sent_it() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(ANN), &[]);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    let event = author(1).thread("cats", "x", EPOCH);
    shell.hear_events(peer(ANN), 1, [&event, &event]);
    shell.hear_events(peer(BOB), 1, [&event]);
    shell.advance(1_000);
    shell.store(Ok(()));
    shell.advance(1_000);
    assert_eq!(shell.acks(peer(ANN)), [event.id()]);
    assert_eq!(shell.acks(peer(BOB)), [event.id()]);
    assert_eq!(shell.batches.len(), 0, "stored once");
}

#[test]
fn acknowledgements_share_frames() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    let events: Vec<_> = (0..100).map(|n| author(1).thread("cats", &n.to_string(), EPOCH)).collect();
    for (n, event) in (1..).zip(&events) {
        shell.hear_events(peer(BOB), n, [event]);
    }
    shell.advance(1_000);
    let frames = shell.frames(peer(BOB));
    let acks: Vec<&Vec<EventId>> = frames
        .iter()
        .filter_map(|frame| if let Frame::Ack { ids } = frame { Some(ids) } else { None })
        .collect();
    assert!(acks.len() <= 2, "{} frames", acks.len());
    assert_eq!(acks.iter().map(|ids| ids.len()).sum::<usize>(), 100);
}

#[test]
fn an_own_post_is_pending_then_saved_then_sent() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.open(2, Target::Catalog { board: board("cats"), limit: 10 });
    shell.hold_batches = true;
    let thread = shell.write_thread("cats", "hello");
    shell.open(1, thread_target(board("cats"), thread));
    shell.advance(100);
    let states = |shell: &Shell| (shell.screen(1).state(thread), shell.screen(2).threads[&thread].state);
    assert_eq!(states(&shell), (Pending, Pending));
    assert_eq!(shell.screen(1).comment(thread), "hello", "it is shown at once");
    assert_eq!(shell.events(peer(BOB)), [thread], "and sent at once");

    shell.store(Ok(()));
    shell.advance(100);
    assert_eq!(states(&shell), (Saved, Saved));

    shell.hear(peer(BOB), Frame::Ack { ids: vec![thread] });
    shell.advance(100);
    assert_eq!(states(&shell), (Sent, Sent));
}

#[test]
fn an_acknowledgement_that_comes_before_our_own_storage_waits_for_it() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.hold_batches = true;
    let thread = shell.write_thread("cats", "hello");
    shell.open(1, thread_target(board("cats"), thread));
    shell.hear(peer(BOB), Frame::Ack { ids: vec![thread] });
    shell.advance(100);
    assert_eq!(shell.screen(1).state(thread), Pending);
    shell.store(Ok(()));
    shell.advance(100);
    assert_eq!(shell.screen(1).state(thread), Sent);
    while !shell.batches.is_empty() {
        shell.store(Ok(()));
    }
    assert!(shell.disk.rows[&thread].sent, "what was learnt while the batch was under way is stored too");
}

#[test]
fn an_acknowledgement_of_what_is_not_ours_changes_nothing() {
    let mut shell = Shell::tab(0x50);
    let foreign = author(1).thread("cats", "x", EPOCH);
    shell.hold([&foreign]);
    shell.greet_reader(peer(BOB), &[]);
    shell.open(1, thread_target(board("cats"), foreign.id()));
    shell.updates(1);
    shell.hear(peer(BOB), Frame::Ack { ids: vec![foreign.id(), EventId([9; 32])] });
    shell.advance(1_000);
    assert!(shell.updates(1).is_empty());
    assert_eq!(shell.screen(1).state(foreign.id()), Saved);
    assert!(!shell.disk.rows[&foreign.id()].sent);
}

#[test]
fn only_batches_with_something_written_here_are_strict() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    shell.hear_events(peer(BOB), 1, [&author(1).thread("cats", "x", EPOCH)]);
    assert!(!shell.batches[0].strict, "a stranger's post");
    let thread = shell.write_thread("cats", "mine");
    shell.hear_events(peer(BOB), 2, [&author(2).thread("cats", "y", EPOCH)]);
    shell.store(Ok(()));
    assert!(shell.batches[0].strict && shell.batches[0].puts.len() == 2, "one of them mine");
    shell.store(Ok(()));
    shell.hear(peer(BOB), Frame::Ack { ids: vec![thread] });
    let batch = &shell.batches[0];
    assert!(batch.puts.len() == 1 && batch.puts[0].row.sent && batch.puts[0].event.is_none());
    assert!(!batch.strict, "only a note about it");
    shell.store(Ok(()));
    shell.subscribe("cats");
    assert!(!shell.batches[0].strict && shell.batches[0].state.is_some());
}

#[test]
fn sent_survives_a_restart() {
    let mut world = World::new(vec![Shell::tab(0x50), Shell::relay(0x20)]);
    world.link(0, 1);
    let sent = world.shells[0].write_thread("cats", "hello");
    world.run(1_000);
    world.sever(0, 1);
    let saved = world.shells[0].write_reply("cats", sent, "are you there?");
    world.restart(0);
    world.shells[0].open(1, thread_target(board("cats"), sent));
    let screen = world.shells[0].screen(1);
    assert_eq!((screen.state(sent), screen.state(saved)), (Sent, Saved));
    assert!(screen.post(sent).own && screen.post(saved).own);
}

#[test]
fn what_nobody_acknowledged_is_offered_to_the_next_session() {
    let mut world = World::new(vec![Shell::tab(0x50), Shell::relay(0x20)]);
    let thread = world.shells[0].write_thread("cats", "is anybody there?");
    world.run(60_000);
    world.restart(0);
    world.shells[0].open(1, thread_target(board("cats"), thread));
    assert_eq!(world.shells[0].screen(1).state(thread), Saved);
    world.link(0, 1);
    world.run(1_000);
    assert!(world.shells[1].disk.bytes.contains_key(&thread));
    assert_eq!(world.shells[0].screen(1).state(thread), Sent);
    let offered = world.carried.iter().filter(|(_, _, frame)| matches!(frame, Frame::Events { .. }));
    assert_eq!(offered.count(), 1, "once is enough");
}

#[test]
fn it_is_offered_even_to_a_relay_that_does_not_say_that_it_reads_the_board() {
    let mut shell = Shell::tab(0x50);
    let thread = shell.write_thread("cats", "is anybody there?");
    shell.greet(peer(BOB), Role::Relay, 1_000);
    shell.advance(1_000);
    assert_eq!(shell.events(peer(BOB)), [thread]);
}

#[test]
fn a_peer_that_swallows_posts_leaves_them_saved() {
    let mut shell = Shell::tab(0x50);
    shell.greet_relay(peer(BOB));
    let thread = shell.write_thread("cats", "hello");
    shell.open(1, thread_target(board("cats"), thread));
    shell.advance(600_000);
    assert_eq!(shell.screen(1).state(thread), Saved);
    assert!(shell.closed().is_empty());
    shell.input(Input::Disconnected(peer(BOB)));
    shell.frames(peer(BOB));

    shell.greet_relay(peer(ANN));
    shell.advance(1_000);
    assert_eq!(shell.events(peer(ANN)), [thread], "somebody else may keep it");
    shell.hear(peer(ANN), Frame::Ack { ids: vec![thread] });
    shell.advance(1_000);
    assert_eq!(shell.screen(1).state(thread), Sent);
}

/// An edit is shown in place of what it replaces, so the post is only as safe as the edit.
#[test]
fn an_edit_begins_the_way_again() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    let thread = shell.write_thread("cats", "hello");
    shell.hear(peer(BOB), Frame::Ack { ids: vec![thread] });
    shell.open(1, thread_target(board("cats"), thread));
    shell.advance(100);
    assert_eq!(shell.screen(1).state(thread), Sent);

    shell.hold_batches = true;
    let edit = Content::Edit { target: thread, comment: "hello!".to_owned(), subject: None };
    let (edit, _) = shell.publish(edit).expect("my own post");
    shell.advance(100);
    assert_eq!((shell.screen(1).state(thread), shell.screen(1).comment(thread)), (Pending, "hello!"));
    shell.store(Ok(()));
    shell.advance(100);
    assert_eq!(shell.screen(1).state(thread), Saved);
    shell.hear(peer(BOB), Frame::Ack { ids: vec![edit] });
    shell.advance(100);
    assert_eq!(shell.screen(1).state(thread), Sent);
}

#[test]
fn replies_go_the_same_way_in_one_session_after_another() {
    let mut world = World::new(vec![Shell::tab(0x50), Shell::relay(0x20), Shell::tab(0x51)]);
    world.shells[2].subscribe("cats");
    world.link(0, 1);
    world.link(1, 2);
    let thread = world.shells[0].write_thread("cats", "hello");
    world.run(1_000);
    let reply = world.shells[2].publish(reply_draft("cats", thread, "hello you")).expect("a good draft").0;
    world.shells[0].subscribe("cats");
    world.run(1_000);
    for shell in &mut world.shells[..] {
        shell.open(1, thread_target(board("cats"), thread));
    }
    let state = |shell: usize, id| world.shells[shell].screen(1).state(id);
    assert_eq!((state(0, thread), state(0, reply)), (Sent, Saved));
    assert_eq!((state(1, thread), state(1, reply)), (Saved, Saved));
    assert_eq!((state(2, thread), state(2, reply)), (Saved, Sent));
}
