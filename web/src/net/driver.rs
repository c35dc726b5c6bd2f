//! The loop of the network: takes what libp2p, the browser and the worker say, dials the relay, keeps one session per
//! peer.
//!
//! Of two streams that two peers open to each other at once, the one opened by the lower id stays; a second stream
//! from the same side replaces the first, whose end was not noticed. Nothing here reads a frame.

#[cfg(all(test, target_arch = "wasm32"))]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::base::{Limits, PeerId as NodeId};
use chanterelle_core::wire::SESSION_PROTOCOL;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures::future::{Fuse, FusedFuture as _};
use futures::{FutureExt as _, StreamExt as _, select};
use futures_timer::Delay;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{PeerId, Stream, StreamProtocol, Swarm, ping};
use libp2p_stream::{Control, OpenStreamError};
use wasm_bindgen_futures::spawn_local;

use super::address::Origin;
use super::bootstrap::{self, Relay};
use super::redial::{Redial, SETTLED};
use super::session::{End, Session};
use super::swarm::{Behaviour, BehaviourEvent, node_id};
use super::{NetEvent, NetStatus};

const PROTOCOL: StreamProtocol = StreamProtocol::new(SESSION_PROTOCOL);

/// What reaches the driver beside libp2p's own events.
pub(super) enum Note {
    /// The node runs: from now on there should be a session.
    Begin,
    /// The page, which was paused, is shown again.
    Resume,
    /// The node does not run any more.
    End,
    /// Something happened that makes another attempt worth while.
    Retry,
    /// The page goes away, perhaps to come back.
    Pause,
    /// Send a frame.
    Send(NodeId, Vec<u8>),
    /// End a session after what was sent before.
    Close(NodeId, Closing),
    /// So many bytes of a peer's frames have been dealt with.
    Took(NodeId, usize),
    /// The relay that served the page said who it is, or did not.
    Found(Result<Relay, String>),
    /// A stream was opened, or was not.
    Opened(PeerId, Result<Stream, OpenStreamError>),
    /// The session of that number ended by itself.
    Ended(NodeId, u64, End),
}

/// Why the node has ended a session.
pub(super) struct Closing {
    /// In words for the person.
    pub(super) why: String,
    /// Whether it would end the next one too.
    pub(super) unwanted: bool,
}

/// A peer's session.
struct Seat {
    number: u64,
    peer: PeerId,
    opened_here: bool,
    /// Once the node has ended it; from then on nothing of it reaches the node.
    closing: Option<Closing>,
    session: Session,
}

/// See the module.
pub(super) struct Driver {
    swarm: Swarm<Behaviour>,
    control: Control,
    note: UnboundedSender<Note>,
    on: Rc<dyn Fn(NetEvent)>,
    own: NodeId,
    origin: Origin,
    frame_limit: usize,
    seats: BTreeMap<NodeId, Seat>,
    next_number: u64,
    has_node: bool,
    relay: Option<Relay>,
    /// Whether the relay is to be asked again who it is before it is dialled.
    is_stale: bool,
    is_asking: bool,
    redial: Redial,
    timer: Fuse<Delay>,
    status: NetStatus,
}

