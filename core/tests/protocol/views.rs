//! Views: stories of what a thread shows, and laws that hold for any set of events, checked against a naive twin that
//! searches the events themselves.

use std::collections::{BTreeMap, BTreeSet};

use chanterelle_core::base::{BoardId, BoardName, EventId, Seconds, ThreadId};
use chanterelle_core::crypto::no_board;
use chanterelle_core::event::{Body, Event, Kind};
use chanterelle_core::store::{Index, Row};
use chanterelle_core::view::{
    BoardCard, Bump, PostState, PostView, QuoteTarget, ThreadCard, ThreadHead, board_card, bump, post_view,
    thread_card,
};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use proptest::collection::vec;
use proptest::prelude::*;

use super::samples::{mushrooms, reference};
use super::strategies::laws;
use super::world::{BUMP_LIMIT, Seen, Shown, World, author, board, world};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn saved(_: &Row) -> PostState {
    PostState::Saved
}

fn name_of(name: &str) -> BoardName {
    BoardName::new(name).expect("a board name")
}

fn shown(world: &World, id: &EventId) -> PostView {
    post_view(&world.index(), &world.texts(), &saved, id).expect("a post that is held")
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
    let card = thread_card(&index, &texts, &saved, &mushrooms(), &thread, &bump, 100).expect("still there");
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
        let state = |row: &Row| if row.id == edit { of_edit } else { of_post };
        let view = post_view(&index, &texts, &state, &post).expect("held");
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
        let card = thread_card(&index, &texts, &saved, &mushrooms(), &thread, &Bump::default(), limit);
        card.expect("held").excerpt
    };
    assert_eq!((excerpt(0).as_str(), excerpt(4).as_str(), excerpt(99).as_str()), ("", "né 🍄", "né 🍄🍄"));
}

/// Which events a naive reader finds, searching all of them.
struct Naive<'a>(&'a [Seen]);

