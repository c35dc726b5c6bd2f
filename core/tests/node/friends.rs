//! Friends: codes, where somebody is today, following, and relays that keep nothing.

use chanterelle_core::base::{AuthorId, EventId, Limits, PeerId, Seconds, Slot};
use chanterelle_core::crypto::{Identity, ReachSecret, Root, SecretKey, blinded, no_board};
use chanterelle_core::event::Content;
use chanterelle_core::invite::{Address, FriendCode, LIFE, Place, ReachRecord};
use chanterelle_core::node::{CloseReason, Command, Input, Notice, Target, Update};
use chanterelle_core::store::Index;
use chanterelle_core::sync::Reconciler;
use chanterelle_core::view::Person;
use chanterelle_core::wire::{Frame, Role, Scope};
use serde_bytes::ByteBuf;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::name;
use super::shell::{EPOCH, Said, Shell, hello, peer};
use super::world::World;

const VIEW: u32 = 77;

pub(super) fn address(text: &str) -> Address {
    Address::new(text.as_bytes()).expect("the length of an address")
}

pub(super) fn identity(number: u8) -> Identity {
    Identity::from_root(Root([number; 32]))
}

pub(super) fn key(number: u8) -> SecretKey {
    identity(number).identity().clone()
}

/// The code that the person of a shell gives out, made by the node and read as a friend reads it.
fn code_of(shell: &mut Shell, board: Option<&str>, relays: &[&str]) -> FriendCode {
    shell.command(Command::KnowRelays(relays.iter().map(|text| address(text)).collect()));
    shell.command(Command::Invite { request: 9, board: board.map(name) });
    let code = shell.take(|said| match said {
        Said::Update(Update::Invited { request: 9, code }) => code.clone(),
        _ => None,
    });
    assert_eq!(code.len(), 1, "one answer");
    FriendCode::read(&code[0], EPOCH, &Limits::default()).expect("what a node makes can be read")
}

fn person(shell: &mut Shell) -> Person {
    shell.advance(1_000);
    let told = shell.take(|said| match said {
        Said::Update(Update::Person(VIEW, person)) => Some(person.clone()),
        _ => None,
    });
    told.into_iter().next_back().flatten().expect("the person was told anew")
}

fn seen(shell: &mut Shell, author: AuthorId) -> Option<Seconds> {
    shell.command(Command::Open(VIEW, Target::Person));
    person(shell).friends.iter().find(|friend| friend.author == author).expect("a friend").seen
}

/// A record of person `number` at a relay of that address.
pub(super) fn record(number: u8, relay: &str, time: Seconds) -> ReachRecord {
    let identity = identity(number);
    let place = Place { peer: peer(number), relays: vec![address(relay)] };
    ReachRecord::make(identity.identity(), &identity.reach(0), place, time, [3; 12])
}

pub(super) fn reach(records: &[&ReachRecord]) -> Frame {
    let records = records.iter().map(|record| ByteBuf::from(record.bytes().to_vec())).collect();
    Frame::Reach { records, missing: Vec::new() }
}

#[test]
fn a_friend_is_found_where_they_are_now_and_not_where_their_code_says() {
    // 0 is Ann, 1 the relay both know, 2 Ben with Ann's code.
    let mut world = World::new(vec![Shell::tab(1), Shell::relay(2), Shell::tab(3)]);
    let code = code_of(&mut world.shells[0], Some("birch"), &["the old relay"]);
    assert_eq!(code.board, Some(name("birch")));
    world.link(0, 1);
    world.shells[0].command(Command::Reachable(vec![address("the new relay")]));
    world.run(1_000);

    world.shells[2].command(Command::Befriend(code.clone()));
    assert_eq!(world.shells[2].relays.friends, [address("the old relay")]);
    world.link(2, 1);
    world.run(1_000);
    assert_eq!(world.shells[2].relays.friends, [address("the new relay"), address("the old relay")]);
    assert!(seen(&mut world.shells[2], code.author).is_some());

    // All of it is there again after a restart, before anybody is connected.
    world.restart(2);
    assert_eq!(world.shells[2].relays.friends, [address("the new relay"), address("the old relay")]);
    world.shells[2].command(Command::Unfriend(code.author));
    assert_eq!(world.shells[2].relays.friends, []);
}

