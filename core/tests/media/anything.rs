//! Any inputs in any order: what peers, storage and page say, mostly as they would, and sometimes not.

use std::cell::Cell;
use std::collections::VecDeque;

use chanterelle_core::base::{BlobId, Limits, PeerId};
use chanterelle_core::media::exchange::{CloseReason, Input, MediaStream, Output, Priority, Want};
use chanterelle_core::media::tree::slice_bytes;
use chanterelle_core::media::{Groups, HeldItem, MediaFrame};
use proptest::prelude::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::hostile::{Hand, id};
use super::tree::{Held, content, runner};

const SIZE: u64 = 100 * 16_384;

#[derive(Clone, Debug)]
enum Act {
    /// Of the session or the page: what, about which peer and blob.
    Input(u8, u8, u8),
    /// A stream that is being opened is there, or cannot be.
    Opened(bool),
    /// A frame of a peer on its side of a stream, or on the other.
    Frame(u8, bool, u8, u64, u8),
    Bytes(u8, bool, Vec<u8>),
    /// An answer to what a peer was asked: the slice, nothing, or other bytes.
    Reply(u8, u8),
    /// An answer of the storage.
    Answer(u8, bool),
    /// A connection has taken what was sent.
    Flush(u8),
    Pass(u16),
}

fn act() -> impl Strategy<Value = Act> {
    let one_in = |times: u8| (0..times).prop_map(|drawn| drawn == 0);
    prop_oneof![
        5 => (0_u8..16, 0_u8..4, 0_u8..4).prop_map(|(what, peer, blob)| Act::Input(what, peer, blob)),
        3 => one_in(8).prop_map(|fails| Act::Opened(!fails)),
        7 => (0_u8..4, one_in(40), 0_u8..9, 0_u64..40, 0_u8..4)
            .prop_map(|(peer, is_astray, what, call, blob)| Act::Frame(peer, is_astray, what, call, blob)),
        1 => (0_u8..4, any::<bool>(), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(peer, ours, bytes)| Act::Bytes(peer, ours, bytes)),
        6 => (any::<u8>(), 0_u8..12).prop_map(|(at, kind)| Act::Reply(at, kind)),
        5 => (any::<u8>(), one_in(6)).prop_map(|(at, fails)| Act::Answer(at, !fails)),
        3 => any::<u8>().prop_map(Act::Flush),
        3 => prop_oneof![3 => 0_u16..1_500, 1 => 0_u16..30_000].prop_map(Act::Pass),
    ]
}

/// A question that a peer was asked.
struct Asked {
    peer: PeerId,
    call: u64,
    id: BlobId,
    first: u32,
    count: u32,
}

/// An exchange, its twin, and what goes on around them.
struct World {
    hand: Hand,
    twin: Hand,
    /// The one blob that there is; others are but names.
    blob: Held,
    /// How often the peer of a name was found out; another comes in its place.
    found_out: [u8; 4],
    opening: VecDeque<PeerId>,
    asked: Vec<Asked>,
    reads: Vec<(u64, usize)>,
    writes: Vec<u64>,
    unflushed: Vec<(PeerId, MediaStream, u64)>,
    written: u32,
}

impl World {
    fn peer(&self, name: u8) -> PeerId {
        let mut peer = PeerId([name; 32]);
        peer.0[31] = self.found_out[usize::from(name)];
        peer
    }

    fn blob(&self, name: u8) -> BlobId {
        if name < 2 { self.blob.id } else { id(name) }
    }

