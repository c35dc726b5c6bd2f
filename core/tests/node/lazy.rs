//! Broadcast with lazy push: what goes up to a relay, what comes down from it, and what is asked for when nobody brings
//! it.

use chanterelle_core::base::{BoardId, EventId, PeerId};
use chanterelle_core::event::Event;
use chanterelle_core::node::Input;
use chanterelle_core::wire::Frame;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board};
use super::shell::{EPOCH, Shell, events_of, peer};
use super::world::World;

const RELAY: u8 = 0x20;
const OTHER: u8 = 0x21;
const TAB: u8 = 0x70;

fn reader(number: u8) -> Shell {
    let mut shell = Shell::tab(number);
    shell.subscribe("cats");
    shell
}

fn thread(number: u8) -> Event {
    author(number).thread("cats", "x", EPOCH)
}

/// A tab at a relay, with a direct neighbour that reads the same board; both are played by the test.
fn between() -> Shell {
    let mut shell = reader(0x50);
    shell.greet_relay(peer(RELAY));
    shell.greet_reader(peer(TAB), &["cats"]);
    shell.advance(1_000);
    shell.said.clear();
    shell
}

fn have(ids: impl IntoIterator<Item = EventId>) -> Frame {
    Frame::Have { ids: ids.into_iter().collect() }
}

/// What a peer was told to be lazy about since this was last asked.
fn lazy(shell: &mut Shell, to: PeerId) -> Vec<Vec<BoardId>> {
    let boards = |frame| if let Frame::Lazy { boards } = frame { Some(boards) } else { None };
    shell.frames(to).into_iter().filter_map(boards).collect()
}

/// Ids a peer was told since this was last asked.
fn announced(shell: &mut Shell, to: PeerId) -> Vec<EventId> {
    let ids = |frame| if let Frame::Have { ids } = frame { ids } else { Vec::new() };
    shell.frames(to).into_iter().flat_map(ids).collect()
}

/// The ways on which events were carried whole, each with the event.
fn ways(world: &World) -> Vec<(usize, usize, EventId)> {
    let limits = world.shells[0].limits();
    let events = |(from, to, frame): &(usize, usize, Frame)| {
        let ids = events_of(frame, limits).into_iter().map(|event| event.id());
        ids.map(|id| (*from, *to, id)).collect::<Vec<_>>()
    };
    let mut ways: Vec<_> = world.carried.iter().flat_map(events).collect();
    ways.sort_unstable();
    ways
}

#[test]
fn an_event_goes_up_to_the_relay_once_and_comes_down_once_to_neighbours() {
    // 1, 2 and 3 are neighbours of each other; 4 has only the relay.
    let shells = vec![Shell::relay(RELAY), reader(1), reader(2), reader(3), reader(4)];
    let mut world = World::new(shells);
    for tab in 1..=4 {
        world.link(0, tab);
    }
    for (a, b) in [(1, 2), (2, 3), (1, 3)] {
        world.link(a, b);
    }
    world.run(3_000);
    world.carried.clear();
    // Written among them: one way up, one down to who has no neighbours.
    let thread = world.shells[1].write_thread("cats", "hello");
    world.run(10_000);
    assert!(world.shells.iter().all(|shell| shell.holds(thread)));
    let said = ways(&world);
    assert_eq!(said.iter().filter(|(_, to, _)| *to == 0).collect::<Vec<_>>(), [&(1, 0, thread)]);
    assert_eq!(said.iter().filter(|(from, ..)| *from == 0).collect::<Vec<_>>(), [&(0, 4, thread)]);
    // Written elsewhere: one of them fetches it for all.
    world.carried.clear();
    let other = world.shells[4].write_thread("cats", "from elsewhere");
    world.run(10_000);
    assert!(world.shells.iter().all(|shell| shell.holds(other)));
    let said = ways(&world);
    assert_eq!(said.iter().filter(|(_, to, _)| *to == 0).collect::<Vec<_>>(), [&(4, 0, other)]);
    assert_eq!(said.iter().filter(|(from, ..)| *from == 0).count(), 1, "{said:?}");
}

