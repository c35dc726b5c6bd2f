//! How sessions begin and end.

use chanterelle_core::base::{Limits, PeerId, Seconds};
use chanterelle_core::node::{CloseReason, Input, SessionInfo};
use chanterelle_core::wire::{Frame, Hello, Role, VERSION};
use ipld_core::ipld;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, name};
use super::shell::{EPOCH, Said, Shell, hello, interest, peer};

const BOB: u8 = 0x60;

/// What a shell says to `peer` until it parts with it, which it must.
fn parting_words(shell: &mut Shell, peer: PeerId) -> (Vec<Frame>, CloseReason) {
    let last = shell.said.iter().rposition(|said| matches!(said, Said::Frame(to, _) if *to == peer));
    let close = shell.said.iter().position(|said| matches!(said, Said::Close(to, _) if *to == peer));
    assert!(last < close, "whatever is said is said before the end: {:?}", shell.said);
    let closed = shell.closed();
    assert_eq!(closed.len(), 1, "{closed:?}");
    (shell.frames(peer), closed[0].1)
}

fn is_bye(frames: &[Frame]) -> bool {
    matches!(frames, [Frame::Bye { reason }] if !reason.is_empty())
}

#[test]
fn says_hello_first_and_what_it_wants_once_it_is_greeted() {
    let mut shell = Shell::tab(0x50);
    shell.subscribe("cats");
    shell.input(Input::Connected(peer(BOB)));
    let window = Limits::default().window_frames;
    let own = Hello { v: VERSION, role: Role::Tab, agent: "test/1".to_owned(), window, producer: None };
    assert_eq!(shell.frames(peer(BOB)), [Frame::Hello(own)]);
    let info = |role| SessionInfo { peer: peer(BOB), role, syncing: false, swallows: false };
    assert_eq!(shell.network(), Some(vec![info(None)]));

    shell.hear(peer(BOB), hello(Role::Tab, 7));
    assert_eq!(shell.frames(peer(BOB)), [interest(&["cats"])]);
    assert_eq!(shell.network(), Some(vec![info(Some(Role::Tab))]));
    assert!(shell.closed().is_empty());
}

#[test]
fn tells_which_boards_it_holds_the_latest_used_first() {
    let mut shell = Shell::tab(0x50);
    let writer = author(1);
    let at = |minutes: u64| Seconds(EPOCH.0 - 10_000 + minutes * 60);
    let threads = [
        writer.thread("older", "x", at(1)),
        writer.thread("latest", "x", at(3)),
        writer.thread("middle", "x", at(2)),
    ];
    shell.hold(&threads);
    shell.greet(peer(BOB), Role::Tab, 1);
    let names = ["latest", "middle", "older"].map(name).to_vec();
    assert_eq!(shell.frames(peer(BOB))[1..], [interest(&[]), Frame::Directory { names }]);
}

#[test]
fn a_relay_wants_everything_and_has_nobody_to_tell_of_its_sessions() {
    let mut relay = Shell::relay(0x50);
    relay.greet(peer(BOB), Role::Tab, 1);
    assert_eq!(relay.frames(peer(BOB))[1..], [Frame::Interest { all: true, boards: Vec::new() }]);
    assert_eq!(relay.network(), None);
}

#[test]
fn parts_with_another_version() {
    let mut shell = Shell::tab(0x50);
    shell.input(Input::Connected(peer(BOB)));
    shell.frames(peer(BOB));
    let other = Hello { v: VERSION + 1, role: Role::Tab, agent: String::new(), window: 1, producer: None };
    shell.hear(peer(BOB), Frame::Hello(other));
    let (frames, reason) = parting_words(&mut shell, peer(BOB));
    assert!(is_bye(&frames), "{frames:?}");
    assert_eq!(reason, CloseReason::Version);
    assert_eq!(shell.network(), Some(Vec::new()));
    assert_eq!(shell.node.poll_timeout(), None, "nothing is left to wait for");
}

/// What another version says beside its number is not known yet, so that it must not matter.
#[test]
fn parts_with_another_version_whatever_else_its_hello_says() {
    let mut shell = Shell::tab(0x50);
    shell.input(Input::Connected(peer(BOB)));
    shell.frames(peer(BOB));
    let role = "archive";
    let other = ipld!({ "hello": { "v": 2, "role": role, "languages": ["en", "de"] } });
    let bytes = serde_ipld_dagcbor::to_vec(&other).expect("plain values encode");
    shell.hear_bytes(peer(BOB), [&[0], bytes.as_slice()].concat());
    let (frames, reason) = parting_words(&mut shell, peer(BOB));
    assert!(is_bye(&frames), "{frames:?}");
    assert_eq!(reason, CloseReason::Version);
}

/// Relays are told what strangers are not: who says it is one must at least have been reached as one.
#[test]
fn parts_with_a_relay_over_a_direct_connection() {
    let mut shell = Shell::tab(0x50);
    shell.input(Input::ConnectedDirectly(peer(BOB)));
    shell.frames(peer(BOB));
    shell.hear(peer(BOB), hello(Role::Relay, 1));
    let (frames, reason) = parting_words(&mut shell, peer(BOB));
    assert!(is_bye(&frames), "{frames:?}");
    assert_eq!(reason, CloseReason::NotATab);
    shell.input(Input::ConnectedDirectly(peer(BOB)));
    shell.hear(peer(BOB), hello(Role::Tab, 1));
    assert_eq!(shell.closed(), []);
}

