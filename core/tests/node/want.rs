//! Reconciliation as a node does it: who begins, whom it asks for what is missing, and what it does with silence.

use chanterelle_core::base::{EventId, PeerId};
use chanterelle_core::event::{Event, Kind};
use chanterelle_core::node::{CloseReason, Input};
use chanterelle_core::store::{Index, Row};
use chanterelle_core::sync::Reconciler;
use chanterelle_core::wire::{Frame, Role, Scope};
use ipld_core::ipld;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board, name};
use super::shell::{EPOCH, Said, Shell, events_of, interest, peer, thread_target};
use super::world::World;

const ANN: u8 = 0x10;
const BOB: u8 = 0x60;

/// A relay played by the test: it answers reconciliations truthfully and everything else as the test pleases.
struct Relay {
    id: PeerId,
    events: Vec<Event>,
    index: Index,
    frames: u64,
}

impl Relay {
    fn with(number: u8, events: &[Event]) -> Relay {
        let mut index = Index::default();
        events.iter().for_each(|event| drop(index.insert(Row::of(event, EPOCH, false))));
        Relay { id: peer(number), events: events.to_vec(), index, frames: 0 }
    }

    /// Answers all steps of reconciliations said to it; how many.
    fn reconcile(&self, shell: &mut Shell) -> usize {
        let mut steps = 0;
        loop {
            let asked = shell.take(|said| match said {
                Said::Frame(to, Frame::Reconcile { call, scope, message }) if *to == self.id => {
                    Some((*call, *scope, message.clone()))
                }
                _ => None,
            });
            if asked.is_empty() {
                return steps;
            }
            for (call, scope, message) in asked {
                steps += 1;
                let mut reconciler = Reconciler::new(shell.limits().reconcile_bytes);
                let message = reconciler.answer(&self.index, scope, &message).expect("a node's own message");
                shell.hear(self.id, Frame::Reconciled { call, message });
            }
        }
    }

    /// Sends all it was asked for; what that was.
    fn serve(&mut self, shell: &mut Shell) -> Vec<EventId> {
        let wanted = shell.wants(self.id);
        let events: Vec<&Event> = self.events.iter().filter(|event| wanted.contains(&event.id())).collect();
        for events in events.chunks(100) {
            self.frames += 1;
            shell.hear_events(self.id, self.frames, events.iter().copied());
        }
        wanted
    }
}

fn replies(count: usize) -> Vec<Event> {
    let thread = author(1).thread("cats", "x", EPOCH);
    let replies = (1..count).map(|n| author(2).reply(board("cats"), thread.id(), &n.to_string(), EPOCH));
    [thread.clone()].into_iter().chain(replies).collect()
}

fn ids(events: &[Event]) -> Vec<EventId> {
    let mut ids: Vec<EventId> = events.iter().map(Event::id).collect();
    ids.sort_unstable();
    ids
}

fn sorted(mut ids: Vec<EventId>) -> Vec<EventId> {
    ids.sort_unstable();
    ids
}

fn held(shell: &Shell, events: &[Event]) -> usize {
    events.iter().filter(|event| shell.holds(event.id())).count()
}

fn reader() -> Shell {
    let mut shell = Shell::tab(0x50);
    shell.subscribe("cats");
    shell
}

#[test]
fn what_is_missing_is_asked_for_and_nothing_else() {
    let events = replies(30);
    let mut shell = reader();
    shell.hold(&events[..20]);
    let mut ann = Relay::with(ANN, &events);
    shell.greet_relay(ann.id);
    ann.reconcile(&mut shell);
    assert_eq!(sorted(ann.serve(&mut shell)), ids(&events[20..]));
    assert_eq!(held(&shell, &events), 30);
    shell.advance(30_000);
    assert!(shell.wants(ann.id).is_empty());
}

#[test]
fn what_the_other_lacks_is_sent_without_being_asked_for() {
    let events = replies(30);
    let mut shell = Shell::relay(0x50);
    shell.hold(&events);
    let bob = Relay::with(BOB, &events[..20]);
    shell.greet_relay(bob.id);
    bob.reconcile(&mut shell);
    shell.advance(5_000);
    assert_eq!(sorted(shell.events(bob.id)), ids(&events[20..]));
}

