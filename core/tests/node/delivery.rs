//! The way out: what goes first, how often, and how much at once.

use chanterelle_core::base::EventId;
use chanterelle_core::event::Event;
use chanterelle_core::wire::{Frame, Role};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board};
use super::shell::{EPOCH, Shell, events_of, peer};

const ANN: u8 = 0x10;
const BOB: u8 = 0x60;

fn wanting(events: &[Event]) -> Frame {
    Frame::Want { ids: events.iter().map(Event::id).collect() }
}

fn replies(count: usize, padding: usize) -> Vec<Event> {
    let thread = author(1).thread("cats", "x", EPOCH);
    let text = |n: usize| format!("{n} {}", "m".repeat(padding));
    let replies = (1..count).map(|n| author(2).reply(board("cats"), thread.id(), &text(n), EPOCH));
    [thread.clone()].into_iter().chain(replies).collect()
}

/// The events of each frame sent to Bob.
fn frames(shell: &mut Shell) -> Vec<Vec<EventId>> {
    let limits = shell.limits().clone();
    let frames = shell.frames(peer(BOB)).into_iter().map(|frame| events_of(&frame, &limits));
    frames.filter(|events| !events.is_empty()).map(|events| events.iter().map(Event::id).collect()).collect()
}

#[test]
fn new_posts_go_before_old_ones() {
    let mut shell = Shell::new(0x50, Role::Tab, |limits| limits.frame_events = 1);
    let events = replies(30, 0);
    shell.hold(&events);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.hear(peer(BOB), wanting(&events));
    shell.advance(200);
    let before = frames(&mut shell).len();
    assert!((2..20).contains(&before), "{before} frames");
    shell.hold_batches = true;
    let new = shell.write_reply("cats", events[0].id(), "new");
    shell.advance(100);
    let sent = frames(&mut shell);
    // One frame may be on its way from the disk already.
    assert!(sent.iter().take(2).any(|ids| *ids == [new]), "{sent:?}");
    shell.advance(10_000);
    assert_eq!(frames(&mut shell).len(), 30 - before - sent.len() + 1, "and then the others");
}

#[test]
fn frames_of_events_keep_a_pace_no_peer_charges_for() {
    let mut shell = Shell::new(0x50, Role::Tab, |limits| limits.frame_events = 1);
    let events = replies(400, 0);
    shell.hold(&events);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.hear(peer(BOB), wanting(&events));
    shell.frames(peer(BOB));
    for second in 0..5 {
        shell.advance(1_000);
        let sent = shell.frames(peer(BOB)).len();
        assert!((20..=51).contains(&sent), "{sent} frames in second {second}");
    }
}

#[test]
fn new_posts_that_come_together_share_frames() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(ANN), &[]);
    shell.greet_reader(peer(BOB), &["cats"]);
    let events = replies(100, 0);
    let mut n = 0;
    for pair in events.chunks(2) {
        n += 1;
        shell.hear_events(peer(ANN), n, pair);
        shell.advance(2);
    }
    shell.advance(1_000);
    let sent = frames(&mut shell);
    assert!(sent.len() <= 8, "100 posts within 100 ms in {} frames", sent.len());
    let ids: Vec<EventId> = events.iter().map(Event::id).collect();
    assert_eq!(sent.concat(), ids, "in the order they came");
}

#[test]
fn the_first_of_them_does_not_wait() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.advance(1_000);
    let thread = shell.write_thread("cats", "hello");
    assert_eq!(frames(&mut shell), [[thread]], "without any time passing");
}

#[test]
fn large_events_do_not_make_frames_nobody_would_accept() {
    let mut shell = Shell::tab(0x50);
    // Letters that do not compress, 3 bytes each: nearly 30 KiB an event.
    let mut rng = chanterelle_core::crypto::Rng::new([4; 32]);
    let letter = |n: u64| char::from_u32(0x4e00 + n as u32).expect("a Chinese character");
    let text: Vec<String> =
        (0..20).map(|_| (0..9_900).map(|_| letter(rng.below(20_000))).collect()).collect();
    let thread = author(1).thread("cats", "x", EPOCH);
    let reply = |text: &String| author(2).reply(board("cats"), thread.id(), text, EPOCH);
    let events: Vec<Event> = text.iter().map(reply).collect();
    for event in &events {
        shell.hold([event]);
    }
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.hear(peer(BOB), wanting(&events));
    shell.advance(5_000);
    let sent = frames(&mut shell);
    // `Shell::input` has looked at the size of each.
    assert!(sent.iter().all(|ids| (1..=5).contains(&ids.len())), "{sent:?}");
    assert_eq!(sent.concat().len(), 20);
}

