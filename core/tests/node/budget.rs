//! What a peer may cost us: faults are forgiven when rare and end the session on repetition; the future is no fault.

use chanterelle_core::base::{BoardId, EventId, Limits, Seconds};
use chanterelle_core::event::{Event, Kind};
use chanterelle_core::node::{CloseReason, Input, Notice};
use chanterelle_core::wire::{Frame, Role, Scope};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use serde_bytes::ByteBuf;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board, missigned, name};
use super::shell::{EPOCH, Shell, events_of, interest, peer};
use super::world::World;

const ANN: u8 = 0x10;
const BOB: u8 = 0x60;

/// How often `bytes` are borne, one frame right after the other; the session must end by them.
#[track_caller]
fn borne(bytes: &[u8]) -> usize {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(ANN), &["cats"]);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.frames(peer(BOB));
    let mut count = 0;
    while shell.closed_reason().is_none() {
        shell.hear_bytes(peer(BOB), bytes.to_vec());
        count += 1;
        assert!(count < 1_000, "it is borne for ever");
    }
    assert_eq!(shell.closed_reason(), Some(CloseReason::Budget));
    let frames = shell.frames(peer(BOB));
    assert!(matches!(frames.last(), Some(Frame::Bye { .. })), "{frames:?}");
    shell.closed();
    // The other session is not touched, and a new one begins with a full budget.
    let thread = shell.write_thread("cats", "hello");
    assert_eq!(shell.events(peer(ANN)), [thread]);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.hear_bytes(peer(BOB), bytes.to_vec());
    assert_eq!(shell.closed_reason(), None);
    count
}

trait Closed {
    fn closed_reason(&mut self) -> Option<CloseReason>;
}

impl Closed for Shell {
    fn closed_reason(&mut self) -> Option<CloseReason> {
        self.said.iter().find_map(|said| match said {
            super::shell::Said::Close(_, reason) => Some(*reason),
            _ => None,
        })
    }
}

fn plain(frame: &Ipld) -> Vec<u8> {
    let bytes = serde_ipld_dagcbor::to_vec(frame).expect("plain values encode");
    [&[0], bytes.as_slice()].concat()
}

fn long(count: usize) -> Vec<EventId> {
    (0..count).map(|n| EventId([n as u8; 32])).collect()
}

#[test]
fn what_cannot_be_read_is_borne_a_few_times() {
    let limits = Limits::default();
    let bomb = miniz_oxide::deflate::compress_to_vec(&vec![0; 10_000_000], 9);
    let good = Frame::Credit { frames: 9 }.encode(&limits);
    let events = |count: usize| Frame::Events { n: 1, events: vec![ByteBuf::new(); count] };
    let negentropy = |message| Frame::Reconcile { call: 1, scope: Scope::Board(board("cats")), message };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("only a packing", vec![0]),
        ("an unknown packing", vec![7, 1, 2, 3]),
        ("no DEFLATE stream", vec![1, 0xff, 0xff, 0xff]),
        ("a bomb", [&[1], bomb.as_slice()].concat()),
        ("a frame cut short", good[..good.len() - 1].to_vec()),
        ("a frame and a byte", [good.as_slice(), &[0]].concat()),
        ("a list", plain(&ipld!([1, 2]))),
        ("an unknown name", plain(&ipld!({ "sing": {} }))),
        ("an unknown field", plain(&ipld!({ "credit": { "frames": 1, "more": 1 } }))),
        ("two frames in one", plain(&ipld!({ "ack": { "ids": [] }, "want": { "ids": [] } }))),
        ("a number that is text", plain(&ipld!({ "credit": { "frames": "1" } }))),
        ("too many acknowledgements", Frame::Ack { ids: long(limits.frame_ids + 1) }.encode(&limits)),
        ("too many wants", Frame::Want { ids: long(limits.frame_ids + 1) }.encode(&limits)),
        ("too many refusals", Frame::Withheld { ids: long(limits.frame_ids + 1) }.encode(&limits)),
        (
            "too many boards",
            Frame::Interest { all: false, boards: vec![BoardId([1; 32]); limits.frame_boards + 1] }
                .encode(&limits),
        ),
        (
            "too many names",
            Frame::Directory { names: vec![name("cats"); limits.frame_boards + 1] }.encode(&limits),
        ),
        ("too many events", events(limits.frame_events + 1).encode(&limits)),
        ("a reconciliation that is none", negentropy(vec![0xff; 9]).encode(&limits)),
        ("a reconciliation too long", negentropy(vec![0; 64 * 1024 + 1]).encode(&limits)),
        ("a reason too long", Frame::Bye { reason: "x".repeat(201) }.encode(&limits)),
    ];
    for (what, bytes) in cases {
        let count = borne(&bytes);
        assert!((2..=20).contains(&count), "{what}: borne {count} times");
    }
}