impl<'a> Naive<'a> {
    fn events(&self) -> impl Iterator<Item = &'a Event> {
        self.0.iter().map(|seen| &seen.event)
    }

    fn get(&self, id: &EventId) -> Option<&'a Seen> {
        self.0.iter().find(|seen| seen.event.id() == *id)
    }

    fn refers(event: &Event, rel: &str, id: &EventId) -> bool {
        event.fields().refs.iter().any(|reference| reference.rel == rel && reference.id == *id)
    }

    /// The winning event of a kind among those by the author of `post` that refer to it.
    fn winner(&self, post: &Event, kind: Kind, rel: &str) -> Option<&'a Event> {
        let (author, board) = (post.fields().author, post.fields().board);
        self.events()
            .filter(|event| event.kind() == kind && Self::refers(event, rel, &post.id()))
            .filter(|event| event.fields().author == author && event.fields().board == board)
            .max_by_key(|event| (event.fields().seq, event.fields().time, event.id()))
    }

    fn name(&self, board: &BoardId) -> Option<String> {
        self.events().find_map(|event| match event.body() {
            Body::Thread(body) if event.fields().board == *board => {
                body.board_name.as_ref().map(ToString::to_string)
            }
            _ => None,
        })
    }

    fn home(event: &Event) -> Option<ThreadId> {
        if event.kind() == Kind::THREAD { Some(event.id()) } else { event.fields().thread }
    }

    fn claimed(seen: &Seen) -> Seconds {
        seen.event.fields().time.min(seen.at)
    }

    /// Comment and title after all that was done to a post.
    fn text(&self, post: &Event) -> (String, Option<String>) {
        if self.winner(post, Kind::DELETE, "deletes").is_some() {
            return (String::new(), None);
        }
        let (comment, subject) = match self.winner(post, Kind::EDIT, "edits").unwrap_or(post).body() {
            Body::Thread(body) => (body.comment.clone(), body.subject.clone()),
            Body::Post(body) => (body.comment.clone(), None),
            Body::Edit(body) => (body.comment.clone(), body.subject.clone()),
            other => panic!("{other:?}"),
        };
        (comment, subject.filter(|_| post.kind() == Kind::THREAD))
    }

    fn post(&self, id: &EventId) -> Option<PostView> {
        let post = &self.get(id)?.event;
        let fields = post.fields();
        if ![Kind::THREAD, Kind::POST].contains(&post.kind()) {
            return None;
        }
        let thread = Self::home(post).expect("posts are in threads");
        let edit = self.winner(post, Kind::EDIT, "edits");
        let (comment, subject) = self.text(post);
        let quoting = [Some(post), edit].into_iter().flatten().flat_map(|event| &event.fields().refs);
        let quotes: BTreeSet<EventId> = quoting
            .filter(|reference| ["answers", "quotes"].contains(&reference.rel.as_str()))
            .map(|reference| reference.id)
            .collect();
        let place = |id: &EventId| {
            let event = &self.get(id)?.event;
            let name = self.name(&event.fields().board);
            Self::home(event).map(|thread| (name.map(|name| name_of(&name)), thread))
        };
        let mut backlinks: Vec<(Seconds, EventId)> = self
            .events()
            .filter(|event| [Kind::THREAD, Kind::POST].contains(&event.kind()))
            .filter(|event| Self::refers(event, "answers", id) || Self::refers(event, "quotes", id))
            .map(|event| (event.fields().time, event.id()))
            .collect();
        backlinks.sort_unstable();
        Some(PostView {
            id: *id,
            board: fields.board,
            board_name: self.name(&fields.board).map(|name| name_of(&name)),
            thread,
            author: fields.author,
            time: fields.time,
            own: false,
            opens: post.kind() == Kind::THREAD,
            by_opener: self.get(&thread).is_some_and(|seen| seen.event.fields().author == fields.author),
            subject,
            comment,
            edited: edit.map(|edit| edit.fields().time),
            deleted: self.winner(post, Kind::DELETE, "deletes").is_some(),
            sage: matches!(post.body(), Body::Post(body) if body.sage),
            state: PostState::Saved,
            quotes: quotes.iter().map(|id| QuoteTarget { id: *id, place: place(id), own: false }).collect(),
            backlinks: backlinks.into_iter().map(|(_, id)| id).collect(),
        })
    }

    fn bump(&self, board: &BoardId, thread: &ThreadId) -> Bump {
        let mut replies: Vec<&Seen> = self
            .0
            .iter()
            .filter(|seen| seen.event.kind() == Kind::POST && seen.event.fields().board == *board)
            .filter(|seen| seen.event.fields().thread == Some(*thread))
            .collect();
        replies.sort_by_key(|seen| (seen.event.fields().time, seen.event.id()));
        let sage = |seen: &Seen| matches!(seen.event.body(), Body::Post(body) if body.sage);
        let bumps = replies.iter().take(BUMP_LIMIT).filter(|seen| !sage(seen)).copied();
        let opening = self.get(thread);
        Bump {
            replies: replies.len().try_into().expect("few"),
            bumped: bumps.chain(opening).map(Self::claimed).max().unwrap_or_default(),
            limit_reached: replies.len() >= BUMP_LIMIT,
        }
    }

    fn opening(&self, board: &BoardId, thread: &ThreadId) -> Option<&'a Event> {
        let opening = self.get(thread).map(|seen| &seen.event);
        opening.filter(|event| event.kind() == Kind::THREAD && event.fields().board == *board)
    }

    fn card(&self, board: &BoardId, thread: &ThreadId) -> Option<ThreadCard> {
        let opening = self.opening(board, thread)?;
        let bump = self.bump(board, thread);
        let (comment, subject) = self.text(opening);
        Some(ThreadCard {
            id: *thread,
            author: opening.fields().author,
            subject,
            excerpt: comment.chars().take(5).collect(),
            deleted: self.winner(opening, Kind::DELETE, "deletes").is_some(),
            replies: bump.replies,
            time: opening.fields().time,
            bumped: bump.bumped,
            bump_limit: bump.limit_reached,
            own: false,
            state: PostState::Saved,
        })
    }

    fn head(&self, board: &BoardId, thread: &ThreadId) -> Option<ThreadHead> {
        let opening = self.opening(board, thread)?;
        let bump = self.bump(board, thread);
        Some(ThreadHead {
            id: *thread,
            board: *board,
            board_name: self.name(board).map(|name| name_of(&name)),
            subject: self.text(opening).1,
            replies: bump.replies,
            bump_limit: bump.limit_reached,
        })
    }

    fn board(&self, board: &BoardId) -> Option<BoardCard> {
        if *board == no_board() {
            return None;
        }
        let name = name_of(&self.name(board)?);
        let here = || self.0.iter().filter(|seen| seen.event.fields().board == *board);
        let posts: Vec<&Seen> =
            here().filter(|seen| [Kind::THREAD, Kind::POST].contains(&seen.event.kind())).collect();
        let threads = here().filter(|seen| seen.event.kind() == Kind::THREAD).count();
        Some(BoardCard {
            id: *board,
            name,
            threads: threads.try_into().expect("few"),
            posts: posts.len().try_into().expect("few"),
            last: posts.into_iter().map(Self::claimed).max(),
            subscribed: false,
        })
    }

    fn shown(&self) -> Shown {
        let boards: BTreeSet<BoardId> = self.events().map(|event| event.fields().board).collect();
        let ids: BTreeSet<EventId> = self.events().map(|event| event.id()).collect();
        let places: Vec<(BoardId, EventId)> =
            boards.iter().flat_map(|board| ids.iter().map(|id| (*board, *id))).collect();
        fn each<K: Ord + Copy, T>(keys: &[K], of: impl Fn(&K) -> T) -> BTreeMap<K, T> {
            keys.iter().map(|key| (*key, of(key))).collect()
        }
        let (boards, ids): (Vec<_>, Vec<_>) = (boards.into_iter().collect(), ids.into_iter().collect());
        Shown {
            boards: each(&boards, |board| self.board(board)),
            bumps: each(&places, |(board, id)| self.bump(board, id)),
            cards: each(&places, |(board, id)| self.card(board, id)),
            heads: each(&places, |(board, id)| self.head(board, id)),
            posts: each(&ids, |id| self.post(id)),
        }
    }
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
        index.rows().for_each(|row| row.pack(&mut packed));
        Row::unpack_all(&packed).expect("packed above").into_iter().for_each(|row| rebuilt.insert(row));
        prop_assert_eq!(world.shown(&rebuilt), world.shown(&index));

        // Events that could not be stored leave no trace, and come again.
        let mut reduced = index.clone();
        let (stay, go): (Vec<_>, Vec<_>) = world.0.iter().zip(kept).partition(|(_, kept)| *kept);
        go.iter().for_each(|(seen, _)| drop(reduced.remove(&seen.event.id())));
        let stayed = World(stay.into_iter().map(|(seen, _)| seen.clone()).collect());
        prop_assert_eq!(stayed.shown(&reduced), stayed.shown(&stayed.index()));
        go.iter().for_each(|(seen, _)| reduced.insert(Row::of(&seen.event, seen.at, false)));
        prop_assert_eq!(world.shown(&reduced), world.shown(&index));
    }
}
