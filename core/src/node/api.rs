//! What goes into a [`Node`](super::Node) and what comes out: the whole contract between the protocol and its shells.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::base::{AuthorId, BoardId, BoardName, EventId, Limits, PeerId, ThreadId};
use crate::crypto::Identity;
use crate::event::{Draft, DraftError};
use crate::invite::{Address, FriendCode, unsigned};
use crate::store::Row;
use crate::view::{BoardCard, Delta, Person, PostView, ThreadCard, ThreadHead};
use crate::wire::Role;

/// What a node is made with.
pub struct Setup {
    /// Drives salts and tie-breaking. From the system's entropy in a tab or relay, from a seed in a simulation.
    pub seed: [u8; 32],
    /// This peer's key on the network.
    pub peer: PeerId,
    /// What this peer is to others.
    pub role: Role,
    /// The keys of the person, if one publishes here.
    pub identity: Option<Identity>,
    /// Software and version, told to peers; at most 64 bytes.
    pub agent: String,
    /// Limits.
    pub limits: Limits,
}

/// Pairs a request with its answer. Chosen by whoever asks, and echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What a shell tells a node.
#[derive(Debug)]
pub enum Input {
    /// Rows from storage, in any order, in as many portions as convenient. Later rows of one id replace earlier ones.
    Restore(Vec<Row>),
    /// The remembered [`Batch::state`], if storage holds one; then everything has been restored. Must come exactly
    /// once, before any other input but `Restore`.
    Restored(Option<Vec<u8>>),
    /// A session stream with a peer is open. At most one at a time per peer.
    Connected(PeerId),
    /// The same with a tab, over a direct connection; whatever it says, it is no relay.
    ConnectedDirectly(PeerId),
    /// It is gone.
    Disconnected(PeerId),
    /// A peer that was to be dialled ([`Output::Dial`]) cannot be reached directly.
    Unreachable(PeerId),
    /// A whole frame arrived, without its length prefix.
    Received(PeerId, Vec<u8>),
    /// A [`Batch`] is durable, or could not be stored; then nothing of it was.
    Persisted(Ticket, Result<(), StorageError>),
    /// Answers [`Output::Read`] with what was found.
    ReadDone(Ticket, Vec<(EventId, Vec<u8>)>),
    /// A person wants something.
    Command(Command),
    /// The deadline has come. Spurious wake-ups are harmless.
    Wake,
}

/// What a node asks of its shell.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "an output lives until it is performed; an allocation costs more"
)]
pub enum Output {
    /// Send a frame, without its length prefix, on the peer's session.
    Send(PeerId, Vec<u8>),
    /// End the peer's session. The frames sent before should still go out. `Disconnected` may follow or not.
    Close(PeerId, CloseReason),
    /// Read nothing more of a peer's session for so long: what it sends costs too much. What was read already may still come.
    Pause(PeerId, Duration),
    /// Store all of this in one transaction, then answer `Persisted`.
    Persist(Batch),
    /// Read the bytes of stored events, then answer `ReadDone`.
    Read(Ticket, Vec<EventId>),
    /// Tell the person.
    Update(Update),
    /// Connect to a peer directly, asking for it at one of these relays. An address may end with the relay's id, or else
    /// is one of [`Relays`]. `ConnectedDirectly` follows, or `Unreachable`.
    Dial(PeerId, Vec<Address>),
    /// Relays worth connecting to. Told whenever they change, each time all of them.
    Relays(Relays),
}

/// Relays, each at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relays {
    /// At which friends are, or said they would be: the person wants to be where they are.
    pub friends: Vec<Address>,
    /// Known from before, as [`Command::KnowRelays`] told.
    pub known: Vec<Address>,
}

/// One storage transaction. At most one is under way at a time: what arrives meanwhile makes up the next, so that
/// commits are shared by as many events as the storage is slow.
#[derive(Debug)]
pub struct Batch {
    /// To be echoed.
    pub ticket: Ticket,
    /// Whether the transaction must survive a crash of the machine: true when it holds something written here. A
    /// relay treats every batch so.
    pub strict: bool,
    /// Rows to put.
    pub puts: Vec<Put>,
    /// What a node remembers beside events (subscriptions), to be stored as one value, replacing the last.
    pub state: Option<Vec<u8>>,
}

/// One row, with the event's bytes unless only the row changed.
#[derive(Clone, Debug)]
pub struct Put {
    /// The index row.
    pub row: Row,
    /// [`crate::event::Event::bytes`], absent when they are stored already.
    pub event: Option<Arc<[u8]>>,
    /// One of those who brought it, who may hold its files, too.
    pub from: Option<PeerId>,
}

