//! Events per second through [`admit`], in batches against one by one: natively as a program, in a browser as a wasm
//! test. Prints a `bench-row` for `cargo xtask bench admit`.
//!
//! What a batch gains depends on how many authors are in it: a key that comes again is added up, not computed anew. The
//! first row is a lively board; the one named `strangers` is the worst case, an author for each event.
//!
//! Both ways see the same events in turns of a few milliseconds, so that a busy machine slows both and leaves the
//! median turn undisturbed. Only the door is measured: no frame is decoded and nothing is stored.

use std::collections::BTreeSet;
use std::sync::Arc;

use chanterelle_core::Node;
use chanterelle_core::admit::{Admission, Door, admit};
use chanterelle_core::base::{BoardName, Instant, Limits, Now, PeerId, Seconds};
use chanterelle_core::crypto::{Identity, Root, Zip215, open_board_id};
use chanterelle_core::event::{Content, Draft, Event, Persona};
use chanterelle_core::node::{Command, Input, Output, Setup, Update};
use chanterelle_core::wire::Role;

/// One frame of events, and what one batch verification gets.
const BATCH: usize = 256;

/// Pseudonyms among them on a lively board, where each writes eight posts to a thread.
const PSEUDONYMS: usize = 32;

/// Characters of a comment.
const CHARS: usize = 300;

const ROUNDS: usize = 100;

/// Turns of about one length: batches are so many times as fast.
const PASSES: usize = 3;

const NOW: Now = Now { instant: Instant(0), unix: Seconds(1_790_000_000) };

fn main() {
    let clock = milliseconds();
    println!("{}", row("admit.batch_native", PSEUDONYMS, &clock));
    println!("{}", row("admit.strangers_native", BATCH, &clock));
}

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen_test::wasm_bindgen_test]
fn batches_against_one_by_one() {
    let clock = milliseconds();
    wasm_bindgen_test::console_log!("{}", row("admit.batch_wasm", PSEUDONYMS, &clock));
    wasm_bindgen_test::console_log!("{}", row("admit.strangers_wasm", BATCH, &clock));
}

/// Measures, and gives the line for xtask.
fn row(name: &str, pseudonyms: usize, clock: &impl Fn() -> f64) -> String {
    let events = events(pseudonyms);
    let (mut batched, mut single) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        batched.push(rate(&events, BATCH, PASSES, clock));
        single.push(rate(&events, 1, 1, clock));
    }
    let (value, baseline) = (median(batched), median(single));
    let ratio = value / baseline;
    format!(
        r#"bench-row {{"name":"{name}","value":{value:.0},"unit":"events/s","baseline":{baseline:.0},"ratio":{ratio:.2}}}"#
    )
}

/// Events per second that pass the door `size` at a time, each `passes` times.
fn rate(events: &[Arc<[u8]>], size: usize, passes: usize, clock: &impl Fn() -> f64) -> f64 {
    let limits = Limits::default();
    let door = Door { limits: &limits, now: NOW.unix, held: &|_| false };
    let begun = clock();
    for _ in 0..passes {
        for batch in events.chunks(size) {
            let admissions = admit(batch, &door, &mut Zip215);
            assert!(admissions.iter().all(|admission| matches!(admission, Admission::Accepted(_))));
        }
    }
    (events.len() * passes) as f64 / (clock() - begun) * 1_000.0
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Posts as a person's node writes them: so many threads, each under a pseudonym of its own, with replies.
fn events(pseudonyms: usize) -> Vec<Arc<[u8]>> {
    let setup = Setup {
        seed: [1; 32],
        peer: PeerId([1; 32]),
        role: Role::Tab,
        identity: Some(Identity::from_root(Root([2; 32]))),
        agent: String::new(),
        limits: Limits::default(),
    };
    let mut node = Node::new(setup, NOW);
    node.handle(NOW, Input::Restored(None));
    let board = BoardName::new("bench").expect("a board name");
    let mut events = Vec::new();
    for number in 0..pseudonyms {
        let comment =
            |post: usize| format!("{number} {post} {}", "mushroom ".repeat(CHARS))[..CHARS].to_owned();
        let opening =
            Content::Thread { board: board.clone(), subject: None, comment: comment(0), files: Vec::new() };
        let thread = publish(&mut node, opening, &mut events);
        for post in 1..BATCH / pseudonyms {
            let reply = Content::Post {
                board: open_board_id(&board),
                thread,
                comment: comment(post),
                sage: false,
                quotes: Vec::new(),
                files: Vec::new(),
            };
            publish(&mut node, reply, &mut events);
        }
    }
    let limits = Limits::default();
    let authors: BTreeSet<_> = events
        .iter()
        .map(|bytes| Event::decode(bytes, &limits).expect("an own event").fields().author)
        .collect();
    assert_eq!((events.len(), authors.len()), (BATCH, pseudonyms));
    events
}

fn publish(
    node: &mut Node,
    content: Content,
    events: &mut Vec<Arc<[u8]>>,
) -> chanterelle_core::base::EventId {
    let draft = Draft { persona: Persona::Pseudonym, content };
    node.handle(NOW, Input::Command(Command::Publish(0, draft)));
    let mut published = None;
    while let Some(output) = node.poll_output() {
        match output {
            Output::Persist(batch) => {
                events.extend(batch.puts.into_iter().filter_map(|put| put.event));
                node.handle(NOW, Input::Persisted(batch.ticket, Ok(())));
            }
            Output::Update(Update::Published { event, .. }) => published = Some(event),
            _ => {}
        }
    }
    published.expect("a good draft")
}

#[cfg(not(target_arch = "wasm32"))]
fn milliseconds() -> impl Fn() -> f64 {
    let origin = std::time::Instant::now();
    move || origin.elapsed().as_secs_f64() * 1_000.0
}

#[cfg(target_arch = "wasm32")]
fn milliseconds() -> impl Fn() -> f64 {
    #[wasm_bindgen::prelude::wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_namespace = performance)]
        fn now() -> f64;
    }
    now
}
