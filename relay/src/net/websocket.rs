//! A WebSocket as a stream of bytes: what libp2p speaks on it.
//!
//! Message bounds mean nothing to libp2p; text is refused. Pings are answered by axum.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use rw_stream_sink::RwStreamSink;

use crate::clients::Slot;

/// The largest message taken, bytes. libp2p sends Noise frames of at most 64 KiB, a few to a message.
const MESSAGE_BYTES: usize = 256 * 1024;

/// The bytes of one WebSocket.
pub(crate) type WebSocketStream = RwStreamSink<Messages>;

/// Keeps the buffers of an upgrade small: with tungstenite's defaults an idle connection holds 134 KB.
pub(crate) fn sized(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_write_buffer_size(MESSAGE_BYTES)
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES)
}

/// Reads and writes the bytes of `socket`. `slot` is the client's place, if its connection does not hold it.
#[must_use]
pub(crate) fn stream(socket: WebSocket, slot: Option<Slot>) -> WebSocketStream {
    RwStreamSink::new(Messages { socket, _slot: slot })
}

/// The messages of one WebSocket, each as its bytes.
#[derive(Debug)]
pub(crate) struct Messages {
    socket: WebSocket,
    _slot: Option<Slot>,
}

impl Stream for Messages {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let item = match ready!(self.socket.poll_next_unpin(cx)) {
                None | Some(Ok(Message::Close(_))) => None,
                // An empty message would read as the end of the stream.
                Some(Ok(Message::Binary(bytes))) if bytes.is_empty() => continue,
                Some(Ok(Message::Binary(bytes))) => Some(Ok(bytes.into())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Text(_))) => {
                    Some(Err(io::Error::new(io::ErrorKind::InvalidData, "text on a WebSocket of libp2p")))
                }
                Some(Err(error)) => Some(Err(io::Error::other(error))),
            };
            return Poll::Ready(item);
        }
    }
}

impl Sink<Vec<u8>> for Messages {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_ready_unpin(cx).map_err(io::Error::other)
    }

    fn start_send(mut self: Pin<&mut Self>, bytes: Vec<u8>) -> io::Result<()> {
        self.socket.start_send_unpin(Message::Binary(bytes.into())).map_err(io::Error::other)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_flush_unpin(cx).map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_close_unpin(cx).map_err(io::Error::other)
    }
}