    /// An act as an input, if there is something that it is about.
    fn input(&mut self, act: &Act) -> Option<Input> {
        Some(match act {
            Act::Input(what, name, blob) => self.plain(*what, *name, *blob),
            Act::Opened(is_there) => {
                let peer = self.opening.pop_front()?;
                if *is_there { Input::Opened(peer) } else { Input::Unopened(peer) }
            }
            Act::Frame(name, is_astray, what, call, blob) => {
                let is_ours = (*what >= 4) != *is_astray;
                let frame = self.frame(*what, *call, *blob).encode();
                Input::Received { peer: self.peer(*name), stream: side(is_ours), frame }
            }
            Act::Bytes(name, ours, bytes) => {
                Input::Received { peer: self.peer(*name), stream: side(*ours), frame: bytes.clone() }
            }
            Act::Reply(at, kind) => {
                let at = usize::from(*at).checked_rem(self.asked.len())?;
                let Asked { peer, call, id, first, count } = self.asked.remove(at);
                let end = u64::from(first + count) * 16_384;
                let frame = match kind {
                    0 => MediaFrame::Slice { call, bytes: vec![7; 100] },
                    1 => MediaFrame::None { call },
                    _ if id == self.blob.id && end <= SIZE => {
                        MediaFrame::Slice { call, bytes: self.blob.slice(first, count) }
                    }
                    _ => MediaFrame::None { call },
                };
                Input::Received { peer, stream: MediaStream::Ours, frame: frame.encode() }
            }
            Act::Answer(at, is_good) if at.is_multiple_of(2) => {
                let at = usize::from(*at).checked_rem(self.reads.len())?;
                let (ticket, bytes) = self.reads.remove(at);
                Input::ReadDone { ticket, slice: is_good.then(|| vec![0; bytes]) }
            }
            Act::Answer(at, is_good) => {
                let at = usize::from(*at).checked_rem(self.writes.len())?;
                Input::WriteDone { ticket: self.writes.remove(at), stored: *is_good }
            }
            Act::Flush(at) => {
                let at = usize::from(*at).checked_rem(self.unflushed.len())?;
                let (peer, stream, bytes) = self.unflushed.remove(at);
                Input::Flushed { peer, stream, bytes }
            }
            Act::Pass(milliseconds) => {
                self.hand.now += u64::from(*milliseconds);
                self.twin.now = self.hand.now;
                Input::Wake
            }
        })
    }

    /// Sizes disagree on purpose.
    fn plain(&self, what: u8, name: u8, blob: u8) -> Input {
        let (of, blob) = (self.peer(name), self.blob(blob));
        let size = if name == 3 { SIZE - 1 } else { SIZE };
        match what {
            0 => Input::Came(of),
            1 | 2 => Input::Accepted(of),
            3 => Input::Closed(of, side(name == 2)),
            4 => Input::Left(of),
            5..=10 => Input::Want(Want { id: blob, size, priority: Priority::Original, hints: vec![of] }),
            11 => Input::Unwant(blob),
            12 => Input::Watch(vec![blob]),
            13 => Input::Hold {
                id: blob,
                size,
                groups: Groups::from_bytes(100, &[name; 13]).unwrap_or(Groups::none(100)),
            },
            _ => Input::Forget(blob),
        }
    }

    fn frame(&self, what: u8, call: u64, blob: u8) -> MediaFrame {
        let id = self.blob(blob);
        let held = |size, groups| MediaFrame::Held { items: vec![HeldItem { id, size, groups }] };
        match what {
            0 => MediaFrame::Look { ids: vec![id] },
            1 => MediaFrame::Look { ids: vec![id, self.blob(3)] },
            2 | 3 => MediaFrame::Get { call, id, first: call as u32, count: 1 + call as u32 % 16 },
            4 | 5 => held(SIZE, None),
            6 => held(SIZE, Some(vec![])),
            7 => held(SIZE, Some([vec![call as u8; 12], vec![1]].concat())),
            _ if call.is_multiple_of(2) => held(SIZE - 1, None),
            _ => held(1 + call, None),
        }
    }

