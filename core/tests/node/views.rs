//! What a person is told: everything once, then what changed, and not more often than a person reads.

use chanterelle_core::base::{BoardId, EventId, Seconds, ThreadId};
use chanterelle_core::event::{Event, rel};
use chanterelle_core::node::{Command, Input, Target, Update};
use chanterelle_core::view::{Delta, PostState};
use chanterelle_core::wire::Frame;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board, carried, name, reference};
use super::shell::{EPOCH, Shell, peer, thread_target};

const BOB: u8 = 0x60;

fn at(seconds: u64) -> Seconds {
    Seconds(EPOCH.0 - 100_000 + seconds)
}

fn cats() -> BoardId {
    board("cats")
}

fn catalog(limit: u32) -> Target {
    Target::Catalog { board: cats(), limit }
}

/// Delivers events from Bob, with a frame each.
struct Bob(u64);

impl Bob {
    fn of(shell: &mut Shell) -> Bob {
        shell.greet_reader(peer(BOB), &[]);
        Bob(0)
    }

    fn sends<'a>(&mut self, shell: &mut Shell, events: impl IntoIterator<Item = &'a Event>) {
        self.0 += 1;
        shell.hear(peer(BOB), Frame::Events { n: self.0, events: carried(events) });
        shell.advance(100);
    }
}

fn catalog_deltas(shell: &mut Shell, view: u32) -> Vec<(bool, Vec<ThreadId>, Vec<ThreadId>)> {
    let told = |delta: Delta<ThreadId, chanterelle_core::view::ThreadCard>| {
        (delta.reset, delta.remove, delta.put.into_iter().map(|card| card.id).collect())
    };
    let updates = shell.updates(view).into_iter();
    updates
        .map(|update| if let Update::Catalog(_, delta) = update { told(delta) } else { panic!("a catalog") })
        .collect()
}

