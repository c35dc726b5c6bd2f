//! Direct sessions: with whom there is one, and with whom no more.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::base::PeerId as NodeId;
use chanterelle_core::gossip::PeerRecord;
use chanterelle_core::invite::Address;
use chanterelle_webrtc::{ByHand, Config, Connection};
use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{Either, join, select as either};
use futures_timer::Delay;
use js_sys::Array;
use libp2p::Multiaddr;
use libp2p::core::muxing::StreamMuxerExt as _;
use libp2p::core::transport::MemoryTransport;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::{Test, Told, connections, driver, relay, whole_relay};
use crate::net::driver::{Note, address};
use crate::net::swarm::{node_id, swarm_over};
use crate::net::ways::Source;
use crate::net::{NetEvent, NetStatus};

fn somebody() -> NodeId {
    node_id(Keypair::generate_ed25519().public().to_peer_id()).expect("the key is Ed25519")
}

/// Whether the node was told that nobody is there.
fn is_unreachable(told: &Told, node: NodeId) -> bool {
    told.borrow().iter().any(|event| matches!(event, NetEvent::Unreachable(other) if *other == node))
}

#[wasm_bindgen_test]
async fn who_did_not_allow_it_dials_nobody_and_can_be_asked_for_nowhere() {
    let mut test = Test::begin().await;
    test.until(|driver| driver.seats.len() == 1).await;
    test.never(|driver| driver.swarm.listeners().next().is_some()).await;
    let (node, relays) = (somebody(), vec![at(&relay().await)]);
    test.driver.on_note(Note::Dial(node, relays));
    assert!(is_unreachable(&test.told, node));
    assert!(test.driver.direct.dialling.is_empty() && connections(&test.driver) == 1);

    // The same with leave.
    test.driver.on_note(Note::Allow(true));
    test.driver.pursue();
    test.until(|driver| driver.swarm.listeners().next().is_some()).await;
    test.driver.on_note(Note::Allow(false));
    test.until(|driver| driver.swarm.listeners().next().is_none()).await;
    test.never(|driver| driver.swarm.listeners().next().is_some()).await;
    assert_eq!(test.driver.seats.len(), 1, "the relay is there all the same");
}

fn at(relay: &Multiaddr) -> Address {
    Address::new(&relay.to_vec()).expect("the length of an address")
}

/// An attempt under way is given up, which by itself would end long after.
#[wasm_bindgen_test]
async fn attempts_end_when_the_leave_is_taken_back() {
    let relay = whole_relay().await;
    // A tab that is at the relay and says nothing.
    let key = Keypair::generate_ed25519();
    let mut silent = swarm_over(MemoryTransport::default(), &key).swarm;
    let silent_peer = key.public().to_peer_id();
    let silent_at = relay.clone().with(Protocol::P2pCircuit).with(Protocol::WebRTC);
    silent.listen_on(silent_at).expect("it is such an address");
    while !matches!(silent.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}

    let mut test = Test::begin().await;
    test.driver.on_note(Note::Allow(true));
    test.until(|driver| driver.seats.len() == 1).await;
    test.driver.ways.learn(address::without_peer(relay.clone()), Source::Origin);
    test.driver.pursue();
    test.until(|driver| driver.seats.len() == 2).await;
    let node = node_id(silent_peer).expect("the key is Ed25519");
    test.driver.on_note(Note::Dial(node, vec![at(&relay)]));
    let told = test.told.clone();
    test.never(|_| is_unreachable(&told, node)).await;
    assert_eq!(test.driver.direct.dialling.len(), 1);
    test.driver.on_note(Note::Allow(false));
    // Half of what the attempt itself has.
    assert!(test.run(|_| is_unreachable(&told, node), Duration::from_secs(7)).await);
    assert!(test.driver.direct.dialling.is_empty());
}

