//! WebSocket connections as a libp2p transport.
//!
//! libp2p has one (`libp2p-websocket-websys` 0.6), which a board cannot live with: it wakes nobody when a socket fails
//! to open or is closed by the other side, so a relay that went away is noticed by a time-out only, and it holds every
//! flush back until a 100 ms interval finds the socket drained, several times in each handshake.
//!
//! Listens to nothing, knows no peer and asks no policy which address is dialled; noise and yamux go on top.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures::future::Pending;
use futures::{AsyncRead, AsyncWrite, FutureExt as _};
use futures_timer::Delay;
use js_sys::{ArrayBuffer, Uint8Array};
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use send_wrapper::SendWrapper;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use web_sys::{BinaryType, MessageEvent, WebSocket};

use super::address;

/// Bytes the browser may hold unsent before writing waits: a frame of the largest size several times over.
const SEND_BUFFER: u32 = 1024 * 1024;

/// Bytes that may have arrived unread before the connection is given up. yamux lets a peer send what its streams have
/// windows for, so only one that breaks the rules comes near.
const RECEIVE_BUFFER: usize = 16 * 1024 * 1024;

/// How often a full send buffer is looked at again: browsers tell of no event when it drains.
const DRAIN_CHECK: Duration = Duration::from_millis(20);

/// Dials WebSocket addresses.
pub(super) struct WebSocketTransport;

impl Transport for WebSocketTransport {
    type Output = Connection;
    type Error = io::Error;
    type ListenerUpgrade = Pending<Result<Connection, io::Error>>;
    type Dial = SendWrapper<Pin<Box<dyn Future<Output = Result<Connection, io::Error>>>>>;

    fn listen_on(&mut self, _: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        match address::url(&address) {
            Some(url) if !options.role.is_listener() => Ok(SendWrapper::new(Box::pin(Connection::open(url)))),
            _ => Err(TransportError::MultiaddrNotSupported(address)),
        }
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

/// An open WebSocket.
pub(super) struct Connection(SendWrapper<Inner>);

struct Inner {
    socket: WebSocket,
    shared: Rc<Shared>,
    drained: Option<Delay>,
    _on_change: Closure<dyn Fn()>,
    _on_message: Closure<dyn Fn(MessageEvent)>,
}

/// What the browser's callbacks have to say.
#[derive(Default)]
struct Shared {
    arrived: RefCell<VecDeque<Vec<u8>>>,
    /// Bytes of the first of `arrived` that have been read.
    read: Cell<usize>,
    /// Bytes of all of `arrived`.
    held: Cell<usize>,
    /// Why no more is taken from this peer.
    broken: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
}

impl Shared {
    fn wake(&self) {
        for waker in [&self.reader, &self.writer] {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
    }

    fn on_message(&self, event: &MessageEvent) {
        let Some(buffer) = event.data().dyn_into::<ArrayBuffer>().ok() else {
            // Text: no libp2p peer.
            self.broken.set(true);
            return self.wake();
        };
        let bytes = Uint8Array::new(&buffer).to_vec();
        self.held.set(self.held.get() + bytes.len());
        self.arrived.borrow_mut().push_back(bytes);
        if self.held.get() > RECEIVE_BUFFER {
            self.broken.set(true);
        }
        self.wake();
    }

    fn take(&self, buffer: &mut [u8]) -> usize {
        let mut arrived = self.arrived.borrow_mut();
        let mut filled = 0;
        while let Some(first) = arrived.front() {
            let rest = &first[self.read.get()..];
            let count = rest.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
            if count < rest.len() {
                self.read.set(self.read.get() + count);
                break;
            }
            self.read.set(0);
            arrived.pop_front();
        }
        self.held.set(self.held.get() - filled);
        filled
    }
}

impl Connection {
    async fn open(url: String) -> Result<Connection, io::Error> {
        let refused =
            || io::Error::new(io::ErrorKind::InvalidInput, "the browser refuses to dial this address");
        let socket = WebSocket::new(&url).map_err(|_| refused())?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let shared = Rc::new(Shared::default());
        let on_change = Closure::<dyn Fn()>::new({
            let shared = shared.clone();
            move || shared.wake()
        });
        let on_message = Closure::<dyn Fn(MessageEvent)>::new({
            let shared = shared.clone();
            move |event: MessageEvent| shared.on_message(&event)
        });
        let change = on_change.as_ref().unchecked_ref();
        socket.set_onopen(Some(change));
        socket.set_onclose(Some(change));
        socket.set_onerror(Some(change));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let inner = Inner { socket, shared, drained: None, _on_change: on_change, _on_message: on_message };
        poll_fn(|context| inner.poll_open(context)).await?;
        Ok(Connection(SendWrapper::new(inner)))
    }
}

impl Inner {
    fn poll_open(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.socket.ready_state() {
            WebSocket::CONNECTING => {
                self.shared.writer.replace(Some(context.waker().clone()));
                Poll::Pending
            }
            WebSocket::OPEN => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into())),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onclose(None);
        self.socket.set_onerror(None);
        self.socket.set_onmessage(None);
        // Without a code it cannot fail; one that is closed stays so.
        let _ = self.socket.close();
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Inner { socket, shared, .. } = &*self.0;
        if shared.broken.get() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let filled = shared.take(buffer);
        if filled > 0 || buffer.is_empty() {
            return Poll::Ready(Ok(filled));
        }
        if socket.ready_state() == WebSocket::OPEN {
            shared.reader.replace(Some(context.waker().clone()));
            return Poll::Pending;
        }
        Poll::Ready(Ok(0))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Inner { socket, drained, .. } = &mut *self.0;
        while socket.buffered_amount() >= SEND_BUFFER && socket.ready_state() == WebSocket::OPEN {
            ready!(drained.get_or_insert_with(|| Delay::new(DRAIN_CHECK)).poll_unpin(context));
            *drained = None;
        }
        if socket.ready_state() != WebSocket::OPEN {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(SEND_BUFFER as usize);
        match socket.send_with_u8_array(&bytes[..count]) {
            Ok(()) => Poll::Ready(Ok(count)),
            Err(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// What was written is with the browser, which sends it without further asking.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The browser still sends what it holds.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = self.0.socket.close();
        Poll::Ready(Ok(()))
    }
}
