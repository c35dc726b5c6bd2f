//! A Chromium process with a profile of its own, driven over WebDriver (W3C WebDriver 2) with Chromium's extensions for
//! the console log and the DevTools protocol.
//!
//! Everything the browser sends and receives, whichever page or worker asked for it, goes into a network log of its own
//! (`--log-net-log`). The driver's performance log would not do: it leaves out what workers fetch.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::netlog::NetLog;
use crate::process::Process;
use crate::{place, wait};

/// What a browser keeps between two starts: storage, cache, settings. Removed when dropped.
#[derive(Debug)]
pub struct Profile(TempDir);

impl Profile {
    /// A new one, with nothing in it.
    ///
    /// # Panics
    /// When there is no room for it.
    #[must_use]
    pub fn fresh() -> Profile {
        Profile(TempDir::new().expect("the system has room for a temporary folder"))
    }
}

/// A line of the browser's console, from a page, a worker or the browser itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleLine {
    /// `SEVERE`, `WARNING`, `INFO` or `DEBUG`.
    pub level: String,
    /// Who wrote it: `javascript`, `security`, `network`, `worker`, `console-api` and others.
    pub source: String,
    /// The words.
    pub text: String,
}

/// What a browser left when it was closed.
#[derive(Debug)]
pub struct Left {
    /// Its profile, for another start.
    pub profile: Profile,
    /// Everything it sent and received, if that was recorded.
    pub log: Option<NetLog>,
}

/// How a browser is started.
#[derive(Debug)]
pub struct Start {
    /// What it keeps.
    pub profile: Profile,
    /// Whether everything it sends and receives is recorded, which costs time and room.
    pub record: bool,
    /// Whether pages may store anything.
    pub storage: bool,
    /// Whether its windows are private ones.
    pub private: bool,
    /// What its camera sees, over and over: a file of uncompressed pictures (YUV4MPEG2). Without, it has no camera.
    pub camera: Option<PathBuf>,
}

impl Start {
    /// With this profile, and a record.
    #[must_use]
    pub fn recorded(profile: Profile) -> Self {
        Start { profile, record: true, storage: true, private: false, camera: None }
    }

    /// With this profile, and no record.
    #[must_use]
    pub fn plain(profile: Profile) -> Self {
        Start { record: false, ..Start::recorded(profile) }
    }
}

/// A running browser with one tab. Dropping it kills it.
#[derive(Debug)]
pub struct Browser {
    name: String,
    recorded: bool,
    client: Client,
    driver: Process,
    chromium: Pid,
    profile: RefCell<Option<Profile>>,
    folder: PathBuf,
    console: RefCell<Vec<ConsoleLine>>,
    opened: RefCell<BTreeSet<String>>,
    closed: Cell<bool>,
}

/// The flags that keep Chromium quiet, and on loopback: other names do not resolve, but those that browsers of one network
/// make up for their addresses.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-US",
    // For pictures that show the page alone.
    "--hide-scrollbars",
    "--window-size=1280,900",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE *.local",
];

impl Browser {
    /// Starts one. Its logs go into `folder`, under `name`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn launch(name: &str, start: Start, folder: &Path) -> Browser {
        let Start { profile, record, storage, private, camera } = start;
        let programs = place::browser_programs().unwrap_or_else(|error| panic!("{error}"));
        let output = folder.join(format!("{name}.driver.log"));
        // What an earlier browser of this name wrote would be taken for this one's.
        let _ = std::fs::remove_file(&output);
        let (driver, port) = driver(&programs.chromedriver, &output).await;

        let mut arguments: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", profile.0.path().display()));
        if private {
            arguments.push("--incognito".to_owned());
        }
        if let Some(file) = camera {
            // Whoever looks through it is asked by nobody.
            arguments.extend(
                ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"].map(str::to_owned),
            );
            arguments.push(format!("--use-file-for-fake-video-capture={}", file.display()));
        }
        if record {
            arguments.push(format!("--log-net-log={}", network_log(folder, name).display()));
            arguments.push("--net-log-capture-mode=Everything".to_owned());
        }
        let capabilities = json!({
            "browserName": "chrome",
            // A prompt that nobody expects makes the next command fail, instead of being closed silently.
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {
                "binary": programs.chromium,
                "args": arguments,
                // Not the new-tab page, which is a page of its own with requests of its own.
                "prefs": {
                    "session": {"restore_on_startup": 4, "startup_urls": ["about:blank"]},
                    // What people set as "block all cookies" is a refusal of all storage: 1 allows, 2 blocks.
                    "profile": {"default_content_setting_values": {"cookies": if storage { 1 } else { 2 }}},
                },
            },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("the literal is an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}; see {}", output.display()));
        let pid = client.capabilities().and_then(|capabilities| capabilities["goog:processID"].as_i64());
        let chromium = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        Browser {
            name: name.to_owned(),
            recorded: record,
            client,
            driver,
            chromium: chromium.expect("chromedriver tells the process id of Chromium"),
            profile: RefCell::new(Some(profile)),
            folder: folder.to_owned(),
            console: RefCell::default(),
            opened: RefCell::default(),
            closed: Cell::new(false),
        }
    }

