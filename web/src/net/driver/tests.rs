//! The driver with a relay in the same page.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::{FutureExt as _, StreamExt as _, select};
use futures_timer::Delay;
use libp2p::core::transport::MemoryTransport;
use libp2p::swarm::SwarmEvent;
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::{Driver, Note, PROTOCOL, Relay};
use crate::net::NetEvent;
use crate::net::address::Origin;
use crate::net::swarm::{node_id, swarm_over};

/// A relay in the same page, which takes every stream.
async fn relay() -> Relay {
    let mut swarm = swarm_over(MemoryTransport::default());
    let mut incoming =
        swarm.behaviour().streams.new_control().accept(PROTOCOL).expect("accepted once").fuse();
    swarm.listen_on("/memory/0".parse().expect("an address")).expect("memory can be listened to");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    let peer = *swarm.local_peer_id();
    spawn_local(async move {
        let mut open = Vec::new();
        loop {
            select! {
                _ = swarm.select_next_some() => {}
                stream = incoming.select_next_some() => open.push(stream),
            }
        }
    });
    Relay { peer, addresses: vec![address] }
}

/// A driver that knows a relay and has begun to dial it.
struct Test {
    driver: Driver,
    notes: UnboundedReceiver<Note>,
    /// Sessions the node was told of.
    connected: Rc<Cell<u32>>,
}

impl Test {
    async fn begin() -> Test {
        let swarm = swarm_over(MemoryTransport::default());
        let own = node_id(*swarm.local_peer_id()).expect("the key is Ed25519");
        let origin =
            Origin { scheme: "https:".to_owned(), host: "board.example".to_owned(), port: String::new() };
        let (note, notes) = unbounded();
        let connected = Rc::new(Cell::new(0));
        let on = {
            let connected = connected.clone();
            move |event| {
                if matches!(event, NetEvent::Connected(_)) {
                    connected.set(connected.get() + 1);
                }
            }
        };
        let mut driver = Driver::new(swarm, own, origin, note, Rc::new(on));
        driver.relay = Some(relay().await);
        driver.on_note(Note::Begin);
        assert!(driver.redial.is_busy());
        Test { driver, notes, connected }
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
            select! {
                event = self.driver.swarm.select_next_some() => self.driver.on_swarm(event),
                note = self.notes.select_next_some() => self.driver.on_note(note),
                () = over => return false,
            }
        }
        true
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
    assert_eq!((test.connected.get(), test.driver.redial.trouble()), (0, None));

    test.driver.on_note(Note::Resume);
    test.until(|driver| !driver.seats.is_empty()).await;
    assert_eq!(test.connected.get(), 1);
    test.driver.on_note(Note::Pause);
    test.until(|driver| driver.seats.is_empty()).await;
}

#[wasm_bindgen_test]
async fn a_stream_that_opens_while_paused_is_refused() {
    let mut test = Test::begin().await;
    test.until(|driver| driver.swarm.connected_peers().next().is_some()).await;
    // As if the pause had come while the stream was on its way.
    test.driver.redial.pause();
    test.never(|driver| !driver.seats.is_empty()).await;
    assert_eq!(test.connected.get(), 0);
    assert!(!test.is_connected());
}
