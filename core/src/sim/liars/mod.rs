//! Peers that do not follow the protocol: each kind a few lines that say what it does with real frames over the same links.
//!
//! They are no nodes and store nothing; what they know of the protocol is what it takes to be listened to. They come back
//! whenever they are thrown out. Promises are made to honest peers only.

mod flood;
mod forge;
mod malformed;
mod mirror;
mod receipts;
mod reconcile;
mod withhold;

use super::dice::Dice;
use crate::base::{BoardId, EventId, Limits, Now, PeerId};
use crate::event::Event;
use crate::node::Input;
use crate::wire::{Frame, Hello, Role, VERSION};

/// A kind of liar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Tells without end of events that do not exist.
    Have,
    /// Asks without end, for what does not exist and again for what does.
    Want,
    /// Tells without end of peers that do not exist.
    Peers,
    /// Sends what is no frame, or one of the wrong form.
    Malformed,
    /// Passes on events under signatures that are not theirs.
    Forge,
    /// Takes everything and acknowledges nothing.
    Mute,
    /// Acknowledges everything and keeps nothing.
    Swallow,
    /// Says that it has what others have, and gives it to nobody.
    Withhold,
    /// Answers reconciliations with what is no answer.
    Reconcile,
    /// Sends every frame back with something in it changed.
    Mirror,
}

/// The names by which scenarios call them.
const NAMES: [(&str, Kind); 10] = [
    ("have", Kind::Have),
    ("want", Kind::Want),
    ("peers", Kind::Peers),
    ("malformed", Kind::Malformed),
    ("forge", Kind::Forge),
    ("mute", Kind::Mute),
    ("swallow", Kind::Swallow),
    ("withhold", Kind::Withhold),
    ("reconcile", Kind::Reconcile),
    ("mirror", Kind::Mirror),
];

impl Kind {
    /// The kind of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Kind> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

/// What a kind does once it is listened to.
trait Lie: Send {
    /// It was sent a frame.
    fn hears(&mut self, from: PeerId, frame: &Frame, mouth: &mut Mouth<'_>);

    /// Ten times a second, for everybody it has a session with.
    fn acts(&mut self, to: PeerId, mouth: &mut Mouth<'_>);
}

/// Somebody who does not follow the protocol.
pub(super) struct Liar {
    lie: Box<dyn Lie>,
    /// Who said hello.
    present: Vec<PeerId>,
}

/// What a liar can say, and what it sees of the world.
pub(super) struct Mouth<'a> {
    pub now: Now,
    /// The boards it says it reads.
    pub boards: &'a [BoardId],
    pub limits: &'a Limits,
    pub dice: &'a mut Dice,
    /// Who listens.
    pub present: Vec<PeerId>,
    pub said: &'a mut Vec<(PeerId, Vec<u8>)>,
}

impl Liar {
    pub(super) fn new(kind: Kind) -> Liar {
        let lie: Box<dyn Lie> = match kind {
            Kind::Have => Box::new(flood::Have),
            Kind::Want => Box::<flood::Want>::default(),
            Kind::Peers => Box::new(flood::Peers),
            Kind::Malformed => Box::new(malformed::Malformed),
            Kind::Forge => Box::<forge::Forge>::default(),
            Kind::Mute => Box::new(receipts::Mute),
            Kind::Swallow => Box::new(receipts::Swallow),
            Kind::Withhold => Box::new(withhold::Withhold),
            Kind::Reconcile => Box::new(reconcile::Reconcile),
            Kind::Mirror => Box::new(mirror::Mirror),
        };
        Liar { lie, present: Vec::new() }
    }

