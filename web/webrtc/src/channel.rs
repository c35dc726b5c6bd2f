//! One stream over one data channel of the browser.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, poll_fn, select};
use futures::{AsyncRead, AsyncWrite};
use futures_timer::Delay;
use js_sys::{ArrayBuffer, Uint8Array};
use send_wrapper::SendWrapper;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::spawn_local;
use web_sys::{MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

use crate::framing::{self, DATA_BYTES};
use crate::substream::{Broken, EARLY_BYTES, RECEIVE_BYTES, Substream, Violation};
use crate::waiting::Waiting;

/// Bytes that may wait in the browser before writing waits.
const SEND_BYTES: u32 = 1024 * 1024;

/// With so many left, writing goes on.
const SEND_AGAIN_BYTES: u32 = 256 * 1024;

/// The longest message that is copied out of the browser: what descriptions say both sides take. Some browsers take a
/// gigabyte all the same.
const MESSAGE_BYTES: u32 = 256 * 1024;

/// How long the other side may take to say that it has everything, after nobody here wants the stream any more.
const LINGER: Duration = Duration::from_secs(10);

/// Called with what a peer did that ends its connection.
pub(crate) type OnViolation = Rc<dyn Fn(Violation)>;

/// A data channel with what has arrived on it.
pub(crate) struct Channel {
    raw: RtcDataChannel,
    substream: RefCell<Substream>,
    waiting: Waiting,
    on_violation: OnViolation,
    _on_change: Closure<dyn Fn()>,
    _on_message: Closure<dyn Fn(MessageEvent)>,
}

impl Channel {
    /// A channel that was opened here.
    pub(crate) fn opened(raw: RtcDataChannel, on_violation: OnViolation) -> Rc<Channel> {
        Channel::listen(raw, RECEIVE_BYTES, on_violation)
    }

    /// A channel that the other side opened, and for which nobody has asked yet.
    pub(crate) fn arrived(raw: RtcDataChannel, on_violation: OnViolation) -> Rc<Channel> {
        Channel::listen(raw, EARLY_BYTES, on_violation)
    }

    fn listen(raw: RtcDataChannel, limit: usize, on_violation: OnViolation) -> Rc<Channel> {
        raw.set_binary_type(RtcDataChannelType::Arraybuffer);
        raw.set_buffered_amount_low_threshold(SEND_AGAIN_BYTES);
        Rc::new_cyclic(|channel: &Weak<Channel>| {
            let of = channel.clone();
            let on_change = Closure::<dyn Fn()>::new(move || {
                if let Some(channel) = of.upgrade() {
                    channel.on_change();
                }
            });
            let of = channel.clone();
            let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
                if let Some(channel) = of.upgrade() {
                    channel.on_message(&event);
                }
            });
            let change = on_change.as_ref().unchecked_ref();
            raw.set_onopen(Some(change));
            raw.set_onclose(Some(change));
            raw.set_onerror(Some(change));
            raw.set_onbufferedamountlow(Some(change));
            raw.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
            Channel {
                raw,
                substream: RefCell::new(Substream::new(limit)),
                waiting: Waiting::default(),
                on_violation,
                _on_change: on_change,
                _on_message: on_message,
            }
        })
    }

    /// Somebody wants the channel that arrived.
    pub(crate) fn adopt(&self) {
        self.substream.borrow_mut().adopt();
    }

    /// Bytes that wait in the browser.
    pub(crate) fn unsent(&self) -> u32 {
        self.raw.buffered_amount()
    }

    /// The connection is gone.
    pub(crate) fn on_lost(&self) {
        self.substream.borrow_mut().on_closed();
        self.waiting.wake();
    }

    fn is_closed(&self) -> bool {
        matches!(self.raw.ready_state(), RtcDataChannelState::Closing | RtcDataChannelState::Closed)
    }

    fn on_change(&self) {
        if self.is_closed() {
            self.substream.borrow_mut().on_closed();
        }
        self.waiting.wake();
    }

    fn on_message(&self, event: &MessageEvent) {
        let Ok(buffer) = event.data().dyn_into::<ArrayBuffer>() else {
            return self.violated(Violation::Text);
        };
        if buffer.byte_length() > MESSAGE_BYTES {
            return self.violated(Violation::Framing);
        }
        let bytes = Uint8Array::new(&buffer).to_vec();
        let outcome = self.substream.borrow_mut().on_bytes(&bytes);
        match outcome {
            Ok(answer) => {
                if let Some(answer) = answer {
                    self.send(&answer);
                }
                self.waiting.wake();
            }
            Err(violation) => self.violated(violation),
        }
    }

    /// The connection will end of it. Until then nothing more is listened to.
    fn violated(&self, violation: Violation) {
        self.raw.set_onmessage(None);
        (self.on_violation)(violation);
    }

    /// Hands a frame to the browser; whether it took it.
    fn send(&self, frame: &[u8]) -> bool {
        // Fails when the channel is closing, of which its events tell.
        self.raw.ready_state() == RtcDataChannelState::Open && self.raw.send_with_u8_array(frame).is_ok()
    }

    /// Until something can be sent, or nothing can any more.
    fn poll_open(&self, context: &Context<'_>) -> Poll<()> {
        if self.raw.ready_state() == RtcDataChannelState::Connecting {
            self.waiting.add(context);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn poll_write(&self, context: &Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Broken>> {
        self.substream.borrow().writable()?;
        if self.poll_open(context).is_pending() {
            return Poll::Pending;
        }
        if self.raw.buffered_amount() >= SEND_BYTES {
            self.waiting.add(context);
            return Poll::Pending;
        }
        let count = bytes.len().min(DATA_BYTES);
        Poll::Ready(if self.send(&framing::data(&bytes[..count])) { Ok(count) } else { Err(Broken::Reset) })
    }

    fn poll_finish(&self, context: &Context<'_>) -> Poll<Result<(), Broken>> {
        if self.poll_open(context).is_pending() {
            return Poll::Pending;
        }
        let frame = self.substream.borrow_mut().finish()?;
        Poll::Ready(match frame {
            Some(frame) if !self.send(&frame) => Err(Broken::Reset),
            _ => Ok(()),
        })
    }

    fn poll_read(&self, context: &Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Broken>> {
        match self.substream.borrow_mut().read(buffer) {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                self.waiting.add(context);
                Poll::Pending
            }
        }
    }

    /// Nobody here wants the stream any more: the other side is told, and the channel closed when that loses nothing.
    fn abandon(self: Rc<Self>) {
        spawn_local(async move {
            let over = poll_fn(|context| {
                if self.is_closed() {
                    return Poll::Ready(());
                }
                // A channel that was never open cannot say that it will not be used.
                if self.poll_open(context).is_pending() {
                    return Poll::Pending;
                }
                let frame = self.substream.borrow_mut().abandon();
                if let Some(frame) = frame {
                    self.send(&frame);
                }
                // Closing sends what waits in the browser (W3C WebRTC, 6.2.4).
                if self.substream.borrow().is_over() {
                    return Poll::Ready(());
                }
                self.waiting.add(context);
                Poll::Pending
            });
            // Then it is closed by being dropped.
            let (Either::Left(_) | Either::Right(_)) = select(over, Delay::new(LINGER)).await;
        });
    }
}

impl Drop for Channel {
    /// Nothing calls back any more, and the browser closes the channel.
    fn drop(&mut self) {
        for clear in [
            RtcDataChannel::set_onopen,
            RtcDataChannel::set_onclose,
            RtcDataChannel::set_onerror,
            RtcDataChannel::set_onbufferedamountlow,
            RtcDataChannel::set_onmessage,
        ] {
            clear(&self.raw, None);
        }
        self.raw.close();
    }
}

/// A stream of a connection. Dropping it tells the other side, as far as it does not know yet.
pub struct Stream(SendWrapper<Rc<Channel>>);

impl Stream {
    pub(crate) fn new(channel: Rc<Channel>) -> Stream {
        Stream(SendWrapper::new(channel))
    }
}

#[cfg(test)]
impl Stream {
    /// Says something that no stream says.
    pub(crate) fn say(&self, text: &str) {
        self.0.raw.send_with_str(text).expect("the channel is open");
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        Rc::clone(&self.0).abandon();
    }
}

fn io_error(broken: Broken) -> io::Error {
    let kind = match broken {
        Broken::Reset => io::ErrorKind::ConnectionReset,
        Broken::Stopped | Broken::Finished => io::ErrorKind::BrokenPipe,
    };
    io::Error::new(kind, broken)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(context, buffer).map_err(io_error)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, bytes).map_err(io_error)
    }

    /// What was written is with the browser, which sends it without further asking.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_finish(context).map_err(io_error)
    }
}
