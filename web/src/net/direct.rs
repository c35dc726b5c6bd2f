//! Direct connections with other tabs: at which relays this tab can be asked for, and by which addresses others are.
//!
//! An address of a tab is that of a relay, with the relay's id, and then `/p2p-circuit/webrtc/p2p/` and the tab's id.

use chanterelle_core::base::{PeerId as NodeId, Seconds};
use chanterelle_core::gossip::{PeerRecord, RECORD_RELAYS};
use chanterelle_core::invite::Address;
use libp2p::core::transport::ListenerId;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use vecmap::{VecMap, VecSet};

use super::address;

/// Peers with direct connections at a time, whoever they are: more than the node keeps, so that it can choose.
pub(super) const MOST: usize = 12;

/// Direct connections with one peer: two, when both have dialled.
const OF_ONE: usize = 2;

/// What stands between a relay's id and a tab's.
pub(super) const CIRCUIT: &str = "/p2p-circuit/webrtc/p2p/";

/// After a reservation was refused or lost while the relay is there, milliseconds.
const AGAIN: u64 = 10_000;

/// A record is made anew after so long, milliseconds: an old one is of somebody who may be gone, and is not passed on.
const RECORD_LIFE: u64 = 15 * 60 * 1_000;

/// What is asked of one relay.
struct Reservation {
    listener: ListenerId,
    /// How others reach the relay.
    relay: Multiaddr,
    /// Whether the relay has agreed.
    is_there: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Direct {
    /// Whether the person wants direct connections.
    pub(super) is_allowed: bool,
    reservations: VecMap<PeerId, Reservation>,
    /// Relays that have refused, and when to ask again.
    refused: VecMap<PeerId, u64>,
    /// Whom the attempts under way are for.
    pub(super) dialling: VecMap<ConnectionId, NodeId>,
    /// Direct connections there are.
    connections: VecMap<ConnectionId, PeerId>,
    /// What the node was last told, and when.
    told: Option<(Vec<Address>, u64)>,
    /// When the last record says it was made.
    made: Seconds,
}

impl Direct {
    /// A node that has just begun knows nothing of what was told before.
    pub(super) fn forget_told(&mut self) {
        self.told = None;
    }

    /// The relays to be asked for a reservation now, of those there is a session with, each with what to listen to.
    pub(super) fn missing(&self, here: &[(PeerId, Multiaddr)], now: u64) -> Vec<(PeerId, Multiaddr)> {
        if !self.is_allowed {
            return Vec::new();
        }
        let room = RECORD_RELAYS.saturating_sub(self.reservations.len());
        let is_missing = |(relay, _): &&(PeerId, Multiaddr)| {
            !self.reservations.contains_key(relay) && self.refused.get(relay).is_none_or(|at| *at <= now)
        };
        here.iter().filter(is_missing).take(room).cloned().collect()
    }

    /// When there may be something missing again; `None` when only something that happens can change that.
    pub(super) fn wake_at(&self, now: u64) -> Option<u64> {
        self.refused.values().copied().filter(|at| self.is_allowed && *at > now).min()
    }

    /// A relay is being asked.
    pub(super) fn asked(&mut self, peer: PeerId, relay: Multiaddr, listener: ListenerId) {
        self.refused.remove(&peer);
        self.reservations.insert(peer, Reservation { listener, relay, is_there: false });
    }

    /// A relay cannot be asked.
    pub(super) fn refused(&mut self, peer: PeerId, now: u64) {
        self.refused.insert(peer, now + AGAIN);
    }

    /// A relay has agreed.
    pub(super) fn reserved(&mut self, listener: ListenerId) {
        let mut reservations = self.reservations.values_mut();
        if let Some(reservation) = reservations.find(|reservation| reservation.listener == listener) {
            reservation.is_there = true;
        }
    }

    /// A reservation is over.
    pub(super) fn closed(&mut self, listener: ListenerId, now: u64) {
        let of = self.reservations.iter().find(|(_, reservation)| reservation.listener == listener);
        if let Some(peer) = of.map(|(peer, _)| *peer) {
            self.reservations.remove(&peer);
            self.refused(peer, now);
        }
    }

    /// Gives up all reservations; what listened.
    pub(super) fn give_up(&mut self) -> Vec<ListenerId> {
        self.refused.clear();
        let reservations = std::mem::take(&mut self.reservations);
        reservations.into_iter().map(|(_, reservation)| reservation.listener).collect()
    }

