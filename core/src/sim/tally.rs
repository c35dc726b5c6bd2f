//! What one worker counted of its peers. The sums of all workers are the same however peers are shared out among them.

use std::collections::BTreeMap;

use super::histogram::Histogram;
use super::peek::Name;
use super::report::Broken;

/// Promises reported one by one; what is beyond is counted.
const REPORTED: usize = 1_000;

/// Counters.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Frames delivered to honest peers and their bytes, by name; those of liars, who may call them anything, under none.
    pub frames: BTreeMap<Option<Name>, (u64, u64)>,
    /// Frames lost to links, partitions and crashes.
    pub lost: u64,
    /// Inputs given to nodes.
    pub inputs: u64,
    /// Those of them that were a deadline.
    pub wakes: u64,
    /// Events that came to a peer which had not got them, and which had; and the same after warm-up.
    pub first: u64,
    pub again: u64,
    pub first_warm: u64,
    pub again_warm: u64,
    /// Bytes of the frames after warm-up.
    pub bytes_warm: u64,
    /// Milliseconds from writing to being stored at another peer.
    pub latency: Histogram,
    /// Hops of every first delivery.
    pub hops: Histogram,
    /// The most hops of each event, by number.
    pub last_hops: Vec<u8>,
    /// How many peers have each event stored, by number. Of one worker alone it may be below zero for a moment.
    pub holders: Vec<i64>,
    /// Events that tabs sent to relays, relays to tabs, relays to relays, and tabs to tabs.
    pub up: u64,
    pub down: u64,
    pub between_relays: u64,
    pub between_tabs: u64,
    /// Those of them that a tab sent which does not read their board.
    pub unread: u64,
    /// Sessions that honest peers closed, by reason and whether the other was honest, too.
    pub closed: BTreeMap<(String, bool), u64>,
    /// Promises that were broken, and how many.
    pub broken: Vec<Broken>,
    pub broken_count: u64,
}

impl Tally {
    pub(super) fn frame(&mut self, name: Option<Name>, bytes: usize) {
        let (count, sum) = self.frames.entry(name).or_default();
        *count += 1;
        *sum += bytes as u64;
    }

    pub(super) fn hop(&mut self, number: u32, hops: u8) {
        self.hops.add(u64::from(hops));
        let most = at(&mut self.last_hops, number);
        *most = hops.max(*most);
    }

    pub(super) fn holder(&mut self, number: u32, change: i64) {
        *at(&mut self.holders, number) += change;
    }

    pub(super) fn broken(&mut self, broken: Broken) {
        self.broken_count += 1;
        if self.broken.len() < REPORTED {
            self.broken.push(broken);
        }
    }

    pub(super) fn merge(&mut self, other: &Tally) {
        for (name, (count, bytes)) in &other.frames {
            let sum = self.frames.entry(*name).or_default();
            *sum = (sum.0 + count, sum.1 + bytes);
        }
        self.lost += other.lost;
        self.inputs += other.inputs;
        self.wakes += other.wakes;
        self.first += other.first;
        self.again += other.again;
        self.first_warm += other.first_warm;
        self.again_warm += other.again_warm;
        self.bytes_warm += other.bytes_warm;
        self.latency.merge(&other.latency);
        self.hops.merge(&other.hops);
        for (number, hops) in (0..).zip(&other.last_hops) {
            let most = at(&mut self.last_hops, number);
            *most = (*hops).max(*most);
        }
        (0..).zip(&other.holders).for_each(|(number, holders)| self.holder(number, *holders));
        self.up += other.up;
        self.down += other.down;
        self.between_relays += other.between_relays;
        self.between_tabs += other.between_tabs;
        self.unread += other.unread;
        for (reason, count) in &other.closed {
            *self.closed.entry(reason.clone()).or_default() += count;
        }
        self.broken.extend(other.broken.iter().cloned());
        self.broken_count += other.broken_count;
    }
}

/// The place of a number, made if there is none.
fn at<T: Clone + Default>(list: &mut Vec<T>, number: u32) -> &mut T {
    let place = number as usize;
    if place >= list.len() {
        list.resize(place + 1, T::default());
    }
    &mut list[place]
}