/// Each of its tabs will have found out the same; it asks one of them.
#[test]
fn a_relay_is_told_the_ids_of_what_it_lacks_and_others_wrote() {
    let events = replies(30);
    let mut shell = reader();
    shell.hold(&events);
    let mine = shell.write_reply("cats", events[0].id(), "mine");
    let ann = Relay::with(ANN, &events[..20]);
    shell.greet_relay(ann.id);
    ann.reconcile(&mut shell);
    shell.advance(5_000);
    let frames = shell.frames(ann.id);
    let told =
        frames.iter().filter_map(|frame| if let Frame::Have { ids } = frame { Some(ids) } else { None });
    assert_eq!(sorted(told.flatten().copied().collect()), ids(&events[20..]));
    let sent = frames.iter().flat_map(|frame| events_of(frame, shell.limits())).map(|event| event.id());
    let sent: Vec<EventId> = sent.collect();
    assert!(!sent.is_empty() && sent.iter().all(|id| *id == mine), "one's own goes whole: {sent:?}");
    shell.hear(ann.id, Frame::Want { ids: ids(&events[20..]) });
    shell.advance(1_000);
    assert_eq!(sorted(shell.events(ann.id)), ids(&events[20..]));
}

#[test]
fn each_missing_event_is_asked_of_one_of_two_peers() {
    let events = replies(30);
    let mut shell = reader();
    let (mut ann, mut bob) = (Relay::with(ANN, &events[..20]), Relay::with(BOB, &events[10..]));
    shell.greet_relay(ann.id);
    shell.greet_relay(bob.id);
    ann.reconcile(&mut shell);
    bob.reconcile(&mut shell);
    let (of_ann, of_bob) = (shell.wants(ann.id), shell.wants(bob.id));
    assert_eq!(sorted([of_ann.clone(), of_bob.clone()].concat()), ids(&events), "each of one");
    ann.frames += 1;
    let asked = |asked: &[EventId]| -> Vec<Event> {
        events.iter().filter(|event| asked.contains(&event.id())).cloned().collect()
    };
    shell.hear_events(ann.id, 1, &asked(&of_ann));
    shell.hear_events(bob.id, 1, &asked(&of_bob));
    assert_eq!(held(&shell, &events), 30);
    shell.advance(30_000);
    assert!(ann.serve(&mut shell).is_empty() && bob.serve(&mut shell).is_empty());
}

#[test]
fn what_comes_from_elsewhere_is_no_longer_waited_for() {
    let events = replies(10);
    let mut shell = reader();
    let ann = Relay::with(ANN, &events);
    shell.greet_relay(ann.id);
    ann.reconcile(&mut shell);
    assert_eq!(shell.wants(ann.id).len(), 10);
    assert_eq!(syncing(&mut shell), Some(true));
    shell.greet_reader(peer(BOB), &[]);
    shell.hear_events(peer(BOB), 1, &events);
    assert_eq!(syncing(&mut shell), Some(false));
}

/// Whether Ann was last told to be busy.
fn syncing(shell: &mut Shell) -> Option<bool> {
    let sessions = shell.network()?;
    sessions.iter().find(|info| info.peer == peer(ANN)).map(|info| info.syncing)
}

#[test]
fn what_the_first_does_not_send_is_asked_of_the_second() {
    let events = replies(10);
    let mut shell = reader();
    let (ann, mut bob) = (Relay::with(ANN, &events), Relay::with(BOB, &events));
    shell.greet_relay(ann.id);
    shell.greet_relay(bob.id);
    // Ann is always quicker to say what she has, and never gives it.
    for _ in 0..300 {
        ann.reconcile(&mut shell);
        bob.reconcile(&mut shell);
        bob.serve(&mut shell);
        shell.advance(1_000);
    }
    assert_eq!(held(&shell, &events), 10, "within five minutes");
    assert!(shell.closed().is_empty());
}

/// One in a while, just before the patience of the other side ends: with many wants open it could take hours.
#[test]
fn a_trickle_does_not_keep_the_rest_from_being_asked_of_another() {
    let events = replies(200);
    let mut shell = reader();
    let (mut ann, mut bob) = (Relay::with(ANN, &events), Relay::with(BOB, &events));
    shell.greet_relay(ann.id);
    shell.greet_relay(bob.id);
    let mut promised: Vec<EventId> = Vec::new();
    for second in 0..600 {
        ann.reconcile(&mut shell);
        promised.extend(shell.wants(ann.id));
        if second % 15 == 14
            && let Some(id) = promised.pop()
        {
            ann.frames += 1;
            let event = events.iter().find(|event| event.id() == id);
            shell.hear_events(ann.id, ann.frames, event);
        }
        bob.reconcile(&mut shell);
        bob.serve(&mut shell);
        shell.advance(1_000);
    }
    assert_eq!(held(&shell, &events), 200, "within ten minutes");
    assert!(shell.closed().is_empty());
}

