//! Which held events a scope contains.

use crate::base::{EventId, Seconds};
use crate::crypto::no_board;
use crate::store::Index;
use crate::wire::Scope;

/// The events of `scope`, ordered by (time, id), with a number that changes whenever they do.
///
/// A thread's scope gathers its events on whatever board they claim to be; the board that stands for none has all
/// events that belong to none.
#[must_use]
pub fn events_in(index: &Index, scope: Scope) -> (u64, Vec<(Seconds, EventId)>) {
    match scope {
        Scope::Board(board) if board == no_board() => {
            let (revision, events) = index.boardless();
            (revision, events.iter().copied().collect())
        }
        Scope::Board(board) => match index.board(&board) {
            Some(board) => (board.revision(), board.events().iter().copied().collect()),
            None => (0, Vec::new()),
        },
        Scope::Thread(thread) => (index.revision(), index.of_thread_anywhere(&thread).copied().collect()),
        Scope::Author(author) => (index.revision(), index.of_author(&author).copied().collect()),
    }
}

/// How many events [`events_in`] would give, without gathering them.
#[must_use]
pub fn size_of(index: &Index, scope: Scope) -> usize {
    match scope {
        Scope::Board(board) if board == no_board() => index.boardless().1.len(),
        Scope::Board(board) => index.board(&board).map_or(0, |board| board.events().len()),
        Scope::Thread(thread) => index.of_thread_anywhere(&thread).count(),
        Scope::Author(author) => index.of_author(&author).count(),
    }
}

/// The number [`events_in`] would give, without gathering the events.
pub(super) fn revision(index: &Index, scope: Scope) -> u64 {
    match scope {
        Scope::Board(board) if board == no_board() => index.boardless().0,
        Scope::Board(board) => index.board(&board).map_or(0, |board| board.revision()),
        Scope::Thread(_) | Scope::Author(_) => index.revision(),
    }
}
