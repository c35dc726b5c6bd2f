//! `cargo xtask bench load`: how long a person waits for a readable list of boards, and what the first visit transfers.
//!
//! A time is from the start of the navigation to the first frame after `html[data-ready]` is set and the list "Boards"
//! stands on the page with all boards that are held, by the page's own clock. Each run starts a browser of its own on a
//! relay of this machine that has answered before; the median of the runs counts.
//!
//! | row | profile |
//! |---|---|
//! | `load.readable_ms` | fresh: nothing stored, nothing cached |
//! | `load.readable_warm_ms` | after one such visit: page kept by its service worker, no events held |
//! | `load.readable_10k_ms`, `load.readable_100k_ms` | page kept, so many events held, fetched by the tab itself |
//! | `load.bytes_compressed` | bodies of all answers of a first visit as transferred, the worker's included |
//! | `load.bytes_kept` | what the service worker transfers beyond that, once the page can be used |
//!
//! The bytes of the first visit are what it takes to read and post. They are measured in a browser without service
//! workers, so that nothing else is among them; the times are measured with everything that runs for a person.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use chanterelle_e2e::browser::{Browser, Profile, Start};
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::netlog::NetLog;
use chanterelle_e2e::relay::Relay;
use chanterelle_e2e::{place, wait};
use serde_json::json;
use tempfile::TempDir;

/// Runs of each measurement.
const RUNS: usize = 9;

const BOARDS: usize = 10;

/// So that one board makes the smaller history and all boards the larger one.
const POSTS: usize = 10_000;

/// Notes in `readableAt` when the list of boards can be read: at least so many boards.
const NOTE: &str = "
    (() => {
        const isThere = () => document.documentElement?.hasAttribute('data-ready')
            && [...document.querySelectorAll('ul, ol, [role=list]')].some(list => list.ariaLabel === 'Boards'
                && list.children.length >= AT_LEAST
                && [...list.children].every(board => board.getClientRects().length > 0));
        const look = () => {
            if (window.readableAt === undefined && isThere()) {
                window.readableAt = null;
                requestAnimationFrame(() => { window.readableAt = performance.now(); });
            }
        };
        new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true});
    })();";

/// How many events the tab holds in IndexedDB.
const HELD: &str = "
    return new Promise((give, fail) => {
        const opened = indexedDB.open('chanterelle');
        opened.onerror = () => fail(opened.error);
        opened.onsuccess = () => {
            const count = opened.result.transaction('events').objectStore('events').count();
            count.onerror = () => fail(count.error);
            count.onsuccess = () => { opened.result.close(); give(count.result); };
        };
    });";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("the system has room for a runtime").block_on(bench());
}

async fn bench() {
    let folder = place::artifacts("bench-load");
    let log = folder.join("relay.log");
    let relay = Relay::start(&log).await;
    assert_eq!(relay.get("/").await.status, 200);
    first_visit(&relay, &folder).await;

    let mut cold = Vec::new();
    for _ in 0..RUNS {
        cold.push(visit(&relay, Profile::fresh(), 0, &folder).await.0);
    }
    row("load.readable_ms", median(cold), "ms");
    let mut profile = keep(&relay, &folder).await;
    profile = series("load.readable_warm_ms", &relay, profile, 0, &folder).await;
    drop((relay, profile));

    let boards: Vec<String> = (0..BOARDS).map(|number| format!("bench-{number}")).collect();
    let data = TempDir::new().expect("the system has room for a temporary folder");
    fill(data.path());
    let relay = Relay::start_on(data, &[], &log).await;
    assert_eq!(relay.get("/").await.status, 200);
    let profile = fetch(&relay, Profile::fresh(), &boards[..1], POSTS, &folder).await;
    let profile = series("load.readable_10k_ms", &relay, profile, 1, &folder).await;
    let profile = fetch(&relay, profile, &boards, BOARDS * POSTS, &folder).await;
    series("load.readable_100k_ms", &relay, profile, BOARDS, &folder).await;
}

/// Fills a relay's data folder by the program made for it.
fn fill(folder: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(place::root()).args(["run", "--release", "--package", "chanterelle-filling", "--"]);
    cargo.arg(folder).args([BOARDS.to_string(), POSTS.to_string()]);
    let status = cargo.status().unwrap_or_else(|error| panic!("cannot start cargo: {error}"));
    assert!(status.success(), "the history could not be written ({status})");
}

/// Starts a browser on the profile, opens the list of boards, and gives the time to it.
async fn visit(relay: &Relay, profile: Profile, boards: usize, folder: &Path) -> (f64, Profile) {
    let browser = Browser::launch("visitor", Start::plain(profile), folder).await;
    let note = json!({"source": NOTE.replace("AT_LEAST", &boards.to_string())});
    browser
        .devtools("Page.addScriptToEvaluateOnNewDocument", note)
        .await
        .expect("the driver runs scripts early");
    browser.goto(&relay.url("/?lang=en")).await;
    let time = wait::until("the list of boards", async || {
        let time = browser.script("return window.readableAt ?? null", &[]).await?;
        time.as_f64().ok_or_else(|| "it is not there".to_owned())
    })
    .await;
    if boards > 0 {
        browser.find(Scope::Page, "list", "Boards").await;
    }
    (time, browser.close().await.profile)
}

