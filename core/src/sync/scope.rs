//! Which held events a scope contains.

use crate::base::{EventId, Seconds};
use crate::crypto::no_board;
use crate::store::{BoardRef, Index, RowRef};
use crate::wire::Scope;

/// The events of `scope`, ordered by (time, id), with a number that changes whenever they do.
///
/// A thread's scope gathers its events on whatever board they claim to be; the board that stands for none has all
/// events that belong to none.
#[must_use]
pub fn events_in(index: &Index, scope: Scope) -> (u64, Vec<(Seconds, EventId)>) {
    match scope {
        Scope::Board(board) if board == no_board() => {
            (index.boardless().revision(), index.boardless().events().map(stamp).collect())
        }
        Scope::Board(board) => match index.board(&board) {
            Some(board) => (board.revision(), board.events().map(stamp).collect()),
            None => (0, Vec::new()),
        },
        Scope::Thread(thread) => {
            let mut events: Vec<_> = index.of_thread_anywhere(&thread).map(stamp).collect();
            events.sort_unstable();
            (index.revision(), events)
        }
        Scope::Author(author) => (index.revision(), index.of_author(&author).map(stamp).collect()),
    }
}

fn stamp(row: RowRef<'_>) -> (Seconds, EventId) {
    (row.time(), row.id())
}

/// How many events [`events_in`] would give, without gathering them.
#[must_use]
pub fn size_of(index: &Index, scope: Scope) -> usize {
    match scope {
        Scope::Board(board) if board == no_board() => index.boardless().len(),
        Scope::Board(board) => index.board(&board).map_or(0, BoardRef::len),
        Scope::Thread(thread) => index.of_thread_anywhere(&thread).count(),
        Scope::Author(author) => index.of_author(&author).count(),
    }
}

/// The number [`events_in`] would give, without gathering the events.
pub(super) fn revision(index: &Index, scope: Scope) -> u64 {
    match scope {
        Scope::Board(board) if board == no_board() => index.boardless().revision(),
        Scope::Board(board) => index.board(&board).map_or(0, BoardRef::revision),
        Scope::Thread(_) | Scope::Author(_) => index.revision(),
    }
}
