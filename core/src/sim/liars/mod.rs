//! Peers that do not follow the protocol: each kind a small machine that speaks real frames over the same links.
//!
//! They are no nodes and keep nothing; what they know of the protocol is what it takes to be listened to. Promises are made
//! to honest peers only.

use super::dice::Dice;
use crate::base::{BoardId, Limits, Now, PeerId};
use crate::node::Input;
use crate::wire::Frame;

/// What a liar can say, and what it sees of the world.
pub(super) struct Mouth<'a> {
    pub now: Now,
    /// The boards it says it reads.
    pub boards: &'a [BoardId],
    pub limits: &'a Limits,
    pub dice: &'a mut Dice,
    pub said: &'a mut Vec<(PeerId, Vec<u8>)>,
}

impl Mouth<'_> {
    /// Sends a frame.
    pub(super) fn say(&mut self, to: PeerId, frame: &Frame) {
        self.said.push((to, frame.encode(self.limits)));
    }
}

/// Somebody who does not follow the protocol.
pub(super) trait Liar: Send {
    /// What a node would be given; [`Input::Wake`] comes ten times a second.
    fn hear(&mut self, input: Input, mouth: &mut Mouth<'_>);
}

/// A kind of liar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {}

impl Kind {
    /// The kind of a name.
    #[must_use]
    pub fn named(_name: &str) -> Option<Kind> {
        None
    }
}

/// A liar of a kind.
pub(super) fn of(kind: Kind) -> Box<dyn Liar> {
    match kind {}
}
