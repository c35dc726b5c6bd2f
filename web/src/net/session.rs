//! One stream to one peer, cut into frames: what arrives goes to a callback, what is to be sent waits in a queue.
//!
//! Both ways are bounded. What has arrived and is not yet dealt with stops the reading, and with it, through yamux, the
//! sender; a peer that does not take what is sent to it loses the session. Knows nothing of what frames say.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use chanterelle_core::wire::{Deframer, FramingError, prefixed};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{AbortHandle, Abortable, Either, select};
use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use futures_timer::Delay;
use wasm_bindgen_futures::spawn_local;

/// Bytes of frames that may wait to be sent. The protocol's credit keeps events below a window of 32 frames of
/// 160 KiB; what is beyond that and this is owed to a peer that asks and does not read.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of frames that may be on their way to the node before reading waits: a few frames of the largest size.
const INTAKE_BYTES: usize = 1024 * 1024;

/// Read at a time; yamux seldom has more at once.
const READ_BYTES: usize = 16 * 1024;

/// Frames are written together up to this size, so that many small ones cost one packet.
const WRITE_BYTES: usize = 32 * 1024;

/// How long the last frames of a session may take to go out.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a session ended.
#[derive(Debug)]
pub(super) enum End {
    /// It was to be finished here, or the peer closed it.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// The peer sent something that cannot be cut into frames.
    Framing(FramingError),
    /// The peer does not take what is sent to it.
    Overflow,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Closed => f.write_str("the session was closed"),
            End::Broken(error) => write!(f, "the connection broke: {error}"),
            End::Framing(error) => write!(f, "the peer breaks the protocol: {error}"),
            End::Overflow => f.write_str("the peer does not take what is sent to it"),
        }
    }
}

/// A session under way. Dropping it breaks the stream off; nothing is called after that.
pub(super) struct Session {
    queue: UnboundedSender<Vec<u8>>,
    queued: Rc<Cell<usize>>,
    intake: Rc<Intake>,
    give_up: AbortHandle,
    task: AbortHandle,
}

impl Session {
    /// Begins to read and write. `on_frame` gets every frame, without its length; `on_end` is called once, later.
    pub(super) fn start<S>(
        stream: S,
        frame_limit: usize,
        on_frame: impl Fn(Vec<u8>) + 'static,
        on_end: impl FnOnce(End) + 'static,
    ) -> Session
    where
        S: AsyncRead + AsyncWrite + 'static,
    {
        let (queue, frames) = unbounded();
        let queued = Rc::new(Cell::new(0));
        let intake = Rc::new(Intake::default());
        let (give_up, given_up) = AbortHandle::new_pair();
        let (task, cancelled) = AbortHandle::new_pair();

        let (reader, writer) = stream.split();
        let reading = read(reader, Deframer::new(frame_limit), intake.clone(), on_frame);
        let writing = write(writer, frames, queued.clone());
        let work = async move {
            match select(Box::pin(reading), Box::pin(writing)).await {
                // The peer may have closed its side only because it closes both; what waits here is lost with it.
                Either::Left((end, _)) => end,
                Either::Right((outcome, _)) => outcome.map_or_else(End::Broken, |()| End::Closed),
            }
        };
        let bounded = Abortable::new(work, given_up);
        let run = async move { on_end(bounded.await.unwrap_or(End::Overflow)) };
        spawn_local(async move {
            // Cancelled when the session was dropped: then nobody wants to know.
            let _ = Abortable::new(run, cancelled).await;
        });
        Session { queue, queued, intake, give_up, task }
    }

    /// Queues a frame. When the queue is full the session ends.
    pub(super) fn send(&self, frame: Vec<u8>) {
        self.queued.set(self.queued.get() + frame.len());
        if self.queued.get() > QUEUE_BYTES {
            self.give_up.abort();
            return;
        }
        // A session that is being finished takes no more.
        let _ = self.queue.unbounded_send(frame);
    }

    /// Sends what is queued and then ends, in bounded time.
    pub(super) fn finish(&self) {
        self.queue.close_channel();
        let give_up = self.give_up.clone();
        spawn_local(async move {
            Delay::new(FINISH_TIMEOUT).await;
            give_up.abort();
        });
    }

    /// So many bytes of frames have been dealt with.
    pub(super) fn took(&self, bytes: usize) {
        self.intake.took(bytes);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What has been read and not yet dealt with.
#[derive(Default)]
struct Intake {
    bytes: Cell<usize>,
    waiting: RefCell<Option<Waker>>,
}

impl Intake {
    fn took(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    async fn room(&self) {
        poll_fn(|context| {
            if self.bytes.get() < INTAKE_BYTES {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

async fn read<S: AsyncRead>(
    mut stream: ReadHalf<S>,
    mut deframer: Deframer,
    intake: Rc<Intake>,
    on_frame: impl Fn(Vec<u8>),
) -> End {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return End::Closed,
            Ok(count) => deframer.push(&buffer[..count]),
            Err(error) => return End::Broken(error),
        }
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => {
                    intake.room().await;
                    intake.bytes.set(intake.bytes.get() + frame.len());
                    on_frame(frame);
                }
                Ok(None) => break,
                Err(error) => return End::Framing(error),
            }
        }
    }
}

async fn write<S: AsyncWrite>(
    mut stream: WriteHalf<S>,
    mut frames: UnboundedReceiver<Vec<u8>>,
    queued: Rc<Cell<usize>>,
) -> io::Result<()> {
    while let Some(frame) = frames.next().await {
        let mut together = prefixed(&frame);
        let mut count = frame.len();
        while together.len() < WRITE_BYTES
            && let Ok(frame) = frames.try_recv()
        {
            together.extend_from_slice(&prefixed(&frame));
            count += frame.len();
        }
        stream.write_all(&together).await?;
        stream.flush().await?;
        queued.set(queued.get() - count);
    }
    // The channel was closed and is empty: all has been written.
    stream.close().await
}
