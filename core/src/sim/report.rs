//! What a run has shown: for people as a text, for programs as `name value` lines.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use super::histogram::Histogram;
use crate::base::EventId;

/// The outcome of one run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of the scenario.
    pub scenario: String,
    /// The seed that replays it.
    pub seed: u64,
    /// Hash over what each peer met, in its order: every frame, every durable batch and every fault.
    pub trace: [u8; 32],
    /// Peers that were there at some time.
    pub peers: usize,
    /// How many of them are liars.
    pub liars: usize,
    /// Events written.
    pub written: usize,
    /// Pairs of (event, honest peer that keeps its board), and how many of them hold at the end.
    pub owed: u64,
    /// See `owed`.
    pub delivered: u64,
    /// Frames delivered to honest peers.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames and bytes by the name of the frame; `of liars` for all of theirs.
    pub by_name: BTreeMap<String, (u64, u64)>,
    /// Frames lost to links, partitions and crashes.
    pub lost: u64,
    /// Inputs given to nodes, and how many of them were deadlines.
    pub inputs: u64,
    /// See `inputs`.
    pub wakes: u64,
    /// Events that frames brought to honest peers which had not got them.
    pub first: u64,
    /// Events that frames brought to those which had.
    pub again: u64,
    /// The same as `first` after warm-up.
    pub first_warm: u64,
    /// The same as `again` after warm-up.
    pub again_warm: u64,
    /// Bytes of frames after warm-up.
    pub bytes_warm: u64,
    /// Links that an event passed on its way to a peer, over all first deliveries.
    pub hops: Histogram,
    /// The most of them of each event.
    pub last_hops: Histogram,
    /// Milliseconds from writing to being stored, over all pairs that were not the author's own.
    pub latency: Histogram,
    /// Events that tabs sent to relays.
    pub up: u64,
    /// Events that relays sent to tabs.
    pub down: u64,
    /// Events that relays sent to relays.
    pub between_relays: u64,
    /// Events that tabs sent to tabs.
    pub between_tabs: u64,
    /// Events that a tab sent which does not read their board.
    pub unread: u64,
    /// Sessions that honest peers closed, by reason and whether the other was honest, too.
    pub closed: BTreeMap<(String, bool), u64>,
    /// Crashes.
    pub crashes: u64,
    /// How long after the last fault all peers agreed; `None` if they never did.
    pub converged: Option<Duration>,
    /// Promises that were broken: the first of them.
    pub broken: Vec<Broken>,
    /// How many there are.
    pub broken_count: u64,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
        /// The number of the other.
        other: usize,
    },
}

impl Report {
    /// The trace hash as text.
    #[must_use]
    pub fn trace_hex(&self) -> String {
        EventId(self.trace).to_string()
    }

