//! Ends in the middle of things, deadlines that lead somewhere, and the same outputs for the same inputs.

use chanterelle_core::base::{EventId, Instant};
use chanterelle_core::crypto::ReachSecret;
use chanterelle_core::event::{Content, Draft, Event, Persona};
use chanterelle_core::invite::FriendCode;
use chanterelle_core::node::{Command, Input, Target, Update, add_backup, take_over};
use chanterelle_core::store::Row;
use chanterelle_core::view::PostState::{Pending, Saved, Sent};
use chanterelle_core::wire::{Frame, Role};
use serde_bytes::ByteBuf;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board, name};
use super::shell::{EPOCH, Said, Shell, peer, thread_draft, thread_target};
use super::world::World;

/// Requests of which it was told that what they published is saved.
fn saved(shell: &mut Shell) -> Vec<u32> {
    shell.take(|said| match said {
        Said::Update(Update::Saved { request }) => Some(*request),
        _ => None,
    })
}

/// Writes a post that the node does not come to store; the event, as it was told.
fn written_and_lost(shell: &mut Shell) -> (EventId, ByteBuf) {
    shell.hold_batches = true;
    shell.command(Command::Publish(
        7,
        Draft { persona: Persona::Pseudonym, content: thread_draft("cats", "mine") },
    ));
    let mut published = shell.take(|said| match said {
        Said::Update(Update::Published { request: 7, event, bytes, .. }) => Some((*event, bytes.clone())),
        _ => None,
    });
    assert!(saved(shell).is_empty(), "nothing is stored yet");
    published.remove(0)
}

#[test]
fn what_a_node_published_and_did_not_store_the_next_one_publishes() {
    let mut shell = Shell::tab(0x50);
    let (post, bytes) = written_and_lost(&mut shell);
    shell.restart();
    assert!(!shell.holds(post), "it died before");

    shell.hold_batches = true;
    shell.greet_relay(peer(0x20));
    shell.command(Command::Republish(9, bytes.clone()));
    shell.open(1, thread_target(board("cats"), post));
    assert_eq!((shell.screen(1).state(post), saved(&mut shell)), (Pending, vec![]));
    // Told again before it is stored, by a page that was told of another node meanwhile.
    shell.command(Command::Republish(9, bytes.clone()));
    shell.store(Ok(()));
    shell.advance(1_000);
    assert_eq!(saved(&mut shell), [9]);
    assert_eq!(shell.screen(1).state(post), Saved);
    assert!(shell.node.index().get(&post).is_some_and(|row| row.own()));
    shell.publish(Content::Delete { target: post }).expect("it is mine");
}

#[test]
fn what_was_stored_after_all_is_not_doubled() {
    let mut shell = Shell::tab(0x50);
    let (post, bytes) = written_and_lost(&mut shell);
    shell.store(Ok(()));
    assert_eq!(saved(&mut shell), [7]);
    shell.restart();
    let held = shell.node.index().len();
    shell.hold_batches = true;
    shell.command(Command::Republish(9, bytes));
    assert_eq!(saved(&mut shell), [9], "at once");
    assert_eq!(shell.node.index().len(), held);
    assert!(shell.holds(post) && shell.batches.is_empty());

    // Nothing is said of what no node has signed, so that it stays with whoever holds it.
    shell.command(Command::Republish(10, ByteBuf::from(*b"not an event")));
    assert!(saved(&mut shell).is_empty());
}

