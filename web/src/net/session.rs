//! One stream to one peer, cut into frames: what arrives goes to a callback, what is to be sent waits in a queue.
//!
//! Both ways are bounded. What has arrived and is not yet dealt with stops the reading, and with it, through yamux, the
//! sender; a peer that does not take what is sent to it loses the session. Knows nothing of what frames say.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::wire::{Deframer, FramingError, prefixed};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{AbortHandle, Abortable, Either, select};
use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use futures_timer::Delay;
use wasm_bindgen_futures::spawn_local;

use super::intake::Intake;

/// Bytes of frames that may wait to be sent. The protocol's credit keeps events below a window of 32 frames of
/// 160 KiB; what is beyond that and this is owed to a peer that asks and does not read.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

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

/// Who hears of a session. Boxed, so that all kinds of streams share one copy of the program.
pub(super) struct Hears {
    /// Gets every frame, without its length.
    pub(super) on_frame: Box<dyn Fn(Vec<u8>)>,
    /// Is told how many bytes of frames the connection has taken.
    pub(super) on_sent: Box<dyn Fn(usize)>,
    /// Is called once, later.
    pub(super) on_end: Box<dyn FnOnce(End)>,
}

/// A session under way. Dropping it breaks the stream off; nothing is called after that.
pub(super) struct Session {
    queue: UnboundedSender<Vec<u8>>,
    queued: Rc<Cell<usize>>,
    sent: Rc<Cell<u64>>,
    intake: Rc<Intake>,
    give_up: AbortHandle,
    task: AbortHandle,
}

impl Session {
    /// Begins to read and write.
    pub(super) fn start<S>(stream: S, frame_limit: usize, hears: Hears) -> Session
    where
        S: AsyncRead + AsyncWrite + 'static,
    {
        let Hears { on_frame, on_sent, on_end } = hears;
        let (queue, frames) = unbounded();
        let queued = Rc::new(Cell::new(0));
        let sent = Rc::new(Cell::new(0));
        let intake = Rc::new(Intake::default());
        let (give_up, given_up) = AbortHandle::new_pair();
        let (task, cancelled) = AbortHandle::new_pair();

        let (reader, writer) = stream.split();
        let reading = read(reader, Deframer::new(frame_limit), intake.clone(), on_frame);
        let writing = write(writer, frames, queued.clone(), sent.clone(), on_sent);
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
        Session { queue, queued, sent, intake, give_up, task }
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

    /// Takes nothing more in, and stays open.
    pub(super) fn shut(self) -> Session {
        self.intake.shut();
        self
    }

    /// Sends what is queued and then ends, in bounded time. Nothing more arrives.
    pub(super) fn finish(&self) {
        self.intake.shut();
        self.queue.close_channel();
        let give_up = self.give_up.clone();
        spawn_local(async move {
            Delay::new(FINISH_TIMEOUT).await;
            give_up.abort();
        });
    }

    /// Bytes of frames sent, and received.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.sent.get(), self.intake.received())
    }

    /// Frames of so much [`weight`] have been dealt with.
    pub(super) fn took(&self, weight: usize) {
        self.intake.took(weight);
    }

