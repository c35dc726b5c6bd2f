//! A liar that passes on events under signatures that are not theirs, before anybody honest can.

use std::collections::BTreeMap;

use serde_bytes::ByteBuf;

use super::{Lie, Mouth};
use crate::base::PeerId;
use crate::wire::Frame;

/// What it hears it tells everybody else at once, spoiled.
#[derive(Default)]
pub(super) struct Forge {
    /// Frames of events sent to each.
    sent: BTreeMap<PeerId, u64>,
}

impl Lie for Forge {
    fn hears(&mut self, from: PeerId, frame: &Frame, mouth: &mut Mouth<'_>) {
        let Frame::Events { events, .. } = frame else { return };
        let spoiled = |event: &ByteBuf| {
            let mut bytes = event.to_vec();
            if let Some(last) = bytes.len().checked_sub(40) {
                bytes[last] ^= 1;
            }
            ByteBuf::from(bytes)
        };
        let events: Vec<ByteBuf> = events.iter().map(spoiled).collect();
        for to in mouth.present.clone() {
            if to != from {
                let n = self.sent.entry(to).or_default();
                *n += 1;
                mouth.say(to, &Frame::Events { n: *n, events: events.clone() });
            }
        }
    }

    fn acts(&mut self, _: PeerId, _: &mut Mouth<'_>) {}
}
