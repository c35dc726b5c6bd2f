//! Views: stories of what a thread shows, and laws that hold for any set of events, checked against a naive twin.

use std::collections::BTreeSet;

use chanterelle_core::base::{AuthorId, BoardId, EventId, Seconds, ThreadId};
use chanterelle_core::event::Kind;
use chanterelle_core::store::{Index, Row, RowRef};
use chanterelle_core::view::{
    Bump, PostState, PostView, QuoteTarget, Source, Texts, board_card, bump, post_view, thread_card,
};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use proptest::collection::vec;
use proptest::prelude::*;

use super::naive::{Naive, name_of};
use super::samples::{mushrooms, reference};
use super::strategies::laws;
use super::world::{BUMP_LIMIT, World, author, board, world};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn saved(_: RowRef<'_>) -> PostState {
    PostState::Saved
}

fn source<'a>(index: &'a Index, texts: &'a Texts) -> Source<'a> {
    static NOBODY: BTreeSet<AuthorId> = BTreeSet::new();
    Source { index, texts, state: &saved, producers: &NOBODY }
}

fn shown(world: &World, id: &EventId) -> PostView {
    post_view(source(&world.index(), &world.texts()), id).expect("a post that is held")
}

fn bumped(world: &World, thread: &ThreadId) -> (u64, u32, bool) {
    let bump = bump(&world.index(), &mushrooms(), thread, BUMP_LIMIT);
    (bump.bumped.0, bump.replies, bump.limit_reached)
}

#[test]
fn replies_bump_a_thread_and_sages_do_not() {
    let mut world = World::default();
    let thread = world.thread(1, 10);
    assert_eq!(bumped(&world, &thread), (10, 0, false));
    world.post(2, thread, 20, vec![]);
    assert_eq!(bumped(&world, &thread), (20, 1, false));
    world.sage(2, thread, 30);
    assert_eq!(bumped(&world, &thread), (20, 2, false), "a sage counts and does not bump");
    world.post(1, thread, 15, vec![]);
    assert_eq!(bumped(&world, &thread), (20, 3, true), "a late reply does not take a thread down");
    world.post(1, thread, 99, vec![]);
    assert_eq!(bumped(&world, &thread), (20, 4, true), "beyond the limit nothing bumps");
    let first = world.post(1, thread, 5, vec![]);
    assert_eq!(bumped(&world, &thread), (20, 5, true));
    world.edit(1, first, 200, 1, "new");
    world.delete(1, first, 201);
    assert_eq!(bumped(&world, &thread), (20, 5, true), "what is done to a reply is no reply");
}

#[test]
fn no_claimed_time_bumps_a_thread_past_the_moment_it_was_seen() {
    let mut world = World::default();
    let thread = world.thread(1, 1_000);
    world.seen(10);
    assert_eq!(bumped(&world, &thread), (10, 0, false), "an opening post from the future");
    world.post(2, thread, 5_000, vec![]);
    world.seen(20);
    assert_eq!(bumped(&world, &thread), (20, 1, false), "a reply from the future");
    world.post(2, thread, 15, vec![]);
    world.seen(5_000);
    assert_eq!(bumped(&world, &thread), (20, 2, false), "a reply that arrived late");
    let index = world.index();
    assert_eq!(index.board(&mushrooms()).and_then(|board| board.last()), Some(Seconds(20)));
}

#[test]
fn the_latest_edit_by_the_author_is_shown() {
    let mut world = World::default();
    let thread = world.thread(1, 10);
    let post = world.post(2, thread, 20, vec![]);
    assert_eq!((shown(&world, &post).comment.as_str(), shown(&world, &post).edited), ("post at 20", None));

    world.edit(2, post, 50, 1, "first");
    assert_eq!(
        (shown(&world, &post).comment.as_str(), shown(&world, &post).edited),
        ("first", Some(Seconds(50)))
    );
    world.edit(2, post, 40, 2, "higher counter");
    assert_eq!(shown(&world, &post).comment, "higher counter", "the counter beats the time");
    world.edit(2, post, 41, 2, "later");
    assert_eq!(shown(&world, &post).comment, "later", "of one counter, the time");
    let mut tied: Vec<(EventId, String)> =
        (0..8).map(|n| (world.edit(2, post, 41, 2, &format!("tie {n}")), format!("tie {n}"))).collect();
    tied.push((world.0[4].event.id(), "later".to_owned()));
    assert_eq!(
        shown(&world, &post).comment,
        tied.into_iter().max().expect("several").1,
        "of one time, the id"
    );

    let before = shown(&world, &post);
    world.edit(1, post, 99, 99, "by another");
    world.write(2, Kind::EDIT, ipld!({ "comment": "on another board" }), |fields| {
        (fields.board, fields.thread) = (BoardId([9; 32]), Some(thread));
        (fields.time, fields.seq, fields.refs) = (Seconds(99), Some(99), vec![reference("edits", post)]);
    });
    world.write(2, Kind::POST, ipld!({ "comment": "no edit" }), |fields| {
        (fields.thread, fields.time, fields.refs) =
            (Some(thread), Seconds(99), vec![reference("edits", post)]);
    });
    assert_eq!(shown(&world, &post), before, "what is no edit by the author changes nothing");
}

