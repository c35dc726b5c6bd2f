//! What page and worker say to each other, and the one encoding of it: postcard, whose code is half as large as
//! DAG-CBOR's, because it has no names to read.
//!
//! Both ends are the same build of the same program, so nothing here has versions or golden bytes, and bytes that do
//! not decode are a defect. A message carries as many items as have come together; its buffer is transferred.

use chanterelle_core::base::{AuthorId, PeerId};
use chanterelle_core::invite::Address;
use chanterelle_core::node::{CloseReason, Command, Relays, Update};
use js_sys::{Array, Uint8Array};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::MessagePort;
use zeroize::Zeroizing;

use crate::net::NetStatus;
use crate::storage::{Lock, LockKey, SecretError, StorageStatus};

/// Names a tab of the profile: drawn anew by every worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TabId(pub(crate) u64);

/// What a page asks of whoever holds the storage, about the person's secret. Each is answered once.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// The secret and what belongs to it; the key is needed if there is a lock.
    Backup(Option<LockKey>),
    /// Put another identity here.
    Restore(Backup),
    /// Put the one from before back.
    Swap,
    /// Whether there is one, and a lock.
    State,
    /// Put a lock on, or take it off; the first key is that of the lock there is.
    Lock(Option<LockKey>, Option<(LockKey, Lock)>),
    /// Open what is locked, so that the node can run.
    Unlock(LockKey),
    /// The browser has promised to keep the storage, or not.
    Kept(bool),
}

/// What an identity is made of.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Backup {
    /// The secret everything is derived from.
    pub(crate) root: ByteArray<32>,
    /// What the node remembers beside events, if that was backed up.
    pub(crate) state: Option<ByteBuf>,
}

/// An answer.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// To [`Ask::Backup`].
    Backup(Backup),
    /// To [`Ask::State`].
    State {
        /// Whether an identity from before is kept.
        previous: bool,
        /// Whether a passphrase locks this one, and how.
        lock: Option<Lock>,
    },
    /// It is done.
    Done,
}

/// Shows that there is something, and no secret.
macro_rules! hidden {
    ($($item:ident)*) => {$(
        impl std::fmt::Debug for $item {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($item), "(..)"))
            }
        }
    )*};
}

hidden! { Ask Answer Backup }

/// What the page tells the worker.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// The page is there, and this is its key on the network. Comes first, and once.
    Start(PeerId),
    /// Whether the page is looked at. One that is takes over from a leader that does not answer.
    Seen(bool),
    /// The browser is about to stop this page: another tab should lead.
    Yield,
    /// How the network of this page is.
    Net(NetStatus),
    /// Something about the secret, with a number that the answer carries.
    Ask(u32, Ask),
    /// A person wants something.
    Command(Command),
    /// What the node should know of this page's network. Of use only while the node runs behind this page.
    OfNetwork(Command),
    /// A session is open; over a direct connection if it is so.
    Connected(PeerId, bool),
    /// It is gone.
    Disconnected(PeerId),
    /// A peer that was to be dialled cannot be reached directly.
    Unreachable(PeerId),
    /// A frame arrived.
    Received(PeerId, ByteBuf),
}

/// What the worker tells the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToPage {
    /// The node of this profile runs behind this page: from now on it may have sessions.
    Running,
    /// It does not any more: another tab leads, or none.
    Rests,
    /// How the network of the leading tab is.
    Net(NetStatus),
    /// Relays worth connecting to.
    Relays(Relays),
    /// A peer to be connected to directly, and where to ask for it.
    Dial(PeerId, Vec<Address>),
    /// A passphrase opens what is stored; the node waits for its key.
    Locked(Lock),
    /// The answer to what the page asked under this number.
    Answered(u32, Result<Answer, SecretError>),
    /// The person this profile belongs to, as others know them.
    Identity(AuthorId),
    /// The person should know.
    Update(Update),
    /// How the storage is.
    Storage(StorageStatus),
    /// The node cannot run now, in words for the person. If it does later, [`ToPage::Running`] tells.
    Failed(String),
    /// A frame to be sent.
    Send(PeerId, ByteBuf),
    /// A session to be closed after what was sent before.
    Close(PeerId, Ending),
    /// Frames of the peer of so much weight have been dealt with.
    Took(PeerId, u32),
    /// Nothing more is to be read from the peer for so many milliseconds.
    Pause(PeerId, u32),
}

/// Why the node ends a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// In words for the person.
    pub(crate) why: String,
    /// Whether it would end the next one too. A peer that said goodbye may be back at once.
    pub(crate) unwanted: bool,
}

impl From<CloseReason> for Ending {
    fn from(reason: CloseReason) -> Self {
        Self { why: reason.to_string(), unwanted: reason != CloseReason::Bye }
    }
}

/// Sends items as one message. None when there are none.
pub(crate) fn post<T: Serialize>(port: &MessagePort, items: &[T]) {
    if items.is_empty() {
        return;
    }
    let bytes = encode(items);
    port.post_message_with_transferable(&bytes, &Array::of1(&bytes.buffer()))
        .expect("a fresh buffer can be transferred");
}

/// One value as bytes. They may hold secrets, so no copy is left behind.
pub(super) fn encode<T: Serialize + ?Sized>(item: &T) -> Uint8Array {
    let bytes = Zeroizing::new(postcard::to_allocvec(item).expect("messages encode"));
    Uint8Array::from(bytes.as_slice())
}

/// Reads the items of a message.
///
/// # Errors
/// When the data is no message of the same build.
pub(crate) fn read<T: DeserializeOwned>(data: &JsValue) -> Result<Vec<T>, String> {
    decode(data)
}

