//! The program itself: settings, refusals, signals, and a death without warning.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::http::get;
use crate::support::tab::Tab;

const PROGRAM: &str = env!("CARGO_BIN_EXE_chanterelle");

fn program() -> Command {
    without_settings(Command::new(PROGRAM))
}

/// The program in a process that a shell has prepared.
fn program_after(preparation: &str) -> Command {
    let mut command = without_settings(Command::new("sh"));
    command.args(["-c", &format!("{preparation}; exec \"$0\" \"$@\""), PROGRAM]);
    command
}

/// The settings of whoever runs the tests are not ours.
fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHANTERELLE_")) {
        command.env_remove(name);
    }
    command
}

/// A refused start: its one line.
fn refusal(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let line = String::from_utf8(stderr).expect("the line is text");
    assert_eq!(status.code(), Some(1), "{line}");
    assert!(stdout.is_empty());
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.starts_with("chanterelle: "), "{line}");
    line
}

struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(data: &Path) -> Running {
        Running::of(&mut program(), data, &[])
    }

    fn of(command: &mut Command, data: &Path, arguments: &[&str]) -> Running {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data"])
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("standard output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the program says when it is ready");
        let url = line.trim().strip_prefix("Chanterelle is ready: http://").expect("the ready line");
        let address = url.trim_end_matches('/').parse().expect("the URL has an address");
        Running { child, address }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    async fn multiaddr(&self) -> Multiaddr {
        let info = get(self.address, "/api/v1/info", &[]).await.json();
        let address: Multiaddr =
            info["addresses"][0].as_str().and_then(|address| address.parse().ok()).expect("an address");
        assert!(address.iter().any(|part| part == Protocol::Tcp(self.address.port())));
        address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn flags_come_before_the_environment_before_the_file_before_defaults() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("relay.toml");
    std::fs::write(&file, "log = 'file'\nlog_format = 'json'\nlisten = '127.0.0.1:1'\nmax_connections = 5\n")
        .expect("the folder is writable");
    let output = program()
        .arg("settings")
        .arg("--config")
        .arg(&file)
        .env("CHANTERELLE_LOG", "environment")
        .env("CHANTERELLE_LISTEN", "127.0.0.1:2")
        .env("CHANTERELLE_TRUSTED_PROXIES", "192.0.2.1,192.0.2.2")
        .args(["--listen", "127.0.0.1:3"])
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("the settings are text");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "listen = \"127.0.0.1:3\"",
        "log = \"environment\"",
        "log_format = \"json\"",
        "max_connections = 5",
        "trusted_proxies = [\"192.0.2.1\", \"192.0.2.2\"]",
        "api_requests_per_minute = 1000",
    ] {
        assert!(text.contains(line), "{line} is missing from\n{text}");
    }
}

#[test]
fn what_cannot_be_used_is_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let file = folder.path().join("file");
    std::fs::write(&file, "nonsense").expect("the folder is writable");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("the port is known").to_string();

    let serve = |arguments: &[&str]| refusal(program().arg("serve").arg("--data").arg(&data).args(arguments));
    assert!(serve(&["--listen", "nonsense"]).contains("listen: \"nonsense\" is not"));
    assert!(serve(&["--listen", &port]).contains("the port is in use"));
    assert!(serve(&["--drain-seconds", "100"]).contains("drain_seconds"));
    assert!(serve(&["--max-connections", "many"]).contains("'many'"));
    assert!(serve(&["--log", "a=b=c"]).contains("log: \"a=b=c\" is not"));
    assert!(serve(&["--config", "/absent.toml"]).contains("/absent.toml"));
    assert!(serve(&["--bogus"]).contains("--bogus"));
    let unusable = file.join("data");
    let line = refusal(program().args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&unusable));
    assert!(line.contains("cannot use the data directory"), "{line}");
    assert!(refusal(program().arg("serve").arg("--config").arg(&file)).contains("file, line 1"));
    let environment = refusal(program().arg("serve").env("CHANTERELLE_EXTERNAL", "relay.example"));
    assert!(environment.contains("external: \"relay.example\""), "{environment}");
    assert!(refusal(&mut program()).contains("subcommand"));
}

#[tokio::test]
async fn two_relays_do_not_share_a_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let running = Running::start(folder.path());
    let line = refusal(program().args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path()));
    assert!(line.contains("in use by another relay"), "{line}");
    assert_eq!(get(running.address, "/readyz", &[]).await.status, 200);
}

