//! A relay that is killed again and again while somebody writes without pause.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chanterelle_core::base::EventId;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::time::{Instant, sleep, timeout_at};

use crate::harness::Outcome;
use crate::support::program::{Running, program};
use crate::support::tab::{Seen, Tab};

/// So often the relay is killed.
const ROUNDS: u32 = 200;

/// Posts that wait for their acknowledgement while the relay runs.
const OUTSTANDING: usize = 64;

/// Each so many rounds the database is looked at, which also takes its log away from the next start.
const LOOK_EVERY: u32 = 25;

/// Each so many rounds the relay is killed once more while it starts.
const KILL_START_EVERY: u32 = 4;

/// What came of it.
pub(crate) struct Figures {
    /// Events the relay has acknowledged.
    pub(crate) acknowledged: usize,
    /// Those of them it does not have.
    pub(crate) lost: usize,
}

pub(crate) fn test() -> Outcome {
    let runtime = tokio::runtime::Runtime::new().expect("the system has room for a runtime");
    let begun = Instant::now();
    let figures = runtime.block_on(kill_rounds(ROUNDS, 0x00C4_A27E));
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("durable.relay_kill: {ROUNDS} rounds, {} acknowledged, {seconds:.0} s", figures.acknowledged);
    println!("{}", row(&figures));
    assert_eq!(figures.lost, 0, "of {} acknowledged events", figures.acknowledged);
    assert!(figures.acknowledged > ROUNDS as usize * 10, "the relay had something to lose");
    Outcome::Passed
}

/// The figure as a bench prints it.
pub(crate) fn row(figures: &Figures) -> String {
    let row = serde_json::json!({
        "name": "durable.relay_kill_lost",
        "value": figures.lost,
        "unit": "events",
        "baseline": null,
        "ratio": null,
    });
    format!("bench-row {row}")
}

/// Kills a relay so often by SIGKILL, at moments that `seed` decides, while a tab publishes; then looks which of the
/// events that were ever acknowledged are there.
///
/// # Panics
/// When the database is damaged, or a reader does not get what is in it.
pub(crate) async fn kill_rounds(rounds: u32, seed: u64) -> Figures {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut random = Random(seed);
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        if round % KILL_START_EVERY == 0 {
            kill_while_it_starts(folder.path(), random.below(40)).await;
        }
        acknowledged.extend(kill_while_it_stores(folder.path(), round, random.below(120)).await);
        if round % LOOK_EVERY == 0 {
            check_integrity(folder.path()).await;
        }
    }
    check_integrity(folder.path()).await;
    let stored = stored(folder.path()).await;
    let running = Running::start(folder.path());
    let mut reader = Tab::connect(0, running.multiaddr().await).await;
    reader.read_board("test");
    reader.wait(|seen| stored.is_subset(&seen.held)).await;
    Figures { acknowledged: acknowledged.len(), lost: acknowledged.difference(&stored).count() }
}

/// Leaves a start half done.
async fn kill_while_it_starts(data: &Path, milliseconds: u64) {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "error", "--data"]).arg(data);
    let mut child = command.stdout(Stdio::null()).spawn().expect("the program runs");
    // Not a wait for anything: a different moment each round.
    sleep(Duration::from_millis(milliseconds)).await;
    child.kill().expect("SIGKILL reaches it");
    child.wait().expect("the program ends");
}

/// Has a tab publish without pause until that long after the first post; the events that were acknowledged.
async fn kill_while_it_stores(data: &Path, round: u32, milliseconds: u64) -> BTreeSet<EventId> {
    let mut running = Running::start(data);
    let seed = u8::try_from(1 + round % 250).expect("it is below 251");
    let mut tab = Tab::connect(seed, running.multiaddr().await).await;
    let until = Instant::now() + Duration::from_millis(milliseconds);
    let mut published = 0;
    loop {
        let acknowledged = tab.seen().sent.len();
        for number in published..acknowledged + OUTSTANDING {
            tab.publish_soon("test", &format!("round {round}, post {number}"));
        }
        published = published.max(acknowledged + OUTSTANDING);
        let more = |seen: &Seen| seen.sent.len() > acknowledged;
        if timeout_at(until, tab.wait(more)).await.is_err() {
            break;
        }
    }
    running.kill();
    // What was on its way still counts: the relay has said it.
    tab.wait(|seen| seen.sessions == 0).await.sent
}

async fn database(data: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(data.join("chanterelle.db"));
    SqliteConnection::connect_with(&options).await.expect("the database opens")
}

/// SQLite's own look at every page and index.
pub(crate) async fn check_integrity(data: &Path) {
    let mut database = database(data).await;
    let found: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut database).await.expect("it is checked");
    assert_eq!(found, "ok");
    database.close().await.expect("the database closes");
}

/// The events in the database.
pub(crate) async fn stored(data: &Path) -> BTreeSet<EventId> {
    let mut database = database(data).await;
    let ids: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT id FROM events").fetch_all(&mut database).await.expect("the ids are read");
    database.close().await.expect("the database closes");
    ids.iter().map(|id| EventId::try_from(id.as_slice()).expect("ids are of one length")).collect()
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same moments for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
