//! The relayed connection below the signalling. It belongs to this transport alone, and one stream of it is of use.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{Either, poll_fn, select};
use futures::stream::FuturesUnordered;
use futures_timer::Delay;
use libp2p_core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use multistream_select::{
    ListenerSelectFuture, Negotiated, Version, dialer_select_proto, listener_select_proto,
};

use crate::handshake;
use crate::peer::Peer;
use crate::signalling::PROTOCOL;
use crate::{Config, Error};

/// Streams of the other side on which a protocol is being agreed, at a time. js-libp2p opens one to identify us, before
/// it signals, and one to ping; these are told that nobody speaks that here.
const AGREEING: usize = 8;

/// How long the end of the connection may take. There is a direct one by then, or none.
const PARTING: Duration = Duration::from_secs(1);

/// A stream on which the signalling protocol was agreed.
type SignallingStream = Negotiated<SubstreamBox>;

/// Offers a direct connection over a relayed one, and ends the relayed one.
///
/// # Errors
/// Why it does not come about.
pub(crate) async fn offer(muxer: StreamMuxerBox, peer: &Peer) -> Result<(), Error> {
    let mut relayed = Relayed::new(muxer);
    let stream = poll_fn(|context| relayed.poll_opened(context)).await?;
    let work = async {
        // Lazily: the proposal travels with the offer.
        let agreed = dialer_select_proto(stream, [PROTOCOL], Version::V1Lazy).await;
        let (_, stream) = agreed.map_err(|_| Error::SignallingLost)?;
        handshake::offer(peer, stream).await
    };
    relayed.end_after(work).await
}

/// Answers the offer that comes over a relayed connection, and ends the relayed one.
///
/// # Errors
/// Why no direct connection comes about.
pub(crate) async fn answer(muxer: StreamMuxerBox, config: Config) -> Result<Peer, Error> {
    let mut relayed = Relayed::new(muxer);
    let stream = poll_fn(|context| relayed.poll_agreed(context)).await?;
    relayed.end_after(handshake::answer(config, stream)).await
}

struct Relayed {
    muxer: StreamMuxerBox,
    agreeing: FuturesUnordered<ListenerSelectFuture<SubstreamBox, &'static str>>,
}

impl Relayed {
    fn new(muxer: StreamMuxerBox) -> Relayed {
        Relayed { muxer, agreeing: FuturesUnordered::new() }
    }

    fn poll_opened(&mut self, context: &mut Context<'_>) -> Poll<Result<SubstreamBox, Error>> {
        if let Poll::Ready(opened) = self.muxer.poll_outbound_unpin(context) {
            return Poll::Ready(opened.map_err(|_| Error::SignallingLost));
        }
        self.poll_lost(context).map(Err)
    }

    /// Keeps the connection going, until it is lost or the other side has opened a signalling stream.
    fn poll_agreed(&mut self, context: &mut Context<'_>) -> Poll<Result<SignallingStream, Error>> {
        let lost = |_| Err(Error::SignallingLost);
        loop {
            while self.agreeing.len() < AGREEING {
                match self.muxer.poll_inbound_unpin(context) {
                    Poll::Ready(Ok(stream)) => self.agreeing.push(listener_select_proto(stream, [PROTOCOL])),
                    Poll::Ready(Err(error)) => return Poll::Ready(lost(error)),
                    Poll::Pending => break,
                }
            }
            // One that is done makes room for the next.
            match self.agreeing.poll_next_unpin(context) {
                Poll::Ready(Some(Ok((_, stream)))) => return Poll::Ready(Ok(stream)),
                Poll::Ready(Some(Err(_))) => {}
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        while let Poll::Ready(event) = self.muxer.poll_unpin(context) {
            if let Err(error) = event {
                return Poll::Ready(lost(error));
            }
        }
        Poll::Pending
    }

    /// Keeps the connection going until it is lost. A signalling stream is of no use here, and is reset by being dropped.
    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        loop {
            if let Err(error) = ready!(self.poll_agreed(context)) {
                return Poll::Ready(error);
            }
        }
    }

    async fn end_after<T>(mut self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut work = pin!(work);
        let mut is_lost = false;
        let outcome = poll_fn(|context| {
            if let Poll::Ready(outcome) = work.as_mut().poll(context) {
                return Poll::Ready(outcome);
            }
            if !is_lost {
                // Whoever is connected first ends this connection. The stream tells of it, and it may be of no harm.
                is_lost = self.poll_lost(context).is_ready();
                if is_lost {
                    context.waker().wake_by_ref();
                }
            }
            Poll::Pending
        })
        .await;
        if !is_lost {
            // What was said last is to arrive, unless the relay has fallen silent: that is no harm to what was made.
            let closed = poll_fn(|context| self.muxer.poll_close_unpin(context));
            let (Either::Left(_) | Either::Right(_)) = select(closed, Delay::new(PARTING)).await;
        }
        outcome
    }
}
