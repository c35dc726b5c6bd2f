//! The network of a tab: who is dialled, and one session of frames per peer. The only importer of libp2p.
//!
//! Lives on the page, because `RTCPeerConnection` does not exist in workers; the node lives in the worker. Frames pass
//! through unread. Relays are connected over WebSocket, other tabs over WebRTC if the person wants that; the [`driver`]
//! keeps the sessions of both. Which relays, is decided in [`ways`]; which tabs, by the node.

mod address;
mod bootstrap;
mod by_hand;
mod direct;
mod driver;
mod ice;
mod intake;
mod redial;
mod session;
mod swarm;
mod ways;
mod websocket;

use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::base::PeerId;
use chanterelle_core::invite::Address;
use chanterelle_core::media::exchange::MediaStream;
use chanterelle_core::node::{Relays, SessionInfo};
use futures::channel::mpsc::{UnboundedSender, unbounded};
use libp2p::identity::Keypair;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::spawn_local;
use web_sys::{EventTarget, PageTransitionEvent};

use address::Given;
pub(crate) use address::Refusal;
use by_hand::{Coming, Offers};
pub(crate) use by_hand::{HandError, Taken};
use driver::{Closing, Driver, MediaNote, Note};
pub(crate) use ice::{OWN_SERVERS, Server};

/// One session, for the person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// With whom.
    pub(crate) peer: PeerId,
    /// The relay's host; none of a direct connection.
    pub(crate) host: Option<String>,
    /// Since when, milliseconds since 1970.
    pub(crate) since: f64,
    /// Bytes of frames sent, and received.
    pub(crate) bytes: (u64, u64),
    /// How long the last ping took there and back, milliseconds.
    pub(crate) round_trip: Option<u32>,
}

/// Who is there once an address that the person gave was dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The relay at this host.
    Relay(String),
    /// This tab.
    Tab(PeerId),
}

impl Expected {
    /// Whether it is there.
    pub(crate) fn is_met(&self, status: &NetStatus) -> bool {
        status.lines.iter().any(|line| match self {
            Expected::Relay(host) => line.host.as_ref() == Some(host),
            Expected::Tab(peer) => line.peer == *peer,
        })
    }
}

/// How the network is, for the person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct NetStatus {
    /// Sessions with other tabs, over direct connections.
    pub(crate) direct: u32,
    /// Sessions with relays.
    pub(crate) relays: u32,
    /// Whether a session is being looked for.
    pub(crate) connecting: bool,
    /// What keeps it from being found, in words for the person.
    pub(crate) trouble: Option<String>,
    /// The sessions, as of the last time one came, went or was pinged.
    pub(crate) lines: Vec<Line>,
    /// Where others can ask for this tab, if they can.
    pub(crate) own: Option<String>,
}

/// What the network tells.
#[derive(Debug)]
pub(crate) enum NetEvent {
    /// A session is open, over a direct connection if it is so; at most one at a time per peer.
    Connected(PeerId, bool),
    /// It is gone.
    Disconnected(PeerId),
    /// A whole frame, without its length. To be answered by [`Net::took`], or the peer will not be read any more.
    Received(PeerId, Vec<u8>),
    /// Something about a stream of media.
    Media(MediaEvent),
    /// A peer that was to be dialled cannot be reached.
    Unreachable(PeerId),
    /// The own peer record, or none when there are to be no direct connections.
    Direct(Option<Vec<u8>>),
    /// The status changed.
    Status(NetStatus),
    /// The clock of this device is far from that of the relay that the page came from.
    ClockOff,
    /// The relays changed.
    Relays {
        /// Where there is a session.
        here: Vec<Address>,
        /// All that are known, the best first.
        known: Vec<Address>,
    },
}