/// Reads one value, and wipes the bytes.
///
/// # Errors
/// When the data is not that value in the form of the same build.
pub(super) fn decode<T: DeserializeOwned>(data: &JsValue) -> Result<T, String> {
    let bytes: &Uint8Array = data.dyn_ref().ok_or("the message holds no bytes")?;
    let copy = Zeroizing::new(bytes.to_vec());
    bytes.fill(0, 0, bytes.length());
    postcard::from_bytes(&copy).map_err(|error| error.to_string())
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use chanterelle_core::base::{AuthorId, BlobId, BoardId, BoardName, EventId, PeerId};
    use chanterelle_core::event::{
        Attachment, BlobRef, Content, Draft, DraftError, FileInfo, Persona, RenditionBody,
    };
    use chanterelle_core::invite::Address;
    use chanterelle_core::node::{CloseReason, Command, Relays, Target, Update};
    use chanterelle_core::view::Delta;
    use futures::channel::oneshot;
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_bytes::ByteBuf;
    use wasm_bindgen::JsCast as _;
    use wasm_bindgen::prelude::Closure;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::{MessageChannel, MessageEvent};

    use super::{Ending, ToPage, ToWorker, post, read};
    use crate::net::{Line, NetStatus};
    use crate::storage::StorageStatus;

    /// What arrives at the other end of a port.
    async fn cross<T: Serialize + DeserializeOwned + 'static>(items: &[T]) -> Vec<T> {
        let channel = MessageChannel::new().expect("the browser has message channels");
        let (sender, arrived) = oneshot::channel();
        let sender = Rc::new(Cell::new(Some(sender)));
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let items = read(&event.data()).expect("a message of this build");
            assert!(sender.take().expect("one message").send(items).is_ok());
        });
        channel.port2().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        // Nothing is sent for nothing, so this is not what arrives.
        post::<T>(&channel.port1(), &[]);
        post(&channel.port1(), items);
        arrived.await.expect("the message arrives")
    }

    /// A file of which little is said, as events leave out what is not.
    fn file(name: Option<&str>) -> Attachment {
        let info = FileInfo {
            name: name.map(str::to_owned),
            thumbhash: name.map(|_| ByteBuf::from(vec![1; 25])),
            ..FileInfo::new("image/png")
        };
        Attachment { blob: BlobRef { id: BlobId([5; 32]), size: u64::MAX }, thumb: None, info }
    }

    fn made() -> Content {
        let body = RenditionBody {
            source: BlobId([5; 32]),
            profile: "low".to_owned(),
            mime: "video/mp4".to_owned(),
            width: None,
            height: None,
            duration: Some(9),
        };
        let blob = BlobRef { id: BlobId([6; 32]), size: 1 };
        let (board, thread) = (BoardId([7; 32]), EventId([8; 32]));
        Content::Rendition { board, thread, post: thread, body, blob }
    }

    #[wasm_bindgen_test]
    async fn what_the_page_says_arrives_whole_and_in_order() {
        let peer = PeerId([0xfe; 32]);
        let board = BoardName::new("test").expect("a board name");
        let files = vec![file(None), file(Some("mill.png"))];
        let content = Content::Thread { board, subject: None, comment: "ä\u{1f344}\n".to_owned(), files };
        let items = [
            ToWorker::Start(peer),
            ToWorker::Seen(false),
            ToWorker::Yield,
            ToWorker::Net(NetStatus::default()),
            ToWorker::Command(Command::Publish(u32::MAX, Draft { persona: Persona::Identity, content })),
            ToWorker::Command(Command::Publish(1, Draft { persona: Persona::Identity, content: made() })),
            ToWorker::Command(Command::Open(1, Target::Post(EventId([1; 32])))),
            ToWorker::Connected(peer, true),
            ToWorker::Unreachable(peer),
            ToWorker::Received(peer, ByteBuf::from(vec![0, 255, 128])),
            ToWorker::Received(peer, ByteBuf::new()),
            ToWorker::Disconnected(peer),
        ];
        assert_eq!(cross(&items).await, items);
    }

    #[wasm_bindgen_test]
    async fn what_the_worker_says_arrives_whole_and_in_order() {
        let peer = PeerId([3; 32]);
        let items = [
            ToPage::Running,
            ToPage::Rests,
            ToPage::Net(NetStatus {
                direct: 1,
                relays: 2,
                connecting: true,
                trouble: Some("why".to_owned()),
                lines: vec![Line {
                    peer,
                    host: Some("relay.example".to_owned()),
                    since: 1.5e12,
                    bytes: (1, u64::MAX),
                    round_trip: Some(9),
                }],
                own: None,
            }),
            ToPage::Dial(peer, vec![Address::new(&[1, 2]).expect("the length of an address")]),
            ToPage::Relays(Relays::default()),
            ToPage::Identity(AuthorId([9; 32])),
            ToPage::Storage(StorageStatus::Ready { durable: true }),
            ToPage::Storage(StorageStatus::MemoryOnly("why".to_owned())),
            ToPage::Update(Update::Boards(1, Delta { reset: true, remove: Vec::new(), put: Vec::new() })),
            ToPage::Update(Update::Post(2, None)),
            ToPage::Update(Update::Refused { request: 4, reason: DraftError::Subject(100) }),
            ToPage::Send(peer, ByteBuf::from(vec![7; 100_000])),
            ToPage::Took(peer, u32::MAX),
            ToPage::Pause(peer, 1_000),
            ToPage::Close(peer, Ending::from(CloseReason::Budget)),
            ToPage::Close(peer, Ending::from(CloseReason::Bye)),
            ToPage::Failed("why".to_owned()),
        ];
        assert_eq!(cross(&items).await, items);
    }
}
