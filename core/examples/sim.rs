//! Runs one scenario of the simulator and prints its report: what `cargo xtask sim` starts.

use std::process::ExitCode;

use chanterelle_core::sim::{SCENARIOS, Scenario, run};

const USAGE: &str = "sim [--peers N] [--minutes M] [--seed S] [--scenario NAME]";

fn main() -> ExitCode {
    match chosen(std::env::args().skip(1)) {
        Ok((scenario, seed)) => {
            let report = run(&scenario, seed);
            print!("{report}");
            println!("trace {}", report.trace_hex());
            if report.broken.is_empty() && report.converged.is_some() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("{error}\nusage: {USAGE}");
            ExitCode::from(2)
        }
    }
}

fn chosen(mut args: impl Iterator<Item = String>) -> Result<(Scenario, u64), String> {
    let mut scenario = SCENARIOS[0].clone();
    let (mut peers, mut minutes, mut seed) = (None, None, 1);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number =
            || value.parse::<u64>().map_err(|_| format!("{flag} takes a whole number, not {value:?}"));
        match flag.as_str() {
            "--peers" => peers = Some(number()?.max(1)),
            "--minutes" => minutes = Some(number()?.max(1)),
            "--seed" => seed = number()?,
            "--scenario" => {
                let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
                let found = SCENARIOS.iter().find(|scenario| scenario.name == value);
                scenario =
                    found.ok_or_else(|| format!("no scenario {value:?}; there are {names:?}"))?.clone();
            }
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
    Ok((scenario, seed))
}
