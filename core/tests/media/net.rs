//! A few exchanges joined by links on virtual time: each with a storage in memory, an uplink that carries so many bytes a
//! second, and a delay to all others. Nothing is random.

use std::collections::{BTreeMap, BTreeSet};

use chanterelle_core::base::{BlobId, Instant, Limits, PeerId};
use chanterelle_core::media::exchange::{CloseReason, Exchange, Input, MediaStream, Output, Priority, Want};
use chanterelle_core::media::tree::{Node, Parent, outboard_bytes, slice};
use chanterelle_core::media::{Groups, MediaFrame};

use super::tree::Held;

/// A node of the test's network; its place in [`Net::nodes`].
pub(super) type Who = usize;

pub(super) fn peer(who: Who) -> PeerId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&(who as u64 + 1).to_be_bytes());
    PeerId(id)
}

pub(super) fn who(peer: PeerId) -> Who {
    u64::from_be_bytes(peer.0[..8].try_into().expect("8 bytes")) as usize - 1
}

/// What a node stores of a blob.
pub(super) struct Stored {
    pub(super) content: Vec<u8>,
    pub(super) outboard: Vec<u8>,
}

/// One peer with its shell.
pub(super) struct Peer {
    pub(super) exchange: Exchange,
    pub(super) storage: BTreeMap<BlobId, Stored>,
    /// Bytes a second that leave.
    pub(super) uplink: u64,
    uplink_free: u64,
    /// Milliseconds to any other.
    pub(super) delay: u64,
    /// Flips a bit in the last byte of the last group of every blob.
    pub(super) is_liar: bool,
    /// Answers nothing that the storage is asked for.
    pub(super) is_deaf: bool,
    /// Fails to store.
    pub(super) is_full: bool,
    is_here: bool,
    pub(super) complete: BTreeMap<BlobId, u64>,
    pub(super) liars: BTreeSet<Who>,
    pub(super) closed: Vec<(Who, MediaStream, CloseReason)>,
    pub(super) progress: BTreeMap<BlobId, (u32, u32, u32)>,
    /// Groups asked for, by whom they were asked of.
    pub(super) asked: BTreeMap<Who, Vec<(u32, u32)>>,
    /// Bytes of slices that came, by whom they came from.
    pub(super) came: BTreeMap<Who, u64>,
    /// Peers a stream was opened to.
    pub(super) opened: BTreeSet<Who>,
}

enum Event {
    Tell(Who, Input),
    /// A frame on the stream that `opener` opened the `epoch`-th time, to the one or the other.
    Frame {
        opener: Who,
        other: Who,
        epoch: u64,
        to_opener: bool,
        frame: Vec<u8>,
    },
    Open {
        opener: Who,
        other: Who,
    },
    Close {
        opener: Who,
        other: Who,
        epoch: u64,
        by_opener: bool,
    },
}

/// The network.
pub(super) struct Net {
    pub(super) nodes: Vec<Peer>,
    pub(super) now: u64,
    events: BTreeMap<(u64, u64), Event>,
    next: u64,
    /// Streams by opener and other: how many there were, and whether the last is open.
    streams: BTreeMap<(Who, Who), (u64, bool)>,
}