/// A tab whose driver runs.
struct Tab {
    node: NodeId,
    note: UnboundedSender<Note>,
    told: UnboundedReceiver<NetEvent>,
    status: NetStatus,
    /// What was heard so far, for whoever waits in vain.
    heard: Vec<String>,
}

impl Tab {
    /// With a node, at these relays.
    fn new(relays: &[&Multiaddr], allows: bool) -> Tab {
        let (mut driver, (note, notes), _) = driver();
        let (tell, told) = unbounded();
        driver.on = Rc::new(move |event| _ = tell.unbounded_send(event));
        for relay in relays {
            driver.ways.learn(address::without_peer((*relay).clone()), Source::Origin);
        }
        let node = driver.own;
        spawn_local(driver.run(notes));
        let tab = Tab { node, note, told, status: NetStatus::default(), heard: Vec::new() };
        tab.note(Note::Begin);
        tab.note(Note::Allow(allows));
        tab
    }

    fn note(&self, note: Note) {
        self.note.unbounded_send(note).expect("the driver runs for as long as the page");
    }

    /// Waits until the network tells of something, and keeps the status up to date.
    async fn hears<T>(&mut self, what: &str, wanted: impl Fn(&NetEvent) -> Option<T>) -> T {
        let hears = async {
            loop {
                let event = self.told.next().await.expect("the driver runs for as long as the page");
                self.heard.push(format!("{event:?}"));
                if let NetEvent::Status(status) = &event {
                    self.status = status.clone();
                }
                if let Some(heard) = wanted(&event) {
                    return heard;
                }
            }
        };
        let heard = match either(pin!(hears), Delay::new(Duration::from_secs(30))).await {
            Either::Left((heard, _)) => Some(heard),
            Either::Right(_) => None,
        };
        heard.unwrap_or_else(|| panic!("waited in vain for {what} after {:#?}", self.heard))
    }

    async fn connected(&mut self, node: NodeId) {
        self.hears("a session", |event| {
            matches!(event, NetEvent::Connected(other, true) if *other == node).then_some(())
        })
        .await;
    }

    async fn disconnected(&mut self, node: NodeId) {
        let is_it = |event: &NetEvent| matches!(event, NetEvent::Disconnected(other) if *other == node);
        self.hears("the end of a session", |event| is_it(event).then_some(())).await;
    }

    /// Waits for so many direct sessions and relays.
    async fn counts(&mut self, direct: u32, relays: u32) {
        let fits = |status: &NetStatus| (status.direct, status.relays) == (direct, relays);
        if !fits(&self.status) {
            self.hears("the counts", |event| {
                matches!(event, NetEvent::Status(status) if fits(status)).then_some(())
            })
            .await;
        }
        let lines = self.status.lines.iter().filter(|line| line.host.is_none()).count();
        assert_eq!(u32::try_from(lines), Ok(direct), "{:?}", self.status);
    }

    /// Waits until it can be asked for at so many relays.
    async fn is_told_of(&mut self, relays: usize) {
        let told = |event: &NetEvent| match event {
            NetEvent::Direct(Some(record)) => PeerRecord::read(record).ok(),
            _ => None,
        };
        let fits = |event: &NetEvent| told(event).filter(|record| record.relays().len() == relays);
        self.hears("a record", |event| fits(event).map(|_| ())).await;
    }
}

