//! How a tab without a browser dials a relay: a WebSocket to `/`, as js-libp2p and the browser's transport do.
//!
//! Written apart from the relay's side, on another library's client, so that a mistake is not made twice.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use rw_stream_sink::RwStreamSink;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Dials `/ip4/…/tcp/…/ws` and nothing else.
#[derive(Default)]
pub(crate) struct WebSocketDialler;

type Bytes = RwStreamSink<Messages>;

impl libp2p::Transport for WebSocketDialler {
    type Output = Bytes;
    type Error = io::Error;
    type ListenerUpgrade = std::future::Pending<io::Result<Bytes>>;
    type Dial = BoxFuture<'static, io::Result<Bytes>>;

    fn listen_on(&mut self, _: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let parts: Vec<Protocol<'_>> =
            address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        let [Protocol::Ip4(ip), Protocol::Tcp(port), Protocol::Ws(_)] = parts[..] else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        Ok(async move {
            let socket = TcpStream::connect((ip, port)).await?;
            let url = format!("ws://{ip}:{port}/");
            let (socket, _) = client_async(url, socket).await.map_err(io::Error::other)?;
            Ok(RwStreamSink::new(Messages(socket)))
        }
        .boxed())
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

/// The binary messages of a client's WebSocket.
pub(crate) struct Messages(WebSocketStream<TcpStream>);

impl Stream for Messages {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            return Poll::Ready(match ready!(self.0.poll_next_unpin(cx)) {
                Some(Ok(Message::Binary(bytes))) => Some(Ok(bytes.into())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(other)) if !other.is_close() => Some(Err(io::ErrorKind::InvalidData.into())),
                Some(Ok(_)) | None => None,
                Some(Err(error)) => Some(Err(io::Error::other(error))),
            });
        }
    }
}

impl Sink<Vec<u8>> for Messages {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready_unpin(cx).map_err(io::Error::other)
    }

    fn start_send(mut self: Pin<&mut Self>, bytes: Vec<u8>) -> io::Result<()> {
        self.0.start_send_unpin(Message::Binary(bytes.into())).map_err(io::Error::other)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush_unpin(cx).map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close_unpin(cx).map_err(io::Error::other)
    }
}
