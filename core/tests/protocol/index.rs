//! The index against a deliberately naive twin: a plain set of rows that is searched anew for every question.

use std::collections::{BTreeMap, BTreeSet};

use chanterelle_core::base::{AuthorId, BoardId, BoardName, Day, EventId, Seconds};
use chanterelle_core::crypto::no_board;
use chanterelle_core::event::Kind;
use chanterelle_core::store::{BoardRef, Fold, Index, Marks, Rel, Row, RowRef};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::laws;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The roles that are asked for.
const ROLES: [Rel; 4] = [Rel::Answers, Rel::Quotes, Rel::Edits, Rel::Deletes];

/// Events in play: few, so that they meet.
const EVENTS: u8 = 12;

const AUTHORS: u8 = 3;

/// Three each begin alike, as those do that somebody looked for.
fn id(n: u8) -> EventId {
    let mut bytes = [n / 3; 32];
    bytes[31] = n;
    EventId(bytes)
}

fn board(n: u8) -> BoardId {
    if n == 0 { no_board() } else { BoardId([n; 32]) }
}

/// The row of the event called `n`: what it is never changes.
fn row(n: u8) -> impl Strategy<Value = Row> {
    let refs = vec((select([ROLES.as_slice(), &[Rel::Other]].concat()), 0..EVENTS), 0..4);
    let place = (0..AUTHORS, 0..3_u8, 1..8_u16, any::<bool>());
    // Beyond 32 bits, too.
    let far = u64::from(u32::MAX);
    let time = prop_oneof![4 => 0..5_u64, 2 => (1..4_u64).prop_map(|day| day * 86_400), 1 => far - 1..far + 3, 1 => Just(u64::MAX)];
    let follow = option::of((0..AUTHORS, any::<bool>()));
    let rest = (select(vec![0, 0, 1, 2, u64::MAX]), option::of(any::<[u8; 16]>()), follow);
    (place, option::of(0..EVENTS), time, 0..5_u64, any::<bool>(), refs, rest).prop_map(
        move |((author, place, kind, named), thread, time, seen, sage, refs, (seq, salt, follow))| Row {
            id: id(n),
            author: AuthorId([author; 32]),
            board: board(place),
            thread: thread.map(id).filter(|_| kind != Kind::THREAD.0),
            kind: Kind(kind),
            time: Seconds(time),
            seq,
            first_seen: Seconds(seen),
            size: 100,
            sage,
            own: false,
            sent: false,
            salt,
            board_name: BoardName::new(&format!("b{place}")).ok().filter(|_| named && kind == Kind::THREAD.0),
            follow: follow.map(|(who, ended)| Box::new((AuthorId([who; 32]), ended))),
            refs: refs.into_iter().map(|(rel, target)| (rel, id(target))).collect(),
            marks: Marks::default(),
        },
    )
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    (0..EVENTS).map(row).collect::<Vec<_>>()
}

#[derive(Clone, Debug)]
enum Action {
    Insert { event: u8, own: bool, sent: bool },
    Remove(u8),
    MarkSent(u8),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => (0..EVENTS, any::<bool>(), any::<bool>()).prop_map(|(event, own, sent)| Action::Insert { event, own, sent }),
        1 => (0..EVENTS).prop_map(Action::Remove),
        1 => (0..EVENTS).prop_map(Action::MarkSent),
    ]
}

type Stamps = BTreeSet<(Seconds, EventId)>;

/// Every answer an index can give.
#[derive(Debug, PartialEq)]
struct Answers {
    rows: Vec<Row>,
    boards: BTreeMap<BoardId, BoardAnswers>,
    authors: BTreeMap<AuthorId, Stamps>,
    follows: Vec<BTreeSet<AuthorId>>,
    boardless: Stamps,
    boardless_days: Vec<Bucket>,
    threads: BTreeMap<EventId, Stamps>,
    referrers: BTreeMap<(EventId, Rel), Vec<EventId>>,
    unsent: Vec<EventId>,
}

#[derive(Debug, PartialEq)]
struct BoardAnswers {
    name: Option<BoardName>,
    events: Stamps,
    threads: BTreeMap<EventId, Stamps>,
    days: Vec<Bucket>,
    posts: u32,
    last: Option<Seconds>,
}

/// A day with its fold and its events.
type Bucket = (Day, Fold, Stamps);

fn days(board: BoardRef<'_>) -> Vec<Bucket> {
    let days = board.days().map(|(day, fold)| (day, fold, stamps(board.of_day(day))));
    let days: Vec<Bucket> = days.collect();
    assert!(days.iter().all(|(day, fold, _)| *fold == board.fold(*day)));
    assert_eq!((board.fold(Day(77)), board.of_day(Day(77)).count()), (Fold::default(), 0), "no such day");
    days
}

fn stamp(row: RowRef<'_>) -> (Seconds, EventId) {
    (row.time(), row.id())
}

/// In whatever order.
fn all<'a>(rows: impl Iterator<Item = RowRef<'a>>) -> Stamps {
    rows.map(stamp).collect()
}