#[test]
fn whoever_does_not_begin_with_hello_is_charged_and_not_answered() {
    let mut shell = Shell::tab(0x50);
    shell.subscribe("cats");
    shell.input(Input::Connected(peer(BOB)));
    shell.frames(peer(BOB));
    let event = author(1).thread("cats", "x", EPOCH);
    shell.hear_events(peer(BOB), 1, [&event]);
    assert!(!shell.holds(event.id()));
    let repeated = (1..100).take_while(|_| {
        shell.hear(peer(BOB), interest(&["cats"]));
        !shell.said.iter().any(|said| matches!(said, Said::Close(..)))
    });
    assert!(repeated.count() > 3, "once may be a mistake");
    let (frames, reason) = parting_words(&mut shell, peer(BOB));
    assert!(is_bye(&frames), "{frames:?}");
    assert_eq!(reason, CloseReason::Budget);
}

#[test]
fn a_late_hello_after_a_mistake_is_still_heard() {
    let mut shell = Shell::tab(0x50);
    shell.input(Input::Connected(peer(BOB)));
    shell.hear(peer(BOB), interest(&["cats"]));
    shell.frames(peer(BOB));
    shell.hear(peer(BOB), hello(Role::Tab, 1));
    assert_eq!(shell.frames(peer(BOB)), [interest(&[])]);
}

#[test]
fn hello_is_said_once() {
    let mut shell = Shell::tab(0x50);
    shell.greet(peer(BOB), Role::Tab, 1);
    shell.frames(peer(BOB));
    let repeated = (0..100).take_while(|_| {
        shell.hear(peer(BOB), hello(Role::Relay, 1_000));
        !shell.said.iter().any(|said| matches!(said, Said::Close(..)))
    });
    assert!(repeated.count() < 50);
    let (frames, reason) = parting_words(&mut shell, peer(BOB));
    assert!(is_bye(&frames), "{frames:?}");
    assert_eq!(reason, CloseReason::Budget);
}

#[test]
fn silence_is_heard_for_fifteen_seconds() {
    let mut shell = Shell::tab(0x50);
    let start = shell.now.instant;
    shell.input(Input::Connected(peer(BOB)));
    shell.frames(peer(BOB));
    assert_eq!(shell.node.poll_timeout().map(|at| at.since(start).as_secs()), Some(15));
    shell.advance(14_999);
    assert!(shell.frames(peer(BOB)).is_empty() && shell.closed().is_empty());
    shell.advance(1);
    let (frames, reason) = parting_words(&mut shell, peer(BOB));
    assert!(is_bye(&frames), "{frames:?}");
    assert_eq!(reason, CloseReason::NoHello);
    assert_eq!(shell.node.poll_timeout(), None);
}

#[test]
fn noise_is_no_hello() {
    let mut shell = Shell::tab(0x50);
    shell.input(Input::Connected(peer(BOB)));
    for _ in 0..14 {
        shell.advance(1_000);
        shell.hear(peer(BOB), Frame::Credit { frames: 5 });
    }
    assert!(shell.closed().is_empty());
    shell.advance(1_000);
    assert_eq!(shell.closed(), [(peer(BOB), CloseReason::NoHello)]);
}

#[test]
fn is_no_peer_of_itself() {
    let mut shell = Shell::tab(0x50);
    let own = shell.id();
    shell.input(Input::Connected(own));
    assert_eq!(shell.closed(), [(own, CloseReason::Oneself)]);
    assert!(shell.frames(own).is_empty());
    assert_eq!(shell.node.poll_timeout(), None);
}

#[test]
fn a_goodbye_is_not_answered() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.frames(peer(BOB));
    shell.hear(peer(BOB), Frame::Bye { reason: "closing the tab".to_owned() });
    assert!(shell.frames(peer(BOB)).is_empty());
    assert_eq!(shell.closed(), [(peer(BOB), CloseReason::Bye)]);
    assert_eq!(shell.network(), Some(Vec::new()));
    shell.hear(peer(BOB), hello(Role::Tab, 1));
    assert!(shell.said.is_empty(), "it is over: {:?}", shell.said);
}

#[test]
fn what_comes_without_a_session_is_ignored() {
    let mut shell = Shell::tab(0x50);
    shell.hear(peer(BOB), hello(Role::Tab, 1));
    shell.input(Input::Disconnected(peer(BOB)));
    assert!(shell.said.is_empty(), "{:?}", shell.said);
    assert_eq!(shell.node.poll_timeout(), None);
}

#[test]
fn a_new_session_begins_from_the_beginning() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    shell.input(Input::Connected(peer(BOB)));
    shell.said.clear();
    let thread = shell.write_thread("cats", "hello");
    shell.advance(1_000);
    assert!(shell.events(peer(BOB)).is_empty(), "its interest went with the old session");
    shell.hear(peer(BOB), hello(Role::Tab, 1_000));
    shell.hear(peer(BOB), interest(&["cats"]));
    shell.advance(1_000);
    assert_eq!(shell.events(peer(BOB)), [thread]);
}