    /// Tells both the same, and looks at what they do.
    fn tell(&mut self, input: Input) -> Result<(), TestCaseError> {
        if let Input::Came(peer) | Input::Left(peer) | Input::Closed(peer, MediaStream::Ours) = &input {
            self.asked.retain(|asked| asked.peer != *peer);
            self.opening.retain(|other| other != peer);
        }
        let outputs = self.hand.tell(input.clone());
        prop_assert_eq!(&outputs, &self.twin.tell(input));
        let mut others = Vec::new();
        for output in outputs {
            match output {
                Output::OpenStream(peer) => self.opening.push_back(peer),
                Output::CloseStream { peer, stream, reason } => {
                    if stream == MediaStream::Ours {
                        self.asked.retain(|asked| asked.peer != peer);
                        self.opening.retain(|other| *other != peer);
                    }
                    let is_fault =
                        !matches!(reason, CloseReason::Idle | CloseReason::Stalled | CloseReason::NoSession);
                    let name = usize::from(peer.0[0]);
                    if is_fault && self.found_out[name] == peer.0[31] {
                        self.found_out[name] = self.found_out[name].wrapping_add(1);
                        others.push(self.peer(peer.0[0]));
                    }
                }
                Output::Send { peer, stream, frame } => {
                    self.unflushed.push((peer, stream, frame.len() as u64));
                    if let Ok(MediaFrame::Get { call, id, first, count }) =
                        MediaFrame::decode(&frame, &Limits::default())
                    {
                        self.asked.push(Asked { peer, call, id, first, count });
                    }
                }
                Output::Read { ticket, size, first, count, .. } => {
                    let bytes = slice_bytes(size, first, count).expect("in range");
                    self.reads.push((ticket, bytes as usize));
                }
                Output::Write { ticket, id, first, data, .. } => {
                    let begin = first as usize * 16_384;
                    prop_assert_eq!(id, self.blob.id);
                    prop_assert_eq!(
                        &self.blob.content[begin..begin + data.len()],
                        &data[..],
                        "nothing unverified"
                    );
                    self.writes.push(ticket);
                    self.written += 1;
                }
                Output::Progress { .. } | Output::Complete(_) | Output::Liar { .. } => {}
            }
        }
        prop_assert!(self.reads.len() <= Limits::default().media_reads);
        others.into_iter().try_for_each(|peer| self.meet(peer))
    }

    /// A peer comes, and opens its stream.
    fn meet(&mut self, peer: PeerId) -> Result<(), TestCaseError> {
        self.tell(Input::Came(peer))?;
        self.tell(Input::Accepted(peer))
    }
}

fn side(is_ours: bool) -> MediaStream {
    if is_ours { MediaStream::Ours } else { MediaStream::Theirs }
}

/// Nothing panics, nothing unverified is written, what is read stays bounded, no deadline stands still, and one seed and one
/// list of inputs give one list of outputs.
#[test]
fn anything_may_happen_in_any_order() {
    let (real, written) = (content(SIZE as usize), Cell::new(0));
    let law = |acts: Vec<Act>| {
        let mut world = World {
            hand: Hand::new(),
            twin: Hand::new(),
            blob: Held::new(real.clone()),
            found_out: [0; 4],
            opening: VecDeque::new(),
            asked: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            unflushed: Vec::new(),
            written: 0,
        };
        for name in 0..4 {
            world.meet(world.peer(name))?;
        }
        for act in &acts {
            let Some(input) = world.input(act) else { continue };
            world.tell(input)?;
            if world.hand.exchange.poll_timeout().is_some_and(|at| at.0 <= world.hand.now) {
                world.tell(Input::Wake)?;
                let next = world.hand.exchange.poll_timeout();
                prop_assert!(next.is_none_or(|at| at.0 > world.hand.now), "a deadline stands still");
            }
        }
        written.set(written.get() + world.written);
        Ok(())
    };
    runner(600).run(&prop::collection::vec(act(), 0..200), law).expect("the law of anything");
    assert!(written.get() > 600, "{} writes: most acts came to nothing", written.get());
}