/// Why nothing was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum StorageError {
    /// No room.
    #[error("there is no room left to store this")]
    Full,
    /// The storage cannot be used at all.
    #[error("storage is not available: {0}")]
    Unavailable(String),
    /// Anything else.
    #[error("storing failed: {0}")]
    Failed(String),
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The peer said nothing in time.
    NoHello,
    /// The peer speaks another version.
    Version,
    /// The peer's budget is spent: too many malformed, mis-signed or excessive messages.
    Budget,
    /// The peer said goodbye.
    Bye,
    /// The peer is this very node.
    Oneself,
    /// There are neighbours enough.
    Full,
    /// The peer is directly connected and says it is a relay.
    NotATab,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::NoHello => "the peer did not say hello in time",
            CloseReason::Version => "the peer speaks another version",
            CloseReason::Budget => "the peer sent too much that is malformed, mis-signed or excessive",
            CloseReason::Bye => "the peer said goodbye",
            CloseReason::Oneself => "the peer is this node itself",
            CloseReason::Full => "there are neighbours enough here",
            CloseReason::NotATab => "the peer is connected directly and says it is no tab",
        })
    }
}

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Publish; answered by [`Update::Published`] or [`Update::Refused`] with the same number.
    Publish(u32, Draft),
    /// Publish what another node of this person has signed and may not have stored before it ended: the bytes of
    /// [`Update::Published`]. Answered by [`Update::Saved`] with the same number; what is held already is not doubled.
    Republish(u32, ByteBuf),
    /// Show something and keep it up to date. The number is the caller's and names the view from now on; opening a
    /// number again replaces what it showed.
    Open(ViewId, Target),
    /// Stop showing it.
    Close(ViewId),
    /// Keep a board: hold its events, hear of new ones. Remembered.
    Subscribe(BoardName),
    /// Stop hearing of a board. What is held stays.
    Unsubscribe(BoardName),
    /// Make a friend code, with the relays this peer is at or else was last; answered by [`Update::Invited`] with the same number.
    Invite {
        /// Of the caller's choice.
        request: u32,
        /// The board it opens.
        board: Option<BoardName>,
    },
    /// Make somebody a friend: find out where they are, from now on. Remembered. A later code of the same person
    /// replaces the earlier. Of [`Limits::friends`] none makes room: a further one is not taken, and nothing says so, so
    /// that a shell looks at [`Person::friends`] before it offers to connect.
    Befriend(#[serde(with = "unsigned")] FriendCode),
    /// Forget a friend.
    Unfriend(AuthorId),
    /// What one is called in one's friend codes; `None` is nothing. Remembered. A name that cannot stand in a code is
    /// not taken.
    CallMe(Option<String>),
    /// Make codes given out before useless for finding this person. Remembered.
    RenewCode,
    /// The relays this peer is connected to, for friends to find it at.
    Reachable(Vec<Address>),
    /// Whether peers may be connected to directly, and if so the own [`crate::gossip::PeerRecord`]: one that names no
    /// relay when this peer can be asked for nowhere. It is told to everybody.
    Direct(Option<ByteBuf>),
    /// Relays to be remembered for the next start, the best first.
    KnowRelays(Vec<Address>),
}

/// Names an open view.
pub type ViewId = u32;

/// What a view shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// All boards known here.
    Boards,
    /// The threads of a board, the `limit` most recently bumped.
    Catalog {
        /// The board.
        board: BoardId,
        /// How many threads.
        limit: u32,
    },
    /// A thread with all its posts.
    Thread {
        /// Its board.
        board: BoardId,
        /// The thread.
        thread: ThreadId,
    },
    /// A single post, wherever it is, for a preview.
    Post(EventId),
    /// The person of this node and their friends.
    Person,
}

/// What a person is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Update {
    /// [`Target::Boards`] changed.
    Boards(ViewId, Delta<BoardId, BoardCard>),
    /// [`Target::Catalog`] changed.
    Catalog(ViewId, Delta<ThreadId, ThreadCard>),
    /// [`Target::Thread`] changed. With the head as it is now; `None` while the opening post is not held.
    Thread(ViewId, Option<ThreadHead>, Delta<EventId, PostView>),
    /// [`Target::Post`]; `None` when the post is not held.
    Post(ViewId, Option<Box<PostView>>),
    /// [`Target::Person`] changed; `None` where nobody publishes.
    Person(ViewId, Option<Person>),
    /// A friend code, as text.
    Invited {
        /// Of [`Command::Invite`].
        request: u32,
        /// The code; `None` where nobody publishes.
        code: Option<String>,
    },
    /// A draft became an event. It is pending; the views tell when it is saved and sent, and [`Update::Saved`] follows.
    Published {
        /// Of [`Command::Publish`].
        request: u32,
        /// The event.
        event: EventId,
        /// The thread it is in, if it is in one.
        thread: Option<ThreadId>,
        /// [`crate::event::Event::bytes`], for [`Command::Republish`] should this node end before it is saved.
        bytes: ByteBuf,
    },
    /// What was published is durable.
    Saved {
        /// Of [`Command::Publish`] or [`Command::Republish`].
        request: u32,
    },
    /// A draft did not.
    Refused {
        /// Of [`Command::Publish`].
        request: u32,
        /// Why, in words for the person.
        reason: DraftError,
    },
    /// The sessions, whenever one came, went or finished its first reconciliation.
    Network(Vec<SessionInfo>),
    /// Trouble worth telling, or its end.
    Notice(Notice),
}

/// One session, for the network status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The peer.
    pub peer: PeerId,
    /// What it is to us; `None` until it has said hello.
    pub role: Option<Role>,
    /// Whether missing events are still being looked for with it.
    pub syncing: bool,
    /// Whether it has not acknowledged what was written here, though it had time: it may keep nothing.
    pub swallows: bool,
}

/// Trouble worth telling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// Storing fails; what was written here is kept in memory and tried again.
    StorageFailing(StorageError),
    /// Storing works again.
    StorageWorks,
    /// Most events seem to come from the future: the local clock looks wrong.
    ClockLooksWrong,
    /// There are as many friends as [`Limits::friends`](crate::base::Limits::friends) allows; one more was not taken.
    FriendsFull,
}
