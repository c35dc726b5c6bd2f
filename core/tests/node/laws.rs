//! The law of views: whatever happened while a view was open, it shows what a view opened now would show.

use chanterelle_core::base::{BoardId, EventId, Seconds};
use chanterelle_core::event::{Content, Event, Kind, Ref, rel};
use chanterelle_core::node::{Command, StorageError, Target};
use chanterelle_core::wire::Frame;
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board, carried, name, reference};
use super::shell::{EPOCH, Shell, peer, reply_draft, thread_draft};

const BOB: u8 = 0x60;

/// A browser is slower.
const CASES: u32 = if cfg!(target_arch = "wasm32") { 40 } else { 300 };

/// Something that happens; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Happening {
    Receive(Vec<usize>),
    Open(usize),
    Close(usize),
    Write { board: usize },
    Reply { thread: usize, quote: usize },
    Edit { own: usize },
    Withdraw { own: usize },
    Profile,
    Acknowledge { own: usize },
    Store { good: bool },
    Read,
    Pass(u64),
    Hear { board: usize },
    Subscribe { board: usize },
    Unsubscribe { board: usize },
    Disconnect,
}

fn happening() -> impl Strategy<Value = Happening> {
    let any = 0..1_000_usize;
    prop_oneof![
        6 => prop::collection::vec(any.clone(), 1..6).prop_map(Happening::Receive),
        2 => any.clone().prop_map(Happening::Open),
        1 => any.clone().prop_map(Happening::Close),
        1 => any.clone().prop_map(|board| Happening::Write { board }),
        2 => (any.clone(), any.clone()).prop_map(|(thread, quote)| Happening::Reply { thread, quote }),
        1 => any.clone().prop_map(|own| Happening::Edit { own }),
        1 => any.clone().prop_map(|own| Happening::Withdraw { own }),
        1 => Just(Happening::Profile),
        2 => any.clone().prop_map(|own| Happening::Acknowledge { own }),
        4 => prop::bool::weighted(0.8).prop_map(|good| Happening::Store { good }),
        3 => Just(Happening::Read),
        4 => prop_oneof![0..60_u64, 0..6_000_u64].prop_map(Happening::Pass),
        1 => any.clone().prop_map(|board| Happening::Hear { board }),
        1 => any.clone().prop_map(|board| Happening::Subscribe { board }),
        1 => any.prop_map(|board| Happening::Unsubscribe { board }),
        1 => Just(Happening::Disconnect),
    ]
}

const BOARDS: [&str; 3] = ["cats", "dogs", "fish"];

/// What strangers wrote: threads, replies with and without quotes, edits and withdrawals rightful and not, and what
/// an honest node would never make but may well receive.
struct Strangers {
    events: Vec<Event>,
    threads: Vec<(BoardId, EventId)>,
}

