//! What an exchange remembers of a peer: as one that is asked, and as one that asks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::{BlobId, Instant, Limits};
use crate::media::Groups;

use super::pace::Pace;

/// A peer there is a session with.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) asking: Asking,
    pub(super) serving: Serving,
    /// When to look at it again, as the timers have it.
    pub(super) wake_at: Option<Instant>,
}

/// Our stream to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// There is none, and none is to be opened before this.
    Shut(Instant),
    /// The shell is opening it.
    Opening,
    /// It is there.
    Open,
}

/// A peer as one that is asked.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) line: Line,
    /// Times in a row that the stream broke or did not come.
    pub(super) failures: u32,
    /// Bytes that the connection has not taken yet.
    pub(super) unflushed: u64,
    /// What it is to look for, and what it was told to.
    pub(super) wish: BTreeSet<BlobId>,
    pub(super) looked: BTreeSet<BlobId>,
    /// What it said it holds, of that.
    pub(super) said: BTreeMap<BlobId, Said>,
    /// Bytes of bitmaps in there.
    pub(super) bitmaps: usize,
    pub(super) calls: BTreeMap<u64, Call>,
    pub(super) pace: Pace,
    /// It was asked and gave nothing for too long; an answer ends that.
    pub(super) is_stalled: bool,
    /// Since when nothing is looked for.
    pub(super) idle: Option<Instant>,
}

/// What a peer holds of a blob: something, else it is not remembered.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) size: u64,
    pub(super) groups: Groups,
}

/// A request that is not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) id: BlobId,
    pub(super) size: u64,
    pub(super) first: u32,
    pub(super) count: u32,
    pub(super) asked: Instant,
    /// When it is given up.
    pub(super) deadline: Instant,
    /// Content bytes asked for.
    pub(super) bytes: u64,
    /// Others may be asked the same: it was given up. The answer is taken all the same.
    pub(super) is_given_up: bool,
    /// Somebody else was asked the same.
    pub(super) is_doubled: bool,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            line: Line::Shut(Instant::default()),
            failures: 0,
            unflushed: 0,
            wish: BTreeSet::new(),
            looked: BTreeSet::new(),
            said: BTreeMap::new(),
            bitmaps: 0,
            calls: BTreeMap::new(),
            pace: Pace::default(),
            is_stalled: false,
            idle: None,
        }
    }
}

impl Asking {
    /// Requests that are waited for.
    pub(super) fn live(&self) -> impl Iterator<Item = &Call> {
        self.calls.values().filter(|call| !call.is_given_up)
    }

    /// Whether one more request may go out.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        self.line == Line::Open
            && !self.is_stalled
            && self.calls.len() < limits.media_gets
            && self.unflushed < OURS_UNFLUSHED
            && self.pace.has_room()
    }

    /// When the peer counts as stalled, because it answers nothing, be it to questions that were given up.
    pub(super) fn stalls_at(&self, limits: &Limits) -> Option<Instant> {
        (!self.is_stalled && !self.calls.is_empty()).then(|| self.pace.heard() + limits.media_stall)
    }

    /// When a stalled peer is asked anew, on another stream.
    pub(super) fn restarts_at(&self, limits: &Limits) -> Option<Instant> {
        self.is_stalled.then(|| self.pace.heard() + limits.media_stall * 2)
    }
}

/// Questions handed out and not taken by the connection, bytes: a peer that does not read is told no more.
pub(super) const OURS_UNFLUSHED: u64 = 64 * 1024;

/// A peer as one that asks.
#[derive(Debug, Default)]
pub(super) struct Serving {
    pub(super) is_open: bool,
    /// Which of all streams of all peers; what was read for another is dropped.
    pub(super) epoch: u64,
    /// Bytes that the connection has not taken yet, and bytes that are being read for it.
    pub(super) unflushed: u64,
    pub(super) reading: u64,
    /// What it looks for, and when it was last told about each.
    pub(super) looks: BTreeMap<BlobId, Option<Instant>>,
    /// What it said it looks for since, and when it was last followed.
    pub(super) next_looks: Option<BTreeSet<BlobId>>,
    pub(super) looked_at: Option<Instant>,
    /// What it is to be told about.
    pub(super) untold: BTreeSet<BlobId>,
    /// Requests not begun, and the names of all that are not answered.
    pub(super) queue: VecDeque<Get>,
    pub(super) calls: BTreeSet<u64>,
}

/// A request of a peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Get {
    pub(super) call: u64,
    pub(super) id: BlobId,
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Serving {
    /// Bytes handed out.
    pub(super) fn handed_out(&self) -> u64 {
        self.unflushed + self.reading
    }

    /// Whether more may be handed out, with so much being handed out to all peers.
    pub(super) fn has_room(&self, limits: &Limits, total: u64) -> bool {
        let bytes = self.handed_out();
        let fits =
            bytes == 0 || (bytes < limits.media_unflushed_bytes && total < limits.media_unflushed_total);
        self.is_open && fits
    }
}
