//! The relayed connection below the signalling. It belongs to this transport alone, and one stream of it is of use.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use futures::StreamExt as _;
use futures::future::poll_fn;
use futures::stream::FuturesUnordered;
use libp2p_core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use multistream_select::{
    ListenerSelectFuture, Negotiated, Version, dialer_select_proto, listener_select_proto,
};

use crate::Error;
use crate::signalling::PROTOCOL;

/// Streams of the other side on which a protocol is being agreed, at a time. js-libp2p opens one to identify us, before
/// it signals, and one to ping; these are told that nobody speaks that here.
const AGREEING: usize = 8;

/// A stream on which the signalling protocol was agreed.
pub(crate) type SignallingStream = Negotiated<SubstreamBox>;

type Agreeing = FuturesUnordered<ListenerSelectFuture<SubstreamBox, &'static str>>;

/// Opens a signalling stream and does something with it, while the connection is kept going; then ends the connection.
///
/// # Errors
/// Those of `then`, and when the connection is lost.
pub(crate) async fn on_opened<T, F>(
    muxer: StreamMuxerBox,
    then: impl FnOnce(SignallingStream) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut relayed = Relayed { muxer, agreeing: Agreeing::new() };
    let stream = poll_fn(|context| {
        if let Poll::Ready(opened) = relayed.muxer.poll_outbound_unpin(context) {
            return Poll::Ready(opened.map_err(|_| Error::SignallingLost));
        }
        relayed.poll_lost(context).map(Err)
    });
    let stream = stream.await?;
    let work = async {
        // Lazily: the proposal travels with the offer.
        let (_, stream) = dialer_select_proto(stream, [PROTOCOL], Version::V1Lazy)
            .await
            .map_err(|_| Error::SignallingLost)?;
        then(stream).await
    };
    relayed.end_after(work).await
}

/// Waits for a signalling stream of the other side and does something with it, while the connection is kept going; then
/// ends the connection.
///
/// # Errors
/// Those of `then`, and when the connection is lost.
pub(crate) async fn on_accepted<T, F>(
    muxer: StreamMuxerBox,
    then: impl FnOnce(SignallingStream) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut relayed = Relayed { muxer, agreeing: Agreeing::new() };
    let stream = poll_fn(|context| {
        if let Poll::Ready(lost) = relayed.poll_lost(context) {
            return Poll::Ready(Err(lost));
        }
        relayed.poll_agreed(context).map(Ok)
    });
    let stream = stream.await?;
    relayed.end_after(then(stream)).await
}

struct Relayed {
    muxer: StreamMuxerBox,
    agreeing: Agreeing,
}

impl Relayed {
    /// Keeps the connection going until it is lost.
    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        while self.agreeing.len() < AGREEING {
            match self.muxer.poll_inbound_unpin(context) {
                Poll::Ready(Ok(stream)) => self.agreeing.push(listener_select_proto(stream, [PROTOCOL])),
                Poll::Ready(Err(_)) => return Poll::Ready(Error::SignallingLost),
                Poll::Pending => break,
            }
        }
        while let Poll::Ready(event) = self.muxer.poll_unpin(context) {
            if event.is_err() {
                return Poll::Ready(Error::SignallingLost);
            }
        }
        Poll::Pending
    }

    fn poll_agreed(&mut self, context: &mut Context<'_>) -> Poll<SignallingStream> {
        loop {
            match self.agreeing.poll_next_unpin(context) {
                Poll::Ready(Some(Ok((_, stream)))) => return Poll::Ready(stream),
                Poll::Ready(Some(Err(_))) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
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
                // A second signalling stream is none of ours, and is reset by being dropped.
                while self.poll_agreed(context).is_ready() {}
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
            // What was said last is to arrive.
            let _ = poll_fn(|context| self.muxer.poll_close_unpin(context)).await;
        }
        outcome
    }
}
