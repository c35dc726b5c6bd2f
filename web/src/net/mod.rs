//! The network of a tab: who is dialled, and one session of frames per peer. The only importer of libp2p.
//!
//! Lives on the page, because `RTCPeerConnection` does not exist in workers; the node lives in the worker. Frames pass
//! through unread. Only relays are connected, over WebSocket; other transports are further modules beside
//! [`websocket`], whose sessions the [`driver`] keeps in the same table. Which relays, is decided in [`ways`].

mod address;
mod bootstrap;
mod driver;
mod redial;
mod session;
mod swarm;
mod ways;
mod websocket;

use std::rc::Rc;

use chanterelle_core::base::PeerId;
use chanterelle_core::invite::Address;
use chanterelle_core::node::{Relays, SessionInfo};
use futures::channel::mpsc::{UnboundedSender, unbounded};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::spawn_local;
use web_sys::{EventTarget, PageTransitionEvent};

pub(crate) use address::Refusal;
use driver::{Closing, Driver, Note};

/// How the network is, for the person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetStatus {
    /// Sessions with other tabs, over direct connections.
    pub(crate) direct: u32,
    /// Sessions with relays.
    pub(crate) relays: u32,
    /// Whether a session is being looked for.
    pub(crate) connecting: bool,
    /// What keeps it from being found, in words for the person.
    pub(crate) trouble: Option<String>,
}

/// What the network tells.
#[derive(Debug)]
pub(crate) enum NetEvent {
    /// A session is open; at most one at a time per peer.
    Connected(PeerId),
    /// It is gone.
    Disconnected(PeerId),
    /// A whole frame, without its length. To be answered by [`Net::took`], or the peer will not be read any more.
    Received(PeerId, Vec<u8>),
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

/// What a frame counts on its way from here to the node, bytes: also an empty one is a message and an allocation.
pub(crate) fn weight(frame: &[u8]) -> usize {
    frame.len() + 128
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

/// The network, which runs for as long as the page.
#[derive(Clone)]
pub(crate) struct Net {
    peer: PeerId,
    note: UnboundedSender<Note>,
}

impl Net {
    /// Makes a key for this visit. Connects to nobody before [`Net::begin`].
    pub(crate) fn start(on: impl Fn(NetEvent) + 'static) -> Net {
        let swarm = swarm::swarm();
        let peer = swarm::node_id(*swarm.local_peer_id()).expect("the swarm's key is Ed25519");
        let (note, notes) = unbounded();
        let driver = Driver::new(swarm, peer, bootstrap::origin(), note.clone(), Rc::new(on));
        spawn_local(driver.run(notes));
        let net = Net { peer, note };
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
