//! What is kept: peers that have seen the same count the same, and no stranger takes the place of what the person wants.

use std::collections::{BTreeMap, BTreeSet};

use chanterelle_core::base::{AuthorId, BoardId, Day, EventId, Limits, Seconds};
use chanterelle_core::crypto::no_board;
use chanterelle_core::event::Kind;
use chanterelle_core::store::{Class, Fold, Index, Marks, Pruned, Refusal, Retention, Row, RowRef};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::laws;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Events that count on a day here: few, so that days are full.
const MOST: usize = 4;

const DAY: u64 = 86_400;

/// A day in 2026, which is today.
const TODAY: Day = Day(20_700);

fn limits() -> Limits {
    Limits { day_events: MOST, ..Limits::default() }
}

fn index() -> Index {
    Index::new(&limits())
}

/// Two each begin alike.
fn id(n: u8) -> EventId {
    let mut bytes = [n / 2; 32];
    bytes[31] = n;
    EventId(bytes)
}

fn board(n: u8) -> BoardId {
    if n == 0 { no_board() } else { BoardId([n; 32]) }
}

/// A post on a board, so many days ago.
fn post(n: u8, place: u8, ago: u32, size: u32) -> Row {
    Row {
        id: id(n),
        author: AuthorId([n; 32]),
        board: board(place),
        thread: Some(EventId([0xee; 32])),
        kind: Kind::POST,
        time: Seconds(u64::from(TODAY.0 - ago) * DAY + u64::from(n)),
        seq: 0,
        first_seen: Seconds(u64::from(TODAY.0) * DAY),
        size,
        sage: false,
        own: false,
        sent: false,
        salt: None,
        board_name: None,
        follow: None,
        refs: Vec::new(),
        marks: Marks::default(),
    }
}

/// That an author follows somebody, or no longer.
fn follow(n: u8, author: u8, who: u8, seq: u64) -> Row {
    let fact = Some(Box::new((AuthorId([who; 32]), n.is_multiple_of(2))));
    let author = AuthorId([author; 32]);
    Row { author, kind: Kind::FOLLOW, thread: None, seq, follow: fact, ..post(n, 0, 0, 100) }
}

fn for_sake_of(class: Class, row: Row) -> Row {
    let (own, marks) = match class {
        Class::Stranger => (false, Marks::default()),
        Class::Followed => (false, Marks { followed: true, ..Marks::default() }),
        Class::Pinned => (false, Marks { pinned: true, ..Marks::default() }),
        Class::Own => (true, Marks::default()),
    };
    Row { own, marks, ..row }
}

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![3 => Just(Class::Stranger), 1 => select(Class::ALL.to_vec())]
}

/// Posts and facts of few boards, days and authors.
fn rows(count: u8, facts: bool) -> impl Strategy<Value = Vec<Row>> {
    let row = move |n: u8| {
        (1..3_u8, 0..4_u32, 1..2_000_u32, 0..3_u8, 0..2_u64, any::<bool>()).prop_map(
            move |(place, ago, size, author, seq, is_fact)| {
                if facts && is_fact { follow(n, author, place, seq) } else { post(n, place, ago, size) }
            },
        )
    };
    (0..count).map(row).collect::<Vec<_>>()
}

/// Offers an event as a node does: what is refused is not put, and what nothing keeps is removed.
fn offer(index: &mut Index, row: &Row) -> Option<Refusal> {
    let refusal = index.refuses(row);
    if refusal.is_none() {
        for gone in index.insert(row.clone()) {
            assert!(index.remove(&gone).is_some());
        }
    }
    refusal
}

fn offer_all(index: &mut Index, rows: impl IntoIterator<Item = Row>) {
    for row in rows {
        offer(index, &row);
    }
}

fn ids<'a>(rows: impl Iterator<Item = RowRef<'a>>) -> BTreeSet<EventId> {
    rows.map(RowRef::id).collect()
}

type Counted = BTreeMap<(BoardId, Day), BTreeSet<EventId>>;