#[test]
fn a_record_is_found_at_any_relay_of_those_that_know_each_other() {
    // Ann at the first of three relays in a row, Ben at the last.
    let mut world =
        World::new(vec![Shell::tab(1), Shell::relay(2), Shell::relay(3), Shell::relay(4), Shell::tab(5)]);
    let code = code_of(&mut world.shells[0], None, &[]);
    world.shells[4].command(Command::Befriend(code));
    world.shells[0].command(Command::Reachable(vec![address("first")]));
    world.link(0, 1);
    // Known before the relays met: told when they do; and on from the second to the third.
    world.link(2, 3);
    world.link(1, 2);
    world.link(4, 3);
    world.run(1_000);
    assert_eq!(world.shells[4].relays.friends, [address("first")]);

    // A move is told to all.
    world.shells[0].command(Command::Reachable(vec![address("elsewhere")]));
    world.run(120_000);
    assert_eq!(world.shells[4].relays.friends, [address("elsewhere")]);
}

#[test]
fn a_record_that_is_forged_stale_or_replayed_is_ignored() {
    let mut shell = Shell::tab(1);
    let mut code = FriendCode::new(key(2).public(), identity(2).reach(0));
    code.relays = vec![address("as the code says")];
    shell.command(Command::Befriend(code.clone()));
    shell.greet_relay(peer(9));
    shell.advance(200_000);
    let now = shell.now.unix;
    let at = |seconds: u64| Seconds(now.0 - seconds);

    shell.hear(peer(9), reach(&[&record(2, "here", at(50))]));
    assert_eq!(shell.relays.friends, [address("here"), address("as the code says")]);
    let told = shell.relays.clone();

    // Replayed: what was said before the last.
    shell.hear(peer(9), reach(&[&record(2, "long ago", at(100))]));
    // Somebody else's, under their own key and under a secret that is not the code's.
    shell.hear(peer(9), reach(&[&record(3, "a stranger", now)]));
    let place = Place { peer: peer(2), relays: vec![address("another code")] };
    let other = ReachRecord::make(&key(2), &ReachSecret([9; 16]), place, now, [0; 12]);
    shell.hear(peer(9), reach(&[&other]));
    // From too far in the future to be believed, and from so long ago that it is over.
    shell.hear(peer(9), reach(&[&record(2, "tomorrow", now.plus(3_600))]));
    let mut late = Shell::tab(1);
    late.command(Command::Befriend(code));
    late.greet_relay(peer(9));
    late.hear(peer(9), reach(&[&record(2, "the day before", Seconds(EPOCH.0 - 26 * 3_600))]));
    assert_eq!(late.relays.friends, [address("as the code says")]);
    assert_eq!(shell.relays, told);
    assert!(
        shell.take(|said| matches!(said, Said::Close(..)).then_some(())).is_empty(),
        "nobody was at fault"
    );

    // Forged: one bit of it is another. That is a fault, and enough of them end the session.
    let good = record(2, "forged", now.plus(1)).bytes().to_vec();
    for at in (0..good.len()).step_by(7) {
        let mut forged = good.clone();
        forged[at] ^= 0x10;
        shell.hear(peer(9), Frame::Reach { records: vec![ByteBuf::from(forged)], missing: Vec::new() });
        assert_eq!(shell.relays, told, "bit of byte {at}");
    }
    assert_eq!(shell.take(|said| matches!(said, Said::Close(..)).then_some(())).len(), 1);
}

#[test]
fn a_relay_keeps_the_latest_of_a_slot_for_a_day_and_answers_for_every_slot() {
    let mut relay = Shell::relay(1);
    relay.greet_reader(peer(5), &[]);
    relay.greet_reader(peer(6), &[]);
    let (first, second) = (record(2, "one", EPOCH), record(2, "two", EPOCH.plus(60)));
    let nobody = record(8, "nowhere", EPOCH).slot();
    relay.hear(peer(5), reach(&[&second, &first]));
    let found = |relay: &mut Shell| {
        relay.said.clear();
        relay.hear(peer(6), Frame::Find { slots: vec![second.slot(), nobody] });
        relay.frames(peer(6)).pop().expect("an answer")
    };
    let answer =
        Frame::Reach { records: vec![ByteBuf::from(second.bytes().to_vec())], missing: vec![nobody] };
    assert_eq!(found(&mut relay), answer);
    relay.advance(26 * 3_600 * 1_000);
    relay.greet_reader(peer(6), &[]);
    assert_eq!(found(&mut relay), Frame::Reach { records: Vec::new(), missing: vec![second.slot(), nobody] });
}