/// What happens to streams of media: at most one each way, for as long as there is a session.
#[derive(Debug)]
pub(crate) enum MediaEvent {
    /// A stream that was to be opened is there.
    Opened(PeerId),
    /// It cannot be opened, or the session is over.
    Unopened(PeerId),
    /// The peer has opened one. It is closed if nobody takes what comes.
    Accepted(PeerId),
    /// A stream has ended by itself.
    Closed(PeerId, MediaStream),
    /// A whole frame, without its length. To be answered by [`Net::took_media`].
    Received(PeerId, MediaStream, Vec<u8>),
    /// The connection has taken so many bytes of frames.
    Flushed(PeerId, MediaStream, usize),
}

/// What a frame counts on its way from here to the node, bytes: also an empty one is a message and an allocation.
pub(crate) fn weight(frame: &[u8]) -> usize {
    weight_of(frame.len())
}

/// The same of a frame of so many bytes.
fn weight_of(size: usize) -> usize {
    size + 128
}

/// The hosts of addresses that somebody told of, for the person to see before one is dialled.
///
/// # Errors
/// Why one of them must not be dialled.
pub(crate) fn hosts(addresses: &[Address]) -> Result<Vec<String>, Refusal> {
    let origin = bootstrap::origin();
    let host = |address| address::judge(&driver::multiaddr(address).ok_or(Refusal::Form)?, &origin);
    addresses.iter().map(host).collect()
}

/// The servers that help two tabs find a way to each other are these, before those that relays tell of.
pub(crate) fn use_servers(servers: Vec<Server>) {
    ice::set(servers);
}

/// The network, which runs for as long as the page.
#[derive(Clone)]
pub(crate) struct Net {
    peer: PeerId,
    key: Keypair,
    offers: Offers,
    note: UnboundedSender<Note>,
}

impl Net {
    /// Makes a key for this visit. Connects to nobody before [`Net::begin`].
    pub(crate) fn start(on: impl Fn(NetEvent) + 'static) -> Net {
        let key = Keypair::generate_ed25519();
        let peer = swarm::node_id(key.public().to_peer_id()).expect("the key is Ed25519");
        let (note, notes) = unbounded();
        let stack = swarm::swarm(&key);
        let offers = Offers::new(stack.permit.clone());
        let driver = Driver::new(stack, key.clone(), bootstrap::origin(), note.clone(), Rc::new(on));
        spawn_local(driver.run(notes));
        let net = Net { peer, key, offers, note };
        net.watch_page();
        net
    }

    /// This peer's key.
    pub(crate) fn peer(&self) -> PeerId {
        self.peer
    }

    /// There is a node to have sessions for.
    pub(crate) fn begin(&self) {
        self.tell(Note::Begin);
    }

    /// There is none any more.
    pub(crate) fn end(&self) {
        self.tell(Note::End);
    }

    /// Sends a frame on a peer's session, if there is one.
    pub(crate) fn send(&self, peer: PeerId, frame: Vec<u8>) {
        self.tell(Note::Send(peer, frame));
    }

    /// Ends a peer's session after what was sent before, with words why; `unwanted` when the node would end the next
    /// one too.
    pub(crate) fn close(&self, peer: PeerId, why: String, unwanted: bool) {
        self.tell(Note::Close(peer, Closing { why, unwanted }));
    }

    /// Frames of a peer of so much [`weight`] have been dealt with.
    pub(crate) fn took(&self, peer: PeerId, weight: usize) {
        self.tell(Note::Took(peer, weight));
    }

    /// Nothing more is to be read from a peer for so long.
    pub(crate) fn wait(&self, peer: PeerId, wait: Duration) {
        self.tell(Note::Wait(peer, wait));
    }

    /// Opens a stream of media to a peer there is a session with: [`MediaEvent::Opened`] or `Unopened` follows.
    pub(crate) fn open_media(&self, peer: PeerId) {
        self.tell(Note::Media(MediaNote::Open(peer)));
    }

    /// Sends a frame on a stream of media, if it is there.
    pub(crate) fn send_media(&self, peer: PeerId, stream: MediaStream, frame: Vec<u8>) {
        self.tell(Note::Media(MediaNote::Send(peer, stream, frame)));
    }

