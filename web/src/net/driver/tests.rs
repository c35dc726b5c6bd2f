//! The driver with a relay in the same page.

mod direct;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::Fuse;
use futures::{FutureExt as _, StreamExt as _, select};
use futures_timer::Delay;
use libp2p::core::transport::MemoryTransport;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{Config, DialError, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, relay};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::{Driver, MediaNote, Note, PROTOCOL, Seat, address};
use crate::net::address::{Given, Origin};
use crate::net::swarm::{swarm_over, upgraded};
use crate::net::ways::{Source, Ways};
use crate::net::{MediaEvent, NetEvent};

#[derive(NetworkBehaviour)]
struct RelayBehaviour {
    relay: relay::Behaviour,
    streams: libp2p_stream::Behaviour,
}

/// The address of a relay in the same page, which takes every stream and passes on whoever asks for somebody. With its id.
async fn whole_relay() -> Multiaddr {
    let key = Keypair::generate_ed25519();
    let id = key.public().to_peer_id();
    let behaviour = RelayBehaviour {
        relay: relay::Behaviour::new(id, relay::Config::default()),
        streams: libp2p_stream::Behaviour::new(),
    };
    let config = Config::with_executor(spawn_local);
    let mut swarm = Swarm::new(upgraded(MemoryTransport::default(), &key), behaviour, id, config);
    let mut incoming =
        swarm.behaviour().streams.new_control().accept(PROTOCOL).expect("accepted once").fuse();
    swarm.listen_on(Protocol::Memory(0).into()).expect("memory can be listened to");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    swarm.add_external_address(address.clone());
    spawn_local(async move {
        let mut open = Vec::new();
        loop {
            select! {
                _ = swarm.select_next_some() => {}
                stream = incoming.select_next_some() => open.push(stream),
            }
        }
    });
    address.with(Protocol::P2p(id))
}

/// The same without its id.
async fn relay() -> Multiaddr {
    address::without_peer(whole_relay().await)
}

/// What a driver has told.
type Told = Rc<RefCell<Vec<NetEvent>>>;

/// A driver that knows no way, and what it tells.
fn driver() -> (Driver, (UnboundedSender<Note>, UnboundedReceiver<Note>), Told) {
    let key = Keypair::generate_ed25519();
    let swarm = swarm_over(MemoryTransport::default(), &key);
    let origin =
        Origin { scheme: "https:".to_owned(), host: "board.example".to_owned(), port: String::new() };
    let (note, notes) = unbounded();
    let told = Told::default();
    let on = {
        let told = told.clone();
        move |event| told.borrow_mut().push(event)
    };
    let mut driver = Driver::new(swarm, key, origin, note.clone(), Rc::new(on));
    driver.ways = Ways::default();
    (driver, (note, notes), told)
}

/// A driver that knows a relay and has begun to dial it.
struct Test {
    driver: Driver,
    notes: UnboundedReceiver<Note>,
    told: Told,
    /// How many relays were asked for others. Those of these tests have nothing to say.
    asked: Rc<Cell<u32>>,
}

impl Test {
    async fn begin() -> Test {
        Test::begin_at(Source::Origin).await
    }

    /// The same with a relay that is known for another reason.
    async fn begin_at(source: Source) -> Test {
        let (mut driver, (_, notes), told) = driver();
        driver.ways.learn(relay().await, source);
        driver.on_note(Note::Begin);
        driver.pursue();
        assert_eq!(driver.dialling.len(), 1);
        Test { driver, notes, told, asked: Rc::default() }
    }

    /// How many sessions the node was told of.
    fn connected(&self) -> usize {
        self.told.borrow().iter().filter(|event| matches!(event, NetEvent::Connected(..))).count()
    }

    /// Another relay that the tab knows of.
    async fn learn_another(&mut self, source: Source) {
        self.driver.ways.learn(relay().await, source);
        self.driver.pursue();
    }

    /// Runs the driver until `holds`.
    async fn until(&mut self, holds: impl Fn(&Driver) -> bool) {
        assert!(self.run(holds, Duration::from_secs(30)).await, "waited in vain");
    }

    /// Runs the driver for as long as a wrong one would need, during which it never `holds`.
    async fn never(&mut self, holds: impl Fn(&Driver) -> bool) {
        assert!(!self.run(holds, Duration::from_millis(500)).await);
    }

