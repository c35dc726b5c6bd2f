//! A peer that does what a test asks of it: js-libp2p in a page of its own or in Node.js, or our transport alone
//! (`tests/interop`). What it can be asked is in `tests/interop/peer.js`.

use std::net::Ipv4Addr;
use std::process::Command;
use std::rc::Rc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::browser::Browser;
use crate::process::Process;
use crate::relay::Relay;
use crate::site::Site;
use crate::stage::Stage;
use crate::{place, wait};

/// The page of js-libp2p.
const PAGE: &str =
    "<!doctype html><title>js-libp2p</title><script type=\"module\" src=\"/page.js\"></script>";

/// The page of our transport, whose functions are called as those of the other.
const OURS: &str = "<!doctype html><title>ours</title><script type=\"module\">
    import init, * as ours from '/ours.js';
    await init();
    let address;
    globalThis.interop = {
        start: async ({relay}) => {
            address = await ours.start(relay);
            return address.split('/').at(-1);
        },
        addresses: () => [address],
        dial: ({address}) => ours.dial(address),
        connect: ({address, limit}) => Promise.race([
            new Promise((resolve) => setTimeout(resolve, limit, null)),
            interop.connects(address),
        ]),
        connects: async (address) => {
            const begun = performance.now();
            const peer = await ours.dial(address);
            if (await ours.ask(peer, 1, 1) !== 1) throw new Error('another answer came than was asked for');
            const took = performance.now() - begun;
            ours.leave(peer);
            return took;
        },
        ask: ({peer, size, count}) => ours.ask(peer, size, count),
        send: async ({peer, size}) => {
            const begun = performance.now();
            await ours.send(peer, size);
            return performance.now() - begun;
        },
        broken: ({peer}) => ours.broken(peer),
    };
</script>";

/// A peer that runs until it is dropped.
#[derive(Debug)]
pub struct Foreign(Place);

#[derive(Debug)]
enum Place {
    Page(Rc<Browser>),
    Node { _process: Process, lines: Mutex<BufReader<TcpStream>> },
}

