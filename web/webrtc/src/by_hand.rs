//! A connection whose descriptions are passed on by people instead of a relay. Whoever passes them on vouches for whom
//! they are from.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, Ready, ready, select};
use futures_timer::Delay;
use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p_identity::PeerId;
use send_wrapper::SendWrapper;
use web_sys::{RtcDataChannel, RtcSdpType};

use crate::connection::Connection;
use crate::description::Description;
use crate::peer::Peer;
use crate::{Config, Error, handshake};

/// How long a browser may look for candidates. Whatever it has not found by then comes from a server that does not answer.
const GATHERING: Duration = Duration::from_secs(5);

/// How long people may take to pass on an answer.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// One side of a connection that is not there yet.
pub struct ByHand {
    peer: Peer,
    /// Of whoever offers.
    init: Option<RtcDataChannel>,
}

impl ByHand {
    /// Makes an offer.
    ///
    /// # Errors
    /// When the browser has no connections to give.
    pub async fn offer(config: Config) -> Result<(ByHand, Description), Error> {
        let peer = Peer::new(config)?;
        let init = Some(peer.open_init());
        peer.offer().await?;
        let description = gathered(&peer).await?;
        Ok((ByHand { peer, init }, description))
    }

    /// Answers an offer.
    ///
    /// # Errors
    /// When the browser has no connections to give, or does not take the offer.
    pub async fn answer(config: Config, offer: &Description) -> Result<(ByHand, Description), Error> {
        let peer = Peer::new(config)?;
        peer.hear(RtcSdpType::Offer, &offer.sdp(true)).await?;
        peer.answer().await?;
        let description = gathered(&peer).await?;
        Ok((ByHand { peer, init: None }, description))
    }

    /// Takes the answer to the offer.
    ///
    /// # Errors
    /// When the browser does not take it.
    pub async fn hear_answer(&self, answer: &Description) -> Result<(), Error> {
        self.peer.hear(RtcSdpType::Answer, &answer.sdp(false)).await
    }

    /// Waits for the connection, as long as people may take.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it does not come about.
    pub async fn connected(self) -> Result<Connection, Error> {
        let ByHand { peer, init } = self;
        match select(pin!(peer.connected_some_day()), Delay::new(PATIENCE)).await {
            Either::Left((outcome, _)) => outcome?,
            Either::Right(_) => return Err(Error::TimedOut),
        }
        if let Some(init) = init {
            handshake::close_init(&peer, &init).await;
        }
        Ok(Connection::new(peer))
    }
}

async fn gathered(peer: &Peer) -> Result<Description, Error> {
    let (Either::Left(_) | Either::Right(_)) = select(pin!(peer.gathered()), Delay::new(GATHERING)).await;
    let missing = || Error::Refused("the browser describes nothing".to_owned());
    Description::of(&peer.local_description().ok_or_else(missing)?).ok_or_else(missing)
}

/// Dials connections that are there already: whatever is put in on one side is taken out on the other, once.
#[derive(Clone)]
pub struct Prepared(SendWrapper<Rc<RefCell<Vec<Slot>>>>);

/// A connection until it is taken.
type Slot = Option<(PeerId, Connection)>;

impl Default for Prepared {
    fn default() -> Prepared {
        Prepared(SendWrapper::new(Rc::default()))
    }
}

impl Prepared {
    /// Puts a connection in; the address by which it is dialled.
    #[must_use]
    pub fn put(&self, peer: PeerId, connection: Connection) -> Multiaddr {
        let mut prepared = self.0.borrow_mut();
        prepared.push(Some((peer, connection)));
        Multiaddr::empty().with(Protocol::Memory(prepared.len() as u64)).with(Protocol::WebRTC)
    }

    fn take(&self, address: &Multiaddr) -> Option<(PeerId, Connection)> {
        let mut parts = address.iter();
        let (Some(Protocol::Memory(number)), Some(Protocol::WebRTC)) = (parts.next(), parts.next()) else {
            return None;
        };
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.0.borrow_mut().get_mut(at)?.take()
    }
}

impl libp2p_core::Transport for Prepared {
    type Output = (PeerId, Connection);
    type Error = Error;
    type ListenerUpgrade = Ready<Result<Self::Output, Error>>;
    type Dial = Ready<Result<Self::Output, Error>>;

    fn listen_on(&mut self, _: ListenerId, address: Multiaddr) -> Result<(), TransportError<Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<Error>> {
        match self.take(&address) {
            Some(prepared) => Ok(ready(Ok(prepared))),
            None => Err(TransportError::MultiaddrNotSupported(address)),
        }
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, Error>> {
        Poll::Pending
    }
}