#[test]
fn nothing_is_sent_back_to_whoever_sent_it_nor_twice() {
    let mut shell = Shell::tab(0x50);
    let events = replies(10, 0);
    shell.greet_reader(peer(ANN), &["cats"]);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.hear_events(peer(ANN), 1, &events);
    shell.hear_events(peer(BOB), 1, &events[..3]);
    shell.hear_events(peer(ANN), 2, &events);
    shell.advance(10_000);
    assert!(shell.events(peer(ANN)).is_empty());
    let mut sent = frames(&mut shell).concat();
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent.len(), 10, "each once");
}

/// Stored between the question and the answer: neither the disk was asked for it nor does memory hold it any more.
#[test]
fn an_event_that_becomes_durable_while_others_are_read_is_sent_all_the_same() {
    let mut shell = Shell::tab(0x50);
    let events = replies(2, 0);
    shell.hold(&events);
    shell.greet_reader(peer(ANN), &[]);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    shell.hold_reads = true;
    let late = author(3).reply(board("cats"), events[0].id(), "late", EPOCH);
    shell.hear_events(peer(ANN), 1, [&late]);
    shell.hear(peer(BOB), Frame::Want { ids: vec![events[0].id(), late.id(), events[1].id()] });
    shell.advance(100);
    shell.store(Ok(()));
    while !shell.reads.is_empty() {
        shell.read();
        shell.advance(100);
    }
    let mut sent = frames(&mut shell).concat();
    sent.sort_unstable();
    let mut asked = vec![events[0].id(), events[1].id(), late.id()];
    asked.sort_unstable();
    assert_eq!(sent, asked);
}

#[test]
fn what_storage_cannot_find_does_not_hold_up_the_rest() {
    let mut shell = Shell::tab(0x50);
    let events = replies(5, 0);
    shell.hold(&events);
    shell.disk.bytes.remove(&events[2].id());
    shell.greet_reader(peer(BOB), &[]);
    shell.hear(peer(BOB), wanting(&events));
    shell.advance(1_000);
    assert_eq!(frames(&mut shell).concat().len(), 4);
    assert!(shell.closed().is_empty());
}

#[test]
fn an_answer_for_a_session_that_ended_is_dropped() {
    let mut shell = Shell::tab(0x50);
    let events = replies(5, 0);
    shell.hold(&events);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_reads = true;
    shell.hear(peer(BOB), wanting(&events));
    assert_eq!(shell.reads.len(), 1);
    shell.greet_reader(peer(BOB), &[]);
    shell.read();
    shell.advance(1_000);
    assert!(frames(&mut shell).is_empty(), "the new session has asked for nothing");
}

/// As many as wait for one peer; beyond that reconciliation has to bring them.
#[test]
fn new_posts_for_a_peer_that_takes_none_wait_for_it_within_bounds() {
    let mut shell = Shell::tab(0x50);
    shell.greet(peer(BOB), Role::Tab, 0);
    shell.hear(peer(BOB), super::shell::interest(&["cats"]));
    shell.hold(&replies(4_400, 0));
    shell.hear(peer(BOB), Frame::Credit { frames: 10_000 });
    shell.advance(30_000);
    let sent = frames(&mut shell).concat().len();
    assert!((1_000..=4_096).contains(&sent), "{sent} events");
    assert!(shell.closed().is_empty());
}

#[test]
fn new_posts_for_a_peer_that_takes_none_are_sent_when_it_does() {
    let mut shell = Shell::tab(0x50);
    shell.greet(peer(BOB), Role::Tab, 0);
    shell.hear(peer(BOB), super::shell::interest(&["cats"]));
    let events = replies(300, 0);
    shell.hold(&events);
    shell.hear(peer(BOB), Frame::Credit { frames: 100 });
    shell.advance(10_000);
    assert_eq!(frames(&mut shell).concat().len(), 300, "they were stored meanwhile and are read again");
}
