//! What happens in a run: a network, its people and its faults, in a few numbers, as a short text says them.
//!
//! The texts are the files in `sim/scenarios`. They are in the program, so that a browser has them, too.

mod parse;

pub use parse::ScenarioError;

use super::liars::Kind;
use super::link::Link;

/// One scenario. Times are in seconds of virtual time; shares and rates are of a thousand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name for `cargo xtask sim`.
    pub name: String,
    /// Peers at the beginning, relays and liars included.
    pub peers: usize,
    /// How many of them are relays.
    pub relays: usize,
    /// Boards.
    pub boards: usize,
    /// How many of them each tab keeps, at least and at most.
    pub boards_each: (usize, usize),
    /// Whether the boards are read by Zipf's law: the second half as often as the first, the third a third.
    pub zipf: bool,
    /// Tabs each tab is connected to beside its relay.
    pub neighbours: usize,
    /// Whether tabs connect to each other by themselves, and of a thousand attempts how many fail.
    pub direct: Option<u64>,
    /// Tabs that anybody can connect to.
    pub nat_open: u64,
    /// Tabs behind a NAT with another port for everybody: they reach each other never, and others only if those are open.
    pub nat_symmetric: u64,
    /// How long people write.
    pub active: u64,
    /// How long faults have ceased, at most, before the outcome is judged.
    pub settle: u64,
    /// What came before is left out of the figures after warm-up.
    pub warm_up: u64,
    /// Events written in a minute, by all together.
    pub posts_per_minute: u64,
    /// The links.
    pub link: Link,
    /// What a tab can send, in thousand bits a second; 0 is without bound.
    pub uplink_kbps: u64,
    /// Tabs whose way out is slower than their way in.
    pub slow: u64,
    /// What those can send, in thousand bits a second; 0 is without bound.
    pub slow_kbps: u64,
    /// How much longer their frames take, milliseconds.
    pub slow_ms: u64,
    /// When the network is split, and when it is whole again.
    pub partition: Option<(u64, u64)>,
    /// Into how many parts.
    pub parts: usize,
    /// Peers that crash in a minute; each is back after some seconds.
    pub crashes: u64,
    /// Crashes at which a tab loses what it was told is stored, as far as it did not ask for more than that.
    pub forgetful: u64,
    /// Peers that come in a minute, of those at the beginning.
    pub joins: u64,
    /// Peers that leave for good in a minute, of those at the beginning.
    pub leaves: u64,
    /// How far clocks are off, at most, in seconds either way.
    pub skew: u64,
    /// Batches that the storage refuses.
    pub storage_fails: u64,
    /// Tabs whose storage is full for as long as people write.
    pub storage_full: u64,
    /// Tabs whose storage takes up to `storage_slow_ms` for a batch.
    pub storage_slow: u64,
    /// See `storage_slow`; milliseconds.
    pub storage_slow_ms: u64,
    /// Tabs in the background for as long as people write: timers once a minute, frames once a second.
    pub hidden: u64,
    /// Peers that do not follow the protocol, by kind.
    pub liars: Vec<(Kind, u64)>,
    /// How many of them each honest peer is connected to.
    pub liars_each: usize,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            name: String::new(),
            peers: 50,
            relays: 1,
            boards: 3,
            boards_each: (1, 3),
            zipf: false,
            neighbours: 0,
            direct: None,
            nat_open: 0,
            nat_symmetric: 0,
            active: 60,
            settle: 150,
            warm_up: 30,
            posts_per_minute: 60,
            link: Link::CLEAN,
            uplink_kbps: 0,
            slow: 0,
            slow_kbps: 0,
            slow_ms: 0,
            partition: None,
            parts: 2,
            crashes: 0,
            forgetful: 0,
            joins: 0,
            leaves: 0,
            skew: 0,
            storage_fails: 0,
            storage_full: 0,
            storage_slow: 0,
            storage_slow_ms: 0,
            hidden: 0,
            liars: Vec::new(),
            liars_each: 0,
        }
    }
}

/// The scenarios known by name, with their texts.
pub const SCENARIOS: &[(&str, &str)] = &[
    ("calm", include_str!("../scenarios/calm.txt")),
    ("mesh", include_str!("../scenarios/mesh.txt")),
    ("lossy", include_str!("../scenarios/lossy.txt")),
    ("direct", include_str!("../scenarios/direct.txt")),
    ("partly-direct", include_str!("../scenarios/partly-direct.txt")),
    ("partition", include_str!("../scenarios/partition.txt")),
    ("crashes", include_str!("../scenarios/crashes.txt")),
    ("everything", include_str!("../scenarios/everything.txt")),
    ("hour", include_str!("../scenarios/hour.txt")),
    ("gossip-10k", include_str!("../scenarios/gossip-10k.txt")),
    ("zipf", include_str!("../scenarios/zipf.txt")),
    ("heal-10k", include_str!("../scenarios/heal-10k.txt")),
    ("churn", include_str!("../scenarios/churn.txt")),
    ("hidden-tabs", include_str!("../scenarios/hidden-tabs.txt")),
    ("asymmetric", include_str!("../scenarios/asymmetric.txt")),
    ("skewed", include_str!("../scenarios/skewed.txt")),
    ("full-disks", include_str!("../scenarios/full-disks.txt")),
    ("flood", include_str!("../scenarios/flood.txt")),
    ("liars", include_str!("../scenarios/liars.txt")),
    ("eclipse", include_str!("../scenarios/eclipse.txt")),
];

impl Scenario {
    /// The scenario of a name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn named(name: &str) -> Result<Scenario, ScenarioError> {
        let known = SCENARIOS.iter().find(|(known, _)| *known == name);
        let (name, text) = known.ok_or_else(|| ScenarioError::Name(name.to_owned()))?;
        Scenario::parse(name, text)
    }

    /// Peers that are there at some time, those that come later included.
    pub(super) fn all_peers(&self) -> usize {
        self.peers + self.come_and_go(self.joins)
    }

    /// How many come, or leave, at so many of a thousand a minute.
    pub(super) fn come_and_go(&self, per_minute: u64) -> usize {
        (self.peers as u64 * per_minute * self.active / 60_000) as usize
    }

    /// How many peers are liars.
    pub(super) fn all_liars(&self) -> usize {
        self.liars.iter().map(|(_, share)| self.share(*share)).sum()
    }

    /// So many of a thousand of the peers at the beginning.
    pub(super) fn share(&self, per_thousand: u64) -> usize {
        (self.peers as u64 * per_thousand / 1_000) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_scenario_can_be_read_and_says_what_it_is_for() {
        for (name, text) in SCENARIOS {
            let scenario = Scenario::named(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(scenario.name, *name);
            assert!(text.starts_with("# "), "{name} begins with what it is for");
            assert!((5..=25).contains(&text.lines().count()), "{name} has 5 to 25 lines");
        }
        assert_eq!(Scenario::named("none"), Err(ScenarioError::Name("none".to_owned())));
    }
}
