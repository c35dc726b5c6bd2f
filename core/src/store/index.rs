//! Rows in memory, with one order for each question that is asked of them.
//!
//! All collections are ordered, so that whatever is derived from them is the same on every target.

use std::collections::{BTreeMap, BTreeSet};

use super::row::{Rel, Row};
use crate::base::{AuthorId, BoardId, BoardName, BoxMap, EventId, Seconds, ThreadId, set_of};
use crate::crypto::no_board;
use crate::event::Kind;

/// Every event held, by what is asked.
#[derive(Clone, Debug, Default)]
pub struct Index {
    rows: BoxMap<EventId, Row>,
    boards: BoxMap<BoardId, BoardIndex>,
    threads: BTreeMap<ThreadId, BTreeSet<(Seconds, EventId)>>,
    authors: BTreeMap<AuthorId, BTreeSet<(Seconds, EventId)>>,
    boardless: BTreeSet<(Seconds, EventId)>,
    boardless_revision: u64,
    /// (target, role, event): one set, because a stranger decides how many targets there are.
    referrers: BTreeSet<(EventId, Rel, EventId)>,
    unsent: BTreeSet<EventId>,
    revision: u64,
}

/// The events of one board.
#[derive(Clone, Debug, Default)]
pub struct BoardIndex {
    name: Option<BoardName>,
    events: BTreeSet<(Seconds, EventId)>,
    threads: BTreeMap<ThreadId, BTreeSet<(Seconds, EventId)>>,
    posts: u32,
    last: Option<Seconds>,
    revision: u64,
}

impl BoardIndex {
    /// Its name, once an opening post announced it.
    #[must_use]
    pub fn name(&self) -> Option<&BoardName> {
        self.name.as_ref()
    }

    /// All its events by claimed time.
    #[must_use]
    pub fn events(&self) -> &BTreeSet<(Seconds, EventId)> {
        &self.events
    }

    /// Its threads with all their events (posts, edits, tombstones) by claimed time. A thread whose opening post is
    /// not held is here too.
    #[must_use]
    pub fn threads(&self) -> &BTreeMap<ThreadId, BTreeSet<(Seconds, EventId)>> {
        &self.threads
    }

    /// Posts held, opening posts included.
    #[must_use]
    pub fn posts(&self) -> u32 {
        self.posts
    }

    /// When the latest post was written, never later than it was first seen.
    #[must_use]
    pub fn last(&self) -> Option<Seconds> {
        self.last
    }

    /// Grows with every change of the board's set of events.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When the latest post was written, found from the latest claimed time backwards.
    fn latest(&self, rows: &BoxMap<EventId, Row>) -> Option<Seconds> {
        let mut latest = None;
        for (time, id) in self.events.iter().rev() {
            if latest >= Some(*time) {
                break;
            }
            let post = rows.get(id).filter(|row| row.kind.is_post());
            latest = latest.max(post.map(written));
        }
        latest
    }
}

impl Index {
    /// The row of an event.
    #[must_use]
    pub fn get(&self, id: &EventId) -> Option<&Row> {
        self.rows.get(id)
    }

    /// Whether an event is held.
    #[must_use]
    pub fn contains(&self, id: &EventId) -> bool {
        self.rows.contains_key(id)
    }

    /// Events held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows by id.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// A board, if any of its events is held.
    #[must_use]
    pub fn board(&self, board: &BoardId) -> Option<&BoardIndex> {
        self.boards.get(board)
    }

    /// All boards of which an event is held.
    pub fn boards(&self) -> impl Iterator<Item = (&BoardId, &BoardIndex)> {
        self.boards.iter()
    }

    /// An author's events that belong to no board, by claimed time.
    pub fn of_author(&self, author: &AuthorId) -> impl Iterator<Item = &(Seconds, EventId)> {
        self.authors.get(author).into_iter().flatten()
    }

    /// Whom an author follows: of what was said of each, the highest (seq, time, id) counts.
    #[must_use]
    pub fn follows(&self, author: &AuthorId) -> BTreeSet<AuthorId> {
        let rows = self.of_author(author).filter_map(|(_, id)| self.rows.get(id));
        let mut said: BTreeMap<AuthorId, (u64, Seconds, EventId, bool)> = BTreeMap::new();
        for row in rows {
            let Some((who, ended)) = row.follow.as_deref().copied() else { continue };
            let fact = (row.seq, row.time, row.id, ended);
            said.entry(who).and_modify(|last| *last = fact.max(*last)).or_insert(fact);
        }
        set_of(said.into_iter().filter(|(_, (.., ended))| !ended).map(|(who, _)| who))
    }

    /// All events that belong to no board, by claimed time, with a number that grows with every change of them.
    #[must_use]
    pub fn boardless(&self) -> (u64, &BTreeSet<(Seconds, EventId)>) {
        (self.boardless_revision, &self.boardless)
    }

    /// The events of a thread by claimed time.
    pub fn of_thread(
        &self,
        board: &BoardId,
        thread: &ThreadId,
    ) -> impl DoubleEndedIterator<Item = &(Seconds, EventId)> {
        self.boards.get(board).and_then(|board| board.threads.get(thread)).into_iter().flatten()
    }

