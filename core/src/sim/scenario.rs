//! What happens in a run: a network, its people and its faults, in a few numbers.

use super::link::Link;

/// One scenario. Times are in seconds of virtual time; rates are of a thousand.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name for `cargo xtask sim`.
    pub name: &'static str,
    /// Peers, relays included.
    pub peers: usize,
    /// How many of them are relays.
    pub relays: usize,
    /// Boards; each tab keeps one to three of them.
    pub boards: usize,
    /// Tabs each tab is connected to beside its relay.
    pub neighbours: usize,
    /// Whether tabs connect to each other by themselves, and of a thousand attempts how many fail.
    pub direct: Option<u64>,
    /// How long people write.
    pub active: u64,
    /// Events written in a minute, by all together.
    pub posts_per_minute: u64,
    /// How long faults have ceased before the outcome is judged.
    pub settle: u64,
    /// The links.
    pub link: Link,
    /// When the network is split in two, and when it is whole again.
    pub partition: Option<(u64, u64)>,
    /// Peers that crash in a minute, of a thousand; each is back after some seconds.
    pub crashes: u64,
    /// How far clocks are off, at most, in seconds either way.
    pub skew: u64,
    /// Batches that the storage refuses, of a thousand.
    pub storage_fails: u64,
}

const CALM: Scenario = Scenario {
    name: "calm",
    peers: 50,
    relays: 1,
    boards: 3,
    neighbours: 0,
    direct: None,
    active: 60,
    posts_per_minute: 60,
    settle: 150,
    link: Link::CLEAN,
    partition: None,
    crashes: 0,
    skew: 0,
    storage_fails: 0,
};

/// The scenarios known by name.
pub const SCENARIOS: &[Scenario] = &[
    CALM,
    Scenario { name: "mesh", relays: 0, neighbours: 4, ..CALM },
    Scenario {
        name: "lossy",
        neighbours: 2,
        link: Link { least_ms: 10, most_ms: 400, lost: 50, reordered: 100, broken: 100 },
        ..CALM
    },
    Scenario { name: "direct", relays: 2, direct: Some(0), active: 180, ..CALM },
    Scenario {
        name: "partly-direct",
        relays: 3,
        direct: Some(400),
        active: 120,
        link: Link { least_ms: 5, most_ms: 300, lost: 20, reordered: 50, broken: 200 },
        crashes: 100,
        ..CALM
    },
    Scenario { name: "partition", relays: 2, neighbours: 3, active: 120, partition: Some((20, 90)), ..CALM },
    Scenario { name: "crashes", neighbours: 2, active: 120, crashes: 300, storage_fails: 50, ..CALM },
    Scenario {
        name: "everything",
        // A post by the fastest clock is let in by the slowest five minutes later.
        settle: 600,
        relays: 2,
        neighbours: 3,
        active: 120,
        link: Link { least_ms: 5, most_ms: 800, lost: 30, reordered: 50, broken: 200 },
        partition: Some((30, 80)),
        crashes: 150,
        skew: 600,
        storage_fails: 30,
        ..CALM
    },
];
