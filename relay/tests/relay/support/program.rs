//! The program as an operator starts it, in a process of its own.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::http::get;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_chanterelle");

/// The program under no settings but those it is given.
pub(crate) fn program() -> Command {
    without_settings(Command::new(PROGRAM))
}

/// The program in a process that a shell has prepared.
pub(crate) fn program_after(preparation: &str) -> Command {
    let mut command = without_settings(Command::new("sh"));
    command.args(["-c", &format!("{preparation}; exec \"$0\" \"$@\""), PROGRAM]);
    command
}

/// The settings of whoever runs the tests are not ours.
pub(crate) fn without_settings(mut command: Command) -> Command {
    let ours =
        |name: &str| name.starts_with("CHANTERELLE_") || ["SSL_CERT_FILE", "SSL_CERT_DIR"].contains(&name);
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command
}

/// A running program. Dropping it kills it.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// On a data folder.
    pub(crate) fn start(data: &Path) -> Running {
        Running::of(&mut program(), data, &[])
    }

    /// A command that ends in the program, with more arguments. Listens on a free port unless they say where.
    pub(crate) fn of(command: &mut Command, data: &Path, arguments: &[&str]) -> Running {
        command.args(["serve", "--data"]).arg(data).args(arguments);
        for (flag, value) in [("--listen", "127.0.0.1:0"), ("--log", "warn")] {
            if !arguments.contains(&flag) {
                command.args([flag, value]);
            }
        }
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let log = Arc::default();
        let reader = Some(keep(child.stderr.take().expect("standard error is piped"), &log));
        let mut line = String::new();
        let stdout = child.stdout.take().expect("standard output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the program says when it is ready");
        let url = line.trim().strip_prefix("Chanterelle is ready: http").unwrap_or_else(|| {
            panic!("the program is not ready: {line}{}", log.lock().expect("nobody panics while it writes"));
        });
        let address = url.trim_start_matches('s').trim_start_matches("://").trim_end_matches('/');
        Running { child, address: address.parse().expect("the URL has an address"), log, reader }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("nobody panics while it writes").clone()
    }

    /// Waits until it has logged something with these words.
    pub(crate) async fn logs(&self, words: &str) {
        let begun = Instant::now();
        while !self.log().contains(words) {
            // Far above what anything here takes.
            assert!(begun.elapsed() < Duration::from_secs(120), "{words:?} is not in {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("SIGKILL reaches it");
        self.child.wait().expect("the program ends");
    }

    /// Ends it; everything it has logged.
    pub(crate) fn killed_log(&mut self) -> String {
        self.kill();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading ends with the program");
        }
        self.log()
    }

    /// Where tabs dial it, without TLS.
    pub(crate) async fn multiaddr(&self) -> Multiaddr {
        let info = get(self.address, "/api/v1/info", &[]).await.json();
        let address: Multiaddr =
            info["addresses"][0].as_str().and_then(|address| address.parse().ok()).expect("an address");
        assert!(address.iter().any(|part| part == Protocol::Tcp(self.address.port())));
        address
    }
}

/// Reads as long as somebody writes.
fn keep(mut from: impl Read + Send + 'static, log: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let log = log.clone();
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            let text = String::from_utf8_lossy(&chunk[..count]);
            log.lock().expect("nobody panics while it writes").push_str(&text);
        }
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