#[test]
fn a_tab_fills_few_slots_and_the_oldest_make_room() {
    let mut relay = Shell::new(1, Role::Relay, |limits| limits.reach_records = 10);
    let count = |relay: &mut Shell, numbers: std::ops::Range<u8>| {
        relay.greet_reader(peer(200), &[]);
        let slots = numbers.map(|number| record(number, "x", EPOCH).slot()).collect();
        relay.hear(peer(200), Frame::Find { slots });
        match relay.frames(peer(200)).pop() {
            Some(Frame::Reach { records, .. }) => records.len(),
            other => panic!("{other:?}"),
        }
    };
    // Nothing counts as made later than it came.
    relay.advance(60_000);
    relay.greet_reader(peer(5), &[]);
    for number in 0..20 {
        relay.hear(peer(5), reach(&[&record(number, "x", EPOCH.plus(u64::from(number)))]));
    }
    assert_eq!(count(&mut relay, 0..20), 8, "of one tab");
    relay.greet_reader(peer(6), &[]);
    for number in 20..28 {
        relay.hear(peer(6), reach(&[&record(number, "x", EPOCH.plus(u64::from(number)))]));
    }
    assert_eq!(count(&mut relay, 0..6), 0, "the oldest are gone");
    assert_eq!(count(&mut relay, 6..28), 10);
}

/// How many of these slots are filled at a relay, asked as one that has not asked before.
fn filled(relay: &mut Shell, slots: Vec<Slot>) -> usize {
    relay.greet_reader(peer(200), &[]);
    let mut count = 0;
    for slots in slots.chunks(32) {
        relay.said.clear();
        relay.hear(peer(200), Frame::Find { slots: slots.to_vec() });
        match relay.frames(peer(200)).pop() {
            Some(Frame::Reach { records, .. }) => count += records.len(),
            other => panic!("{other:?}"),
        }
    }
    count
}

#[test]
fn who_calls_itself_a_relay_fills_a_quarter_and_newcomers_are_never_the_ones_that_go() {
    let mut relay = Shell::new(1, Role::Relay, |limits| limits.reach_records = 40);
    let honest = |time: Seconds| (0..4).map(|number| record(number, "x", time)).collect::<Vec<_>>();
    let slots = |records: &[ReachRecord]| records.iter().map(ReachRecord::slot).collect::<Vec<_>>();
    relay.greet_reader(peer(99), &[]);
    relay.hear(peer(99), reach(&honest(EPOCH).iter().collect::<Vec<_>>()));
    // Thirty of one that is none, all said to be made as late as is borne.
    let late = relay.now.unix.plus(relay.limits().future_seconds);
    let flood = |numbers: std::ops::Range<u8>| numbers.map(|n| record(n, "f", late)).collect::<Vec<_>>();
    let (first, others) = (flood(10..40), flood(40..80));
    relay.greet_relay(peer(90));
    for record in &first {
        relay.advance(1_000);
        relay.hear(peer(90), reach(&[record]));
    }
    assert_eq!(filled(&mut relay, slots(&first)), 10, "a quarter");
    assert_eq!(filled(&mut relay, slots(&first[20..])), 10, "its own oldest made room");
    assert_eq!(filled(&mut relay, slots(&honest(EPOCH))), 4);

    // Four of them fill everything. Whoever comes then gets a place all the same, and keeps it as long as anybody.
    for (index, record) in others.iter().enumerate() {
        let giver = peer(91 + u8::try_from(index / 10).expect("below 4"));
        if index % 10 == 0 {
            relay.greet_relay(giver);
        }
        relay.advance(1_000);
        relay.hear(giver, reach(&[record]));
    }
    assert_eq!(filled(&mut relay, slots(&[first, others].concat())), 40);
    relay.advance(60_000);
    let again = honest(relay.now.unix);
    relay.greet_reader(peer(99), &[]);
    relay.hear(peer(99), reach(&again.iter().collect::<Vec<_>>()));
    assert_eq!(filled(&mut relay, slots(&again)), 4);
    relay.advance(1_000);
    let more = (80..90).map(|n| record(n, "x", late.plus(60))).collect::<Vec<_>>();
    relay.greet_relay(peer(95));
    relay.hear(peer(95), reach(&more.iter().collect::<Vec<_>>()));
    assert_eq!(filled(&mut relay, slots(&again)), 4, "what came before makes room, whatever time it claims");
}

