//! Addresses inside the page, as `docs/interfaces.md` has them.

use chanterelle_core::base::{BoardName, EventId, ThreadId};

/// The path of a board.
pub(crate) fn board_path(board: &BoardName) -> String {
    format!("/b/{board}")
}

/// The path of a thread.
pub(crate) fn thread_path(board: &BoardName, thread: &ThreadId) -> String {
    format!("{}/t/{thread}", board_path(board))
}

/// The path of a post, in its thread.
pub(crate) fn post_path(board: &BoardName, thread: &ThreadId, post: &EventId) -> String {
    format!("{}#{post}", thread_path(board, thread))
}
