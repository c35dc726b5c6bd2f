//! The libp2p transport of the relay: WebSockets that the HTTP server accepted and upgraded, and those to other relays.
//!
//! libp2p's own WebSocket transport owns its port; this one owns none, so that page, API and peers share one. It keeps
//! the client's address for the limits of the behaviours.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use tokio::sync::mpsc;

use super::dialler::Dialler;
use super::websocket::WebSocketStream;
use crate::address::Endpoint;
use crate::clients::ClientKey;

/// A WebSocket on its way from the HTTP server to libp2p.
pub(crate) struct Incoming {
    /// Its bytes.
    pub(crate) stream: WebSocketStream,
    /// Whose it is.
    pub(crate) client: ClientKey,
}

/// WebSockets as a transport.
pub(crate) struct WebSocketTransport {
    incoming: mpsc::Receiver<Incoming>,
    dialler: Dialler,
    listener: Option<Listener>,
}

struct Listener {
    id: ListenerId,
    address: Multiaddr,
    announced: bool,
}

impl WebSocketTransport {
    /// A transport of what comes out of `incoming` and what `dialler` opens.
    #[must_use]
    pub(crate) fn new(incoming: mpsc::Receiver<Incoming>, dialler: Dialler) -> WebSocketTransport {
        WebSocketTransport { incoming, dialler, listener: None }
    }
}

/// The address a client has for libp2p. An IPv6 address stands for its /64, so that the limits per address that
/// libp2p's behaviours keep count households like our own do; a tab cannot be dialled anyway.
fn client_multiaddr(client: ClientKey) -> Multiaddr {
    Multiaddr::from(client.address()).with(Protocol::Ws("/".into()))
}

impl libp2p::Transport for WebSocketTransport {
    type Output = WebSocketStream;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<WebSocketStream>>;
    type Dial = BoxFuture<'static, io::Result<WebSocketStream>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        if self.listener.is_some() {
            return Err(TransportError::Other(io::ErrorKind::AddrInUse.into()));
        }
        self.listener = Some(Listener { id, address, announced: false });
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listener.take_if(|listener| listener.id == id).is_some()
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(endpoint) = Endpoint::of(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        Ok(self.dialler.clone().dial(endpoint).boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let this = &mut *self;
        let Some(listener) = &mut this.listener else { return Poll::Pending };
        let (listener_id, local_addr) = (listener.id, listener.address.clone());
        if !std::mem::replace(&mut listener.announced, true) {
            return Poll::Ready(TransportEvent::NewAddress { listener_id, listen_addr: local_addr });
        }
        match this.incoming.poll_recv(cx) {
            Poll::Ready(Some(Incoming { stream, client })) => Poll::Ready(TransportEvent::Incoming {
                listener_id,
                upgrade: ready(Ok(stream)),
                local_addr,
                send_back_addr: client_multiaddr(client),
            }),
            Poll::Ready(None) => {
                this.listener = None;
                Poll::Ready(TransportEvent::ListenerClosed { listener_id, reason: Ok(()) })
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::client_multiaddr;
    use crate::clients::ClientKey;

    #[test]
    fn limits_of_libp2p_see_the_household() {
        let seen = |text: &str| {
            client_multiaddr(ClientKey::of(text.parse().expect("the test's address is one"))).to_string()
        };
        assert_eq!(seen("192.0.2.1"), "/ip4/192.0.2.1/ws");
        assert_eq!(seen("2001:db8:1:2:3::4"), "/ip6/2001:db8:1:2::/ws");
    }
}