#[test]
fn an_edit_may_take_the_title_away_and_gives_none_to_a_reply() {
    let mut world = World::default();
    let thread = world.thread(1, 10);
    let post = world.post(2, thread, 20, vec![]);
    assert_eq!(shown(&world, &thread).subject.as_deref(), Some("title"));
    let titled = |world: &mut World, author: u8, target: EventId, time: u64, subject: &str| {
        world.write(author, Kind::EDIT, ipld!({ "comment": "new", "subject": subject }), |fields| {
            (fields.thread, fields.time, fields.seq) = (Some(thread), Seconds(time), Some(1));
            fields.refs = vec![reference("edits", target)];
        })
    };
    titled(&mut world, 1, thread, 30, "another");
    titled(&mut world, 2, post, 30, "no title");
    assert_eq!(shown(&world, &thread).subject.as_deref(), Some("another"));
    assert_eq!(shown(&world, &post).subject, None, "a reply has no title");
    assert_eq!(shown(&world, &post).comment, "new");
    world.edit(1, thread, 40, 2, "newer");
    assert_eq!(shown(&world, &thread).subject, None);
}

#[test]
fn a_withdrawn_post_keeps_its_place_and_says_nothing() {
    let mut world = World::default();
    let thread = world.thread(1, 10);
    let post = world.post(2, thread, 20, vec![]);
    let answer = world.post(3, thread, 30, vec![reference("answers", post)]);
    world.delete(3, post, 35);
    assert!(!shown(&world, &post).deleted, "not by another");
    world.delete(2, post, 40);
    world.edit(2, post, 50, 9, "after all");
    let gone = shown(&world, &post);
    assert_eq!(
        (gone.deleted, gone.comment.as_str(), gone.subject),
        (true, "", None),
        "an edit brings nothing back"
    );
    assert_eq!(gone.backlinks, [answer], "who answered stays");
    assert_eq!(bumped(&world, &thread).1, 2, "and it is still counted");

    world.delete(1, thread, 60);
    let (index, texts) = (world.index(), world.texts());
    let bump = bump(&index, &mushrooms(), &thread, BUMP_LIMIT);
    let card = thread_card(source(&index, &texts), &mushrooms(), &thread, &bump, 100).expect("still there");
    assert_eq!((card.deleted, card.excerpt.as_str(), card.subject), (true, "", None));
}

#[test]
fn backlinks_stand_in_the_order_of_writing() {
    let mut world = World::default();
    let thread = world.thread(1, 10);
    let other = world.thread(1, 11);
    let later = world.post(2, thread, 30, vec![reference("answers", thread)]);
    let sooner = world.post(3, thread, 20, vec![reference("answers", thread), reference("quotes", thread)]);
    let elsewhere = world.post(3, other, 25, vec![reference("quotes", thread)]);
    let stranger = world.post(2, thread, 40, vec![reference("mentions", thread)]);
    world.edit(2, stranger, 50, 1, "an edit is no post");
    let opening = shown(&world, &thread);
    assert_eq!(opening.backlinks, [sooner, elsewhere, later], "each once");
    let target = |id: EventId, thread: ThreadId| QuoteTarget {
        id,
        place: Some((Some(name_of("mushrooms")), thread)),
        own: false,
    };
    assert_eq!(shown(&world, &elsewhere).quotes, [target(thread, thread)]);
    assert_eq!(shown(&world, &later).quotes, [target(thread, thread)]);
    let unknown = world.post(2, thread, 60, vec![reference("quotes", EventId([7; 32]))]);
    assert_eq!(
        shown(&world, &unknown).quotes,
        [QuoteTarget { id: EventId([7; 32]), place: None, own: false }]
    );
}

#[test]
fn who_opened_the_thread_is_told_by_the_key() {
    let mut world = World::default();
    let thread = world.thread(1, 10);
    let own = world.post(1, thread, 20, vec![]);
    let other = world.post(2, thread, 30, vec![]);
    assert!(shown(&world, &thread).opens && shown(&world, &thread).by_opener);
    assert!(!shown(&world, &own).opens && shown(&world, &own).by_opener);
    assert!(!shown(&world, &other).by_opener);
    assert_eq!(shown(&world, &other).author, author(2));
}

