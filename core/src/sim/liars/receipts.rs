//! Liars that cannot be relied on to keep anything: one acknowledges nothing, one everything.

use super::{Lie, Mouth, heard_of};
use crate::base::PeerId;
use crate::wire::Frame;

/// Takes everything and acknowledges nothing.
pub(super) struct Mute;

impl Lie for Mute {
    fn hears(&mut self, _: PeerId, _: &Frame, _: &mut Mouth<'_>) {}

    fn acts(&mut self, _: PeerId, _: &mut Mouth<'_>) {}
}

/// Acknowledges everything and keeps nothing, not even what nobody has.
pub(super) struct Swallow;

impl Lie for Swallow {
    fn hears(&mut self, from: PeerId, frame: &Frame, mouth: &mut Mouth<'_>) {
        let Some(ids) = heard_of(frame, mouth.limits) else { return };
        mouth.say(from, &Frame::Ack { ids });
    }

    fn acts(&mut self, to: PeerId, mouth: &mut Mouth<'_>) {
        if mouth.dice.chance(50) {
            let ids = vec![mouth.id()];
            mouth.say(to, &Frame::Ack { ids });
        }
    }
}
