//! Two relays, each in a network of its own, joined by one link that is cut while both are written to.
//!
//! Networks are namespaces (network_namespaces(7)), the link is a pair of veth(4). What this makes it takes away again,
//! also when the test fails.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::harness::Outcome;
use crate::support::http::get;
use crate::support::program::{PROGRAM, Running, without_settings};
use crate::support::tab::Tab;
use crate::support::until;

/// Where the two are; RFC 2544 set these addresses aside for tests.
const ADDRESSES: [&str; 2] = ["198.18.77.1", "198.18.77.2"];

/// Far above what anything here takes: a lost link may have to be noticed first.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn test() -> Outcome {
    match Networks::make() {
        Ok(networks) => {
            cut_and_heal(&networks);
            Outcome::Passed
        }
        Err(reason) => Outcome::Skipped(reason),
    }
}

/// Two networks with a link between them.
struct Networks {
    names: [String; 2],
}

impl Networks {
    /// # Errors
    /// Why there can be none here.
    fn make() -> Result<Networks, String> {
        let names = ["a", "b"].map(|side| format!("chanterelle-{}-{side}", std::process::id()));
        let [a, b] = &names;
        ip(&["netns", "add", a])?;
        // From here on dropping it takes everything away, the link with the networks it ends in.
        let networks = Networks { names: names.clone() };
        ip(&["netns", "add", b])?;
        ip(&["link", "add", "veth0", "netns", a, "type", "veth", "peer", "name", "veth0", "netns", b])?;
        for (name, address) in networks.names.iter().zip(ADDRESSES) {
            ip(&["-n", name, "address", "add", &format!("{address}/30"), "dev", "veth0"])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
            ip(&["-n", name, "link", "set", "veth0", "up"])?;
        }
        Ok(networks)
    }

    fn link(&self, state: &str) {
        ip(&["-n", &self.names[0], "link", "set", "veth0", state]).expect("the link is there");
    }

    /// A relay in one of them, with the other as its peer.
    fn relay(&self, side: usize, data: &std::path::Path) -> Running {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[side], PROGRAM]);
        let listen = format!("{}:8080", ADDRESSES[side]);
        let peer = format!("http://{}:8080", ADDRESSES[1 - side]);
        Running::of(&mut without_settings(command), data, &["--listen", &listen, "--peer", &peer])
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for name in &self.names {
            // The second may not have come to be.
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// Runs `ip` of iproute2.
fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("network namespaces need iproute2: ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let line = complaint.lines().next().unwrap_or("it failed");
    Err(format!("network namespaces are not permitted here (needs root): ip {}: {line}", arguments.join(" ")))
}

/// What a tab is told, and answers with when it is done.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// Publish, and wait until the relay has it.
    Publish,
    /// Wait until so many posts are there, one's own included.
    Hold(usize),
    /// Wait until one of the relays has noticed that it is alone.
    Notice,
    /// Wait until the relay has a session with the other.
    Linked,
}

/// A tab in one of the networks, with a thread of its own, because a thread is in one network.
struct Side {
    steps: tokio::sync::mpsc::UnboundedSender<Step>,
    done: mpsc::Receiver<Step>,
}

impl Side {
    fn enter(networks: &Networks, side: usize, noticed: Arc<AtomicBool>) -> Side {
        let (steps, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let (sender, done) = mpsc::channel();
        let network =
            File::open(format!("/run/netns/{}", networks.names[side])).expect("the network is there");
        thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("whoever made the network may enter it");
            // On this thread alone.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the system has room for a runtime").block_on(async move {
                let address = format!("/ip4/{}/tcp/8080/ws", ADDRESSES[side]);
                let seed = u8::try_from(side + 1).expect("there are two");
                let mut tab = Tab::connect(seed, address.parse().expect("an address")).await;
                tab.read_board("test");
                while let Some(step) = receiver.recv().await {
                    match step {
                        Step::Publish => {
                            let post = tab.publish("test", &format!("by {side}")).await;
                            tab.wait(|seen| seen.sent.contains(&post)).await;
                        }
                        Step::Hold(posts) => drop(tab.wait(|seen| seen.catalog.len() == posts).await),
                        Step::Notice => {
                            let someone =
                                async || noticed.load(Ordering::Relaxed) || has_relays(side, 0).await;
                            until("one of the relays notices that it is alone", someone).await;
                            noticed.store(true, Ordering::Relaxed);
                        }
                        Step::Linked => {
                            until("the relays are linked", async || has_relays(side, 1).await).await;
                        }
                    }
                    if sender.send(step).is_err() {
                        break;
                    }
                }
            });
        });
        Side { steps, done }
    }
}

/// Whether the relay has a session with so many others.
async fn has_relays(side: usize, relays: usize) -> bool {
    let address = SocketAddr::new(ADDRESSES[side].parse().expect("an address"), 8080);
    let line = format!("chanterelle_relays {relays}");
    get(address, "/metrics", &[]).await.text().lines().any(|found| found == line)
}

/// Has both sides take a step, and waits until both have.
fn both(sides: &[Side; 2], step: Step) {
    for side in sides {
        side.steps.send(step).expect("the tab runs");
    }
    for side in sides {
        assert_eq!(side.done.recv_timeout(PATIENCE), Ok(step));
    }
}

fn cut_and_heal(networks: &Networks) {
    let data = [tempfile::tempdir(), tempfile::tempdir()].map(|folder| folder.expect("a temporary folder"));
    let _relays = [networks.relay(0, data[0].path()), networks.relay(1, data[1].path())];
    let noticed = Arc::<AtomicBool>::default();
    let sides = [0, 1].map(|side| Side::enter(networks, side, noticed.clone()));
    both(&sides, Step::Publish);
    both(&sides, Step::Hold(2));

    // A short cut, which nobody notices.
    networks.link("down");
    both(&sides, Step::Publish);
    // Each has its own and not that of the other.
    both(&sides, Step::Hold(3));
    networks.link("up");
    both(&sides, Step::Hold(4));

    // A long one, after which the relays have to find each other again.
    networks.link("down");
    let cut = Instant::now();
    both(&sides, Step::Notice);
    eprintln!("durable.cut_link: noticed after {:.1} s", cut.elapsed().as_secs_f64());
    both(&sides, Step::Publish);
    both(&sides, Step::Publish);
    both(&sides, Step::Hold(6));
    let healed = Instant::now();
    networks.link("up");
    both(&sides, Step::Hold(8));
    eprintln!("durable.healed_link: both have everything after {:.1} s", healed.elapsed().as_secs_f64());
    both(&sides, Step::Linked);
}
