//! Threads in a catalog and the order in which replies bump them.
//!
//! A claimed time never bumps a thread past the moment the reply was first seen here.

use super::thread::{Fate, media};
use super::{Source, ThreadCard};
use crate::base::{BoardId, Seconds, ThreadId};
use crate::event::Kind;
use crate::store::{Index, RowRef};

/// What replies have done to a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bump {
    /// Replies held.
    pub replies: u32,
    /// What the thread is sorted by.
    pub bumped: Seconds,
    /// Whether replies no longer bump it.
    pub limit_reached: bool,
}

/// Folds a thread's replies in the order of (time, id): each of the first `limit` bumps unless it is a sage.
#[must_use]
pub fn bump(index: &Index, board: &BoardId, thread: &ThreadId, limit: usize) -> Bump {
    let mut replies = 0_usize;
    let mut bumped = index.get(thread).map(RowRef::written).unwrap_or_default();
    for row in index.of_thread(board, thread).filter(|row| row.kind() == Kind::POST) {
        replies += 1;
        if replies <= limit && !row.sage() {
            bumped = bumped.max(row.written());
        }
    }
    Bump { replies: u32::try_from(replies).unwrap_or(u32::MAX), bumped, limit_reached: replies >= limit }
}

/// A thread as its catalog shows it; `None` when its opening post is not held on that board.
#[must_use]
pub fn thread_card(
    source: Source<'_>,
    board: &BoardId,
    thread: &ThreadId,
    bump: &Bump,
    excerpt: usize,
) -> Option<ThreadCard> {
    let Source { index, texts, state, .. } = source;
    let post = index.get(thread).filter(|row| row.kind() == Kind::THREAD && row.board() == *board)?;
    let fate = Fate::of(index, post);
    let text = fate.text(post).and_then(|id| texts.get(&id)).cloned().unwrap_or_default();
    let (files, mut renditions) = media(source, post, &fate);
    let file = files.first().cloned();
    renditions.retain(|rendition| file.as_ref().is_some_and(|file| file.blob.id == rendition.made.source));
    Some(ThreadCard {
        id: post.id(),
        author: post.author(),
        subject: text.subject,
        excerpt: text.comment.chars().take(excerpt).collect(),
        deleted: fate.tombstone.is_some(),
        replies: bump.replies,
        time: post.time(),
        bumped: bump.bumped,
        bump_limit: bump.limit_reached,
        own: post.own(),
        state: fate.state(post, state),
        file,
        renditions,
        files: u8::try_from(files.len()).unwrap_or(u8::MAX),
    })
}
