//! `cargo xtask sim …`: runs the simulator of `core` natively.
//!
//! Its options, report and exit code are the simulator's own; nothing is looked at here.

use std::process::ExitCode;

use anyhow::Result;

use crate::args::Args;
use crate::process;
use crate::workspace::Workspace;

/// `cargo xtask sim --peers N --minutes M --seed S [--scenario NAME] [--threads N]`.
pub(crate) fn command(ws: &Workspace, args: Args) -> Result<ExitCode> {
    let mut command = ws.cargo();
    command.args([
        "run",
        "--release",
        "--package",
        "chanterelle-core",
        "--features",
        "sim",
        "--example",
        "sim",
        "--",
    ]);
    let status = process::status(command.args(args.into_words()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