fn thread_deltas(shell: &mut Shell, view: u32) -> Vec<(bool, Vec<EventId>, Vec<EventId>)> {
    let updates = shell.updates(view).into_iter();
    updates
        .map(|update| match update {
            Update::Thread(_, _, delta) => {
                (delta.reset, delta.remove, delta.put.into_iter().map(|post| post.id).collect())
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_thread_is_told_whole_and_then_by_what_changed() {
    let mut shell = Shell::tab(0x50);
    let thread = author(1).thread("cats", "opening", at(0));
    let reply = |n: u64| author(2).reply(cats(), thread.id(), &n.to_string(), at(n));
    let replies: Vec<Event> = (1..5).map(reply).collect();
    shell.hold([&thread, &replies[0], &replies[1]]);
    shell.open(1, thread_target(cats(), thread.id()));
    let first = thread_deltas(&mut shell, 1);
    assert_eq!(first.len(), 1);
    assert!(first[0].0 && first[0].1.is_empty() && first[0].2.len() == 3, "{first:?}");

    let mut bob = Bob::of(&mut shell);
    shell.hold_batches = true;
    bob.sends(&mut shell, [&replies[2]]);
    assert_eq!(thread_deltas(&mut shell, 1), [(false, vec![], vec![replies[2].id()])]);
    shell.store(Ok(()));
    shell.advance(100);
    assert_eq!(thread_deltas(&mut shell, 1), [(false, vec![], vec![replies[2].id()])]);
    assert_eq!(shell.screen(1).state(replies[2].id()), PostState::Saved);
    bob.sends(&mut shell, [&author(1).thread("cats", "another thread", at(9))]);
    assert!(thread_deltas(&mut shell, 1).is_empty(), "not of this thread");
    shell.store(Err(chanterelle_core::node::StorageError::Full));
    shell.advance(10_000);
    bob.sends(&mut shell, [&replies[3]]);
    shell.updates(1);
    shell.store(Err(chanterelle_core::node::StorageError::Full));
    shell.advance(100);
    assert_eq!(
        thread_deltas(&mut shell, 1),
        [(false, vec![replies[3].id()], vec![])],
        "and it is gone again"
    );
}

#[test]
fn a_thread_can_be_opened_before_it_is_here() {
    let mut shell = Shell::tab(0x50);
    let thread = author(1).thread("cats", "opening", at(0));
    let reply = author(1).reply(cats(), thread.id(), "a reply", at(1));
    shell.open(1, thread_target(cats(), thread.id()));
    assert_eq!(thread_deltas(&mut shell, 1), [(true, vec![], vec![])]);
    assert!(shell.screen(1).head.is_none());
    let mut bob = Bob::of(&mut shell);
    bob.sends(&mut shell, [&reply]);
    assert!(shell.screen(1).head.is_none());
    assert_eq!(shell.screen(1).comment(reply.id()), "a reply");
    bob.sends(&mut shell, [&thread]);
    let head = shell.screen(1).head.clone().expect("it is here now");
    assert_eq!((head.id, head.board_name, head.replies), (thread.id(), Some(name("cats")), 1));
    assert!(shell.screen(1).post(reply.id()).by_opener, "now it can be seen who wrote it");
    assert!(shell.screen(1).post(reply.id()).board_name.is_some());
}

#[test]
fn a_quote_finds_its_target_when_it_comes() {
    let mut shell = Shell::tab(0x50);
    let thread = author(1).thread("cats", "opening", at(0));
    let late = author(1).reply(cats(), thread.id(), "late", at(1));
    let far = author(1).thread("dogs", "far away", at(1));
    let refs = vec![reference(rel::ANSWERS, late.id()), reference(rel::QUOTES, far.id())];
    let quoting = author(2).quoting(cats(), thread.id(), "both", at(2), refs);
    shell.hold([&thread, &quoting]);
    shell.open(1, thread_target(cats(), thread.id()));
    let places = |shell: &Shell| {
        let quotes = &shell.screen(1).post(quoting.id()).quotes;
        quotes.iter().filter(|quote| quote.place.is_some()).count()
    };
    assert_eq!(places(&shell), 0);
    let mut bob = Bob::of(&mut shell);
    bob.sends(&mut shell, [&late]);
    assert_eq!(places(&shell), 1);
    assert_eq!(shell.screen(1).post(late.id()).backlinks, [quoting.id()]);
    bob.sends(&mut shell, [&far]);
    assert_eq!(places(&shell), 2);
}

#[test]
fn a_backlink_comes_from_another_thread_and_board() {
    let mut shell = Shell::tab(0x50);
    let thread = author(1).thread("cats", "opening", at(0));
    let elsewhere = author(1).thread("dogs", "elsewhere", at(1));
    let refs = vec![reference(rel::QUOTES, thread.id())];
    let quoting = author(2).quoting(board("dogs"), elsewhere.id(), "see there", at(2), refs);
    shell.hold([&thread, &elsewhere]);
    shell.open(1, thread_target(cats(), thread.id()));
    shell.updates(1);
    Bob::of(&mut shell).sends(&mut shell, [&quoting]);
    assert_eq!(shell.screen(1).post(thread.id()).backlinks, [quoting.id()]);
}

#[test]
fn edits_and_withdrawals_count_only_by_the_author() {
    let mut shell = Shell::tab(0x50);
    let thread = author(1).thread("cats", "opening", at(0));
    let reply = author(2).reply(cats(), thread.id(), "as written", at(1));
    shell.hold([&thread, &reply]);
    shell.open(1, thread_target(cats(), thread.id()));
    shell.open(2, catalog(10));
    let mut bob = Bob::of(&mut shell);
    bob.sends(&mut shell, [&author(3).edit(&reply, 9, "forged", at(2)), &author(3).delete(&thread, at(2))]);
    assert_eq!(shell.screen(1).comment(reply.id()), "as written");
    assert!(!shell.screen(2).threads[&thread.id()].deleted);
    bob.sends(
        &mut shell,
        [&author(2).edit(&reply, 2, "second", at(3)), &author(2).edit(&reply, 1, "first", at(4))],
    );
    assert_eq!(shell.screen(1).comment(reply.id()), "second", "the counter decides");
    assert_eq!(shell.screen(1).post(reply.id()).edited, Some(at(3)));
    bob.sends(&mut shell, [&author(1).delete(&thread, at(5))]);
    assert!(shell.screen(1).post(thread.id()).deleted && shell.screen(2).threads[&thread.id()].deleted);
    assert!(shell.screen(2).threads[&thread.id()].excerpt.is_empty());
}

#[test]
fn a_catalog_shows_the_threads_that_were_bumped_last() {
    let mut shell = Shell::tab(0x50);
    let threads: Vec<Event> =
        (0..5).map(|n| author(n as u8 + 1).thread("cats", &n.to_string(), at(n))).collect();
    shell.hold(&threads);
    let ids: Vec<ThreadId> = threads.iter().map(Event::id).collect();
    shell.open(1, catalog(3));
    assert_eq!(shell.screen(1).ranked(), [ids[4], ids[3], ids[2]]);
    shell.updates(1);

    let mut bob = Bob::of(&mut shell);
    shell.hold_batches = true;
    let reply = author(9).reply(cats(), ids[0], "bump", at(50));
    bob.sends(&mut shell, [&reply]);
    assert_eq!(shell.screen(1).ranked(), [ids[0], ids[4], ids[3]]);
    assert_eq!(catalog_deltas(&mut shell, 1), [(false, vec![ids[2]], vec![ids[0]])]);
    bob.sends(&mut shell, [&author(9).sage(cats(), ids[2], "no bump", at(60))]);
    assert_eq!(shell.screen(1).ranked(), [ids[0], ids[4], ids[3]]);
    shell.store(Err(chanterelle_core::node::StorageError::Full));
    shell.advance(100);
    assert_eq!(
        shell.screen(1).ranked(),
        [ids[4], ids[3], ids[2]],
        "the reply is gone and the thread falls back"
    );
}

#[test]
fn showing_more_of_a_catalog_shows_all_of_it() {
    let mut shell = Shell::tab(0x50);
    let threads: Vec<Event> =
        (0..9).map(|n| author(n as u8 + 1).thread("cats", &n.to_string(), at(n))).collect();
    shell.hold(&threads);
    for limit in [0, 1, 4, 9, 100] {
        shell.open(1, catalog(limit));
        let screen = shell.screen(1);
        assert_eq!(screen.threads.len(), threads.len().min(limit as usize));
        assert!(screen.threads.values().all(|card| card.excerpt.len() == 1), "with its text");
        shell.updates(1);
    }
}

/// The texts are still on their way from the disk when more is asked for.
#[test]
fn opening_anew_while_texts_are_being_read_loses_none() {
    let mut shell = Shell::tab(0x50);
    let threads: Vec<Event> =
        (0..9).map(|n| author(n as u8 + 1).thread("cats", &n.to_string(), at(n))).collect();
    shell.hold(&threads);
    shell.hold_reads = true;
    shell.open(1, catalog(4));
    shell.open(1, catalog(9));
    while !shell.reads.is_empty() {
        shell.read();
        shell.advance(100);
    }
    let screen = shell.screen(1);
    assert_eq!(screen.threads.len(), 9);
    let empty = screen.threads.values().filter(|card| card.excerpt.is_empty()).count();
    assert_eq!(empty, 0, "cards without their text");
}

#[test]
fn a_claimed_time_bumps_no_further_than_to_when_it_was_seen() {
    let mut shell = Shell::tab(0x50);
    let threads = [author(1).thread("cats", "one", at(0)), author(2).thread("cats", "two", at(1))];
    shell.hold(&threads);
    shell.open(1, catalog(10));
    let ahead = Seconds(shell.now.unix.0 + 14 * 60);
    let mut bob = Bob::of(&mut shell);
    bob.sends(&mut shell, [&author(3).reply(cats(), threads[0].id(), "from the future", ahead)]);
    let bumped = shell.screen(1).threads[&threads[0].id()].bumped;
    assert!(bumped <= shell.now.unix && bumped > at(1));
}

#[test]
fn replies_bump_up_to_the_limit() {
    let mut shell = Shell::new(0x50, chanterelle_core::wire::Role::Tab, |limits| limits.bump_limit = 3);
    let thread = author(1).thread("cats", "x", at(0));
    let replies: Vec<Event> =
        (1..6).map(|n| author(2).reply(cats(), thread.id(), &n.to_string(), at(n))).collect();
    shell.hold([&thread]);
    shell.open(1, catalog(10));
    let mut bob = Bob::of(&mut shell);
    // However they come: the order is that of their times.
    for n in [4, 0, 3, 1, 2] {
        bob.sends(&mut shell, [&replies[n]]);
    }
    let card = &shell.screen(1).threads[&thread.id()];
    assert_eq!((card.replies, card.bumped, card.bump_limit), (5, at(3), true));
}

/// Replies that name a thread of another board make no thread on theirs.
#[test]
fn a_thread_of_another_board_takes_no_place_in_a_catalog() {
    let mut shell = Shell::tab(0x50);
    let here = [author(1).thread("cats", "one", at(0)), author(2).thread("cats", "two", at(1))];
    let there: Vec<Event> = (0..5).map(|n| author(3).thread("dogs", &n.to_string(), at(2))).collect();
    let stray: Vec<Event> =
        there.iter().map(|thread| author(4).reply(cats(), thread.id(), "stray", at(50))).collect();
    shell.hold(here.iter().chain(&there).chain(&stray));
    shell.open(1, catalog(2));
    assert_eq!(shell.screen(1).ranked(), [here[1].id(), here[0].id()]);
    shell.open(2, Target::Boards);
    assert_eq!(shell.screen(2).boards[&cats()].threads, 2);
}

#[test]
fn boards_count_their_threads_and_posts() {
    let mut shell = Shell::tab(0x50);
    shell.open(1, Target::Boards);
    assert!(shell.screen(1).boards.is_empty());
    let thread = author(1).thread("cats", "x", at(0));
    let reply = author(2).reply(cats(), thread.id(), "y", at(7));
    let edit = author(2).edit(&reply, 1, "z", at(9));
    Bob::of(&mut shell).sends(&mut shell, [&thread, &reply, &edit]);
    let card = &shell.screen(1).boards[&cats()];
    assert_eq!((card.name.as_str(), card.threads, card.posts, card.last), ("cats", 1, 2, Some(at(7))));
    shell.updates(1);
    shell.subscribe("cats");
    shell.advance(100);
    assert!(shell.screen(1).boards[&cats()].subscribed);
    assert_eq!(shell.updates(1).len(), 1);
}

#[test]
fn a_single_post_is_shown_wherever_it_is() {
    let mut shell = Shell::tab(0x50);
    let thread = author(1).thread("cats", "opening", at(0));
    let reply = author(2).reply(cats(), thread.id(), "a reply", at(1));
    shell.open(1, Target::Post(reply.id()));
    assert_eq!(shell.screen(1).single, None);
    let mut bob = Bob::of(&mut shell);
    bob.sends(&mut shell, [&thread, &reply]);
    let post = shell.screen(1).single.clone().expect("it is here");
    assert_eq!((post.comment.as_str(), post.thread, post.board), ("a reply", thread.id(), cats()));
    bob.sends(&mut shell, [&author(2).edit(&reply, 1, "edited", at(2))]);
    assert_eq!(shell.screen(1).single.as_ref().map(|post| post.comment.as_str()), Some("edited"));
    shell.updates(1);
    bob.sends(&mut shell, [&author(3).reply(cats(), thread.id(), "another", at(3))]);
    assert!(shell.updates(1).is_empty());
}

#[test]
fn a_view_is_told_at_most_so_often() {
    let mut shell = Shell::tab(0x50);
    let thread = author(1).thread("cats", "opening", at(0));
    shell.hold([&thread]);
    shell.open(1, thread_target(cats(), thread.id()));
    shell.open(2, catalog(10));
    shell.greet_reader(peer(BOB), &[]);
    shell.updates(1);
    shell.updates(2);
    let every = u64::try_from(shell.limits().update_every.as_millis()).expect("milliseconds");
    let start = shell.now.instant.0;
    for n in 0..200 {
        let reply = author(2).reply(cats(), thread.id(), &n.to_string(), at(n));
        shell.hear_events(peer(BOB), n + 1, [&reply]);
        shell.advance(13);
    }
    shell.advance(every);
    let most = ((shell.now.instant.0 - start) / every + 1) as usize;
    for view in [1, 2] {
        let told = shell.updates(view).len();
        assert!((most / 2..=most).contains(&told), "{told} updates of view {view}, at most {most}");
    }
    assert_eq!(shell.screen(1).posts.len(), 201, "and the last of them tells all");
    assert_eq!(shell.screen(2).threads[&thread.id()].replies, 200);
}

#[test]
fn the_first_change_after_a_pause_is_told_at_once() {
    let mut shell = Shell::tab(0x50);
    shell.open(1, catalog(10));
    shell.advance(1_000);
    shell.updates(1);
    shell.hold_batches = true;
    shell.write_thread("cats", "hello");
    assert_eq!(shell.updates(1).len(), 1, "a person sees what they wrote");
}

#[test]
fn a_closed_view_is_told_nothing() {
    let mut shell = Shell::tab(0x50);
    let thread = author(1).thread("cats", "opening", at(0));
    shell.hold([&thread]);
    shell.open(1, thread_target(cats(), thread.id()));
    shell.open(2, catalog(10));
    shell.hold_reads = true;
    shell.open(3, thread_target(cats(), thread.id()));
    for view in [1, 2, 3] {
        shell.command(Command::Close(view));
        shell.updates(view);
    }
    shell.command(Command::Close(77));
    shell.read();
    shell.write_reply("cats", thread.id(), "a reply");
    shell.advance(1_000);
    assert!((1..4).all(|view| shell.updates(view).is_empty()));
    assert_eq!(shell.node.poll_timeout(), None);
}

#[test]
fn texts_are_read_once_and_while_they_are_nothing_is_told() {
    let mut shell = Shell::tab(0x50);
    let thread = author(1).thread("cats", "opening", at(0));
    let reply = author(2).reply(cats(), thread.id(), "a reply", at(1));
    shell.hold([&thread, &reply]);
    shell.hold_reads = true;
    shell.open(1, thread_target(cats(), thread.id()));
    let (_, asked) = shell.reads.front().cloned().expect("the texts are on the disk");
    assert_eq!(asked.len(), 2);
    shell.advance(5_000);
    assert!(shell.updates(1).is_empty() && shell.reads.len() == 1);
    shell.read();
    assert_eq!(
        (shell.screen(1).comment(thread.id()), shell.screen(1).comment(reply.id())),
        ("opening", "a reply")
    );
    shell.hold_batches = true;
    Bob::of(&mut shell).sends(&mut shell, [&author(2).reply(cats(), thread.id(), "more", at(2))]);
    shell.store(Ok(()));
    shell.advance(1_000);
    assert!(shell.reads.is_empty(), "what just came is in memory");
    assert_eq!(shell.screen(1).posts.len(), 3);
}

#[test]
fn a_post_whose_text_is_lost_is_shown_without() {
    let mut shell = Shell::tab(0x50);
    let thread = author(1).thread("cats", "opening", at(0));
    let reply = author(2).reply(cats(), thread.id(), "a reply", at(1));
    shell.hold([&thread, &reply]);
    shell.disk.bytes.remove(&reply.id());
    shell.disk.bytes.insert(thread.id(), [1, 2, 3].as_slice().into());
    shell.open(1, thread_target(cats(), thread.id()));
    let screen = shell.screen(1);
    assert_eq!((screen.comment(thread.id()), screen.comment(reply.id())), ("", ""));
    shell.advance(10_000);
    assert!(shell.reads.is_empty(), "and is not looked for again and again");
}

#[test]
fn everything_is_told_anew_after_the_past_was_restored() {
    let mut before = Shell::tab(0x50);
    let thread = before.write_thread("cats", "hello");
    before.subscribe("cats");
    let mut shell = Shell::tab(0x50);
    shell.disk = before.disk.clone();
    shell.restart();
    shell.open(1, Target::Boards);
    shell.open(2, thread_target(cats(), thread));
    assert_eq!(shell.screen(1).boards[&cats()].threads, 1);
    assert_eq!(shell.screen(2).comment(thread), "hello");
    shell.input(Input::Wake);
    shell.advance(10_000);
    assert_eq!((shell.updates(1).len(), shell.updates(2).len()), (1, 1));
}
