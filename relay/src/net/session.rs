//! One session stream: bytes in, frames to the driver; frames from the driver, bytes out.
//!
//! Knows where frames begin and end and nothing of what they say. Reading stops while the driver is behind or the peer
//! is above its rate, so the peer's own sending stops; a peer that does not take what it is sent is dropped.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chanterelle_core::base::{Limits, PeerId};
use chanterelle_core::wire::{Deframer, FramingError, prefixed};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::outbox::{Outbox, OutboxReceiver, Owed};
use crate::metrics::{Metrics, count};

/// Bytes read at a time. Sessions are many and mostly silent.
const CHUNK: usize = 4 * 1024;

/// Bytes handed to the stream at a time; each must be taken within [`STALL`].
const WRITE_CHUNK: usize = 16 * 1024;

/// How long a peer may take nothing while something waits for it.
const STALL: Duration = Duration::from_secs(30);

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
    use std::time::Duration;

    use chanterelle_core::base::{Limits, PeerId};
    use chanterelle_core::wire::prefixed;
    use futures::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::io::DuplexStream;
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;
    use tokio::time::Instant;
    use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

    use super::{Opener, Outbox, Owed, SessionEvent, SessionId, Shared, run};
    use crate::metrics::{Metrics, Reason};
    use crate::net::outbox::OUTBOX_BYTES;

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
        let begun = Instant::now();
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
        let begun = Instant::now();
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
