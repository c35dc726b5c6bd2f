//! What the driver tells of the network: to the person how it is, to the node where it can be found.

use chanterelle_core::base::PeerId as NodeId;
use chanterelle_core::invite::Address;
use libp2p::Multiaddr;

use super::{Driver, Seat, now};
use crate::net::{Line, NetEvent, NetStatus, address};

impl Driver {
    /// Tells the page how the network is, when it is another way than last told.
    pub(super) fn tell(&mut self) {
        let trouble = self.ways.trouble().map(str::to_owned).or_else(|| self.origin.address().err());
        let (lines, own) = if std::mem::take(&mut self.is_stale) {
            let seats = self.seats.iter().filter(|(_, seat)| seat.closing.is_none());
            (seats.map(|seat| self.line(seat)).collect(), self.direct.own(*self.swarm.local_peer_id()))
        } else {
            (self.status.lines.clone(), self.status.own.clone())
        };
        let direct = lines.iter().filter(|line: &&Line| line.host.is_none()).count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let status = NetStatus {
            direct: count(direct),
            relays: count(lines.len() - direct),
            connecting: self.is_wanted && lines.is_empty(),
            trouble,
            lines,
            own,
        };
        if self.status != status {
            self.status = status.clone();
            (self.on)(NetEvent::Status(status));
        }
        let here = self.ways.here().filter_map(told).collect();
        let relays = (here, self.ways.known().into_iter().filter_map(told).collect());
        if self.is_wanted {
            let records = self.direct.records(&self.key, self.own, now());
            records.into_iter().for_each(|record| (self.on)(NetEvent::Direct(record)));
        }
        if self.is_wanted && self.relays != relays {
            self.relays = relays.clone();
            let (here, known) = relays;
            (self.on)(NetEvent::Relays { here, known });
        }
    }

    fn line(&self, (node, seat): (&NodeId, &Seat)) -> Line {
        let way = self.ways.met().find(|(peer, _)| *peer == seat.peer).map(|(_, address)| address);
        let is_direct = self.direct.is_with(&seat.peer);
        Line {
            peer: *node,
            host: (!is_direct).then(|| way.map(address::host).unwrap_or_default()),
            since: seat.since,
            bytes: seat.session.bytes(),
            round_trip: seat.round_trip,
        }
    }
}

/// An address as it is passed on.
fn told(address: &Multiaddr) -> Option<Address> {
    Address::new(&address.to_vec())
}