/// The node before had sent it and not stored it.
#[test]
fn what_comes_back_from_the_network_first_is_the_persons_all_the_same() {
    for is_stored in [true, false] {
        let mut shell = Shell::tab(0x50);
        let (post, bytes) = written_and_lost(&mut shell);
        shell.restart();
        shell.hold_batches = !is_stored;
        shell.greet_relay(peer(0x20));
        shell.hear(peer(0x20), Frame::Events { n: 1, events: vec![bytes.clone()] });
        assert!(shell.holds(post));
        let delete = Content::Delete { target: post };
        assert!(shell.publish(delete.clone()).is_err(), "who wrote it is not known here");
        shell.open(1, thread_target(board("cats"), post));
        shell.command(Command::Republish(9, bytes));
        while !shell.batches.is_empty() {
            shell.store(Ok(()));
        }
        shell.advance(1_000);
        assert_eq!(saved(&mut shell), [9]);
        assert_eq!(shell.screen(1).state(post), Sent);
        assert_eq!(shell.events(peer(0x20)), [], "it is where it came from");
        shell.hold_batches = false;
        shell.restart();
        shell.publish(delete).expect("it is mine");
    }
}

/// Signed before the clock was set back: it waits like anybody's, and is the person's when its time comes.
#[test]
fn what_is_from_the_future_now_is_published_when_its_time_comes() {
    for comes_back in [false, true] {
        let mut shell = Shell::tab(0x50);
        let (post, bytes) = written_and_lost(&mut shell);
        shell.now.unix.0 -= 3_600;
        shell.restart();
        shell.hold_batches = false;
        shell.greet_relay(peer(0x20));
        if comes_back {
            shell.hear(peer(0x20), Frame::Events { n: 1, events: vec![bytes.clone()] });
        }
        shell.command(Command::Republish(9, bytes));
        shell.advance(2_600_000);
        assert_eq!((shell.holds(post), saved(&mut shell)), (false, vec![]));
        shell.advance(200_000);
        assert_eq!((shell.holds(post), saved(&mut shell)), (true, vec![9]));
        assert_eq!(shell.events(peer(0x20)).first(), Some(&post));
        shell.restart();
        shell.publish(Content::Delete { target: post }).expect("it is mine");
    }
}

fn replies(count: usize) -> Vec<Event> {
    let thread = author(1).thread("cats", "x", EPOCH);
    let replies = (1..count).map(|n| author(2).reply(board("cats"), thread.id(), &n.to_string(), EPOCH));
    [thread.clone()].into_iter().chain(replies).collect()
}

/// A reader and a relay that holds a thread, before they meet.
fn reader_and_relay(events: &[Event]) -> World {
    let mut shells = vec![Shell::tab(0x50), Shell::relay(0x20)];
    shells[1].hold(events);
    let now = shells[1].now.instant;
    shells[0].set_clock(now);
    shells[0].subscribe("cats");
    World::new(shells)
}

/// Dies after every number of frames it can have heard, and has everything in its next life.
#[test]
fn a_reconciliation_cut_short_at_any_frame_is_made_up_for() {
    let events = replies(600);
    let mut world = reader_and_relay(&events);
    world.link(0, 1);
    world.run(5_000);
    let heard = world.carried.iter().filter(|(_, to, _)| *to == 0).count();
    assert!(heard > 6, "{heard} frames");
    let mut partly = 0;
    for cut in 0..heard {
        let mut world = reader_and_relay(&events);
        let mut left = cut;
        world.lose = Box::new(move |_, to, _| {
            if to == 0 && left == 0 {
                return true;
            }
            left -= usize::from(to == 0);
            false
        });
        world.link(0, 1);
        world.run(1_000);
        world.restart(0);
        world.lose = Box::new(|_, _, _| false);
        let survived = world.shells[0].node.index().len();
        partly += usize::from(survived > 0 && survived < events.len());
        world.link(0, 1);
        world.run(5_000);
        assert!(events.iter().all(|event| world.shells[0].holds(event.id())), "cut after {cut} frames");
        assert!(world.closed.is_empty());
    }
    assert!(partly > 0, "some of them died with a part");
}

