//! `cargo xtask …`: everything a person does with this checkout, from a machine that has Rust and nothing else.
//!
//! This file only maps a command name to its module and an error to an exit code. It builds nothing itself:
//! `cargo`, Trunk, wasm-bindgen and the browser do the work, and every one of their commands is shown before it runs.
//! Exit codes: 0 done, 1 something failed, 2 the command line was wrong; `sim` keeps the simulator's own.

mod args;
mod bench;
mod lint;
mod page;
mod process;
mod run;
mod setup;
mod sim;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::{Args, Usage};
use crate::workspace::Workspace;

const HELP: &str = "\
Usage: cargo xtask COMMAND [OPTIONS]

  run [--port 8080] [--data DIR]   build the page and the relay, start the relay on 127.0.0.1
  test [--only PART] [FILTER]      every test: PART is native, wasm or product; FILTER is part of a test's name
  lint                             rustfmt, clippy (native and wasm), cargo-deny
  tidy                             the house rules that a program can check
  bench [NAME]                     measure: load, admit, ingest, durable, webrtc, media, sync, or all of them
  sim --peers N --minutes M --seed S [--scenario NAME] [--threads N]
                                   simulate a network; one seed gives one trace; NAME may be a file
  setup [--all]                    the tools of `run`; with --all those of test, bench and lint too

Each command does the set-up that it lacks. Tools go to $CHANTERELLE_CACHE, else $XDG_CACHE_HOME/chanterelle,
else ~/.cache/chanterelle.
";

fn main() -> ExitCode {
    match dispatch() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<Usage>() {
                eprintln!("`cargo xtask --help` shows what there is.");
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn dispatch() -> Result<ExitCode> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    let asks_help = words.iter().any(|word| word == "--help" || word == "-h");
    if matches!(command.as_str(), "" | "help" | "--help" | "-h") || (asks_help && command != "sim") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let command: fn(&Workspace, Args) -> Result<ExitCode> = match command.as_str() {
        "run" => run::command,
        "test" => test::command,
        "lint" => lint::command,
        "tidy" => tidy::command,
        "bench" => bench::command,
        "sim" => sim::command,
        "setup" => setup::command,
        other => return Err(Usage(format!("there is no command `{other}`")).into()),
    };
    command(&Workspace::locate()?, Args::new(words))
}
