//! What a run has shown.

use core::fmt;
use core::time::Duration;

use crate::base::EventId;

/// The outcome of one run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of the scenario.
    pub scenario: &'static str,
    /// The seed that replays it.
    pub seed: u64,
    /// Hash over every frame delivered, every durable batch and every fault, in order.
    pub trace: [u8; 32],
    /// Peers at the end.
    pub peers: usize,
    /// Events written.
    pub written: usize,
    /// Pairs of (event, peer that keeps its board), and how many of them hold at the end.
    pub owed: usize,
    /// See `owed`.
    pub delivered: usize,
    /// Frames delivered.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames lost to links, partitions and crashes.
    pub lost: u64,
    /// Events that tabs sent to relays.
    pub up: u64,
    /// Events that relays sent to tabs.
    pub down: u64,
    /// Crashes.
    pub crashes: u64,
    /// Median and worst time from writing to being held, over all pairs that were not the author's own.
    pub latency: (Duration, Duration),
    /// How long after the last fault all peers agreed; `None` if they never did.
    pub converged: Option<Duration>,
    /// Promises that were broken.
    pub broken: Vec<Broken>,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A peer that keeps the event's board lacks it in the end.
    Missing {
        /// The peer's number.
        peer: usize,
        /// The event.
        event: EventId,
    },
    /// An event was shown as saved or sent, and its author's storage lost it.
    SavedLost {
        /// The author's number.
        peer: usize,
        /// The event.
        event: EventId,
    },
    /// A peer acknowledged an event that was not in its durable storage.
    AckNotDurable {
        /// The peer's number.
        peer: usize,
        /// The event.
        event: EventId,
    },
    /// An honest peer was parted with for what it sent.
    HonestClosed {
        /// The number of the peer that closed.
        peer: usize,
    },
}

impl Report {
    /// The trace hash as text.
    #[must_use]
    pub fn trace_hex(&self) -> String {
        EventId(self.trace).to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = if self.owed == 0 { 100.0 } else { 100.0 * self.delivered as f64 / self.owed as f64 };
        writeln!(f, "scenario   {} seed {} with {} peers", self.scenario, self.seed, self.peers)?;
        writeln!(f, "events     {} written, {} crashes", self.written, self.crashes)?;
        writeln!(f, "delivered  {} of {} ({share:.2} %)", self.delivered, self.owed)?;
        writeln!(f, "latency    {:?} median, {:?} worst", self.latency.0, self.latency.1)?;
        match self.converged {
            Some(after) => writeln!(f, "agreement  {after:?} after the last fault")?,
            None => writeln!(f, "agreement  not reached")?,
        }
        writeln!(f, "frames     {} delivered, {} lost, {} bytes", self.frames, self.lost, self.bytes)?;
        writeln!(f, "relays     {} events up, {} down", self.up, self.down)?;
        for broken in self.broken.iter().take(20) {
            writeln!(f, "BROKEN     {broken:?}")?;
        }
        if self.broken.len() > 20 {
            writeln!(f, "BROKEN     and {} more", self.broken.len() - 20)?;
        }
        Ok(())
    }
}