#[test]
fn a_crash_loses_what_was_not_durable_and_nothing_else() {
    let events = replies(20);
    let mut world = reader_and_relay(&events);
    world.shells[0].hold_batches = true;
    world.link(0, 1);
    world.run(1_000);
    assert_eq!(world.shells[0].node.index().len(), 20);
    world.restart(0);
    assert_eq!(world.shells[0].node.index().len(), 0);
    let acked = world.carried.iter().any(|(from, _, frame)| *from == 0 && matches!(frame, Frame::Ack { .. }));
    assert!(!acked, "nothing was promised");
    world.shells[0].hold_batches = false;
    world.link(0, 1);
    world.run(1_000);
    assert!(events.iter().all(|event| world.shells[0].disk.bytes.contains_key(&event.id())));
}

#[test]
fn rows_may_be_restored_in_any_order_and_twice() {
    let mut shell = Shell::tab(0x50);
    shell.subscribe("cats");
    let thread = shell.write_thread("cats", "hello");
    shell.hold(&replies(10));
    shell.write_reply("cats", thread, "a reply");
    let rows: Vec<_> = shell.disk.rows.values().cloned().collect();
    let view = |rows: Vec<Row>| {
        let mut other = Shell::tab(0x50);
        other.disk = shell.disk.clone();
        other.disk.rows.clear();
        other.restart_with(rows);
        other.open(1, Target::Catalog { board: board("cats"), limit: 10 });
        other.open(2, thread_target(board("cats"), thread));
        (other.node.index().len(), other.screen(1).clone(), other.screen(2).clone())
    };
    let backwards: Vec<_> = rows.iter().rev().cloned().collect();
    let twice: Vec<_> = rows.iter().chain(&backwards).cloned().collect();
    let expected = view(rows);
    assert_eq!((expected.0, expected.2.posts.len()), (12, 2));
    assert_eq!(view(backwards), expected);
    assert_eq!(view(twice), expected);
}

#[test]
fn a_damaged_memory_of_subscriptions_does_not_cost_the_start() {
    let mut shell = Shell::tab(0x50);
    shell.subscribe("cats");
    let thread = shell.write_thread("cats", "hello");
    for state in [vec![], vec![0xff; 40], vec![0xa0]] {
        shell.disk.state = Some(state);
        shell.restart();
        assert!(shell.holds(thread));
        shell.greet(peer(0x60), Role::Tab, 1);
        assert_eq!(shell.frames(peer(0x60))[1], super::shell::interest(&[]));
        shell.subscribe("dogs");
        assert!(shell.disk.state.as_ref().is_some_and(|state| state.len() > 1), "a good one is stored");
    }
}

#[test]
fn an_idle_node_sleeps() {
    let mut shell = Shell::tab(0x50);
    shell.hold(&replies(10));
    shell.advance(1_000);
    assert_eq!(shell.node.poll_timeout(), None, "alone, there is nothing to do");

    shell.open(1, Target::Catalog { board: board("cats"), limit: 10 });
    shell.subscribe("cats");
    shell.greet_relay(peer(0x20));
    shell.greet_reader(peer(0x60), &["cats"]);
    let end = Instant(shell.now.instant.0 + 3_600_000);
    let mut wakes = 0;
    while let Some(at) = shell.node.poll_timeout().filter(|at| *at <= end) {
        shell.wake_at(at);
        wakes += 1;
    }
    assert!((60..=1_000).contains(&wakes), "{wakes} times in an hour");
}

#[test]
fn a_wake_that_nobody_asked_for_does_no_harm() {
    let mut shell = Shell::tab(0x50);
    shell.subscribe("cats");
    shell.greet_relay(peer(0x20));
    shell.open(1, Target::Boards);
    shell.advance(1_000);
    shell.said.clear();
    let due = shell.node.poll_timeout();
    for _ in 0..100 {
        shell.input(Input::Wake);
    }
    assert!(shell.said.is_empty(), "{:?}", shell.said);
    assert_eq!(shell.node.poll_timeout(), due);
}

