//! The real relay, started from its binary the way an operator does, on a free port of loopback.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::iter;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::http::{self, Answer};
use crate::process::Process;
use crate::{place, wait};

/// Ports that relays listen on: from 20,000 to 31,999. Linux gives out those from 32,768 on.
const FIRST_PORT: u16 = 20_000;
const PORTS: u32 = 12_000;

/// A relay with a data folder of its own. Dropping it kills it and removes the folder.
#[derive(Debug)]
pub struct Relay {
    process: RefCell<Rc<Process>>,
    address: SocketAddr,
    data: TempDir,
    log: PathBuf,
    settings: Vec<String>,
}

impl Relay {
    /// Starts one on an empty data folder, and waits until it is ready. Its log lines go to `log`.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start(log: &Path) -> Relay {
        let data = TempDir::new().expect("the system has room for a temporary folder");
        Relay::start_on(data, &[], log).await
    }

    /// Starts one on a data folder, with more settings for its command line.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start_on(data: TempDir, settings: &[&str], log: &Path) -> Relay {
        Relay::start_at(free_address(), data, settings, log).await
    }

    /// The same at a given address.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start_at(address: SocketAddr, data: TempDir, settings: &[&str], log: &Path) -> Relay {
        let settings: Vec<String> = settings.iter().map(|&word| word.to_owned()).collect();
        let process = RefCell::new(Rc::new(serve(address, data.path(), &settings, log)));
        let relay = Relay { process, address, data, log: log.to_owned(), settings };
        relay.wait_until_ready().await;
        relay
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path that begins with `/`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Ends it as an operator does, with SIGTERM.
    ///
    /// # Panics
    /// When it does not end, or not with success.
    pub async fn stop(&self) {
        let process = self.process.borrow().clone();
        let status = process.terminate().await;
        assert!(
            status.success(),
            "the relay ended with {status} on SIGTERM; its log is {}",
            self.log.display()
        );
    }

    /// Starts it again after [`Relay::stop`], on the same address and data folder.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start_again(&self) {
        self.process.replace(Rc::new(serve(self.address, self.data.path(), &self.settings, &self.log)));
        self.wait_until_ready().await;
    }

    /// Lets it fall silent without a word, until [`Relay::go_on`].
    ///
    /// # Panics
    /// When it has ended.
    pub fn halt(&self) {
        self.process.borrow().halt();
    }

    /// Lets it go on where it was.
    ///
    /// # Panics
    /// When it has ended.
    pub fn go_on(&self) {
        self.process.borrow().go_on();
    }

    /// Takes away everything it keeps, its key too. To be called while it is stopped.
    ///
    /// # Panics
    /// When the folder cannot be emptied.
    pub fn wipe(&self) {
        for entry in std::fs::read_dir(self.data()).expect("the folder is there").flatten() {
            let path = entry.path();
            let removed =
                if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.unwrap_or_else(|error| panic!("cannot remove {}: {error}", path.display()));
        }
    }

    /// Gets a path.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// Gets a path, with these headers.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        http::get(&self.url(path), headers).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Its figures: each line of `/metrics` as the name with its labels, and the value.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn metrics(&self) -> BTreeMap<String, f64> {
        let text = self.get("/metrics").await.text();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let (name, value) =
                    line.rsplit_once(' ').unwrap_or_else(|| panic!("/metrics has the line {line:?}"));
                let value = value.parse().unwrap_or_else(|_| panic!("/metrics has the line {line:?}"));
                (name.to_owned(), value)
            })
            .collect()
    }

    /// The most memory it ever had in use, bytes.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.process.borrow().peak_memory()
    }

    async fn wait_until_ready(&self) {
        let url = self.url("/readyz");
        let log = self.log.display().to_string();
        wait::until("the relay to be ready", async || {
            if let Some(status) = self.process.borrow().ended() {
                panic!("the relay ended with {status} before it was ready; its log is {log}");
            }
            let answer = http::get(&url, &[]).await?;
            wait::holds(answer.status == 200, || format!("{} {}", answer.status, answer.text()))
        })
        .await;
    }
}

/// An address nobody listens on, and another each time. Its port is below those that the system gives out by itself, which
/// any connection could take before the relay does, and each process begins with another.
///
/// # Panics
/// When loopback has none.
#[must_use]
pub fn free_address() -> SocketAddr {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let begin = process::id().wrapping_mul(97);
    let candidates = iter::repeat_with(|| {
        let number = begin.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % PORTS;
        SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST_PORT + number as u16))
    });
    candidates
        .take(PORTS as usize)
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("loopback has a free port")
}

fn serve(address: SocketAddr, data: &Path, settings: &[String], log: &Path) -> Process {
    let binary = place::relay_binary().unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new(binary);
    command.args(["serve", "--listen"]).arg(address.to_string()).arg("--data").arg(data).args(settings);
    // Settings of the person who runs the tests are not settings of the relay under test.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CHANTERELLE_") {
            command.env_remove(name);
        }
    }
    Process::start("the relay", &mut command, log)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FIRST_PORT, free_address};

    #[test]
    fn no_address_is_given_twice_nor_by_the_system() {
        let given: BTreeSet<_> = (0..100).map(|_| free_address()).collect();
        assert_eq!(given.len(), 100);
        assert!(given.iter().all(|address| (FIRST_PORT..32_768).contains(&address.port())));
    }
}