#[wasm_bindgen_test]
async fn two_tabs_meet_through_a_relay_until_one_wants_it_no_more() {
    let relay = whole_relay().await;
    let mut ann = Tab::new(&[&relay], true);
    ann.is_told_of(1).await;
    // Only then: of two streams that arrive at once libp2p-stream drops one.
    let mut ben = Tab::new(&[&relay], true);
    ben.is_told_of(1).await;
    ben.counts(0, 1).await;
    // By the relay there is a session with, without its id.
    ben.note(Note::Dial(ann.node, vec![at(&address::without_peer(relay.clone()))]));
    let (to_ann, to_ben) = (ann.node, ben.node);
    ben.connected(to_ann).await;
    ann.connected(to_ben).await;
    ben.counts(1, 1).await;
    ann.counts(1, 1).await;

    ann.note(Note::Allow(false));
    ben.disconnected(to_ann).await;
    ann.disconnected(to_ben).await;
    // Nobody is to ask for it any more, and then it has no record.
    ann.is_told_of(0).await;
    ann.hears("no record", |event| matches!(event, NetEvent::Direct(None)).then_some(())).await;
    ben.counts(0, 1).await;
    ann.counts(0, 1).await;
    assert_eq!(ann.status.own, None);
    ben.note(Note::Dial(to_ann, vec![at(&relay)]));
    ben.hears("that nobody is there", |event| match event {
        NetEvent::Unreachable(node) if *node == to_ann => Some(()),
        _ => None,
    })
    .await;
}

/// Two ends of a connection that people have made.
async fn by_hand() -> (Connection, Connection) {
    let config = Config { ice_servers: Array::new, may_dial: |_| true };
    let (offering, offer) = ByHand::offer(config).await.expect("the browser has connections");
    let config = Config { ice_servers: Array::new, may_dial: |_| true };
    let (answering, answer) = ByHand::answer(config, &offer).await.expect("it is an offer");
    offering.hear_answer(&answer).await.expect("it is the answer");
    let (here, there) = join(offering.connected(), answering.connected()).await;
    (here.expect("it was answered"), there.expect("it was offered"))
}

#[wasm_bindgen_test]
async fn a_connection_made_by_hand_is_a_direct_session() {
    let (mut ann, mut ben) = (Tab::new(&[], true), Tab::new(&[], true));
    let (to_ann, to_ben) = (ann.node, ben.node);
    let (here, there) = by_hand().await;
    ann.note(Note::Prepared(to_ben, Box::new(here)));
    ben.note(Note::Prepared(to_ann, Box::new(there)));
    ben.connected(to_ann).await;
    ann.connected(to_ben).await;
    ben.counts(1, 0).await;
    ann.counts(1, 0).await;
    ann.note(Note::Send(to_ben, b"a frame".to_vec()));
    let says_again = async {
        // Both have opened a session, and one takes the place of the other: what was said before it is lost.
        loop {
            ann.connected(to_ben).await;
            ann.note(Note::Send(to_ben, b"a frame".to_vec()));
        }
    };
    let heard = ben.hears("a frame", |event| match event {
        NetEvent::Received(node, frame) if *node == to_ann => Some(frame.clone()),
        _ => None,
    });
    match either(pin!(heard), pin!(says_again)).await {
        Either::Left((heard, _)) => assert_eq!(heard, b"a frame"),
        Either::Right(((), _)) => unreachable!("it goes on"),
    }

    // Another takes the place of the first.
    let (here, there) = by_hand().await;
    ann.note(Note::Prepared(to_ben, Box::new(here)));
    ben.note(Note::Prepared(to_ann, Box::new(there)));
    ben.disconnected(to_ann).await;
    ann.disconnected(to_ben).await;
    ben.connected(to_ann).await;
    ann.connected(to_ben).await;
    ben.counts(1, 0).await;
    ann.counts(1, 0).await;

    ben.note(Note::Allow(false));
    ann.disconnected(to_ben).await;
    ann.counts(0, 0).await;
}

/// It would stay open for nobody, and tell where this tab is.
#[wasm_bindgen_test]
async fn a_connection_made_by_hand_is_closed_when_nobody_wants_it_any_more() {
    let ann = Tab::new(&[], false);
    let (here, mut there) = by_hand().await;
    ann.note(Note::Prepared(somebody(), Box::new(here)));
    let lost = poll_fn(|context| there.poll_unpin(context));
    match either(lost, Delay::new(Duration::from_secs(20))).await {
        Either::Left((outcome, _)) => assert!(outcome.is_err()),
        Either::Right(_) => panic!("it stays open"),
    }
}
