//! The libp2p behaviour of session streams: hands over those of `/chanterelle/1` that peers open, opens one where it is
//! told to, and refuses peers the protocol cannot name.
//!
//! Tabs come to a relay and open the stream; between relays whoever dialled does. What is said on a stream is the
//! business of [`super::session`], and which of two stays the driver's.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use chanterelle_core::wire::SESSION_PROTOCOL;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, SubstreamProtocol, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::key::core_peer;
use super::session::Opener;

/// What became of a stream.
#[derive(Debug)]
pub(crate) enum Event {
    /// A session can begin on it.
    Opened {
        /// With whom; its key is Ed25519.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// Who opened it.
        by: Opener,
        /// The stream.
        stream: Stream,
    },
    /// The peer does not take the one we wanted.
    Refused {
        /// On which connection.
        connection: ConnectionId,
        /// Why.
        reason: String,
    },
}

/// Why a peer is refused.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("only peers with an Ed25519 key can be spoken to")]
pub(crate) struct NotEd25519;

/// Hands over session streams, and opens them.
#[derive(Debug, Default)]
pub(crate) struct Behaviour {
    actions: VecDeque<ToSwarm<Event, Open>>,
    waker: Option<Waker>,
}

impl Behaviour {
    /// Opens a stream on a connection. An [`Event`] says what became of it, unless the connection ends first.
    pub(crate) fn open(&mut self, peer: PeerId, connection: ConnectionId) {
        let handler = NotifyHandler::One(connection);
        self.act(ToSwarm::NotifyHandler { peer_id: peer, handler, event: Open });
    }

    fn act(&mut self, action: ToSwarm<Event, Open>) {
        self.actions.push_back(action);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        core_peer(&peer).map(|_| Handler::default()).ok_or_else(|| ConnectionDenied::new(NotEd25519))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        core_peer(&peer).map(|_| Handler::default()).ok_or_else(|| ConnectionDenied::new(NotEd25519))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        outcome: THandlerOutEvent<Self>,
    ) {
        let event = match outcome {
            Outcome::Opened(stream, by) => Event::Opened { peer, connection, by, stream },
            Outcome::Refused(reason) => Event::Refused { connection, reason },
        };
        self.act(ToSwarm::GenerateEvent(event));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        if let Some(action) = self.actions.pop_front() {
            return Poll::Ready(action);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Asks a handler to open a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open;

/// What a handler tells.
#[derive(Debug)]
pub(crate) enum Outcome {
    Opened(Stream, Opener),
    Refused(String),
}

type Protocol = ReadyUpgrade<StreamProtocol>;

fn protocol() -> SubstreamProtocol<Protocol> {
    SubstreamProtocol::new(ReadyUpgrade::new(StreamProtocol::new(SESSION_PROTOCOL)), ())
}

/// The streams of one connection.
#[derive(Debug, Default)]
pub(crate) struct Handler {
    events: VecDeque<ConnectionHandlerEvent<Protocol, (), Outcome>>,
    waker: Option<Waker>,
}

impl Handler {
    fn tell(&mut self, event: ConnectionHandlerEvent<Protocol, (), Outcome>) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Outcome;
    type InboundProtocol = Protocol;
    type OutboundProtocol = Protocol;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Protocol> {
        protocol()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Protocol, (), Outcome>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, Open: Open) {
        self.tell(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol: protocol() });
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Protocol, Protocol>) {
        let outcome = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                Outcome::Opened(stream, Opener::Peer)
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream, ..
            }) => Outcome::Opened(stream, Opener::Us),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                Outcome::Refused(error.to_string())
            }
            _ => return,
        };
        self.tell(ConnectionHandlerEvent::NotifyBehaviour(outcome));
    }
}
