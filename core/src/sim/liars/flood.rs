//! Liars that say more than there is to say: of events, for events, of peers.

use serde_bytes::ByteBuf;

use super::{Lie, Mouth};
use crate::base::{EventId, PeerId};
use crate::crypto::SecretKey;
use crate::event::Event;
use crate::gossip::PeerRecord;
use crate::invite::Address;
use crate::wire::Frame;

/// How many of a thousand ticks a flood is fed at: slowly enough that counting frames does not stop it.
const FED: u64 = 300;

/// Now and then as many frames at once as no honest peer sends in seconds.
const BURST: (u64, usize) = (5, 700);

/// Tells without end of events that do not exist.
pub(super) struct Have;

impl Lie for Have {
    fn hears(&mut self, _: PeerId, _: &Frame, _: &mut Mouth<'_>) {}

    fn acts(&mut self, to: PeerId, mouth: &mut Mouth<'_>) {
        if mouth.dice.chance(FED) {
            let ids = mouth.ids();
            mouth.say(to, &Frame::Have { ids });
        }
        let (often, many) = BURST;
        for _ in 0..if mouth.dice.chance(often) { many } else { 0 } {
            let ids = vec![mouth.id()];
            mouth.say(to, &Frame::Have { ids });
        }
    }
}

/// Asks without end, for what does not exist and again for what does.
#[derive(Default)]
pub(super) struct Want {
    known: Vec<EventId>,
}

/// Events asked for again and again.
const KNOWN: usize = 64;

impl Lie for Want {
    fn hears(&mut self, _: PeerId, frame: &Frame, mouth: &mut Mouth<'_>) {
        let Frame::Events { events, .. } = frame else { return };
        let ids = events.iter().filter_map(|bytes| Event::decode(bytes, mouth.limits).ok());
        self.known.extend(ids.map(|event| event.id()).take(KNOWN - self.known.len()));
    }

    fn acts(&mut self, to: PeerId, mouth: &mut Mouth<'_>) {
        if mouth.dice.chance(FED) {
            let mut ids = mouth.ids();
            ids.extend(&self.known);
            mouth.say(to, &Frame::Want { ids });
        }
    }
}

/// Tells without end of peers that do not exist.
pub(super) struct Peers;

impl Lie for Peers {
    fn hears(&mut self, _: PeerId, _: &Frame, _: &mut Mouth<'_>) {}

    fn acts(&mut self, to: PeerId, mouth: &mut Mouth<'_>) {
        if !mouth.dice.chance(FED) {
            return;
        }
        let record = |mouth: &mut Mouth<'_>| {
            let key = SecretKey::from_seed(mouth.id().0);
            let relay = Address::new(&mouth.id().0).expect("the length of an address");
            let sign = |hash: &[u8; 32]| key.sign_hash(hash).0;
            let record = PeerRecord::make(PeerId(key.public().0), vec![relay], mouth.now.unix, sign);
            ByteBuf::from(record.bytes().to_vec())
        };
        let records = (0..mouth.limits.frame_peers).map(|_| record(mouth)).collect();
        mouth.say(to, &Frame::Peers { records });
    }
}
