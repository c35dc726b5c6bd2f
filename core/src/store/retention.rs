//! What is kept, for whose sake, and how much of it: data and rules without a clock or a storage.
//!
//! In each (board, day) a bounded number of events counts, the same at all peers that have seen the same: a rule of the
//! events' bytes alone, so sets capped in any order and merged in any order end alike. What is the person's own, pinned
//! or by whom they follow stays beside, uncounted if it has to be; only strangers' events ever make room for others.

use crate::base::Day;

/// For whose sake an event is kept; the first that applies, from behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It is nobody's the person knows.
    Stranger,
    /// Its author is followed.
    Followed,
    /// The person asked for it to be kept, or a relay's operator did.
    Pinned,
    /// The person wrote it.
    Own,
}

impl Class {
    /// All, strangers first.
    pub const ALL: [Class; 4] = [Class::Stranger, Class::Followed, Class::Pinned, Class::Own];
}

/// What this node has decided about an event: local, and nobody else's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Asked to be kept.
    pub pinned: bool,
    /// By whom the person follows.
    pub followed: bool,
    /// Its body was dropped or is not given out. It still counts, so that it is not fetched again and peers agree.
    pub withheld: bool,
}

/// Why an event is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its day lies before the window.
    #[error("it is older than what is kept of its board")]
    Old,
    /// So many events of its board's day come before it.
    #[error("its board has no room for it on its day")]
    Crowded,
    /// Something later has replaced it.
    #[error("something later has replaced it")]
    Superseded,
}

/// How much is kept. `None` sets no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Days back from today of which strangers' events are kept, today not counted.
    pub stranger_days: Option<u32>,
    /// The same for events by whom the person follows.
    pub followed_days: Option<u32>,
    /// Bytes of strangers' events.
    pub stranger_bytes: Option<u64>,
    /// Strangers' events, withheld ones included: each takes memory as long as the node runs.
    pub stranger_events: Option<usize>,
}

impl Retention {
    /// Everything for ever, as a relay keeps it whose operator wants that.
    pub const FOREVER: Retention =
        Retention { stranger_days: None, followed_days: None, stranger_bytes: None, stranger_events: None };

    /// What a tab keeps whose browser gives it `quota` bytes. A quarter of that is for strangers' content, and a quarter of
    /// the quarter for their events, which are small beside files: the rest is for those. A hundred days are what the
    /// network is measured with; older threads are fetched when they are opened. 200,000 events take 26 MB of memory.
    #[must_use]
    pub fn tab(quota: u64) -> Retention {
        Retention {
            stranger_days: Some(100),
            followed_days: None,
            stranger_bytes: Some(quota / 16),
            stranger_events: Some(200_000),
        }
    }

    /// The first day of which strangers' events are kept.
    pub(super) fn strangers_from(&self, today: Day) -> Day {
        Day(self.stranger_days.map_or(0, |days| today.0.saturating_sub(days)))
    }

    /// The first day of which events are kept by whom the person follows.
    pub(super) fn followed_from(&self, today: Day) -> Day {
        Day(self.followed_days.map_or(0, |days| today.0.saturating_sub(days)))
    }
}