    /// Runs the driver until `holds`, or for so long; whether it held.
    async fn run(&mut self, holds: impl Fn(&Driver) -> bool, time: Duration) -> bool {
        let mut over = Delay::new(time).fuse();
        while !holds(&self.driver) {
            let mut timer = std::mem::replace(&mut self.driver.timer, Fuse::terminated());
            select! {
                event = self.driver.swarm.select_next_some() => self.driver.on_swarm(event),
                () = timer => {}
                note = self.notes.select_next_some() => {
                    if matches!(note, Note::Told(_)) {
                        self.asked.set(self.asked.get() + 1);
                    }
                    self.driver.on_note(note);
                }
                () = over => return false,
            }
            self.driver.pursue();
        }
        true
    }

    /// The session there is.
    fn first(&self) -> &Seat {
        self.driver.seats.values().next().expect("there is one")
    }

    fn is_connected(&self) -> bool {
        self.driver.swarm.connected_peers().next().is_some()
    }
}

#[wasm_bindgen_test]
async fn a_page_that_is_paused_gives_up_what_it_dials_and_dials_again_later() {
    let mut test = Test::begin().await;
    test.driver.on_note(Note::Pause);
    test.never(|driver| !driver.seats.is_empty()).await;
    assert!(!test.is_connected());
    assert_eq!((test.connected(), test.driver.ways.trouble()), (0, None));

    test.driver.on_note(Note::Resume);
    test.driver.pursue();
    test.until(|driver| !driver.seats.is_empty()).await;
    assert_eq!(test.connected(), 1);
    test.driver.on_note(Note::Pause);
    test.until(|driver| driver.seats.is_empty()).await;
}

#[wasm_bindgen_test]
async fn an_attempt_goes_on_through_a_pause_and_is_not_made_twice() {
    let mut test = Test::begin().await;
    test.driver.on_note(Note::Pause);
    test.driver.on_note(Note::Resume);
    test.driver.pursue();
    assert_eq!(test.driver.dialling.len(), 1);
    test.until(|driver| driver.seats.len() == 1).await;
    test.never(|driver| driver.seats.is_empty() || connections(driver) != 1).await;
    assert_eq!((test.connected(), test.driver.ways.trouble()), (1, None));
}

#[wasm_bindgen_test]
async fn an_attempt_that_fails_during_a_pause_is_no_trouble() {
    let mut test = Test::begin().await;
    let before = *test.driver.dialling.keys().next().expect("it is being dialled");
    test.driver.on_note(Note::Pause);
    let error = DialError::NoAddresses;
    let failed = SwarmEvent::OutgoingConnectionError { connection_id: before, peer_id: None, error };
    test.driver.on_swarm(failed);
    assert_eq!(test.driver.ways.trouble(), None);
    test.driver.on_note(Note::Resume);
    test.driver.pursue();
    assert_eq!(test.driver.dialling.len(), 1, "at once");
}

#[wasm_bindgen_test]
async fn a_session_from_before_a_pause_does_not_end_the_one_after_it() {
    let mut test = Test::begin().await;
    test.until(|driver| driver.seats.len() == 1).await;
    test.driver.on_note(Note::Pause);
    assert!(test.driver.seats.is_empty());
    test.driver.on_note(Note::Resume);
    test.driver.pursue();
    test.never(|driver| driver.ways.trouble().is_some()).await;
    test.until(|driver| driver.seats.len() == 1 && connections(driver) == 1).await;
    assert_eq!(test.connected(), 2);
}

fn connections(driver: &Driver) -> u32 {
    driver.swarm.network_info().connection_counters().num_established()
}

#[wasm_bindgen_test]
async fn a_stream_that_opens_while_paused_is_refused() {
    let mut test = Test::begin().await;
    test.until(|driver| driver.swarm.connected_peers().next().is_some()).await;
    // As if the pause had come while the stream was on its way.
    test.driver.is_wanted = false;
    test.never(|driver| !driver.seats.is_empty()).await;
    assert_eq!(test.connected(), 0);
    assert!(!test.is_connected());
}