#[test]
fn an_answer_to_nothing_is_late_and_not_wrong() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    for call in 0..50 {
        shell.hear(peer(BOB), Frame::Reconciled { call, message: vec![0x61] });
        shell.hear(peer(BOB), Frame::Withheld { ids: vec![EventId([call as u8; 32])] });
        shell.hear(peer(BOB), Frame::Ack { ids: vec![EventId([call as u8; 32])] });
    }
    assert!(shell.closed().is_empty());
}

/// The reconciliations begun with Bob.
fn begun(shell: &mut Shell) -> Vec<u64> {
    let frames = shell.frames(peer(BOB)).into_iter();
    frames
        .filter_map(|frame| if let Frame::Reconcile { call, .. } = frame { Some(call) } else { None })
        .collect()
}

#[test]
fn an_unreadable_answer_ends_a_reconciliation_and_it_is_not_begun_again_at_once() {
    let mut shell = Shell::tab(0x50);
    shell.subscribe("cats");
    shell.greet_relay(peer(BOB));
    let calls = begun(&mut shell);
    assert_eq!(calls.len(), 1);
    shell.hear(peer(BOB), Frame::Reconciled { call: calls[0], message: vec![0x61, 0xff, 0xff] });
    shell.advance(30_000);
    assert!(begun(&mut shell).is_empty(), "a broken peer would keep us busy");
    shell.advance(60_000);
    assert_eq!(begun(&mut shell).len(), 1);
    assert!(shell.closed().is_empty());
}

#[test]
fn unreadable_answers_end_the_session_on_repetition() {
    let mut shell = Shell::tab(0x50);
    for n in 0..50 {
        shell.subscribe(&format!("board-{n}"));
    }
    shell.greet_relay(peer(BOB));
    let mut answered = 0;
    loop {
        let calls = begun(&mut shell);
        if calls.is_empty() {
            break;
        }
        for call in calls {
            answered += 1;
            shell.hear(peer(BOB), Frame::Reconciled { call, message: vec![0xff] });
        }
    }
    assert!((2..20).contains(&answered), "{answered} answers were borne");
    assert_eq!(shell.closed(), [(peer(BOB), CloseReason::Budget)]);
}

#[test]
fn one_bad_event_does_not_spoil_the_good_ones_beside_it() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    let thread = author(1).thread("cats", "x", EPOCH);
    let good: Vec<Event> =
        (0..40).map(|n| author(2).reply(board("cats"), thread.id(), &n.to_string(), EPOCH)).collect();
    for (n, bad) in [(1, 0), (2, 20), (3, 39)] {
        let part = &good[(n as usize - 1) * 13..n as usize * 13];
        let mut events: Vec<ByteBuf> = super::authors::carried(part);
        events.insert(bad.min(events.len()), ByteBuf::from(missigned(&thread)));
        shell.hear(peer(BOB), Frame::Events { n, events });
        shell.advance(1_000);
        let ids: Vec<EventId> = part.iter().map(Event::id).collect();
        assert!(ids.iter().all(|id| shell.holds(*id)));
        assert_eq!(shell.acks(peer(BOB)), ids);
    }
    assert!(!shell.holds(thread.id()));
    assert_eq!(shell.node.rejections().get("signature"), Some(&3));
    assert!(shell.closed().is_empty());
}

#[test]
fn bad_events_end_the_session_on_repetition() {
    let thread = author(1).thread("cats", "x", EPOCH);
    let wrong_board = author(1).event(Kind::THREAD, EPOCH, |fields| {
        fields.board = board("dogs");
        fields.body = thread.fields().body.clone();
    });
    for bytes in [missigned(&thread), wrong_board.bytes().to_vec(), vec![0x80], Vec::new()] {
        let frame = Frame::Events { n: 1, events: vec![ByteBuf::from(bytes.clone())] };
        let count = borne(&frame.encode(&Limits::default()));
        assert!((2..=20).contains(&count), "borne {count} times");
        // Many in one frame weigh as much as many frames.
        let mut shell = Shell::tab(0x50);
        shell.greet_reader(peer(BOB), &[]);
        shell.hear(peer(BOB), Frame::Events { n: 1, events: vec![ByteBuf::from(bytes); 20] });
        assert_eq!(shell.closed(), [(peer(BOB), CloseReason::Budget)]);
    }
}

