//! A direct connection, as libp2p has it: streams over the data channels of one `RTCPeerConnection`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures_timer::Delay;
use libp2p_core::muxing::{StreamMuxer, StreamMuxerEvent};
use send_wrapper::SendWrapper;

use crate::Error;
use crate::channel::Stream;
use crate::peer::Peer;

/// How long what was written last may take to leave the browser.
const PARTING: Duration = Duration::from_secs(1);

/// How often a browser is asked whether everything has left it; it tells of nothing.
const LOOK: Duration = Duration::from_millis(10);

/// A connection between two browsers. Closed when it is dropped; at [`StreamMuxer::poll_close`] what was written before is
/// sent first.
pub struct Connection(SendWrapper<Inner>);

struct Inner {
    /// None after the end.
    peer: Option<Peer>,
    parting: Option<(Delay, Delay)>,
}

impl Connection {
    pub(crate) fn new(peer: Peer) -> Connection {
        Connection(SendWrapper::new(Inner { peer: Some(peer), parting: None }))
    }
}

impl StreamMuxer for Connection {
    type Substream = Stream;
    type Error = Error;

    fn poll_inbound(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Stream, Error>> {
        let Some(peer) = &self.0.peer else { return Poll::Ready(Err(Error::Lost)) };
        peer.poll_arrived(context).map(Stream::new).map(Ok)
    }

    fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Stream, Error>> {
        let Some(peer) = &self.0.peer else { return Poll::Ready(Err(Error::Lost)) };
        Poll::Ready(peer.open().map(Stream::new))
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Inner { peer, parting } = &mut *self.0;
        let Some(open) = peer else { return Poll::Ready(Ok(())) };
        let (end, look) = parting.get_or_insert_with(|| (Delay::new(PARTING), Delay::new(LOOK)));
        while !open.is_sent() && end.poll_unpin(context).is_pending() {
            if look.poll_unpin(context).is_pending() {
                return Poll::Pending;
            }
            *look = Delay::new(LOOK);
        }
        *peer = None;
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Error>> {
        let Some(peer) = &self.0.peer else { return Poll::Ready(Err(Error::Lost)) };
        peer.poll_failed(context).map(Err)
    }
}