#[tokio::test]
async fn with_few_open_files_connections_are_refused_before_the_files_run_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = program_after("ulimit -n 128");
    command.stderr(Stdio::piped());
    let mut running = Running::of(&mut command, folder.path(), &["--max-connections", "1000"]);
    let mut tab = Tab::connect(1, running.multiaddr().await).await;
    // 128 files, less 64 for other things, less the tab's; the relay accepts them in their order.
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(TcpStream::connect(running.address).await.expect("the relay listens"));
    }
    let mut first = [0; 12];
    streams[63].read_exact(&mut first).await.expect("the relay answers");
    assert_eq!(&first, b"HTTP/1.1 429");
    let served = timeout(Duration::from_millis(100), streams[62].read_exact(&mut first)).await;
    assert!(served.is_err(), "the last that has a place is waited for");
    let post = tab.publish("test", "stored all the same").await;
    tab.wait(|seen| seen.sent.contains(&post)).await;

    running.child.kill().expect("SIGKILL reaches it");
    let mut log = String::new();
    let mut stderr = running.child.stderr.take().expect("standard error is piped");
    stderr.read_to_string(&mut log).expect("the log is text");
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.len() == 1 && lines[0].contains("connections=64 wanted=1000"), "{log}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_failed_is_used_again_once_it_works() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

    let folder = tempfile::tempdir().expect("a temporary folder");
    // A file at its largest allowed size fails the writer like a disk, at the commit. The signal that tells of it
    // would end the program. The log may be a file, too.
    let mut command = program_after("trap '' XFSZ");
    command.stderr(Stdio::null());
    let running = Running::of(&mut command, folder.path(), &[]);
    let largest = |bytes: Option<u64>| {
        let pid = Pid::from_raw(running.child.id().cast_signed());
        let limit = Rlimit { current: bytes, maximum: getrlimit(Resource::Fsize).maximum };
        prlimit(pid, Resource::Fsize, limit).expect("a child's limits may be changed");
    };
    let mut tab = Tab::connect(1, running.multiaddr().await).await;
    let before = tab.publish("test", "before").await;
    tab.wait(|seen| seen.sent.contains(&before)).await;
    let log = std::fs::metadata(folder.path().join("chanterelle.db-wal")).expect("the log exists");

    largest(Some(log.len()));
    let meanwhile = tab.publish("test", "meanwhile").await;
    let failed = "chanterelle_storage_errors_total{reason=\"failed\"}";
    while !get(running.address, "/metrics", &[]).await.text().contains(failed) {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(!tab.seen().sent.contains(&meanwhile), "what is not stored is not acknowledged");

    largest(None);
    let after = tab.publish("test", "after").await;
    tab.wait(|seen| seen.sent.contains(&after)).await;
}

#[tokio::test]
async fn a_signal_ends_it_cleanly() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut running = Running::start(folder.path());
        let mut tab = Tab::connect(1, running.multiaddr().await).await;
        let post = tab.publish("test", "hello").await;
        tab.wait(|seen| seen.sent.contains(&post)).await;
        running.signal(signal);
        tab.wait(|seen| seen.sessions == 0).await;
        let status = running.child.wait().expect("the program ends");
        assert_eq!(status.code(), Some(0), "SIG{signal}");
        let log = folder.path().join("chanterelle.db-wal");
        assert!(!log.exists(), "everything is written back into the one file");
    }
}

#[tokio::test]
async fn a_relay_that_is_killed_has_everything_it_acknowledged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut acknowledged = std::collections::BTreeSet::new();
    for round in 0..4_u8 {
        let mut running = Running::start(folder.path());
        let mut tab = Tab::connect(round, running.multiaddr().await).await;
        tab.wait(|seen| seen.synced).await;
        for number in 0..600 {
            tab.publish_soon("test", &format!("post {number}"));
        }
        // At another moment of the stream in each round.
        let some = usize::from(round) * 120 + 1;
        tab.wait(|seen| seen.sent.len() >= some).await;
        running.child.kill().expect("SIGKILL reaches it");
        running.child.wait().expect("the program ends");
        acknowledged.extend(tab.wait(|seen| seen.sessions == 0).await.sent);
    }
    let running = Running::start(folder.path());
    let mut reader = Tab::connect(99, running.multiaddr().await).await;
    reader.read_board("test");
    reader.wait(|seen| acknowledged.is_subset(&seen.catalog)).await;
}
