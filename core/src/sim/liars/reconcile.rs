//! A liar that answers reconciliations with what is no answer.

use super::{Lie, Mouth};
use crate::base::PeerId;
use crate::wire::Frame;

/// Noise, the question itself, or half of it.
pub(super) struct Reconcile;

/// How negentropy messages of protocol version 1 begin.
const NEGENTROPY: u8 = 0x61;

impl Lie for Reconcile {
    fn hears(&mut self, from: PeerId, frame: &Frame, mouth: &mut Mouth<'_>) {
        let Frame::Reconcile { call, message, .. } = frame else { return };
        let message = match mouth.dice.below(4) {
            0 => message.clone(),
            1 => message[..message.len() / 2].to_vec(),
            2 => vec![NEGENTROPY],
            _ => {
                let noise = mouth.bytes(200);
                [&[NEGENTROPY], noise.as_slice()].concat()
            }
        };
        mouth.say(from, &Frame::Reconciled { call: *call, message });
    }

    fn acts(&mut self, _: PeerId, _: &mut Mouth<'_>) {}
}