/// What counts, and that the folds say so.
fn counted(index: &Index) -> Counted {
    let boards: Vec<_> = index.boards().map(|(id, board)| (*id, board)).collect();
    let mut counted = Counted::new();
    for (id, board) in boards.into_iter().chain([(no_board(), index.boardless())]) {
        for (day, fold) in board.days() {
            let events = ids(board.of_day(day));
            assert_eq!(fold, Fold::of(&events));
            assert_eq!(board.fold(day), fold);
            assert_eq!(board.floor(day), events.first().copied().filter(|_| events.len() >= MOST));
            counted.insert((id, day), events);
        }
    }
    counted
}

/// The rule itself: of each (board, day) those with the greatest ids.
fn top<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Counted {
    let mut days = Counted::new();
    for row in rows {
        days.entry((row.board, row.time.day())).or_default().insert(row.id);
    }
    for events in days.values_mut() {
        while events.len() > MOST {
            events.pop_first();
        }
    }
    days
}

/// Of facts of one author about one person the highest (seq, time, id), of all else everything.
fn winners(rows: &[Row]) -> Vec<Row> {
    let mut facts: BTreeMap<(AuthorId, Kind, AuthorId), &Row> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.kind.is_fact()) {
        let (who, _) = row.follow.as_deref().copied().expect("only follows here");
        let rank = |row: &Row| (row.seq, row.time, row.id);
        let last = facts.entry((row.author, row.kind, who)).or_insert(row);
        if rank(row) > rank(last) {
            *last = row;
        }
    }
    rows.iter().filter(|row| !row.kind.is_fact()).chain(facts.into_values()).cloned().collect()
}

#[derive(Clone, Debug)]
enum Action {
    Insert(u8, Class),
    Remove(u8),
    Keep(u8, bool, bool),
    Withhold(u8),
}

fn action(count: u8) -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..count, class()).prop_map(|(n, class)| Action::Insert(n, class)),
        2 => (0..count).prop_map(Action::Remove),
        1 => (0..count, any::<bool>(), any::<bool>()).prop_map(|(n, pinned, followed)| Action::Keep(n, pinned, followed)),
        1 => (0..count).prop_map(Action::Withhold),
    ]
}

