//! What page and media program say to each other, and what can be wrong.
//!
//! Every message is an array: first the bytes of a [`ToMedia`] or a [`ToPage`], in the same encoding as the messages of the
//! node's worker, postcard; behind them what does not belong into bytes, as each message says: files, bitmaps, and large
//! buffers, which are transferred. Page and program are of one build, so nothing here has versions, and bytes that do not
//! decode are a defect.
//!
//! The program's first message is [`ToPage::Ready`], after the page's first, [`ToMedia::Start`]. What is asked under a number
//! is answered once under that number, in any order.

use chanterelle_core::base::{BlobId, PeerId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most pixels of a picture, in all its rows: 160 MB once it is decoded.
pub const MAX_PIXELS: u64 = 40_000_000;

/// The longest side of a thumbnail, pixels.
pub const MAX_THUMB_SIDE: u32 = 250;

/// The type of what is neither picture nor sound nor film.
pub const UNKNOWN: &str = "application/octet-stream";

/// Names a question of the page's; the page counts.
pub type Call = u32;

/// Names a tab of a profile, by chance.
pub type Tab = u32;

/// What the page says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToMedia {
    /// First of all. Answered by [`ToPage::Ready`].
    Start {
        /// Names the build, so that tabs of another one are not heard.
        build: String,
        /// See [`ToMedia::Lead`].
        leads: bool,
    },
    /// Whether the page's worker leads, so that this one fetches, and removes what there is no room for.
    Lead(bool),
    /// Makes of a file what can be published. Behind it: the file; for a film also an `ImageBitmap` of one of its frames, if the
    /// page has one. Answered by [`ToPage::Prepared`], with [`ToPage::Progress`] before.
    Prepare {
        /// The question.
        call: Call,
        /// Whether the file's own encoding is to be kept. What tells of its maker goes either way.
        keep_encoding: bool,
    },
    /// Gives up a [`ToMedia::Prepare`], which is answered with [`PrepareError::Cancelled`] unless it was done before.
    Cancel(Call),
    /// Asks for a blob. Answered by [`ToPage::Opened`].
    Open {
        /// The question.
        call: Call,
        /// The blob.
        id: BlobId,
    },
    /// A post refers to these, which are prepared or wanted: they are kept as this class says, if they would not be kept longer
    /// anyway.
    Keep {
        /// The blobs.
        ids: Vec<BlobId>,
        /// Whose they are.
        class: Class,
    },
    /// Whose these are has changed, as when somebody is not followed any more.
    Classify {
        /// The blobs.
        ids: Vec<BlobId>,
        /// Whose they are.
        class: Class,
    },
    /// These are on the screen. Once for each time they come there is enough.
    Shown(Vec<BlobId>),
    /// A file that was prepared is in no draft any more. It goes, unless a post refers to it or it was prepared elsewhere, too.
    Remove(Vec<BlobId>),
    /// Asks how much there is. Answered by [`ToPage::Usage`].
    Usage(Call),
    /// Which of these are here whole. Answered by [`ToPage::Here`].
    Here {
        /// The question.
        call: Call,
        /// The blobs.
        ids: Vec<BlobId>,
    },
    /// All blobs that are neither fetched, kept nor served, replacing what was said before.
    Block(Vec<BlobId>),
    /// Fetch a blob. Said again, it replaces what was said before; hints are added. Followed by [`ToPage::Blob`].
    Want {
        /// Who wants it.
        tab: Tab,
        /// The blob.
        id: BlobId,
        /// Bytes, as the event says.
        size: u64,
        /// Whose it is.
        class: Class,
        /// How soon it is needed.
        urgency: Urgency,
        /// Who probably holds it.
        hints: Vec<PeerId>,
    },
    /// Do not fetch it any longer, unless another tab wants it, too.
    Unwant(Tab, BlobId),
    /// Find out how many peers hold these, replacing what was said before.
    Watch(Vec<BlobId>),
    /// What the network says of a peer.
    Net(PeerId, FromNet),
}

