//! The driver's part in ways to relays: what becomes of attempts, and whom it asks for others.

use chanterelle_core::invite::Address;
use chanterelle_core::node::{Relays, SessionInfo};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use wasm_bindgen_futures::spawn_local;

use super::{Driver, Note, multiaddr, now};
use crate::net::address;
use crate::net::bootstrap::{self, Asking};
use crate::net::ways::{Source, WayId};

impl Driver {
    /// The way of an attempt that is over; `None` when nobody wants to know any more.
    pub(super) fn attempted(&mut self, connection: ConnectionId) -> Option<WayId> {
        let way = self.dialling.remove(&connection)?;
        if self.is_wanted {
            return Some(way);
        }
        if let Some(way) = self.ways.get_mut(way) {
            way.redial.rest(0);
        }
        None
    }

    /// A way has led to a peer; whether to stay there.
    pub(super) fn arrived(&mut self, connection: ConnectionId, peer: PeerId) -> bool {
        let Some(way) = self.attempted(connection) else { return false };
        if self.ways.is_alias(way, peer) {
            self.ways.rest(way, peer, now());
            self.at_origin |= self.ways.get_mut(way).is_some_and(|way| way.is_origin());
            return false;
        }
        if let Some(way) = self.ways.get_mut(way) {
            way.peer = Some(peer);
        }
        true
    }

    /// Takes up what the node knows of relays: what may not be dialled is left out.
    pub(super) fn on_know(&mut self, relays: &Relays) {
        let allowed = |addresses: &[Address]| -> Vec<Multiaddr> {
            let addresses = addresses.iter().filter_map(multiaddr);
            addresses.filter(|address| address::judge(address, &self.origin).is_ok()).collect()
        };
        let (friends, known) = (allowed(&relays.friends), allowed(&relays.known));
        self.ways.friends_are_at(friends);
        known.into_iter().for_each(|address| self.ways.learn(address, Source::Known));
    }

    /// A relay that keeps nothing may still know another that does.
    pub(super) fn on_judged(&mut self, session: &SessionInfo) {
        let Some(seat) = self.seats.get(&session.peer) else { return };
        if self.ways.judge(seat.peer, session.swallows) {
            self.asking = Asking::default();
        }
    }

    /// Asks the relays there are which others they know, when it is time. The one that the page came from is asked in
    /// any case, once a session: it alone tells whether the clock of this device is right.
    pub(super) fn ask_for_others(&mut self, now: u64) {
        let mut asked: Vec<Multiaddr> = Vec::new();
        if !self.ways.is_enough() && self.asking.due <= now {
            asked.extend(self.ways.here().cloned());
            if !asked.is_empty() {
                self.asking = self.asking.later(now);
            }
        }
        if std::mem::take(&mut self.at_origin)
            && let Some(origin) = self.ways.origin()
            && !asked.contains(origin)
        {
            asked.push(origin.clone());
        }
        for address in asked {
            let (origin, note) = (self.origin.clone(), self.note.clone());
            spawn_local(async move {
                let info = bootstrap::ask(&address, &origin).await;
                // The driver runs for as long as the page.
                let _ = note.unbounded_send(Note::Told(info));
            });
        }
    }
}