    /// What a node would be given; [`Input::Wake`] comes ten times a second.
    pub(super) fn hear(&mut self, input: Input, mouth: &mut Mouth<'_>) {
        mouth.present.clone_from(&self.present);
        match input {
            Input::Connected(peer) | Input::ConnectedDirectly(peer) => {
                let agent = "simulated".to_owned();
                let hello = Hello { v: VERSION, role: Role::Tab, agent, window: 1 << 20, producer: None };
                mouth.say(peer, &Frame::Hello(hello));
            }
            Input::Disconnected(peer) => self.present.retain(|present| *present != peer),
            Input::Received(peer, bytes) => match Frame::decode(&bytes, mouth.limits) {
                Ok(Frame::Hello(_)) => {
                    self.present.push(peer);
                    let boards = mouth.boards.to_vec();
                    mouth.say(peer, &Frame::Interest { all: false, boards });
                }
                Ok(frame) => self.lie.hears(peer, &frame, mouth),
                Err(_) => {}
            },
            Input::Wake => {
                for peer in &self.present {
                    self.lie.acts(*peer, mouth);
                }
            }
            _ => {}
        }
    }
}

impl Mouth<'_> {
    /// Sends a frame.
    fn say(&mut self, to: PeerId, frame: &Frame) {
        self.said.push((to, frame.encode(self.limits)));
    }

    /// As many random bytes.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.dice.below(256) as u8).collect()
    }

    /// An id of nothing.
    fn id(&mut self) -> EventId {
        let mut id = [0; 32];
        id.as_chunks_mut::<8>().0.iter_mut().for_each(|part| *part = self.dice.next().to_le_bytes());
        EventId(id)
    }

    /// Ids of nothing.
    fn ids(&mut self) -> Vec<EventId> {
        (0..64).map(|_| self.id()).collect()
    }
}

/// The events a frame brings or tells of; `None` for one that does neither.
fn heard_of(frame: &Frame, limits: &Limits) -> Option<Vec<EventId>> {
    match frame {
        Frame::Events { events, .. } => {
            let events = events.iter().filter_map(|bytes| Event::decode(bytes, limits).ok());
            Some(events.map(|event| event.id()).collect())
        }
        Frame::Have { ids } => Some(ids.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_kind_is_polite_enough_to_be_listened_to_and_then_does_something() {
        let limits = Limits::default();
        let (peer, other) = (PeerId([1; 32]), PeerId([2; 32]));
        let events = vec![serde_bytes::ByteBuf::from(vec![0x82; 200])];
        for (name, kind) in NAMES {
            assert_eq!(Kind::named(name), Some(kind));
            let mut liar = Liar::new(kind);
            let mut dice = Dice::new(1, &[]);
            let mut hear = |input: Input| {
                let mut said = Vec::new();
                let boards = [BoardId([3; 32])];
                let now = Now { instant: crate::base::Instant(0), unix: crate::base::Seconds(1 << 30) };
                let (dice, said_too) = (&mut dice, &mut said);
                let present = Vec::new();
                liar.hear(
                    input,
                    &mut Mouth { now, boards: &boards, limits: &limits, dice, present, said: said_too },
                );
                said
            };
            let hello = hear(Input::ConnectedDirectly(peer)).remove(0).1;
            assert!(matches!(Frame::decode(&hello, &limits), Ok(Frame::Hello(_))), "{name}");
            for from in [peer, other] {
                let said = hear(Input::Received(from, hello.clone()));
                assert!(matches!(Frame::decode(&said[0].1, &limits), Ok(Frame::Interest { .. })), "{name}");
            }
            let frames = [
                Frame::Events { n: 1, events: events.clone() },
                Frame::Reconcile {
                    call: 1,
                    scope: crate::wire::Scope::Board(BoardId([3; 32])),
                    message: vec![0x61],
                },
            ];
            let heard = frames.iter().map(|frame| hear(Input::Received(peer, frame.encode(&limits))).len());
            let acted = heard.sum::<usize>() + (0..40).map(|_| hear(Input::Wake).len()).sum::<usize>();
            // What withholds and what is mute has nothing to say to this.
            assert_eq!(acted > 0, !matches!(kind, Kind::Mute | Kind::Withhold), "{name}");
            hear(Input::Disconnected(peer));
            hear(Input::Disconnected(other));
            assert!(hear(Input::Wake).is_empty(), "{name} talks to nobody");
        }
    }
}