/// Ann claims new posts of her own all the time and sends one now and then, but never the one she is asked for.
#[test]
fn one_event_is_not_withheld_by_sending_others() {
    let thread = author(1).thread("cats", "x", EPOCH);
    let fresh: Vec<Event> =
        (0..60).map(|n| author(3).reply(board("cats"), thread.id(), &n.to_string(), EPOCH)).collect();
    let mut shell = reader();
    let mut bob = Relay::with(BOB, std::slice::from_ref(&thread));
    let mut frames = 0;
    let mut promised: Vec<EventId> = Vec::new();
    shell.greet_relay(peer(ANN));
    shell.greet_relay(bob.id);
    for second in 0..600 {
        let claimed = [&fresh[..(second / 10 + 6).min(60)], std::slice::from_ref(&thread)].concat();
        Relay::with(ANN, &claimed).reconcile(&mut shell);
        promised.extend(shell.wants(peer(ANN)).into_iter().filter(|id| *id != thread.id()));
        if second % 10 == 9 && !promised.is_empty() {
            let id = promised.remove(0);
            frames += 1;
            shell.hear_events(peer(ANN), frames, fresh.iter().find(|event| event.id() == id));
        }
        bob.reconcile(&mut shell);
        bob.serve(&mut shell);
        shell.advance(1_000);
    }
    assert!(shell.holds(thread.id()), "within ten minutes");
    assert!(shell.closed().is_empty());
}

#[test]
fn what_the_first_refuses_is_asked_of_the_second() {
    let events = replies(10);
    let mut shell = reader();
    let (ann, mut bob) = (Relay::with(ANN, &events), Relay::with(BOB, &events));
    shell.greet_relay(ann.id);
    shell.greet_relay(bob.id);
    for _ in 0..300 {
        ann.reconcile(&mut shell);
        let refused = shell.wants(ann.id);
        if !refused.is_empty() {
            shell.hear(ann.id, Frame::Withheld { ids: refused });
        }
        bob.reconcile(&mut shell);
        bob.serve(&mut shell);
        shell.advance(1_000);
    }
    assert_eq!(held(&shell, &events), 10);
}

#[test]
fn what_the_first_left_unsent_is_asked_of_the_second() {
    let events = replies(10);
    let mut shell = reader();
    let (ann, mut bob) = (Relay::with(ANN, &events), Relay::with(BOB, &events));
    shell.greet_relay(ann.id);
    ann.reconcile(&mut shell);
    assert_eq!(shell.wants(ann.id).len(), 10);
    shell.greet_relay(bob.id);
    bob.reconcile(&mut shell);
    shell.input(Input::Disconnected(ann.id));
    for _ in 0..120 {
        bob.reconcile(&mut shell);
        bob.serve(&mut shell);
        shell.advance(1_000);
    }
    assert_eq!(held(&shell, &events), 10);
}

#[test]
fn only_so_much_is_asked_for_at_a_time() {
    let count = 5_000;
    let events = replies(count);
    let mut shell = reader();
    let mut ann = Relay::with(ANN, &events);
    shell.greet_relay(ann.id);
    ann.reconcile(&mut shell);
    let (wants, frame_ids) = (shell.limits().wants, shell.limits().frame_ids);
    let frames = shell.take(|said| match said {
        Said::Frame(_, Frame::Want { ids }) => Some(ids.clone()),
        _ => None,
    });
    assert!(frames.iter().all(|ids| ids.len() <= frame_ids));
    let mut asked = frames.concat();
    assert!(asked.len() <= wants && asked.len() < count);
    let mut open = asked.len();
    while !asked.is_empty() {
        let wanted: Vec<&Event> = events.iter().filter(|event| asked.contains(&event.id())).collect();
        asked.clear();
        for events in wanted.chunks(200) {
            ann.frames += 1;
            shell.hear_events(ann.id, ann.frames, events.iter().copied());
            open -= events.len();
            let more = shell.wants(ann.id);
            open += more.len();
            asked.extend(more);
            assert!(open <= wants, "{open} asked for and not here");
            shell.advance(20);
        }
    }
    assert_eq!(held(&shell, &events), count);
}

#[test]
fn who_is_asked_for_what_it_does_not_hold_says_so() {
    let events = replies(3);
    let mut shell = reader();
    shell.hold(&events);
    shell.greet_reader(peer(BOB), &[]);
    let unknown: Vec<EventId> = (0..5).map(|n| EventId([n; 32])).collect();
    let mixed = [unknown[..2].to_vec(), ids(&events), unknown[2..].to_vec()].concat();
    shell.hear(peer(BOB), Frame::Want { ids: mixed });
    shell.advance(1_000);
    let frames = shell.frames(peer(BOB));
    assert!(frames.contains(&Frame::Withheld { ids: unknown }));
    assert!(frames.iter().any(|frame| matches!(frame, Frame::Events { events, .. } if events.len() == 3)));
    assert!(shell.closed().is_empty());
}

