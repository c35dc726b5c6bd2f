//! Streams of media: bytes in, frames to the exchange; frames from the exchange, bytes out. What frames say, and to whom a
//! stream is opened, is the exchange's business.

use std::time::Duration;

use chanterelle_core::base::{Limits, PeerId};
use chanterelle_core::media::MEDIA_PROTOCOL;
use chanterelle_core::media::exchange::MediaStream;
use chanterelle_core::wire::{Deframer, prefixed};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::StreamProtocol;
use libp2p_stream::{Control, IncomingStreams};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::key;

const PROTOCOL: StreamProtocol = StreamProtocol::new(MEDIA_PROTOCOL);

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// Bytes handed to the stream at a time; each must be taken within [`STALL`].
const WRITE_CHUNK: usize = 64 * 1024;

/// How long a peer may take nothing while something waits for it.
const STALL: Duration = Duration::from_secs(30);

/// What happens to streams.
#[derive(Debug)]
pub(crate) enum StreamEvent {
    /// The one of that number is there, or cannot be opened.
    Opened(PeerId, u64, Option<Lane>),
    /// A peer has opened one.
    Accepted(PeerId, Lane),
    /// A frame came on the stream of that number.
    Received(PeerId, MediaStream, u64, Vec<u8>),
    /// So many bytes of frames were taken.
    Flushed(PeerId, MediaStream, u64, usize),
    /// It has ended by itself.
    Ended(PeerId, MediaStream, u64),
}

/// The exchange's end of a stream. Dropping it breaks the stream off.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Tells streams of one place apart.
    pub(crate) number: u64,
    frames: mpsc::UnboundedSender<Vec<u8>>,
    _task: AbortOnDropHandle<()>,
}

impl Lane {
    /// Sends a frame. The exchange hands out no more than it has seen taken, and a little.
    pub(crate) fn send(&self, frame: Vec<u8>) {
        // It may have ended; then it has said so.
        let _ = self.frames.send(frame);
    }
}

/// Opens streams and takes those that peers open.
#[derive(Clone)]
pub(crate) struct Streams {
    control: Control,
    events: mpsc::Sender<StreamEvent>,
}

impl Streams {
    /// The streams of a swarm. What happens to them goes to `events`, as fast as that is read.
    pub(crate) fn new(control: Control, events: mpsc::Sender<StreamEvent>) -> Streams {
        Streams { control, events }
    }

    /// Takes what peers open, for as long as the swarm runs.
    pub(crate) async fn accept(mut self) {
        let mut incoming: IncomingStreams =
            self.control.accept(PROTOCOL).expect("the media protocol is accepted here alone");
        let mut number = 0;
        while let Some((peer, stream)) = incoming.next().await {
            let Some(peer) = key::core_peer(&peer) else { continue };
            number += 1;
            let lane = lane(stream, peer, MediaStream::Theirs, number, self.events.clone());
            if self.events.send(StreamEvent::Accepted(peer, lane)).await.is_err() {
                return;
            }
        }
    }

    /// Opens one to a peer that is connected; [`StreamEvent::Opened`] follows.
    pub(crate) fn open(&self, peer: PeerId, number: u64) {
        let Streams { mut control, events } = self.clone();
        tokio::spawn(async move {
            let opened = match key::libp2p_peer(&peer) {
                Some(peer) => control.open_stream(peer, PROTOCOL).await.ok(),
                None => None,
            };
            let lane = opened.map(|stream| lane(stream, peer, MediaStream::Ours, number, events.clone()));
            // The exchange may have stopped.
            let _ = events.send(StreamEvent::Opened(peer, number, lane)).await;
        });
    }
}

fn lane<S>(
    stream: S,
    peer: PeerId,
    which: MediaStream,
    number: u64,
    events: mpsc::Sender<StreamEvent>,
) -> Lane
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (frames, waiting) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let (reader, writer) = stream.split();
        let received = |frame| StreamEvent::Received(peer, which, number, frame);
        let flushed = |bytes| StreamEvent::Flushed(peer, which, number, bytes);
        tokio::select! {
            () = read(reader, received, &events) => {}
            () = write(writer, waiting, flushed, &events) => {}
        }
        let _ = events.send(StreamEvent::Ended(peer, which, number)).await;
    });
    Lane { number, frames, _task: AbortOnDropHandle::new(task) }
}

/// Reads until the stream ends or cannot be cut into frames.
async fn read(
    mut reader: impl AsyncRead + Unpin,
    received: impl Fn(Vec<u8>) -> StreamEvent,
    events: &mpsc::Sender<StreamEvent>,
) {
    let mut deframer = Deframer::new(Limits::default().media_frame_bytes);
    let mut chunk = vec![0; CHUNK];
    while let Ok(count @ 1..) = reader.read(&mut chunk).await {
        deframer.push(&chunk[..count]);
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => {
                    if events.send(received(frame)).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// Writes until the exchange is done with the stream, or the peer takes nothing any more.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut frames: mpsc::UnboundedReceiver<Vec<u8>>,
    flushed: impl Fn(usize) -> StreamEvent,
    events: &mpsc::Sender<StreamEvent>,
) {
    while let Some(frame) = frames.recv().await {
        let sent = async {
            for piece in prefixed(&frame).chunks(WRITE_CHUNK) {
                timeout(STALL, writer.write_all(piece)).await.ok()?.ok()?;
            }
            timeout(STALL, writer.flush()).await.ok()?.ok()
        };
        if sent.await.is_none() || events.send(flushed(frame.len())).await.is_err() {
            return;
        }
    }
}
