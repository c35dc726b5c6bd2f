//! The loop of the network: takes what libp2p, the browser and the worker say, goes the ways to relays, keeps one session
//! per peer.
//!
//! Of two streams that two peers open to each other at once, the one opened by the lower id stays, and the other is left
//! open unread beside it; a second stream from the same side replaces the first, whose end was not noticed. Nothing here
//! reads a frame.

mod media;
mod note;
mod relays;
mod status;
mod tabs;
#[cfg(all(test, target_arch = "wasm32"))]
mod tests;

use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::base::{Limits, PeerId as NodeId};
use chanterelle_core::invite::Address;
use chanterelle_core::wire::SESSION_PROTOCOL;
use chanterelle_webrtc::{Permit, Prepared};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures::future::Fuse;
use futures::{FutureExt as _, StreamExt as _, select};
use futures_timer::Delay;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Swarm, ping};
use libp2p_stream::{Control, OpenStreamError};
use vecmap::VecMap;
use wasm_bindgen_futures::spawn_local;

use super::address::{self, Given, Origin};
use super::bootstrap::Asking;
use super::direct::{self, Direct};

use super::session::{Hears, Session};
use super::swarm::{Behaviour, BehaviourEvent, Stack, node_id};
use super::ways::{Source, WayId, Ways};
use super::{NetEvent, NetStatus};

use media::MediaSeats;
pub(super) use media::{MEDIA, MediaNote};
pub(super) use note::{Closing, Note};

const PROTOCOL: StreamProtocol = StreamProtocol::new(SESSION_PROTOCOL);

/// A peer's session.
struct Seat {
    number: u64,
    peer: PeerId,
    opened_here: bool,
    /// Once the node has ended it; from then on nothing of it reaches the node.
    closing: Option<Closing>,
    /// Milliseconds since 1970.
    since: f64,
    round_trip: Option<u32>,
    session: Session,
    media: MediaSeats,
    _beside: Beside,
}

/// The other of two streams that were opened at once, as far as it had come. Closing it here could reach the peer before
/// the one that stays, and end there the session and the connection under both.
#[derive(Default)]
struct Beside {
    _session: Option<Session>,
    _stream: Option<Stream>,
}

/// See the module.
pub(super) struct Driver {
    swarm: Swarm<Behaviour>,
    prepared: Prepared,
    permit: Permit,
    control: Control,
    note: UnboundedSender<Note>,
    on: Rc<dyn Fn(NetEvent)>,
    key: Keypair,
    own: NodeId,
    origin: Origin,
    frame_limit: usize,
    seats: VecMap<NodeId, Seat>,
    next_number: u64,
    has_node: bool,
    /// Whether sessions are wanted: there is a node, and the page is not going away.
    is_wanted: bool,
    ways: Ways,
    direct: Direct,
    /// The ways of the attempts under way. libp2p does not call one back, so it goes on when the page is paused.
    dialling: VecMap<ConnectionId, WayId>,
    timer: Fuse<Delay>,
    asking: Asking,
    /// Whether the relay that the page came from was just found, there or by another way, and is to be asked.
    at_origin: bool,
    status: NetStatus,
    /// Whether a session came, went or was pinged since the status was made.
    is_stale: bool,
    /// What was last told of relays: where there is a session, and all that are known.
    relays: (Vec<Address>, Vec<Address>),
}

impl Driver {
    pub(super) fn new(
        Stack { swarm, prepared, permit }: Stack,
        key: Keypair,
        origin: Origin,
        note: UnboundedSender<Note>,
        on: Rc<dyn Fn(NetEvent)>,
    ) -> Self {
        let control = swarm.behaviour().streams.new_control();
        let own = node_id(key.public().to_peer_id()).expect("the key is Ed25519");
        let (mut ways, mut status) = (Ways::default(), NetStatus::default());
        match origin.address() {
            Ok(address) => ways.learn(address, Source::Origin),
            Err(why) => status.trouble = Some(why),
        }
        Self {
            swarm,
            prepared,
            permit,
            control,
            note,
            on,
            key,
            own,
            origin,
            frame_limit: Limits::default().frame_bytes,
            seats: VecMap::new(),
            next_number: 0,
            has_node: false,
            is_wanted: false,
            ways,
            direct: Direct::default(),
            dialling: VecMap::new(),
            timer: Fuse::terminated(),
            asking: Asking::default(),
            at_origin: false,
            status,
            is_stale: true,
            relays: Default::default(),
        }
    }