    /// A frame of a stream of media, of so many bytes, has been dealt with.
    pub(crate) fn took_media(&self, peer: PeerId, stream: MediaStream, size: usize) {
        self.tell(Note::Media(MediaNote::Took(peer, stream, weight_of(size))));
    }

    /// Breaks a stream of media off; nothing of it is told any more.
    pub(crate) fn close_media(&self, peer: PeerId, stream: MediaStream) {
        self.tell(Note::Media(MediaNote::Close(peer, stream)));
    }

    /// Connects to a peer directly, asking for it at one of these relays.
    pub(crate) fn dial(&self, peer: PeerId, relays: Vec<Address>) {
        self.tell(Note::Dial(peer, relays));
    }

    /// Whether the person wants direct connections, from now on.
    pub(crate) fn allow(&self, direct: bool) {
        // At once, and not when the driver comes to it.
        self.offers.allow(direct);
        self.tell(Note::Allow(direct));
    }

    /// Connects to an address that the person gives: whom to expect.
    ///
    /// # Errors
    /// Why it is not dialled.
    pub(crate) fn connect(&self, text: &str) -> Result<Expected, Refusal> {
        let given = Given::read(text, &bootstrap::origin())?;
        let expected = match &given {
            Given::Relay(address) => Expected::Relay(address::host(address)),
            Given::Tab(peer, _) => Expected::Tab(swarm::node_id(*peer).ok_or(Refusal::Form)?),
        };
        self.tell(Note::Connect(given));
        Ok(expected)
    }

    /// An offer of a direct connection, for the person to pass on.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn offer(&self) -> Result<String, HandError> {
        self.offers.offer(&self.key, self.peer).await
    }

    /// Takes an offer or an answer that somebody passed on.
    ///
    /// # Errors
    /// Why it leads to no connection.
    pub(crate) async fn take_code(&self, text: &str) -> Result<Taken, HandError> {
        let (taken, Coming { node, by_hand }) = self.offers.take(&self.key, self.peer, text).await?;
        let net = self.clone();
        spawn_local(async move {
            // If it does not come about there is nothing to do.
            if let Ok(connection) = net.offers.connected(by_hand).await {
                net.tell(Note::Prepared(node, Box::new(connection)));
            }
        });
        Ok(taken)
    }

    /// Relays worth connecting to.
    pub(crate) fn know(&self, relays: Relays) {
        self.tell(Note::Know(relays));
    }

    /// How the node finds its sessions.
    pub(crate) fn judged(&self, sessions: Vec<SessionInfo>) {
        self.tell(Note::Judged(sessions));
    }

    fn tell(&self, note: Note) {
        // The driver runs for as long as the page.
        let _ = self.note.unbounded_send(note);
    }

    /// Looks again at once when there is reason to, and leaves politely.
    fn watch_page(&self) {
        let window = web_sys::window().expect("the network lives on the page");
        let document = window.document().expect("a page has a document");
        let listen = |target: &EventTarget, event: &str, net: Net, then: fn(&Net, &web_sys::Event)| {
            let listener = Closure::<dyn Fn(web_sys::Event)>::new(move |event| then(&net, &event));
            target
                .add_event_listener_with_callback(event, listener.as_ref().unchecked_ref())
                .expect("any event can be listened to");
            // For as long as the page.
            listener.forget();
        };
        listen(&window, "online", self.clone(), |net, _| net.tell(Note::Retry));
        listen(&document, "visibilitychange", self.clone(), |net, _| {
            let document = web_sys::window().and_then(|window| window.document());
            if document.is_some_and(|document| !document.hidden()) {
                net.tell(Note::Retry);
            }
        });
        listen(&window, "pagehide", self.clone(), |net, _| net.tell(Note::Pause));
        listen(&window, "pageshow", self.clone(), |net, event| {
            // Also fired at the first showing, when nothing was paused.
            if event.dyn_ref::<PageTransitionEvent>().is_some_and(PageTransitionEvent::persisted) {
                net.tell(Note::Resume);
            }
        });
    }
}