#[test]
fn a_reconciliation_without_an_answer_is_begun_again() {
    let events = replies(10);
    let mut shell = reader();
    let mut ann = Relay::with(ANN, &events);
    shell.greet_relay(ann.id);
    let begun = |shell: &mut Shell| {
        shell.take(|said| matches!(said, Said::Frame(_, Frame::Reconcile { .. })).then_some(())).len()
    };
    assert_eq!(begun(&mut shell), 1);
    shell.advance(29_000);
    assert_eq!(begun(&mut shell), 0);
    shell.advance(60_000);
    assert_eq!(begun(&mut shell), 1);
    shell.advance(60_000);
    ann.reconcile(&mut shell);
    assert_eq!(ann.serve(&mut shell).len(), 10);
}

#[test]
fn a_late_answer_to_what_was_given_up_is_ignored() {
    let events = replies(10);
    let mut shell = reader();
    let ann = Relay::with(ANN, &events);
    shell.greet_relay(ann.id);
    let first = shell.take(|said| match said {
        Said::Frame(_, Frame::Reconcile { call, scope, message }) => Some((*call, *scope, message.clone())),
        _ => None,
    });
    shell.advance(45_000);
    let (call, scope, message) = &first[0];
    let answer = Reconciler::new(65_536).answer(&ann.index, *scope, message).expect("a node's own message");
    shell.hear(ann.id, Frame::Reconciled { call: *call, message: answer });
    assert!(shell.wants(ann.id).is_empty() && shell.closed().is_empty());
}

#[test]
fn a_few_reconciliations_run_at_a_time_and_all_in_the_end() {
    let mut shell = Shell::tab(0x50);
    for n in 0..30 {
        shell.subscribe(&format!("board-{n}"));
    }
    let ann = Relay::with(ANN, &[]);
    shell.greet_relay(ann.id);
    let begun = shell.said.iter().filter(|said| matches!(said, Said::Frame(_, Frame::Reconcile { .. })));
    assert!(begun.count() <= 8);
    assert_eq!(syncing(&mut shell), Some(true));
    let mut steps = 0;
    for _ in 0..40 {
        steps += ann.reconcile(&mut shell);
        shell.advance(100);
    }
    assert_eq!(steps, 30, "each once");
    assert_eq!(syncing(&mut shell), Some(false));
}

/// The scopes a shell begins with a peer of this number that has this interest.
fn begins(mut shell: Shell, number: u8, role: Role, interest: Frame) -> Vec<Scope> {
    shell.subscribe("cats");
    shell.subscribe("dogs");
    shell.hold(&[author(1).thread("fish", "x", EPOCH)]);
    shell.greet(peer(number), role, 100);
    shell.hear(peer(number), interest);
    shell.take(
        |said| if let Said::Frame(_, Frame::Reconcile { scope, .. }) = said { Some(*scope) } else { None },
    )
}

#[test]
fn of_two_peers_one_begins() {
    let cats = || interest(&["cats", "birds"]);
    let all = || Frame::Interest { all: true, boards: Vec::new() };
    let on = |names: &[&str]| {
        let mut scopes: Vec<Scope> = names.iter().map(|name| Scope::Board(board(name))).collect();
        scopes.sort_unstable();
        scopes
    };
    let (lower, higher) = (ANN, BOB);
    // Of two that want part, the lower begins, with what both want.
    assert_eq!(begins(Shell::tab(0x50), higher, Role::Tab, cats()), on(&["cats"]));
    assert_eq!(begins(Shell::tab(0x50), lower, Role::Tab, cats()), on(&[]));
    // Who wants part begins with who wants everything.
    for number in [lower, higher] {
        assert_eq!(begins(Shell::tab(0x50), number, Role::Relay, all()), on(&["cats", "dogs"]));
        assert_eq!(begins(Shell::relay(0x50), number, Role::Tab, cats()), on(&[]));
    }
    // Of two that want everything, the lower begins, with what it has heard of.
    let fish = Scope::Board(board("fish"));
    assert!(begins(Shell::relay(0x50), higher, Role::Relay, all()).contains(&fish));
    assert!(!begins(Shell::relay(0x50), lower, Role::Relay, all()).contains(&fish));
}