    /// Runs for as long as the page does.
    pub(super) async fn run(mut self, mut notes: UnboundedReceiver<Note>) {
        let incoming = self.control.accept(PROTOCOL).expect("the session protocol is accepted here alone");
        let mut incoming = incoming.fuse();
        let media = self.control.accept(MEDIA).expect("the media protocol is accepted here alone");
        let mut media = media.fuse();
        loop {
            let mut timer = std::mem::replace(&mut self.timer, Fuse::terminated());
            select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                note = notes.select_next_some() => self.on_note(note),
                (peer, stream) = incoming.select_next_some() => self.on_stream(peer, stream, false),
                (peer, stream) = media.select_next_some() => self.on_media_stream(peer, stream),
                () = timer => {}
            }
            self.pursue();
            self.tell();
        }
    }

    fn on_note(&mut self, note: Note) {
        match note {
            Note::Begin => {
                self.has_node = true;
                // A node that has just begun knows nothing of what was told before.
                self.relays = Default::default();
                self.direct.forget_told();
                self.resume();
            }
            Note::Resume => self.resume(),
            Note::Retry => self.ways.hurry(),
            Note::Pause => self.pause(),
            Note::End => {
                self.has_node = false;
                self.pause();
            }
            Note::Send(node, frame) => {
                if let Some(seat) = self.seats.get(&node) {
                    seat.session.send(frame);
                }
            }
            Note::Close(node, closing) => {
                if let Some(seat) = self.seats.get_mut(&node) {
                    seat.closing = Some(closing);
                    seat.session.finish();
                }
            }
            Note::Took(node, weight) => {
                if let Some(seat) = self.seats.get(&node) {
                    seat.session.took(weight);
                }
            }
            Note::Wait(node, wait) => {
                if let Some(seat) = self.seats.get(&node) {
                    seat.session.wait(wait);
                }
            }
            Note::Media(note) => self.on_media(note),
            Note::Dial(node, relays) => self.dial(node, &relays),
            Note::Allow(allowed) => self.allow(allowed),
            Note::Connect(Given::Relay(address)) => {
                self.ways.give(address);
                // It may be known, and resting.
                self.ways.hurry();
            }
            Note::Connect(Given::Tab(peer, address)) => self.dial_address(peer, vec![address]),
            Note::Prepared(node, connection) => self.take_prepared(node, *connection),
            Note::Know(relays) => self.on_know(&relays),
            Note::Judged(sessions) => {
                sessions.into_iter().for_each(|session| self.on_judged(&session));
            }
            Note::Told(info) => {
                info.addresses.into_iter().for_each(|way| self.ways.learn(way, Source::Known));
                if info.clock_off.is_some_and(|seconds| seconds > Limits::default().future_seconds) {
                    (self.on)(NetEvent::ClockOff);
                }
            }
            Note::Opened(peer, Ok(stream)) => self.on_stream(peer, stream, true),
            Note::Opened(peer, Err(error)) => self.on_not_opened(peer, &error),
            Note::Ended(node, number, end) => {
                if self.seats.get(&node).is_some_and(|seat| seat.number == number) {
                    self.leave(node, &end.to_string());
                }
            }
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let is_direct = direct::is_direct(endpoint.get_remote_address());
                let is_welcome = match (is_direct, self.dialling.contains_key(&connection_id)) {
                    (true, _) => self.is_wanted && self.direct.connected(connection_id, peer_id),
                    (false, true) => self.arrived(connection_id, peer_id),
                    // To a relay at which somebody is asked for: it ends by itself.
                    (false, false) => return,
                };
                self.direct.dialling.remove(&connection_id);
                if !is_welcome {
                    self.swarm.close_connection(connection_id);
                    return;
                }
                if endpoint.is_listener() {
                    return;
                }
                let (mut control, note) = (self.control.clone(), self.note.clone());
                spawn_local(async move {
                    let opened = control.open_stream(peer_id, PROTOCOL).await;
                    // The driver runs for as long as the page.
                    let _ = note.unbounded_send(Note::Opened(peer_id, opened));
                });
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                self.direct.disconnected(connection_id);
                if num_established > 0 {
                    return;
                }
                if let Some(node) = node_id(peer_id)
                    && self.seats.contains_key(&node)
                {
                    self.leave(node, "the connection was lost");
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, .. } => {
                if let Some(node) = self.direct.dialling.remove(&connection_id) {
                    (self.on)(NetEvent::Unreachable(node));
                }
                if let Some(way) = self.attempted(connection_id) {
                    self.failed(way, |host| format!("no connection to the relay at {host} can be made"));
                }
            }
            // A peer that does not know ping answers, so it is alive.
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(error),
                ..
            })) if !matches!(error, ping::Failure::Unsupported) => {
                self.swarm.close_connection(connection);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { peer, result: Ok(time), .. })) => {
                if let Some(seat) = self.seats.values_mut().find(|seat| seat.peer == peer) {
                    // Below a minute.
                    seat.round_trip = Some(time.as_millis() as u32);
                    self.is_stale = true;
                }
            }
            SwarmEvent::NewListenAddr { listener_id, .. } => {
                self.direct.reserved(listener_id);
                self.is_stale = true;
            }
            SwarmEvent::ListenerClosed { listener_id, .. } => {
                self.direct.closed(listener_id, now());
                self.is_stale = true;
            }
            _ => {}
        }
    }

    fn resume(&mut self) {
        self.is_wanted = self.has_node;
    }

    fn pause(&mut self) {
        self.is_wanted = false;
        // Here and not when their connections are closed, which must not be taken for the end of sessions after the pause.
        while let Some(node) = self.seats.keys().next().copied() {
            self.vacate(node);
        }
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            self.disconnect(peer);
        }
        self.ways.pause(|id| self.dialling.values().any(|way| *way == id));
        self.stop_listening();
    }

    /// Goes the ways that are to be gone now, and sees to it that this is looked at again in time.
    fn pursue(&mut self) {
        if !self.is_wanted {
            return;
        }
        let now = now();
        while let Some(peer) = self.ways.leave_for_another(now) {
            if let Some(node) = node_id(peer) {
                self.vacate(node);
            }
            self.disconnect(peer);
        }
        for (way, address) in self.ways.attempts(now) {
            let options = DialOpts::unknown_peer_id().address(address).build();
            let connection = options.connection_id();
            // Without libp2p's words for it, which know how to write each kind of address there is: 30 KB.
            if self.swarm.dial(options).is_err() {
                self.failed(way, |host| format!("the relay at {host} cannot be dialled"));
            } else {
                self.dialling.insert(connection, way);
            }
        }
        self.listen(now);
        self.ask_for_others(now);
        let ask_at = (!self.ways.is_enough()).then_some(self.asking.due).filter(|at| *at > now);
        if let Some(at) =
            self.ways.wake_at(now).into_iter().chain(ask_at).chain(self.direct.wake_at(now)).min()
        {
            self.timer = Delay::new(Duration::from_millis(at.saturating_sub(now))).fuse();
        }
    }

    fn on_not_opened(&mut self, peer: PeerId, error: &OpenStreamError) {
        if node_id(peer).is_some_and(|node| self.seats.contains_key(&node)) {
            return;
        }
        self.disconnect(peer);
        let Some(way) = self.ways.way_to(peer).map(|way| way.id) else { return };
        self.failed(way, |host| match error {
            OpenStreamError::UnsupportedProtocol(_) => {
                format!("the relay at {host} speaks another version; reload the page")
            }
            _ => format!("the relay at {host} opens no session"),
        });
    }

    fn on_stream(&mut self, peer: PeerId, stream: Stream, opened_here: bool) {
        let Some(node) = node_id(peer) else { return self.disconnect(peer) };
        // It was being opened when the page was paused.
        if !self.is_wanted {
            return self.disconnect(peer);
        }
        // Of a relay at which a tab is being asked for, and which nobody wants a session with.
        if !opened_here && !self.direct.is_with(&peer) && self.ways.way_to(peer).is_none() {
            return;
        }
        let mut beside = Beside::default();
        if let Some(seat) = self.seats.get_mut(&node) {
            let is_glare = seat.opened_here != opened_here;
            if is_glare && opened_here != (self.own < node) {
                seat._beside._stream = Some(stream);
                return;
            }
            let replaced = self.vacate(node);
            beside._session = replaced.filter(|_| is_glare).map(|seat| seat.session.shut());
        }
        let number = self.next_number;
        self.next_number += 1;
        let (on, note) = (self.on.clone(), self.note.clone());
        let hears = Hears {
            on_frame: Box::new(move |frame| on(NetEvent::Received(node, frame))),
            on_sent: Box::new(|_| {}),
            // The driver runs for as long as the page.
            on_end: Box::new(move |end| drop(note.unbounded_send(Note::Ended(node, number, end)))),
        };
        (self.on)(NetEvent::Connected(node, self.direct.is_with(&peer)));
        let session = Session::start(stream, self.frame_limit, hears);
        let (since, round_trip, closing) = (js_sys::Date::now(), None, None);
        let media = MediaSeats::default();
        let seat =
            Seat { number, peer, opened_here, closing, since, round_trip, session, media, _beside: beside };
        self.seats.insert(node, seat);
        self.is_stale = true;
        self.ways.up(peer, now());
        self.at_origin |= self.ways.way_to(peer).is_some_and(|way| way.is_origin());
        // Somebody else is there to be asked.
        self.asking = Asking::default();
    }

    /// Ends a session and the connection under it.
    fn leave(&mut self, node: NodeId, why: &str) {
        let Some(seat) = self.vacate(node) else { return };
        self.disconnect(seat.peer);
        let (why, unwanted) =
            seat.closing.as_ref().map_or((why, false), |closing| (closing.why.as_str(), closing.unwanted));
        if let Some(way) = self.ways.way_to(seat.peer) {
            let (id, why) = (way.id, format!("the relay at {}: {why}", address::host(&way.address)));
            self.ways.failed(id, why, unwanted, js_sys::Math::random(), now());
        }
    }

    fn vacate(&mut self, node: NodeId) -> Option<Seat> {
        let seat = self.seats.remove(&node)?;
        self.is_stale = true;
        // A session that the node has ended is gone for it.
        if seat.closing.is_none() {
            (self.on)(NetEvent::Disconnected(node));
        }
        Some(seat)
    }

    /// Ends the connections to a peer.
    fn disconnect(&mut self, peer: PeerId) {
        // Err says that there is no connection, which is what is wanted.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    fn failed(&mut self, way: WayId, why: impl FnOnce(&str) -> String) {
        if let Some(why) = self.ways.get_mut(way).map(|way| why(&address::host(&way.address))) {
            self.ways.failed(way, why, false, js_sys::Math::random(), now());
        }
    }
}

/// An address as it was passed on; `None` when it is none.
pub(super) fn multiaddr(address: &Address) -> Option<Multiaddr> {
    Multiaddr::try_from(address.as_bytes().to_vec()).ok().map(address::without_peer)
}

/// Milliseconds since the page was opened.
fn now() -> u64 {
    let performance = web_sys::window().and_then(|window| window.performance());
    // Positive and far below 2^53.
    performance.map_or(0.0, |performance| performance.now()) as u64
}