proptest! {
    #![proptest_config(laws(256))]

    #[test]
    fn what_counts_is_the_top_of_what_is_held_whatever_was_done(
        rows in rows(24, false),
        actions in vec(action(24), 0..60),
    ) {
        let (mut index, mut held) = (index(), BTreeMap::<EventId, Row>::new());
        for action in actions {
            let mut gone = Vec::new();
            match action {
                Action::Insert(n, class) => {
                    let row = for_sake_of(class, rows[usize::from(n)].clone());
                    gone = index.insert(row.clone());
                    held.insert(row.id, row);
                }
                Action::Remove(n) => prop_assert_eq!(index.remove(&id(n)), held.remove(&id(n))),
                Action::Keep(n, pinned, followed) => {
                    gone.extend(index.keep(&id(n), pinned, followed));
                    if let Some(row) = held.get_mut(&id(n)) {
                        (row.marks.pinned, row.marks.followed) = (pinned, followed);
                    }
                }
                Action::Withhold(n) => {
                    let news = held.get_mut(&id(n)).filter(|row| !row.marks.withheld);
                    prop_assert_eq!(index.withhold(&id(n)), news.is_some());
                    news.into_iter().for_each(|row| row.marks.withheld = true);
                }
            }
            prop_assert_eq!(counted(&index), top(held.values()));
            // What nothing keeps is named, no more and no less; so nothing of the kind is ever left.
            let counts: BTreeSet<EventId> = top(held.values()).into_values().flatten().collect();
            let unkept = held.values().filter(|row| row.class() == Class::Stranger && !counts.contains(&row.id));
            prop_assert_eq!(gone.iter().copied().collect::<BTreeSet<_>>(), unkept.map(|row| row.id).collect());
            for id in gone {
                prop_assert_eq!(index.remove(&id), held.remove(&id));
            }
            for class in Class::ALL {
                let of_class: Vec<&Row> = held.values().filter(|row| row.class() == class).collect();
                let there = of_class.iter().filter(|row| !row.marks.withheld);
                let bytes: u64 = there.map(|row| u64::from(row.size)).sum();
                prop_assert_eq!((index.count(class), index.bytes(class)), (of_class.len(), bytes));
            }
            for row in held.values() {
                prop_assert_eq!(index.get(&row.id).map(RowRef::to_row), Some(row.clone()));
                prop_assert_eq!(index.get(&row.id).map(|row| row.is_counted()), Some(counts.contains(&row.id)));
            }
        }
    }

    /// Commutative, associative and idempotent: no order and no grouping of what arrives makes a difference.
    #[test]
    fn whatever_order_events_come_in_the_same_ones_count(
        (rows, shuffled) in rows(30, true).prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        classes in vec(class(), 30),
        split in 0..30_usize,
    ) {
        let (mut one, mut other, mut third) = (index(), index(), index());
        for row in &rows {
            offer(&mut one, row);
        }
        // In another order, twice, and some of it of importance to whoever holds it.
        for (row, class) in shuffled.iter().chain(&rows).zip(classes.iter().cycle()) {
            offer(&mut other, &for_sake_of(*class, row.clone()));
        }
        // From two peers that hold a part each and have counted already.
        let (left, right) = shuffled.split_at(split);
        for part in [right, left] {
            let mut peer = index();
            offer_all(&mut peer, part.iter().cloned());
            offer_all(&mut third, peer.rows().map(RowRef::to_row));
        }
        let facts = |counted: Counted| counted.into_iter().filter(|((board, _), _)| *board == no_board()).collect::<Counted>();
        let posts = |counted: Counted| counted.into_iter().filter(|((board, _), _)| *board != no_board()).collect::<Counted>();
        let expected = posts(top(&rows));
        for index in [&one, &other, &third] {
            prop_assert_eq!(posts(counted(index)), expected.clone());
        }
        // The cap may meet a fact before its successor comes, so this is a law of few of them.
        let winners = winners(&rows);
        if winners.iter().filter(|row| row.board == no_board()).count() <= MOST
            && rows.iter().filter(|row| row.board == no_board()).count() <= MOST
        {
            for index in [&one, &other, &third] {
                prop_assert_eq!(facts(counted(index)), facts(top(&winners)));
            }
        }
    }

    /// The person's own things stay as they are, whatever strangers send and whatever little they may have.
    #[test]
    fn no_flood_takes_what_is_own_pinned_or_followed(
        mine in vec((0..4_u8, 0..4_u32, select(vec![Class::Followed, Class::Pinned, Class::Own])), 1..8),
        flood in vec((0..4_u8, 0..4_u32, 1..70_000_u32), 0..60),
        bytes in option::of(0..100_000_u64),
        events in option::of(0..20_usize),
        days in option::of(0..4_u32),
    ) {
        let mut index = index();
        let mine: Vec<Row> = (0_u8..).zip(mine).map(|(n, (place, ago, class))| for_sake_of(class, post(n, place, ago, 500))).collect();
        let flood: Vec<Row> = (100_u8..).zip(flood).map(|(n, (place, ago, size))| post(n, place, ago, size)).collect();
        let retention = Retention {
            stranger_days: days, followed_days: None, stranger_bytes: bytes, stranger_events: events,
        };
        let (before, after) = flood.split_at(flood.len() / 2);
        offer_all(&mut index, before.iter().chain(&mine).chain(after).cloned());
        prune(&mut index, &retention);
        for row in &mine {
            prop_assert_eq!(index.get(&row.id).map(RowRef::to_row), Some(row.clone()));
        }
        prop_assert!(bytes.is_none_or(|bytes| index.bytes(Class::Stranger) <= bytes));
        prop_assert!(events.is_none_or(|events| index.count(Class::Stranger) <= events));
        // Nothing that went comes again.
        let went: Vec<&Row> = flood.iter().filter(|row| !index.contains(&row.id)).collect();
        for row in went {
            prop_assert!(offer(&mut index, row).is_some(), "{row:?}");
        }
        prop_assert!(index.prune(TODAY, &retention).is_empty());
    }

    #[test]
    fn peers_with_different_windows_agree_on_what_both_keep(
        rows in rows(40, false),
        days in [option::of(0..4_u32), option::of(0..4_u32)],
        events in [option::of(1..30_usize), option::of(1..30_usize)],
    ) {
        let mut peers = [index(), index()];
        for (n, index) in peers.iter_mut().enumerate() {
            offer_all(index, rows.clone());
            let (stranger_days, stranger_events) = (days[n], events[n]);
            prune(index, &Retention { stranger_days, stranger_events, ..Retention::FOREVER });
        }
        for place in 1..3 {
            let since = peers.iter().map(|index| index.since(&board(place))).max().expect("two");
            let common = |index: &Index| -> Vec<(Day, Fold)> {
                let board = index.board(&board(place));
                let days = board.map(|board| board.days().filter(|(day, _)| *day >= since).collect());
                days.unwrap_or_default()
            };
            prop_assert_eq!(common(&peers[0]), common(&peers[1]));
        }
    }
}

