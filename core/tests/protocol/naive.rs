//! What views show, found by searching the events themselves: the twin the real ones are compared with.

use std::collections::{BTreeMap, BTreeSet};

use chanterelle_core::base::{BoardId, BoardName, EventId, Seconds, ThreadId};
use chanterelle_core::crypto::no_board;
use chanterelle_core::event::{Attachment, Body, Event, Kind};
use chanterelle_core::view::{
    BoardCard, Bump, PostState, PostView, QuoteTarget, Rendition, ThreadCard, ThreadHead,
};

use super::world::{BUMP_LIMIT, PRODUCER, Seen, Shown, author};

pub(super) fn name_of(name: &str) -> BoardName {
    BoardName::new(name).expect("a board name")
}

/// Which events a naive reader finds, searching all of them.
pub(super) struct Naive<'a>(pub(super) &'a [Seen]);

impl<'a> Naive<'a> {
    fn events(&self) -> impl Iterator<Item = &'a Event> {
        self.0.iter().map(|seen| &seen.event)
    }

    fn get(&self, id: &EventId) -> Option<&'a Seen> {
        self.0.iter().find(|seen| seen.event.id() == *id)
    }

    fn refers(event: &Event, rel: &str, id: &EventId) -> bool {
        event.fields().refs.iter().any(|reference| reference.rel == rel && reference.id == *id)
    }

    /// The winning event of a kind among those by the author of `post` that refer to it.
    fn winner(&self, post: &Event, kind: Kind, rel: &str) -> Option<&'a Event> {
        let (author, board) = (post.fields().author, post.fields().board);
        self.events()
            .filter(|event| event.kind() == kind && Self::refers(event, rel, &post.id()))
            .filter(|event| event.fields().author == author && event.fields().board == board)
            .max_by_key(|event| (event.fields().seq, event.fields().time, event.id()))
    }

    fn name(&self, board: &BoardId) -> Option<String> {
        self.events().find_map(|event| match event.body() {
            Body::Thread(body) if event.fields().board == *board => {
                body.board_name.as_ref().map(ToString::to_string)
            }
            _ => None,
        })
    }

    fn home(event: &Event) -> Option<ThreadId> {
        if event.kind() == Kind::THREAD { Some(event.id()) } else { event.fields().thread }
    }

    fn claimed(seen: &Seen) -> Seconds {
        seen.event.fields().time.min(seen.at)
    }

    /// Comment and title after all that was done to a post.
    fn text(&self, post: &Event) -> (String, Option<String>) {
        if self.winner(post, Kind::DELETE, "deletes").is_some() {
            return (String::new(), None);
        }
        let (comment, subject) = match self.winner(post, Kind::EDIT, "edits").unwrap_or(post).body() {
            Body::Thread(body) => (body.comment.clone(), body.subject.clone()),
            Body::Post(body) => (body.comment.clone(), None),
            Body::Edit(body) => (body.comment.clone(), body.subject.clone()),
            other => panic!("{other:?}"),
        };
        (comment, subject.filter(|_| post.kind() == Kind::THREAD))
    }

    /// The files of a post and what was made of them, by its author and by whom one believes.
    fn media(&self, post: &Event) -> (Vec<Attachment>, Vec<Rendition>) {
        if self.winner(post, Kind::DELETE, "deletes").is_some() {
            return (Vec::new(), Vec::new());
        }
        let infos = post.body().files();
        let mut thumb = infos.len();
        let mut files = Vec::new();
        for (at, info) in infos.iter().enumerate() {
            let mut attachment =
                Attachment { blob: post.fields().blobs[at].clone(), thumb: None, info: info.clone() };
            if info.thumb {
                attachment.thumb = Some(post.fields().blobs[thumb].clone());
                thumb += 1;
            }
            files.push(attachment);
        }
        let mut renditions = Vec::new();
        for event in self.events().filter(|event| Self::refers(event, "renders", &post.id())) {
            let Body::Rendition(made) = event.body() else { continue };
            let (here, there) = (post.fields(), event.fields());
            let believed = [here.author, author(PRODUCER)].contains(&there.author);
            if believed && here.board == there.board && Self::home(event) == Self::home(post) {
                let (blob, producer, made) = (there.blobs[0].clone(), there.author, made.clone());
                renditions.push((event.id(), Rendition { blob, producer, made }));
            }
        }
        renditions.sort_by_key(|(id, _)| *id);
        (files, renditions.into_iter().map(|(_, rendition)| rendition).collect())
    }

    fn post(&self, id: &EventId) -> Option<PostView> {
        let post = &self.get(id)?.event;
        let fields = post.fields();
        if ![Kind::THREAD, Kind::POST].contains(&post.kind()) {
            return None;
        }
        let thread = Self::home(post).expect("posts are in threads");
        let edit = self.winner(post, Kind::EDIT, "edits");
        let (comment, subject) = self.text(post);
        let quoting = [Some(post), edit].into_iter().flatten().flat_map(|event| &event.fields().refs);
        let quotes: BTreeSet<EventId> = quoting
            .filter(|reference| ["answers", "quotes"].contains(&reference.rel.as_str()))
            .map(|reference| reference.id)
            .collect();
        let place = |id: &EventId| {
            let event = &self.get(id)?.event;
            let name = self.name(&event.fields().board);
            Self::home(event).map(|thread| (name.map(|name| name_of(&name)), thread))
        };
        let mut backlinks: Vec<(Seconds, EventId)> = self
            .events()
            .filter(|event| [Kind::THREAD, Kind::POST].contains(&event.kind()))
            .filter(|event| Self::refers(event, "answers", id) || Self::refers(event, "quotes", id))
            .map(|event| (event.fields().time, event.id()))
            .collect();
        backlinks.sort_unstable();
        Some(PostView {
            id: *id,
            board: fields.board,
            board_name: self.name(&fields.board).map(|name| name_of(&name)),
            thread,
            author: fields.author,
            time: fields.time,
            own: false,
            opens: post.kind() == Kind::THREAD,
            by_opener: self.get(&thread).is_some_and(|seen| seen.event.fields().author == fields.author),
            subject,
            comment,
            edited: edit.map(|edit| edit.fields().time),
            deleted: self.winner(post, Kind::DELETE, "deletes").is_some(),
            files: self.media(post).0,
            renditions: self.media(post).1,
            sage: matches!(post.body(), Body::Post(body) if body.sage),
            state: PostState::Saved,
            quotes: quotes.iter().map(|id| QuoteTarget { id: *id, place: place(id), own: false }).collect(),
            backlinks: backlinks.into_iter().map(|(_, id)| id).collect(),
        })
    }

    fn bump(&self, board: &BoardId, thread: &ThreadId) -> Bump {
        let mut replies: Vec<&Seen> = self
            .0
            .iter()
            .filter(|seen| seen.event.kind() == Kind::POST && seen.event.fields().board == *board)
            .filter(|seen| seen.event.fields().thread == Some(*thread))
            .collect();
        replies.sort_by_key(|seen| (seen.event.fields().time, seen.event.id()));
        let sage = |seen: &Seen| matches!(seen.event.body(), Body::Post(body) if body.sage);
        let bumps = replies.iter().take(BUMP_LIMIT).filter(|seen| !sage(seen)).copied();
        let opening = self.get(thread);
        Bump {
            replies: replies.len().try_into().expect("few"),
            bumped: bumps.chain(opening).map(Self::claimed).max().unwrap_or_default(),
            limit_reached: replies.len() >= BUMP_LIMIT,
        }
    }

    fn opening(&self, board: &BoardId, thread: &ThreadId) -> Option<&'a Event> {
        let opening = self.get(thread).map(|seen| &seen.event);
        opening.filter(|event| event.kind() == Kind::THREAD && event.fields().board == *board)
    }

    fn card(&self, board: &BoardId, thread: &ThreadId) -> Option<ThreadCard> {
        let opening = self.opening(board, thread)?;
        let bump = self.bump(board, thread);
        let (comment, subject) = self.text(opening);
        let (files, renditions) = self.media(opening);
        Some(ThreadCard {
            id: *thread,
            author: opening.fields().author,
            subject,
            excerpt: comment.chars().take(5).collect(),
            deleted: self.winner(opening, Kind::DELETE, "deletes").is_some(),
            replies: bump.replies,
            time: opening.fields().time,
            bumped: bump.bumped,
            bump_limit: bump.limit_reached,
            own: false,
            state: PostState::Saved,
            files: files.len().try_into().expect("few"),
            renditions: renditions
                .into_iter()
                .filter(|rendition| files.first().is_some_and(|file| file.blob.id == rendition.made.source))
                .collect(),
            file: files.first().cloned(),
        })
    }

    fn head(&self, board: &BoardId, thread: &ThreadId) -> Option<ThreadHead> {
        let opening = self.opening(board, thread)?;
        let bump = self.bump(board, thread);
        Some(ThreadHead {
            id: *thread,
            board: *board,
            board_name: self.name(board).map(|name| name_of(&name)),
            subject: self.text(opening).1,
            replies: bump.replies,
            bump_limit: bump.limit_reached,
        })
    }

    fn board(&self, board: &BoardId) -> Option<BoardCard> {
        if *board == no_board() {
            return None;
        }
        let name = name_of(&self.name(board)?);
        let here = || self.0.iter().filter(|seen| seen.event.fields().board == *board);
        let posts: Vec<&Seen> =
            here().filter(|seen| [Kind::THREAD, Kind::POST].contains(&seen.event.kind())).collect();
        let threads = here().filter(|seen| seen.event.kind() == Kind::THREAD).count();
        Some(BoardCard {
            id: *board,
            name,
            threads: threads.try_into().expect("few"),
            posts: posts.len().try_into().expect("few"),
            last: posts.into_iter().map(Self::claimed).max(),
            subscribed: false,
        })
    }

    /// Everything a person could see.
    pub(super) fn shown(&self) -> Shown {
        let boards: BTreeSet<BoardId> = self.events().map(|event| event.fields().board).collect();
        let ids: BTreeSet<EventId> = self.events().map(|event| event.id()).collect();
        let places: Vec<(BoardId, EventId)> =
            boards.iter().flat_map(|board| ids.iter().map(|id| (*board, *id))).collect();
        fn each<K: Ord + Copy, T>(keys: &[K], of: impl Fn(&K) -> T) -> BTreeMap<K, T> {
            keys.iter().map(|key| (*key, of(key))).collect()
        }
        let (boards, ids): (Vec<_>, Vec<_>) = (boards.into_iter().collect(), ids.into_iter().collect());
        Shown {
            boards: each(&boards, |board| self.board(board)),
            bumps: each(&places, |(board, id)| self.bump(board, id)),
            cards: each(&places, |(board, id)| self.card(board, id)),
            heads: each(&places, |(board, id)| self.head(board, id)),
            posts: each(&ids, |id| self.post(id)),
        }
    }
}
