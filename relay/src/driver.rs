//! The loop around the node: inputs from sessions, storage and clock in, outputs performed.
//!
//! 1. Restore the index from storage, in portions; until then sessions wait.
//! 2. Take one input, hand it to the node, perform every output.
//! 3. Sleep until the next input or the node's deadline.
//! 4. When told to stop: take nothing more from peers, wait until what was taken is durable and acknowledged, say
//!    goodbye.
//!
//! The node decides everything; this loop decides nothing but which of two sessions of one peer stays. It runs on a
//! thread of its own, because verifying a frame of events takes milliseconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant, SystemTime, UNIX_EPOCH};

use chanterelle_core::Node;
use chanterelle_core::base::{EventId, Instant, Limits, Now, PeerId, Seconds};
use chanterelle_core::crypto::Identity;
use chanterelle_core::event::{Draft, Kind};
use chanterelle_core::node::{
    Batch, CloseReason, Command, Input, Notice, Output, Setup, StorageError, Ticket, Update,
};
use chanterelle_core::wire::{Frame, Role};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::media;
use crate::metrics::Metrics;
use crate::net::outbox::Outbox;
use crate::net::session::{Opener, SessionEvent, SessionId};
use crate::relays::Relays;
use crate::storage::{Position, Storage};

/// A side that opens another session sooner than this after its last keeps the old one: opening costs us more than it.
const REOPEN: Duration = Duration::from_secs(2);

/// Sessions that the two sides opened within so long of each other were opened at once: neither knew of the other's.
/// As long as a dial may take.
const AT_ONCE: Duration = Duration::from_secs(10);

/// How long a peer that is to be disconnected has to read why.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a driver needs.
pub struct Config {
    /// This relay's key on the network.
    pub peer: PeerId,
    /// Limits of the protocol.
    pub limits: Limits,
    /// Software and version, told to peers.
    pub agent: String,
    /// Where events stay.
    pub storage: Storage,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Other relays, to be told which peers are some.
    pub relays: Relays,
    /// As whom this relay signs what it publishes.
    pub identity: Identity,
    /// The exchange of files, to be told of peers and of events with files.
    pub media: mpsc::UnboundedSender<media::Note>,
    /// What is to be published, each with a number.
    pub drafts: mpsc::Receiver<(u32, Draft)>,
    /// To be told the numbers of what is stored or refused.
    pub published: mpsc::UnboundedSender<u32>,
    /// What sessions tell.
    pub sessions: mpsc::Receiver<SessionEvent>,
    /// Peers to be disconnected altogether.
    pub disconnect: mpsc::UnboundedSender<PeerId>,
    /// Told true when everything is restored.
    pub restored: watch::Sender<bool>,
    /// When to stop.
    pub stop: CancellationToken,
    /// How long stopping may take.
    pub drain: Duration,
}

/// Why a driver ends by itself.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// What is stored cannot be read.
    #[error("cannot restore the stored events: {0}")]
    Restore(#[from] StorageError),
    /// A node without a seed could be foretold.
    #[error("the system has no entropy: {0}")]
    Entropy(getrandom::Error),
}

/// An answer of the storage.
enum Done {
    Persisted(Ticket, Stored, Duration, Result<(), StorageError>),
    Read(Ticket, Vec<(EventId, Vec<u8>)>),
}

/// What a batch held.
struct Stored {
    events: usize,
    /// Those that may have files, each with who brought it.
    with_files: Vec<(EventId, Option<PeerId>)>,
}

struct Session {
    id: SessionId,
    by: Opener,
    opened: StdInstant,
    outbox: Outbox,
    /// Whether its first frame has come.
    greeted: bool,
}

