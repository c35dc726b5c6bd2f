//! The whole contract between an [`super::Exchange`] and its shell: what it is told and what it asks for.

use crate::base::{BlobId, PeerId};
use crate::media::tree::{Node, Parent};
use crate::media::{Groups, MediaFrameError};

/// Names a question to the storage; the answer gives it back.
pub type Ticket = u64;

/// Which of the two media streams between two peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaStream {
    /// The one we opened, to ask.
    Ours,
    /// The one the other opened, to be answered on.
    Theirs,
}

/// How soon a blob is needed. What comes first in this list is fetched first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A thumbnail that is on the screen.
    Thumbnail,
    /// A file that somebody opened.
    Original,
    /// To be kept for others.
    Background,
}

/// A blob to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The blob.
    pub id: BlobId,
    /// Its size as the event says it, bytes. Of a size that no blob may have nothing is fetched, and nothing from a
    /// peer that says it has one that no event says.
    pub size: u64,
    /// How soon.
    pub priority: Priority,
    /// Who probably holds it, such as the peer that brought the event: told of it even while not all peers are.
    pub hints: Vec<PeerId>,
}

/// What an exchange is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// There is a session with this peer, and it may be asked. One before it that did not end is over, and streams that
    /// there were are closed.
    Came(PeerId),
    /// The session is over, and both streams with it.
    Left(PeerId),
    /// The answer to [`Output::OpenStream`]: the stream is there.
    Opened(PeerId),
    /// The other answer: the peer could not be asked, or does not speak the protocol.
    Unopened(PeerId),
    /// The peer opened a stream to us. One that it had before is closed. Of a peer that there is no session with it is closed
    /// at once.
    Accepted(PeerId),
    /// A stream ended that we did not close.
    Closed(PeerId, MediaStream),
    /// A frame came, without its length prefix.
    Received {
        /// From whom.
        peer: PeerId,
        /// On which stream.
        stream: MediaStream,
        /// The frame, as it came.
        frame: Vec<u8>,
    },
    /// The connection took frames of [`Output::Send`].
    Flushed {
        /// Whose.
        peer: PeerId,
        /// Of which stream.
        stream: MediaStream,
        /// Bytes of frames, without prefixes.
        bytes: u64,
    },
    /// Fetch a blob. Told again, it replaces what was said before, and hints are added. Of another size one of the events
    /// lies: a few sizes are remembered, and when nobody offers more of the one that was taken, another is that holders
    /// say, and the blob begins anew. Once its last group is stored, the size is proven.
    Want(Want),
    /// Do not fetch it any longer. What is there of it is kept and served.
    Unwant(BlobId),
    /// Only find out how many peers hold these, replacing what was said before.
    Watch(Vec<BlobId>),
    /// What the storage holds of a blob, at the start or because it was made here. Groups that it has already are not
    /// asked for.
    Hold {
        /// The blob.
        id: BlobId,
        /// Its size, bytes.
        size: u64,
        /// What is held.
        groups: Groups,
    },
    /// The blob is evicted or blocked: it is neither served nor fetched, until it is told of again. Answers to writes of
    /// it that are under way count no more.
    Forget(BlobId),
    /// The answer to [`Output::Read`]: the slice, by [`crate::media::tree::slice`]; `None` when it cannot be read.
    ReadDone {
        /// Of the question.
        ticket: Ticket,
        /// The slice of exactly these groups.
        slice: Option<Vec<u8>>,
    },
    /// The answer to [`Output::Write`], after it can be read again or has failed. What is lost in a crash after that must
    /// not be told of as held at the next start.
    WriteDone {
        /// Of the question.
        ticket: Ticket,
        /// Whether it is stored.
        stored: bool,
    },
    /// A deadline passed.
    Wake,
}

/// What an exchange asks its shell for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a stream of [`crate::media::MEDIA_PROTOCOL`] to this peer.
    OpenStream(PeerId),
    /// Close a stream; nothing that still comes from it may be handed in.
    CloseStream {
        /// To whom.
        peer: PeerId,
        /// Which.
        stream: MediaStream,
        /// Why.
        reason: CloseReason,
    },
    /// Send a frame, behind its length, in order. Answered by [`Input::Flushed`].
    Send {
        /// To whom.
        peer: PeerId,
        /// On which stream.
        stream: MediaStream,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Read a slice from the storage. Answered by [`Input::ReadDone`], in any order.
    Read {
        /// Names the question.
        ticket: Ticket,
        /// The blob.
        id: BlobId,
        /// Its size, bytes.
        size: u64,
        /// The first group.
        first: u32,
        /// How many.
        count: u32,
    },
    /// Store groups that were verified. Answered by [`Input::WriteDone`], in any order. What is there already may be
    /// written once more, with the same bytes. When the size is not that of what was written or held before, all of that
    /// counts for nothing any more.
    Write {
        /// Names the question.
        ticket: Ticket,
        /// The blob.
        id: BlobId,
        /// Its size, bytes.
        size: u64,
        /// The first group; it begins at byte `first * GROUP_BYTES`.
        first: u32,
        /// The content of these groups.
        data: Vec<u8>,
        /// The parents, to be written at [`Node::offset`] of the blob's outboard.
        parents: Vec<(Node, Parent)>,
    },
    /// How far a wanted or watched blob is; not more often than a person can read.
    Progress {
        /// The blob.
        id: BlobId,
        /// Groups that are stored.
        held: u32,
        /// Groups in all, 0 while the size is unknown.
        total: u32,
        /// How many peers say they hold some of it.
        holders: u32,
    },
    /// All of a wanted blob is stored. It is wanted no longer.
    Complete(BlobId),
    /// The peer gave bytes that are not the blob's; it is not asked for anything any more.
    Liar {
        /// The peer.
        peer: PeerId,
        /// The blob.
        id: BlobId,
    },
}

/// Why an exchange closes a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// Nothing was looked for in a while.
    #[error("nothing is looked for any more")]
    Idle,
    /// It was asked and answered nothing for too long; it is asked anew on another stream.
    #[error("the peer answered nothing for too long")]
    Stalled,
    /// Bytes that are not the blob's.
    #[error("the peer gave bytes that are not the blob's")]
    Liar,
    /// A frame that cannot be read.
    #[error("the peer sent a frame that is none: {0}")]
    Frame(#[from] MediaFrameError),
    /// A frame of the other side's.
    #[error("the peer sent a frame that is not its to send on this stream")]
    WrongSide,
    /// An answer to no question.
    #[error("the peer answered what it was not asked")]
    UnknownCall,
    /// More unanswered questions than allowed.
    #[error("the peer has more unanswered requests than allowed")]
    TooManyGets,
    /// A question under the name of another that is not answered yet.
    #[error("the peer used the name of an unanswered request again")]
    RepeatedCall,
    /// There is no session with the peer that is known of, or it is another than that of the stream.
    #[error("the stream belongs to no session that is known")]
    NoSession,
    /// It lied or broke the protocol before.
    #[error("the peer lied or broke the protocol before")]
    Banned,
}
