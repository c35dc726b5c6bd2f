//! The rendering process: bounds itself, renders, reports, ends.
//!
//! Its standard input is the relay's hand: when that is closed, by the relay or by its end, the process ends itself with
//! all it has started. Nothing is ever read from there.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::process::{Signal, getpgrp, getpid, kill_process_group};

use super::tools::Tools;
use super::{Bounds, Profile, RenderError, Rendered, Report, ffmpeg, picture};

/// What the process is told on its command line.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What to make
    #[arg(long)]
    profile: Profile,
    /// The file to read
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The file to write, which must not exist
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// An ffmpeg
    #[arg(long, value_name = "FILE", requires = "ffprobe")]
    ffmpeg: Option<PathBuf>,
    /// Its ffprobe
    #[arg(long, value_name = "FILE", requires = "ffmpeg")]
    ffprobe: Option<PathBuf>,
}

/// The whole process. The report is on standard output; the code says only whether the output was written.
#[must_use]
pub fn main(arguments: Arguments) -> ExitCode {
    let result = bounded(arguments);
    let code = if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    let report = match result {
        Ok(rendered) => Report::Rendered(rendered),
        Err(error) => Report::Error(error),
    };
    // Whoever does not read it has given up.
    let _ = serde_json::to_writer(io::stdout().lock(), &report);
    let _ = io::stdout().flush();
    code
}

fn bounded(arguments: Arguments) -> Result<Rendered, RenderError> {
    let Arguments { profile, input, output, ffmpeg, ffprobe } = arguments;
    let bounds = Bounds::of(profile);
    bounds.apply(profile).map_err(|error| RenderError::Failed(format!("no bounds: {error}")))?;
    hold_on()?;
    match profile {
        Profile::Thumb => picture::thumb(&input, &output),
        Profile::Clean => picture::clean(&input, &output),
        Profile::Preview | Profile::Low | Profile::High => {
            let tools = ffmpeg.zip(ffprobe).map(|(ffmpeg, ffprobe)| Tools { ffmpeg, ffprobe });
            let tools = tools.ok_or_else(|| RenderError::Unavailable("no ffmpeg is named".to_owned()))?;
            ffmpeg::render(&tools, profile, &bounds, &input, &output)
        }
    }
}

/// Ends the process and what it started when nobody holds the other end of standard input any more. A process that leads
/// no group was started by a person in a shell, whose other programs are not ours to end.
fn hold_on() -> Result<(), RenderError> {
    let group = getpgrp();
    if group != getpid() {
        return Ok(());
    }
    let watch = move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1..)) {}
        let _ = kill_process_group(group, Signal::KILL);
    };
    // A stack of the usual two MiB would count against the bound of memory.
    let watching = std::thread::Builder::new().stack_size(64 * 1024).spawn(watch);
    watching.map(drop).map_err(|error| RenderError::Failed(format!("no thread: {error}")))
}