#[wasm_bindgen_test]
async fn a_tab_is_at_two_relays_and_at_the_other_when_one_is_lost() {
    let mut test = Test::begin().await;
    test.learn_another(Source::Known).await;
    test.until(|driver| driver.seats.len() == 2).await;
    assert_eq!(test.connected(), 2);

    let lost = *test.driver.seats.keys().next().expect("there are two");
    test.driver.leave(lost, "it was restarted");
    assert_eq!(test.driver.seats.len(), 1);
    test.until(|driver| driver.seats.len() == 2).await;
    assert_eq!(test.connected(), 3);
}

#[wasm_bindgen_test]
async fn two_addresses_of_one_relay_are_one_session() {
    let mut test = Test::begin().await;
    // Another spelling: `/memory/N` twice is not the same address.
    let address = test.driver.ways.known()[0].clone();
    test.until(|driver| driver.seats.len() == 1).await;
    let peer = test.first().peer;
    test.driver.ways.learn(address.with_p2p(peer).expect("no key yet"), Source::Known);
    test.driver.pursue();
    test.until(|driver| driver.dialling.is_empty()).await;
    test.never(|driver| driver.seats.len() != 1).await;
    assert_eq!(test.connected(), 1);
}

#[wasm_bindgen_test]
async fn the_origin_is_asked_once_a_session_whoever_was_there_first() {
    let mut test = Test::begin_at(Source::Known).await;
    let asked = test.asked.clone();
    test.until(|driver| driver.seats.len() == 1 && asked.get() == 1).await;
    test.learn_another(Source::Known).await;
    test.until(|driver| driver.seats.len() == 2).await;
    assert!(test.driver.ways.is_enough() && asked.get() == 1);

    test.learn_another(Source::Origin).await;
    test.until(|driver| driver.seats.len() == 3 && asked.get() == 2).await;
    test.never(|_| asked.get() > 2).await;
}

#[wasm_bindgen_test]
async fn the_origin_is_asked_when_it_was_found_by_another_way() {
    let mut test = Test::begin_at(Source::Known).await;
    let asked = test.asked.clone();
    test.until(|driver| driver.seats.len() == 1 && asked.get() == 1).await;
    test.learn_another(Source::Known).await;
    test.until(|driver| driver.seats.len() == 2).await;

    // Another spelling: `/memory/N` twice is not the same address.
    let peer = test.first().peer;
    let address = test.driver.ways.way_to(peer).expect("a way led there").address.clone();
    test.driver.ways.learn(address.with_p2p(peer).expect("no key yet"), Source::Origin);
    test.driver.pursue();
    test.until(|driver| driver.dialling.is_empty() && asked.get() == 2).await;
    assert_eq!(test.connected(), 2);
}

#[wasm_bindgen_test]
async fn a_known_relay_that_the_person_gives_is_dialled_at_once() {
    let mut test = Test::begin().await;
    test.until(|driver| driver.seats.len() == 1).await;
    let address = relay().await;
    test.driver.ways.learn(address.clone(), Source::Known);
    let (way, _) = test.driver.ways.attempts(0).remove(0);
    test.driver.ways.get_mut(way).expect("it is known").redial.rest(u64::MAX);
    test.driver.on_note(Note::Connect(Given::Relay(address)));
    test.driver.pursue();
    test.until(|driver| driver.seats.len() == 2).await;
}

#[wasm_bindgen_test]
async fn a_stream_of_media_is_opened_once_however_often_it_is_asked_for() {
    let mut test = Test::begin().await;
    test.until(|driver| driver.seats.len() == 1).await;
    let node = *test.driver.seats.keys().next().expect("there is one");
    for _ in 0..2 {
        test.driver.on_note(Note::Media(MediaNote::Open(node)));
    }
    // The relay of these tests does not speak it.
    let told = test.told.clone();
    let unopened = move || {
        let told = told.borrow();
        told.iter().filter(|event| matches!(event, NetEvent::Media(MediaEvent::Unopened(_)))).count()
    };
    let is_told = unopened.clone();
    test.until(move |_| is_told() == 1).await;
    let is_told_again = unopened.clone();
    test.never(move |_| is_told_again() > 1).await;
    test.driver.on_note(Note::Media(MediaNote::Open(node)));
    test.until(move |_| unopened() == 2).await;
}
