//! Posts of a thread: the winning text, withdrawals, quotes and backlinks.
//!
//! An edit or tombstone counts only when it is by the key that signed its target. Until device keys and rotation are
//! resolved to identities here, key and identity are the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bump, PostState, PostView, QuoteTarget, Rendition, Source, ThreadHead};
use crate::base::{AuthorId, BoardId, EventId, ThreadId};
use crate::event::{Attachment, BlobRef, Body, Event, Kind};
use crate::store::{Index, Rel, RowRef};

/// What an event says, as far as a view shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Its comment.
    pub comment: String,
    /// Its title.
    pub subject: Option<String>,
    /// The files it carries.
    pub files: Vec<Attachment>,
    /// What it says was made of a file, if it is a rendition.
    pub rendition: Option<Rendition>,
}

/// Texts at hand, by event.
pub type Texts = BTreeMap<EventId, Text>;

/// The text of an event.
#[must_use]
pub fn text_of(event: &Event) -> Text {
    let says = |comment: &String, subject: Option<String>| Text {
        comment: comment.clone(),
        subject,
        files: Attachment::of(event),
        rendition: None,
    };
    match event.body() {
        Body::Thread(body) => says(&body.comment, body.subject.clone()),
        Body::Post(body) => says(&body.comment, None),
        Body::Edit(body) => says(&body.comment, body.subject.clone()),
        Body::Rendition(body) => {
            let made = |blob: &BlobRef| Rendition {
                blob: blob.clone(),
                producer: event.fields().author,
                made: body.clone(),
            };
            Text { rendition: event.fields().blobs.first().map(made), ..Text::default() }
        }
        Body::Delete(_) | Body::Profile(_) | Body::Follow(_) | Body::Unknown(_) => Text::default(),
    }
}

/// What has become of a post since it was written.
pub(crate) struct Fate<'a> {
    /// The winning edit.
    pub edit: Option<RowRef<'a>>,
    /// The winning tombstone.
    pub tombstone: Option<RowRef<'a>>,
}

impl<'a> Fate<'a> {
    pub(crate) fn of(index: &'a Index, post: RowRef<'_>) -> Fate<'a> {
        Fate {
            edit: index.winner(post, Rel::Edits, Kind::EDIT),
            tombstone: index.winner(post, Rel::Deletes, Kind::DELETE),
        }
    }

    /// The event whose text is shown; `None` when nothing is.
    pub(crate) fn text(&self, post: RowRef<'_>) -> Option<EventId> {
        if self.tombstone.is_some() { None } else { Some(self.edit.map_or(post.id(), RowRef::id)) }
    }

    /// How far the post has come, with what was last done to it.
    pub(crate) fn state(&self, post: RowRef<'_>, state: &dyn Fn(RowRef<'_>) -> PostState) -> PostState {
        let latest = self.tombstone.or(self.edit);
        latest.map_or(state(post), |row| state(row).min(state(post)))
    }
}

/// The events whose texts must be at hand to show `id`: none when it is not a post or was withdrawn.
pub(crate) fn texts_needed(index: &Index, id: &EventId, producers: &BTreeSet<AuthorId>) -> Vec<EventId> {
    let Some(post) = index.get(id).filter(|row| row.kind().is_post()) else { return Vec::new() };
    let Some(text) = Fate::of(index, post).text(post) else { return Vec::new() };
    // An edit replaces the words; the files stay those of the post.
    let files = (text != *id).then_some(*id);
    [text].into_iter().chain(files).chain(renditions_of(index, post, producers)).collect()
}

/// What was made of a post's files by those who are believed: anybody can say that anything is a smaller picture of
/// something. Its author is one of them.
fn renditions_of<'a>(
    index: &'a Index,
    post: RowRef<'a>,
    producers: &'a BTreeSet<AuthorId>,
) -> impl Iterator<Item = EventId> + 'a {
    let believed = move |row: &RowRef<'_>| {
        let of_post =
            row.kind() == Kind::RENDITION && row.board() == post.board() && row.home() == post.home();
        of_post && (row.author() == post.author() || producers.contains(&row.author()))
    };
    index.referrers(&post.id(), Rel::Renders).filter(believed).take(RENDITIONS).map(RowRef::id)
}