#[test]
fn a_rare_fault_is_forgiven_for_ever() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    for _ in 0..100 {
        shell.hear_bytes(peer(BOB), vec![9, 9, 9]);
        shell.advance(60_000);
    }
    assert!(shell.closed().is_empty());
}

#[test]
fn the_sustained_rate_is_free_and_a_flood_is_held_up_and_ends_the_session() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    for _ in 0..3_000 {
        shell.hear(peer(BOB), Frame::Ack { ids: Vec::new() });
        shell.advance(10);
    }
    assert!(shell.closed().is_empty() && shell.pauses.is_empty(), "100 frames a second");
    let flood = (0..).take_while(|_| {
        shell.hear(peer(BOB), Frame::Ack { ids: Vec::new() });
        shell.closed_reason().is_none()
    });
    let count = flood.count();
    assert!((900..1_200).contains(&count), "{count} frames at once");
    assert!(
        matches!(shell.pauses[..], [(paused, _)] if paused == peer(BOB)),
        "told once: {:?}",
        shell.pauses
    );
    assert_eq!(shell.closed(), [(peer(BOB), CloseReason::Budget)]);
}

fn ahead(seconds: u64) -> Seconds {
    Seconds(EPOCH.0 + seconds)
}

#[test]
fn an_event_from_the_future_waits_until_its_time_has_come() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(ANN), &["cats"]);
    shell.greet_reader(peer(BOB), &[]);
    let fifteen = 15 * 60;
    let soon = author(1).thread("cats", "soon", ahead(fifteen));
    let later = author(1).thread("cats", "later", ahead(fifteen + 100));
    for n in 1..6 {
        shell.hear_events(peer(BOB), n, [&later]);
    }
    shell.hear_events(peer(BOB), 6, [&soon]);
    assert!(shell.holds(soon.id()), "15 minutes are borne");
    assert!(!shell.holds(later.id()));
    assert!(shell.closed().is_empty(), "and more is nobody's fault");
    shell.frames(peer(ANN));

    shell.input(Input::Disconnected(peer(BOB)));
    shell.advance(99_000);
    assert!(!shell.holds(later.id()));
    shell.advance(2_000);
    assert!(shell.holds(later.id()) && shell.disk.bytes.contains_key(&later.id()));
    assert_eq!(shell.events(peer(ANN)), [later.id()], "it is news to others, too");
}

#[test]
fn the_deadline_leads_to_the_moment_at_which_it_may_enter() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    let later = author(1).thread("cats", "later", ahead(15 * 60 + 40));
    shell.hear_events(peer(BOB), 1, [&later]);
    shell.input(Input::Disconnected(peer(BOB)));
    let at = shell.node.poll_timeout().expect("it waits for the event's time");
    assert_eq!(at.since(shell.now.instant).as_secs(), 40);
    shell.wake_at(at);
    assert!(shell.holds(later.id()));
    assert_eq!(shell.node.poll_timeout(), None);
}

#[test]
fn what_waits_is_not_asked_for_again() {
    let mut world = World::new(vec![Shell::tab(0x50), Shell::relay(0x20)]);
    world.shells[1].now.unix = ahead(3_600);
    let later = author(1).thread("cats", "later", ahead(3_600));
    world.shells[1].hold([&later]);
    let now = world.shells[1].now.instant;
    world.shells[0].set_clock(now);
    world.shells[0].subscribe("cats");
    world.link(0, 1);
    world.run(600_000);
    let sent = world.carried.iter().filter(|(_, _, frame)| matches!(frame, Frame::Events { .. })).count();
    assert_eq!(sent, 1);
    assert!(!world.shells[0].holds(later.id()));
    world.run(3_000_000);
    assert!(world.shells[0].holds(later.id()));
    assert!(world.closed.is_empty());
}