#[test]
fn what_a_relay_lacks_it_asks_of_one_tab() {
    // The author, 3, is at no relay; 1 and 2 are.
    let mut world = World::new(vec![Shell::relay(RELAY), reader(1), reader(2), reader(3)]);
    for (a, b) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
        world.link(a, b);
    }
    world.run(3_000);
    world.carried.clear();
    let thread = world.shells[3].write_thread("cats", "hello");
    world.run(3_000);
    assert!(world.shells[0].holds(thread));
    assert_eq!(ways(&world).iter().filter(|(_, to, _)| *to == 0).count(), 1);
    let wants =
        world.carried.iter().filter(|(from, _, frame)| *from == 0 && matches!(frame, Frame::Want { .. }));
    assert_eq!(wants.count(), 1);
}

/// Each of its neighbours finds out what a newcomer lacks.
#[test]
fn a_newcomer_is_brought_the_past_once_whichever_side_begins() {
    for newcomer in [0x01, 0x70] {
        let mut world = World::new(vec![reader(newcomer), reader(0x10), reader(0x11), reader(0x12)]);
        let past: Vec<Event> = (1..=30).map(thread).collect();
        (1..=3).for_each(|tab| world.shells[tab].hold(&past));
        (1..=3).for_each(|tab| world.link(0, tab));
        world.run(5_000);
        assert!(past.iter().all(|event| world.shells[0].holds(event.id())));
        assert_eq!(ways(&world).len(), 30, "{newcomer:#x}");
    }
}

/// Nobody else brings it.
#[test]
fn what_its_person_wrote_a_tab_sends_without_being_asked() {
    let mut world = World::new(vec![reader(0x70), reader(0x10), Shell::relay(RELAY)]);
    world.link(1, 2);
    let own = world.shells[1].write_thread("cats", "mine");
    world.run(1_000);
    world.sever(1, 2);
    world.carried.clear();
    world.link(0, 1);
    world.run(100);
    assert_eq!(ways(&world), [(1, 0, own)]);
}

#[test]
fn two_relays_that_do_not_know_each_other_are_joined_by_a_tab() {
    let mut world = World::new(vec![Shell::relay(RELAY), reader(1), reader(2), Shell::relay(0x21)]);
    for (a, b) in [(0, 1), (0, 2), (3, 2)] {
        world.link(a, b);
    }
    world.run(3_000);
    let thread = world.shells[1].write_thread("cats", "hello");
    world.run(3_000);
    assert!(world.shells[3].holds(thread));
    assert!(ways(&world).contains(&(2, 3, thread)));
}

#[test]
fn ones_own_goes_to_a_relay_at_once_and_others_not_at_all_if_it_has_it() {
    let mut shell = between();
    let mine = shell.write_thread("cats", "mine");
    assert_eq!(shell.events(peer(RELAY)), [mine]);
    let (known, news) = (thread(1), thread(2));
    shell.hear_events(peer(TAB), 1, [&known, &news]);
    shell.advance(300);
    shell.hear(peer(RELAY), have([known.id()]));
    assert_eq!(shell.frames(peer(RELAY)), []);
    shell.advance(300);
    assert_eq!(announced(&mut shell, peer(RELAY)), [news.id()]);
    shell.advance(30_000);
    assert_eq!(shell.events(peer(RELAY)), []);
    shell.hear(peer(RELAY), Frame::Want { ids: vec![news.id()] });
    assert_eq!(shell.events(peer(RELAY)), [news.id()]);
}

/// Else it could keep what a person wrote from being sent, without being found out.
#[test]
fn a_peer_that_wants_ids_alone_is_sent_what_was_written_here_all_the_same() {
    let mut shell = between();
    shell.hear(peer(RELAY), Frame::Lazy { boards: vec![board("cats")] });
    let mine = shell.write_thread("cats", "mine");
    assert_eq!(shell.events(peer(RELAY)), [mine]);
}