/// By claimed time, each once.
fn stamps<'a>(rows: impl Iterator<Item = RowRef<'a>>) -> Stamps {
    let stamps: Vec<_> = rows.map(stamp).collect();
    assert!(stamps.is_sorted_by(|one, next| one < next), "{stamps:?}");
    stamps.into_iter().collect()
}

fn answers(index: &Index) -> Answers {
    let boards = index.boards().map(|(id, board)| {
        let answers = BoardAnswers {
            name: board.name().cloned(),
            events: board.events().map(stamp).collect(),
            threads: board.threads().map(|thread| (thread, stamps(index.of_thread(id, &thread)))).collect(),
            days: days(board),
            posts: board.posts(),
            last: board.last(),
        };
        (*id, answers)
    });
    let threads = (0..EVENTS).map(|n| (id(n), all(index.of_thread_anywhere(&id(n)))));
    let pairs = (0..EVENTS).flat_map(|n| ROLES.map(|rel| (id(n), rel)));
    let referrers =
        pairs.map(|(id, rel)| ((id, rel), index.referrers(&id, rel).map(RowRef::id).collect::<Vec<_>>()));
    Answers {
        rows: index.rows().map(RowRef::to_row).collect(),
        boards: boards.collect(),
        authors: (0..AUTHORS)
            .map(|n| (AuthorId([n; 32]), stamps(index.of_author(&AuthorId([n; 32])))))
            .filter(|(_, stamps)| !stamps.is_empty())
            .collect(),
        follows: (0..AUTHORS).map(|n| index.follows(&AuthorId([n; 32]))).collect(),
        boardless: stamps(index.boardless().events()),
        boardless_days: days(index.boardless()),
        threads: threads.filter(|(_, stamps)| !stamps.is_empty()).collect(),
        referrers: referrers.filter(|(_, ids)| !ids.is_empty()).collect(),
        unsent: index.unsent().map(RowRef::id).collect(),
    }
}

fn naive(held: &BTreeMap<EventId, Row>) -> Answers {
    let rows: Vec<&Row> = held.values().collect();
    let stamps = |chosen: &dyn Fn(&Row) -> bool| -> Stamps {
        rows.iter().filter(|row| chosen(row)).map(|row| (row.time, row.id)).collect()
    };
    let days_of = |chosen: &dyn Fn(&Row) -> bool| -> Vec<Bucket> {
        let days: BTreeSet<Day> = rows.iter().filter(|row| chosen(row)).map(|row| row.time.day()).collect();
        let bucket = |day: Day| {
            let of_day: Vec<&&Row> = rows.iter().filter(|row| chosen(row) && row.time.day() == day).collect();
            let fold = Fold::of(of_day.iter().map(|row| &row.id));
            (day, fold, of_day.iter().map(|row| (row.time, row.id)).collect())
        };
        days.into_iter().map(bucket).collect()
    };
    let home = |row: &Row| if row.kind == Kind::THREAD { Some(row.id) } else { row.thread };
    let on_boards = |row: &Row| row.board != no_board();
    let threads_of = |chosen: &dyn Fn(&Row) -> bool| -> BTreeMap<EventId, Stamps> {
        (0..EVENTS)
            .map(|n| (id(n), stamps(&|row| chosen(row) && home(row) == Some(id(n)))))
            .filter(|(_, stamps)| !stamps.is_empty())
            .collect()
    };
    let boards: BTreeSet<BoardId> = rows.iter().filter(|row| on_boards(row)).map(|row| row.board).collect();
    let boards = boards.into_iter().map(|board| {
        let here: Vec<&&Row> = rows.iter().filter(|row| row.board == board).collect();
        let posts: Vec<&&&Row> = here.iter().filter(|row| [1, 2].contains(&row.kind.0)).collect();
        let answers = BoardAnswers {
            name: here.iter().find_map(|row| row.board_name.clone()),
            events: stamps(&|row| row.board == board),
            threads: threads_of(&|row| row.board == board),
            days: days_of(&|row| row.board == board),
            posts: posts.len().try_into().expect("few"),
            last: posts.iter().map(|row| row.time.min(row.first_seen)).max(),
        };
        (board, answers)
    });
    let authors: BTreeSet<AuthorId> =
        rows.iter().filter(|row| !on_boards(row)).map(|row| row.author).collect();
    let follows = (0..AUTHORS).map(|n| {
        let of_author = rows.iter().filter(|row| !on_boards(row) && row.author == AuthorId([n; 32]));
        let mut facts: Vec<&&Row> = of_author.filter(|row| row.follow.is_some()).collect();
        facts.sort_by_key(|row| (row.seq, row.time, row.id));
        let last: BTreeMap<AuthorId, bool> =
            facts.iter().filter_map(|row| row.follow.as_deref().copied()).collect();
        last.into_iter().filter(|(_, ended)| !ended).map(|(who, _)| who).collect()
    });
    let pairs = (0..EVENTS).flat_map(|n| ROLES.map(|rel| (id(n), rel)));
    let referrers = pairs.map(|pair| {
        let (target, rel) = pair;
        let refer = rows.iter().filter(|row| row.refs.contains(&(rel, target))).map(|row| row.id);
        (pair, refer.collect::<Vec<_>>())
    });
    Answers {
        boards: boards.collect(),
        authors: authors
            .into_iter()
            .map(|author| (author, stamps(&|row| !on_boards(row) && row.author == author)))
            .collect(),
        follows: follows.collect(),
        boardless: stamps(&|row| !on_boards(row)),
        boardless_days: days_of(&|row| !on_boards(row)),
        threads: threads_of(&on_boards),
        referrers: referrers.filter(|(_, ids)| !ids.is_empty()).collect(),
        unsent: rows.iter().filter(|row| row.own && !row.sent).map(|row| row.id).collect(),
        rows: rows.into_iter().cloned().collect(),
    }
}