/// Has an index pruned until nothing is left to drop, as a node does.
fn prune(index: &mut Index, retention: &Retention) -> Vec<Pruned> {
    let mut all = Vec::new();
    loop {
        let pruned = index.prune(TODAY, retention);
        if pruned.is_empty() {
            return all;
        }
        for id in &pruned.dropped {
            assert!(index.remove(id).is_some(), "an event is dropped once");
        }
        for id in &pruned.withheld {
            assert!(index.withhold(id), "a body is dropped once");
        }
        all.push(pruned);
        assert!(all.len() < 1_000, "it does not end");
    }
}

fn held(index: &Index) -> BTreeSet<EventId> {
    ids(index.rows())
}

#[test]
fn a_window_moves_with_the_days_and_summaries_with_it() {
    let mut index = index();
    for ago in 0..4 {
        offer(&mut index, &post(ago, 1, ago.into(), 100));
    }
    let pinned = for_sake_of(Class::Pinned, post(9, 1, 3, 100));
    offer(&mut index, &pinned);
    let two_days = Retention { stranger_days: Some(2), ..Retention::FOREVER };
    let revision = index.board(&board(1)).map(|board| board.revision());
    assert_eq!(prune(&mut index, &two_days), [Pruned { dropped: vec![id(3)], withheld: vec![] }]);
    assert_eq!(held(&index), BTreeSet::from([id(0), id(1), id(2), id(9)]));
    let days: Vec<Day> = index.board(&board(1)).expect("held").days().map(|(day, _)| day).collect();
    assert_eq!(days, [Day(TODAY.0 - 2), Day(TODAY.0 - 1), TODAY], "what is pinned stands outside");
    assert!(
        index.board(&board(1)).map(|board| board.revision()) > revision,
        "whoever has cached it is to know"
    );
    assert_eq!(offer(&mut index, &post(8, 1, 3, 100)), Some(Refusal::Old));
    assert_eq!(offer(&mut index, &for_sake_of(Class::Followed, post(8, 1, 3, 100))), None);
}

#[test]
fn a_clock_that_is_ahead_drops_nothing() {
    let mut index = index();
    offer_all(&mut index, (0..4).map(|ago| post(ago, 1, ago.into(), 100)));
    let retention = Retention { stranger_days: Some(10), ..Retention::FOREVER };
    assert!(index.prune(Day(TODAY.0 + 3_650), &retention).is_empty());
    assert_eq!(index.len(), 4);
}

#[test]
fn the_oldest_day_of_the_board_that_takes_the_most_goes_first() {
    let mut index = index();
    for ago in 0..4 {
        offer(&mut index, &post(ago, 1, ago.into(), 300));
        offer(&mut index, &post(10 + ago, 2, ago.into(), 100));
    }
    let retention = Retention { stranger_bytes: Some(1_000), ..Retention::FOREVER };
    let dropped: Vec<EventId> =
        prune(&mut index, &retention).into_iter().flat_map(|pruned| pruned.dropped).collect();
    assert_eq!(dropped, [id(3), id(2)]);
    assert_eq!((index.since(&board(1)), index.since(&board(2))), (Day(TODAY.0 - 1), Day(0)));
    assert_eq!(index.windows(), [(board(1), Day(TODAY.0 - 1))]);
    // Remembered, it is as before after a restart.
    let mut later = self::index();
    index.windows().iter().for_each(|(board, day)| later.begin(board, *day));
    assert_eq!(offer(&mut later, &post(3, 1, 3, 300)), Some(Refusal::Old));
}