/// What the network says of a peer. Only the page of the tab that leads has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromNet {
    /// There is a session.
    Came,
    /// It is over, and with it the streams.
    Left,
    /// The stream of [`ToNet::Open`] is there.
    Opened,
    /// It cannot be had.
    Unopened,
    /// The peer has opened one.
    Accepted,
    /// A stream ended by itself.
    Closed(Side),
    /// A frame came, without its length. Behind it: an `ArrayBuffer` with the frame.
    Frame(Side),
    /// The connection took so many bytes of frames, without their lengths.
    Flushed(Side, u64),
}

/// What the network is to do with a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToNet {
    /// Open a stream of the media protocol.
    Open,
    /// Close a stream, and hand in nothing of it any more. The text says why, for logs.
    Close(Side, String),
    /// Send a frame behind its length. Behind it: an `ArrayBuffer` with the frame.
    Send(Side),
    /// A frame of so many bytes, without its length, has been dealt with.
    Took(Side, u32),
}

/// Which of the two streams between two peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// The one we opened.
    Ours,
    /// The one the other opened.
    Theirs,
}

/// How soon a blob is needed, the soonest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Urgency {
    /// A thumbnail that is on the screen.
    Thumbnail,
    /// A file that somebody opened.
    Original,
    /// To be kept for others.
    Background,
}

/// Whose a blob is: those that are kept longest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// The person's own.
    Own,
    /// What the person wants kept.
    Pinned,
    /// Of somebody the person follows.
    Followed,
    /// Of anybody else.
    Strangers,
}

/// What the program says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToPage {
    /// It is there.
    Ready(StorageStatus),
    /// How far a [`ToMedia::Prepare`] is. Several times a second at most.
    Progress {
        /// The question.
        call: Call,
        /// What is being done.
        stage: Stage,
        /// How much of all is done, 0 to 1.
        done: f32,
    },
    /// The answer to [`ToMedia::Prepare`].
    Prepared(Call, Result<Prepared, PrepareError>),
    /// The answer to [`ToMedia::Open`]. Behind it, if it was well: the blob, to make a URL of. Its type is that of its first
    /// bytes, whatever an event says, and nothing that a browser runs or lays out.
    Opened(Call, Result<Use, StoreError>),
    /// The answer to [`ToMedia::Usage`].
    Usage(Call, AllUsage),
    /// The answer to [`ToMedia::Here`].
    Here {
        /// The question.
        call: Call,
        /// Those that are.
        here: Vec<BlobId>,
        /// Those that are not.
        gone: Vec<BlobId>,
    },
    /// How a blob is that is wanted or watched.
    Blob(BlobId, Fetch),
    /// Other tabs have changed these, or they made room: what was not here may be, or the other way round.
    Changed(Vec<BlobId>),
    /// A peer gave bytes that are not the blob's; it is asked for nothing any more.
    Liar(PeerId, BlobId),
    /// What the storage refuses though nobody asked, such as blobs that come in on a full disk.
    Trouble(StoreError),
    /// What the network is to do with a peer.
    Net(PeerId, ToNet),
}

/// What a page may do with a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Use {
    /// Show or play it.
    Show,
    /// Only save it: a browser would not show it, or need more memory for it than there may be.
    Save,
}

/// How a blob is that is wanted or watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fetch {
    /// It comes, or is looked for. Not more often than a person can read.
    Progress {
        /// Groups that are here.
        held: u32,
        /// Groups in all; 0 while that is unknown.
        total: u32,
        /// How many peers say that they hold some of it.
        holders: u32,
    },
    /// All of it is here; it is wanted no longer.
    Complete,
    /// It is not fetched, because the browser has no room left for it, whatever of strangers' is removed.
    NoRoom,
    /// It is not fetched, because it is more than all that strangers' blobs may take; it could be pinned.
    NoShare,
    /// It is not fetched, because it is blocked.
    Blocked,
}

/// What is being done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// It waits for others.
    Waiting,
    /// Its structure is read.
    Reading,
    /// The picture is decoded.
    Decoding,
    /// The picture is made anew.
    Encoding,
    /// What comes of it is hashed and stored.
    Storing,
}