#[test]
fn a_relay_is_told_what_a_neighbour_spares_it_while_there_is_one() {
    let mut shell = reader(0x50);
    shell.subscribe("dogs");
    shell.greet_relay(peer(RELAY));
    shell.advance(61_000);
    assert_eq!(lazy(&mut shell, peer(RELAY)), [vec![]], "repeated, like all that is a state");
    shell.greet_reader(peer(TAB), &["cats", "fish"]);
    assert_eq!(lazy(&mut shell, peer(RELAY)), [vec![board("cats")]], "what both want");
    assert_eq!(lazy(&mut shell, peer(TAB)), Vec::<Vec<BoardId>>::new(), "a tab is not");
    shell.hear(peer(TAB), super::shell::interest(&["cats", "dogs"]));
    let mut both = vec![board("cats"), board("dogs")];
    both.sort_unstable();
    assert_eq!(lazy(&mut shell, peer(RELAY)), [both.clone()]);
    shell.greet_relay(peer(0x21));
    assert_eq!(lazy(&mut shell, peer(0x21)), [both.clone()], "a relay that comes later as well");
    shell.advance(60_000);
    assert_eq!(lazy(&mut shell, peer(RELAY)), [both.clone()]);
    assert_eq!(lazy(&mut shell, peer(0x21)), [both]);
    shell.input(Input::Disconnected(peer(TAB)));
    assert_eq!(lazy(&mut shell, peer(RELAY)), [vec![]], "withdrawn at once");
    assert_eq!(lazy(&mut shell, peer(0x21)), [vec![]]);
}

#[test]
fn what_nobody_brings_is_asked_of_the_relay_after_a_moment() {
    let mut shell = between();
    let event = thread(1);
    shell.hear(peer(RELAY), have([event.id()]));
    shell.advance(100);
    assert_eq!(shell.wants(peer(RELAY)), [event.id()]);
    shell.hear(peer(RELAY), have([event.id()]));
    shell.hear_events(peer(RELAY), 1, [&event]);
    shell.advance(5_000);
    assert_eq!(shell.wants(peer(RELAY)), [], "and once");
}

#[test]
fn what_a_neighbour_brings_is_not_asked_for() {
    let mut shell = between();
    let (first, later) = (thread(1), thread(2));
    shell.hear_events(peer(TAB), 1, [&first]);
    shell.hear(peer(RELAY), have([first.id(), later.id()]));
    shell.hear_events(peer(TAB), 2, [&later]);
    shell.advance(30_000);
    assert_eq!(shell.wants(peer(RELAY)), []);
    assert_eq!(announced(&mut shell, peer(RELAY)), [], "nor told to who said it has it");
}

#[test]
fn what_a_neighbour_has_too_is_asked_of_it_and_of_the_relay_only_later() {
    let mut shell = between();
    let (brought, kept) = (thread(1), thread(2));
    shell.hear(peer(TAB), have([brought.id(), kept.id()]));
    shell.hear(peer(RELAY), have([brought.id(), kept.id()]));
    shell.advance(700);
    assert_eq!(shell.wants(peer(TAB)).len(), 2);
    shell.hear_events(peer(TAB), 1, [&brought]);
    shell.advance(1_200);
    assert_eq!(shell.wants(peer(RELAY)), [], "two seconds");
    shell.advance(600);
    assert_eq!(shell.wants(peer(RELAY)), [kept.id()], "a neighbour that only says so keeps nothing from us");
}

/// A tab at two relays, played by the test.
fn at_two_relays() -> Shell {
    let mut shell = reader(0x50);
    shell.greet_relay(peer(RELAY));
    shell.greet_relay(peer(OTHER));
    shell.advance(1_000);
    shell.said.clear();
    shell
}

