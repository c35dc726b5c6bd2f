//! Bytes, round trips and time of a reconciliation, against negentropy's of the same sets. Prints a `bench-row` for
//! each figure of `cargo xtask bench sync`.
//!
//! 100,000 events over 100 days, identifiers and times by chance; of d events that differ each side has half. They
//! lie anywhere (`spread`), or are the latest (`recent`). Counted are the application's frames of both directions,
//! after the peers have agreed on the scope, until the one that began has asked for what it misses; not the events.
//! Each message is counted with 10 bytes for the frame around it, a byte that says how it is packed and the length
//! before it, and is deflated where the session would; for negentropy the identifiers that are asked for come in
//! the session's own frames.
//!
//! A figure of bytes is the mean over all seeds. Round trips are those until the difference is known, each message
//! of the side that began counting as one; fetching is not among them. The longest of any seed counts.

use chanterelle_core::base::{BoardId, Day, EventId, Instant, Limits, Seconds};
use chanterelle_core::crypto::Rng;
use chanterelle_core::sync::{Answer, Cache, Exchange, Gathered, Held, Salts, Step, answer};
use chanterelle_core::wire::{Frame, Scope, prefixed};
use miniz_oxide::deflate::compress_to_vec;
use negentropy::{Id, Negentropy, NegentropyStorageVector};

const EVENTS: usize = 100_000;
const DAYS: u64 = 100;
/// The first of the days. The last, 20,714, is the 11th of its block of 16: neither the most nor the fewest spans.
const FIRST: u64 = 20_615;
const DAY: u64 = 24 * 60 * 60;
const SCOPE: Scope = Scope::Board(BoardId([1; 32]));
/// Beside what says how a frame is packed and how long it is.
const FRAME_BYTES: usize = 10;
/// Enough for all that is computed here, on either side.
const CACHE_BYTES: usize = 64 << 20;

type Event = (Seconds, EventId);

/// What the peers hold.
struct Sets {
    ours: Vec<Event>,
    theirs: Vec<Event>,
}

/// What a reconciliation took.
#[derive(Clone, Copy, Default)]
struct Cost {
    bytes: usize,
    round_trips: usize,
}

fn main() {
    let same = Pair::new(&sets(0, 0, false), 0).reconcile();
    println!("{}", row("sync.bytes.d0", same.0.bytes as f64, "bytes", None));
    for (differences, seeds) in [(1, 50), (10, 50), (100, 50), (1_000, 50), (10_000, 5)] {
        for (name, recent) in [("spread", false), ("recent", true)] {
            bytes(differences, seeds, name, recent);
        }
    }
    time();
}

/// Measures one number of differences.
fn bytes(differences: usize, seeds: u64, name: &str, recent: bool) {
    let (mut ours, mut theirs, mut trips, mut long) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for seed in 0..seeds {
        let sets = sets(seed, differences, recent);
        let (cost, found) = Pair::new(&sets, seed).reconcile();
        assert_eq!(found, differences, "what differs is found");
        ours.push(cost.bytes as f64);
        trips.push(cost.round_trips);
        long += usize::from(cost.round_trips > 2);
        // Negentropy's costs hardly vary.
        if seed < 5 {
            let (cost, found) = Baseline::new(&sets).reconcile();
            assert_eq!(found, differences);
            theirs.push(cost.bytes as f64);
        }
    }
    let (value, baseline) = (mean(&ours), mean(&theirs));
    let worst = ours.iter().copied().fold(0.0, f64::max);
    println!(
        "d = {differences} {name}: {:.2} bytes per difference, {worst:.0} at worst; of {seeds} seeds {long} took more \
         than two round trips",
        value / differences as f64
    );
    println!("{}", row(&format!("sync.bytes.d{differences}.{name}"), value, "bytes", Some(baseline)));
    if (differences, recent) == (1_000, false) {
        let trips = trips.iter().max().copied().unwrap_or(0);
        println!("{}", row("sync.rtt.d1000.spread", trips as f64, "round trips", None));
    }
}

