//! What an event costs in the index: bytes of memory and time to put it there.
//!
//! The memory is what the system counts as resident (`/proc/self/statm`, so on Linux alone), before and after: with all
//! that the allocator adds and with what vectors keep in reserve. Many indices of a simulator and one of a tab are
//! measured apart, because small ones have more in reserve. Rows are made one at a time and dropped, as they are when
//! events come in; a restore gets them in portions and in no order.

use std::process::Command;
use std::time::Instant;

use chanterelle_core::base::{AuthorId, BoardId, BoardName, EventId, Seconds};
use chanterelle_core::crypto::{derive, open_board_id};
use chanterelle_core::event::Kind;
use chanterelle_core::store::{Index, Marks, Rel, Row};

/// Events of one tab.
const EVENTS: u32 = 100_000;

/// Over so many days.
const DAYS: u64 = 100;

const BOARDS: u64 = 20;

/// Peers of a simulator, and the events each of them has after an hour of one a second.
const PEERS: u32 = 200;
const HOUR: u32 = 3_600;

/// How often each time is taken.
const TIMES: u32 = 7;

/// Posts of a thread, on average.
const THREAD: u32 = 20;

const START: u64 = 1_780_000_000;

fn main() {
    if let Some(which) = std::env::args().nth(1) {
        return measure(&which);
    }
    // Each in a process of its own, because memory that was given back is not resident anew.
    for which in ["mixed", "one_reference", "restore", "hour"] {
        let program = std::env::current_exe().expect("this program has a path");
        let status = Command::new(program).arg(which).status().expect("it starts again");
        assert!(status.success(), "{which}");
    }
}

fn measure(which: &str) {
    let posts = Posts { mixed: which != "one_reference", days: DAYS, boards: BOARDS };
    match which {
        "restore" => {
            let mut rows: Vec<Row> = (0..EVENTS).map(|n| posts.row(n)).collect();
            // A storage gives them in whatever order.
            rows.sort_unstable_by_key(|row| row.id);
            print("index.restore_100k", inserting(&rows) / 1e6, "ms");
        }
        "hour" => {
            // All that is written is on one board.
            let posts = Posts { mixed: true, days: 1, boards: 1 };
            let index = |_| index_of((0..HOUR).map(|n| posts.row(n)));
            let before = resident();
            let _indices: Vec<Index> = (0..PEERS).map(index).collect();
            print("index.bytes.simulated_hour", (resident() - before) / f64::from(PEERS * HOUR), "bytes");
        }
        _ => {
            let before = resident();
            let index = index_of((0..EVENTS).map(|n| posts.row(n)));
            print(&format!("index.bytes.{which}"), (resident() - before) / f64::from(EVENTS), "bytes");
            let rows: Vec<Row> = (0..EVENTS).map(|n| posts.row(n)).collect();
            print(&format!("index.insert.{which}"), inserting(&rows) / f64::from(EVENTS), "ns");
            let ids: Vec<EventId> = (0..EVENTS).map(|n| posts.id(shuffled(n))).collect();
            let looking = fastest(|| (), |()| assert!(ids.iter().all(|id| index.contains(id))));
            print(&format!("index.contains.{which}"), looking / f64::from(EVENTS), "ns");
        }
    }
}

fn index_of(rows: impl Iterator<Item = Row>) -> Index {
    let mut index = Index::default();
    rows.for_each(|row| drop(index.insert(row)));
    index
}

fn print(name: &str, value: f64, unit: &str) {
    println!(r#"bench-row {{"name":"{name}","value":{value:.1},"unit":"{unit}"}}"#);
}

fn inserting(rows: &[Row]) -> f64 {
    fastest(|| rows.to_vec(), |rows| drop(index_of(rows.into_iter())))
}

/// Nanoseconds that something takes which is prepared before, of several times the shortest: other programs only make it
/// longer.
fn fastest<T>(prepare: impl Fn() -> T, run: impl Fn(T)) -> f64 {
    let time = |_| {
        let prepared = prepare();
        let begun = Instant::now();
        run(prepared);
        begun.elapsed().as_secs_f64() * 1e9
    };
    (0..TIMES).map(time).fold(f64::INFINITY, f64::min)
}

/// Resident bytes of this process; 0 where the system does not tell.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<f64> = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or_default() * 4_096.0
}

/// A permutation of the events, far from their order.
fn shuffled(n: u32) -> u32 {
    u32::try_from(u64::from(n) * 61_441 % u64::from(EVENTS)).expect("below the modulus")
}

/// Posts of a few lively boards, one after the other in time.
struct Posts {
    /// Whether there are opening posts, posts with other numbers of references, and a few edits.
    mixed: bool,
    days: u64,
    boards: u64,
}

impl Posts {
    fn id(&self, n: u32) -> EventId {
        EventId(derive("bench index id", &[&n.to_le_bytes()]))
    }

    fn row(&self, n: u32) -> Row {
        let drawn = derive("bench index row", &[&n.to_le_bytes()]);
        let thread = n / THREAD;
        let board = u64::from(thread) % self.boards * (u64::from(thread / 7) % self.boards) / self.boards;
        let name = BoardName::new(&format!("board-{board}")).expect("a board name");
        let opens = n.is_multiple_of(THREAD);
        let opening = self.id(thread * THREAD);
        // Each in a thread writes twice.
        let person = u32::from(drawn[0]) % (THREAD / 2);
        let author = derive("bench index author", &[&thread.to_le_bytes(), &person.to_le_bytes()]);
        let refs = match drawn[1] {
            _ if self.mixed && opens => 0,
            0..25 if self.mixed => 0,
            205..243 if self.mixed => 2,
            243.. if self.mixed => 3,
            _ => 1,
        };
        let target = |k: u8| {
            (Rel::Answers, self.id((n / THREAD * THREAD).max(n.saturating_sub(1 + u32::from(k) * 3))))
        };
        let edits = self.mixed && !opens && drawn[2] < 5;
        let opens = opens && self.mixed;
        Row {
            id: self.id(n),
            author: AuthorId(author),
            board: if self.boards == 1 { BoardId([7; 32]) } else { open_board_id(&name) },
            thread: (!opens).then_some(opening),
            kind: if opens {
                Kind::THREAD
            } else if edits {
                Kind::EDIT
            } else {
                Kind::POST
            },
            time: Seconds(START + u64::from(n) * self.days * 86_400 / u64::from(EVENTS)),
            seq: u64::from(edits),
            first_seen: Seconds(START + u64::from(n) * self.days * 86_400 / u64::from(EVENTS) + 2),
            size: 350,
            sage: false,
            own: false,
            sent: false,
            salt: opens.then_some([3; 16]),
            board_name: opens.then_some(name),
            follow: None,
            refs: (0..refs).map(target).collect(),
            marks: Marks::default(),
        }
    }
}
