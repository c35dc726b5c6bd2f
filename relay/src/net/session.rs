//! One session stream: bytes in, frames to the driver; frames from the driver, bytes out.
//!
//! Knows where frames begin and end and nothing of what they say. Reading stops while the driver is behind or the peer
//! is above its rate, so the peer's own sending stops; a peer that does not take what it is sent is dropped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chanterelle_core::base::{Limits, PeerId};
use chanterelle_core::wire::{Deframer, FramingError, prefixed};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics::{Metrics, count};

/// Bytes read at a time. Sessions are many and mostly silent.
const CHUNK: usize = 4 * 1024;

/// Bytes handed to the stream at a time; each must be taken within [`STALL`].
const WRITE_CHUNK: usize = 16 * 1024;

/// How long a peer may take nothing while something waits for it.
const STALL: Duration = Duration::from_secs(30);

/// Bytes that may wait for one peer. An honest one that reads slowly owes a window of 32 frames of events at 96 KiB,
/// which is 3 MiB when nothing in them can be compressed, and answers to a few reconciliations.
const OUTBOX_BYTES: usize = 4 * 1024 * 1024;

/// Bytes that may wait for all peers together, beyond what each has for itself.
const SHARED_BYTES: usize = 512 * 1024 * 1024;

/// Bytes that may wait for each peer whatever the others owe, so that somebody who reads nothing on many sessions does
/// not end those that only wait for the next post.
const OWN_BYTES: usize = 32 * 1024;

/// How long the peer has to read the end of a session before the stream is dropped.
const LINGER: Duration = Duration::from_secs(2);

/// Tells sessions of one peer apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Which side opened a session's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// This relay.
    Us,
    /// The peer.
    Peer,
}

/// What sessions tell the driver.
#[derive(Debug)]
pub enum SessionEvent {
    /// A session is open.
    Opened {
        /// With whom.
        peer: PeerId,
        /// Which.
        session: SessionId,
        /// Who opened it.
        by: Opener,
        /// Where to put frames for it.
        outbox: Outbox,
    },
    /// A frame arrived.
    Received {
        /// From whom.
        peer: PeerId,
        /// On which session.
        session: SessionId,
        /// The frame, without its length prefix.
        frame: Vec<u8>,
    },
    /// A session is over.
    Closed {
        /// With whom.
        peer: PeerId,
        /// Which.
        session: SessionId,
    },
}

/// Bytes that wait in the outboxes of a relay together. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Owed(Arc<AtomicUsize>);

/// A frame that waits, counted until it is dropped.
#[derive(Debug)]
struct Waiting {
    frame: Vec<u8>,
    bytes: usize,
    by_peer: Arc<AtomicUsize>,
    /// `None` when it waits in the room its peer has for itself.
    by_all: Option<Owed>,
}

