//! A liar that sends what is no frame, or one of the wrong form.

use super::{Lie, Mouth};
use crate::base::PeerId;
use crate::wire::Frame;

/// Noise, now and then.
pub(super) struct Malformed;

impl Lie for Malformed {
    fn hears(&mut self, _: PeerId, _: &Frame, _: &mut Mouth<'_>) {}

    fn acts(&mut self, to: PeerId, mouth: &mut Mouth<'_>) {
        if !mouth.dice.chance(200) {
            return;
        }
        let count = mouth.dice.below(200) as usize;
        let noise = mouth.bytes(count);
        let bytes = match mouth.dice.below(5) {
            0 => noise,
            1 => [&[1], noise.as_slice()].concat(),
            // A list that says it is longer than anything can be.
            2 => [&[0, 0xa1, 0x63], &b"ack"[..], &[0xa1, 0x63], b"ids", &[0x9b], &[0x7f; 8]].concat(),
            // Lists in lists.
            3 => [&[0], vec![0x81; 10_000].as_slice()].concat(),
            _ => {
                let mut frame = Frame::Credit { frames: 1 }.encode(mouth.limits);
                frame.extend(noise);
                frame
            }
        };
        mouth.said.push((to, bytes));
    }
}
