//! One row of the index: what a node keeps in memory of every event, and its packed form on disk.
//!
//! The packed form is local to a storage, never sent and never signed; its version is the storage's schema.

use super::retention::{Class, Marks};
use crate::base::{AuthorId, BoardId, BoardName, EventId, Seconds, ThreadId};
use crate::event::{Body, Event, Kind, rel};

/// The role of a reference, as far as the index cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rel {
    /// Answers a post of the thread.
    Answers,
    /// Quotes a post of another thread.
    Quotes,
    /// Replaces a text.
    Edits,
    /// Withdraws a post.
    Deletes,
    /// A role this version does not know.
    Other,
    /// Is made of a file of a post.
    Renders,
}

impl Rel {
    /// The role of this number, as it is packed.
    pub(super) fn of(number: u8) -> Option<Rel> {
        Some(match number {
            0 => Rel::Answers,
            1 => Rel::Quotes,
            2 => Rel::Edits,
            3 => Rel::Deletes,
            4 => Rel::Other,
            5 => Rel::Renders,
            _ => return None,
        })
    }
}

/// What is known of an event beside its bytes, by itself: as it is stored. What the index holds of it is a
/// [`super::RowRef`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The event.
    pub id: EventId,
    /// Who signed it.
    pub author: AuthorId,
    /// Its board.
    pub board: BoardId,
    /// The thread it is in; `None` for an opening post or an event outside threads.
    pub thread: Option<ThreadId>,
    /// What it is.
    pub kind: Kind,
    /// When, as the author says.
    pub time: Seconds,
    /// Its logical counter, 0 when it has none.
    pub seq: u64,
    /// When it was first seen here.
    pub first_seen: Seconds,
    /// Encoded size in bytes.
    pub size: u32,
    /// Asked not to bump.
    pub sage: bool,
    /// By the person of this node: written here, or elsewhere and known by its key.
    pub own: bool,
    /// Acknowledged by another peer as durably stored.
    pub sent: bool,
    /// The salt of an opening post: its author's key can be derived from it again.
    pub salt: Option<[u8; 16]>,
    /// The board's name, as an opening post announces it.
    pub board_name: Option<BoardName>,
    /// Whom it says its author follows, and whether no longer. Boxed, since few rows have it.
    pub follow: Option<Box<(AuthorId, bool)>>,
    /// What it refers to.
    pub refs: Vec<(Rel, EventId)>,
    /// What this node has decided about it.
    pub marks: Marks,
}

/// A packed row cannot be read: the storage is damaged or from another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored row is damaged")]
pub struct RowError;

const OWN: u8 = 1;
const SENT: u8 = 1 << 1;
const SAGE: u8 = 1 << 2;
const THREAD: u8 = 1 << 3;
const SEQ: u8 = 1 << 4;
const SALT: u8 = 1 << 5;
const NAME: u8 = 1 << 6;
const FOLLOW: u8 = 1 << 7;

/// With the number of references, of which there are at most 64: marks follow it.
const MARKED: u8 = 1 << 7;

const PINNED: u8 = 1;
const FOLLOWED: u8 = 1 << 1;
const WITHHELD: u8 = 1 << 2;

impl Row {
    /// The row of an event that was first seen at `first_seen`.
    #[must_use]
    pub fn of(event: &Event, first_seen: Seconds, own: bool) -> Row {
        let fields = event.fields();
        let refs = fields.refs.iter().map(|reference| {
            let rel = match reference.rel.as_str() {
                rel::ANSWERS => Rel::Answers,
                rel::QUOTES => Rel::Quotes,
                rel::EDITS => Rel::Edits,
                rel::DELETES => Rel::Deletes,
                rel::RENDERS => Rel::Renders,
                _ => Rel::Other,
            };
            (rel, reference.id)
        });
        let (salt, board_name) = match event.body() {
            Body::Thread(body) => (Some(body.salt), body.board_name.clone()),
            _ => (None, None),
        };
        Row {
            id: event.id(),
            author: fields.author,
            board: fields.board,
            thread: fields.thread,
            kind: fields.kind,
            time: fields.time,
            seq: fields.seq.unwrap_or(0),
            first_seen,
            size: u32::try_from(event.bytes().len()).expect("events are at most 64 KiB"),
            sage: matches!(event.body(), Body::Post(body) if body.sage),
            own,
            sent: false,
            salt,
            board_name,
            follow: match event.body() {
                Body::Follow(body) => Some(Box::new((body.who, body.ended))),
                _ => None,
            },
            refs: refs.collect(),
            marks: Marks::default(),
        }
    }

    /// For whose sake it is kept.
    #[must_use]
    pub fn class(&self) -> Class {
        match (self.own, self.marks) {
            (true, _) => Class::Own,
            (_, Marks { pinned: true, .. }) => Class::Pinned,
            (_, Marks { followed: true, .. }) => Class::Followed,
            _ => Class::Stranger,
        }
    }

    /// The thread whose view this event belongs to: its own id for an opening post.
    #[must_use]
    pub fn home(&self) -> Option<ThreadId> {
        if self.kind == Kind::THREAD { Some(self.id) } else { self.thread }
    }

