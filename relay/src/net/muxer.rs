//! Many streams on one connection, by yamux (hashicorp/yamux, spec.md, version 0; `/yamux/1.0.0` in libp2p), with a
//! bound on what a connection may have waiting here.
//!
//! libp2p's own upgrade leaves the library's bound of 1 GiB for each connection. The library lets a window grow when half
//! of it is read within two round trips, and how long a round trip takes is the peer's to say. Here windows do not grow:
//! 256 KiB for each stream is 20 Mbit/s over 100 ms, more than a tab has to say.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::iter::{Once, once};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use yamux::{Connection, ConnectionError, Mode, Stream};

/// What a stream's window is in the specification, and stays here.
const WINDOW: usize = 256 * 1024;

/// The upgrade of a connection.
#[derive(Clone, Debug)]
pub(super) struct Config(yamux::Config);

impl Config {
    /// With at most so many streams at a time on a connection.
    pub(super) fn new(streams: usize) -> Config {
        let mut config = yamux::Config::default();
        // In this order: the library checks after each call that the windows of all streams fit.
        config.set_max_num_streams(streams).set_max_connection_receive_window(Some(streams * WINDOW));
        Config(config)
    }
}

impl UpgradeInfo for Config {
    type Info = &'static str;
    type InfoIter = Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> InboundConnectionUpgrade<C> for Config {
    type Output = Muxer<C>;
    type Error = ConnectionError;
    type Future = Ready<Result<Muxer<C>, ConnectionError>>;

    fn upgrade_inbound(self, connection: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(connection, self, Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> OutboundConnectionUpgrade<C> for Config {
    type Output = Muxer<C>;
    type Error = ConnectionError;
    type Future = Ready<Result<Muxer<C>, ConnectionError>>;

    fn upgrade_outbound(self, connection: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(connection, self, Mode::Client)))
    }
}

/// A connection and the streams that wait to be taken.
#[derive(Debug)]
pub(super) struct Muxer<C> {
    connection: Connection<C>,
    /// No more than there may be on the connection.
    waiting: VecDeque<Stream>,
    /// Who asked for the next stream in vain.
    asked: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn new(connection: C, config: Config, mode: Mode) -> Muxer<C> {
        Muxer {
            connection: Connection::new(connection, config.0, mode),
            waiting: VecDeque::new(),
            asked: None,
        }
    }

    /// The next stream from the peer. The library does all its work in here.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        self.connection.poll_next_inbound(cx).map(|next| next.unwrap_or(Err(ConnectionError::Closed)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        if let Some(stream) = self.waiting.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        self.asked = Some(cx.waker().clone());
        self.next(cx)
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        self.connection.poll_new_outbound(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connection.poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        while let Poll::Ready(stream) = self.next(cx) {
            self.waiting.push_back(stream?);
            if let Some(waker) = self.asked.take() {
                waker.wake();
            }
        }
        Poll::Pending
    }
}