    /// The name it was started under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its WebDriver session.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The URLs that were opened by hand, as a person types them.
    #[must_use]
    pub fn opened(&self) -> BTreeSet<String> {
        self.opened.borrow().clone()
    }

    /// Whether there will be a record of what it sent and received.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Whether [`Browser::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Goes to a URL and waits until the document is loaded, which is earlier than that the page can be used.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn goto(&self, url: &str) {
        self.note_opened(url);
        self.client
            .goto(url)
            .await
            .unwrap_or_else(|error| panic!("{} cannot open {url}: {error}", self.name));
    }

    /// Says that a URL is asked for by the person, not by the page.
    pub(crate) fn note_opened(&self, url: &str) {
        self.opened.borrow_mut().insert(url.to_owned());
    }

    /// Runs a function body in the page, with `arguments`, and gives what it returns, awaiting a promise.
    ///
    /// # Errors
    /// When it throws.
    pub async fn script(&self, body: &str, arguments: &[Value]) -> Result<Value, String> {
        self.client.execute(body, arguments.to_vec()).await.map_err(|error| error.to_string())
    }

    /// A command of the DevTools protocol.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub async fn devtools(&self, command: &'static str, parameters: Value) -> Result<Value, String> {
        self.issue(Extra::DevTools(command, parameters)).await
    }

    /// A command of WebDriver that the client library has no function for.
    pub(crate) async fn issue(&self, command: Extra) -> Result<Value, String> {
        self.client.issue_cmd(command).await.map_err(|error| error.to_string())
    }

    /// All lines of the console since the start.
    ///
    /// # Panics
    /// When the driver does not tell them.
    pub async fn console(&self) -> Vec<ConsoleLine> {
        // The driver tells each line once.
        let new =
            self.issue(Extra::Log("browser")).await.unwrap_or_else(|error| panic!("no console log: {error}"));
        let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let new = new.as_array().into_iter().flatten().map(|line| ConsoleLine {
            level: text(line, "level"),
            source: text(line, "source"),
            text: text(line, "message"),
        });
        self.console.borrow_mut().extend(new);
        self.console.borrow().clone()
    }

    /// Gives the window a size in CSS pixels, and a colour scheme.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn look(&self, width: u32, height: u32, dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        for (command, parameters) in
            [("Emulation.setDeviceMetricsOverride", size), ("Emulation.setEmulatedMedia", media)]
        {
            self.devtools(command, parameters).await.unwrap_or_else(|error| panic!("{command}: {error}"));
        }
    }

    /// Writes a picture of the window.
    ///
    /// # Errors
    /// When there is none, or it cannot be written.
    pub async fn screenshot(&self, file: &Path) -> Result<(), String> {
        let picture = self.client.screenshot().await.map_err(|error| error.to_string())?;
        std::fs::write(file, picture).map_err(|error| format!("cannot write {}: {error}", file.display()))
    }

    /// Writes what there is to see of it into its folder: picture, document, console. For a test that failed.
    pub async fn leave_traces(&self) {
        let file = |ending: &str| self.folder.join(format!("{}.{ending}", self.name));
        let told = async {
            self.screenshot(&file("png")).await?;
            let address = self.client.current_url().await.map_err(|error| error.to_string())?;
            let document = self.client.source().await.map_err(|error| error.to_string())?;
            std::fs::write(file("html"), format!("<!-- {address} -->\n{document}"))
                .map_err(|error| error.to_string())?;
            let lines = self.console().await;
            let lines = lines.iter().map(|line| format!("{} {} {}\n", line.level, line.source, line.text));
            std::fs::write(file("console.txt"), lines.collect::<String>()).map_err(|error| error.to_string())
        };
        if let Err(error) = told.await {
            eprintln!("{} leaves no more traces: {error}", self.name);
        }
    }

    /// The process in which its only page and that page's workers run: of those it has for pages the one that has
    /// computed most. Others are kept ready for pages to come.
    ///
    /// # Panics
    /// When the system does not tell of its processes.
    #[must_use]
    pub fn renderer(&self) -> Pid {
        let all: Vec<Running> = std::fs::read_dir("/proc")
            .expect("Linux tells of its processes")
            .flatten()
            .filter_map(running)
            .collect();
        let mut family = vec![self.chromium];
        let mut renderers = Vec::new();
        while let Some(parent) = family.pop() {
            for process in all.iter().filter(|process| process.parent == parent) {
                family.push(process.pid);
                if process.command.contains("--type=renderer") {
                    renderers.push(process);
                }
            }
        }
        renderers.into_iter().max_by_key(|process| process.ticks).expect("the page runs in a process").pid
    }

    /// Closes it, as a person closes the window.
    ///
    /// # Panics
    /// When it was closed before, or leaves no complete record.
    pub async fn close(&self) -> Left {
        let profile = self.profile.take().expect("a browser is closed once");
        self.console().await;
        self.closed.set(true);
        self.client
            .clone()
            .close()
            .await
            .unwrap_or_else(|error| panic!("{} does not close: {error}", self.name));
        self.driver.kill();
        if !self.recorded {
            return Left { profile, log: None };
        }
        let file = network_log(&self.folder, &self.name);
        // Chromium writes the end of the log as the last thing it does.
        let log = wait::until("the network log to be complete", async || NetLog::read(&file)).await;
        Left { profile, log: Some(log) }
    }

    /// Ends it in the middle of what it does, as a crash would.
    ///
    /// # Panics
    /// When it was closed before.
    pub fn crash(&self) -> Profile {
        let profile = self.profile.take().expect("a browser is closed once");
        self.closed.set(true);
        kill_process(self.chromium, Signal::KILL).expect("Chromium runs until it is closed");
        self.driver.kill();
        profile
    }

    /// Removes its logs, which are large, when nobody needs to look at them.
    pub fn leave_nothing(&self) {
        for file in
            [network_log(&self.folder, &self.name), self.folder.join(format!("{}.driver.log", self.name))]
        {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Unless it was closed, Chromium would outlive its driver.
        if !self.closed.get() {
            let _ = kill_process(self.chromium, Signal::KILL);
        }
    }
}