/// Measures visits with one profile and prints the row.
async fn series(name: &str, relay: &Relay, mut profile: Profile, boards: usize, folder: &Path) -> Profile {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let (time, left) = visit(relay, profile, boards, folder).await;
        times.push(time);
        profile = left;
    }
    row(name, median(times), "ms");
    profile
}

/// A profile that has visited the list of boards, and keeps the page.
async fn keep(relay: &Relay, folder: &Path) -> Profile {
    let browser = Browser::launch("visitor", Start::plain(Profile::fresh()), folder).await;
    browser.open(&relay.url("/?lang=en")).await;
    browser.kept().await;
    browser.close().await.profile
}

/// Lets a tab fetch these boards from the relay, as it does for any reader, until it holds so many events.
async fn fetch(relay: &Relay, profile: Profile, boards: &[String], events: usize, folder: &Path) -> Profile {
    let browser = Browser::launch("reader", Start::plain(profile), folder).await;
    let begun = Instant::now();
    let mut held = 0;
    for board in boards {
        browser.open(&relay.url(&format!("/b/{board}?lang=en"))).await;
        wait::until("a post to arrive", async || {
            let now = held_by(&browser).await?;
            let arrived = wait::holds(now > held || now == events, || format!("{now} events are held"));
            held = now;
            arrived
        })
        .await;
    }
    while held < events {
        held = wait::until("more posts to arrive", async || {
            let now = held_by(&browser).await?;
            wait::holds(now > held, || format!("{now} of {events} events are held")).map(|()| now)
        })
        .await;
    }
    println!("a tab fetched up to {held} events in {:.1} s", begun.elapsed().as_secs_f64());
    browser.kept().await;
    browser.close().await.profile
}

async fn held_by(browser: &Browser) -> Result<usize, String> {
    let held = browser.script(HELD, &[]).await?;
    held.as_u64().and_then(|held| usize::try_from(held).ok()).ok_or_else(|| format!("{held} is no number"))
}

/// What a first visit transfers, as tables and as rows: until it is connected, and what it keeps then.
async fn first_visit(relay: &Relay, folder: &Path) {
    let first = transferred(relay, folder, false).await;
    row("load.bytes_compressed", first as f64, "bytes");
    let all = transferred(relay, folder, true).await;
    row("load.bytes_kept", all.saturating_sub(first) as f64, "bytes");
}

/// How much a first visit transfers until it is connected, and kept if that is wanted.
async fn transferred(relay: &Relay, folder: &Path, kept: bool) -> usize {
    let browser = Browser::launch("first", Start::recorded(Profile::fresh()), folder).await;
    if !kept {
        let without = json!({"source": "delete Navigator.prototype.serviceWorker"});
        let added = browser.devtools("Page.addScriptToEvaluateOnNewDocument", without).await;
        added.expect("the driver runs scripts early");
    }
    browser.open(&relay.url("/?lang=en")).await;
    wait::until("the relay to be connected", async || {
        let status = browser.one(Scope::Page, "status", "Network").await?;
        let relays = status.attr("data-relays").await.map_err(|error| error.to_string())?;
        wait::holds(relays.as_deref() == Some("1"), || format!("{relays:?}"))
    })
    .await;
    if kept {
        browser.kept().await;
    }
    let log = browser.close().await.log.expect("the visit is recorded");
    browser.leave_nothing();
    table(&log, &relay.url(""))
}

/// Prints what was transferred for each file, largest first, and gives the sum in bytes.
fn table(log: &NetLog, origin: &str) -> usize {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<usize>().ok());
    let mut files: Vec<(usize, usize, &str, &str)> = Vec::new();
    for request in log.requests.iter().filter(|request| request.sent) {
        let Some(path) = request.url.strip_prefix(origin) else { continue };
        // The browser has it already.
        if request.answer.first().is_some_and(|status| status.contains(" 304 ")) {
            continue;
        }
        let size = number(request.header("content-length"));
        let size =
            size.unwrap_or_else(|| panic!("the answer for {path} tells no length: {:?}", request.answer));
        let unpacked = log.streams.get(&(request.source, "URL_REQUEST_JOB_FILTERED_BYTES_READ".to_owned()));
        files.push((
            size,
            unpacked.map_or(0, Vec::len),
            request.header("content-encoding").unwrap_or("plain"),
            path,
        ));
    }
    files.sort_unstable_by(|a, b| b.cmp(a));
    let total = files.iter().map(|(size, ..)| size).sum();
    println!("transferred   unpacked  encoding  file");
    for (size, unpacked, encoding, path) in &files {
        println!("{size:>11}  {unpacked:>9}  {encoding:<8}  {path}");
    }
    println!("{total:>11}             together");
    total
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    let shown: Vec<String> = times.iter().map(|time| format!("{time:.0}")).collect();
    println!("runs in ms: {}", shown.join(" "));
    times[times.len() / 2]
}

fn row(name: &str, value: f64, unit: &str) {
    let value = (value * 10.0).round() / 10.0;
    println!(
        "bench-row {}",
        json!({"name": name, "value": value, "unit": unit, "baseline": null, "ratio": null})
    );
}