/// Runs a node.
pub struct Driver {
    node: Node,
    peer: PeerId,
    relays: Relays,
    media: mpsc::UnboundedSender<media::Note>,
    drafts: mpsc::Receiver<(u32, Draft)>,
    published: mpsc::UnboundedSender<u32>,
    clock: Clock,
    limits: Limits,
    storage: Storage,
    metrics: Arc<Metrics>,
    sessions: HashMap<PeerId, Session>,
    events: mpsc::Receiver<SessionEvent>,
    disconnect: mpsc::UnboundedSender<PeerId>,
    restored: watch::Sender<bool>,
    stop: CancellationToken,
    drain: Duration,
    done: mpsc::UnboundedReceiver<Done>,
    finish: mpsc::UnboundedSender<Done>,
    /// Storage operations under way.
    pending: usize,
    /// When the first event not yet in a batch arrived, and that of the batch under way.
    waiting_since: Option<StdInstant>,
    in_flight: Option<StdInstant>,
}

impl Driver {
    /// A driver that is ready to run.
    ///
    /// # Errors
    /// When the system has no entropy.
    pub fn new(config: Config) -> Result<Driver, DriverError> {
        let clock = Clock(StdInstant::now());
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(DriverError::Entropy)?;
        let setup = Setup {
            seed,
            peer: config.peer,
            role: Role::Relay,
            identity: Some(config.identity),
            agent: config.agent,
            limits: config.limits.clone(),
        };
        let (finish, done) = mpsc::unbounded_channel();
        Ok(Driver {
            node: Node::new(setup, clock.now()),
            peer: config.peer,
            relays: config.relays,
            media: config.media,
            drafts: config.drafts,
            published: config.published,
            clock,
            limits: config.limits,
            storage: config.storage,
            metrics: config.metrics,
            sessions: HashMap::new(),
            events: config.sessions,
            disconnect: config.disconnect,
            restored: config.restored,
            stop: config.stop,
            drain: config.drain,
            done,
            finish,
            pending: 0,
            waiting_since: None,
            in_flight: None,
        })
    }

