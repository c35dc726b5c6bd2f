//! Which ways are gone, in the time of a clock that the tests turn.

use libp2p::{Multiaddr, PeerId};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{FRIENDS, LIMIT, MOST, OTHERS, PERSON, REST, SLOW, Source, WayId, Ways};

fn address(host: &str) -> Multiaddr {
    format!("/dns4/{host}.example/tcp/443/tls/ws").parse().expect("an address")
}

fn ways(known: &[(&str, Source)]) -> Ways {
    let mut ways = Ways::default();
    known.iter().for_each(|(host, source)| ways.learn(address(host), *source));
    ways
}

fn attempts(ways: &mut Ways, now: u64) -> Vec<Multiaddr> {
    ways.attempts(now).into_iter().map(|(_, address)| address).collect()
}

/// The way to `host` has led to a session.
fn up(ways: &mut Ways, host: &str, now: u64) -> (WayId, PeerId) {
    let peer = reached(ways, &address(host), now);
    (ways.way_to(peer).expect("a way that is known").id, peer)
}

fn reached(ways: &mut Ways, address: &Multiaddr, now: u64) -> PeerId {
    let way = ways.ways.iter_mut().find(|way| way.address == *address).expect("a way that is known");
    let peer = PeerId::random();
    way.peer = Some(peer);
    ways.up(peer, now);
    peer
}

fn fail(ways: &mut Ways, host: &str, now: u64) {
    let way = ways.ways.iter().find(|way| way.address == address(host)).expect("a way that is known");
    ways.failed(way.id, "gone".to_owned(), false, 1.0, now);
}

#[test]
fn the_origin_and_friends_first_and_a_second_of_the_others() {
    let mut tab = ways(&[("spare", Source::Known), ("other", Source::Known), ("home", Source::Origin)]);
    assert_eq!(attempts(&mut tab, 0), [address("home"), address("spare")]);
    assert_eq!(attempts(&mut tab, 1), []);
    tab.friends_are_at(vec![address("friend"), address("other")]);
    assert_eq!(attempts(&mut tab, 2), [address("other"), address("friend")], "in the order they were known");
    assert_eq!(attempts(&mut tab, SLOW + 2), [], "all are being tried");
}

#[test]
fn never_at_more_than_four_that_keep_what_they_are_given() {
    let mut tab = ways(&[("home", Source::Origin)]);
    tab.friends_are_at((0..8).map(|n| address(&format!("friend-{n}"))).collect());
    for now in 0..10 {
        for host in attempts(&mut tab, now) {
            reached(&mut tab, &host, now);
        }
    }
    assert_eq!(tab.here().count(), MOST);
}

#[test]
fn what_the_person_gives_has_places_of_its_own() {
    let mut tab = ways(&[("home", Source::Origin), ("spare", Source::Known)]);
    tab.friends_are_at((0..8).map(|n| address(&format!("friend-{n}"))).collect());
    for now in 0..10 {
        for host in attempts(&mut tab, now) {
            reached(&mut tab, &host, now);
        }
    }
    assert_eq!(tab.here().count(), MOST, "there are enough");
    let given = |n: usize| address(&format!("given-{n}"));
    (0..PERSON + 1).for_each(|n| tab.learn(given(n), Source::Person));
    assert_eq!(attempts(&mut tab, 10), (0..PERSON).map(given).collect::<Vec<_>>());
    assert_eq!(attempts(&mut tab, 10 + SLOW), [], "the last waits for a place");
    fail(&mut tab, "given-0", 20 + SLOW);
    assert_eq!(attempts(&mut tab, 20 + SLOW), [given(PERSON)]);
}

#[test]
fn what_the_person_gives_last_is_gone() {
    let given = |n: usize| address(&format!("given-{n}"));
    let mut tab = ways(&[]);
    (0..PERSON).for_each(|n| tab.give(given(n)));
    assert_eq!(attempts(&mut tab, 0), (0..PERSON).map(given).collect::<Vec<_>>());
    tab.give(given(0));
    assert_eq!(attempts(&mut tab, 1), [], "it is being gone");
    (0..PERSON).for_each(|n| _ = up(&mut tab, &format!("given-{n}"), 2));
    tab.give(given(PERSON));
    assert_eq!(attempts(&mut tab, 3), [given(PERSON)]);
    assert_eq!(tab.here().count(), PERSON, "nobody is left for it");
}

#[test]
fn what_the_person_gives_takes_no_place_of_others() {
    let mut tab = ways(&[("home", Source::Origin), ("friend", Source::Friend), ("spare", Source::Known)]);
    (0..PERSON + 1).for_each(|n| tab.learn(address(&format!("given-{n}")), Source::Person));
    let first = attempts(&mut tab, 0);
    assert_eq!(first[..2], [address("home"), address("friend")]);
    assert_eq!(first.len(), 2 + PERSON, "hopeful for now");
    // All that the person gave hang, and the friend's too.
    up(&mut tab, "home", 1);
    assert_eq!(attempts(&mut tab, SLOW), [address("spare")]);
}

