//! A liar that sends every frame back with something in it changed: lies in whatever frames there will be.

use super::{Lie, Mouth};
use crate::base::PeerId;
use crate::wire::Frame;

/// One byte of most frames, mostly near the end, where numbers and ids are.
pub(super) struct Mirror;

impl Lie for Mirror {
    fn hears(&mut self, from: PeerId, frame: &Frame, mouth: &mut Mouth<'_>) {
        let mut bytes = frame.encode(mouth.limits);
        if mouth.dice.chance(900) {
            let tail = 1 + mouth.dice.below(bytes.len().min(64) as u64) as usize;
            let place = bytes.len() - tail;
            bytes[place] = bytes[place].wrapping_add(1 + mouth.dice.below(255) as u8);
        }
        mouth.said.push((from, bytes));
    }

    fn acts(&mut self, _: PeerId, _: &mut Mouth<'_>) {}
}
