//! What a test plays on: it starts relays and browsers, keeps the traces when the test fails, and at the end of every
//! test lets the network watch look at every browser.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt as _;
use tempfile::TempDir;

use crate::browser::{Browser, Profile, Start};
use crate::netlog::NetLog;
use crate::place;
use crate::relay::{Relay, free_address};
use crate::watch::Watch;

/// The stage of one test.
#[derive(Debug)]
pub struct Stage {
    folder: PathBuf,
    relays: RefCell<Vec<Rc<Relay>>>,
    browsers: RefCell<Vec<Rc<Browser>>>,
    markers: RefCell<Vec<String>>,
    watched: Cell<bool>,
}

/// One test at a time, however many the test program would start: two browsers are enough for two cores.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test that needs a browser. `name` is the test's own, and that of the folder in `target/e2e` for its traces.
///
/// Without a browser it is skipped, and says so in a line `skipped: NAME: REASON`; not so where everything must run.
///
/// # Panics
/// When the test does, or when an event travelled elsewhere than in a session.
pub fn play(name: &str, test: impl AsyncFnOnce(&Stage)) {
    play_where(name, place::browser_programs().map(drop), test);
}

/// The same of a test that needs js-libp2p, too.
///
/// # Panics
/// As [`play`] does.
pub fn play_with_js(name: &str, test: impl AsyncFnOnce(&Stage)) {
    play_where(name, place::browser_programs().and_then(|_| place::interop()).map(drop), test);
}

fn play_where(name: &str, has_all: Result<(), String>, test: impl AsyncFnOnce(&Stage)) {
    if let Err(reason) = has_all {
        assert!(!place::must_run(), "{name}: {reason}");
        println!("skipped: {name}: {reason}");
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = place::artifacts(name);
    // Traces of an earlier run would be taken for this one's.
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
    let stage = Stage {
        folder,
        relays: RefCell::default(),
        browsers: RefCell::default(),
        markers: RefCell::default(),
        watched: Cell::new(true),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.expect("the system has room for a runtime").block_on(async {
        let whole = async {
            test(&stage).await;
            stage.close_all().await;
        };
        let outcome = AssertUnwindSafe(whole).catch_unwind().await;
        if outcome.is_err() {
            let browsers = stage.browsers.borrow().clone();
            for browser in browsers.iter().filter(|browser| !browser.is_closed()) {
                browser.leave_traces().await;
            }
            eprintln!("traces of {name} are in {}", stage.folder.display());
        }
        outcome
    });
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

impl Stage {
    /// The folder for what the test leaves behind.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A relay on an empty data folder.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn relay(&self) -> Rc<Relay> {
        let data = TempDir::new().expect("the system has room for a temporary folder");
        self.relay_on(data, &[]).await
    }

    /// A relay on a data folder, with more settings for its command line.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn relay_on(&self, data: TempDir, settings: &[&str]) -> Rc<Relay> {
        self.relay_at(free_address(), data, settings).await
    }

    /// The same at a given address, for others to know before it is there.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn relay_at(&self, address: SocketAddr, data: TempDir, settings: &[&str]) -> Rc<Relay> {
        let log = self.folder.join(format!("relay-{}.log", self.relays.borrow().len()));
        let relay = Rc::new(Relay::start_at(address, data, settings, &log).await);
        self.relays.borrow_mut().push(relay.clone());
        relay
    }

    /// A browser with a fresh profile. The name is for the traces.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn browser(&self, name: &str) -> Rc<Browser> {
        self.browser_with(name, Profile::fresh()).await
    }

    /// A browser with a profile that another one left.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn browser_with(&self, name: &str, profile: Profile) -> Rc<Browser> {
        self.launch(name, Start::recorded(profile)).await
    }

    /// A browser that lets pages store nothing, as its person has set it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn browser_without_storage(&self, name: &str) -> Rc<Browser> {
        self.launch(name, Start { storage: false, ..Start::recorded(Profile::fresh()) }).await
    }

    /// A browser that shows private windows only.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn private_browser(&self, name: &str) -> Rc<Browser> {
        self.launch(name, Start { private: true, ..Start::recorded(Profile::fresh()) }).await
    }

    /// A browser whose camera sees this, see [`Start::camera`].
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn browser_with_camera(&self, name: &str, file: PathBuf) -> Rc<Browser> {
        self.launch(name, Start { camera: Some(file), ..Start::recorded(Profile::fresh()) }).await
    }

    /// A browser for the page of somebody else, over whom nobody watches.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn foreign_browser(&self, name: &str) -> Rc<Browser> {
        self.launch(name, Start::plain(Profile::fresh())).await
    }

    async fn launch(&self, name: &str, start: Start) -> Rc<Browser> {
        let browser = Rc::new(Browser::launch(name, start, &self.folder).await);
        self.browsers.borrow_mut().push(browser.clone());
        browser
    }

    /// A word that stands nowhere else in the world. Where the watch finds it outside of a session, the test fails.
    pub fn word(&self, about: &str) -> String {
        // The only randomness of the standard library; the words need no more than to differ.
        let word = format!("{about}-{:016x}", RandomState::new().hash_one(about));
        self.markers.borrow_mut().push(word.clone());
        word
    }

    /// What the watch has to say about a closed browser. The relays still run.
    pub async fn violations(&self, browser: &Browser, log: &NetLog) -> Vec<String> {
        let relays: Vec<SocketAddr> = self.relays.borrow().iter().map(|relay| relay.address()).collect();
        let markers = self.markers.borrow().clone();
        Watch::over(log, &relays, &markers).await.violations(log, &browser.opened())
    }

    /// For tests of the watch itself: the end of the test does not complain about what they did on purpose.
    pub fn do_not_watch(&self) {
        self.watched.set(false);
    }

    /// Closes a browser and lets the watch look at it.
    ///
    /// # Panics
    /// When an event travelled elsewhere than in a session.
    pub async fn close(&self, browser: &Browser) -> (Profile, NetLog) {
        let left = browser.close().await;
        let log = left.log.expect("browsers on a stage are recorded");
        if self.watched.get() {
            let violations = self.violations(browser, &log).await;
            assert!(violations.is_empty(), "{} sent more than sessions do: {violations:#?}", browser.name());
        }
        browser.leave_nothing();
        (left.profile, log)
    }

    async fn close_all(&self) {
        let browsers = self.browsers.borrow().clone();
        for browser in browsers.iter().filter(|browser| !browser.is_closed()) {
            if browser.is_recorded() {
                self.close(browser).await;
            } else {
                browser.close().await;
                browser.leave_nothing();
            }
        }
    }
}
