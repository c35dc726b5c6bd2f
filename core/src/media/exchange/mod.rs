//! Fetching blobs from peers and giving them out, as a machine without I/O. Tab and relay are two shells around it.
//!
//! The loop is that of [`crate::Node`]: one [`Input`] with the current time, then all outputs, then sleep until
//! [`Exchange::poll_timeout`] at the latest.
//!
//! As an asker it tells peers what it looks for, learns who holds what, and asks several at once, each for as much as
//! it is fast, the rarest groups first. Whatever comes is verified before it counts for anything: a peer that gives other
//! bytes is a liar, and is neither asked nor served again. What a peer leaves open others are asked for. As a holder it
//! answers peers in turn, and hands out no more than their connections take.
//!
//! **Invariant: nothing unverified.** An [`Output::Write`] holds what belongs to the blob, whoever sent it.
//!
//! **Invariant: held after stored.** Peers are told of a group, and given it, after the storage has said that it is there.
//!
//! Which blobs are wanted, kept or blocked is decided elsewhere; wants are the shell's, so their number is not bounded
//! here: a few thousand cost little.

mod api;
mod asking;
mod assign;
mod fetch;
mod found;
mod looks;
mod pace;
mod peer;
mod serving;
mod storing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::{BlobId, Instant, Limits, PeerId};
use crate::crypto::Rng;

use super::{Groups, MediaFrame};
pub use api::{CloseReason, Input, MediaStream, Output, Priority, Ticket, Want};
use fetch::Fetch;
use peer::{Line, Peer};

/// Both sides of the media protocol with all peers. See the module's documentation.
#[derive(Debug)]
pub struct Exchange {
    limits: Limits,
    rng: Rng,
    now: Instant,
    peers: BTreeMap<PeerId, Peer>,
    /// When to look at which peer again.
    timers: BTreeSet<(Instant, PeerId)>,
    /// Peers that something was changed about in this call.
    touched: BTreeSet<PeerId>,
    /// Peers that lied or broke the protocol, the first one first.
    banned: VecDeque<PeerId>,
    outputs: VecDeque<Output>,

    /// What is stored, of blobs that something is stored of or wanted.
    held: BTreeMap<BlobId, Holding>,
    fetches: BTreeMap<BlobId, Fetch>,
    /// The same in the order they are served in.
    order: BTreeSet<(Priority, u64, BlobId)>,
    watched: BTreeSet<BlobId>,
    /// Who said that it holds something of a blob.
    holders: BTreeMap<BlobId, BTreeSet<PeerId>>,
    /// Who looks for a blob.
    lookers: BTreeMap<BlobId, BTreeSet<PeerId>>,

    reads: BTreeMap<Ticket, Reading>,
    writes: BTreeMap<Ticket, Writing>,
    /// Content bytes asked for or being written.
    fetching: u64,
    /// Bytes handed out to those who ask and not taken by their connections, or being read for them.
    handed_out: u64,
    /// Peers with requests that could be begun as far as it is up to them, and whether anything is handed out to them
    /// already; and the one served last.
    hungry: BTreeSet<(bool, PeerId)>,
    served: PeerId,
    /// Names of tickets, requests and wants.
    next: u64,

    /// What is looked for, or among whom, has changed; and when that was last followed.
    looks_changed: bool,
    looked_at: Option<Instant>,
    /// The last of those who were asked in turn, and when the turn ends.
    turn: PeerId,
    turn_ends: Option<Instant>,
    /// Something may be asked for that could not be before; or can be from then on.
    may_assign: bool,
    assign_at: Option<Instant>,
    /// Blobs to report on, and when that was last done.
    progress: BTreeSet<BlobId>,
    progress_at: Option<Instant>,
    /// Content bytes that came twice.
    duplicates: u64,
}

/// What is stored of a blob.
#[derive(Debug)]
struct Holding {
    size: u64,
    groups: Groups,
}

/// A read under way for a peer.
#[derive(Debug)]
struct Reading {
    peer: PeerId,
    epoch: u64,
    call: u64,
    id: BlobId,
    bytes: u64,
}

/// A write under way.
#[derive(Debug)]
struct Writing {
    id: BlobId,
    size: u64,
    first: u32,
    count: u32,
    bytes: u64,
}

