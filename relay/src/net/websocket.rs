//! A WebSocket as a stream of bytes: what libp2p speaks on it, whoever opened it.
//!
//! Message bounds mean nothing to libp2p; text is refused. Pings are answered by the libraries.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use rw_stream_sink::RwStreamSink;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::clients::Slot;

/// The largest message taken, bytes. libp2p sends Noise frames of at most 64 KiB, a few to a message.
const MESSAGE_BYTES: usize = 256 * 1024;

/// Bytes read at a time. With tungstenite's defaults an idle connection holds 134 KB.
const READ_BYTES: usize = 1024;

/// The bytes of one WebSocket.
pub(crate) type WebSocketStream = RwStreamSink<Messages>;

/// What a dialled WebSocket lies on: a socket, or TLS on one.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

/// Keeps the buffers of an upgrade small.
pub(crate) fn sized(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(MESSAGE_BYTES)
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES)
}

/// Reads and writes the bytes of `socket`, which a client opened. `slot` is the client's place, if its connection does
/// not hold it.
#[must_use]
pub(crate) fn accepted(socket: WebSocket, slot: Option<Slot>) -> WebSocketStream {
    RwStreamSink::new(Messages { socket: Socket::Accepted(socket), _slot: slot })
}

/// Opens a WebSocket to `url` on a connection to its host.
///
/// # Errors
/// When the other side is no server of WebSockets, or does not want one.
pub(crate) async fn dial(url: &str, connection: Box<dyn Carrier>) -> io::Result<WebSocketStream> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(MESSAGE_BYTES)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES));
    let opened = client_async_with_config(url, connection, Some(config)).await;
    let (socket, _) = opened.map_err(io::Error::other)?;
    Ok(RwStreamSink::new(Messages { socket: Socket::Dialled(socket), _slot: None }))
}

/// The messages of one WebSocket, each as its bytes.
pub(crate) struct Messages {
    socket: Socket,
    _slot: Option<Slot>,
}

/// Who opened it decides which library it comes from.
enum Socket {
    Accepted(WebSocket),
    Dialled(tokio_tungstenite::WebSocketStream<Box<dyn Carrier>>),
}

/// What libp2p cares for in a message.
enum Content {
    Bytes(Bytes),
    Text,
    Close,
    /// Pings and pongs.
    Nothing,
}

impl From<Message> for Content {
    fn from(message: Message) -> Content {
        match message {
            Message::Binary(bytes) => Content::Bytes(bytes),
            Message::Text(_) => Content::Text,
            Message::Close(_) => Content::Close,
            Message::Ping(_) | Message::Pong(_) => Content::Nothing,
        }
    }
}

impl From<tungstenite::Message> for Content {
    fn from(message: tungstenite::Message) -> Content {
        match message {
            tungstenite::Message::Binary(bytes) => Content::Bytes(bytes),
            tungstenite::Message::Text(_) => Content::Text,
            tungstenite::Message::Close(_) => Content::Close,
            _ => Content::Nothing,
        }
    }
}

impl Socket {
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Content>>> {
        match self {
            Socket::Accepted(socket) => socket.poll_next_unpin(cx).map(|item| item.map(content)),
            Socket::Dialled(socket) => socket.poll_next_unpin(cx).map(|item| item.map(content)),
        }
    }
}

fn content<M, E>(message: Result<M, E>) -> io::Result<Content>
where
    M: Into<Content>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    message.map(Into::into).map_err(io::Error::other)
}

impl Stream for Messages {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let item = match ready!(self.socket.poll_content(cx)) {
                None | Some(Ok(Content::Close)) => None,
                Some(Ok(Content::Nothing)) => continue,
                // An empty message would read as the end of the stream.
                Some(Ok(Content::Bytes(bytes))) if bytes.is_empty() => continue,
                Some(Ok(Content::Bytes(bytes))) => Some(Ok(bytes.into())),
                Some(Ok(Content::Text)) => {
                    Some(Err(io::Error::new(io::ErrorKind::InvalidData, "text on a WebSocket of libp2p")))
                }
                Some(Err(error)) => Some(Err(error)),
            };
            return Poll::Ready(item);
        }
    }
}

impl Sink<Vec<u8>> for Messages {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Accepted(socket) => socket.poll_ready_unpin(cx).map_err(io::Error::other),
            Socket::Dialled(socket) => socket.poll_ready_unpin(cx).map_err(io::Error::other),
        }
    }

    fn start_send(mut self: Pin<&mut Self>, bytes: Vec<u8>) -> io::Result<()> {
        let bytes = Bytes::from(bytes);
        match &mut self.socket {
            Socket::Accepted(socket) => {
                socket.start_send_unpin(Message::Binary(bytes)).map_err(io::Error::other)
            }
            Socket::Dialled(socket) => {
                socket.start_send_unpin(tungstenite::Message::Binary(bytes)).map_err(io::Error::other)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Accepted(socket) => socket.poll_flush_unpin(cx).map_err(io::Error::other),
            Socket::Dialled(socket) => socket.poll_flush_unpin(cx).map_err(io::Error::other),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Accepted(socket) => socket.poll_close_unpin(cx).map_err(io::Error::other),
            Socket::Dialled(socket) => socket.poll_close_unpin(cx).map_err(io::Error::other),
        }
    }
}
