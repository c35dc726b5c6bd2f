//! Runs one scenario of the simulator and prints its report: what `cargo xtask sim` starts.
//!
//! Here are the threads that the simulator itself does not have. Behind the report stand the same figures as lines
//! `name value`, with the time and memory they took, for programs; the trace is the last line.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
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
    let mut pool = Pool::new(threads - 1);
    let report = run_with(scenario, *seed, *threads, &mut |shards| pool.run(shards));
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

/// Threads that each run a shard of every window; the first is run by whoever calls.
struct Pool(Vec<(Sender<Shard>, Receiver<Shard>)>);

impl Pool {
    fn new(threads: usize) -> Pool {
        let worker = |_| {
            let (to_worker, from_us) = channel::<Shard>();
            let (to_us, from_worker) = channel();
            thread::spawn(move || {
                for mut shard in from_us {
                    shard.run();
                    if to_us.send(shard).is_err() {
                        return;
                    }
                }
            });
            (to_worker, from_worker)
        };
        Pool((0..threads).map(worker).collect())
    }

    fn run(&mut self, shards: &mut Vec<Shard>) {
        let away = shards.split_off(1);
        for ((to, _), shard) in self.0.iter().zip(away) {
            to.send(shard).expect("a worker waits for shards as long as there is a pool");
        }
        shards.iter_mut().for_each(Shard::run);
        let back = self.0.iter().map(|(_, from)| from.recv().expect("a worker gives back what it got"));
        shards.extend(back);
    }
}

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