    /// A connection is there; whether it may stay.
    pub(super) fn connected(&mut self, connection: ConnectionId, peer: PeerId) -> bool {
        let with = self.connections.values().filter(|other| **other == peer).count();
        let has_room = if with == 0 { self.peers().len() < MOST } else { with < OF_ONE };
        let is_welcome = self.is_allowed && has_room;
        if is_welcome {
            self.connections.insert(connection, peer);
        }
        is_welcome
    }

    /// A connection is gone.
    pub(super) fn disconnected(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// Whether there is a direct connection with a peer.
    pub(super) fn is_with(&self, peer: &PeerId) -> bool {
        self.connections.values().any(|other| other == peer)
    }

    /// Those there is a direct connection with.
    pub(super) fn peers(&self) -> VecSet<PeerId> {
        self.connections.values().copied().collect()
    }

    /// Where this tab can be asked for, for the person to pass on.
    pub(super) fn own(&self, own: PeerId) -> Option<String> {
        let mut there = self.reservations.iter().filter(|(_, reservation)| reservation.is_there);
        let (relay, reservation) = there.next()?;
        Some(format!("{}/p2p/{relay}{CIRCUIT}{own}", address::text(&reservation.relay)?))
    }

    /// The own record, to be told to the node, if it is another than it was told. When there are to be no direct
    /// connections any more, a last one that names no relay, so that peers forget the one before, and then none.
    pub(super) fn records(&mut self, key: &Keypair, own: NodeId, now: u64) -> Vec<Option<Vec<u8>>> {
        if !self.is_allowed {
            let told = self.told.take();
            let last = told.as_ref().filter(|(relays, _)| !relays.is_empty());
            let last = last.map(|_| Some(self.record(key, own, Vec::new())));
            return last.into_iter().chain(told.map(|_| None)).collect();
        }
        let there = self.reservations.iter().filter(|(_, reservation)| reservation.is_there);
        let relays = there.filter_map(|(peer, reservation)| {
            Address::new(&reservation.relay.clone().with(Protocol::P2p(*peer)).to_vec())
        });
        let relays: Vec<Address> = relays.collect();
        let is_told = |(told, at): &(Vec<Address>, u64)| *told == relays && now < at + RECORD_LIFE;
        if self.told.as_ref().is_some_and(is_told) {
            return Vec::new();
        }
        self.told = Some((relays.clone(), now));
        vec![Some(self.record(key, own, relays))]
    }

    fn record(&mut self, key: &Keypair, own: NodeId, relays: Vec<Address>) -> Vec<u8> {
        // Milliseconds since 1970 are positive. Of two in one second the later has to count.
        let time = Seconds((js_sys::Date::now() / 1_000.0) as u64).max(self.made.plus(1));
        self.made = time;
        let sign = |hash: &[u8; 32]| {
            let signature = key.sign(hash).expect("an Ed25519 key signs anything");
            signature.try_into().expect("an Ed25519 signature has 64 bytes")
        };
        PeerRecord::make(own, relays, time, sign).bytes().to_vec()
    }
}

/// Where a tab is dialled that can be asked for at a relay.
pub(super) fn circuit(relay: &Multiaddr, relay_peer: PeerId, peer: PeerId) -> Multiaddr {
    let at_relay = relay.clone().with(Protocol::P2p(relay_peer));
    at_relay.with(Protocol::P2pCircuit).with(Protocol::WebRTC).with(Protocol::P2p(peer))
}

/// What to listen to in order to be asked for at a relay.
pub(super) fn listen_address(relay: &Multiaddr, relay_peer: PeerId) -> Multiaddr {
    let at_relay = relay.clone().with(Protocol::P2p(relay_peer));
    at_relay.with(Protocol::P2pCircuit).with(Protocol::WebRTC)
}

/// Whether a connection to or from this address is direct.
pub(super) fn is_direct(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::WebRTC)
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use chanterelle_core::base::PeerId as NodeId;
    use chanterelle_core::gossip::{PeerRecord, RECORD_RELAYS};
    use libp2p::core::transport::ListenerId;
    use libp2p::identity::Keypair;
    use libp2p::swarm::ConnectionId;
    use libp2p::{Multiaddr, PeerId};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::{AGAIN, Direct, MOST, RECORD_LIFE, circuit, is_direct, listen_address};
    use crate::net::address::{Given, Origin};
    use crate::net::swarm::node_id;

    type Here = Vec<(PeerId, Multiaddr)>;

    fn here(count: usize) -> Here {
        let address = |n| format!("/dns4/relay-{n}.example/tcp/443/tls/ws").parse().expect("an address");
        (0..count).map(|n| (PeerId::random(), address(n))).collect()
    }