impl Net {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), now: 1_000, events: BTreeMap::new(), next: 0, streams: BTreeMap::new() }
    }

    /// Adds a node and lets all that are here meet it.
    pub(super) fn join(&mut self, uplink: u64, delay: u64) -> Who {
        let new = self.add(uplink, delay);
        for other in 0..new {
            if self.nodes[other].is_here {
                self.meet(new, other);
            }
        }
        new
    }

    /// Adds a node that knows nobody.
    pub(super) fn add(&mut self, uplink: u64, delay: u64) -> Who {
        let new = self.nodes.len();
        self.nodes.push(Peer {
            exchange: Exchange::new([new as u8 + 1; 32], Limits::default()),
            storage: BTreeMap::new(),
            uplink,
            uplink_free: 0,
            delay,
            is_liar: false,
            is_deaf: false,
            is_full: false,
            is_here: true,
            complete: BTreeMap::new(),
            liars: BTreeSet::new(),
            closed: Vec::new(),
            progress: BTreeMap::new(),
            asked: BTreeMap::new(),
            came: BTreeMap::new(),
            opened: BTreeSet::new(),
        });
        new
    }

    pub(super) fn meet(&mut self, a: Who, b: Who) {
        self.tell(a, Input::Came(peer(b)));
        self.tell(b, Input::Came(peer(a)));
    }

    /// A node goes, with all its streams.
    pub(super) fn leave(&mut self, gone: Who) {
        self.nodes[gone].is_here = false;
        for (&(opener, other), stream) in &mut self.streams {
            stream.1 &= opener != gone && other != gone;
        }
        // Nor does a stream open that was being opened on a connection that is no more.
        self.events.retain(
            |_, event| !matches!(event, Event::Open { opener, other } if *opener == gone || *other == gone),
        );
        for other in (0..self.nodes.len()).filter(|other| *other != gone) {
            self.tell(other, Input::Left(peer(gone)));
        }
    }

    /// A new program on the same disk, as after a reload: it knows of `blob` what its storage knows.
    pub(super) fn restart(&mut self, node: Who, seed: u8) {
        self.leave(node);
        // What the old one asked of its storage is not told to the new one.
        self.events.retain(|_, event| !matches!(event, Event::Tell(to, _) if *to == node));
        let kept: Vec<(BlobId, u64, Groups)> = self.nodes[node]
            .storage
            .keys()
            .filter_map(|id| {
                self.nodes[node].exchange.held(id).map(|(size, groups)| (*id, size, groups.clone()))
            })
            .collect();
        let peer = &mut self.nodes[node];
        peer.is_here = true;
        peer.exchange = Exchange::new([seed; 32], Limits::default());
        peer.asked.clear();
        peer.came.clear();
        for (id, size, groups) in kept {
            self.tell(node, Input::Hold { id, size, groups });
        }
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if self.nodes[other].is_here {
                self.meet(node, other);
            }
        }
    }

    /// A node holds all of a blob.
    pub(super) fn give(&mut self, node: Who, held: &Held) {
        let stored = Stored { content: held.content.clone(), outboard: held.outboard.clone() };
        self.nodes[node].storage.insert(held.id, stored);
        let groups = Groups::all(held.size().div_ceil(16_384) as u32);
        self.tell(node, Input::Hold { id: held.id, size: held.size(), groups });
    }

    /// A node holds some groups of a blob.
    pub(super) fn give_some(&mut self, node: Who, held: &Held, groups: core::ops::Range<u32>) {
        let stored = Stored { content: held.content.clone(), outboard: held.outboard.clone() };
        self.nodes[node].storage.insert(held.id, stored);
        let mut some = Groups::none(held.size().div_ceil(16_384) as u32);
        some.insert_all(groups);
        self.tell(node, Input::Hold { id: held.id, size: held.size(), groups: some });
    }

    pub(super) fn want(&mut self, node: Who, held: &Held) {
        self.want_as(node, held, Priority::Original, &[]);
    }

    pub(super) fn want_as(&mut self, node: Who, held: &Held, priority: Priority, hints: &[Who]) {
        let hints = hints.iter().map(|who| peer(*who)).collect();
        self.tell(node, Input::Want(Want { id: held.id, size: held.size(), priority, hints }));
    }

    pub(super) fn is_complete(&self, node: Who, held: &Held) -> bool {
        let is_said = self.nodes[node].complete.contains_key(&held.id);
        assert!(
            !is_said || self.nodes[node].storage[&held.id].content == held.content,
            "complete is complete"
        );
        is_said
    }

    /// Runs until `until` holds.
    pub(super) fn run_until(&mut self, seconds: u64, mut until: impl FnMut(&Net) -> bool) {
        let end = self.now + seconds * 1_000;
        while !until(self) {
            assert!(self.step(end), "it did not happen within {seconds} s");
        }
    }

    /// Runs for so long.
    pub(super) fn run(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        while self.step(end) {}
        self.now = end;
    }

    /// Does what comes next, when it comes before `end`.
    fn step(&mut self, end: u64) -> bool {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let here = self.nodes.iter().enumerate().filter(|(_, node)| node.is_here);
        let timer = here.filter_map(|(who, node)| Some((node.exchange.poll_timeout()?.0, who))).min();
        match (event, timer) {
            (Some(at), _) if at <= end && timer.is_none_or(|(timer, _)| at <= timer) => {
                self.now = self.now.max(at);
                let (_, event) = self.events.pop_first().expect("it was there");
                self.happen(event);
                true
            }
            (_, Some((at, who))) if at <= end => {
                self.now = self.now.max(at);
                self.tell(who, Input::Wake);
                let next = self.nodes[who].exchange.poll_timeout();
                assert!(next.is_none_or(|next| next.0 > self.now), "a deadline stands still at {}", self.now);
                true
            }
            _ => false,
        }
    }

    fn at(&mut self, at: u64, event: Event) {
        self.next += 1;
        self.events.insert((at, self.next), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tell(who, input) => self.tell(who, input),
            Event::Frame { opener, other, epoch, to_opener, frame } => {
                if self.streams.get(&(opener, other)) == Some(&(epoch, true)) {
                    let (to, from, stream) = match to_opener {
                        true => (opener, other, MediaStream::Ours),
                        false => (other, opener, MediaStream::Theirs),
                    };
                    if let (true, Ok(MediaFrame::Slice { bytes, .. })) = (to_opener, decoded(&frame)) {
                        *self.nodes[to].came.entry(from).or_default() += bytes.len() as u64;
                    }
                    self.tell(to, Input::Received { peer: peer(from), stream, frame });
                }
            }
            Event::Open { opener, other } => {
                if !self.nodes[opener].is_here || !self.nodes[other].is_here {
                    return self.tell(opener, Input::Unopened(peer(other)));
                }
                let stream = self.streams.entry((opener, other)).or_default();
                *stream = (stream.0 + 1, true);
                self.tell(opener, Input::Opened(peer(other)));
                self.tell(other, Input::Accepted(peer(opener)));
            }
            Event::Close { opener, other, epoch, by_opener } => {
                let stream = self.streams.entry((opener, other)).or_default();
                if *stream == (epoch, true) {
                    stream.1 = false;
                    match by_opener {
                        true => self.tell(other, Input::Closed(peer(opener), MediaStream::Theirs)),
                        false => self.tell(opener, Input::Closed(peer(other), MediaStream::Ours)),
                    }
                }
            }
        }
    }

    pub(super) fn tell(&mut self, node: Who, input: Input) {
        if !self.nodes[node].is_here {
            return;
        }
        self.nodes[node].exchange.handle(Instant(self.now), input);
        while let Some(output) = self.nodes[node].exchange.poll_output() {
            self.perform(node, output);
        }
    }

    fn perform(&mut self, node: Who, output: Output) {
        let (now, delay) = (self.now, self.nodes[node].delay);
        match output {
            Output::OpenStream(to) => {
                self.nodes[node].opened.insert(who(to));
                self.at(now + 2 * delay, Event::Open { opener: node, other: who(to) });
            }
            Output::CloseStream { peer: to, stream, reason } => {
                let to = who(to);
                self.nodes[node].closed.push((to, stream, reason));
                let by_opener = stream == MediaStream::Ours;
                let (opener, other) = if by_opener { (node, to) } else { (to, node) };
                let (epoch, _) = self.streams.get(&(opener, other)).copied().unwrap_or_default();
                self.at(now + delay, Event::Close { opener, other, epoch, by_opener });
            }
            Output::Send { peer: to, stream, frame } => self.send(node, who(to), stream, frame),
            Output::Read { ticket, id, size, first, count } => {
                let peer = &self.nodes[node];
                if !peer.is_deaf {
                    let slice = peer.storage.get(&id).map(|stored| stored.slice(size, first, count));
                    self.at(now + 1, Event::Tell(node, Input::ReadDone { ticket, slice }));
                }
            }
            Output::Write { ticket, id, size, first, data, parents } => {
                let peer = &mut self.nodes[node];
                let stored = !peer.is_full;
                if stored {
                    let kept = peer.storage.entry(id).or_insert_with(|| empty(size));
                    if kept.content.len() as u64 != size {
                        *kept = empty(size);
                    }
                    kept.write(first, &data, &parents);
                }
                self.at(now + 1, Event::Tell(node, Input::WriteDone { ticket, stored }));
            }
            Output::Progress { id, held, total, holders } => {
                self.nodes[node].progress.insert(id, (held, total, holders));
            }
            Output::Complete(id) => drop(self.nodes[node].complete.insert(id, now)),
            Output::Liar { peer, .. } => drop(self.nodes[node].liars.insert(who(peer))),
        }
    }

    fn send(&mut self, node: Who, to: Who, stream: MediaStream, mut frame: Vec<u8>) {
        let by_opener = stream == MediaStream::Ours;
        let (opener, other) = if by_opener { (node, to) } else { (to, node) };
        let Some(&(epoch, true)) = self.streams.get(&(opener, other)) else { return };
        match decoded(&frame) {
            Ok(MediaFrame::Get { first, count, .. }) => {
                self.nodes[node].asked.entry(to).or_default().push((first, count));
            }
            Ok(MediaFrame::Slice { call, mut bytes }) if self.nodes[node].is_lying(&bytes) => {
                *bytes.last_mut().expect("slices have bytes") ^= 1;
                frame = MediaFrame::Slice { call, bytes }.encode();
            }
            _ => {}
        }
        let sender = &mut self.nodes[node];
        let bytes = frame.len() as u64;
        // In microseconds, so that many small frames do not cost a millisecond each.
        sender.uplink_free = sender.uplink_free.max(self.now * 1_000) + bytes * 1_000_000 / sender.uplink;
        let (left, delay) = (sender.uplink_free / 1_000, sender.delay);
        self.at(left, Event::Tell(node, Input::Flushed { peer: peer(to), stream, bytes }));
        self.at(left + delay, Event::Frame { opener, other, epoch, to_opener: !by_opener, frame });
    }
}