    /// The events of a thread on whatever board they claim to be, by claimed time.
    pub fn of_thread_anywhere(&self, thread: &ThreadId) -> impl Iterator<Item = &(Seconds, EventId)> {
        self.threads.get(thread).into_iter().flatten()
    }

    /// The held events that refer to `target` in the role `rel`, which is not [`Rel::Other`]: nobody asks for those.
    pub fn referrers(&self, target: &EventId, rel: Rel) -> impl Iterator<Item = &Row> {
        let range = (*target, rel, EventId([0; 32]))..=(*target, rel, EventId([0xff; 32]));
        self.referrers.range(range).filter_map(|(_, _, id)| self.rows.get(id))
    }

    /// The post of a thread whose id begins with `prefix` (lower-case hexadecimal); `None` when there is none or
    /// more than one.
    #[must_use]
    pub fn resolve_quote(&self, board: &BoardId, thread: &ThreadId, prefix: &str) -> Option<EventId> {
        let posts = self.of_thread(board, thread).filter(|(_, id)| {
            self.rows.get(id).is_some_and(|row| row.kind.is_post()) && id.to_string().starts_with(prefix)
        });
        let mut found = posts.map(|(_, id)| *id);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// Events written here that no other peer has acknowledged.
    pub fn unsent(&self) -> impl Iterator<Item = &Row> {
        self.unsent.iter().filter_map(|id| self.rows.get(id))
    }

    /// Grows with every change of the set of events.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Puts a row, replacing the one of the same id.
    pub fn insert(&mut self, row: Row) {
        if row.own && !row.sent {
            self.unsent.insert(row.id);
        } else {
            self.unsent.remove(&row.id);
        }
        if let Some(held) = self.rows.get_mut(&row.id) {
            *held = row;
            return;
        }
        self.revision += 1;
        let key = (row.time, row.id);
        self.referrers.extend(referring(&row));
        if row.board == no_board() {
            self.authors.entry(row.author).or_default().insert(key);
            self.boardless.insert(key);
            self.boardless_revision = self.revision;
        } else {
            let board = self.boards.get_or_insert_with(row.board, Default::default);
            board.revision = self.revision;
            board.events.insert(key);
            if let Some(thread) = row.home() {
                board.threads.entry(thread).or_default().insert(key);
                self.threads.entry(thread).or_default().insert(key);
            }
            if row.kind.is_post() {
                board.posts += 1;
                board.last = board.last.max(Some(written(&row)));
            }
            if row.board_name.is_some() && board.name.is_none() {
                board.name.clone_from(&row.board_name);
            }
        }
        self.rows.insert(row.id, row);
    }

    /// Forgets an event: for one that could not be stored.
    pub fn remove(&mut self, id: &EventId) -> Option<Row> {
        let row = self.rows.remove(id)?;
        self.unsent.remove(id);
        self.revision += 1;
        let key = (row.time, row.id);
        for reference in referring(&row) {
            self.referrers.remove(&reference);
        }
        if row.board == no_board() {
            remove_from(&mut self.authors, &row.author, &key);
            self.boardless.remove(&key);
            self.boardless_revision = self.revision;
        } else if let Some(board) = self.boards.get_mut(&row.board) {
            board.revision = self.revision;
            board.events.remove(&key);
            if let Some(thread) = row.home() {
                remove_from(&mut board.threads, &thread, &key);
                remove_from(&mut self.threads, &thread, &key);
            }
            if row.kind.is_post() {
                board.posts -= 1;
                if board.last == Some(written(&row)) {
                    board.last = board.latest(&self.rows);
                }
            }
            if row.board_name.is_some() {
                let mut here = board.events.iter().filter_map(|(_, id)| self.rows.get(id));
                board.name = here.find_map(|row| row.board_name.clone());
            }
            if board.events.is_empty() {
                self.boards.remove(&row.board);
            }
        }
        Some(row)
    }

    /// Marks an own event as acknowledged elsewhere; the row if that is news.
    pub fn mark_sent(&mut self, id: &EventId) -> Option<&Row> {
        let row = self.rows.get_mut(id)?;
        if !row.own || row.sent {
            return None;
        }
        row.sent = true;
        self.unsent.remove(id);
        Some(row)
    }

    /// The event that wins for `target` among those that refer to it as `rel`, are of `kind` and by its author:
    /// highest (seq, time, id).
    #[must_use]
    pub fn winner(&self, target: &Row, rel: Rel, kind: Kind) -> Option<&Row> {
        self.referrers(&target.id, rel)
            .filter(|row| row.kind == kind && row.author == target.author && row.board == target.board)
            .max_by_key(|row| (row.seq, row.time, row.id))
    }
}

/// When a post was written, never later than it was first seen.
fn written(row: &Row) -> Seconds {
    row.time.min(row.first_seen)
}

/// What an event adds to the table of referrers.
fn referring(row: &Row) -> impl Iterator<Item = (EventId, Rel, EventId)> {
    let asked_for = row.refs.iter().filter(|(rel, _)| *rel != Rel::Other);
    asked_for.map(|(rel, target)| (*target, *rel, row.id))
}

fn remove_from<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
