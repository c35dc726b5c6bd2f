//! The relay's side of a rendering: starts the process, watches the clock, takes the report, and leaves nothing behind.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::ffmpeg::last_words;
use super::{Bounds, Profile, RenderError, Rendered, Report, Tools};

/// Bytes of a report, and of what the process complains of.
const SAID: u64 = 16 * 1024;

/// Starts rendering processes.
#[derive(Clone, Debug)]
pub struct Renderer {
    /// The program that is started: this one.
    pub program: PathBuf,
    /// An ffmpeg, when there is one.
    pub tools: Option<Tools>,
    /// How long a rendering may take, in place of what its profile allows.
    pub wall: Option<Duration>,
}

impl Renderer {
    /// Renders with this very program.
    ///
    /// # Errors
    /// When the system does not say which that is.
    pub fn new(tools: Option<Tools>) -> io::Result<Renderer> {
        Ok(Renderer { program: std::env::current_exe()?, tools, wall: None })
    }

    /// Renders `input` into `output`, which must not exist; both as absolute paths. When this returns, no process is
    /// left, and after an error no output. When it is dropped, the processes are ended.
    ///
    /// # Errors
    /// Why there is no output.
    pub async fn render(
        &self,
        profile: Profile,
        input: &Path,
        output: &Path,
    ) -> Result<Rendered, RenderError> {
        let unfinished = Unfinished(output);
        let result = self.run(profile, input, output).await;
        if result.is_ok() {
            std::mem::forget(unfinished);
        }
        result
    }

    async fn run(&self, profile: Profile, input: &Path, output: &Path) -> Result<Rendered, RenderError> {
        if profile.needs_tools() && self.tools.is_none() {
            return Err(RenderError::Unavailable("it has no ffmpeg".to_owned()));
        }
        let failed = |error: io::Error| RenderError::Failed(format!("the process: {error}"));
        let mut group = Group::start(self.command(profile, input, output)).map_err(failed)?;
        let [stdout, stderr] = group.outputs().map(|output| spawn_blocking(move || read(output)));
        let wall = self.wall.unwrap_or(Bounds::of(profile).wall);
        let finished = timeout(wall, group.first_ended()).await;
        let status = group.end().map_err(failed)?;
        // Nobody is left who could hold them open.
        let (report, complaints) = (stdout.await.unwrap_or_default(), stderr.await.unwrap_or_default());
        if finished.is_err() {
            return Err(RenderError::TooLong(wall.as_secs()));
        }
        match serde_json::from_slice(&report) {
            Ok(Report::Rendered(rendered)) if status.success() => Ok(rendered),
            Ok(Report::Error(error)) => Err(error),
            _ => Err(RenderError::Died(format!("{}: {}", ending(status), last_words(&complaints)))),
        }
    }

    fn command(&self, profile: Profile, input: &Path, output: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["render", "--profile", profile.name()]);
        command.arg("--input").arg(input).arg("--output").arg(output);
        if let Some(tools) = self.tools.as_ref().filter(|_| profile.needs_tools()) {
            command.arg("--ffmpeg").arg(&tools.ffmpeg).arg("--ffprobe").arg(&tools.ffprobe);
        }
        // The environment may hold secrets. Each thread's arena of glibc would take 64 MiB of the address space.
        command.env_clear().env("MALLOC_ARENA_MAX", "1");
        if let Some(folder) = output.parent() {
            command.current_dir(folder);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        command
    }
}

/// An output that is taken away again unless it is forgotten.
struct Unfinished<'a>(&'a Path);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // There is none where nothing was begun.
        let _ = std::fs::remove_file(self.0);
    }
}

/// The process and all it has started, which are ended together.
struct Group {
    /// The first, whose number is the group's until it is waited for.
    first: Option<Child>,
}

impl Group {
    fn start(mut command: Command) -> io::Result<Group> {
        Ok(Group { first: Some(command.spawn()?) })
    }

    /// What it says and what it complains of.
    fn outputs(&mut self) -> [Box<dyn Read + Send>; 2] {
        let first = self.first.as_mut().expect("it is not ended yet");
        let stdout = first.stdout.take().expect("it is piped");
        let stderr = first.stderr.take().expect("it is piped");
        [Box::new(stdout), Box::new(stderr)]
    }

    /// Until the first process has ended; it is left to be waited for.
    async fn first_ended(&self) {
        let pid = self.first.as_ref().and_then(number);
        let wait = move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Some(pid) = pid
                && let Err(Errno::INTR) = waitid(WaitId::Pid(pid), options)
            {}
        };
        let _ = spawn_blocking(wait).await;
    }

    /// Ends all of them, and says how the first one ended.
    fn end(&mut self) -> io::Result<ExitStatus> {
        let mut first = self.first.take().expect("it is ended once");
        kill(&first);
        first.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(mut first) = self.first.take() {
            kill(&first);
            // Whoever gave up does not wait; somebody must, or its number is never free again.
            thread::spawn(move || first.wait());
        }
    }
}

fn number(child: &Child) -> Option<Pid> {
    Pid::from_raw(child.id().cast_signed())
}

fn kill(first: &Child) {
    if let Some(group) = number(first) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// At most so much of what a process says; the rest is read and dropped, so that it never waits for us.
fn read(mut stream: impl Read) -> Vec<u8> {
    let mut said = Vec::new();
    let _ = (&mut stream).take(SAID).read_to_end(&mut said);
    let _ = io::copy(&mut stream, &mut io::sink());
    said
}

fn ending(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => {
            let why = match Signal::from_named_raw(signal) {
                Some(Signal::XCPU | Signal::KILL) => ", it used too much of the machine",
                Some(Signal::XFSZ) => ", its output became too large",
                Some(Signal::ABORT) => ", there was too little memory",
                _ => "",
            };
            format!("signal {signal}{why}")
        }
        None => format!("code {}", status.code().unwrap_or_default()),
    }
}
