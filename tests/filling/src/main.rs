//! `chanterelle-filling DIR BOARDS POSTS`: fills a relay's empty data folder with a history of so many posts on each of
//! so many boards, named `bench-0` and so on. For benches that ask how a history weighs.
//!
//! The events are signed as the person who posted them would have (`core`'s node), and stored as a relay that received
//! them would have (`relay`'s storage). One seed gives one history. It is of one person, whose threads cannot be linked;
//! nothing measured with it asks whose a post is. A package of its own, so that the tests need not be built with a relay
//! inside.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use chanterelle_core::Node;
use chanterelle_core::base::{BoardId, BoardName, EventId, Instant, Limits, Now, PeerId, Seconds, ThreadId};
use chanterelle_core::crypto::{Identity, Rng, Root, open_board_id};
use chanterelle_core::event::{Content, Draft, Persona};
use chanterelle_core::node::{Batch, Command, Input, Output, Setup, Update};
use chanterelle_core::wire::Role;
use chanterelle_relay::metrics::Metrics;
use chanterelle_relay::storage::{DataLock, Storage};

/// How long ago the first post is.
const DAYS: u64 = 100;

/// Every so many posts of a board one opens a thread.
const POSTS_OF_A_THREAD: usize = 40;

/// Posts in one transaction.
const TRANSACTION: usize = 1_000;

const SEED: [u8; 32] = *b"a history of posts for the bench";

const WORDS: &str = "the a under beech oak birch moss rain yesterday smells of apricot gills ridges false true edible \
    cap stem spore print white yellow brown found three basket knife morning old mill behind nobody knows where \
    ask somebody who cooks butter pan salt careful twice not sure looks like mycelium thread forest";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, boards, posts] = arguments.as_slice() else { return usage() };
    let (Ok(boards), Ok(posts)) = (boards.parse::<usize>(), posts.parse()) else { return usage() };
    let boards: Vec<String> = (0..boards).map(|number| format!("bench-{number}")).collect();
    let runtime = tokio::runtime::Runtime::new().expect("the system has room for a runtime");
    runtime.block_on(fill(Path::new(folder), &boards, posts));
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: chanterelle-filling DIR BOARDS POSTS");
    ExitCode::from(2)
}

/// Fills an empty folder. Panics when the folder cannot be used: who asked for it is a program that goes on with it.
async fn fill(folder: &Path, boards: &[String], posts: usize) {
    let _lock = DataLock::take(folder).expect("the folder is nobody else's");
    let storage =
        Storage::open(folder, None, Arc::new(Metrics::default())).await.expect("the folder can be used");
    let mut history = History::new((boards.len() * posts) as u64);
    for post in 0..posts {
        for board in boards {
            history.post(board);
        }
        if (post + 1) * boards.len() % TRANSACTION < boards.len() {
            history.store(&storage).await;
        }
    }
    history.store(&storage).await;
    storage.close().await;
}

struct History {
    node: Node,
    rng: Rng,
    now: Now,
    posts: u64,
    published: u32,
    threads: Vec<(BoardId, Vec<Thread>)>,
    waiting: Option<Batch>,
}

struct Thread {
    id: ThreadId,
    last: EventId,
}

impl History {
    fn new(posts: u64) -> History {
        let mut rng = Rng::new(SEED);
        let mut root = [0; 32];
        rng.fill(&mut root);
        let today = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
        let now = Now { instant: Instant(0), unix: Seconds(today - DAYS * 86_400) };
        let setup = Setup {
            seed: SEED,
            peer: PeerId(SEED),
            role: Role::Tab,
            identity: Some(Identity::from_root(Root(root))),
            agent: "filling".to_owned(),
            limits: Limits::default(),
        };
        let mut node = Node::new(setup, now);
        node.handle(now, Input::Restored(None));
        History { node, rng, now, posts, published: 0, threads: Vec::new(), waiting: None }
    }

    /// One more post on a board, some time after the last.
    fn post(&mut self, board: &str) {
        let name = BoardName::new(board).expect("the boards of the bench have names");
        let id = open_board_id(&name);
        self.published += 1;
        let begin = self.now.unix.0;
        let left = self.posts - u64::from(self.published) + 1;
        let today = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
        self.now.unix =
            Seconds(begin + self.rng.below(2 * (today - 60).saturating_sub(begin) / (left + 1) + 1));
        let at = self.threads.iter().position(|(board, _)| *board == id).unwrap_or_else(|| {
            self.threads.push((id, Vec::new()));
            self.threads.len() - 1
        });
        let begins = self.threads[at].1.is_empty() || self.rng.below(POSTS_OF_A_THREAD as u64) == 0;
        let content = if begins {
            Content::Thread {
                board: name,
                subject: Some(self.words(5)),
                comment: self.words(60),
                files: Vec::new(),
            }
        } else {
            let threads = self.threads[at].1.len() as u64;
            // Mostly one of the newest.
            let back = self.rng.below(threads.min(10));
            let thread = &self.threads[at].1[(threads - 1 - back) as usize];
            let (thread, quoted) = (thread.id, thread.last);
            let quotes = self.rng.below(2) == 0;
            let quote = if quotes { format!(">>{}\n", quoted.short()) } else { String::new() };
            let comment = format!("{quote}{}", self.words(60));
            let quotes = if quotes { vec![quoted] } else { Vec::new() };
            Content::Post { board: id, thread, comment, sage: false, quotes, files: Vec::new() }
        };
        let draft = Draft { persona: Persona::Pseudonym, content };
        self.node.handle(self.now, Input::Command(Command::Publish(self.published, draft)));
        for published in self.outputs() {
            let threads = &mut self.threads[at].1;
            match threads.iter_mut().find(|thread| thread.id == published.1) {
                Some(thread) => thread.last = published.0,
                None => threads.push(Thread { id: published.1, last: published.0 }),
            }
        }
    }

    /// Up to `most` words.
    fn words(&mut self, most: u64) -> String {
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        let count = 1 + self.rng.below(most);
        let chosen = (0..count).map(|_| words[self.rng.below(words.len() as u64) as usize]);
        chosen.collect::<Vec<_>>().join(" ")
    }

    /// Takes what the node says: events with their threads, and the batch to be stored.
    fn outputs(&mut self) -> Vec<(EventId, ThreadId)> {
        let mut events = Vec::new();
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Persist(batch) => self.waiting = Some(batch),
                Output::Update(Update::Published { event, thread, .. }) => {
                    events.push((event, thread.expect("posts are in threads")));
                }
                Output::Update(Update::Refused { reason, .. }) => {
                    panic!("a post of the history is refused: {reason}")
                }
                _ => {}
            }
        }
        events
    }

    /// Stores everything that waits to be stored.
    async fn store(&mut self, storage: &Storage) {
        while let Some(mut batch) = self.waiting.take() {
            for put in &mut batch.puts {
                // The relay received it: what only its author knows is not there.
                put.row.own = false;
                put.row.salt = None;
            }
            batch.state = None;
            storage.store(&batch).await.expect("the folder has room");
            self.node.handle(self.now, Input::Persisted(batch.ticket, Ok(())));
            self.outputs();
        }
    }
}