/// The monotonic clock of a shell may be misread; the wall clock is set by people.
#[test]
fn clocks_that_jump_back_stop_nothing() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(0x60), &["cats"]);
    shell.greet_relay(peer(0x20));
    shell.advance(10_000);
    let thread = shell.write_thread("cats", "hello");
    shell.now.instant = Instant(shell.now.instant.0 - 8_000);
    shell.now.unix.0 -= 86_400;
    let reply = shell.write_reply("cats", thread, "yesterday");
    shell.now.instant = Instant(shell.now.instant.0 + 8_000);
    shell.advance(30_000);
    assert_eq!(shell.events(peer(0x60)), [thread, reply]);
    assert!(shell.closed().is_empty());
}

#[test]
fn what_is_said_before_everything_is_restored_waits() {
    let mut shell = Shell::tab(0x50);
    let thread = shell.write_thread("cats", "hello");
    let mut other = Shell::tab(0x50);
    other.disk = shell.disk.clone();
    other.restart();
    other.greet_reader(peer(0x60), &["cats"]);
    other.advance(1_000);
    assert_eq!(other.events(peer(0x60)), [thread], "offered because it was never acknowledged");
}

/// Commands, faults and time, without any randomness of their own.
fn played(shell: &mut Shell) -> Vec<String> {
    let events = replies(30);
    shell.hold_batches = true;
    shell.greet_reader(peer(0x60), &["cats"]);
    shell.greet_relay(peer(0x20));
    shell.subscribe("cats");
    shell.open(1, Target::Boards);
    shell.open(2, Target::Catalog { board: board("cats"), limit: 3 });
    let mut told = Vec::new();
    for (n, event) in (1..).zip(&events) {
        shell.hear_events(peer(0x60), n, [event]);
        let thread = shell.write_thread("cats", &n.to_string());
        shell.write_thread("dogs", &n.to_string());
        if n % 3 == 0 {
            shell.store(Ok(()));
            shell.hear(
                peer(0x20),
                Frame::Want { ids: events.iter().map(Event::id).collect::<Vec<EventId>>() },
            );
        }
        shell.write_reply("cats", thread, &format!(">>{}", thread.short()));
        shell.command(Command::Unsubscribe(name("dogs")));
        shell.advance(n * 10);
        told.extend(shell.said.drain(..).map(|said| format!("{said:?}")));
    }
    told
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let one = played(&mut Shell::tab(0x50));
    let two = played(&mut Shell::tab(0x50));
    assert!(one.len() > 200, "{} outputs", one.len());
    for (n, (one, two)) in one.iter().zip(&two).enumerate() {
        assert_eq!(one, two, "output {n}");
    }
    assert_eq!(one.len(), two.len());
    assert_ne!(one, played(&mut Shell::tab(0x51)), "another seed, another person");
}

/// The disk of an identity that was restored here, with what was held before.
fn restored_as(shell: &mut Shell, number: u8, backup: Option<&[u8]>) -> Shell {
    let mut other = Shell::tab(number);
    other.disk = shell.disk.clone();
    other.disk.state = Some(take_over(shell.disk.state.as_deref(), backup));
    other.restart();
    other
}

#[test]
fn a_backup_of_the_same_identity_adds_and_takes_nothing() {
    let mut earlier = Shell::tab(1);
    earlier.command(Command::Subscribe(name("oak")));
    earlier.command(Command::CallMe(Some("Ann".to_owned())));
    let mut shell = Shell::tab(1);
    shell.command(Command::Subscribe(name("birch")));
    shell.command(Command::RenewCode);
    let backup = earlier.disk.state.clone().expect("stored");
    shell.disk.state = Some(add_backup(shell.disk.state.as_deref(), &backup));
    shell.restart();
    shell.command(Command::Open(1, Target::Person));
    shell.command(Command::Open(2, Target::Boards));
    shell.advance(1_000);
    let people = shell.take(|said| match said {
        Said::Update(Update::Person(1, person)) => person.clone(),
        _ => None,
    });
    let person = people.last().expect("the person is told");
    assert_eq!((person.name.as_deref(), person.generation), (Some("Ann"), 1));
    let boards = shell.take(|said| match said {
        Said::Update(Update::Boards(2, boards)) => {
            Some(boards.put.iter().filter(|board| board.subscribed).count())
        }
        _ => None,
    });
    assert_eq!(boards, [2]);
}

