//! The transport: `<relay>/p2p-circuit/webrtc` on the outside, relayed connections inside.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;
use js_sys::Array;
use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_core::muxing::StreamMuxerBox;
use libp2p_core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p_identity::PeerId;
use send_wrapper::SendWrapper;

use crate::Error;
use crate::candidate::MayDial;
use crate::connection::Connection;
use crate::peer::Peer;
use crate::permit::Permit;
use crate::relayed;

/// From a relayed connection to a direct one. Longer than js-libp2p waits for a dial, 10 seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// Others that are answered at a time. Each may hold a connection of the browser for as long as we are patient, and whoever
/// makes keys for the purpose is as many as they like.
const ATTEMPTS: usize = 16;

/// How direct connections are made.
#[derive(Clone, Copy)]
pub struct Config {
    /// `RTCIceServer`s, asked anew for each connection: the person may have changed them.
    pub ice_servers: fn() -> Array,
    /// Where the other side may send this browser.
    pub may_dial: MayDial,
}

/// Makes direct connections with the help of a transport for relayed ones, which are authenticated and multiplexed, and
/// end as soon as they have served.
pub struct Transport<T> {
    relayed: T,
    config: Config,
    permit: Permit,
    /// How many others are being answered.
    attempts: SendWrapper<Rc<Cell<usize>>>,
}

impl<T> Transport<T> {
    /// Over a circuit relay client's transport with its upgrades. Without the permit nobody is dialled or answered.
    pub fn new(relayed: T, config: Config, permit: Permit) -> Transport<T> {
        Transport { relayed, config, permit, attempts: SendWrapper::new(Rc::default()) }
    }
}

/// One of those that are answered at a time.
struct Attempt(Rc<Cell<usize>>);

impl Attempt {
    fn begin(count: &Rc<Cell<usize>>) -> Option<Attempt> {
        (count.get() < ATTEMPTS).then(|| {
            count.set(count.get() + 1);
            Attempt(count.clone())
        })
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

type Upgrade = SendWrapper<Pin<Box<dyn Future<Output = Result<(PeerId, Connection), Error>>>>>;

impl<T> libp2p_core::Transport for Transport<T>
where
    T: libp2p_core::Transport<Output = (PeerId, StreamMuxerBox), Error: std::error::Error + 'static>
        + Unpin
        + 'static,
    T::Dial: 'static,
    T::ListenerUpgrade: 'static,
{
    type Output = (PeerId, Connection);
    type Error = Error;
    type ListenerUpgrade = Upgrade;
    type Dial = Upgrade;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<Error>> {
        let relayed = without_webrtc(&address).ok_or(TransportError::MultiaddrNotSupported(address))?;
        self.relayed.listen_on(id, relayed).map_err(|error| error.map(relay_failed))
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.relayed.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Upgrade, TransportError<Error>> {
        let relayed = without_webrtc(&address).ok_or(TransportError::MultiaddrNotSupported(address))?;
        let dial = self.relayed.dial(relayed, options).map_err(|error| error.map(relay_failed))?;
        let config = self.config;
        Ok(in_time(self.permit.clone(), async move {
            let (id, muxer) = dial.await.map_err(relay_failed)?;
            let peer = Peer::new(config)?;
            relayed::offer(muxer, &peer).await?;
            Ok((id, Connection::new(peer)))
        }))
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<TransportEvent<Upgrade, Error>> {
        let (config, permit, attempts) = (self.config, self.permit.clone(), self.attempts.clone());
        Pin::new(&mut self.relayed).poll(context).map(|event| match event {
            TransportEvent::NewAddress { listener_id, listen_addr } => {
                TransportEvent::NewAddress { listener_id, listen_addr: with_webrtc(&listen_addr) }
            }
            TransportEvent::AddressExpired { listener_id, listen_addr } => {
                TransportEvent::AddressExpired { listener_id, listen_addr: with_webrtc(&listen_addr) }
            }
            TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } => {
                let local_addr = with_webrtc(&local_addr);
                let attempt = Attempt::begin(&attempts);
                TransportEvent::Incoming {
                    listener_id,
                    upgrade: in_time(permit.clone(), async move {
                        let _attempt = attempt.ok_or(Error::TooManyAttempts)?;
                        let (id, muxer) = upgrade.await.map_err(relay_failed)?;
                        let peer = relayed::answer(muxer, config).await?;
                        Ok((id, Connection::new(peer)))
                    }),
                    // Behind the relay's own. Whoever dials is told of this address by identify, and js-libp2p fails at
                    // one that begins with neither an IP address nor a name.
                    send_back_addr: local_addr.iter().chain(&send_back_addr).collect(),
                    local_addr,
                }
            }
            TransportEvent::ListenerClosed { listener_id, reason } => {
                TransportEvent::ListenerClosed { listener_id, reason: reason.map_err(relay_failed) }
            }
            TransportEvent::ListenerError { listener_id, error } => {
                TransportEvent::ListenerError { listener_id, error: relay_failed(error) }
            }
        })
    }
}

fn in_time(
    permit: Permit,
    work: impl Future<Output = Result<(PeerId, Connection), Error>> + 'static,
) -> Upgrade {
    SendWrapper::new(Box::pin(async move {
        match select(pin!(permit.during(work)), Delay::new(PATIENCE)).await {
            Either::Left((outcome, _)) => outcome?,
            Either::Right(_) => Err(Error::TimedOut),
        }
    }))
}

fn relay_failed(error: impl std::error::Error) -> Error {
    Error::Relay(error.to_string())
}

/// `/webrtc` goes behind the circuit.
fn with_webrtc(address: &Multiaddr) -> Multiaddr {
    let mut outside = Multiaddr::empty();
    for part in address {
        let is_circuit = part == Protocol::P2pCircuit;
        outside.push(part);
        if is_circuit {
            outside.push(Protocol::WebRTC);
        }
    }
    outside
}

/// The relayed address below one of a direct connection; none if it is no such address.
fn without_webrtc(address: &Multiaddr) -> Option<Multiaddr> {
    let mut inside = Multiaddr::empty();
    let (mut circuit, mut webrtc) = (false, false);
    for part in address {
        match part {
            Protocol::WebRTC if circuit && !webrtc => webrtc = true,
            Protocol::WebRTC => return None,
            part => {
                circuit |= part == Protocol::P2pCircuit;
                inside.push(part);
            }
        }
    }
    webrtc.then_some(inside)
}

#[cfg(test)]
mod tests {
    use libp2p_core::Multiaddr;

    use super::{with_webrtc, without_webrtc};

    #[test]
    fn the_address_of_a_direct_connection_is_that_of_a_relayed_one_and_webrtc() {
        let relay =
            "/dns4/relay.example/tcp/443/tls/ws/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        let read = |text: String| -> Multiaddr { text.parse().expect("an address") };
        for end in ["", "/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"] {
            let outside = read(format!("{relay}/p2p-circuit/webrtc{end}"));
            let inside = read(format!("{relay}/p2p-circuit{end}"));
            assert_eq!(without_webrtc(&outside), Some(inside.clone()));
            assert_eq!(with_webrtc(&inside), outside);
            assert_eq!(without_webrtc(&inside), None);
        }
        for other in ["/webrtc", "/p2p-circuit/webrtc/webrtc"] {
            assert_eq!(without_webrtc(&read(format!("{relay}{other}"))), None);
        }
    }
}