impl Foreign {
    /// One in a browser of its own, whose page is not the relay's.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn page(stage: &Stage, name: &str, relay: &Relay) -> Foreign {
        Foreign::page_in(stage.foreign_browser(name).await, relay).await
    }

    /// The same in this browser.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn page_in(browser: Rc<Browser>, relay: &Relay) -> Foreign {
        Foreign::served(browser, relay, PAGE, &[("page.js", "text/javascript")]).await
    }

    /// The same of our transport (`tests/interop/src`), which has no sessions and answers to `start`, `dial`, `connect`,
    /// `ask`, `broken` and `send`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn ours(stage: &Stage, name: &str, relay: &Relay) -> Foreign {
        Foreign::ours_in(stage.foreign_browser(name).await, relay).await
    }

    /// The same in this browser.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn ours_in(browser: Rc<Browser>, relay: &Relay) -> Foreign {
        let files = [("ours.js", "text/javascript"), ("ours_bg.wasm", "application/wasm")];
        Foreign::served(browser, relay, OURS, &files).await
    }

    async fn served(
        browser: Rc<Browser>,
        relay: &Relay,
        page: &str,
        files: &[(&str, &'static str)],
    ) -> Foreign {
        let made = place::interop().unwrap_or_else(|error| panic!("{error}"));
        let read = |&(name, kind): &(&str, &'static str)| {
            let body = std::fs::read(made.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            (format!("/{name}"), kind, body)
        };
        let page = ("/".to_owned(), "text/html", page.as_bytes().to_vec());
        let address = Site::of(relay, files.iter().map(read).chain([page])).serve();
        browser.goto(&format!("http://{address}/")).await;
        wait::until("the page of a libp2p peer", async || {
            let ready = browser.script("return 'interop' in globalThis", &[]).await?;
            wait::holds(ready == true, || "its script has not run".to_owned())
        })
        .await;
        Foreign(Place::Page(browser))
    }

    /// One in Node.js. Its output goes to a file of this name.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn node(stage: &Stage, name: &str) -> Foreign {
        let bundle = place::interop().unwrap_or_else(|error| panic!("{error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let log = stage.folder().join(format!("{name}.log"));
        let mut command = Command::new("node");
        let process =
            Process::start("Node.js", command.arg(bundle.join("node.cjs")).arg(port.to_string()), &log);
        let connected = tokio::time::timeout(wait::PATIENCE, listener.accept()).await;
        let (stream, _) = connected
            .unwrap_or_else(|_| panic!("Node.js does not come; its log is {}", log.display()))
            .expect("loopback takes connections");
        Foreign(Place::Node { _process: process, lines: Mutex::new(BufReader::new(stream)) })
    }

    /// Asks for something, and gives the answer.
    ///
    /// # Errors
    /// When it fails.
    pub async fn ask(&self, name: &str, given: Value) -> Result<Value, String> {
        match &self.0 {
            Place::Page(browser) => {
                browser.script("return interop[arguments[0]](arguments[1])", &[json!(name), given]).await
            }
            Place::Node { lines, .. } => {
                let asked = format!("{}\n", json!({"name": name, "given": given}));
                let mut answer = String::new();
                let told = async {
                    let mut lines = lines.lock().await;
                    lines.write_all(asked.as_bytes()).await?;
                    lines.read_line(&mut answer).await
                };
                told.await.map_err(|error| error.to_string())?;
                let mut answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
                match answer["error"].as_str() {
                    Some(error) => Err(error.to_owned()),
                    None => Ok(answer["value"].take()),
                }
            }
        }
    }

    /// The same of what cannot fail.
    ///
    /// # Panics
    /// When it does.
    pub async fn tell(&self, name: &str, given: Value) -> Value {
        self.ask(name, given).await.unwrap_or_else(|error| panic!("js-libp2p cannot {name}: {error}"))
    }

    /// Starts the peer at a relay, where it can be asked for then; its id and its address. `settings` are more of what
    /// `start` of `peer.js` takes.
    ///
    /// # Panics
    /// When the relay does not take it.
    pub async fn start(&self, relay: &Relay, mut settings: Value) -> (String, String) {
        settings["relay"] = json!(address(relay).await);
        let id = self.tell("start", settings).await;
        let place = wait::until("the relay to have a place for js-libp2p", async || {
            let addresses = self.ask("addresses", Value::Null).await?;
            // That of a direct connection where there are both.
            let all = addresses.as_array().into_iter().flatten().filter_map(Value::as_str);
            all.max_by_key(|address| address.contains("/webrtc/"))
                .map(str::to_owned)
                .ok_or_else(|| "it has no address".to_owned())
        });
        (id.as_str().expect("an id is a text").to_owned(), place.await)
    }

    /// Waits until what it tells of itself is as it should be.
    ///
    /// # Panics
    /// When it never is.
    pub async fn state(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, async || {
            let state = self.ask("state", Value::Null).await?;
            wait::holds(fits(&state), || state.to_string()).map(|()| state)
        })
        .await
    }

    /// Waits until it has a post with these words.
    ///
    /// # Panics
    /// When it never has.
    pub async fn comes(&self, words: &str) {
        wait::until(&format!("{words:?} to come to js-libp2p"), async || {
            let comments = self.ask("comments", Value::Null).await?;
            let mut all = comments.as_array().into_iter().flatten().filter_map(Value::as_str);
            wait::holds(all.any(|comment| comment.contains(words)), || "it has not come".to_owned())
        })
        .await;
    }

    /// Waits until a question is answered by this number.
    ///
    /// # Panics
    /// When it never is.
    pub async fn count(&self, name: &str, given: &Value, count: usize) {
        wait::until(&format!("{name} of js-libp2p to be {count}"), async || {
            let value = self.ask(name, given.clone()).await?;
            wait::holds(value == count, || value.to_string())
        })
        .await;
    }
}

/// The address of a relay, with its id.
///
/// # Panics
/// When it tells none.
pub async fn address(relay: &Relay) -> String {
    let info = relay.get("/api/v1/info").await.json();
    info["addresses"][0].as_str().expect("a relay on loopback tells its address").to_owned()
}