impl Exchange {
    /// With nobody to ask and nothing held. `seed` is from the system's entropy, or from a test.
    #[must_use]
    pub fn new(seed: [u8; 32], limits: Limits) -> Self {
        let mut rng = Rng::new(seed);
        let mut turn = PeerId::default();
        rng.fill(&mut turn.0);
        Self {
            limits,
            rng,
            now: Instant::default(),
            peers: BTreeMap::new(),
            timers: BTreeSet::new(),
            touched: BTreeSet::new(),
            banned: VecDeque::new(),
            outputs: VecDeque::new(),
            held: BTreeMap::new(),
            fetches: BTreeMap::new(),
            order: BTreeSet::new(),
            watched: BTreeSet::new(),
            holders: BTreeMap::new(),
            lookers: BTreeMap::new(),
            reads: BTreeMap::new(),
            writes: BTreeMap::new(),
            fetching: 0,
            handed_out: 0,
            hungry: BTreeSet::new(),
            served: PeerId::default(),
            next: 0,
            looks_changed: false,
            looked_at: None,
            turn,
            turn_ends: None,
            may_assign: false,
            assign_at: None,
            progress: BTreeSet::new(),
            progress_at: None,
            duplicates: 0,
        }
    }

    /// Takes one input. Time never runs backwards here, whatever `now` says.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Came(peer) => self.came(peer),
            Input::Left(peer) => self.left(peer),
            Input::Opened(peer) => self.opened(peer),
            Input::Unopened(peer) => self.line_broke(peer),
            Input::Accepted(peer) => self.accepted(peer),
            Input::Closed(peer, MediaStream::Ours) => self.line_broke(peer),
            Input::Closed(peer, MediaStream::Theirs) => self.close_serving(peer),
            Input::Received { peer, stream, frame } => self.received(peer, stream, &frame),
            Input::Flushed { peer, stream, bytes } => self.flushed(peer, stream, bytes),
            Input::Want(want) => self.want(want),
            Input::Unwant(id) => self.unwant(&id),
            Input::Watch(ids) => self.watch(ids),
            Input::Hold { id, size, groups } => self.hold(id, size, groups),
            Input::Forget(id) => self.forget(&id),
            Input::ReadDone { ticket, slice } => self.read_done(ticket, slice),
            Input::WriteDone { ticket, stored } => self.write_done(ticket, stored),
            Input::Wake => {}
        }
        self.settle();
    }

    /// The next thing to do for the shell; to be called until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to wake the exchange at the latest. It may have passed already: something is waiting for its turn.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let looks = self.looks_changed.then(|| self.looks_due());
        let progress = (!self.progress.is_empty()).then(|| self.progress_due());
        let peer = self.timers.first().map(|(at, _)| *at);
        [looks, progress, peer, self.turn_ends, self.assign_at].into_iter().flatten().min()
    }

    /// Content bytes that came although they were there already: what asking two for the same near the end cost.
    #[must_use]
    pub fn duplicate_bytes(&self) -> u64 {
        self.duplicates
    }

    /// What is stored of a blob, when anything is, and its size.
    #[must_use]
    pub fn held(&self, id: &BlobId) -> Option<(u64, &Groups)> {
        self.held.get(id).filter(|held| !held.groups.is_none()).map(|held| (held.size, &held.groups))
    }

    /// Does everything that follows from the input or the time.
    fn settle(&mut self) {
        while let Some((at, peer)) = self.timers.first().copied().filter(|(at, _)| *at <= self.now) {
            self.timers.remove(&(at, peer));
            self.peers.get_mut(&peer).expect("timers are of peers").wake_at = None;
            self.touched.insert(peer);
            self.give_up(peer);
        }
        self.end_turn();
        if self.looks_changed && self.looks_due() <= self.now {
            self.follow_looks();
        }
        if self.assign_at.is_some_and(|at| at <= self.now) {
            (self.assign_at, self.may_assign) = (None, true);
        }
        let mut settled = BTreeSet::new();
        while let Some(peer) = self.touched.pop_first() {
            self.tend_line(peer);
            self.follow_their_looks(peer);
            self.tell(peer);
            settled.insert(peer);
        }
        self.serve();
        if core::mem::take(&mut self.may_assign) {
            self.assign();
        }
        if !self.progress.is_empty() && self.progress_due() <= self.now {
            self.report();
        }
        settled.append(&mut self.touched);
        settled.into_iter().for_each(|peer| self.set_timer(peer));
    }

    fn set_timer(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let at = [self.asking_due(&peer.asking), self.serving_due(&peer.serving)].into_iter().flatten().min();
        if at != peer.wake_at {
            if let Some(before) = peer.wake_at {
                self.timers.remove(&(before, id));
            }
            self.timers.extend(at.map(|at| (at, id)));
            self.peers.get_mut(&id).expect("it was there").wake_at = at;
        }
    }

    fn came(&mut self, peer: PeerId) {
        // The session before ended unnoticed, and nothing comes on its streams.
        self.close_streams(peer, |_| CloseReason::NoSession);
        self.left(peer);
        self.peers.insert(peer, Peer::default());
        self.looks_changed = true;
    }

    fn left(&mut self, peer: PeerId) {
        self.close_serving(peer);
        self.drop_line(peer);
        if let Some(wake_at) = self.peers.remove(&peer).and_then(|peer| peer.wake_at) {
            self.timers.remove(&(wake_at, peer));
        }
        self.touched.remove(&peer);
        self.looks_changed = true;
    }

    fn received(&mut self, peer: PeerId, stream: MediaStream, frame: &[u8]) {
        let is_open = self.peers.get(&peer).is_some_and(|peer| match stream {
            MediaStream::Ours => peer.asking.line == Line::Open,
            MediaStream::Theirs => peer.serving.is_open,
        });
        if !is_open {
            return;
        }
        self.touched.insert(peer);
        let fault = match (stream, MediaFrame::decode(frame, &self.limits)) {
            (_, Err(error)) => Err(CloseReason::Frame(error)),
            (MediaStream::Theirs, Ok(MediaFrame::Look { ids })) => self.look(peer, ids),
            (MediaStream::Theirs, Ok(MediaFrame::Get { call, id, first, count })) => {
                self.get(peer, peer::Get { call, id, first, count })
            }
            (MediaStream::Ours, Ok(MediaFrame::Held { items })) => self.items(peer, items),
            (MediaStream::Ours, Ok(MediaFrame::Slice { call, bytes })) => {
                self.slice(peer, call, Some(&bytes))
            }
            (MediaStream::Ours, Ok(MediaFrame::None { call })) => self.slice(peer, call, None),
            (_, Ok(_)) => Err(CloseReason::WrongSide),
        };
        if let Err(reason) = fault {
            self.ban(peer, stream, reason);
        }
    }

    fn flushed(&mut self, id: PeerId, stream: MediaStream, bytes: u64) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match stream {
            MediaStream::Ours => peer.asking.unflushed = peer.asking.unflushed.saturating_sub(bytes),
            MediaStream::Theirs => {
                let taken = bytes.min(peer.serving.unflushed);
                peer.serving.unflushed -= taken;
                self.handed_out -= taken;
            }
        }
        self.touched.insert(id);
        self.may_assign |= stream == MediaStream::Ours;
        self.mind_hunger(id);
    }

    /// Ends everything with a peer, and remembers it.
    fn ban(&mut self, id: PeerId, stream: MediaStream, reason: CloseReason) {
        self.close_streams(id, |closed| if closed == stream { reason } else { CloseReason::Banned });
        self.close_serving(id);
        self.drop_line(id);
        // At once: what others are to look for is decided a moment later, and until then it would be asked again.
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.asking.wish.clear();
        }
        if !self.is_banned(&id) {
            self.banned.push_back(id);
            if self.banned.len() > self.limits.media_banned {
                self.banned.pop_front();
            }
        }
        self.looks_changed = true;
    }

    /// Lets the shell close those of a peer's streams that are open.
    fn close_streams(&mut self, id: PeerId, reason: impl Fn(MediaStream) -> CloseReason) {
        let Some(peer) = self.peers.get(&id) else { return };
        let open = [
            (MediaStream::Ours, !matches!(peer.asking.line, Line::Shut(_))),
            (MediaStream::Theirs, peer.serving.is_open),
        ];
        for (stream, _) in open.into_iter().filter(|(_, is_open)| *is_open) {
            self.outputs.push_back(Output::CloseStream { peer: id, stream, reason: reason(stream) });
        }
    }

    fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned.contains(peer)
    }

    fn send(&mut self, id: PeerId, stream: MediaStream, frame: &MediaFrame) {
        let frame = frame.encode();
        let peer = self.peers.get_mut(&id).expect("frames go to peers that are there");
        match stream {
            MediaStream::Ours => peer.asking.unflushed += frame.len() as u64,
            MediaStream::Theirs => {
                peer.serving.unflushed += frame.len() as u64;
                self.handed_out += frame.len() as u64;
            }
        }
        self.outputs.push_back(Output::Send { peer: id, stream, frame });
    }

    fn name(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn progress_due(&self) -> Instant {
        self.progress_at.map_or(self.now, |at| at + self.limits.media_progress_every)
    }

    /// Says how far each blob is that something has changed about.
    fn report(&mut self) {
        self.progress_at = Some(self.now);
        for id in core::mem::take(&mut self.progress) {
            let (held, total) =
                self.held.get(&id).map_or((0, 0), |held| (held.groups.count(), held.groups.total()));
            let holders = self.holders.get(&id).map_or(0, |holders| holders.len() as u32);
            self.outputs.push_back(Output::Progress { id, held, total, holders });
        }
    }

    /// Remembers that something has changed about a blob that the shell cares about.
    fn note_progress(&mut self, id: BlobId) {
        if self.fetches.contains_key(&id) || self.watched.contains(&id) {
            self.progress.insert(id);
        }
    }
}