#[test]
fn a_way_that_rests_is_gone_at_once_when_the_person_gives_it() {
    let mut tab = ways(&[("home", Source::Origin), ("other", Source::Known)]);
    assert_eq!(attempts(&mut tab, 0).len(), 2);
    let (_, peer) = up(&mut tab, "home", 0);
    let other = tab.ways.iter().find(|way| way.address == address("other")).expect("it is known").id;
    tab.rest(other, peer, 0);
    assert_eq!(attempts(&mut tab, SLOW), []);
    tab.learn(address("other"), Source::Person);
    tab.hurry();
    assert_eq!(attempts(&mut tab, SLOW), [address("other")]);
    // It is the person's from now on, with a place though there are enough.
    tab.rest(other, peer, SLOW);
    for host in ["one", "two", "three"] {
        tab.learn(address(host), Source::Friend);
        up(&mut tab, host, SLOW);
    }
    assert_eq!(attempts(&mut tab, SLOW + REST), [address("other")]);
    // A friend's relay stays that when the person gives it, too.
    tab.learn(address("one"), Source::Person);
    assert_eq!(tab.ways.iter().filter(|way| way.source == Source::Friend).count(), 3);
}

/// What becomes of attempts in a play.
#[derive(Clone, Copy, PartialEq)]
enum Relay {
    /// It takes the socket and is silent.
    Hangs,
    /// It refuses.
    Refuses,
    /// It acknowledges nothing.
    Swallows,
    Keeps,
}

/// What the driver does, in the time of the play.
struct Play {
    tab: Ways,
    now: u64,
    /// When attempts will fail.
    hanging: Vec<(u64, WayId)>,
    /// From when on it is known of peers whether they keep what they are given.
    judged: Vec<(u64, PeerId, bool)>,
}

impl Play {
    fn new(tab: Ways) -> Play {
        Play { tab, now: 0, hanging: Vec::new(), judged: Vec::new() }
    }

    /// Goes on for so many seconds, with relays that are like this by their address.
    fn run(&mut self, seconds: u64, is: impl Fn(&str) -> Relay) {
        for _ in 0..seconds * 10 {
            self.step(&is);
            self.now += 100;
        }
    }

    fn step(&mut self, is: impl Fn(&str) -> Relay) {
        let Play { tab, now, hanging, judged } = self;
        let now = *now;
        for (_, id) in hanging.extract_if(.., |(until, _)| *until <= now) {
            tab.failed(id, String::new(), false, 1.0, now);
        }
        for (_, peer, swallows) in judged.iter().filter(|(from, ..)| *from <= now) {
            if tab.way_to(*peer).is_some_and(|way| way.redial.is_up()) {
                tab.judge(*peer, *swallows);
            }
        }
        while tab.leave_for_another(now).is_some() {}
        for (id, address) in tab.attempts(now) {
            match is(&address.to_string()) {
                Relay::Hangs => hanging.push((now + 10_000, id)),
                Relay::Refuses => tab.failed(id, String::new(), false, 1.0, now),
                relay => {
                    let peer = reached(tab, &address, now);
                    judged.push((now + 15_000, peer, relay == Relay::Swallows));
                }
            }
        }
        let count = tab.ways.iter().filter(|way| way.redial.due().is_none()).count();
        assert!(count <= 1 + FRIENDS + OTHERS, "{count} at once");
    }

    fn is_at(&self, host: &str) -> bool {
        self.tab.here().any(|here| *here == address(host))
    }
}

#[test]
fn a_friend_code_of_relays_that_keep_nothing_does_not_capture_a_tab() {
    let mut tab = ways(&[("home", Source::Origin), ("spare", Source::Known)]);
    tab.friends_are_at((0..8).map(|n| address(&format!("bad-{n}"))).collect());
    // The origin is being restarted, and what the friend's relays tell of is like them.
    (0..16).for_each(|n| tab.learn(address(&format!("bad-told-{n}")), Source::Known));
    let mut play = Play::new(tab);
    play.run(20, |address| match address {
        _ if address.contains("bad") => Relay::Swallows,
        _ if address.contains("home") => Relay::Refuses,
        _ => Relay::Keeps,
    });
    assert!(play.is_at("spare") && !play.is_at("home"));
    play.run(30, |address| if address.contains("bad") { Relay::Swallows } else { Relay::Keeps });
    assert!(play.is_at("spare") && play.is_at("home") && play.tab.is_enough());
}

#[test]
fn among_many_that_keep_nothing_the_others_are_found() {
    let mut tab = ways(&[("home", Source::Origin)]);
    (0..8).for_each(|n| tab.learn(address(&format!("bad-{n}")), Source::Known));
    tab.learn(address("good"), Source::Known);
    tab.friends_are_at((8..12).map(|n| address(&format!("bad-{n}"))).collect());
    let is = |address: &str| if address.contains("bad") { Relay::Swallows } else { Relay::Keeps };
    let mut play = Play::new(tab);
    play.run(60, is);
    // Where a friend was is merely known from then on, and keeps its place no longer than others.
    play.tab.friends_are_at(Vec::new());
    play.run(120, is);
    assert!(play.is_at("home") && play.is_at("good") && play.tab.is_enough());
}