#[test]
fn its_sender_learns_that_it_was_stored_when_it_offers_it_again() {
    let mut world = World::new(vec![Shell::tab(0x50), Shell::relay(0x20)]);
    world.shells[0].now.unix = ahead(1_000);
    world.link(0, 1);
    let thread = world.shells[0].write_thread("cats", "my clock is fast");
    world.run(60_000);
    assert!(!world.shells[0].node.index().get(&thread).expect("it is ours").sent());
    world.run(240_000);
    assert!(world.shells[0].node.index().get(&thread).expect("it is ours").sent());
}

#[test]
fn the_clock_is_suspected_after_eight_and_once() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    for n in 1..=20 {
        shell.hear_events(peer(BOB), n, [&author(n as u8).thread("cats", "x", ahead(7_200))]);
        let told = shell.notices();
        assert_eq!(told, if n == 8 { vec![Notice::ClockLooksWrong] } else { Vec::new() }, "after {n}");
    }
}

#[test]
fn one_author_from_the_future_is_wrong_alone() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    for n in 1..=20 {
        shell.hear_events(peer(BOB), n, [&author(1).thread("cats", &n.to_string(), ahead(7_200))]);
    }
    assert!(shell.notices().is_empty());
}

#[test]
fn one_event_from_the_future_is_one_however_often_it_comes() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    for n in 1..=20 {
        shell.hear_events(peer(BOB), n, [&author(1).thread("cats", "x", ahead(7_200))]);
    }
    assert!(shell.notices().is_empty());
}

#[test]
fn only_so_many_are_kept_until_their_time_comes() {
    let mut shell = Shell::new(0x50, Role::Tab, |limits| limits.deferred = 10);
    shell.greet_reader(peer(BOB), &[]);
    let events: Vec<Event> =
        (0..30).map(|n| author(1).thread("cats", &n.to_string(), ahead(7_200))).collect();
    shell.hear_events(peer(BOB), 1, &events);
    shell.input(Input::Disconnected(peer(BOB)));
    shell.advance(7_200_000);
    assert_eq!(events.iter().filter(|event| shell.holds(event.id())).count(), 10);
}

#[test]
fn what_found_no_room_is_not_fetched_again_and_again() {
    let mut world =
        World::new(vec![Shell::new(0x50, Role::Tab, |limits| limits.deferred = 10), Shell::relay(0x20)]);
    world.shells[1].now.unix = ahead(7_200);
    let events: Vec<Event> =
        (0..30).map(|n| author(1).thread("cats", &n.to_string(), ahead(3_600))).collect();
    world.shells[1].hold(&events);
    let now = world.shells[1].now.instant;
    world.shells[0].set_clock(now);
    world.shells[0].subscribe("cats");
    world.link(0, 1);
    world.run(600_000);
    let limits = world.shells[0].limits().clone();
    let sent = world.carried.iter().flat_map(|(_, _, frame)| events_of(frame, &limits)).count();
    assert_eq!(sent, 30, "each once in ten reconciliations");
    world.run(3_700_000);
    assert!(events.iter().all(|event| world.shells[0].holds(event.id())), "and all when their time has come");
}

/// Whoever fills the room for events from the future with ones that never come due must not keep out those that do.
#[test]
fn what_comes_due_sooner_has_the_better_claim_to_wait() {
    let mut shell = Shell::new(0x50, Role::Tab, |limits| limits.deferred = 10);
    shell.greet_reader(peer(BOB), &[]);
    let far = |n: u32| author(1).thread("cats", &n.to_string(), Seconds(1 << 50));
    let events: Vec<Event> = (0..30).map(far).collect();
    shell.hear_events(peer(BOB), 1, &events);
    shell.greet_reader(peer(ANN), &[]);
    let soon = author(2).thread("cats", "soon", ahead(1_000));
    shell.hear_events(peer(ANN), 1, [&soon]);
    shell.input(Input::Disconnected(peer(ANN)));
    shell.advance(200_000);
    assert!(shell.holds(soon.id()));
    assert!(shell.closed().is_empty());
}

#[test]
fn a_fault_of_one_is_not_charged_to_another() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(ANN), &[]);
    shell.greet_reader(peer(BOB), &[]);
    for _ in 0..20 {
        shell.hear_bytes(peer(BOB), vec![9]);
    }
    assert_eq!(shell.closed(), [(peer(BOB), CloseReason::Budget)]);
    for _ in 0..2 {
        shell.hear_bytes(peer(ANN), vec![9]);
    }
    shell.hear(peer(ANN), interest(&["cats"]));
    let thread = shell.write_thread("cats", "hello");
    assert_eq!(shell.events(peer(ANN)), [thread]);
}