impl Waiting {
    /// `None` when there is no room for the frame.
    fn new(frame: Vec<u8>, by_peer: &Arc<AtomicUsize>, by_all: &Owed) -> Option<Waiting> {
        let bytes = frame.len();
        let owed_by_peer = by_peer.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut waiting = Waiting { frame, bytes, by_peer: by_peer.clone(), by_all: None };
        let mut owed_by_all = 0;
        if owed_by_peer > OWN_BYTES {
            owed_by_all = by_all.0.fetch_add(bytes, Ordering::Relaxed) + bytes;
            waiting.by_all = Some(by_all.clone());
        }
        (owed_by_peer <= OUTBOX_BYTES && owed_by_all <= SHARED_BYTES).then_some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.by_peer.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some(by_all) = &self.by_all {
            by_all.0.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// The driver's end of a session. Dropping it ends the session once everything in it has gone out.
#[derive(Debug)]
pub struct Outbox {
    frames: mpsc::UnboundedSender<Waiting>,
    by_peer: Arc<AtomicUsize>,
    by_all: Owed,
    overflow: CancellationToken,
    paused_until: watch::Sender<Instant>,
}

/// The session's end of an [`Outbox`].
#[derive(Debug)]
pub struct OutboxReceiver {
    frames: mpsc::UnboundedReceiver<Waiting>,
    overflow: CancellationToken,
    paused_until: watch::Receiver<Instant>,
}

impl Outbox {
    /// Both ends. What waits between them counts in `by_all`.
    #[must_use]
    pub fn new(by_all: Owed) -> (Outbox, OutboxReceiver) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let overflow = CancellationToken::new();
        let (pause, paused_until) = watch::channel(Instant::now());
        let inbox = OutboxReceiver { frames: receiver, overflow: overflow.clone(), paused_until };
        (Outbox { frames: sender, by_peer: Arc::default(), by_all, overflow, paused_until: pause }, inbox)
    }

    /// Reads nothing more of the peer for so long; what waits then holds it up.
    pub fn pause(&self, wait: Duration) {
        // Whether anybody reads still plays no part.
        self.paused_until.send_replace(Instant::now() + wait);
    }

    /// Sends a frame. When more waits than the peer may owe, or all peers together, the session is over instead.
    pub fn send(&self, frame: Vec<u8>) {
        match Waiting::new(frame, &self.by_peer, &self.by_all) {
            // The session may have ended meanwhile; then it has said so.
            Some(waiting) => drop(self.frames.send(waiting)),
            None => self.overflow.cancel(),
        }
    }
}

impl OutboxReceiver {
    /// The next frame; `None` when the driver has ended the session and everything has been taken.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let mut waiting = self.frames.recv().await?;
        Some(std::mem::take(&mut waiting.frame))
    }
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the relay ended it")]
    Finished,
    #[error("the peer closed it")]
    Closed,
    #[error("{0}")]
    Framing(#[from] FramingError),
    #[error("the peer took nothing for {} s", STALL.as_secs())]
    Stalled,
    #[error("more waited for the peer, or for all peers, than may be owed")]
    Overflow,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl End {
    fn label(&self) -> &'static str {
        match self {
            End::Finished => "finished",
            End::Closed => "closed",
            End::Framing(_) => "framing",
            End::Stalled => "stalled",
            End::Overflow => "overflow",
            End::Io(_) => "io",
        }
    }
}

/// What all sessions share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where events go.
    pub events: mpsc::Sender<SessionEvent>,
    /// What waits for peers.
    pub owed: Owed,
    /// Bounds of frames and rates.
    pub limits: Arc<Limits>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

/// Runs a session until it ends.
pub async fn run<S>(stream: S, peer: PeerId, session: SessionId, by: Opener, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (outbox, mut inbox) = Outbox::new(shared.owed.clone());
    if shared.events.send(SessionEvent::Opened { peer, session, by, outbox }).await.is_err() {
        return;
    }
    shared.metrics.sessions.inc();
    let (overflow, paused_until) = (inbox.overflow.clone(), inbox.paused_until.clone());
    let (mut reader, mut writer) = stream.split();
    let end = tokio::select! {
        end = write_frames(&mut writer, &mut inbox, &shared.metrics) => end,
        end = read_frames(&mut reader, peer, session, &paused_until, &shared) => end,
        () = overflow.cancelled() => End::Overflow,
    };
    if matches!(end, End::Finished) {
        let _ = timeout(LINGER, farewell(&mut reader, &mut writer)).await;
    }
    tracing::debug!(%peer, reason = %end, "session over");
    count(&shared.metrics.sessions_ended, end.label());
    shared.metrics.sessions.dec();
    let _ = shared.events.send(SessionEvent::Closed { peer, session }).await;
}

/// Holds a peer to its rate: one second's worth at once, then evenly (the leaky bucket as a meter, ITU-T I.371). The
/// node bears twice that before it charges the peer, so whoever is held back here is never charged there.
struct Pace {
    interval: Duration,
    burst: Duration,
    next: Instant,
}

impl Pace {
    fn new(per_second: u32) -> Pace {
        let burst = Duration::from_secs(1);
        let interval = burst / per_second.max(1);
        Pace { interval, burst, next: Instant::now() }
    }

    async fn wait(&mut self) {
        self.next = self.next.max(Instant::now()) + self.interval;
        // The full burst leaves no room for this one.
        sleep_until(self.next - self.burst).await;
    }
}

/// Reads until the stream ends or fails.
async fn read_frames(
    reader: &mut (impl AsyncRead + Unpin),
    peer: PeerId,
    session: SessionId,
    paused_until: &watch::Receiver<Instant>,
    shared: &Shared,
) -> End {
    let mut pace = Pace::new(shared.limits.frames_per_second);
    let mut deframer = Deframer::new(shared.limits.frame_bytes);
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = match reader.read(&mut chunk).await {
            Ok(0) => return End::Closed,
            Ok(count) => count,
            Err(error) => return error.into(),
        };
        deframer.push(&chunk[..count]);
        loop {
            let frame = match deframer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return error.into(),
            };
            pace.wait().await;
            let until = *paused_until.borrow();
            sleep_until(until).await;
            shared.metrics.frame("in", frame.len());
            if shared.events.send(SessionEvent::Received { peer, session, frame }).await.is_err() {
                // The driver takes nothing more, but may still have something to say.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Writes until the driver ends the session or the stream fails.
async fn write_frames(
    writer: &mut (impl AsyncWrite + Unpin),
    inbox: &mut OutboxReceiver,
    metrics: &Metrics,
) -> End {
    while let Some(frame) = inbox.next().await {
        metrics.frame("out", frame.len());
        for piece in prefixed(&frame).chunks(WRITE_CHUNK) {
            match timeout(STALL, writer.write_all(piece)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.into(),
                Err(_) => return End::Stalled,
            }
        }
        match timeout(STALL, writer.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return End::Stalled,
        }
    }
    End::Finished
}

/// Closes our side and lets the peer read to the end: a stream dropped at once may be reset under it.
async fn farewell(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    writer.close().await?;
    let mut rest = [0; 256];
    while reader.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use chanterelle_core::base::{Limits, PeerId};
    use chanterelle_core::wire::prefixed;
    use futures::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::io::DuplexStream;
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;
    use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

    use super::{
        OUTBOX_BYTES, OWN_BYTES, Opener, Outbox, Owed, SHARED_BYTES, SessionEvent, SessionId, Shared, run,
    };
    use crate::metrics::{Metrics, Reason};

    /// A session over a pipe that holds 64 KiB, and the peer's end of the pipe.
    struct Rig {
        events: mpsc::Receiver<SessionEvent>,
        peer: Pipe,
        metrics: Arc<Metrics>,
        task: JoinHandle<()>,
    }

    type Pipe = Compat<DuplexStream>;

    impl Rig {
        fn new(queue: usize) -> Rig {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let (sender, events) = mpsc::channel(queue);
            let metrics = Arc::new(Metrics::default());
            let limits = Arc::new(Limits::default());
            let shared = Shared { events: sender, owed: Owed::default(), limits, metrics: metrics.clone() };
            let task = tokio::spawn(run(near.compat(), PeerId([7; 32]), SessionId(1), Opener::Peer, shared));
            Rig { events, peer: far.compat(), metrics, task }
        }

        async fn opened(&mut self) -> Outbox {
            match self.events.recv().await {
                Some(SessionEvent::Opened { outbox, .. }) => outbox,
                other => panic!("a session begins with Opened, not {other:?}"),
            }
        }

        async fn closed(mut self, reason: &'static str) {
            while let Some(event) = self.events.recv().await {
                if let SessionEvent::Closed { session, .. } = event {
                    assert_eq!(session, SessionId(1));
                    self.task.await.expect("the session ends");
                    assert_eq!(
                        self.metrics.sessions_ended.get_or_create(&Reason { reason }).get(),
                        1,
                        "{reason}"
                    );
                    assert_eq!(self.metrics.sessions.get(), 0);
                    return;
                }
            }
            panic!("a session ends with Closed");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_to_wait_is_not_read_for_as_long() {
        let mut rig = Rig::new(8);
        let outbox = rig.opened().await;
        outbox.pause(Duration::from_secs(7));
        let begun = Instant::now();
        rig.peer.write_all(&prefixed(&[1; 10])).await.expect("the pipe works");
        assert!(matches!(rig.events.recv().await, Some(SessionEvent::Received { .. })));
        assert!(begun.elapsed() >= Duration::from_secs(7));
        rig.peer.write_all(&prefixed(&[2; 10])).await.expect("the pipe works");
        let again = Instant::now();
        assert!(matches!(rig.events.recv().await, Some(SessionEvent::Received { .. })));
        assert!(again.elapsed() < Duration::from_secs(1), "once");
    }

    #[tokio::test(start_paused = true)]
    async fn frames_pass_both_ways_and_the_end_arrives_whole() {
        let mut rig = Rig::new(8);
        let outbox = rig.opened().await;
        rig.peer.write_all(&prefixed(&[1; 5_000])).await.expect("the pipe works");
        match rig.events.recv().await {
            Some(SessionEvent::Received { frame, .. }) => assert_eq!(frame, [1; 5_000]),
            other => panic!("{other:?}"),
        }
        outbox.send(vec![2; 100]);
        outbox.send(vec![3; 40_000]);
        drop(outbox);
        let mut read = Vec::new();
        rig.peer.read_to_end(&mut read).await.expect("the pipe works");
        assert_eq!(read, [prefixed(&[2; 100]), prefixed(&[3; 40_000])].concat());
        rig.peer.close().await.expect("the pipe works");
        rig.closed("finished").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_beyond_the_limit_ends_the_session() {
        let mut rig = Rig::new(8);
        let _outbox = rig.opened().await;
        rig.peer.write_all(&[0xff, 0xff, 0xff, 0x7f]).await.expect("the pipe works");
        rig.closed("framing").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_dropped() {
        let mut rig = Rig::new(8);
        let outbox = rig.opened().await;
        outbox.send(vec![0; 100_000]);
        let begun = tokio::time::Instant::now();
        rig.closed("stalled").await;
        assert!(begun.elapsed() >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_owes_too_much_is_dropped_at_once() {
        let mut rig = Rig::new(8);
        let outbox = rig.opened().await;
        for _ in 0..=OUTBOX_BYTES / 1_000_000 {
            outbox.send(vec![0; 1_000_000]);
        }
        rig.closed("overflow").await;
    }

    #[tokio::test]
    async fn what_waits_for_all_peers_together_is_bounded_too() {
        let all = Owed::default();
        let owed = || all.0.load(Ordering::Relaxed);
        let full: Vec<_> = (0..SHARED_BYTES / OUTBOX_BYTES)
            .map(|_| {
                let (outbox, inbox) = Outbox::new(all.clone());
                outbox.send(vec![0; OUTBOX_BYTES]);
                assert!(!outbox.overflow.is_cancelled(), "nobody reads, but there is room");
                (outbox, inbox)
            })
            .collect();
        let (late, _late) = Outbox::new(all.clone());
        late.send(vec![0; OUTBOX_BYTES]);
        assert!(late.overflow.is_cancelled(), "room in its own outbox, but not in that of all");
        let (silent, _silent) = Outbox::new(all.clone());
        silent.send(vec![0; OWN_BYTES]);
        assert!(!silent.overflow.is_cancelled(), "what each has for itself is not touched");

        drop((full, late, _late));
        assert_eq!(owed(), 0, "room comes back with the end of a session");
        let (outbox, mut inbox) = Outbox::new(all.clone());
        outbox.send(vec![0; OWN_BYTES]);
        outbox.send(vec![0; 1_000]);
        assert_eq!(owed(), 1_000);
        inbox.next().await.expect("the peer's own frame waits");
        inbox.next().await.expect("the other frame waits");
        assert_eq!(owed(), 0, "and with each frame that is taken");
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_driver_stops_the_reading() {
        let mut rig = Rig::new(1);
        let _outbox = rig.opened().await;
        let frame = prefixed(&[0; 1_000]);
        let mut sent = 0;
        // The pipe, the session and the queue fill; then the peer waits.
        while tokio::time::timeout(Duration::from_secs(60), rig.peer.write_all(&frame)).await.is_ok() {
            sent += 1;
            assert!(sent < 1_000, "the peer must be held back");
        }
        assert!(rig.events.recv().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_above_its_rate_is_slowed_down_not_dropped() {
        let mut rig = Rig::new(1_000);
        let _outbox = rig.opened().await;
        let begun = tokio::time::Instant::now();
        for _ in 0..350 {
            rig.peer.write_all(&prefixed(&[0])).await.expect("the pipe works");
        }
        for _ in 0..350 {
            assert!(matches!(rig.events.recv().await, Some(SessionEvent::Received { .. })));
        }
        let virtually = begun.elapsed().as_millis();
        assert!((2_450..=2_550).contains(&virtually), "100 at once and 100 a second, not {virtually} ms");
    }
}
