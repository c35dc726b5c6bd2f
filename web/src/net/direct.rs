//! Direct connections with other tabs: at which relays this tab can be asked for, and by which addresses others are.
//!
//! An address of a tab is that of a relay, with the relay's id, and then `/p2p-circuit/webrtc/p2p/` and the tab's id.

use chanterelle_core::base::{PeerId as NodeId, Seconds};
use chanterelle_core::invite::Address;
use chanterelle_core::overlay::{PeerRecord, RECORD_RELAYS};
use libp2p::core::transport::ListenerId;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use vecmap::{VecMap, VecSet};

use super::address;

/// Direct connections at a time, whoever they are from: more than the node keeps, so that it can choose.
pub(super) const MOST: usize = 12;

/// What stands between a relay's id and a tab's.
pub(super) const CIRCUIT: &str = "/p2p-circuit/webrtc/p2p/";

/// After a reservation was refused or lost while the relay is there, milliseconds.
const AGAIN: u64 = 10_000;

/// A record is made anew after so long, milliseconds, so that of two it can be told which is later.
const RECORD_LIFE: u64 = 60 * 60 * 1_000;

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

    /// When there may be something missing again.
    pub(super) fn wake_at(&self) -> Option<u64> {
        self.refused.values().copied().min().filter(|_| self.is_allowed)
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
        let is_welcome = self.is_allowed && (self.is_with(&peer) || self.connections.len() < MOST);
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