fn strangers() -> Strangers {
    let at = |n: u64| Seconds(EPOCH.0 - 1_000 + n);
    let [cats, dogs, _] = BOARDS.map(board);
    let mut events = vec![
        author(1).thread("cats", "one", at(0)),
        author(2).thread("cats", "two", at(10)),
        author(3).thread("cats", "three", at(20)),
        author(1).thread("dogs", "four", at(30)),
    ];
    // A thread that does not say what its board is called.
    events.push(author(4).event(Kind::THREAD, at(40), |fields| {
        fields.board = cats;
        fields.body = ipld!({ "comment": "five", "salt": Ipld::Bytes(vec![0; 16]) });
    }));
    let threads: Vec<(BoardId, EventId)> =
        events.iter().map(|event| (event.fields().board, event.id())).collect();
    for n in 0..24_u64 {
        let (board, thread) = threads[n as usize % threads.len()];
        let quoted = events[(n as usize * 7) % events.len()].id();
        let far = events[(n as usize * 11) % events.len()].id();
        let refs: Vec<Ref> = match n % 4 {
            0 => Vec::new(),
            1 => vec![reference(rel::ANSWERS, quoted)],
            2 => vec![reference(rel::QUOTES, far)],
            _ => vec![reference(rel::ANSWERS, quoted), reference(rel::QUOTES, far)],
        };
        let writer = author(1 + (n % 5) as u8);
        events.push(writer.quoting(board, thread, &format!("reply {n}"), at(50 + n), refs));
    }
    let posts = events.clone();
    for (n, post) in (0_u64..).zip(&posts) {
        let rightful = author(1 + (n % 5) as u8);
        match n % 6 {
            0 => events.push(rightful.edit(post, n, &format!("edit of {n}"), at(100 + n))),
            1 => events.push(author(9).edit(post, 99, "forged", at(100 + n))),
            2 => events.push(rightful.delete(post, at(100 + n))),
            3 => events.push(author(9).delete(post, at(100 + n))),
            // In another thread than its target, and quoting.
            4 => events.push(author_of(post).event(Kind::EDIT, at(100 + n), |fields| {
                fields.board = post.fields().board;
                fields.thread = Some(threads[(n as usize + 1) % threads.len()].1);
                fields.seq = Some(50);
                fields.refs = vec![
                    reference(rel::ANSWERS, posts[(n as usize * 5) % posts.len()].id()),
                    reference(rel::EDITS, post.id()),
                ];
                fields.body = ipld!({ "comment": "moved", "subject": "moved" });
            })),
            _ => events.push(author_of(post).edit(post, 3, "by its author", at(100 + n))),
        }
    }
    // Replies that name a thread of another board, or what is no thread.
    events.push(author(6).reply(dogs, threads[0].1, "stray", at(500)));
    events.push(author(6).reply(cats, threads[3].1, "stray", at(501)));
    events.push(author(6).reply(cats, posts[6].id(), "to a reply", at(502)));
    events.push(author(6).event(Kind(999), at(503), |fields| {
        fields.board = cats;
        fields.thread = Some(threads[0].1);
        fields.refs = vec![reference(rel::ANSWERS, posts[6].id())];
    }));
    Strangers { events, threads }
}

/// The key that wrote it: one of few.
fn author_of(event: &Event) -> super::authors::Author {
    let found = (1..10).map(author).find(|author| author.0.public() == event.fields().author);
    found.expect("one of our strangers")
}

fn targets(strangers: &Strangers) -> Vec<Target> {
    let [cats, dogs, fish] = BOARDS.map(board);
    let mut targets = vec![
        Target::Boards,
        Target::Catalog { board: cats, limit: 2 },
        Target::Catalog { board: cats, limit: 100 },
        Target::Catalog { board: dogs, limit: 1 },
        Target::Catalog { board: fish, limit: 10 },
    ];
    targets.extend(
        strangers.threads.iter().map(|(board, thread)| Target::Thread { board: *board, thread: *thread }),
    );
    targets.extend(strangers.events.iter().step_by(5).map(|event| Target::Post(event.id())));
    targets
}

struct Story {
    shell: Shell,
    strangers: Strangers,
    targets: Vec<Target>,
    own: Vec<EventId>,
    frames: u64,
}

impl Story {
    fn begin() -> Story {
        let mut shell = Shell::tab(0x50);
        shell.greet_reader(peer(BOB), &[]);
        shell.hold_batches = true;
        shell.hold_reads = true;
        let strangers = strangers();
        let targets = targets(&strangers);
        Story { shell, strangers, targets, own: Vec::new(), frames: 0 }
    }