fn network_log(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.network.json"))
}

/// A process of this machine.
struct Running {
    pid: Pid,
    parent: Pid,
    /// How long it has computed.
    ticks: u64,
    command: String,
}

/// None for what is no process or has ended meanwhile.
fn running(entry: std::fs::DirEntry) -> Option<Running> {
    let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
    let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
    // The name may hold spaces and parentheses; what follows, from the third field on, does not (proc_pid_stat(5)).
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let parent = Pid::from_raw(fields.get(1)?.parse().ok()?)?;
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let command = std::fs::read(entry.path().join("cmdline")).ok()?;
    Some(Running { pid, parent, ticks, command: String::from_utf8_lossy(&command).into_owned() })
}

/// The port in what chromedriver says when it listens.
/// Starts chromedriver: the process and its port. It lets the system choose a port for one version of IP and then wants the
/// same for the other, where a connection of another test may have it; then it ends at once, and the next choice is
/// another.
async fn driver(program: &Path, output: &Path) -> (Process, u16) {
    let mut process = start_driver(program, output);
    let port = wait::until("chromedriver to listen", async || {
        let ended = process.ended();
        let text = std::fs::read_to_string(output).map_err(|error| error.to_string())?;
        match ended {
            Some(_) if is_port_taken(&text) => {
                let _ = std::fs::remove_file(output);
                process = start_driver(program, output);
                Err("its port was taken".to_owned())
            }
            Some(status) => panic!("chromedriver ended with {status}: {text}"),
            None => port_in(&text).ok_or(text),
        }
    })
    .await;
    (process, port)
}

fn start_driver(program: &Path, output: &Path) -> Process {
    Process::start("chromedriver", Command::new(program).arg("--port=0"), output)
}

fn is_port_taken(text: &str) -> bool {
    text.contains("port not available. Exiting")
}

fn port_in(text: &str) -> Option<u16> {
    text.lines().find_map(|line| {
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    })
}

/// Commands that the client library has no functions for.
#[derive(Debug)]
pub(crate) enum Extra {
    /// W3C WebDriver 2, section 12.4.8: Get Computed Role of an element.
    Role(String),
    /// W3C WebDriver 2, section 12.4.9: Get Computed Label of an element.
    Label(String),
    /// Chromium's: new lines of a log.
    Log(&'static str),
    /// Chromium's: a command of the DevTools protocol.
    DevTools(&'static str, Value),
}

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        let session = session.unwrap_or_default();
        let path = match self {
            Extra::Role(element) => format!("element/{element}/computedrole"),
            Extra::Label(element) => format!("element/{element}/computedlabel"),
            Extra::Log(_) => "se/log".to_owned(),
            Extra::DevTools(..) => "goog/cdp/execute".to_owned(),
        };
        base.join(&format!("session/{session}/{path}"))
    }

    fn method_and_body(&self, _: &url::Url) -> (hyper::Method, Option<String>) {
        match self {
            Extra::Role(_) | Extra::Label(_) => (hyper::Method::GET, None),
            Extra::Log(kind) => (hyper::Method::POST, Some(json!({"type": kind}).to_string())),
            Extra::DevTools(command, parameters) => {
                (hyper::Method::POST, Some(json!({"cmd": command, "params": parameters}).to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_port_taken, port_in};

    #[test]
    fn the_port_is_read() {
        let text =
            "Starting ChromeDriver 1 (2) on port 0\nChromeDriver was started successfully on port 4321.\n";
        assert_eq!(port_in(text), Some(4321));
        assert_eq!(port_in("Starting ChromeDriver 1 (2) on port 0\n"), None);
        assert!(!is_port_taken(text));
        assert!(is_port_taken(
            "Starting ChromeDriver 1 (2) on port 0\nIPv4 port not available. Exiting...\n"
        ));
    }
}