#[test]
fn what_is_over_makes_room_first() {
    let mut relay = Shell::new(1, Role::Relay, |limits| limits.reach_records = 3);
    let over = record(2, "x", Seconds(EPOCH.0 - LIFE + 60));
    let (old, new) = (record(3, "x", Seconds(EPOCH.0 - 20 * 3_600)), record(4, "x", EPOCH));
    relay.greet_reader(peer(5), &[]);
    relay.hear(peer(5), reach(&[&over, &old, &new]));
    relay.advance(120_000);
    let last = record(6, "x", relay.now.unix);
    relay.hear(peer(5), reach(&[&last]));
    assert_eq!(filled(&mut relay, vec![old.slot(), new.slot(), last.slot()]), 3);
}

#[test]
fn records_cost_a_peer_by_their_number() {
    let mut relay = Shell::relay(1);
    relay.greet_relay(peer(8));
    // What another relay tells at the beginning is borne at once; a flood of the same is not.
    let frames: Vec<Frame> = (0..32).map(|_| reach(&[&record(2, "x", EPOCH); 32])).collect();
    frames.iter().for_each(|frame| relay.hear(peer(8), frame.clone()));
    assert!(relay.closed().is_empty() && relay.pauses.is_empty());
    let more = frames.iter().cycle().take(400);
    more.for_each(|frame| relay.hear(peer(8), frame.clone()));
    assert!(relay.pauses.iter().any(|(paused, _)| *paused == peer(8)), "held up first");
    assert_eq!(relay.closed(), [(peer(8), CloseReason::Budget)]);
}

#[test]
fn a_record_that_is_no_news_is_not_verified() {
    let forged = |record: &ReachRecord| {
        let mut bytes = record.bytes().to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        Frame::Reach { records: vec![ByteBuf::from(bytes)], missing: Vec::new() }
    };
    // So a forgery is not even found out where it could do nothing: at a relay that has a later one in its slot, and
    // at a tab that did not ask for the slot or has heard later news.
    let mut relay = Shell::relay(1);
    relay.greet_relay(peer(8));
    relay.hear(peer(8), reach(&[&record(2, "x", EPOCH)]));
    let mut tab = Shell::tab(1);
    tab.command(Command::Befriend(FriendCode::new(key(2).public(), identity(2).reach(0))));
    tab.greet_relay(peer(8));
    tab.hear(peer(8), reach(&[&record(2, "x", EPOCH)]));
    for _ in 0..50 {
        relay.hear(peer(8), forged(&record(2, "y", EPOCH)));
        tab.hear(peer(8), forged(&record(2, "y", EPOCH)));
        tab.hear(peer(8), forged(&record(3, "z", EPOCH.plus(1))));
    }
    assert!(relay.closed().is_empty() && tab.closed().is_empty());
    for _ in 0..50 {
        relay.hear(peer(8), forged(&record(2, "y", EPOCH.plus(1))));
        tab.hear(peer(8), forged(&record(2, "y", EPOCH.plus(1))));
    }
    assert_eq!((relay.closed().len(), tab.closed().len()), (1, 1));
}

/// Slots a peer was asked for since this was last asked, frame by frame.
fn looked(shell: &mut Shell, to: PeerId) -> Vec<Vec<Slot>> {
    let slots = |frame| if let Frame::Find { slots } = frame { Some(slots) } else { None };
    shell.frames(to).into_iter().filter_map(slots).collect()
}