    fn happen(&mut self, happening: &Happening) {
        let shell = &mut self.shell;
        let own = |which: usize| self.own.get(which % self.own.len().max(1)).copied();
        let mut written = None;
        match happening {
            Happening::Receive(which) => {
                let pool = &self.strangers.events;
                let events = which.iter().map(|n| &pool[n % pool.len()]);
                self.frames += 1;
                shell.hear(peer(BOB), Frame::Events { n: self.frames, events: carried(events) });
            }
            Happening::Open(which) => {
                let which = which % self.targets.len();
                shell.open(which as u32, self.targets[which].clone());
            }
            Happening::Close(which) => {
                let which = (which % self.targets.len()) as u32;
                shell.command(Command::Close(which));
                shell.screens.remove(&which);
            }
            Happening::Write { board } => {
                let text = format!("own {}", self.own.len());
                written = shell.publish(thread_draft(BOARDS[board % 3], &text)).ok();
            }
            Happening::Reply { thread, quote } => {
                let pool = &self.strangers;
                let (board, thread) = pool.threads[thread % pool.threads.len()];
                let quoted = pool.events[quote % pool.events.len()].id();
                let comment = format!(">>{} {}", quoted.short(), self.own.len());
                let draft = match reply_draft("cats", thread, &comment) {
                    Content::Post { thread, comment, sage, .. } => Content::Post {
                        board,
                        thread,
                        comment,
                        sage,
                        quotes: vec![quoted],
                        files: Vec::new(),
                    },
                    other => other,
                };
                written = shell.publish(draft).ok();
            }
            Happening::Edit { own: which } => {
                if let Some(target) = own(*which) {
                    let comment = format!("edited {}", self.own.len());
                    written = shell.publish(Content::Edit { target, comment, subject: None }).ok();
                }
            }
            Happening::Withdraw { own: which } => {
                if let Some(target) = own(*which) {
                    written = shell.publish(Content::Delete { target }).ok();
                }
            }
            Happening::Profile => {
                written = shell.publish(Content::Profile { name: "Ann".to_owned(), about: None }).ok();
            }
            Happening::Acknowledge { own: which } => {
                shell.hear(peer(BOB), Frame::Ack { ids: own(*which).into_iter().collect() });
            }
            Happening::Store { good } if !shell.batches.is_empty() => {
                shell.store(if *good { Ok(()) } else { Err(StorageError::Full) });
            }
            Happening::Read if !shell.reads.is_empty() => shell.read(),
            Happening::Store { .. } | Happening::Read => {}
            Happening::Pass(milliseconds) => shell.advance(*milliseconds),
            Happening::Hear { board } => {
                let names = vec![name(BOARDS[board % 3])];
                shell.hear(peer(BOB), Frame::Directory { names });
            }
            Happening::Subscribe { board } => shell.subscribe(BOARDS[board % 3]),
            Happening::Unsubscribe { board } => {
                shell.command(Command::Unsubscribe(name(BOARDS[board % 3])));
            }
            Happening::Disconnect => {
                shell.greet_reader(peer(BOB), &[]);
                self.frames = 0;
            }
        }
        self.own.extend(written.map(|(id, _)| id));
    }

    /// The disk answers, and time passes until all is told.
    fn settle(&mut self) {
        let shell = &mut self.shell;
        shell.hold_batches = false;
        shell.hold_reads = false;
        while !shell.batches.is_empty() || !shell.reads.is_empty() {
            if !shell.reads.is_empty() {
                shell.read();
            }
            if !shell.batches.is_empty() {
                shell.store(Ok(()));
            }
        }
        shell.advance(20_000);
    }

    /// Opens beside every open view another of the same target; both must show the same.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let open: Vec<u32> = self.shell.screens.keys().copied().collect();
        for view in open {
            let target = self.targets[view as usize].clone();
            self.shell.open(1_000 + view, target.clone());
            self.shell.advance(1_000);
            prop_assert_eq!(self.shell.screen(view), self.shell.screen(1_000 + view), "{:?}", target);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: CASES,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_view_long_open_shows_what_one_opened_now_would(
        first in prop::collection::vec(0..1_000_usize, 0..8),
        happenings in prop::collection::vec(happening(), 0..80),
    ) {
        let mut story = Story::begin();
        first.iter().for_each(|which| story.happen(&Happening::Open(*which)));
        happenings.iter().for_each(|happening| story.happen(happening));
        story.settle();
        story.check()?;
    }
}

/// The same with everything there is and every view, so that the law is not kept by showing little.
#[test]
fn all_that_strangers_wrote_one_by_one_in_both_directions() {
    for backwards in [false, true] {
        let mut story = Story::begin();
        (0..story.targets.len()).for_each(|which| story.happen(&Happening::Open(which)));
        let count = story.strangers.events.len();
        for n in 0..count {
            let which = if backwards { count - 1 - n } else { n };
            story.happen(&Happening::Receive(vec![which]));
            story.happen(&Happening::Store { good: true });
            story.happen(&Happening::Pass(120));
        }
        story.settle();
        assert_eq!(story.shell.node.index().len(), count);
        story.check().expect("the law of views");
        let shown: usize = story.shell.screens.values().map(|screen| screen.posts.len()).sum();
        assert!(shown > 50, "{shown} posts in all threads, twice");
    }
}
