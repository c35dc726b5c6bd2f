//! Tabs that connect to each other: where one can be asked for, and how a dial by way of a relay ends.

use serde_bytes::ByteBuf;

use super::Network;
use crate::base::PeerId;
use crate::gossip::PeerRecord;
use crate::invite::Address;
use crate::sim::mail::What;

impl Network {
    /// Where a tab can be asked for: at the relays it has.
    pub(super) fn record_of(&self, number: usize) -> ByteBuf {
        let relays = (0..self.shared.scenario.relays).filter(|relay| self.links.contains(&(*relay, number)));
        let relays = relays.map(|relay| self.peer(relay).address()).collect();
        let peer = self.peer(number);
        let now = peer.now(self.now).unix;
        let record = PeerRecord::make(peer.id, relays, now, |hash| peer.key().sign_hash(hash).0);
        ByteBuf::from(record.bytes().to_vec())
    }

    pub(super) fn dial_directly(&mut self, from: usize, to: PeerId, relays: &[Address]) {
        let fails = self.dice.chance(self.shared.scenario.direct.unwrap_or(1_000));
        let found = self.keys.get(&to).copied().filter(|to| {
            let is_asked = |relay: usize| relays.contains(&self.peer(relay).address());
            let mut relays = 0..self.shared.scenario.relays;
            let reaches = self.peer(from).place.nat.reaches(self.peer(*to).place.nat);
            !fails && reaches && relays.any(|relay| is_asked(relay) && self.is_open(relay, *to))
        });
        if !found.is_some_and(|to| self.connect(from, to)) {
            self.tell(from, What::Unreachable(to));
        }
    }
}
