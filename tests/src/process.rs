//! A program that runs beside a test and does not outlive it.

use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: RefCell<Child>,
}

impl Process {
    /// Starts a program whose output goes to a file, behind what is there already.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(name: &str, command: &mut Command, output: &Path) -> Process {
        let file = File::options().create(true).append(true).open(output);
        let file = file.unwrap_or_else(|error| panic!("cannot write {}: {error}", output.display()));
        let copy = file.try_clone().expect("a file can be opened twice");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(copy).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Process { name: name.to_owned(), child: RefCell::new(child) }
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child
            .borrow_mut()
            .try_wait()
            .unwrap_or_else(|error| panic!("cannot look at {}: {error}", self.name))
    }

    /// Asks it to end, with SIGTERM, and waits until it has.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn terminate(&self) -> ExitStatus {
        if let Some(status) = self.ended() {
            return status;
        }
        kill_process(self.pid(), Signal::TERM)
            .unwrap_or_else(|error| panic!("cannot end {}: {error}", self.name));
        let what = format!("{} to end", self.name);
        wait::until(&what, async || self.ended().ok_or_else(|| "it still runs".to_owned())).await
    }

    /// Lets it stand still, with SIGSTOP: its connections stay open, and nothing is heard of it.
    ///
    /// # Panics
    /// When it has ended.
    pub fn halt(&self) {
        kill_process(self.pid(), Signal::STOP)
            .unwrap_or_else(|error| panic!("cannot halt {}: {error}", self.name));
    }

    /// Lets it go on after [`Process::halt`].
    ///
    /// # Panics
    /// When it has ended.
    pub fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT)
            .unwrap_or_else(|error| panic!("cannot let {} go on: {error}", self.name));
    }

    /// Ends it at once, with SIGKILL, as a crash would.
    pub fn kill(&self) {
        // Both fail when it has ended already.
        let mut child = self.child.borrow_mut();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// The most memory it ever had in use, bytes.
    ///
    /// # Panics
    /// When it has ended.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero()));
        let status = status.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.and_then(|peak| peak.parse::<u64>().ok()).expect("Linux tells of it, in KiB") * 1024
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child.borrow())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
