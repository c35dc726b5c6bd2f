//! The program `chanterelle`: reads the settings, starts a relay, stops it on a signal.
//!
//! Whatever cannot be used is told in one line on standard error, with exit code 1.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chanterelle_relay::media::{FETCHED_FILES, TRANSFERRED_FILES, render};
use chanterelle_relay::settings::{Keys, Settings};
use chanterelle_relay::{Application, telemetry};
use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// The relay of Chanterelle: page, API, peers and storage on one port.
#[derive(Debug, Parser)]
#[command(name = "chanterelle", version, arg_required_else_help = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a relay until SIGTERM or Ctrl-C
    Serve(Options),
    /// Print the settings that `serve` would run with, as a configuration file, and exit
    Settings(Options),
    /// Make a smaller file of a file; the relay starts this for each one, and nobody else has to
    #[command(hide = true)]
    Render(render::Arguments),
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Configuration file (TOML); flags come before environment before file before default
    #[arg(long, env = "CHANTERELLE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
}

impl Options {
    /// What somebody has set anywhere; defaults are left out.
    fn merge(self) -> Result<Keys, String> {
        let file = match &self.config {
            Some(path) => Keys::from_file(path).map_err(|error| error.to_string())?,
            None => Keys::default(),
        };
        Ok(self.keys.or(file))
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => {
            // Help and version go to standard output, and nobody may be reading it.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(&one_line(&error)),
    };
    let done = match cli.command {
        Command::Settings(options) => options.merge().and_then(show),
        Command::Serve(options) => options.merge().and_then(serve),
        Command::Render(arguments) => return render::main(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => fail(&line),
    }
}

fn fail(line: &str) -> ExitCode {
    eprintln!("chanterelle: {line}");
    ExitCode::FAILURE
}

/// What clap has to say up to its hints, which fill several lines.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let line = lines.join(" ");
    format!("{}; --help lists what there is", line.strip_prefix("error: ").unwrap_or(&line))
}

fn show(keys: Keys) -> Result<(), String> {
    let keys = keys.or(Keys::defaults());
    keys.clone().resolve().map_err(|error| error.to_string())?;
    print!("{}", toml::to_string(&keys).map_err(|error| error.to_string())?);
    Ok(())
}

fn serve(keys: Keys) -> Result<(), String> {
    let asked = keys.max_connections.is_some();
    let settings = keys.resolve().map_err(|error| error.to_string())?;
    telemetry::init(&settings).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let result = runtime.block_on(run(settings, asked));
    // Whatever still blocks is not waited for: stopping takes as long as the settings allow and no longer.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// `asked` says whether somebody set the number of connections.
async fn run(mut settings: Settings, asked: bool) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let wanted = settings.max_connections;
    let connections = connections_the_system_allows(wanted, settings.peers.len());
    settings.max_connections = connections;
    let mut application = Application::start(settings).await.map_err(|error| error.to_string())?;
    // After the start, because one that fails has only one line to say.
    if asked && connections < wanted {
        tracing::warn!(connections, wanted, "the system allows fewer open files than max_connections needs");
    }
    let stun = application.stun_address().map(tracing::field::display);
    tracing::info!(address = %application.address(), stun, peer = %application.peer(), connections, "listening");
    let (url, ready) = (application.url(), application.ready());
    let announce = async move {
        if ready.await {
            // For whoever started it. That nobody reads it is no reason to stop.
            let _ = writeln!(std::io::stdout(), "Chanterelle is ready: {url}");
        }
        std::future::pending::<()>().await;
    };
    let result = tokio::select! {
        () = announce => Ok(()),
        error = application.ended() => Err(error.to_string()),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    tracing::info!("stopping");
    application.stop().await;
    tracing::info!("stopped");
    result
}

/// Open files that are no connections of clients and no files of posts: database, log, key, listener, standard streams,
/// pipes of renditions, and some room. Each relay that is dialled needs one more.
const OTHER_FILES: u64 = 64;

/// Each connection is an open file, and may have another open that is uploaded or downloaded. The soft limit is often 1,024;
/// the system allows more when asked. Where even that is too little, connections are refused in time, because a relay
/// without open files can neither accept nor store.
fn connections_the_system_allows(wanted: usize, peers: usize) -> usize {
    let other = OTHER_FILES + (FETCHED_FILES + peers) as u64;
    let files = wanted.saturating_add(wanted.min(TRANSFERRED_FILES)) as u64 + other;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current.filter(|current| *current < files) else { return wanted };
    let raised = maximum.map_or(files, |maximum| files.min(maximum));
    let granted = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => raised,
        Err(_) => current,
    };
    let left = usize::try_from(granted.saturating_sub(other)).unwrap_or(usize::MAX);
    let connections = left - TRANSFERRED_FILES.min(left.div_ceil(2));
    connections.clamp(1, wanted.max(1))
}