    /// Runs until told to stop.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub async fn run(mut self) -> Result<(), DriverError> {
        let stop = self.stop.clone();
        tokio::select! {
            result = self.restore() => result?,
            () = stop.cancelled() => return Ok(()),
        }
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                Some(done) = self.done.recv() => self.on_done(done),
                () = stop.cancelled() => break,
                Some(event) = self.events.recv() => self.on_session_event(event),
                Some((request, draft)) = self.drafts.recv() => {
                    self.handle(Input::Command(Command::Publish(request, draft)));
                }
                () = sleep_until(deadline.into()) => {}
            }
            if self.deadline() <= StdInstant::now() {
                self.handle(Input::Wake);
            }
        }
        self.finish().await;
        Ok(())
    }

    async fn restore(&mut self) -> Result<(), DriverError> {
        let begun = StdInstant::now();
        let mut position = Position::default();
        while let Some((rows, next)) = self.storage.rows(position).await? {
            self.node.handle(self.clock.now(), Input::Restore(rows));
            position = next;
        }
        let state = self.storage.state().await?;
        self.handle(Input::Restored(state));
        let events = self.node.index().len();
        tracing::info!(events, milliseconds = begun.elapsed().as_millis(), "restored");
        self.restored.send_replace(true);
        Ok(())
    }

    /// Lets what was taken become durable and acknowledged, then ends every session.
    async fn finish(&mut self) {
        let until = StdInstant::now() + self.drain;
        while !self.node.is_settled() || self.node.owes_acks() {
            let wake = self.deadline().min(until);
            match timeout_at(wake.into(), self.done.recv()).await {
                Ok(Some(done)) => self.on_done(done),
                Ok(None) => break,
                Err(_) if StdInstant::now() >= until => {
                    tracing::warn!("stopping before everything was stored; nothing of it was acknowledged");
                    break;
                }
                Err(_) => self.handle(Input::Wake),
            }
        }
        let bye = Frame::Bye { reason: "the relay is shutting down".to_owned() }.encode(&self.limits);
        for (_, session) in self.sessions.drain() {
            session.outbox.send(bye.clone());
        }
    }

    fn on_session_event(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Opened { peer, session, by, outbox } => self.on_opened(peer, session, by, outbox),
            SessionEvent::Received { peer, session, frame } if self.is_current(&peer, session) => {
                self.waiting_since.get_or_insert_with(StdInstant::now);
                self.on_frame(peer, &frame);
                self.handle(Input::Received(peer, frame));
            }
            SessionEvent::Closed { peer, session } if self.is_current(&peer, session) => {
                self.forget(&peer);
                self.handle(Input::Disconnected(peer));
            }
            // Of a session that another has replaced.
            SessionEvent::Received { .. } | SessionEvent::Closed { .. } => {}
        }
    }

    fn is_current(&self, peer: &PeerId, session: SessionId) -> bool {
        self.sessions.get(peer).is_some_and(|current| current.id == session)
    }

    fn on_opened(&mut self, peer: PeerId, id: SessionId, by: Opener, outbox: Outbox) {
        if let Some(old) = self.sessions.get(&peer) {
            if self.stays(old, peer, by) {
                return;
            }
            self.forget(&peer);
            self.handle(Input::Disconnected(peer));
        }
        self.tell_media(media::Note::Came(peer));
        let session = Session { id, by, opened: StdInstant::now(), outbox, greeted: false };
        self.sessions.insert(peer, session);
        self.handle(Input::Connected(peer));
    }

    /// Whether a session stays when another opens with the same peer. The later replaces the earlier: a tab that lost
    /// its network comes back before the old connection is noticed to be dead. But of two that both sides opened at
    /// once, the one opened by the lower key stays, so that both keep the same.
    fn stays(&self, old: &Session, peer: PeerId, by: Opener) -> bool {
        let age = old.opened.elapsed();
        if old.by == by {
            return age < REOPEN;
        }
        let lower = if self.peer < peer { Opener::Us } else { Opener::Peer };
        age < AT_ONCE && old.by == lower
    }

    /// Looks into the first frame of a session for one thing: whether the peer is a relay. What else it says, and
    /// whether it may, is for the node.
    fn on_frame(&mut self, peer: PeerId, frame: &[u8]) {
        let Some(session) = self.sessions.get_mut(&peer).filter(|session| !session.greeted) else { return };
        session.greeted = true;
        if let Ok(Frame::Hello(hello)) = Frame::decode(frame, &self.limits)
            && hello.role == Role::Relay
        {
            self.relays.met(peer, StdInstant::now());
        }
    }

    fn forget(&mut self, peer: &PeerId) {
        if self.sessions.remove(peer).is_some() {
            self.tell_media(media::Note::Left(*peer));
            self.relays.left(peer, StdInstant::now());
        }
    }

    fn on_done(&mut self, done: Done) {
        self.pending -= 1;
        match done {
            Done::Persisted(ticket, stored, took, result) => {
                let since = self.in_flight.take();
                if result.is_ok() {
                    self.metrics.commits.inc();
                    self.metrics.events_stored.inc_by(stored.events as u64);
                    if !stored.with_files.is_empty() {
                        self.tell_media(media::Note::Stored(stored.with_files));
                    }
                    self.metrics.commit_seconds.observe(took.as_secs_f64());
                    if let Some(since) = since {
                        self.metrics.ack_seconds.observe(since.elapsed().as_secs_f64());
                    }
                }
                self.handle(Input::Persisted(ticket, result));
            }
            Done::Read(ticket, events) => self.handle(Input::ReadDone(ticket, events)),
        }
    }

    /// One input, and every output that follows from it.
    fn handle(&mut self, input: Input) {
        self.node.handle(self.clock.now(), input);
        while let Some(output) = self.node.poll_output() {
            self.perform(output);
        }
        if self.in_flight.is_none() {
            // Nothing waits to be stored, so whatever arrived was no new event.
            self.waiting_since = None;
        }
        self.metrics.events.set(i64::try_from(self.node.index().len()).unwrap_or(i64::MAX));
        self.metrics.rejections(self.node.rejections());
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Send(peer, frame) => {
                if let Some(session) = self.sessions.get(&peer) {
                    session.outbox.send(frame);
                }
            }
            Output::Close(peer, reason) => self.close(peer, reason),
            Output::Pause(peer, wait) => {
                if let Some(session) = self.sessions.get(&peer) {
                    session.outbox.pause(wait);
                }
            }
            Output::Persist(batch) => self.persist(batch),
            Output::Read(ticket, ids) => self.read(ticket, ids),
            Output::Update(Update::Notice(notice)) => on_notice(&notice),
            Output::Update(Update::Saved { request }) => self.ended(request),
            Output::Update(Update::Refused { request, reason }) => {
                tracing::warn!(%reason, "what was made of a file cannot be announced");
                self.ended(request);
            }
            // A relay has nobody to tell, and dials only whom its operator names.
            Output::Update(_) | Output::Relays(_) | Output::Dial(..) => {}
        }
    }

    fn close(&mut self, peer: PeerId, reason: CloseReason) {
        tracing::debug!(%peer, %reason, "ending a session");
        // What was sent before still goes out. The node has forgotten the session already.
        self.forget(&peer);
        if reason == CloseReason::Budget {
            let disconnect = self.disconnect.clone();
            tokio::spawn(async move {
                // At once, the end of the connection could overtake what the peer is told of its reason.
                sleep(GOODBYE).await;
                // The network may be stopping; then the peer goes with it.
                let _ = disconnect.send(peer);
            });
        }
    }

    fn persist(&mut self, batch: Batch) {
        self.in_flight = Some(self.waiting_since.take().unwrap_or_else(StdInstant::now));
        self.pending += 1;
        let (storage, finish) = (self.storage.clone(), self.finish.clone());
        tokio::spawn(async move {
            let begun = StdInstant::now();
            let result = storage.store(&batch).await;
            let _ = finish.send(Done::Persisted(batch.ticket, Stored::of(&batch), begun.elapsed(), result));
        });
    }

    fn read(&mut self, ticket: Ticket, ids: Vec<EventId>) {
        self.pending += 1;
        let (storage, finish) = (self.storage.clone(), self.finish.clone());
        tokio::spawn(async move {
            // What cannot be read is answered as if it were not there; the failure is counted and logged. Nothing is
            // lost: whoever misses the events finds them by the next reconciliation, within a minute, and asks again.
            let events = storage.read(&ids).await.unwrap_or_default();
            let _ = finish.send(Done::Read(ticket, events));
        });
    }

    /// What was to be published is stored, or will not be.
    fn ended(&self, request: u32) {
        // The publisher may have stopped.
        let _ = self.published.send(request);
    }

    fn tell_media(&self, note: media::Note) {
        // The exchange may have stopped.
        let _ = self.media.send(note);
    }

    /// The node's deadline; far away when it has none.
    fn deadline(&self) -> StdInstant {
        match self.node.poll_timeout() {
            Some(at) => self.clock.std(at),
            None => StdInstant::now() + Duration::from_secs(3_600),
        }
    }
}