#[test]
fn saying_it_again_makes_nothing_due_sooner() {
    let mut shell = at_two_relays();
    let ids: Vec<EventId> = (1..=40).map(|n| thread(n).id()).collect();
    for _ in 0..10 {
        ids.iter().for_each(|id| shell.hear(peer(RELAY), have([*id])));
    }
    shell.advance(50);
    let asked = shell.wants(peer(RELAY)).len();
    assert!((1..35).contains(&asked), "half of them, by chance: {asked}");
    shell.advance(50);
    assert_eq!(asked + shell.wants(peer(RELAY)).len(), 40);
}

#[test]
fn who_says_first_that_it_has_something_keeps_it_from_nobody() {
    for liar in [RELAY, TAB] {
        let mut shell = if liar == RELAY { at_two_relays() } else { between() };
        let honest = if liar == RELAY { OTHER } else { RELAY };
        let event = thread(1);
        shell.hear(peer(liar), have([event.id()]));
        shell.advance(600);
        assert_eq!(shell.wants(peer(liar)), [event.id()]);
        shell.hear(peer(honest), have([event.id()]));
        for _ in 0..10 {
            shell.hear(peer(liar), have([event.id()]));
            shell.advance(190);
        }
        assert_eq!(shell.wants(peer(honest)), [], "it may yet come");
        shell.advance(500);
        assert_eq!(shell.wants(peer(honest)), [event.id()]);
        shell.hear_events(peer(honest), 1, [&event]);
        shell.advance(30_000);
        assert_eq!((shell.wants(peer(liar)), shell.wants(peer(honest))), (vec![], vec![]));
    }
}

/// On a slow link much takes a while; it would take longer if it came twice.
#[test]
fn who_brings_one_after_the_other_is_waited_for_and_who_passes_one_over_is_not() {
    let mut shell = at_two_relays();
    let mut events: Vec<Event> = (1..=5).map(thread).collect();
    events.sort_by_key(Event::id);
    let all = have(events.iter().map(Event::id));
    shell.hear(peer(RELAY), all.clone());
    shell.advance(600);
    assert_eq!(shell.wants(peer(RELAY)).len(), 5, "in this order");
    shell.hear(peer(OTHER), all);
    for (n, event) in events[..3].iter().enumerate() {
        shell.advance(1_900);
        shell.hear_events(peer(RELAY), n as u64 + 1, [event]);
    }
    shell.advance(1_900);
    assert_eq!(shell.wants(peer(OTHER)), []);
    shell.hear_events(peer(RELAY), 4, [&events[4]]);
    shell.advance(200);
    assert_eq!(shell.wants(peer(OTHER)), [events[3].id()]);
}

#[test]
fn nothing_is_lost_with_a_neighbour() {
    let mut shell = between();
    let (before, after) = (thread(1), thread(2));
    shell.hear(peer(TAB), have([before.id()]));
    shell.hear(peer(RELAY), have([before.id()]));
    shell.advance(650);
    assert_eq!(shell.wants(peer(TAB)), [before.id()]);
    shell.input(Input::Disconnected(peer(TAB)));
    // The relay may have told of it before it heard that it is to send all again.
    shell.hear(peer(RELAY), have([after.id()]));
    shell.advance(2_500);
    let mut wanted = shell.wants(peer(RELAY));
    wanted.sort_unstable();
    let mut both = [before.id(), after.id()];
    both.sort_unstable();
    assert_eq!(wanted, both);
}

