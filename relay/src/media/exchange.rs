//! The relay's part in the exchange of blobs: it fetches what is to be kept from whoever holds it, and answers who asks.
//!
//! A loop around [`Exchange`], which decides whom to ask and what to answer; what is to be kept the database knows by the
//! operator's settings. Bytes lie in a [`Fetch`] while a blob is on its way, and in the store when it is whole.

mod underway;
mod wants;

use std::collections::BTreeMap;
use std::time::{Duration, Instant as StdInstant};

use chanterelle_core::base::{BlobId, EventId, Instant, Limits, PeerId};
use chanterelle_core::media::Groups;
use chanterelle_core::media::exchange::{Exchange, Input, MediaStream, Output, Ticket};
use chanterelle_core::media::tree::{Verified, groups_in};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use self::underway::{Files, Underway};
use super::{Change, Media, MediaError};
use crate::net::media::{Lane, StreamEvent, Streams};
use crate::storage::Wanted;

/// Between two looks into the database for what is to be kept and is not there: also what there was no room for before.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Events of streams that wait for the loop; each holds a frame at most.
pub(crate) const STREAM_QUEUE: usize = 32;

/// What the driver tells.
#[derive(Debug)]
pub enum Note {
    /// There is a session with a peer.
    Came(PeerId),
    /// There is none any more.
    Left(PeerId),
    /// Events with files were stored, each brought by somebody.
    Stored(Vec<(EventId, Option<PeerId>)>),
}

/// What became of something that took its time.
enum Done {
    Input(Input),
    /// What events refer to that somebody brought.
    Wanted(Vec<Wanted>, Vec<PeerId>),
    /// What the database wants: of that which was looked for, and beside that; and how far it was read.
    Looked(Vec<Wanted>, Vec<Wanted>, (BlobId, u64)),
    /// The files of a blob are open, of which these groups are there, of a size that may be another than was asked for.
    Opened(BlobId, Files, u64, Groups),
    /// A blob is on its way no more: it is in the store, or could not be put there.
    Whole(BlobId, Files, Result<(), MediaError>),
}

/// Runs the exchange.
pub(crate) struct Runner {
    exchange: Exchange,
    media: Media,
    streams: Streams,
    lanes: BTreeMap<(PeerId, MediaStream), Lane>,
    /// The number of the stream that is being opened to a peer.
    opening: BTreeMap<PeerId, u64>,
    next_lane: u64,
    /// Blobs that the exchange looks for, or that are being put into the store.
    underway: BTreeMap<BlobId, Underway>,
    /// How far what is wanted was read.
    looked: (BlobId, u64),
    begun: StdInstant,
    done: mpsc::UnboundedReceiver<Done>,
    finish: mpsc::UnboundedSender<Done>,
}

impl Runner {
    /// An exchange that has no peers and holds nothing yet.
    pub(crate) fn new(seed: [u8; 32], limits: Limits, media: Media, streams: Streams) -> Runner {
        let (finish, done) = mpsc::unbounded_channel();
        Runner {
            exchange: Exchange::new(seed, limits),
            media,
            streams,
            lanes: BTreeMap::new(),
            opening: BTreeMap::new(),
            next_lane: 0,
            underway: BTreeMap::new(),
            looked: Default::default(),
            begun: StdInstant::now(),
            done,
            finish,
        }
    }