#[test]
fn a_post_is_as_far_as_the_last_thing_done_to_it() {
    let mut world = World::default();
    let thread = world.thread(1, 10);
    let post = world.post(1, thread, 20, vec![]);
    let edit = world.edit(1, post, 30, 1, "new");
    let (index, texts) = (world.index(), world.texts());
    for (of_post, of_edit, expected) in [
        (PostState::Sent, PostState::Pending, PostState::Pending),
        (PostState::Saved, PostState::Sent, PostState::Saved),
        (PostState::Sent, PostState::Sent, PostState::Sent),
    ] {
        let state = |row: RowRef<'_>| if row.id() == edit { of_edit } else { of_post };
        let view = post_view(Source { state: &state, ..source(&index, &texts) }, &post).expect("held");
        assert_eq!(view.state, expected, "{of_post:?}, {of_edit:?}");
    }
}

#[test]
fn a_board_is_named_by_use_or_by_others() {
    let mut world = World::default();
    let (name, id) = board(7);
    assert_eq!(board_card(&world.index(), &id, None, false), None, "nobody has named it");
    let empty = board_card(&world.index(), &id, Some(&name), true).expect("named by another");
    assert_eq!((empty.threads, empty.posts, empty.last, empty.subscribed), (0, 0, None, true));
    let thread = world.thread(1, 10);
    world.post(2, thread, 20, vec![]);
    // A post that says it belongs to a thread of another board makes no thread there.
    world.write(2, Kind::POST, ipld!({ "comment": "lost" }), |fields| {
        (fields.board, fields.thread, fields.time) = (id, Some(thread), Seconds(30));
    });
    let card = board_card(&world.index(), &mushrooms(), None, false).expect("announced by its use");
    assert_eq!(
        (card.name.as_str(), card.threads, card.posts, card.last),
        ("mushrooms", 1, 2, Some(Seconds(20)))
    );
    let card = board_card(&world.index(), &id, Some(&name), false).expect("named by another");
    assert_eq!((card.threads, card.posts), (0, 1));
}

#[test]
fn an_excerpt_is_cut_by_characters() {
    let mut world = World::default();
    let thread = world.write(
        1,
        Kind::THREAD,
        ipld!({ "comment": "né 🍄🍄", "salt": Ipld::Bytes(vec![0; 16]) }),
        |_| {},
    );
    let (index, texts) = (world.index(), world.texts());
    let excerpt = |limit: usize| {
        let card = thread_card(source(&index, &texts), &mushrooms(), &thread, &Bump::default(), limit);
        card.expect("held").excerpt
    };
    assert_eq!((excerpt(0).as_str(), excerpt(4).as_str(), excerpt(99).as_str()), ("", "né 🍄", "né 🍄🍄"));
}

/// One event may be drawn twice.
fn without_repetition(world: World) -> World {
    let mut ids = BTreeSet::new();
    World(world.0.into_iter().filter(|seen| ids.insert(seen.event.id())).collect())
}

proptest! {
    #![proptest_config(laws(96))]

    #[test]
    fn views_show_what_a_naive_reader_finds(world in world()) {
        let world = without_repetition(world);
        prop_assert_eq!(world.shown(&world.index()), Naive(&world.0).shown());
    }

    #[test]
    fn the_order_of_arrival_does_not_show(
        (world, order, batches) in world().prop_map(without_repetition).prop_flat_map(|world| {
            // Some arrive twice.
            let count = world.0.len();
            let order: Vec<usize> = (0..count).chain((0..count).step_by(3)).collect();
            (Just(world), Just(order).prop_shuffle(), vec(1..6_usize, 1..4))
        }),
    ) {
        let shown = world.shown(&world.arrived(&order, &batches));
        prop_assert_eq!(&shown, &world.shown(&world.index()));
        let sorted: Vec<usize> = (0..world.0.len()).collect();
        prop_assert_eq!(&shown, &world.shown(&world.arrived(&sorted, &[usize::MAX])), "all in one batch");
    }

    #[test]
    fn an_index_built_anew_shows_the_same(world in world(), kept in vec(any::<bool>(), 30)) {
        let world = without_repetition(world);
        let index = world.index();
        let mut rebuilt = Index::default();
        let mut packed = Vec::new();
        index.rows().for_each(|row| row.to_row().pack(&mut packed));
        Row::unpack_all(&packed).expect("packed above").into_iter().for_each(|row| drop(rebuilt.insert(row)));
        prop_assert_eq!(world.shown(&rebuilt), world.shown(&index));

        // Events that could not be stored leave no trace, and come again.
        let mut reduced = index.clone();
        let (stay, go): (Vec<_>, Vec<_>) = world.0.iter().zip(kept).partition(|(_, kept)| *kept);
        go.iter().for_each(|(seen, _)| drop(reduced.remove(&seen.event.id())));
        let stayed = World(stay.into_iter().map(|(seen, _)| seen.clone()).collect());
        prop_assert_eq!(stayed.shown(&reduced), stayed.shown(&stayed.index()));
        go.iter().for_each(|(seen, _)| drop(reduced.insert(Row::of(&seen.event, seen.at, false))));
        prop_assert_eq!(world.shown(&reduced), world.shown(&index));
    }
}
