//! The program itself: settings, refusals, warnings and signals.

use std::process::{Command, Output};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::http::get;
use crate::support::program::{Running, program, program_after};
use crate::support::tab::Tab;
use crate::support::{free_address, until};

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
    assert!(serve(&["--stun-listen", "on"]).contains("stun_listen: \"on\" is not"));
    assert!(serve(&["--drain-seconds", "100"]).contains("drain_seconds"));
    assert!(serve(&["--max-connections", "many"]).contains("'many'"));
    assert!(serve(&["--log", "a=b=c"]).contains("log: \"a=b=c\" is not"));
    assert!(serve(&["--config", "/absent.toml"]).contains("/absent.toml"));
    assert!(serve(&["--bogus"]).contains("--bogus"));
    assert!(serve(&["--peer", "relay.example"]).contains("peer: \"relay.example\" is not the URL"));
    assert!(serve(&["--tls-key", "a.pem"]).contains("tls_certificate: is not set"));
    let nobody = refusal(
        program()
            .args(["serve", "--listen", "127.0.0.1:0", "--peer", "https://relay.example", "--data"])
            .arg(&data)
            .env("SSL_CERT_FILE", &file),
    );
    assert!(nobody.contains("SSL_CERT_FILE"), "{nobody}");
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
async fn a_relay_among_its_own_peers_is_told_once_and_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = free_address();
    // By the address it listens on and by a name; nobody is at port 1.
    let peers = format!("http://{address},http://localhost:{},http://127.0.0.1:1", address.port());
    let listen = address.to_string();
    let mut running = Running::of(&mut program(), folder.path(), &["--listen", &listen, "--peer", &peers]);
    for own in [
        format!("/ip4/127.0.0.1/tcp/{}/ws", address.port()),
        format!("/dns/localhost/tcp/{}/ws", address.port()),
    ] {
        running
            .logs(&format!("is this relay itself, and is left alone; remove it from the list address={own}"))
            .await;
    }
    running.logs("it is dialled again and again").await;
    // It came to be known as a relay only if a session began.
    let info = get(running.address, "/api/v1/info", &[]).await.json();
    assert_eq!(info["relays"], serde_json::json!([]));
    let log = running.killed_log();
    assert_eq!(log.matches("is this relay itself").count(), 2, "{log}");
    assert_eq!(log.lines().count(), 3, "{log}");
}

#[tokio::test]
async fn another_relay_than_the_one_named_is_told() {
    let folders =
        [tempfile::tempdir(), tempfile::tempdir()].map(|folder| folder.expect("a temporary folder"));
    let other = Running::start(folders[0].path());
    let id = get(other.address, "/api/v1/info", &[]).await.json()["peer_id"].to_string();
    let stranger = libp2p::identity::Keypair::generate_ed25519().public().to_peer_id();
    let peer = format!("/ip4/127.0.0.1/tcp/{}/ws/p2p/{stranger}", other.address.port());
    let running = Running::of(&mut program(), folders[1].path(), &["--peer", &peer]);
    running.logs(&format!("another relay answers there, {}", id.trim_matches('"'))).await;
}

#[tokio::test]
async fn plain_http_for_others_is_warned_of_in_one_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let warnings = |settings: &[&str]| {
        let listen = ["--listen", "0.0.0.0:0", "--external", "/dns4/relay.example/tcp/443/wss"];
        let mut running = Running::of(&mut program(), folder.path(), &[&listen, settings].concat());
        running.killed_log()
    };
    let log = warnings(&[]);
    assert_eq!(log.lines().count(), 1, "{log}");
    for way in ["no storage", "tls_certificate", "acme_domain", "trusted_proxies"] {
        assert!(log.contains(way), "{way} is missing from {log}");
    }
    assert_eq!(warnings(&["--trusted-proxies", "192.0.2.1"]), "");
}

#[tokio::test]
async fn with_few_open_files_connections_are_refused_before_the_files_run_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = program_after("ulimit -n 704");
    let mut running = Running::of(&mut command, folder.path(), &["--max-connections", "1000"]);
    let mut tab = Tab::connect(1, running.multiaddr().await).await;
    // 704 files, less 576 for other things, two for each, less the tab's; the relay accepts them in their order.
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

    let log = running.killed_log();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.len() == 1 && lines[0].contains("connections=64 wanted=1000"), "{log}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_failed_is_used_again_once_it_works() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

    let folder = tempfile::tempdir().expect("a temporary folder");
    // A file at its largest allowed size fails the writer like a disk, at the commit. The signal that tells of it
    // would end the program.
    let mut command = program_after("trap '' XFSZ");
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
    let has_failed = async || get(running.address, "/metrics", &[]).await.text().contains(failed);
    until("the disk has failed", has_failed).await;
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