    /// Whether every promise was kept and all peers agreed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.broken_count == 0 && self.converged.is_some() && self.delivered == self.owed
    }

    /// Events that frames brought to peers which had got them, for each that they brought to one which had not.
    #[must_use]
    pub fn duplicates(&self) -> f64 {
        ratio(self.again, self.first)
    }

    /// The same after warm-up.
    #[must_use]
    pub fn duplicates_warm(&self) -> f64 {
        ratio(self.again_warm, self.first_warm)
    }

    /// The share of what is owed that is there, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.owed == 0 { 1.0 } else { self.delivered as f64 / self.owed as f64 }
    }

    /// Every figure with its name, for programs.
    #[must_use]
    pub fn figures(&self) -> Vec<(String, f64)> {
        let (latency, hops, last) = (&self.latency, &self.hops, &self.last_hops);
        let count = |value: u64| value as f64;
        let mut figures: Vec<(String, f64)> = [
            ("peers", self.peers as f64),
            ("liars", self.liars as f64),
            ("written", self.written as f64),
            ("delivered", self.share()),
            ("broken", count(self.broken_count)),
            ("duplicates", self.duplicates()),
            ("duplicates_warm", self.duplicates_warm()),
            ("hops.mean", hops.mean()),
            ("hops.last_median", count(last.quantile(500))),
            ("hops.last_worst", count(last.most())),
            ("latency_ms.median", count(latency.quantile(500))),
            ("latency_ms.p99", count(latency.quantile(990))),
            ("latency_ms.worst", count(latency.most())),
            ("converged_s", self.converged.map_or(-1.0, |after| after.as_secs_f64())),
            ("frames", count(self.frames)),
            ("bytes", count(self.bytes)),
            ("bytes_per_delivery", ratio(self.bytes, self.first)),
            ("bytes_per_delivery_warm", ratio(self.bytes_warm, self.first_warm)),
            ("frames_per_delivery", ratio(self.frames, self.first)),
            ("inputs_per_delivery", ratio(self.inputs, self.first)),
            ("wakes_per_delivery", ratio(self.wakes, self.first)),
            ("lost", count(self.lost)),
            ("crashes", count(self.crashes)),
            ("events.up", count(self.up)),
            ("events.down", count(self.down)),
            ("events.between_relays", count(self.between_relays)),
            ("events.between_tabs", count(self.between_tabs)),
            ("events.unread", count(self.unread)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        for (name, (frames, bytes)) in &self.by_name {
            let name = name.replace(' ', "_");
            figures.push((format!("frames.{name}"), count(*frames)));
            figures.push((format!("bytes.{name}"), count(*bytes)));
        }
        for ((reason, is_honest), sessions) in &self.closed {
            let of = if *is_honest { "honest" } else { "liars" };
            figures.push((format!("closed.{of}.{reason}"), count(*sessions)));
        }
        figures
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |milliseconds: u64| Duration::from_millis(milliseconds);
        let (latency, last) = (&self.latency, &self.last_hops);
        writeln!(f, "scenario   {} seed {} with {} peers", self.scenario, self.seed, self.peers)?;
        if self.liars > 0 {
            writeln!(f, "liars      {}", self.liars)?;
        }
        writeln!(f, "events     {} written, {} crashes", self.written, self.crashes)?;
        writeln!(f, "delivered  {} of {} ({:.2} %)", self.delivered, self.owed, 100.0 * self.share())?;
        writeln!(
            f,
            "latency    {:?} median, {:?} for 99 %, {:?} worst",
            seconds(latency.quantile(500)),
            seconds(latency.quantile(990)),
            seconds(latency.most()),
        )?;
        writeln!(
            f,
            "hops       {:.1} on average, {} to the last in the median, {} at worst",
            self.hops.mean(),
            last.quantile(500),
            last.most(),
        )?;
        writeln!(
            f,
            "duplicates {:.3} per delivery, {:.3} after warm-up",
            self.duplicates(),
            self.duplicates_warm()
        )?;
        match self.converged {
            Some(after) => writeln!(f, "agreement  {after:?} after the last fault")?,
            None => writeln!(f, "agreement  not reached")?,
        }
        writeln!(f, "frames     {} delivered, {} lost, {} bytes", self.frames, self.lost, self.bytes)?;
        writeln!(
            f,
            "delivery   {:.2} frames, {:.0} bytes, {:.2} inputs",
            ratio(self.frames, self.first),
            ratio(self.bytes, self.first),
            ratio(self.inputs, self.first),
        )?;
        for (name, (frames, bytes)) in &self.by_name {
            let (frames_each, bytes_each) = (ratio(*frames, self.first), ratio(*bytes, self.first));
            writeln!(f, "  {name:<11} {frames} frames ({frames_each:.3}), {bytes} bytes ({bytes_each:.1})")?;
        }
        writeln!(f, "relays     {} events up, {} down, {} across", self.up, self.down, self.between_relays)?;
        writeln!(f, "tabs       {} events, {} by who does not read them", self.between_tabs, self.unread)?;
        for ((reason, is_honest), sessions) in &self.closed {
            let of = if *is_honest { "honest peers" } else { "liars" };
            writeln!(f, "closed     {sessions} sessions with {of}: {reason}")?;
        }
        for broken in self.broken.iter().take(20) {
            writeln!(f, "BROKEN     {broken:?}")?;
        }
        if self.broken_count > 20 {
            writeln!(f, "BROKEN     and {} more", self.broken_count - 20)?;
        }
        Ok(())
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
