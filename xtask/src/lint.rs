//! `cargo xtask lint`: rustfmt, clippy natively and for wasm, cargo-deny. All of them run even when one fails.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::args::Args;
use crate::page;
use crate::process;
use crate::setup::{self, PageTools, TARGET};
use crate::workspace::Workspace;

/// `cargo xtask lint`.
pub(crate) fn command(ws: &Workspace, args: Args) -> Result<ExitCode> {
    args.finish()?;
    ensure_components(ws)?;
    let tools = PageTools::prepare(ws)?;
    let deny = setup::cargo_deny(ws)?;
    page::ensure_dist(ws)?;

    let mut failed = Vec::new();
    let mut part = |name: &'static str, command: &mut Command| {
        if let Err(error) = process::run(command) {
            eprintln!("error: {error:#}");
            failed.push(name);
        }
    };
    part("rustfmt", ws.cargo().args(["fmt", "--all", "--check"]));
    part(
        "clippy, native",
        ws.cargo()
            .args(["clippy", "--release", "--workspace", "--exclude", "chanterelle-web", "--all-targets"])
            .args(["--", "--deny", "warnings"]),
    );
    if tools.rust.has_clippy() {
        part(
            "clippy, wasm",
            tools
                .rust
                .cargo(ws)?
                .args(["clippy", "--release", "--target", TARGET, "--all-targets"])
                .args(["--package", "chanterelle-annex", "--package", "chanterelle-core"])
                .args(["--package", "chanterelle-media"])
                .args(["--package", "chanterelle-web", "--package", "chanterelle-webrtc"])
                .args(["--package", "chanterelle-interop"])
                .args(["--", "--deny", "warnings"]),
        );
    } else {
        eprintln!("warning: no clippy for wasm: the compiler from Debian's packages comes without it");
    }
    part(
        "cargo-deny",
        Command::new(deny).current_dir(ws.root()).args(["check", "bans", "licenses", "sources"]),
    );

    if failed.is_empty() {
        println!("lint: nothing to complain about");
        return Ok(ExitCode::SUCCESS);
    }
    println!("lint failed: {}", failed.join("; "));
    Ok(ExitCode::FAILURE)
}

/// Rustup's smallest profile comes without them.
fn ensure_components(ws: &Workspace) -> Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if process::capture(ws.cargo().args([subcommand, "--version"])).is_err() {
            process::run(Command::new("rustup").args(["component", "add", component]))
                .with_context(|| format!("lint needs {component}; install it, then try again"))?;
        }
    }
    Ok(())
}