fn decoded(frame: &[u8]) -> Result<MediaFrame, chanterelle_core::media::MediaFrameError> {
    MediaFrame::decode(frame, &Limits::default())
}

impl Peer {
    /// Whether these bytes are a slice to lie in: the one that ends with the last bytes of a blob it lies about.
    fn is_lying(&self, bytes: &[u8]) -> bool {
        self.is_liar
            && self
                .storage
                .values()
                .any(|stored| bytes.ends_with(&stored.content[stored.content.len().saturating_sub(16)..]))
    }
}

impl Stored {
    fn slice(&self, size: u64, first: u32, count: u32) -> Vec<u8> {
        let start = first as usize * 16_384;
        let end = (start + count as usize * 16_384).min(self.content.len());
        let parent = |node: Node| {
            let at = node.offset() as usize;
            Parent::try_from(&self.outboard[at..at + 64]).expect("64 bytes")
        };
        slice(size, first, count, parent, &self.content[start..end]).expect("only what is there is asked for")
    }

    fn write(&mut self, first: u32, data: &[u8], parents: &[(Node, Parent)]) {
        let start = first as usize * 16_384;
        self.content[start..start + data.len()].copy_from_slice(data);
        for (node, parent) in parents {
            let at = node.offset() as usize;
            self.outboard[at..at + 64].copy_from_slice(parent);
        }
    }
}

/// Room for a blob.
fn empty(size: u64) -> Stored {
    Stored { content: vec![0; size as usize], outboard: vec![0; outboard_bytes(size) as usize] }
}