/// Two relays agree on boards that only the one that does not begin has heard of.
#[test]
fn the_side_that_does_not_begin_has_its_boards_reconciled_too() {
    let mut world = World::new(vec![Shell::relay(0x20), Shell::relay(0x50)]);
    let events = replies(20);
    world.shells[1].hold(&events);
    let now = world.shells[1].now.instant;
    world.shells[0].set_clock(now);
    world.link(0, 1);
    world.run(150_000);
    assert_eq!(held(&world.shells[0], &events), 20);
}

/// A board is named by an opening post, which may be missing, or may not say the name.
#[test]
fn two_relays_agree_on_boards_without_a_name_too() {
    for (low, high) in [(0x20, 0x50), (0x50, 0x20)] {
        let mut world = World::new(vec![Shell::relay(low), Shell::relay(high)]);
        let reply =
            author(2).reply(board("unheard-of"), EventId([7; 32]), "an answer to what is lost", EPOCH);
        world.shells[1].hold([&reply]);
        let now = world.shells[1].now.instant;
        world.shells[0].set_clock(now);
        world.link(0, 1);
        world.run(150_000);
        assert!(world.shells[0].holds(reply.id()), "from {high:#x} to {low:#x}");
    }
}

#[test]
fn two_relays_agree_on_profiles_too() {
    for (low, high) in [(0x20, 0x50), (0x50, 0x20)] {
        let mut world = World::new(vec![Shell::relay(low), Shell::relay(high)]);
        let profile = author(2).event(Kind::PROFILE, EPOCH, |fields| {
            fields.seq = Some(1);
            fields.body = ipld!({ "name": "Ann" });
        });
        world.shells[1].hold([&profile]);
        let now = world.shells[1].now.instant;
        world.shells[0].set_clock(now);
        world.link(0, 1);
        world.run(150_000);
        assert!(world.shells[0].holds(profile.id()), "from {high:#x} to {low:#x}");
    }
}

/// As many as anyone can make them hear of.
#[test]
fn many_boards_are_no_flood() {
    let mut shells = vec![Shell::relay(0x20), Shell::relay(0x50)];
    for shell in &mut shells {
        shell.greet_reader(peer(BOB), &[]);
        for round in 0..4 {
            let names = (0..256).map(|n| name(&format!("board-{round}-{n}"))).collect();
            shell.hear(peer(BOB), Frame::Directory { names });
        }
        shell.input(Input::Disconnected(peer(BOB)));
        shell.said.clear();
    }
    let thread = author(1).thread("board-3-77", "x", EPOCH);
    shells[1].hold([&thread]);
    let now = shells[1].now.instant;
    shells[0].set_clock(now);
    let mut world = World::new(shells);
    world.link(0, 1);
    world.run(180_000);
    assert!(world.closed.is_empty(), "{:?}", world.closed);
    assert!(world.shells[0].holds(thread.id()));
}

#[test]
fn opening_a_thread_looks_for_all_of_it_at_once() {
    let events = replies(10);
    let mut shell = reader();
    let mut ann = Relay::with(ANN, &events[..1]);
    shell.greet_relay(ann.id);
    ann.reconcile(&mut shell);
    ann.serve(&mut shell);
    // Ann has heard more meanwhile, and the live posts were lost on the way.
    ann = Relay { frames: ann.frames, ..Relay::with(ANN, &events) };
    shell.advance(100);
    shell.open(1, thread_target(board("cats"), events[0].id()));
    assert!(ann.reconcile(&mut shell) > 0, "not only after a minute");
    ann.serve(&mut shell);
    shell.advance(100);
    assert_eq!(shell.screen(1).posts.len(), 10);
}

#[test]
fn a_thread_of_a_board_one_does_not_keep_is_found_too() {
    let events = replies(10);
    let mut shell = Shell::tab(0x50);
    let mut ann = Relay::with(ANN, &events);
    shell.greet_relay(ann.id);
    ann.reconcile(&mut shell);
    shell.open(1, thread_target(board("cats"), events[0].id()));
    ann.reconcile(&mut shell);
    ann.serve(&mut shell);
    shell.advance(100);
    assert_eq!(shell.screen(1).posts.len(), 10);
}

/// A peer that claims ever new events and gives none costs a bounded number of questions.
#[test]
fn claims_without_events_lead_nowhere() {
    let fake = replies(300);
    let mut shell = reader();
    let ann = Relay::with(ANN, &fake);
    shell.greet_relay(ann.id);
    let mut asked = 0;
    for _ in 0..600 {
        ann.reconcile(&mut shell);
        asked += shell.wants(ann.id).len();
        shell.advance(1_000);
    }
    assert!(asked <= 300 * 12, "{asked} questions in ten minutes");
    assert!(!shell.closed().contains(&(ann.id, CloseReason::Budget)), "a slow peer is not a bad one");
}
