//! The libp2p behaviour that hands over streams of `/chanterelle/1`, and refuses peers the protocol cannot name.
//!
//! Peers come to a relay and open the stream; the relay opens none, so both sides never do at once. What is said on a
//! stream is the business of [`super::session`].

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use chanterelle_core::wire::SESSION_PROTOCOL;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{DeniedUpgrade, ReadyUpgrade};
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    Stream, StreamProtocol, SubstreamProtocol, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::key::core_peer;

/// A peer opened a session.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The peer.
    pub(crate) peer: chanterelle_core::base::PeerId,
    /// The stream.
    pub(crate) stream: Stream,
}

/// Why a peer is refused.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("only peers with an Ed25519 key can be spoken to")]
pub(crate) struct NotEd25519;

/// Hands over session streams.
#[derive(Debug, Default)]
pub(crate) struct Behaviour {
    opened: VecDeque<Opened>,
    waker: Option<Waker>,
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Opened;

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

    fn on_connection_handler_event(&mut self, peer: PeerId, _: ConnectionId, stream: THandlerOutEvent<Self>) {
        let Some(peer) = core_peer(&peer) else { return };
        self.opened.push_back(Opened { peer, stream });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Opened, THandlerInEvent<Self>>> {
        if let Some(opened) = self.opened.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(opened));
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Takes the streams of one connection.
#[derive(Debug, Default)]
pub(crate) struct Handler {
    streams: VecDeque<Stream>,
    waker: Option<Waker>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Stream;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = DeniedUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<ReadyUpgrade<StreamProtocol>> {
        SubstreamProtocol::new(ReadyUpgrade::new(StreamProtocol::new(SESSION_PROTOCOL)), ())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), Stream>> {
        if let Some(stream) = self.streams.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(stream));
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, ReadyUpgrade<StreamProtocol>, DeniedUpgrade>,
    ) {
        if let ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) =
            event
        {
            self.streams.push_back(stream);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }
}