/// Measures how long 1,000 differences take both sides together, in turns.
fn time() {
    let sets = sets(0, 1_000, false);
    let mut pair = Pair::new(&sets, 0);
    let baseline = Baseline::new(&sets);
    pair.reconcile();
    let (mut warm, mut cold, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..21 {
        warm.push(milliseconds(|| assert_eq!(pair.reconcile().1, 1_000)));
        theirs.push(milliseconds(|| assert_eq!(baseline.reconcile().1, 1_000)));
        pair.forget();
        cold.push(milliseconds(|| assert_eq!(pair.reconcile().1, 1_000)));
    }
    let (warm, cold, theirs) = (median(warm), median(cold), median(theirs));
    println!(
        "d = 1000 spread: {warm:.2} ms with warm caches, {cold:.2} ms without, negentropy {theirs:.2} ms"
    );
    println!("{}", row("sync.cpu.d1000.spread", warm, "ms", Some(theirs)));
}

/// The same on every machine: events by chance, of which some are on one side alone.
fn sets(seed: u64, differences: usize, recent: bool) -> Sets {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = Rng::new(key);
    let mut events: Vec<Event> = (0..EVENTS)
        .map(|_| {
            let mut id = [0; 32];
            rng.fill(&mut id);
            (Seconds(FIRST * DAY + rng.below(DAYS * DAY)), EventId(id))
        })
        .collect();
    if recent {
        events.sort_unstable_by(|a, b| b.cmp(a));
    }
    let (ours, theirs) = (&events[..differences / 2], &events[differences / 2..differences]);
    let common = &events[differences..];
    Sets { ours: [ours, common].concat(), theirs: [theirs, common].concat() }
}

/// Two peers that reconcile as described in docs/sync.md.
struct Pair {
    sets: [Gathered; 2],
    caches: [Cache; 2],
    salts: Salts,
}

impl Pair {
    fn new(sets: &Sets, seed: u64) -> Self {
        let gathered = |events: &[Event]| {
            let mut set = Gathered::new(Day(FIRST as u32));
            events.iter().for_each(|(time, id)| assert!(set.insert(time.day(), *id)));
            set
        };
        let mut key = [9; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let salts = Salts::new(Instant(0), &mut Rng::new(key));
        let caches = [Cache::new(CACHE_BYTES), Cache::new(CACHE_BYTES)];
        Self { sets: [gathered(&sets.ours), gathered(&sets.theirs)], caches, salts }
    }

    fn forget(&mut self) {
        self.caches = [Cache::new(CACHE_BYTES), Cache::new(CACHE_BYTES)];
    }

    /// What it costs, and how many events it found.
    fn reconcile(&mut self) -> (Cost, usize) {
        let limits = Limits::default();
        let message_bytes = limits.reconcile_bytes as usize;
        let [ours, theirs] = &mut self.caches;
        let mut here = Held { scope: SCOPE, set: &self.sets[0], cache: ours, message_bytes };
        let mut there = Held { scope: SCOPE, set: &self.sets[1], cache: theirs, message_bytes };
        let mut cost = Cost::default();
        let (mut exchange, mut message) = Exchange::begin(&here, Day(0));
        loop {
            cost.round_trips += 1;
            cost.bytes += framed(&message, &limits);
            let answer = answer(&mut there, &self.salts, &message).expect("an honest question");
            let Answer::Say(answer) = answer else { panic!("nothing was fetched yet") };
            cost.bytes += framed(&answer, &limits);
            match exchange.on_answer(&mut here, &|_| true, &answer).expect("an honest answer") {
                Step::Ask(next) => message = next,
                Step::Done(mut found) => {
                    let (mut count, needed) = (found.have.len(), found.need.len());
                    while let Some(message) = found.need.next_message(limits.frame_ids) {
                        cost.bytes += framed(&message, &limits);
                        count += given(&mut there, &self.salts, &message);
                    }
                    assert_eq!(count, found.have.len() + needed, "what is missing is given");
                    return (cost, count);
                }
            }
        }
    }
}

/// How many events a peer gives to whom fetches.
fn given(held: &mut Held<'_>, salts: &Salts, message: &[u8]) -> usize {
    match answer(held, salts, message).expect("an honest question") {
        Answer::Give { ids, unknown: None } => ids.len(),
        other => panic!("asked for what is there, and got {other:?}"),
    }
}

/// Two peers that reconcile by negentropy.
struct Baseline(NegentropyStorageVector, NegentropyStorageVector);

impl Baseline {
    fn new(sets: &Sets) -> Self {
        let sealed = |events: &[Event]| {
            let mut storage = NegentropyStorageVector::with_capacity(events.len());
            for (time, id) in events {
                storage.insert(time.0, Id::from_byte_array(id.0)).expect("not sealed yet");
            }
            storage.seal().expect("no event is there twice");
            storage
        };
        Self(sealed(&sets.ours), sealed(&sets.theirs))
    }

    fn reconcile(&self) -> (Cost, usize) {
        let limits = Limits::default();
        let mut here = Negentropy::borrowed(&self.0, limits.reconcile_bytes).expect("a limit it allows");
        let mut cost = Cost::default();
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let mut message = here.initiate().expect("sealed");
        loop {
            cost.round_trips += 1;
            cost.bytes += framed(&message, &limits);
            let mut there = Negentropy::borrowed(&self.1, limits.reconcile_bytes).expect("a limit it allows");
            let answer = there.reconcile(&message).expect("an honest message");
            cost.bytes += framed(&answer, &limits);
            match here.reconcile_with_ids(&answer, &mut have, &mut need).expect("an honest answer") {
                Some(next) => message = next,
                None => break,
            }
        }
        // Where a message was cut, the next may tell something again.
        for ids in [&mut have, &mut need] {
            ids.sort_unstable();
            ids.dedup();
        }
        for ids in need.chunks(limits.frame_ids) {
            let ids = ids.iter().map(|id| EventId(**id)).collect();
            cost.bytes += prefixed(&Frame::Want { ids }.encode(&limits)).len();
        }
        (cost, have.len() + need.len())
    }
}

/// Bytes of a message in the session.
fn framed(message: &[u8], limits: &Limits) -> usize {
    let plain = message.len() + FRAME_BYTES;
    let packed = if plain > limits.compress_above {
        (compress_to_vec(message, 6).len() + FRAME_BYTES).min(plain)
    } else {
        plain
    };
    prefixed(&vec![0; packed + 1]).len()
}

fn milliseconds(work: impl FnOnce()) -> f64 {
    let begun = std::time::Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1_000.0
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The line for xtask.
fn row(name: &str, value: f64, unit: &str, baseline: Option<f64>) -> String {
    let number = |value: Option<f64>| value.map_or("null".to_owned(), |value| format!("{value:.2}"));
    let (ratio, baseline) = (number(baseline.map(|baseline| baseline / value)), number(baseline));
    format!(
        r#"bench-row {{"name":"{name}","value":{value:.2},"unit":"{unit}","baseline":{baseline},"ratio":{ratio}}}"#
    )
}