/// The slot of person `number` on the day `days` after [`EPOCH`].
fn slot_of(number: u8, days: i64) -> Slot {
    let day = (EPOCH.0 / 86_400).checked_add_signed(days).expect("a day");
    blinded(&identity(number).identity().public(), &identity(number).reach(0), day).expect("a key")
}

fn nothing_in(slots: &[Slot]) -> Frame {
    Frame::Reach { records: Vec::new(), missing: slots.to_vec() }
}

#[test]
fn a_friend_for_whom_there_is_no_room_is_told_of() {
    let mut shell = Shell::tab(1);
    shell.limits_from_now_on(|limits| limits.friends = 2);
    let mut befriend = |number| {
        shell.command(Command::Befriend(FriendCode::new(key(number).public(), identity(number).reach(0))));
        shell.notices()
    };
    assert_eq!([befriend(2), befriend(3)], [[], []]);
    assert_eq!(befriend(4), [Notice::FriendsFull]);
    assert_eq!(befriend(2), [], "who is there already may come with another code");
}

#[test]
fn a_relay_is_never_asked_for_two_days_of_a_friend_at_once() {
    let mut shell = Shell::tab(1);
    for number in 10..50 {
        shell.command(Command::Befriend(FriendCode::new(key(number).public(), identity(number).reach(0))));
    }
    shell.now.unix = EPOCH.plus(12 * 3_600);
    shell.greet_relay(peer(8));
    let sorted = |numbers: std::ops::Range<u8>, day| {
        let mut slots: Vec<Slot> = numbers.map(|number| slot_of(number, day)).collect();
        slots.sort_unstable();
        slots
    };
    // Today's, in an order that has nothing to do with who they are.
    let today = looked(&mut shell, peer(8));
    assert_eq!(today.len(), 2);
    assert_eq!(today.concat(), sorted(10..50, 0));
    // Yesterday's of those of whom nothing was found, when all is answered.
    let mut found: Vec<ReachRecord> = (10..12).map(|number| record(number, "x", shell.now.unix)).collect();
    found.push(record(12, "too far ahead to be taken", shell.now.unix.plus(3_600)));
    let is_found = |slot: &&Slot| !found.iter().any(|record| record.slot() == **slot);
    let missing = |slots: &[Slot]| slots.iter().filter(is_found).copied().collect::<Vec<_>>();
    shell.hear(peer(8), nothing_in(&missing(&today[0])));
    shell.hear(peer(8), nothing_in(&missing(&today[1])));
    shell.hear(peer(8), nothing_in(&[slot_of(90, 0), slot_of(10, -1)]));
    assert!(looked(&mut shell, peer(8)).is_empty(), "three are not answered yet");
    shell.hear(peer(8), reach(&found.iter().collect::<Vec<_>>()));
    let yesterday = looked(&mut shell, peer(8));
    assert_eq!(yesterday.concat(), sorted(13..50, -1));
    // Nothing there either; and then the relay is left in peace until the next minute.
    yesterday.iter().for_each(|slots| shell.hear(peer(8), nothing_in(slots)));
    yesterday.iter().for_each(|slots| shell.hear(peer(8), nothing_in(slots)));
    assert!(looked(&mut shell, peer(8)).is_empty());
    shell.advance(60_000);
    assert_eq!(looked(&mut shell, peer(8)), today);
}

#[test]
fn shortly_before_midnight_a_friend_is_found_whose_clock_is_past_it() {
    let mut shell = Shell::tab(1);
    shell.command(Command::Befriend(FriendCode::new(key(2).public(), identity(2).reach(0))));
    shell.now.unix = EPOCH.plus(86_400 - 600);
    shell.greet_relay(peer(8));
    for day in [0, -1] {
        assert_eq!(looked(&mut shell, peer(8)), [[slot_of(2, day)]]);
        shell.hear(peer(8), nothing_in(&[slot_of(2, day)]));
    }
    assert_eq!(looked(&mut shell, peer(8)), [[slot_of(2, 1)]]);
    shell.hear(peer(8), reach(&[&record(2, "already tomorrow", EPOCH.plus(86_400 + 10))]));
    assert_eq!(shell.relays.friends, [address("already tomorrow")]);
}

