//! The driver's part in direct connections: it listens at relays, dials tabs, and gives up both when they are not wanted.

use chanterelle_core::base::PeerId as NodeId;
use chanterelle_core::invite::Address;
use chanterelle_webrtc::Connection;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};

use super::Driver;
use crate::net::swarm::{libp2p_id, node_id};
use crate::net::{NetEvent, address, direct};

impl Driver {
    pub(super) fn stop_listening(&mut self) {
        self.is_stale = true;
        for listener in self.direct.give_up() {
            self.swarm.remove_listener(listener);
        }
    }

    pub(super) fn allow(&mut self, allowed: bool) {
        self.direct.is_allowed = allowed;
        self.permit.set(allowed);
        if allowed {
            return;
        }
        self.stop_listening();
        for peer in self.direct.peers() {
            if let Some(node) = node_id(peer) {
                self.vacate(node);
            }
            self.disconnect(peer);
        }
        let attempts: Vec<PeerId> =
            self.direct.dialling.values().filter_map(|node| libp2p_id(*node)).collect();
        attempts.into_iter().for_each(|peer| self.disconnect(peer));
    }

    /// Asks the relays there are to pass on to this tab whoever asks for it.
    pub(super) fn listen(&mut self, now: u64) {
        let here: Vec<(PeerId, Multiaddr)> =
            self.ways.met().map(|(peer, address)| (peer, address.clone())).collect();
        for (peer, address) in self.direct.missing(&here, now) {
            match self.swarm.listen_on(direct::listen_address(&address, peer)) {
                Ok(listener) => self.direct.asked(peer, address, listener),
                Err(_) => self.direct.refused(peer, now),
            }
        }
    }

    /// Dials a tab by the relays at which it can be asked for. An address without the relay's id is that of one there is a
    /// session with.
    pub(super) fn dial(&mut self, node: NodeId, relays: &[Address]) {
        let Some(peer) = libp2p_id(node) else { return (self.on)(NetEvent::Unreachable(node)) };
        let by_relay = |address: &Address| {
            let address = Multiaddr::try_from(address.as_bytes().to_vec()).ok()?;
            let named = match address.iter().last() {
                Some(Protocol::P2p(relay)) => Some(relay),
                _ => None,
            };
            let bare = address::without_peer(address);
            let met = self.ways.met().find(|(_, way)| **way == bare).map(|(relay, _)| relay);
            let is_open = met.is_some() || address::judge(&bare, &self.origin).is_ok();
            named.or(met).filter(|_| is_open).map(|relay| direct::circuit(&bare, relay, peer))
        };
        let addresses = relays.iter().filter_map(by_relay).collect();
        self.dial_address(peer, addresses);
    }

    pub(super) fn dial_address(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let Some(node) = node_id(peer) else { return };
        let options = DialOpts::peer_id(peer).addresses(addresses).build();
        let connection = options.connection_id();
        let may = self.is_wanted && self.direct.is_allowed;
        if may && self.swarm.dial(options).is_ok() {
            self.direct.dialling.insert(connection, node);
        } else {
            (self.on)(NetEvent::Unreachable(node));
        }
    }

    /// Takes over a connection that was made by hand, also beside another with the same tab: it would stay open for nobody.
    pub(super) fn take_prepared(&mut self, node: NodeId, connection: Connection) {
        let Some(peer) = libp2p_id(node).filter(|_| self.is_wanted && self.direct.is_allowed) else { return };
        let address = self.prepared.put(peer, connection);
        let options = DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(vec![address]);
        // Refused only by behaviours, and none of ours does.
        let _ = self.swarm.dial(options.build());
    }
}