#[test]
fn a_restored_identity_knows_its_posts_again() {
    // What one browser wrote is held by another, where the identity is restored later.
    let mut first = Shell::tab(1);
    let thread = first.write_thread("birch", "Mine.");
    let in_own = first.write_reply("birch", thread, "And mine, under the same key.");
    let foreign = author(7).thread("birch", "Another's.", EPOCH);
    first.hold([&foreign]);
    let in_other = first.write_reply("birch", foreign.id(), "Mine among others.");
    let mut second = Shell::tab(2);
    second.disk.bytes = first.disk.bytes.clone();
    let rows = first.disk.rows.values().map(|row| Row { own: false, sent: false, ..row.clone() }).collect();
    second.restart_with(rows);
    second.command(Command::Subscribe(name("oak")));
    assert!(!second.node.index().get(&thread).expect("held").own());

    let mut restored = restored_as(&mut second, 1, first.disk.state.as_deref());
    let own = |shell: &Shell, id| shell.node.index().get(&id).map(|row| (row.own(), row.sent()));
    for id in [thread, in_own, in_other] {
        assert_eq!(own(&restored, id), Some((true, true)));
    }
    assert_eq!(own(&restored, foreign.id()), Some((false, false)));
    // As whoever opened the thread; and what is theirs can be changed.
    let reply = restored.write_reply("birch", thread, "Here again.");
    let author_of = |shell: &Shell, id| shell.node.index().get(&id).expect("held").author();
    assert_eq!(author_of(&restored, reply), author_of(&restored, thread));
    let delete = Content::Delete { target: in_other };
    restored.publish(delete).expect("one's own post can be withdrawn");

    // What comes later from elsewhere is known at once, after another start too.
    let late = first.write_reply("birch", foreign.id(), "Written there meanwhile.");
    restored.restart();
    restored.greet_relay(peer(9));
    let bytes = ByteBuf::from(first.disk.bytes[&late].to_vec());
    restored.hear(peer(9), Frame::Events { n: 1, events: vec![bytes] });
    assert_eq!(own(&restored, late), Some((true, true)));
    assert_eq!(restored.node.index().unsent().count(), 2, "only what was written here is to be sent");
}

#[test]
fn a_restored_identity_brings_its_friends_and_leaves_those_of_the_person_before() {
    let friend = |number: u8| FriendCode::new(author(number).0.public(), ReachSecret([number; 16]));
    let mut backed_up = Shell::tab(1);
    backed_up.command(Command::Befriend(friend(5)));
    backed_up.command(Command::CallMe(Some("Ann".to_owned())));
    backed_up.command(Command::Subscribe(name("birch")));
    let mut here = Shell::tab(2);
    here.command(Command::Befriend(friend(6)));
    here.command(Command::Subscribe(name("oak")));

    let person = |shell: &mut Shell| {
        shell.command(Command::Open(5, Target::Person));
        shell.advance(1_000);
        let told = shell.take(|said| match said {
            Said::Update(Update::Person(5, person)) => person.clone(),
            _ => None,
        });
        told.into_iter().next_back().expect("the person is told")
    };
    let by_file = person(&mut restored_as(&mut here, 1, backed_up.disk.state.as_deref()));
    assert_eq!(by_file.name.as_deref(), Some("Ann"));
    assert_eq!(by_file.friends.iter().map(|card| card.author).collect::<Vec<_>>(), [author(5).0.public()]);
    let by_words = person(&mut restored_as(&mut here, 1, None));
    assert_eq!((by_words.name, by_words.friends), (None, Vec::new()));
    let mut boards = restored_as(&mut here, 1, backed_up.disk.state.as_deref());
    boards.command(Command::Open(6, Target::Boards));
    boards.advance(1_000);
    let mut names: Vec<String> =
        boards.screens[&6].boards.values().map(|card| card.name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["birch", "oak"]);
}
