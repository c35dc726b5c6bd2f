//! The frames of a session and their one encoding.
//!
//! A frame is a byte that says how the rest is packed (0 plain, 1 raw DEFLATE, RFC 1951) and a DAG-CBOR map with one
//! key, the frame's name. Counts and sizes are bounded before they allocate; which frame may come when is the node's
//! business.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::base::{AuthorId, BoardId, BoardName, EventId, Limits, Slot, ThreadId};
use crate::event::{CanonicalError, check_canonical, present};

/// What a peer is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A browser tab: holds what its person reads.
    Tab,
    /// A relay: holds what it is given.
    Relay,
}

/// The first frame of either side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the session protocol. Of a greeting in another version only this is read; the rest stands for
    /// nothing then.
    pub v: u64,
    /// What the sender is.
    pub role: Role,
    /// Software and version.
    pub agent: String,
    /// Event-carrying frames the receiver may send before it is granted more.
    pub window: u64,
    /// As whom a relay signs the renditions it makes. Who does not make any says nothing.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub producer: Option<AuthorId>,
}

/// A set of events that two peers bring to agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// A board's events.
    Board(BoardId),
    /// A thread's events, the opening post included.
    Thread(ThreadId),
    /// An author's events that belong to no board.
    Author(AuthorId),
}

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Frame {
    /// Opens the session.
    Hello(Hello),
    /// Whose events the sender wants to hear of, replacing what it said before.
    Interest {
        /// Everything.
        all: bool,
        /// Or these boards.
        boards: Vec<BoardId>,
    },
    /// Names of open boards the sender holds posts of. A hint: names are checked by their hash, use is not.
    Directory {
        /// The names.
        names: Vec<BoardName>,
    },
    /// Events, in the order they should be admitted. Costs one frame of credit.
    Events {
        /// How many frames of events the sender has sent in this session, this one included.
        n: u64,
        /// Each as it is stored.
        events: Vec<ByteBuf>,
    },
    /// The sender has these events in durable storage.
    Ack {
        /// The events.
        ids: Vec<EventId>,
    },
    /// How many frames of events the receiver may have sent in this session.
    Credit {
        /// The total, counted from the beginning of the session: losing or repeating this frame does no harm.
        frames: u64,
    },
    /// Asks for events.
    Want {
        /// The events.
        ids: Vec<EventId>,
    },
    /// The sender does not give out these events it was asked for.
    Withheld {
        /// The events.
        ids: Vec<EventId>,
    },
    /// A step of a reconciliation, from the side that began it.
    Reconcile {
        /// Names the reconciliation for this side.
        call: u64,
        /// What is reconciled.
        scope: Scope,
        /// A negentropy message, protocol version 1.
        #[serde(with = "serde_bytes")]
        message: Vec<u8>,
    },
    /// The answer to a step.
    Reconciled {
        /// Of the step.
        call: u64,
        /// A negentropy message.
        #[serde(with = "serde_bytes")]
        message: Vec<u8>,
    },
    /// Asks for the reach records in these slots; answered by [`Frame::Reach`].
    Find {
        /// The slots.
        slots: Vec<Slot>,
    },
    /// Reach records: one's own to be kept, what somebody asked for, or what one relay tells another.
    Reach {
        /// Each as it was made.
        records: Vec<ByteBuf>,
        /// Slots that were asked for in which nothing lies.
        missing: Vec<Slot>,
    },
    /// The sender has these events, and sends them to whoever asks (IHAVE of Plumtree).
    Have {
        /// The events.
        ids: Vec<EventId>,
    },
    /// The same as [`Frame::Want`] of what [`Frame::Have`] told and nobody brought. From now on the receiver sends events of
    /// their boards whole, which it may have been asked not to (GRAFT of Plumtree).
    Graft {
        /// The events.
        ids: Vec<EventId>,
    },
    /// Of these boards either tells the other ids alone from now on: the receiver has sent what the sender had already
    /// (PRUNE of Plumtree).
    Prune {
        /// The boards.
        boards: Vec<BoardId>,
    },
    /// Of which boards the sender wants to hear ids alone, by [`Frame::Have`], replacing what it said before: others
    /// bring it the events.
    Lazy {
        /// The boards.
        boards: Vec<BoardId>,
    },
    /// Asks for peers that want these boards, or if there are none any that the sender does, and may be connected to
    /// directly; answered by [`Frame::Peers`].
    Seek {
        /// The boards.
        boards: Vec<BoardId>,
    },
    /// Tells some peers, for both to know more; answered by [`Frame::Peers`] (SHUFFLE of HyParView).
    Shuffle {
        /// Peer records, each as it was made.
        records: Vec<ByteBuf>,
    },
    /// Where peers can be asked for a direct connection: the sender, or others it has a session with.
    Peers {
        /// Peer records, each as it was made.
        records: Vec<ByteBuf>,
    },
    /// The sender ends the session and says why.
    Bye {
        /// For a person or a log, at most 200 bytes.
        reason: String,
    },
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No bytes at all.
    #[error("the frame is empty")]
    Empty,
    /// Packed in a way this version does not know.
    #[error("the frame is packed in the unknown way {0}")]
    Packing(u8),
    /// Does not unpack, or unpacks to more than allowed.
    #[error("the frame does not unpack within the limit")]
    Unpack,
    /// Not canonical DAG-CBOR.
    #[error("the frame is not canonical: {0}")]
    Canonical(#[from] CanonicalError),
    /// Not one of the frames.
    #[error("the frame is of no known form")]
    Form,
    /// A list longer than allowed.
    #[error("the frame has more entries than allowed")]
    Count,
}

impl Frame {
    /// Reads a frame, without its length prefix.
    ///
    /// # Errors
    /// When it is not one, or larger than the limits allow.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Frame, FrameError> {
        let (&packing, rest) = bytes.split_first().ok_or(FrameError::Empty)?;
        let frame = match packing {
            0 => Self::read(rest, limits)?,
            1 => {
                let unpacked = decompress_to_vec_with_limit(rest, limits.frame_inflated_bytes)
                    .map_err(|_| FrameError::Unpack)?;
                Self::read(&unpacked, limits)?
            }
            other => return Err(FrameError::Packing(other)),
        };
        frame.check(limits).map(|()| frame)
    }

    /// Writes a frame, without its length prefix.
    #[must_use]
    pub fn encode(&self, limits: &Limits) -> Vec<u8> {
        let plain = serde_ipld_dagcbor::to_vec(self).expect("frames encode");
        if plain.len() > limits.compress_above {
            // Level 6 is the usual balance; posts are text, so it pays on a phone's uplink.
            let packed = compress_to_vec(&plain, 6);
            if packed.len() < plain.len() {
                return [&[1], packed.as_slice()].concat();
            }
        }
        [&[0], plain.as_slice()].concat()
    }

    fn read(bytes: &[u8], limits: &Limits) -> Result<Frame, FrameError> {
        check_canonical(bytes, limits.depth, limits.containers)?;
        serde_ipld_dagcbor::from_slice(bytes).or_else(|_| Self::foreign_hello(bytes).ok_or(FrameError::Form))
    }

    /// A greeting of another version, whose other fields are unknown here: who sends it is no fool, only out of step.
    fn foreign_hello(bytes: &[u8]) -> Option<Frame> {
        #[derive(Deserialize)]
        struct First {
            hello: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        let First { hello: Version { v } } = serde_ipld_dagcbor::from_slice(bytes).ok()?;
        let hello = Hello { v, role: Role::Tab, agent: String::new(), window: 0, producer: None };
        (v != super::VERSION).then_some(Frame::Hello(hello))
    }

    fn check(&self, limits: &Limits) -> Result<(), FrameError> {
        let within = match self {
            Frame::Hello(hello) => hello.agent.len() <= 64,
            Frame::Interest { boards, .. }
            | Frame::Lazy { boards }
            | Frame::Prune { boards }
            | Frame::Seek { boards } => boards.len() <= limits.frame_boards,
            Frame::Directory { names } => names.len() <= limits.frame_boards,
            Frame::Events { events, .. } => events.len() <= limits.frame_events,
            Frame::Ack { ids }
            | Frame::Want { ids }
            | Frame::Withheld { ids }
            | Frame::Have { ids }
            | Frame::Graft { ids } => ids.len() <= limits.frame_ids,
            Frame::Reconcile { message, .. } | Frame::Reconciled { message, .. } => {
                message.len() as u64 <= limits.reconcile_bytes
            }
            Frame::Find { slots } => slots.len() <= limits.frame_slots,
            Frame::Reach { records, missing } => records.len() + missing.len() <= limits.frame_slots,
            Frame::Bye { reason } => reason.len() <= 200,
            Frame::Peers { records } | Frame::Shuffle { records } => records.len() <= limits.frame_peers,
            Frame::Credit { .. } => true,
        };
        if within { Ok(()) } else { Err(FrameError::Count) }
    }
}
