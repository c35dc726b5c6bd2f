//! A relay whose disk fills up, and is given room again: a small file system of its own, which only its process sees.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::harness::Outcome;
use crate::kill::{check_integrity, stored};
use crate::support::http::get;
use crate::support::program::{PROGRAM, Running, without_settings};
use crate::support::tab::Tab;
use crate::support::until;

/// Room for a relay that has only begun.
const MIB: u32 = 16;

/// What is promised, seconds.
const RECOVERY: u64 = 30;

pub(crate) fn test() -> Outcome {
    let Some(flags) = namespace() else {
        let reason = "a mount namespace of its own is not permitted here (needs util-linux and root, or user namespaces)";
        return Outcome::Skipped(reason.to_owned());
    };
    let runtime = tokio::runtime::Runtime::new().expect("the system has room for a runtime");
    runtime.block_on(fill_and_free(flags));
    Outcome::Passed
}

/// With which flags `unshare` gives a process mounts of its own, if it does.
fn namespace() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    ways.into_iter().find(|flags| {
        let mut command = Command::new("unshare");
        command.args(*flags).args(["sh", "-c", "mount -t tmpfs tmpfs /mnt"]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    })
}

/// A running relay on a file system of its own.
struct Small {
    running: Running,
    /// Its data folder, as its process sees it from outside.
    data: PathBuf,
}

impl Small {
    fn start(flags: &[&str], data: &Path) -> Small {
        let mut command = Command::new("unshare");
        // Both replace themselves with what they start, so that the process is the relay in the end.
        let script = format!("mount -t tmpfs -o size={MIB}m tmpfs \"$0\" && exec \"$@\"");
        command.args(flags).args(["sh", "-c", &script]).arg(data).arg(PROGRAM);
        let running = Running::of(&mut without_settings(command), data, &[]);
        let data = PathBuf::from(format!("/proc/{}/root{}", running.child.id(), data.display()));
        Small { running, data }
    }

    /// Leaves not one byte.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("the folder is writable");
        for size in [64 * 1024, 1] {
            let piece = vec![7; size];
            while ballast.write_all(&piece).is_ok() {}
        }
    }

    fn ballast(&self) -> PathBuf {
        self.data.join("ballast")
    }

    /// How often there was no room.
    async fn refused(&self) -> u64 {
        let text = get(self.running.address, "/metrics", &[]).await.text().to_owned();
        let line = "chanterelle_storage_errors_total{reason=\"full\"} ";
        let value = text.lines().find_map(|found| found.strip_prefix(line)?.parse().ok());
        value.unwrap_or(0)
    }

    async fn readiness(&self) -> u16 {
        get(self.running.address, "/readyz", &[]).await.status
    }

    /// What is on its disk at this moment, in a folder outside.
    fn copy(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        self.running.signal("STOP");
        for file in ["chanterelle.db", "chanterelle.db-wal"] {
            fs::copy(self.data.join(file), folder.path().join(file)).expect("the file is there");
        }
        self.running.signal("CONT");
        folder
    }
}

/// As long as a comment may be: there is room for none where there is little.
fn long(about: &str) -> String {
    let mut text = String::new();
    for word in 0.. {
        let more = format!("{about} {word} ");
        if text.len() + more.len() > 10_000 {
            break;
        }
        text += &more;
    }
    text
}

async fn fill_and_free(flags: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let small = Small::start(flags, folder.path());
    let mut author = Tab::connect(1, small.running.multiaddr().await).await;
    let first = author.publish("test", "before").await;
    author.wait(|seen| seen.sent.contains(&first)).await;
    assert_eq!(small.readiness().await, 200);

    small.fill();
    // What the log has room for is still stored.
    let mut refused = 0;
    for number in 0.. {
        assert!(number < 2_000, "the disk must be full by now");
        let post = author.publish("test", &long(&number.to_string())).await;
        let answered = async || small.refused().await > 0 || author.seen().sent.contains(&post);
        until("the post is stored or refused", answered).await;
        refused = small.refused().await;
        if refused > 0 {
            break;
        }
    }
    let before = author.seen().sent;
    until("the relay says that it is full", async || small.readiness().await == 507).await;
    let ready = get(small.running.address, "/readyz", &[]).await;
    assert_eq!((ready.status, ready.error_code().as_str()), (507, "insufficient_storage"));
    let post = author.publish("test", &long("no room for this")).await;
    until("it is refused again", async || small.refused().await > refused).await;
    assert_eq!(author.seen().sent, before, "nothing is acknowledged that is not stored");
    assert!(!before.contains(&post));

    assert_eq!(get(small.running.address, "/", &[]).await.status, 200, "the page is served");
    let mut reader = Tab::connect(2, small.running.multiaddr().await).await;
    reader.read_board("test");
    reader.wait(|seen| before.is_subset(&seen.held)).await;
    let copy = small.copy();
    check_integrity(copy.path()).await;
    assert!(stored(copy.path()).await.is_superset(&before));

    fs::remove_file(small.ballast()).expect("the ballast is there");
    let freed = Instant::now();
    until("the relay is ready again", async || small.readiness().await == 200).await;
    let after = author.publish("test", "there is room again").await;
    author.wait(|seen| seen.sent.contains(&after)).await;
    let seconds = freed.elapsed().as_secs();
    eprintln!("durable.full_disk: ready and storing {seconds} s after there was room");
    assert!(seconds < RECOVERY, "{seconds} s");
    let copy = small.copy();
    check_integrity(copy.path()).await;
    assert!(stored(copy.path()).await.is_superset(&author.seen().sent));
}