proptest! {
    #![proptest_config(laws(256))]

    #[test]
    fn the_index_answers_as_its_naive_twin(rows in rows(), actions in vec(action(), 0..40)) {
        let (mut index, mut held) = (Index::default(), BTreeMap::new());
        for action in actions {
            let before = (index.revision(), held.clone());
            match action {
                Action::Insert { event, own, sent } => {
                    let row = Row { own, sent, ..rows[usize::from(event)].clone() };
                    drop(index.insert(row.clone()));
                    held.insert(row.id, row);
                }
                Action::Remove(event) => prop_assert_eq!(index.remove(&id(event)), held.remove(&id(event))),
                Action::MarkSent(event) => {
                    let news = held.get_mut(&id(event)).filter(|row| row.own && !row.sent);
                    prop_assert_eq!(index.mark_sent(&id(event)), news.is_some());
                    news.into_iter().for_each(|row| row.sent = true);
                }
            }
            prop_assert_eq!(answers(&index), naive(&held));
            prop_assert_eq!((index.len(), index.is_empty()), (held.len(), held.is_empty()));
            for n in 0..EVENTS {
                prop_assert_eq!(index.get(&id(n)).map(RowRef::to_row), held.get(&id(n)).cloned());
                prop_assert_eq!(index.contains(&id(n)), held.contains_key(&id(n)));
            }
            let set_changed = !before.1.keys().eq(held.keys());
            prop_assert_eq!(index.revision() > before.0, set_changed, "the revision tells of the set");
        }
    }

    /// A scope is reconciled on a cached vector until its revision changes, so it must.
    #[test]
    fn a_boards_revision_tells_of_its_events(rows in rows(), actions in vec(action(), 0..40)) {
        let mut index = Index::default();
        let state = |index: &Index, n: u8| {
            let board = index.board(&board(n));
            (board.map(|board| board.revision()), board.map(|board| stamps(board.events())))
        };
        let mut seen: [Vec<(u64, Stamps)>; 2] = Default::default();
        for action in actions {
            match action {
                Action::Insert { event, .. } => drop(index.insert(rows[usize::from(event)].clone())),
                Action::Remove(event) | Action::MarkSent(event) => drop(index.remove(&id(event))),
            }
            for n in [1, 2] {
                if let (Some(revision), Some(events)) = state(&index, n) {
                    let seen = &mut seen[usize::from(n) - 1];
                    prop_assert!(seen.iter().all(|(old, set)| *old != revision || *set == events));
                    seen.push((revision, events));
                }
            }
        }
    }
}

/// Posts whose ids begin alike, which hashes of honest posts do not live to see.
#[test]
fn a_quote_means_one_post_of_the_thread_or_none() {
    let here = board(1);
    let thread = EventId([1; 32]);
    let named = |last: u8| {
        let mut bytes = [0xab; 32];
        bytes[31] = last;
        EventId(bytes)
    };
    let mut index = Index::default();
    let mut put = |id: EventId, kind: Kind, place: BoardId, thread: Option<EventId>| {
        index.insert(Row {
            id,
            author: AuthorId([0; 32]),
            board: place,
            thread,
            kind,
            time: Seconds(1),
            seq: 0,
            first_seen: Seconds(1),
            size: 1,
            sage: false,
            own: false,
            sent: false,
            salt: None,
            board_name: None,
            follow: None,
            refs: Vec::new(),
            marks: Marks::default(),
        });
        index.clone()
    };
    let index = put(thread, Kind::THREAD, here, None);
    let resolve = |index: &Index| index.resolve_quote(&here, &thread, "abababab");
    assert_eq!(index.resolve_quote(&here, &thread, "01010101"), Some(thread), "the opening post itself");
    assert_eq!(resolve(&index), None, "no such post");
    assert_eq!(resolve(&put(named(1), Kind::POST, here, Some(EventId([2; 32])))), None, "in another thread");
    assert_eq!(resolve(&put(named(2), Kind::POST, board(2), Some(thread))), None, "on another board");
    assert_eq!(resolve(&put(named(3), Kind::EDIT, here, Some(thread))), None, "no post");
    assert_eq!(resolve(&put(named(4), Kind::POST, here, Some(thread))), Some(named(4)), "this one");
    let index = put(named(5), Kind::POST, here, Some(thread));
    assert_eq!(resolve(&index), None, "one of two");
    let whole = named(5).to_string();
    assert_eq!(index.resolve_quote(&here, &thread, &whole), Some(named(5)), "the whole id tells them apart");
}
