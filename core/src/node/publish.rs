//! From a draft to an own event: the right key, the right references, then the same door as everyone's.

use serde_bytes::ByteBuf;

use super::Node;
use super::api::{Output, Update};
use crate::base::{BoardId, EventId, Seconds, ThreadId};
use crate::crypto::{Identity, SecretKey, Verify, open_board_id};
use crate::event::{
    Attachment, Content, Draft, DraftError, Event, Kind, Persona, Place, Ref, quotes_in, rel, sign,
};
use crate::store::{Rel, Row, RowRef};

/// Seconds by which an own event may be ahead of the clock: a lively conversation, and well below what others bear.
const AHEAD: u64 = 120;

impl<V: Verify> Node<V> {
    pub(super) fn publish(&mut self, request: u32, draft: Draft) {
        let update = match self.published(request, &draft) {
            Ok(event) => {
                self.persist.tell_when_saved(&event.id(), request);
                Update::Published {
                    request,
                    event: event.id(),
                    thread: if event.kind() == Kind::THREAD {
                        Some(event.id())
                    } else {
                        event.fields().thread
                    },
                    bytes: ByteBuf::from(event.bytes().to_vec()),
                }
            }
            Err(reason) => Update::Refused { request, reason },
        };
        self.outputs.push_back(Output::Update(update));
    }

    /// Takes what another node of this person has signed. What cannot enter now is not answered before it has, and so told
    /// again to the next node.
    pub(super) fn republish(&mut self, request: u32, event: &[u8]) {
        let Ok(id) = self.admit_own(event, request) else { return };
        self.hold_own(&id, request);
    }

    /// Has it told when an own event that is held is durable. What came from elsewhere first is own from now on, so that
    /// the person can change it.
    pub(super) fn hold_own(&mut self, id: &EventId, request: u32) {
        if let Some(row) = self.index.get(id).filter(|row| !row.own()).map(RowRef::to_row) {
            // Whoever it came from has it, so it need not be sent.
            self.index.insert(Row { own: true, sent: true, ..row });
            self.persist.row_changed(*id);
            self.event_changed(id);
        }
        if !self.persist.tell_when_saved(id, request) && self.index.contains(id) {
            self.outputs.push_back(Output::Update(Update::Saved { request }));
        }
    }

    fn published(&mut self, request: u32, draft: &Draft) -> Result<Event, DraftError> {
        let mut salt = [0; 16];
        self.rng.fill(&mut salt);
        let body = draft.content.body(salt, &self.limits)?;
        let identity = self.identity.as_ref().ok_or(DraftError::NoIdentity)?;
        let (_, blobs) = Attachment::sorted(draft.content.files());
        let (place, key) = match &draft.content {
            Content::Thread { board, .. } => {
                let board = open_board_id(board);
                let key = match draft.persona {
                    Persona::Pseudonym => identity.opening_key(&board, &salt),
                    Persona::Identity => identity.identity().clone(),
                };
                (Place { board, thread: None, refs: Vec::new(), seq: None, blobs }, key)
            }
            Content::Post { board, thread, comment, quotes, .. } => {
                let opens = |row: &RowRef<'_>| row.board() == *board && row.kind() == Kind::THREAD;
                let opening = self.index.get(thread).filter(opens);
                let opening = opening.ok_or(DraftError::UnknownTarget)?;
                let key = match draft.persona {
                    Persona::Pseudonym => pseudonym_in(identity, opening),
                    Persona::Identity => identity.identity().clone(),
                };
                let refs = self.quoted(board, thread, comment, quotes)?;
                (Place { board: *board, thread: Some(*thread), refs, seq: None, blobs }, key)
            }
            Content::Edit { target, comment, .. } => {
                let (post, key) = self.own_post(identity, target)?;
                let thread = post.home().ok_or(DraftError::UnknownTarget)?;
                let seq = self.index.winner(post, Rel::Edits, Kind::EDIT).map_or(1, |edit| edit.seq() + 1);
                let mut refs = self.quoted(&post.board(), &thread, comment, &[])?;
                refs.push(Ref { rel: rel::EDITS.to_owned(), id: *target, board: None });
                (Place { board: post.board(), thread: Some(thread), refs, seq: Some(seq), blobs }, key)
            }
            Content::Delete { target } => {
                let (post, key) = self.own_post(identity, target)?;
                let refs = vec![Ref { rel: rel::DELETES.to_owned(), id: *target, board: None }];
                (Place { board: post.board(), thread: post.home(), refs, seq: None, blobs }, key)
            }
            Content::Profile { .. } => {
                let author = identity.identity().public();
                let held = self.index.of_author(&author);
                let seq = held.filter(|row| row.kind() == Kind::PROFILE).map(RowRef::seq).max();
                (Place::nowhere(seq.unwrap_or(0) + 1), identity.identity().clone())
            }
            Content::Follow { who, .. } => {
                let key = identity.identity().clone();
                let author = key.public();
                let held = self.index.of_author(&author);
                let same = held.filter(|row| row.follow().is_some_and(|(followed, _)| followed == *who));
                let seq = same.map(RowRef::seq).max().unwrap_or(0) + 1;
                (Place::nowhere(seq), key)
            }
            Content::Rendition { board, thread, post, blob, .. } => {
                let refs = vec![Ref { rel: rel::RENDERS.to_owned(), id: *post, board: None }];
                let (thread, blobs) = (Some(*thread), vec![blob.clone()]);
                (Place { board: *board, thread, refs, seq: None, blobs }, identity.identity().clone())
            }
        };
        let time = self.time_after(&place);
        let event = sign(&body, place, time, &key);
        self.admit_own(event.bytes(), request).map_err(|_| DraftError::TooLarge)?;
        Ok(event)
    }