#[test]
fn addresses_of_a_friend_that_hang_do_not_hold_up_the_others() {
    for home in [Relay::Keeps, Relay::Hangs] {
        let mut tab = ways(&[("home", Source::Origin), ("b", Source::Known), ("c", Source::Known)]);
        tab.friends_are_at((0..8).map(|n| address(&format!("friend-{n}"))).collect());
        let is = |address: &str| match address {
            _ if address.contains("friend") => Relay::Hangs,
            _ if address.contains("home") => home,
            _ => Relay::Keeps,
        };
        let mut play = Play::new(tab);
        play.run(15, is);
        assert!(play.tab.is_enough() && play.is_at("b"));
    }
}

#[test]
fn another_takes_the_place_of_one_that_is_lost_or_slow() {
    let mut tab =
        ways(&[("home", Source::Origin), ("b", Source::Known), ("c", Source::Known), ("d", Source::Known)]);
    assert_eq!(attempts(&mut tab, 0), [address("home"), address("b")]);
    up(&mut tab, "home", 10);
    // The second does not come about.
    assert_eq!(attempts(&mut tab, SLOW - 1), []);
    assert_eq!(tab.wake_at(SLOW - 1), Some(SLOW));
    assert_eq!(attempts(&mut tab, SLOW), [address("c")]);
    up(&mut tab, "c", SLOW + 1);
    fail(&mut tab, "b", SLOW + 2);
    fail(&mut tab, "home", SLOW + 3);
    assert_eq!(attempts(&mut tab, SLOW + 3), [address("d")], "at once, and not the one that has just failed");
    assert_eq!(tab.trouble(), Some("gone"));
}

#[test]
fn one_that_keeps_nothing_does_not_count() {
    let mut tab = ways(&[("home", Source::Origin), ("b", Source::Known), ("c", Source::Known)]);
    attempts(&mut tab, 0);
    up(&mut tab, "home", 1);
    let (_, b) = up(&mut tab, "b", 1);
    assert_eq!(attempts(&mut tab, 2), []);
    assert!(tab.judge(b, true) && !tab.judge(b, true));
    assert_eq!(attempts(&mut tab, 3), [address("c")]);
}

#[test]
fn two_ways_to_one_relay_are_one_session() {
    let mut tab = ways(&[("home", Source::Origin), ("alias", Source::Known), ("c", Source::Known)]);
    let tried = tab.attempts(0);
    let (_, peer) = up(&mut tab, "home", 1);
    let alias = tried[1].0;
    tab.get_mut(alias).expect("a way").peer = Some(peer);
    assert!(tab.is_alias(alias, peer));
    tab.rest(alias, peer, 2);
    assert_eq!(attempts(&mut tab, 2), [address("c")]);
    assert_eq!(tab.here().collect::<Vec<_>>(), [&address("home")]);
}

#[test]
fn another_way_to_a_relay_that_is_lost_is_tried_at_once() {
    let mut tab = ways(&[("home", Source::Origin), ("alias", Source::Known)]);
    for unwanted in [false, true] {
        let tried = tab.attempts(0);
        let (home, peer) = up(&mut tab, "home", 1);
        let alias = tried.iter().find(|(_, tried)| *tried == address("alias")).expect("it is tried").0;
        tab.rest(alias, peer, 2);
        assert_eq!(attempts(&mut tab, 3), []);
        // Another that fails is none of its business.
        fail(&mut tab, "alias", 3);
        assert_eq!(attempts(&mut tab, 3), []);
        tab.failed(home, "gone".to_owned(), unwanted, 1.0, 4);
        let expected: &[Multiaddr] = if unwanted { &[] } else { &[address("alias")] };
        assert_eq!(attempts(&mut tab, 4), expected, "unwanted: {unwanted}");
        tab.pause(|_| false);
    }
}

#[test]
fn what_strangers_tell_displaces_nothing_that_was_proven() {
    let mut tab = ways(&[("home", Source::Origin), ("proven", Source::Known)]);
    attempts(&mut tab, 0);
    up(&mut tab, "proven", 1);
    for n in 0..LIMIT * 2 {
        tab.learn(address(&format!("told-{n}")), Source::Known);
    }
    assert_eq!(tab.ways.len(), LIMIT);
    assert_eq!(tab.known()[0], &address("proven"));
    assert!(tab.known().contains(&&address("home")));
    assert_eq!(tab.known().last(), Some(&&address(&format!("told-{}", LIMIT * 2 - 1))));
}

#[test]
fn after_a_pause_everything_is_tried_anew() {
    let mut tab = ways(&[("home", Source::Origin)]);
    attempts(&mut tab, 0);
    up(&mut tab, "home", 1);
    tab.pause(|_| false);
    assert_eq!(attempts(&mut tab, 2), [address("home")]);
    tab.pause(|_| true);
    assert_eq!(attempts(&mut tab, 3), [], "it goes on");
    fail(&mut tab, "home", 3);
    assert_eq!(attempts(&mut tab, 4), []);
    tab.hurry();
    assert_eq!(attempts(&mut tab, 5), [address("home")]);
}