    fn allowed() -> Direct {
        Direct { is_allowed: true, ..Direct::default() }
    }

    /// A relay agrees.
    fn reserve(direct: &mut Direct, (peer, address): &(PeerId, Multiaddr)) -> ListenerId {
        let listener = ListenerId::next();
        direct.asked(*peer, address.clone(), listener);
        direct.reserved(listener);
        listener
    }

    #[wasm_bindgen_test]
    fn relays_are_asked_once_and_after_a_while_again() {
        let here = here(RECORD_RELAYS + 2);
        let mut direct = Direct::default();
        assert_eq!(direct.missing(&here, 0), [], "nobody wants direct connections");
        direct.is_allowed = true;
        let (these, others) = here.split_at(RECORD_RELAYS);
        assert_eq!(direct.missing(&here, 0), these, "as many as a record names");

        let listener = ListenerId::next();
        direct.asked(here[0].0, here[0].1.clone(), listener);
        direct.refused(here[1].0, 0);
        assert_eq!(direct.missing(&here[..2], 0), []);
        assert_eq!(
            direct.missing(&here, 0),
            [&here[2..RECORD_RELAYS], &others[..1]].concat(),
            "one place is taken"
        );
        assert_eq!(direct.missing(&here[..2], AGAIN - 1), []);
        assert_eq!(direct.missing(&here[..2], AGAIN), here[1..2]);

        // A reservation that is over is one that was refused.
        direct.closed(listener, AGAIN);
        assert_eq!(direct.missing(&here[..1], 2 * AGAIN - 1), []);
        assert_eq!(direct.missing(&here[..1], 2 * AGAIN), here[..1]);
        direct.closed(ListenerId::next(), 0);

        for relay in these {
            reserve(&mut direct, relay);
        }
        assert_eq!(direct.missing(&here, u64::MAX), []);
        assert_eq!(direct.give_up().len(), RECORD_RELAYS);
        assert_eq!(direct.missing(&here, 0), these, "and all may be asked again");
    }

    /// What is waited for lies ahead: a timer that is over at once would be set again and again.
    #[wasm_bindgen_test]
    fn nothing_is_waited_for_that_was_due_before() {
        let relay = here(1).remove(0).0;
        let mut direct = allowed();
        assert_eq!(direct.wake_at(0), None);
        direct.refused(relay, 5);
        assert_eq!(direct.wake_at(5), Some(5 + AGAIN));
        direct.refused(PeerId::random(), 7);
        assert_eq!(direct.wake_at(5), Some(5 + AGAIN), "the first");
        assert_eq!(direct.wake_at(5 + AGAIN), Some(7 + AGAIN));
        // The relays are gone by then, so that nobody is asked.
        assert_eq!((direct.missing(&[], 7 + AGAIN), direct.wake_at(7 + AGAIN)), (Vec::new(), None));
        direct.is_allowed = false;
        assert_eq!(direct.wake_at(5), None);
    }

    #[wasm_bindgen_test]
    fn there_is_room_for_so_many_and_for_another_connection_of_one() {
        let (mut direct, mut id) = (allowed(), 0);
        let mut next = || {
            id += 1;
            ConnectionId::new_unchecked(id)
        };
        let peers: Vec<PeerId> = (0..MOST).map(|_| PeerId::random()).collect();
        let connections: Vec<ConnectionId> = peers.iter().map(|_| next()).collect();
        for (connection, peer) in connections.iter().zip(&peers) {
            assert!(direct.connected(*connection, *peer));
        }
        let (late, again) = (PeerId::random(), next());
        assert!(!direct.connected(next(), late), "there are enough");
        assert!(direct.connected(again, peers[0]), "it takes no place of another");
        assert!(!direct.connected(next(), peers[0]), "two are enough of one");
        assert!(direct.is_with(&peers[0]) && !direct.is_with(&late));
        direct.disconnected(connections[0]);
        assert!(direct.is_with(&peers[0]), "one is left");
        direct.disconnected(again);
        assert!(!direct.is_with(&peers[0]));
        direct.disconnected(next());
        assert_eq!(direct.peers().len(), MOST - 1);
        let place = next();
        assert!(direct.connected(place, late));
        direct.disconnected(place);
        direct.is_allowed = false;
        assert!(!direct.connected(next(), late), "nobody wants it any more");
    }

    struct Tab {
        direct: Direct,
        key: Keypair,
        own: NodeId,
    }

    impl Tab {
        fn new() -> Tab {
            let key = Keypair::generate_ed25519();
            let own = node_id(key.public().to_peer_id()).expect("the key is Ed25519");
            Tab { direct: allowed(), key, own }
        }

