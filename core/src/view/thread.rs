//! Posts of a thread: the winning text, withdrawals, quotes and backlinks.
//!
//! An edit or tombstone counts only when it is by the key that signed its target. Until device keys and rotation are
//! resolved to identities here, key and identity are the same.

use std::collections::BTreeMap;

use super::{Bump, PostState, PostView, QuoteTarget, ThreadHead};
use crate::base::{BoardId, EventId, ThreadId};
use crate::event::{Body, Event, Kind};
use crate::store::{Index, Rel, Row};

/// What an event says, as far as a view shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Its comment.
    pub comment: String,
    /// Its title.
    pub subject: Option<String>,
}

/// Texts at hand, by event.
pub type Texts = BTreeMap<EventId, Text>;

/// The text of an event.
#[must_use]
pub fn text_of(event: &Event) -> Text {
    match event.body() {
        Body::Thread(body) => Text { comment: body.comment.clone(), subject: body.subject.clone() },
        Body::Post(body) => Text { comment: body.comment.clone(), subject: None },
        Body::Edit(body) => Text { comment: body.comment.clone(), subject: body.subject.clone() },
        Body::Delete(_) | Body::Profile(_) | Body::Follow(_) | Body::Unknown(_) => Text::default(),
    }
}

/// What has become of a post since it was written.
pub(crate) struct Fate<'a> {
    /// The winning edit.
    pub edit: Option<&'a Row>,
    /// The winning tombstone.
    pub tombstone: Option<&'a Row>,
}

impl<'a> Fate<'a> {
    pub(crate) fn of(index: &'a Index, post: &Row) -> Fate<'a> {
        Fate {
            edit: index.winner(post, Rel::Edits, Kind::EDIT),
            tombstone: index.winner(post, Rel::Deletes, Kind::DELETE),
        }
    }

    /// The event whose text is shown; `None` when nothing is.
    pub(crate) fn text(&self, post: &Row) -> Option<EventId> {
        if self.tombstone.is_some() { None } else { Some(self.edit.map_or(post.id, |edit| edit.id)) }
    }

    /// How far the post has come, with what was last done to it.
    pub(crate) fn state(&self, post: &Row, state: &dyn Fn(&Row) -> PostState) -> PostState {
        let latest = self.tombstone.or(self.edit);
        latest.map_or(state(post), |row| state(row).min(state(post)))
    }
}

/// The event whose text must be at hand to show `id`; `None` when it is not a post or shows none.
pub(crate) fn text_needed(index: &Index, id: &EventId) -> Option<EventId> {
    let post = index.get(id).filter(|row| row.kind.is_post())?;
    Fate::of(index, post).text(post)
}

/// A post as it is shown; `None` when it is not held or is no post.
#[must_use]
pub fn post_view(
    index: &Index,
    texts: &Texts,
    state: &dyn Fn(&Row) -> PostState,
    id: &EventId,
) -> Option<PostView> {
    let post = index.get(id).filter(|row| row.kind.is_post())?;
    let thread = post.home()?;
    let fate = Fate::of(index, post);
    let text = fate.text(post).and_then(|id| texts.get(&id)).cloned().unwrap_or_default();
    let opener = index.get(&thread).map(|row| row.author);
    let quotes = post.refs.iter().chain(fate.edit.iter().flat_map(|edit| &edit.refs));
    let mut quotes: Vec<EventId> =
        quotes.filter(|(rel, _)| matches!(rel, Rel::Answers | Rel::Quotes)).map(|(_, id)| *id).collect();
    quotes.sort_unstable();
    quotes.dedup();
    Some(PostView {
        id: post.id,
        board: post.board,
        board_name: board_name(index, &post.board),
        thread,
        author: post.author,
        time: post.time,
        own: post.own,
        opens: post.kind == Kind::THREAD,
        by_opener: opener == Some(post.author),
        // An edit may name one for a reply, too.
        subject: text.subject.filter(|_| post.kind == Kind::THREAD),
        comment: text.comment,
        edited: fate.edit.map(|edit| edit.time),
        deleted: fate.tombstone.is_some(),
        sage: post.sage,
        state: fate.state(post, state),
        quotes: quotes.iter().map(|id| quote_target(index, id)).collect(),
        backlinks: backlinks(index, id),
    })
}

/// The head of a thread; `None` when its opening post is not held.
#[must_use]
pub fn thread_head(
    index: &Index,
    texts: &Texts,
    board: &BoardId,
    thread: &ThreadId,
    bump: &Bump,
) -> Option<ThreadHead> {
    let post = index.get(thread).filter(|row| row.kind == Kind::THREAD && row.board == *board)?;
    let text = Fate::of(index, post).text(post).and_then(|id| texts.get(&id));
    Some(ThreadHead {
        id: *thread,
        board: *board,
        board_name: board_name(index, board),
        subject: text.and_then(|text| text.subject.clone()),
        replies: bump.replies,
        bump_limit: bump.limit_reached,
    })
}

fn quote_target(index: &Index, id: &EventId) -> QuoteTarget {
    let row = index.get(id);
    let place = row.and_then(|row| row.home().map(|thread| (board_name(index, &row.board), thread)));
    QuoteTarget { id: *id, place, own: row.is_some_and(|row| row.own) }
}

fn backlinks(index: &Index, id: &EventId) -> Vec<EventId> {
    let answers = index.referrers(id, Rel::Answers).chain(index.referrers(id, Rel::Quotes));
    let mut posts: Vec<_> = answers.filter(|row| row.kind.is_post()).map(|row| (row.time, row.id)).collect();
    posts.sort_unstable();
    posts.dedup();
    posts.into_iter().map(|(_, id)| id).collect()
}

fn board_name(index: &Index, board: &BoardId) -> Option<crate::base::BoardName> {
    index.board(board).and_then(|board| board.name().cloned())
}