    /// Reads nothing more for so long; what waits then holds up the peer.
    pub(super) fn wait(&self, wait: Duration) {
        let intake = self.intake.clone();
        intake.pause();
        spawn_local(async move {
            Delay::new(wait).await;
            intake.go_on();
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read<S: AsyncRead>(
    mut stream: ReadHalf<S>,
    mut deframer: Deframer,
    intake: Rc<Intake>,
    on_frame: Box<dyn Fn(Vec<u8>)>,
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
                    intake.read(&frame);
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
    sent: Rc<Cell<u64>>,
    on_sent: Box<dyn Fn(usize)>,
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
        sent.set(sent.get() + count as u64);
        on_sent(count);
    }
    // The channel was closed and is empty: all has been written.
    stream.close().await
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::io;
    use std::pin::Pin;
    use std::rc::Rc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use chanterelle_core::wire::{Deframer, prefixed};
    use futures::channel::oneshot;
    use futures::{AsyncRead, AsyncWrite};
    use futures_timer::Delay;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::{End, Hears, QUEUE_BYTES, Session};
    use crate::net::intake::INTAKE_BYTES;
    use crate::net::weight;

    const LIMIT: usize = 160 * 1024;

    /// A stream whose other end is the test.
    #[derive(Clone, Default)]
    struct Line(Rc<LineState>);

    #[derive(Default)]
    struct LineState {
        to_read: RefCell<VecDeque<u8>>,
        is_closed: Cell<bool>,
        written: RefCell<Vec<u8>>,
        takes_nothing: Cell<bool>,
        was_closed: Cell<bool>,
        reader: RefCell<Option<Waker>>,
    }

    impl Line {
        fn arrives(&self, bytes: &[u8]) {
            self.0.to_read.borrow_mut().extend(bytes);
            self.wake();
        }

        fn close(&self) {
            self.0.is_closed.set(true);
            self.wake();
        }

        fn wake(&self) {
            if let Some(waker) = self.0.reader.take() {
                waker.wake();
            }
        }
    }

    impl AsyncRead for Line {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let mut to_read = self.0.to_read.borrow_mut();
            if to_read.is_empty() && !self.0.is_closed.get() {
                self.0.reader.replace(Some(context.waker().clone()));
                return Poll::Pending;
            }
            let count = to_read.len().min(buffer.len());
            for (to, from) in buffer.iter_mut().zip(to_read.drain(..count)) {
                *to = from;
            }
            Poll::Ready(Ok(count))
        }
    }

    impl AsyncWrite for Line {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            if self.0.takes_nothing.get() {
                return Poll::Pending;
            }
            self.0.written.borrow_mut().extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.was_closed.set(true);
            Poll::Ready(Ok(()))
        }
    }

    struct Test {
        line: Line,
        session: Session,
        frames: Rc<RefCell<Vec<Vec<u8>>>>,
        /// Bytes that the line has taken, as told.
        taken: Rc<Cell<usize>>,
        end: oneshot::Receiver<End>,
    }

    fn test() -> Test {
        let line = Line::default();
        let frames: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
        let (ended, end) = oneshot::channel();
        let seen = frames.clone();
        let taken: Rc<Cell<usize>> = Rc::default();
        let told = taken.clone();
        let session = Session::start(
            line.clone(),
            LIMIT,
            Hears {
                on_frame: Box::new(move |frame| seen.borrow_mut().push(frame)),
                on_sent: Box::new(move |bytes| told.set(told.get() + bytes)),
                on_end: Box::new(move |end| assert!(ended.send(end).is_ok())),
            },
        );
        Test { line, session, frames, taken, end }
    }

    async fn until(what: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..1_000 {
            if holds() {
                return;
            }
            Delay::new(Duration::from_millis(5)).await;
        }
        panic!("waited in vain until {what}");
    }

    #[wasm_bindgen_test]
    async fn frames_pass_both_ways_and_the_last_go_out_before_the_end() {
        let Test { line, session, frames, taken, end } = test();
        let received: Vec<Vec<u8>> = vec![vec![1], vec![2; 30_000], vec![3]];
        let stream: Vec<u8> = received.iter().flat_map(|frame| prefixed(frame)).collect();
        for part in stream.chunks(7_000) {
            line.arrives(part);
        }
        until("all have arrived", || frames.borrow().len() == 3).await;
        assert_eq!(*frames.borrow(), received);

        let sent: Vec<Vec<u8>> = (1..101_u8).map(|n| vec![n; usize::from(n) * 50]).collect();
        for frame in &sent {
            session.send(frame.clone());
        }
        session.finish();
        assert!(matches!(end.await, Ok(End::Closed)));
        assert!(line.0.was_closed.get());
        let mut deframer = Deframer::new(LIMIT);
        deframer.push(&line.0.written.borrow());
        let mut written = Vec::new();
        while let Some(frame) = deframer.next_frame().expect("frames within the limit") {
            written.push(frame);
        }
        assert_eq!(written, sent);
        assert_eq!(taken.get(), sent.iter().map(Vec::len).sum::<usize>());
    }

    #[wasm_bindgen_test]
    async fn reading_waits_until_the_node_has_taken_what_came() {
        let Test { line, session, frames, .. } = test();
        let frame = vec![9; 100_000];
        let fit = INTAKE_BYTES.div_ceil(weight(&frame));
        for _ in 0..3 * fit {
            line.arrives(&prefixed(&frame));
        }
        until("reading has stopped", || frames.borrow().len() == fit).await;

        session.took(2 * weight(&frame));
        until("it goes on", || frames.borrow().len() == fit + 2).await;
        session.took(usize::MAX);
        until("as far as there is room", || frames.borrow().len() == 2 * fit + 2).await;
    }

    #[wasm_bindgen_test]
    async fn a_peer_that_is_to_wait_is_not_read_until_it_has() {
        let Test { line, session, frames, .. } = test();
        let begun = web_time();
        session.wait(Duration::from_millis(300));
        session.wait(Duration::from_millis(100));
        line.arrives(&prefixed(&[1]));
        until("it has waited", || frames.borrow().len() == 1).await;
        assert!(web_time() - begun >= 290.0, "the longer of the two");
    }

    /// Milliseconds.
    fn web_time() -> f64 {
        js_sys::Date::now()
    }

    #[wasm_bindgen_test]
    async fn reading_waits_for_tiny_frames_too() {
        let Test { line, session, frames, .. } = test();
        let fit = INTAKE_BYTES.div_ceil(weight(&[1]));
        line.arrives(&prefixed(&[1]).repeat(2 * fit));
        until("reading has stopped", || frames.borrow().len() == fit).await;
        session.took(3 * weight(&[1]));
        until("it goes on", || frames.borrow().len() == fit + 3).await;
    }

    #[wasm_bindgen_test]
    async fn nothing_arrives_of_a_session_that_is_being_finished() {
        let Test { line, session, frames, .. } = test();
        line.arrives(&prefixed(&[1]));
        until("it has arrived", || frames.borrow().len() == 1).await;
        // The end waits for the last frame.
        line.0.takes_nothing.set(true);
        session.send(vec![2]);
        session.finish();
        line.arrives(&prefixed(&[3]));
        // What is read is cut into frames at once.
        until("it was read", || line.0.to_read.borrow().is_empty()).await;
        assert_eq!(*frames.borrow(), [vec![1]]);
    }

    #[wasm_bindgen_test]
    async fn a_peer_that_does_not_read_loses_the_session() {
        let Test { line, session, end, .. } = test();
        line.0.takes_nothing.set(true);
        for _ in 0..=QUEUE_BYTES / 100_000 + 1 {
            session.send(vec![0; 100_000]);
        }
        assert!(matches!(end.await, Ok(End::Overflow)));
    }

    #[wasm_bindgen_test]
    async fn a_frame_beyond_the_limit_and_a_closed_stream_end_the_session() {
        let Test { line, end, session, .. } = test();
        line.arrives(&prefixed(&vec![0; LIMIT + 1])[..10]);
        assert!(matches!(end.await, Ok(End::Framing(_))));
        drop(session);

        let Test { line, end, session, .. } = test();
        line.close();
        assert!(matches!(end.await, Ok(End::Closed)));
        drop(session);
    }

    #[wasm_bindgen_test]
    async fn a_dropped_session_calls_nobody() {
        let Test { line, session, frames, end, .. } = test();
        drop(session);
        line.arrives(&prefixed(&[1]));
        assert!(end.await.is_err(), "the callback was dropped uncalled");
        assert!(frames.borrow().is_empty());
    }
}
