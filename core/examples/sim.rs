//! Runs one scenario of the simulator and prints its report: what `cargo xtask sim` starts.
//!
//! Here are the threads that the simulator itself does not have. Behind the report stand the same figures as lines
//! `name value`, with the time and memory they took, for programs; the trace is the last line.

use std::process::ExitCode;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use chanterelle_core::sim::{SCENARIOS, Scenario, Shard, run_with};

const USAGE: &str = "sim [--peers N] [--minutes M] [--seed S] [--scenario NAME|FILE] [--threads N]";

fn main() -> ExitCode {
    match chosen(std::env::args().skip(1)) {
        Ok(chosen) => simulate(&chosen),
        Err(error) => {
            eprintln!("{error}\nusage: {USAGE}");
            ExitCode::from(2)
        }
    }
}

/// What the command line asks for.
struct Chosen {
    scenario: Scenario,
    seed: u64,
    threads: usize,
}

fn simulate(Chosen { scenario, seed, threads }: &Chosen) -> ExitCode {
    let began = Instant::now();
    let pool = Pool::default();
    let report = thread::scope(|scope| {
        (1..*threads).for_each(|_| drop(scope.spawn(|| pool.serve())));
        let shares = if *threads == 1 { 1 } else { threads * SHARES };
        let report = run_with(scenario, *seed, shares, &mut |shards| pool.run(shards));
        pool.close();
        report
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("{report}");
    for (name, value) in report.figures() {
        println!("{name} {value}");
    }
    println!("wall_s {seconds:.3}");
    println!("us_per_delivery {:.3}", seconds * 1e6 / report.first.max(1) as f64);
    if let Some(bytes) = peak_memory() {
        println!("memory_bytes {bytes}");
        println!("memory_bytes_per_peer {}", bytes / report.peers.max(1) as u64);
    }
    println!("trace {}", report.trace_hex());
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Shares of the peers for each thread, so that one that has to wait for a processor holds up little.
const SHARES: usize = 4;

/// Threads that take shards to run, one at a time, beside whoever calls.
#[derive(Default)]
struct Pool {
    work: Mutex<Work>,
    /// There is a shard to run, or there will be none any more.
    there_is: Condvar,
    /// A shard was run.
    done: Condvar,
}

#[derive(Default)]
struct Work {
    waiting: Vec<Shard>,
    done: Vec<Shard>,
    is_over: bool,
}

impl Pool {
    /// Runs all shards of a window.
    fn run(&self, shards: &mut Vec<Shard>) {
        let count = shards.len();
        self.lock().waiting.append(shards);
        self.there_is.notify_all();
        while self.run_one() {}
        let work = self.done.wait_while(self.lock(), |work| work.done.len() < count);
        shards.append(&mut work.expect(UNPOISONED).done);
    }

    /// Runs one shard that waits, if there is one.
    fn run_one(&self) -> bool {
        let Some(mut shard) = self.lock().waiting.pop() else { return false };
        shard.run();
        self.lock().done.push(shard);
        self.done.notify_one();
        true
    }

    /// What a thread of the pool does until the end.
    fn serve(&self) {
        loop {
            let idle = |work: &mut Work| work.waiting.is_empty() && !work.is_over;
            let work = self.there_is.wait_while(self.lock(), idle).expect(UNPOISONED);
            if work.is_over {
                return;
            }
            drop(work);
            self.run_one();
        }
    }

    fn close(&self) {
        self.lock().is_over = true;
        self.there_is.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nobody panics with the lock";

/// The most memory this process had so far, bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1_024)
}

fn chosen(mut args: impl Iterator<Item = String>) -> Result<Chosen, String> {
    let mut scenario = Scenario::named("calm").expect("the first of the scenarios");
    let (mut peers, mut minutes, mut seed) = (None, None, 1);
    let mut threads = thread::available_parallelism().map_or(1, usize::from);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number =
            || value.parse::<u64>().map_err(|_| format!("{flag} takes a whole number, not {value:?}"));
        match flag.as_str() {
            "--peers" => peers = Some(number()?.max(1)),
            "--minutes" => minutes = Some(number()?.max(1)),
            "--seed" => seed = number()?,
            "--threads" => threads = usize::try_from(number()?.clamp(1, 256)).expect("at most 256"),
            "--scenario" => scenario = scenario_of(&value)?,
            _ => return Err(format!("unknown flag {flag}")),
        }
    }
    if let Some(peers) = peers {
        scenario.peers = usize::try_from(peers).map_err(|_| "too many peers".to_owned())?;
        scenario.relays = scenario.relays.min(scenario.peers);
    }
    if let Some(minutes) = minutes {
        scenario.active = minutes * 60;
    }
    let scenario = scenario.checked().map_err(|error| error.to_string())?;
    Ok(Chosen { scenario, seed, threads })
}

/// A scenario by its name, or from a file.
fn scenario_of(value: &str) -> Result<Scenario, String> {
    if let Ok(scenario) = Scenario::named(value) {
        return Ok(scenario);
    }
    match std::fs::read_to_string(value) {
        Ok(text) => Scenario::parse(value, &text).map_err(|error| format!("{value}: {error}")),
        Err(error) => {
            let names: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
            Err(format!("{value:?} is no file that can be read ({error}) and none of {names:?}"))
        }
    }
}