/// The reach records told to a peer since this was last asked.
fn told(shell: &mut Shell, to: PeerId) -> Vec<ReachRecord> {
    let frames = shell.frames(to).into_iter();
    let records = frames.flat_map(|frame| match frame {
        Frame::Reach { records, .. } => records,
        _ => Vec::new(),
    });
    records.map(|bytes| ReachRecord::read(&bytes).expect("a good record")).collect()
}

#[test]
fn a_clock_that_is_set_back_silences_nobody() {
    let mut shell = Shell::tab(1);
    shell.greet_relay(peer(8));
    shell.now.unix = EPOCH.plus(5 * 3_600);
    shell.command(Command::Reachable(vec![address("here")]));
    assert_eq!(told(&mut shell, peer(8)).len(), 1);
    shell.now.unix = EPOCH.plus(3_600);
    shell.advance(61_000);
    let again = told(&mut shell, peer(8));
    assert_eq!(again.len(), 1, "by the clock of now");
    assert!(again[0].time() <= shell.now.unix);
    // And by no more than that: a record is good for ten minutes.
    shell.advance(500_000);
    assert!(told(&mut shell, peer(8)).is_empty());
    shell.advance(120_000);
    assert_eq!(told(&mut shell, peer(8)).len(), 1);
}

#[test]
fn of_two_records_in_one_second_the_last_is_the_later() {
    let mut world = World::new(vec![Shell::tab(1), Shell::relay(2), Shell::tab(3)]);
    let code = code_of(&mut world.shells[0], None, &[]);
    world.shells[2].command(Command::Befriend(code));
    world.link(0, 1);
    for place in ["first", "second", "third"] {
        world.shells[0].command(Command::Reachable(vec![address(place)]));
    }
    world.link(2, 1);
    world.carry();
    assert_eq!(world.shells[2].relays.friends, [address("third")]);

    // The clock is not left behind for that: what is a minute ahead is as far as it goes.
    let mut shell = Shell::tab(1);
    shell.greet_relay(peer(8));
    for n in 0..200 {
        shell.command(Command::Reachable(vec![address(&n.to_string())]));
    }
    let times: Vec<Seconds> = told(&mut shell, peer(8)).iter().map(ReachRecord::time).collect();
    assert_eq!(times.len(), 200);
    assert!(times[..60].is_sorted_by(|a, b| a < b) && times.iter().all(|time| *time < EPOCH.plus(60)));
}

#[test]
fn a_renewed_code_hides_from_those_who_had_the_old_one() {
    let mut world = World::new(vec![Shell::tab(1), Shell::relay(2), Shell::tab(3), Shell::tab(4)]);
    world.shells[0].command(Command::Reachable(vec![address("here")]));
    let old = code_of(&mut world.shells[0], None, &[]);
    world.shells[0].command(Command::RenewCode);
    let new = code_of(&mut world.shells[0], None, &[]);
    assert_ne!(old.reach, new.reach);
    world.shells[2].command(Command::Befriend(old));
    world.shells[3].command(Command::Befriend(new));
    for tab in [0, 2, 3] {
        world.link(tab, 1);
    }
    world.run(120_000);
    assert_eq!(seen(&mut world.shells[2], identity(1).identity().public()), None);
    assert!(seen(&mut world.shells[3], identity(1).identity().public()).is_some());

    // Remembered: after a restart the code is the new one.
    world.shells[0].restart();
    let again = code_of(&mut world.shells[0], None, &[]);
    assert_ne!(again.reach, identity(1).reach(0));
}

#[test]
fn ones_own_code_befriends_nobody_and_a_name_made_to_deceive_is_not_taken() {
    let mut shell = Shell::tab(1);
    shell.command(Command::Open(VIEW, Target::Person));
    let own = code_of(&mut shell, None, &[]);
    shell.command(Command::Befriend(own));
    shell.command(Command::CallMe(Some("Ann".to_owned())));
    let told = person(&mut shell);
    assert_eq!((told.friends.len(), told.name.as_deref()), (0, Some("Ann")));
    assert_eq!(code_of(&mut shell, None, &[]).name.as_deref(), Some("Ann"));
    for bad in ["", "<b>Ann</b>", "two\nlines", "a\u{202e}b", &"x".repeat(41)] {
        shell.command(Command::CallMe(Some(bad.to_owned())));
        assert_eq!(code_of(&mut shell, None, &[]).name.as_deref(), Some("Ann"), "{bad:?}");
    }
    // Remembered, unless the rule for names has become another meanwhile.
    shell.restart();
    assert_eq!(code_of(&mut shell, None, &[]).name.as_deref(), Some("Ann"));
    shell.limits_from_now_on(|limits| limits.name_chars = 2);
    assert_eq!(code_of(&mut shell, None, &[]).name, None);
}

