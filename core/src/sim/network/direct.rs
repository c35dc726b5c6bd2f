//! Tabs that connect to each other: where one can be asked for, and how a dial by way of a relay ends.

use serde_bytes::ByteBuf;

use super::{Network, chance, pair};
use crate::base::PeerId;
use crate::gossip::PeerRecord;
use crate::invite::Address;
use crate::node::Input;
use crate::sim::peer::Peer;
use crate::wire::Role;

impl Network<'_> {
    /// Where a tab can be asked for: at the relay it has.
    pub(super) fn record_of(&self, peer: usize) -> ByteBuf {
        let at = |(a, b): &(usize, usize)| *b == peer && self.peers[*a].role == Role::Relay;
        let relays = self.links.iter().filter(|link| at(link)).map(|(relay, _)| self.peers[*relay].address());
        let (now, peer) = (self.now_of(peer), &self.peers[peer]);
        let record =
            PeerRecord::make(peer.id, relays.collect(), now.unix, |hash| peer.key().sign_hash(hash).0);
        ByteBuf::from(record.bytes().to_vec())
    }

    pub(super) fn dial_directly(&mut self, from: usize, to: PeerId, relays: &[Address]) {
        let fails = chance(&mut self.rng, self.scenario.direct.unwrap_or(1_000));
        let open = |a: usize, b: usize| self.sessions.contains_key(&pair(a, b));
        let found = self.number_of(to).filter(|to| {
            let relay = |relay: &&Peer| relays.contains(&relay.address()) && open(relay.number, *to);
            !fails && (!self.split || from % 2 == to % 2) && self.peers.iter().any(|peer| relay(&peer))
        });
        match found {
            Some(to) => self.dial(from.min(to), from.max(to)),
            None => self.input(from, Input::Unreachable(to)),
        }
    }
}