        /// What the node is told: records that are good, or none.
        fn records(&mut self, now: u64) -> Vec<Option<PeerRecord>> {
            let read = |record: Option<Vec<u8>>| {
                record.map(|bytes| PeerRecord::read(&bytes).expect("it can be read"))
            };
            let records: Vec<_> =
                self.direct.records(&self.key, self.own, now).into_iter().map(read).collect();
            assert!(records.iter().flatten().all(|record| record.peer() == self.own));
            records
        }

        /// The one record that the node is told.
        fn record(&mut self, now: u64) -> PeerRecord {
            match <[_; 1]>::try_from(self.records(now)) {
                Ok([Some(record)]) => record,
                other => panic!("one record was to be told: {other:?}"),
            }
        }
    }

    fn relays(record: &PeerRecord) -> Vec<Multiaddr> {
        let read = |bytes: &[u8]| Multiaddr::try_from(bytes.to_vec()).expect("an address");
        record.relays().iter().map(|relay| read(relay.as_bytes())).collect()
    }

    #[wasm_bindgen_test]
    fn the_node_is_told_when_something_has_changed_and_last_of_nothing() {
        let mut tab = Tab::new();
        let here = here(2);
        let mut last = tab.record(0);
        assert_eq!(relays(&last), [], "nowhere yet");
        let mut later = |record: PeerRecord| {
            assert!(record.time() > last.time(), "of two the later counts");
            last = record.clone();
            relays(&record)
        };
        assert_eq!(tab.records(1), []);

        // It counts once the relay has agreed.
        let listener = ListenerId::next();
        tab.direct.asked(here[0].0, here[0].1.clone(), listener);
        assert_eq!(tab.records(2), []);
        tab.direct.reserved(listener);
        let of = |n: usize| here[n].1.clone().with_p2p(here[n].0).expect("no id yet");
        assert_eq!(later(tab.record(3)), [of(0)]);
        reserve(&mut tab.direct, &here[1]);
        let mut both = later(tab.record(4));
        both.sort();
        assert_eq!(both, [of(0), of(1)]);
        assert_eq!(tab.records(3 + RECORD_LIFE), []);
        assert_eq!(later(tab.record(4 + RECORD_LIFE)).len(), 2, "it is made anew");

        // A node that begins knows nothing.
        tab.direct.forget_told();
        assert_eq!(later(tab.record(5 + RECORD_LIFE)).len(), 2);
        tab.direct.closed(listener, 0);
        assert_eq!(later(tab.record(6 + RECORD_LIFE)), [of(1)]);

        // The last says nowhere, so that others forget the one before.
        tab.direct.is_allowed = false;
        tab.direct.give_up();
        let withdrawn = tab.records(7 + RECORD_LIFE);
        let [Some(empty), None] = withdrawn.as_slice() else { panic!("{withdrawn:?}") };
        assert_eq!(later(empty.clone()), []);
        assert_eq!(tab.records(8 + RECORD_LIFE), []);
        tab.direct.is_allowed = true;
        assert_eq!(later(tab.record(9 + RECORD_LIFE)), []);
        tab.direct.is_allowed = false;
        assert_eq!(tab.records(10 + RECORD_LIFE), [None], "what was told last was nowhere");
    }

    #[wasm_bindgen_test]
    fn nothing_is_told_where_nothing_was_allowed() {
        let mut tab = Tab::new();
        tab.direct.is_allowed = false;
        reserve(&mut tab.direct, &here(1)[0]);
        assert_eq!(tab.records(0), []);
    }

    #[wasm_bindgen_test]
    fn the_own_address_is_one_that_can_be_given() {
        let (own, here) = (PeerId::random(), here(1));
        let mut direct = allowed();
        assert_eq!(direct.own(own), None);
        let (relay, address) = &here[0];
        direct.asked(*relay, address.clone(), ListenerId::next());
        assert_eq!(direct.own(own), None, "the relay has not agreed");
        reserve(&mut direct, &here[0]);
        let shown = direct.own(own).expect("it has");
        let origin =
            Origin { scheme: "https:".to_owned(), host: "board.example".to_owned(), port: String::new() };
        let there = circuit(address, *relay, own);
        assert_eq!(shown, there.to_string());
        assert_eq!(Given::read(&shown, &origin), Ok(Given::Tab(own, there.clone())));
        assert!(is_direct(&there) && is_direct(&listen_address(address, *relay)) && !is_direct(address));
    }
}