/// What can be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// What is stored.
    pub blob: Stored,
    /// Pixels of a row and of a column, as it is shown.
    pub size: Option<(u16, u16)>,
    /// Milliseconds.
    pub duration: Option<u64>,
    /// What stands for the picture before it is there: 1 to 32 bytes.
    pub thumbhash: Option<Vec<u8>>,
    /// A picture of at most [`MAX_THUMB_SIDE`].
    pub thumb: Option<Stored>,
    /// Whether what tells of its maker is out of it. Not so of a kind of file that nobody here knows.
    pub is_clean: bool,
    /// Whether it has the encoding it had.
    pub has_kept_encoding: bool,
}

/// A blob that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its name.
    pub id: BlobId,
    /// Bytes.
    pub size: u64,
    /// MIME type, of what is in it.
    pub kind: String,
}

/// How the storage is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageStatus {
    /// On disk.
    Kept,
    /// Nothing is kept beyond this visit, and why.
    MemoryOnly(String),
}

/// What there is of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// How many, parts of them included.
    pub blobs: u64,
    /// What is here of them, bytes.
    pub bytes: u64,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllUsage {
    /// Of each class of which there is something, those kept longest first.
    pub classes: Vec<(Class, Usage)>,
    /// What the browser allows this origin and how much of it is taken, bytes; none where it does not say.
    pub quota: Option<(u64, u64)>,
}

/// Why a file cannot be cleaned as it is.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum CleanError {
    /// It ends before what it says it has.
    #[error("the file is cut off")]
    Truncated,
    /// It contradicts itself, or is of another kind.
    #[error("the file is damaged: {0}")]
    Malformed(String),
    /// It has what tells of its maker where it cannot be taken out.
    #[error("the file cannot be cleaned as it is: {0}")]
    Stuck(String),
    /// It has more parts than any such file needs.
    #[error("the file is built like no other of its kind")]
    TooMuch,
    /// The browser cannot read it any more.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
}

/// Why storage does not.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum StoreError {
    /// There is no more room.
    #[error("there is no room left in this browser")]
    Full,
    /// It is not here, or not all of it.
    #[error("it is not here")]
    Missing,
    /// The browser gives none.
    #[error("the browser gives no storage: {0}")]
    Unavailable(String),
    /// The browser refuses, in its own words.
    #[error("the browser's storage fails: {0}")]
    Failed(String),
}

/// Why a file cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum PrepareError {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It has so many bytes.
    #[error("the file has {size} bytes, {most} is the most")]
    TooLarge {
        /// Bytes of it.
        size: u64,
        /// Bytes it may have.
        most: u64,
    },
    /// It has more than [`MAX_PIXELS`].
    #[error("{width} × {height} pixels are more than {MAX_PIXELS}; make the picture smaller")]
    TooManyPixels {
        /// Of a row.
        width: u32,
        /// Of a column.
        height: u32,
    },
    /// A kind of picture that browsers do not show, or this one does not; or a damaged one. In the browser's words, if it was
    /// asked.
    #[error("this browser cannot show the picture; save it as JPEG, PNG or WebP: {0}")]
    NoPicture(String),
    /// It is damaged, or cannot be cleaned.
    #[error(transparent)]
    Unclean(#[from] CleanError),
    /// It cannot be stored.
    #[error(transparent)]
    Storage(#[from] StoreError),
    /// What came of it is on the list of what this tab does not carry.
    #[error("it is blocked here")]
    Blocked,
    /// It was given up.
    #[error("it was given up")]
    Cancelled,
}

/// The bytes of a message.
///
/// # Panics
/// When the item is of a type that is no message.
#[must_use]
pub fn encode<T: Serialize>(item: &T) -> Vec<u8> {
    postcard::to_allocvec(item).expect("messages encode")
}

/// The message of these bytes.
///
/// # Errors
/// When they are of another build.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|error| error.to_string())
}