#[test]
fn a_flood_of_one_day_loses_its_bodies_the_largest_first_and_no_day_of_before() {
    let mut index = index();
    for ago in 1..4 {
        offer(&mut index, &post(ago, 1, ago.into(), 300));
    }
    offer(&mut index, &post(200, 1, 0, 300));
    offer_all(&mut index, (201..204).map(|n| post(n, 1, 0, 60_000)));
    let before = counted(&index);
    let retention = Retention { stranger_bytes: Some(2_000), ..Retention::FOREVER };
    let pruned = prune(&mut index, &retention);
    assert_eq!(pruned, [Pruned { dropped: vec![], withheld: vec![id(203), id(202), id(201)] }]);
    assert_eq!(index.bytes(Class::Stranger), 1_200);
    assert_eq!(counted(&index), before, "what is withheld counts on, so peers agree");
    // Brought again, by somebody who was asked for it, it is whole again.
    index.insert(post(203, 1, 0, 60_000));
    assert!(!index.get(&id(203)).expect("held").marks().withheld);
    assert_eq!(index.bytes(Class::Stranger), 61_200);
}

#[test]
fn a_day_that_is_full_takes_only_what_comes_before() {
    let mut index = index();
    offer_all(&mut index, (10..14).map(|n| post(n, 1, 0, 100)));
    assert_eq!(offer(&mut index, &post(9, 1, 0, 100)), Some(Refusal::Crowded));
    assert_eq!(
        offer(&mut index, &for_sake_of(Class::Own, post(8, 1, 0, 100))),
        None,
        "what is own is kept beside"
    );
    assert_eq!(offer(&mut index, &post(14, 1, 0, 100)), None);
    assert_eq!(held(&index), BTreeSet::from([8, 11, 12, 13, 14].map(id)));
    assert_eq!(index.keep(&id(8), false, false), None, "it is own all the same");
    let followed = for_sake_of(Class::Followed, post(7, 1, 0, 100));
    offer(&mut index, &followed);
    assert_eq!(
        index.keep(&id(7), false, false),
        Some(id(7)),
        "nothing keeps it once its author is not followed"
    );
}

#[test]
fn of_what_an_author_says_of_the_same_the_last_is_kept() {
    let mut index = index();
    assert_eq!(offer(&mut index, &follow(1, 5, 6, 2)), None);
    assert_eq!(offer(&mut index, &follow(2, 5, 6, 1)), Some(Refusal::Superseded));
    assert_eq!(offer(&mut index, &follow(3, 5, 7, 1)), None, "of somebody else");
    assert_eq!(offer(&mut index, &follow(4, 6, 6, 1)), None, "by somebody else");
    assert_eq!(offer(&mut index, &for_sake_of(Class::Own, follow(6, 5, 6, 3))), None);
    assert_eq!(held(&index), BTreeSet::from([id(3), id(4), id(6)]));
    assert_eq!(offer(&mut index, &follow(1, 5, 6, 2)), Some(Refusal::Superseded), "also what was held once");
    // The last one gone, there is room for another.
    assert!(index.remove(&id(6)).is_some());
    assert_eq!(offer(&mut index, &follow(1, 5, 6, 2)), None);
}

#[test]
fn a_call_names_no_more_than_one_transaction_of_a_storage_takes() {
    let mut index = Index::default();
    for n in 0..3_000_u32 {
        let mut row = post(0, 1, 3, 100);
        row.id.0[..4].copy_from_slice(&n.to_be_bytes());
        offer(&mut index, &row);
    }
    offer(&mut index, &post(1, 1, 0, 100));
    let retention = Retention { stranger_days: Some(1), ..Retention::FOREVER };
    let sizes: Vec<usize> = prune(&mut index, &retention).iter().map(|pruned| pruned.dropped.len()).collect();
    assert_eq!(sizes, [1_024, 1_024, 952]);
    assert_eq!(held(&index), BTreeSet::from([id(1)]));
}

/// A stranger decides how many boards there are.
#[test]
fn windows_of_so_many_boards_are_remembered_and_the_latest_always() {
    let mut index = index();
    let board = |n: u16| {
        let mut bytes = [9; 32];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        BoardId(bytes)
    };
    (0..5_000).for_each(|n| index.begin(&board(n), Day(10_000 - u32::from(n))));
    assert_eq!(index.windows().len(), 4_096);
    assert_eq!(index.since(&board(4_999)), Day(5_001), "though it begins before all others");
    assert_eq!(index.since(&board(0)), Day(10_000));
    assert_eq!(index.since(&board(4_500)), Day(0), "the one that began earliest made room");
}
