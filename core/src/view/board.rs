//! Boards in the list of boards.

use super::BoardCard;
use crate::base::{BoardId, BoardName, ThreadId};
use crate::event::Kind;
use crate::store::{BoardRef, Index};

/// A board as it is listed. `known` is the name it is known by beside its events; `None` when nobody has named it.
#[must_use]
pub fn board_card(
    index: &Index,
    board: &BoardId,
    known: Option<&BoardName>,
    subscribed: bool,
) -> Option<BoardCard> {
    let held = index.board(board);
    let name = held.and_then(BoardRef::name).or(known)?;
    // A post may claim to answer a thread of another board.
    let opens =
        |id: &ThreadId| index.get(id).is_some_and(|row| row.kind() == Kind::THREAD && row.board() == *board);
    let threads = held.map_or(0, |held| held.threads().filter(opens).count());
    Some(BoardCard {
        id: *board,
        name: name.clone(),
        threads: u32::try_from(threads).unwrap_or(u32::MAX),
        posts: held.map_or(0, BoardRef::posts),
        last: held.and_then(BoardRef::last),
        subscribed,
    })
}