    /// Runs until told to stop.
    pub(crate) async fn run(
        mut self,
        mut notes: mpsc::UnboundedReceiver<Note>,
        mut changes: mpsc::UnboundedReceiver<Change>,
        mut events: mpsc::Receiver<StreamEvent>,
        stop: CancellationToken,
    ) {
        match self.media.held().await {
            Ok(held) => held.into_iter().for_each(|(id, size)| self.hold(id, size)),
            Err(error) => {
                tracing::error!(%error, "cannot tell which files are stored; none is given to peers");
            }
        }
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let deadline = self.deadline();
            tokio::select! {
                () = stop.cancelled() => return,
                Some(note) = notes.recv() => self.on_note(note),
                Some(change) = changes.recv() => self.on_change(change),
                Some(event) = events.recv() => {
                    // A stream may be here before its session is known of.
                    while let Ok(note) = notes.try_recv() {
                        self.on_note(note);
                    }
                    self.on_stream(event);
                }
                Some(done) = self.done.recv() => self.on_done(done),
                _ = look.tick() => self.look(),
                () = sleep_until(deadline.into()) => self.input(Input::Wake),
            }
        }
    }

    fn on_note(&mut self, note: Note) {
        match note {
            Note::Came(peer) => {
                // What is still here of a session before is not of this one.
                self.drop_lanes(peer);
                self.input(Input::Came(peer));
            }
            Note::Left(peer) => {
                self.drop_lanes(peer);
                self.input(Input::Left(peer));
            }
            Note::Stored(events) => {
                let (media, finish) = (self.media.clone(), self.finish.clone());
                let ids: Vec<EventId> = events.iter().map(|(id, _)| *id).collect();
                let mut hints: Vec<PeerId> = events.into_iter().filter_map(|(_, from)| from).collect();
                hints.sort_unstable();
                hints.dedup();
                tokio::spawn(async move {
                    // First, so that nothing is fetched that is a form of what is blocked.
                    log(media.block_for(&ids).await);
                    // What cannot be read is logged, and looked for again later.
                    let wanted = media.wanted_by(&ids).await.unwrap_or_default();
                    let _ = finish.send(Done::Wanted(wanted, hints));
                    log(media.render_for(&ids).await);
                });
            }
        }
    }

    fn drop_lanes(&mut self, peer: PeerId) {
        self.opening.remove(&peer);
        for stream in [MediaStream::Ours, MediaStream::Theirs] {
            self.lanes.remove(&(peer, stream));
        }
    }

    fn on_change(&mut self, change: Change) {
        match change {
            // One that is on its way, too, ends that when the exchange knows.
            Change::Added(id, size) => {
                self.hold(id, size);
                let media = self.media.clone();
                tokio::spawn(async move { log(media.render(&id).await) });
            }
            Change::Removed(id) => {
                self.input(Input::Forget(id));
                self.leave(&id, false);
            }
        }
    }

    fn on_stream(&mut self, event: StreamEvent) {
        let is_current = |runner: &Runner, peer, stream, number| {
            runner.lanes.get(&(peer, stream)).is_some_and(|lane| lane.number == number)
        };
        match event {
            // Of a connection that is no more: the exchange waits for another, or for none.
            StreamEvent::Opened(peer, number, _) if self.opening.get(&peer) != Some(&number) => {}
            StreamEvent::Opened(peer, _, Some(lane)) => {
                self.opening.remove(&peer);
                self.lanes.insert((peer, MediaStream::Ours), lane);
                self.input(Input::Opened(peer));
            }
            StreamEvent::Opened(peer, _, None) => {
                self.opening.remove(&peer);
                self.input(Input::Unopened(peer));
            }
            StreamEvent::Accepted(peer, lane) => {
                self.lanes.insert((peer, MediaStream::Theirs), lane);
                self.input(Input::Accepted(peer));
            }
            StreamEvent::Received(peer, stream, number, frame) if is_current(self, peer, stream, number) => {
                self.input(Input::Received { peer, stream, frame });
            }
            StreamEvent::Flushed(peer, stream, number, bytes) if is_current(self, peer, stream, number) => {
                self.input(Input::Flushed { peer, stream, bytes: bytes as u64 });
            }
            StreamEvent::Ended(peer, stream, number) if is_current(self, peer, stream, number) => {
                self.lanes.remove(&(peer, stream));
                self.input(Input::Closed(peer, stream));
            }
            // Of a stream that was broken off.
            StreamEvent::Received(..) | StreamEvent::Flushed(..) | StreamEvent::Ended(..) => {}
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Input(input) => self.input(input),
            Done::Wanted(wanted, hints) => {
                for Wanted { id, size, .. } in wanted {
                    self.want(id, size, hints.clone());
                }
            }
            Done::Looked(again, new, looked) => {
                self.looked = looked;
                for Wanted { id, size, .. } in again {
                    // Perhaps of another size than the exchange has heard of.
                    if self.underway.contains_key(&id) {
                        self.want(id, size, Vec::new());
                    }
                }
                for Wanted { id, size, .. } in new {
                    self.want(id, size, Vec::new());
                }
            }
            Done::Opened(id, files, size, groups) => {
                let Some(underway) = self.underway.get_mut(&id).filter(|its| its.files.is(&files)) else {
                    return;
                };
                underway.size = size;
                let early = underway.early.take().unwrap_or_default();
                if !groups.is_none() {
                    self.input(Input::Hold { id, size, groups });
                }
                early.into_iter().for_each(|want| self.input(Input::Want(want)));
            }
            Done::Whole(id, files, outcome) => {
                if self.underway.get(&id).is_none_or(|underway| !underway.files.is(&files)) {
                    return;
                }
                self.underway.remove(&id);
                if let Err(error) = outcome {
                    tracing::warn!(%id, %error, "a file that was fetched is not stored; it is fetched again later");
                    self.input(Input::Forget(id));
                }
            }
        }
    }

    fn hold(&mut self, id: BlobId, size: u64) {
        self.input(Input::Hold { id, size, groups: Groups::all(groups_in(size)) });
    }

    /// One input, and every output that follows from it.
    fn input(&mut self, input: Input) {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.exchange.handle(Instant(since), input);
        while let Some(output) = self.exchange.poll_output() {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::OpenStream(peer) => {
                self.next_lane += 1;
                self.opening.insert(peer, self.next_lane);
                self.streams.open(peer, self.next_lane);
            }
            Output::CloseStream { peer, stream, reason } => {
                tracing::debug!(%peer, ?stream, %reason, "closing a stream of media");
                self.lanes.remove(&(peer, stream));
            }
            Output::Send { peer, stream, frame } => {
                if let Some(lane) = self.lanes.get(&(peer, stream)) {
                    lane.send(frame);
                }
            }
            Output::Read { ticket, id, size, first, count } => self.read(ticket, id, size, first, count),
            Output::Write { ticket, id, size, first, data, parents } => {
                self.write(ticket, id, size, first, Verified { data, parents });
            }
            Output::Complete(id) => self.complete(id),
            Output::Liar { peer, id } => {
                tracing::warn!(%peer, %id, "a peer gave other bytes than those of the file; it is not asked again");
                self.media.count_liar();
            }
            Output::Progress { .. } => {}
        }
    }

    fn read(&self, ticket: Ticket, id: BlobId, size: u64, first: u32, count: u32) {
        let (media, finish) = (self.media.clone(), self.finish.clone());
        let files = self.underway.get(&id).map(|underway| underway.files.clone());
        tokio::spawn(async move {
            let slice = read(&media, files, id, size, first, count).await;
            if let Err(error) = &slice {
                tracing::debug!(%id, %error, "a file cannot be given to a peer");
            }
            let _ = finish.send(Done::Input(Input::ReadDone { ticket, slice: slice.ok() }));
        });
    }

    fn write(&mut self, ticket: Ticket, id: BlobId, size: u64, first: u32, verified: Verified) {
        let is_other = self.underway.get(&id).is_some_and(|underway| underway.size != size);
        let files = self.underway.get(&id).map(|underway| underway.files.clone());
        // Holders have shown that an event lied about the size.
        let files = if is_other { Some(self.open(id, size, files)) } else { files };
        if let (Some(underway), Some(files)) = (self.underway.get_mut(&id), &files) {
            (underway.size, underway.files, underway.came) = (size, files.clone(), StdInstant::now());
        }
        let finish = self.finish.clone();
        tokio::spawn(async move {
            let written = match files {
                Some(files) => files.write(first, verified).await,
                None => Err(MediaError::NotFound),
            };
            if let Err(error) = &written {
                tracing::warn!(%id, %error, "what came of a file is not stored");
            }
            let _ = finish.send(Done::Input(Input::WriteDone { ticket, stored: written.is_ok() }));
        });
    }

    fn complete(&self, id: BlobId) {
        let Some(files) = self.underway.get(&id).map(|underway| underway.files.clone()) else { return };
        let (media, finish) = (self.media.clone(), self.finish.clone());
        tokio::spawn(async move {
            let outcome = files.finish(&media, id).await;
            let _ = finish.send(Done::Whole(id, files, outcome));
        });
    }

    /// The exchange's deadline; far away when it has none.
    fn deadline(&self) -> StdInstant {
        match self.exchange.poll_timeout() {
            Some(at) => self.begun + Duration::from_millis(at.0),
            None => StdInstant::now() + Duration::from_secs(3_600),
        }
    }
}

async fn read(
    media: &Media,
    files: Option<Files>,
    id: BlobId,
    size: u64,
    first: u32,
    count: u32,
) -> Result<Vec<u8>, MediaError> {
    if media.is_blocked(&id) {
        return Err(MediaError::Blocked);
    }
    if let Some(files) = files
        && let Some(slice) = files.slice(size, first, count).await
    {
        return slice;
    }
    let blob = media.blob(&id).await?.filter(|blob| blob.size == size).ok_or(MediaError::NotFound)?;
    media.slice(&blob, first, count).await
}

/// What cannot be done for a file now is done when the next post has it, or after the next start.
fn log(done: Result<(), MediaError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "cannot do for a file what its post calls for");
    }
}