    /// The time of an event written now: later than all that is seen in its thread, so that an answer never stands
    /// before what it answers, though times are whole seconds and clocks differ. A hybrid logical clock (Kulkarni,
    /// Demirbas, Madappa, Avva, Leone: Logical Physical Clocks, 2014) with a bound on how far it runs ahead.
    fn time_after(&self, place: &Place) -> Seconds {
        let now = self.now.unix;
        let bound = now.plus(AHEAD);
        let seen = place.thread.and_then(|thread| {
            let times = self.index.of_thread(&place.board, &thread).map(RowRef::time);
            times.rev().find(|time| *time < bound)
        });
        seen.map_or(now, |seen| now.max(seen.plus(1)))
    }

    /// A post written here and the key that signed it.
    fn own_post(&self, identity: &Identity, target: &EventId) -> Result<(RowRef<'_>, SecretKey), DraftError> {
        let post =
            self.index.get(target).filter(|row| row.kind().is_post()).ok_or(DraftError::UnknownTarget)?;
        let opening = post.home().and_then(|thread| self.index.get(&thread));
        let reply = post.home().map(|thread| identity.reply_key(&thread));
        let opening = opening.map(|opening| pseudonym_in(identity, opening));
        let keys = [Some(identity.identity().clone()), reply, opening];
        let key = keys.into_iter().flatten().find(|key| key.public() == post.author());
        Ok((post, key.ok_or(DraftError::NotYours)?))
    }

    /// References for the quotes in a comment: those the composer names and those found in the thread. A quote that
    /// means nothing stays text.
    fn quoted(
        &self,
        board: &BoardId,
        thread: &ThreadId,
        comment: &str,
        named: &[EventId],
    ) -> Result<Vec<Ref>, DraftError> {
        let find = |prefix: &str| {
            let named = named.iter().copied().find(|id| id.short() == prefix);
            named.or_else(|| self.index.resolve_quote(board, thread, prefix))
        };
        let mut ids: Vec<EventId> = quotes_in(comment).filter_map(|(_, prefix)| find(prefix)).collect();
        ids.sort_unstable();
        ids.dedup();
        // One place is kept for the target of an edit.
        let limit = self.limits.refs - 1;
        if ids.len() > limit {
            return Err(DraftError::TooManyQuotes(limit));
        }
        let reference = |id: EventId| {
            let row = self.index.get(&id);
            let here = row.is_none_or(|row| row.home() == Some(*thread));
            let elsewhere = row.map(RowRef::board).filter(|other| other != board);
            let role = if here { rel::ANSWERS } else { rel::QUOTES };
            Ref { rel: role.to_owned(), id, board: elsewhere }
        };
        Ok(ids.into_iter().map(reference).collect())
    }
}

/// The pseudonym of this identity in a thread: the opening key in an own thread, else the thread's reply key.
fn pseudonym_in(identity: &Identity, opening: RowRef<'_>) -> SecretKey {
    opening
        .salt()
        .filter(|_| opening.own())
        .map(|salt| identity.opening_key(&opening.board(), &salt))
        .filter(|key| key.public() == opening.author())
        .unwrap_or_else(|| identity.reply_key(&opening.id()))
}