/// The files of a post that was not withdrawn, and what was made of them.
pub(super) fn media(
    source: Source<'_>,
    post: RowRef<'_>,
    fate: &Fate<'_>,
) -> (Vec<Attachment>, Vec<Rendition>) {
    let Source { index, texts, producers, .. } = source;
    if fate.tombstone.is_some() {
        return Default::default();
    }
    let files = texts.get(&post.id()).map(|text| text.files.clone()).unwrap_or_default();
    let made = |id: EventId| texts.get(&id)?.rendition.clone();
    (files, renditions_of(index, post, producers).filter_map(made).collect())
}

/// Renditions that are shown of one post: eight files, each in the profiles there are, by two producers.
const RENDITIONS: usize = 80;

/// A post as it is shown; `None` when it is not held or is no post.
#[must_use]
pub fn post_view(source: Source<'_>, id: &EventId) -> Option<PostView> {
    let Source { index, texts, state, .. } = source;
    let post = index.get(id).filter(|row| row.kind().is_post())?;
    let thread = post.home()?;
    let fate = Fate::of(index, post);
    let text = fate.text(post).and_then(|id| texts.get(&id)).cloned().unwrap_or_default();
    let (files, renditions) = media(source, post, &fate);
    let opener = index.get(&thread).map(RowRef::author);
    let quotes = post.refs().chain(fate.edit.into_iter().flat_map(RowRef::refs));
    let mut quotes: Vec<EventId> =
        quotes.filter(|(rel, _)| matches!(rel, Rel::Answers | Rel::Quotes)).map(|(_, id)| id).collect();
    quotes.sort_unstable();
    quotes.dedup();
    Some(PostView {
        id: post.id(),
        board: post.board(),
        board_name: board_name(index, &post.board()),
        thread,
        author: post.author(),
        time: post.time(),
        own: post.own(),
        opens: post.kind() == Kind::THREAD,
        by_opener: opener == Some(post.author()),
        // An edit may name one for a reply, too.
        subject: text.subject.filter(|_| post.kind() == Kind::THREAD),
        comment: text.comment,
        edited: fate.edit.map(RowRef::time),
        deleted: fate.tombstone.is_some(),
        files,
        renditions,
        sage: post.sage(),
        state: fate.state(post, state),
        quotes: quotes.iter().map(|id| quote_target(index, id)).collect(),
        backlinks: backlinks(index, id),
    })
}

/// The head of a thread; `None` when its opening post is not held.
#[must_use]
pub fn thread_head(
    Source { index, texts, .. }: Source<'_>,
    board: &BoardId,
    thread: &ThreadId,
    bump: &Bump,
) -> Option<ThreadHead> {
    let post = index.get(thread).filter(|row| row.kind() == Kind::THREAD && row.board() == *board)?;
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
    let place = row.and_then(|row| row.home().map(|thread| (board_name(index, &row.board()), thread)));
    QuoteTarget { id: *id, place, own: row.is_some_and(RowRef::own) }
}

fn backlinks(index: &Index, id: &EventId) -> Vec<EventId> {
    let answers = index.referrers(id, Rel::Answers).chain(index.referrers(id, Rel::Quotes));
    let mut posts: Vec<_> =
        answers.filter(|row| row.kind().is_post()).map(|row| (row.time(), row.id())).collect();
    posts.sort_unstable();
    posts.dedup();
    posts.into_iter().map(|(_, id)| id).collect()
}

fn board_name(index: &Index, board: &BoardId) -> Option<crate::base::BoardName> {
    index.board(board).and_then(|board| board.name().cloned())
}