impl Driver {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        own: NodeId,
        origin: Origin,
        note: UnboundedSender<Note>,
        on: Rc<dyn Fn(NetEvent)>,
    ) -> Self {
        let control = swarm.behaviour().streams.new_control();
        Self {
            swarm,
            control,
            note,
            on,
            own,
            origin,
            frame_limit: Limits::default().frame_bytes,
            seats: BTreeMap::new(),
            next_number: 0,
            has_node: false,
            relay: None,
            is_stale: false,
            is_asking: false,
            redial: Redial::new(),
            timer: Fuse::terminated(),
            status: NetStatus::default(),
        }
    }

    /// Runs for as long as the page does.
    pub(super) async fn run(mut self, mut notes: UnboundedReceiver<Note>) {
        let incoming = self.control.accept(PROTOCOL).expect("the session protocol is accepted here alone");
        let mut incoming = incoming.fuse();
        // Before the node runs, so that the answer is there when it does.
        self.ask();
        loop {
            let mut timer = std::mem::replace(&mut self.timer, Fuse::terminated());
            select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                note = notes.select_next_some() => self.on_note(note),
                (peer, stream) = incoming.select_next_some() => self.on_stream(peer, stream, false),
                () = timer => self.on_timer(),
            }
            if self.timer.is_terminated() {
                self.timer = timer;
            }
            self.tell();
        }
    }

    fn on_note(&mut self, note: Note) {
        match note {
            Note::Begin => {
                self.has_node = true;
                self.resume();
            }
            Note::Resume => self.resume(),
            Note::Retry if self.redial.retry() => self.attempt(),
            Note::Retry => {}
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
            Note::Took(node, bytes) => {
                if let Some(seat) = self.seats.get(&node) {
                    seat.session.took(bytes);
                }
            }
            Note::Found(answer) => self.on_found(answer),
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
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } if endpoint.is_dialer() => {
                let (mut control, note) = (self.control.clone(), self.note.clone());
                spawn_local(async move {
                    let opened = control.open_stream(peer_id, PROTOCOL).await;
                    // The driver runs for as long as the page.
                    let _ = note.unbounded_send(Note::Opened(peer_id, opened));
                });
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                if let Some(node) = node_id(peer_id)
                    && self.seats.contains_key(&node)
                {
                    self.leave(node, "the connection was lost");
                }
            }
            // An attempt that was given up here says nothing about the relay.
            SwarmEvent::OutgoingConnectionError { error: DialError::Aborted, .. } => {}
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } if self.is_relay(peer) => {
                self.is_stale = true;
                let host = &self.origin.host;
                self.failed(match error {
                    DialError::WrongPeerId { .. } => format!("the relay at {host} is not who it said it is"),
                    _ => format!("no connection to the relay at {host} can be made"),
                });
            }
            // A peer that does not know ping answers, so it is alive.
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(error),
                ..
            })) if !matches!(error, ping::Failure::Unsupported) => {
                self.swarm.close_connection(connection);
            }
            _ => {}
        }
    }

    fn on_timer(&mut self) {
        self.redial.settled();
        if self.redial.retry() {
            self.attempt();
        }
    }

    fn resume(&mut self) {
        if self.has_node && self.redial.resume() {
            self.attempt();
        }
    }

    fn pause(&mut self) {
        self.redial.pause();
        let mut peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        // It may still be dialled.
        peers.extend(self.relay.as_ref().map(|relay| relay.peer));
        for peer in peers {
            self.disconnect(peer);
        }
    }

    /// Makes an attempt to connect.
    fn attempt(&mut self) {
        match &self.relay {
            Some(relay) if !self.is_stale => {
                let relay = relay.clone();
                self.dial(relay);
            }
            _ => self.ask(),
        }
    }

    fn ask(&mut self) {
        if std::mem::replace(&mut self.is_asking, true) {
            return;
        }
        let (origin, note) = (self.origin.clone(), self.note.clone());
        spawn_local(async move {
            let answer = bootstrap::relay(&origin).await;
            // The driver runs for as long as the page.
            let _ = note.unbounded_send(Note::Found(answer));
        });
    }

    fn on_found(&mut self, answer: Result<Relay, String>) {
        self.is_asking = false;
        let found = answer.map(|relay| self.relay = Some(relay));
        self.is_stale = found.is_err();
        if !self.redial.is_busy() {
            return;
        }
        // It may not answer as a web server and still be reached at another of its addresses.
        match (self.relay.clone(), found) {
            (Some(relay), _) => self.dial(relay),
            (None, Err(why)) => self.failed(why),
            (None, Ok(())) => unreachable!("a relay that was found is remembered"),
        }
    }

    fn dial(&mut self, relay: Relay) {
        let options = DialOpts::peer_id(relay.peer)
            .addresses(relay.addresses)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .build();
        if let Err(error) = self.swarm.dial(options) {
            self.failed(format!("the relay at {} cannot be dialled: {error}", self.origin.host));
        }
    }

    fn on_not_opened(&mut self, peer: PeerId, error: &OpenStreamError) {
        if node_id(peer).is_some_and(|node| self.seats.contains_key(&node)) {
            return;
        }
        self.disconnect(peer);
        if self.is_relay(peer) {
            let host = &self.origin.host;
            self.failed(match error {
                OpenStreamError::UnsupportedProtocol(_) => {
                    format!("the relay at {host} speaks another version; reload the page")
                }
                _ => format!("the relay at {host} opens no session"),
            });
        }
    }

    fn on_stream(&mut self, peer: PeerId, stream: Stream, opened_here: bool) {
        let Some(node) = node_id(peer) else { return self.disconnect(peer) };
        // It was being opened when the page was paused.
        if !self.redial.is_wanted() {
            return self.disconnect(peer);
        }
        if let Some(seat) = self.seats.get(&node) {
            let is_glare = seat.opened_here != opened_here;
            if is_glare && opened_here != (self.own < node) {
                return;
            }
            self.vacate(node);
        }
        let number = self.next_number;
        self.next_number += 1;
        let on_frame = {
            let on = self.on.clone();
            move |frame| on(NetEvent::Received(node, frame))
        };
        let on_end = {
            let note = self.note.clone();
            move |end| {
                // The driver runs for as long as the page.
                let _ = note.unbounded_send(Note::Ended(node, number, end));
            }
        };
        (self.on)(NetEvent::Connected(node));
        let session = Session::start(stream, self.frame_limit, on_frame, on_end);
        self.seats.insert(node, Seat { number, peer, opened_here, closing: None, session });
        if self.is_relay(peer) {
            self.redial.up();
            self.wait(SETTLED);
        }
    }

    /// Ends a session and the connection under it.
    fn leave(&mut self, node: NodeId, why: &str) {
        let Some(seat) = self.vacate(node) else { return };
        self.disconnect(seat.peer);
        if self.is_relay(seat.peer) {
            let (why, unwanted) = seat
                .closing
                .as_ref()
                .map_or((why, false), |closing| (closing.why.as_str(), closing.unwanted));
            self.lost(format!("the relay at {}: {why}", self.origin.host), unwanted);
        }
    }

    fn vacate(&mut self, node: NodeId) -> Option<Seat> {
        let seat = self.seats.remove(&node)?;
        // A session that the node has ended is gone for it.
        if seat.closing.is_none() {
            (self.on)(NetEvent::Disconnected(node));
        }
        Some(seat)
    }

    /// Ends the connections to a peer, and attempts at one.
    fn disconnect(&mut self, peer: PeerId) {
        // Err says that there is no connection, which is what is wanted.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    fn is_relay(&self, peer: PeerId) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.peer == peer)
    }

    fn failed(&mut self, why: String) {
        self.lost(why, false);
    }

    fn lost(&mut self, why: String, unwanted: bool) {
        if let Some(wait) = self.redial.failed(why, unwanted, js_sys::Math::random()) {
            self.wait(wait);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.timer = Delay::new(time).fuse();
    }

    /// Tells the page how the network is, when it is another way than last told.
    fn tell(&mut self) {
        let relays = self.seats.values().filter(|seat| seat.closing.is_none()).count();
        let status = NetStatus {
            direct: 0,
            relays: u32::try_from(relays).unwrap_or(u32::MAX),
            connecting: self.redial.is_missing(),
            trouble: self.redial.trouble().map(str::to_owned),
        };
        if self.status != status {
            self.status = status.clone();
            (self.on)(NetEvent::Status(status));
        }
    }
}