#[test]
fn following_is_a_fact_of_its_own_for_each_and_the_last_word_counts() {
    let mut shell = Shell::tab(1);
    shell.command(Command::Open(VIEW, Target::Person));
    let (ann, ben) = (key(2).public(), key(3).public());
    let follow = |who, ended| Content::Follow { who, ended };
    for (content, expected) in [
        (follow(ann, false), vec![ann]),
        (follow(ben, false), if ann < ben { vec![ann, ben] } else { vec![ben, ann] }),
        (follow(ann, true), vec![ben]),
        (follow(ann, true), vec![ben]),
        (follow(ann, false), if ann < ben { vec![ann, ben] } else { vec![ben, ann] }),
    ] {
        shell.publish(content).expect("a good draft");
        assert_eq!(person(&mut shell).follows, expected);
    }
    shell.restart();
    shell.command(Command::Open(VIEW, Target::Person));
    assert_eq!(person(&mut shell).follows.len(), 2);
}

#[test]
fn whom_one_follows_or_has_as_a_friend_is_reconciled_too() {
    let mut shell = Shell::tab(1);
    shell.greet_relay(peer(9));
    let asked = |shell: &mut Shell, author: AuthorId| {
        shell.advance(61_000);
        shell
            .frames(peer(9))
            .iter()
            .any(|frame| matches!(frame, Frame::Reconcile { scope: Scope::Author(of), .. } if *of == author))
    };
    let (followed, friend) = (key(2).public(), key(3).public());
    assert!(!asked(&mut shell, followed));
    shell.publish(Content::Follow { who: followed, ended: false }).expect("a good draft");
    assert!(asked(&mut shell, followed));
    assert!(!asked(&mut shell, friend));
    shell.command(Command::Befriend(FriendCode::new(friend, identity(3).reach(0))));
    assert!(asked(&mut shell, friend));
}

/// What a tab holds on the board of no name says who its person is, whose friend they are and whom they follow.
#[test]
fn a_tab_that_wants_everything_does_not_learn_who_the_person_is() {
    let mut shell = Shell::tab(1);
    let own = key(1).public();
    shell.command(Command::Befriend(FriendCode::new(key(3).public(), identity(3).reach(0))));
    let (follow, _) =
        shell.publish(Content::Follow { who: key(2).public(), ended: false }).expect("a good draft");
    // A relay has it already, so that it is not offered to whoever comes.
    shell.greet_relay(peer(9));
    shell.hear(peer(9), Frame::Ack { ids: vec![follow] });
    shell.input(Input::Disconnected(peer(9)));
    let everything = Frame::Interest { all: true, boards: vec![no_board()] };
    for direct in [true, false] {
        let connected = if direct { Input::ConnectedDirectly } else { Input::Connected };
        shell.input(connected(peer(8)));
        shell.hear(peer(8), hello(Role::Tab, 100));
        shell.hear(peer(8), everything.clone());
        let scopes = [Scope::Author(own), Scope::Board(no_board())];
        let nothing = Index::default();
        let mut reconciler = Reconciler::new(4_096);
        let mut empty = Vec::new();
        for scope in scopes {
            let (call, message) = reconciler.begin(&nothing, peer(1), scope);
            empty = reconciler.answer(&nothing, scope, &message).expect("a good message");
            shell.hear(peer(8), Frame::Reconcile { call, scope, message });
        }
        shell.hear(peer(8), Frame::Want { ids: vec![follow] });
        shell.publish(Content::Follow { who: key(4).public(), ended: direct }).expect("a good draft");
        shell.advance(200_000);
        let frames = shell.frames(peer(8));
        let is_telling = |frame: &&Frame| match frame {
            Frame::Events { .. } | Frame::Have { .. } | Frame::Reconcile { .. } => true,
            Frame::Reconciled { message, .. } => *message != empty,
            _ => false,
        };
        assert_eq!(frames.iter().find(is_telling), None);
        assert!(frames.contains(&Frame::Withheld { ids: vec![follow] }));
    }
    // A relay is told.
    shell.greet_relay(peer(9));
    shell.hear(peer(9), Frame::Want { ids: vec![follow] });
    shell.advance(1_000);
    assert!(shell.events(peer(9)).contains(&follow));
}