#[test]
fn a_relay_tells_ids_of_the_boards_it_was_asked_to_and_sends_when_asked() {
    let mut relay = Shell::relay(RELAY);
    relay.greet_reader(peer(1), &[]);
    relay.greet_reader(peer(2), &["cats", "dogs"]);
    relay.hear(peer(2), Frame::Lazy { boards: vec![board("cats")] });
    relay.advance(1_000);
    relay.said.clear();
    let (cats, dogs, known) = (thread(1), author(1).thread("dogs", "x", EPOCH), thread(3));
    relay.hear_events(peer(1), 1, [&cats, &known, &dogs]);
    relay.hear(peer(2), have([known.id()]));
    relay.advance(90);
    assert_eq!(relay.events(peer(2)), [dogs.id()]);
    relay.advance(20);
    assert_eq!(announced(&mut relay, peer(2)), [cats.id()]);
    relay.hear(peer(2), Frame::Want { ids: vec![cats.id()] });
    relay.advance(25);
    assert_eq!(relay.events(peer(2)), [cats.id()]);
    // Not any more.
    relay.hear(peer(2), Frame::Lazy { boards: Vec::new() });
    let last = thread(4);
    relay.hear_events(peer(1), 2, [&last]);
    relay.advance(50);
    assert_eq!(relay.events(peer(2)), [last.id()]);
}

/// A relay has no neighbours that spare it anything, and too many tabs to look at each for every id.
#[test]
fn a_relay_waits_for_no_tab_before_it_asks_another_relay() {
    let mut relay = Shell::relay(RELAY);
    relay.greet_relay(peer(0x21));
    relay.greet_reader(peer(1), &["cats"]);
    let ids: Vec<EventId> = (1..=10).map(|n| thread(n).id()).collect();
    ids.iter().for_each(|id| relay.hear(peer(0x21), have([*id])));
    relay.advance(199);
    ids.iter().for_each(|id| relay.hear(peer(1), have([*id])));
    relay.advance(600);
    let (of_relay, of_tab) = (relay.wants(peer(0x21)), relay.wants(peer(1)));
    assert_eq!(of_relay.len() + of_tab.len(), 10, "each of one");
    assert!(of_relay.len() > 3, "of the one whose time comes first: {}", of_relay.len());
}

/// Ids that are due while frames are paced wait for the pace; nobody is woken over and over meanwhile.
#[test]
fn ids_keep_the_pace_of_frames() {
    let mut relay = Shell::relay(RELAY);
    relay.greet_reader(peer(1), &[]);
    relay.greet_reader(peer(2), &["cats", "dogs"]);
    relay.hear(peer(2), Frame::Lazy { boards: vec![board("cats")] });
    relay.advance(1_000);
    relay.said.clear();
    let (cats, dogs) = (thread(1), author(1).thread("dogs", "x", EPOCH));
    relay.hear_events(peer(1), 1, [&cats]);
    relay.advance(90);
    relay.hear_events(peer(1), 2, [&dogs]);
    relay.advance(20);
    assert_eq!(announced(&mut relay, peer(2)), []);
    relay.advance(10);
    assert_eq!(announced(&mut relay, peer(2)), [cats.id()]);
}

/// Nobody's memory grows with what a peer says it has.
#[test]
fn ids_without_end_are_not_remembered_without_end() {
    let mut shell = between();
    let id = |n: u32| EventId(*blake3::hash(&n.to_le_bytes()).as_bytes());
    let mut asked = 0;
    let mut refuse = |shell: &mut Shell| {
        let wanted = shell.wants(peer(TAB));
        for ids in wanted.chunks(1_024) {
            shell.hear(peer(TAB), Frame::Withheld { ids: ids.to_vec() });
        }
        asked += wanted.len();
        wanted.len()
    };
    for n in 0..400 {
        shell.hear(peer(TAB), have((n * 1_024..(n + 1) * 1_024).map(id)));
        shell.advance(10);
        assert!(shell.said.len() < 100);
    }
    while refuse(&mut shell) > 0 {
        shell.advance(1_000);
    }
    let most = 65_536 + 131_072 + shell.limits().wants;
    assert!(asked <= most, "{asked} of {} were remembered, at most {most}", 400 * 1_024);
    assert_eq!(shell.closed(), []);
    // And too many at a time end the session.
    let flood = have((0..1_024).map(id));
    let borne = (0..1_000).take_while(|_| {
        shell.hear(peer(TAB), flood.clone());
        shell.closed().is_empty()
    });
    assert!(borne.count() < 700);
    assert_eq!(shell.network().map(|sessions| sessions.len()), Some(1));
}
