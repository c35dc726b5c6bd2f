//! What waits for a peer: the driver puts it in, the session takes it out and sends it.
//!
//! What may wait is bounded, for each peer and for all together. Also the way by which the driver tells a session not to
//! read for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Bytes that may wait for one peer. An honest one that reads slowly owes a window of 32 frames of events at 96 KiB,
/// which is 3 MiB when nothing in them can be compressed, and answers to a few reconciliations.
pub(super) const OUTBOX_BYTES: usize = 4 * 1024 * 1024;

/// Bytes that may wait for all peers together, beyond what each has for itself.
const SHARED_BYTES: usize = 512 * 1024 * 1024;

/// Bytes that may wait for each peer whatever the others owe, so that somebody who reads nothing on many sessions does
/// not end those that only wait for the next post.
const OWN_BYTES: usize = 32 * 1024;

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
    /// Cancelled when more waited than may be owed.
    pub overflow: CancellationToken,
    /// Nothing of the peer is to be read before.
    pub paused_until: watch::Receiver<Instant>,
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::{OUTBOX_BYTES, OWN_BYTES, Outbox, Owed, SHARED_BYTES};

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
}