impl Stored {
    fn of(batch: &Batch) -> Stored {
        let new = batch.puts.iter().filter(|put| put.event.is_some());
        let may_have = |kind: Kind| kind.is_post() || kind == Kind::RENDITION || !kind.is_known();
        let with_files = new.clone().filter(|put| may_have(put.row.kind));
        Stored { events: new.count(), with_files: with_files.map(|put| (put.row.id, put.from)).collect() }
    }
}

fn on_notice(notice: &Notice) {
    match notice {
        Notice::StorageFailing(error) => {
            tracing::error!(%error, "nothing new can be stored; the relay serves what it has and tries again");
        }
        Notice::StorageWorks => tracing::info!("storing works again"),
        Notice::ClockLooksWrong => {
            tracing::warn!("many events seem to come from the future: is this machine's clock right?");
        }
        // A relay has no friends.
        Notice::FriendsFull => {}
    }
}

/// Both clocks, as the node wants them.
#[derive(Clone, Copy, Debug)]
struct Clock(StdInstant);

impl Clock {
    fn now(self) -> Now {
        let since = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        // A wall clock before 1970 reads as 1970: everything is from the future then, and the node says so.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { instant: Instant(since), unix: Seconds(unix.as_secs()) }
    }

    /// The moment at which [`Clock::now`] has reached `at`.
    fn std(self, at: Instant) -> StdInstant {
        self.0 + Duration::from_millis(at.0)
    }
}
