//! A liar that says it has what others have, and gives it to nobody.

use super::{Lie, Mouth, heard_of};
use crate::base::PeerId;
use crate::wire::Frame;

/// Tells everybody else of an event before anybody honest can; who asks for it gets no answer.
pub(super) struct Withhold;

impl Lie for Withhold {
    fn hears(&mut self, from: PeerId, frame: &Frame, mouth: &mut Mouth<'_>) {
        let Some(ids) = heard_of(frame, mouth.limits) else { return };
        if ids.is_empty() {
            return;
        }
        for to in mouth.present.clone() {
            if to != from {
                mouth.say(to, &Frame::Have { ids: ids.clone() });
            }
        }
    }

    fn acts(&mut self, _: PeerId, _: &mut Mouth<'_>) {}
}