#[test]
fn a_peer_that_acknowledges_nothing_is_told_of_and_the_post_is_offered_elsewhere() {
    let mut shell = Shell::tab(1);
    shell.greet_relay(peer(8));
    let post = shell.write_thread("birch", "Will anybody keep this?");
    let swallows = |shell: &mut Shell| {
        let told = shell.take(|said| match said {
            Said::Update(Update::Network(sessions)) => Some(sessions.clone()),
            _ => None,
        });
        let last = told.into_iter().next_back().unwrap_or_default();
        last.into_iter().filter(|session| session.swallows).map(|session| session.peer).collect::<Vec<_>>()
    };
    shell.advance(10_000);
    assert_eq!(shell.events(peer(8)), [post]);
    assert_eq!(swallows(&mut shell), []);
    shell.advance(10_000);
    assert_eq!(swallows(&mut shell), [peer(8)]);
    assert!(!is_sent(&shell, post));

    shell.greet_relay(peer(9));
    shell.advance(1_000);
    assert_eq!(shell.events(peer(9)), [post]);
    shell.hear(peer(9), Frame::Ack { ids: vec![post] });
    assert!(is_sent(&shell, post));
    shell.advance(20_000);
    assert_eq!(swallows(&mut shell), [peer(8)], "sent, but not thanks to this one");
    // It was only slow.
    shell.hear(peer(8), Frame::Ack { ids: vec![post] });
    shell.advance(100);
    assert_eq!(swallows(&mut shell), []);
}

#[test]
fn a_relay_that_grants_no_credit_is_found_out_as_soon_as_one_that_acknowledges_nothing() {
    let found_out = |shell: &Shell| {
        let told = shell.said.iter().rev().find_map(|said| match said {
            Said::Update(Update::Network(sessions)) => Some(sessions.clone()),
            _ => None,
        });
        told.unwrap_or_default().iter().any(|session| session.swallows)
    };
    let without_credit = |shell: &mut Shell| {
        shell.greet(peer(8), Role::Relay, 0);
        shell.hear(peer(8), Frame::Interest { all: true, boards: Vec::new() });
    };
    // Written while the relay is there, and before it comes.
    let mut during = Shell::tab(1);
    without_credit(&mut during);
    during.write_thread("birch", "Will anybody take this?");
    let mut before = Shell::tab(1);
    before.write_thread("birch", "Will anybody take this?");
    before.advance(60_000);
    without_credit(&mut before);
    for mut shell in [during, before] {
        shell.advance(14_000);
        assert!(!found_out(&shell), "it has time to grant some");
        shell.advance(2_000);
        assert!(found_out(&shell));
        assert_eq!(shell.events(peer(8)), []);
    }
}

#[test]
fn a_peer_is_not_blamed_for_what_our_own_storage_cannot_read() {
    let mut shell = Shell::tab(1);
    let post = shell.write_thread("birch", "Is it still there?");
    shell.advance(1_000);
    let kept = shell.disk.bytes.remove(&post);
    shell.greet_relay(peer(8));
    shell.advance(30_000);
    let told = shell.network().unwrap_or_default();
    assert!(told.iter().all(|session| !session.swallows));
    shell.disk.bytes.extend(kept.map(|bytes| (post, bytes)));
    shell.advance(60_000);
    assert_eq!(shell.events(peer(8)), [post], "offered again");
}

fn is_sent(shell: &Shell, post: EventId) -> bool {
    shell.node.index().get(&post).is_some_and(|row| row.sent())
}