    /// Appends the packed row.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.push(
            flag(self.own, OWN)
                | flag(self.sent, SENT)
                | flag(self.sage, SAGE)
                | flag(self.thread.is_some(), THREAD)
                | flag(self.seq != 0, SEQ)
                | flag(self.salt.is_some(), SALT)
                | flag(self.board_name.is_some(), NAME)
                | flag(self.follow.is_some(), FOLLOW),
        );
        out.extend_from_slice(&self.id.0);
        out.extend_from_slice(&self.author.0);
        out.extend_from_slice(&self.board.0);
        out.extend_from_slice(&self.kind.0.to_le_bytes());
        out.extend_from_slice(&self.time.0.to_le_bytes());
        out.extend_from_slice(&self.first_seen.0.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        if let Some(thread) = self.thread {
            out.extend_from_slice(&thread.0);
        }
        if self.seq != 0 {
            out.extend_from_slice(&self.seq.to_le_bytes());
        }
        if let Some(salt) = self.salt {
            out.extend_from_slice(&salt);
        }
        if let Some(name) = &self.board_name {
            out.push(u8::try_from(name.as_str().len()).expect("board names have at most 32 bytes"));
            out.extend_from_slice(name.as_str().as_bytes());
        }
        if let Some((who, ended)) = self.follow.as_deref() {
            out.extend_from_slice(&who.0);
            out.push(u8::from(*ended));
        }
        let Marks { pinned, followed, withheld } = self.marks;
        let marks = flag(pinned, PINNED) | flag(followed, FOLLOWED) | flag(withheld, WITHHELD);
        let count = u8::try_from(self.refs.len()).expect("events have at most 64 references");
        out.push(count | flag(marks != 0, MARKED));
        if marks != 0 {
            out.push(marks);
        }
        for (rel, id) in &self.refs {
            out.push(*rel as u8);
            out.extend_from_slice(&id.0);
        }
    }

    /// Reads the packed rows that `bytes` hold one behind the other.
    ///
    /// # Errors
    /// When they do not hold whole rows.
    pub fn unpack_all(mut bytes: &[u8]) -> Result<Vec<Row>, RowError> {
        let mut rows = Vec::new();
        while !bytes.is_empty() {
            rows.push(Row::unpack(&mut bytes)?);
        }
        Ok(rows)
    }

    fn unpack(bytes: &mut &[u8]) -> Result<Row, RowError> {
        let flags = take::<1>(bytes)?[0];
        let has = |bit: u8| flags & bit != 0;
        let id = EventId(take(bytes)?);
        let author = AuthorId(take(bytes)?);
        let board = BoardId(take(bytes)?);
        let kind = Kind(u16::from_le_bytes(take(bytes)?));
        let time = Seconds(u64::from_le_bytes(take(bytes)?));
        let first_seen = Seconds(u64::from_le_bytes(take(bytes)?));
        let size = u32::from_le_bytes(take(bytes)?);
        let thread = if has(THREAD) { Some(EventId(take(bytes)?)) } else { None };
        let seq = if has(SEQ) { u64::from_le_bytes(take(bytes)?) } else { 0 };
        let salt = if has(SALT) { Some(take(bytes)?) } else { None };
        let board_name = if has(NAME) { Some(unpack_name(bytes)?) } else { None };
        let follow = if has(FOLLOW) { Some(Box::new(unpack_follow(bytes)?)) } else { None };
        let count = take::<1>(bytes)?[0];
        // Rows of before there were marks have none.
        let marks = if count & MARKED != 0 { take::<1>(bytes)?[0] } else { 0 };
        let is_marked = |bit: u8| marks & bit != 0;
        let marks =
            Marks { pinned: is_marked(PINNED), followed: is_marked(FOLLOWED), withheld: is_marked(WITHHELD) };
        let refs = (0..count & !MARKED).map(|_| unpack_ref(bytes)).collect::<Result<_, _>>()?;
        let (sage, own, sent) = (has(SAGE), has(OWN), has(SENT));
        Ok(Row {
            id,
            author,
            board,
            thread,
            kind,
            time,
            seq,
            first_seen,
            size,
            sage,
            own,
            sent,
            salt,
            board_name,
            follow,
            refs,
            marks,
        })
    }
}

fn unpack_name(bytes: &mut &[u8]) -> Result<BoardName, RowError> {
    let length = usize::from(take::<1>(bytes)?[0]);
    let (name, rest) = bytes.split_at_checked(length).ok_or(RowError)?;
    *bytes = rest;
    core::str::from_utf8(name).ok().and_then(|name| BoardName::new(name).ok()).ok_or(RowError)
}

fn unpack_follow(bytes: &mut &[u8]) -> Result<(AuthorId, bool), RowError> {
    Ok((AuthorId(take(bytes)?), take::<1>(bytes)?[0] != 0))
}

fn unpack_ref(bytes: &mut &[u8]) -> Result<(Rel, EventId), RowError> {
    let rel = Rel::of(take::<1>(bytes)?[0]).ok_or(RowError)?;
    Ok((rel, EventId(take(bytes)?)))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], RowError> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or(RowError)?;
    *bytes = rest;
    Ok(*taken)
}
