//! A look at what the index holds of one event: each field is found when it is asked for.
//!
//! What is by itself, for a storage, is a [`Row`].

use super::index::Index;
use super::retention::{Class, Marks};
use super::row::{Rel, Row};
use super::slab::{COUNTED, Entry, NAMED, OWN, SAGE, SENT};
use crate::base::{AuthorId, BoardId, BoardName, EventId, Seconds, ThreadId};
use crate::event::Kind;

/// An event as the index holds it. The fields are those of [`Row`].
#[derive(Clone, Copy)]
pub struct RowRef<'a> {
    pub(super) index: &'a Index,
    pub(super) slot: u32,
    pub(super) entry: &'a Entry,
}

impl<'a> RowRef<'a> {
    /// The event.
    #[must_use]
    pub fn id(self) -> EventId {
        self.entry.id
    }

    /// Who signed it.
    #[must_use]
    pub fn author(self) -> AuthorId {
        self.entry.author
    }

    /// Its board.
    #[must_use]
    pub fn board(self) -> BoardId {
        self.index.board_id(self.entry.board)
    }

    /// The thread it is in; `None` for an opening post or an event outside threads.
    #[must_use]
    pub fn thread(self) -> Option<ThreadId> {
        self.home().filter(|_| self.kind() != Kind::THREAD)
    }

    /// The thread whose view it belongs to: its own id for an opening post.
    #[must_use]
    pub fn home(self) -> Option<ThreadId> {
        self.index.name_of(self.entry.home)
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.entry.kind
    }

    /// When, as the author says.
    #[must_use]
    pub fn time(self) -> Seconds {
        self.index.slab.time(self.slot)
    }

    /// Its logical counter, 0 when it has none.
    #[must_use]
    pub fn seq(self) -> u64 {
        self.index.slab.seq(self.slot)
    }

    /// When it was first seen here.
    #[must_use]
    pub fn first_seen(self) -> Seconds {
        Seconds(self.entry.seen.into())
    }

    /// When it was written, never later than it was first seen.
    #[must_use]
    pub fn written(self) -> Seconds {
        self.time().min(self.first_seen())
    }

    /// Encoded size in bytes.
    #[must_use]
    pub fn size(self) -> u32 {
        self.entry.size
    }

    /// Asked not to bump.
    #[must_use]
    pub fn sage(self) -> bool {
        self.has(SAGE)
    }

    /// By the person of this node.
    #[must_use]
    pub fn own(self) -> bool {
        self.has(OWN)
    }

    /// Acknowledged by another peer as durably stored.
    #[must_use]
    pub fn sent(self) -> bool {
        self.has(SENT)
    }

    /// The salt of an opening post.
    #[must_use]
    pub fn salt(self) -> Option<[u8; 16]> {
        self.index.slab.salt(self.slot)
    }

    /// The board's name, if it announces it.
    #[must_use]
    pub fn board_name(self) -> Option<&'a BoardName> {
        // All that name a board agree, since its id is the hash of its name.
        if self.has(NAMED) { self.index.board_by_number(self.entry.board)?.name.as_ref() } else { None }
    }

    /// Whom it says its author follows, and whether no longer.
    #[must_use]
    pub fn follow(self) -> Option<(AuthorId, bool)> {
        self.index.slab.follow(self.slot)
    }

    /// What it refers to, in its order.
    pub fn refs(self) -> impl Iterator<Item = (Rel, EventId)> + 'a {
        let slab = &self.index.slab;
        slab.refs(self.slot).map(|(rel, target)| (rel, slab.get(target).id))
    }

    /// What this node has decided about it.
    #[must_use]
    pub fn marks(self) -> Marks {
        self.entry.marks()
    }

    /// For whose sake it is kept.
    #[must_use]
    pub fn class(self) -> Class {
        self.entry.class()
    }

    /// Whether it is one of those that count on its board's day.
    #[must_use]
    pub fn is_counted(self) -> bool {
        self.has(COUNTED)
    }

    /// All of it by itself.
    #[must_use]
    pub fn to_row(self) -> Row {
        Row {
            id: self.id(),
            author: self.author(),
            board: self.board(),
            thread: self.thread(),
            kind: self.kind(),
            time: self.time(),
            seq: self.seq(),
            first_seen: self.first_seen(),
            size: self.size(),
            sage: self.sage(),
            own: self.own(),
            sent: self.sent(),
            salt: self.salt(),
            board_name: self.board_name().cloned(),
            follow: self.follow().map(Box::new),
            refs: self.refs().collect(),
            marks: self.marks(),
        }
    }

    fn has(self, flag: u16) -> bool {
        self.entry.has(flag)
    }
}

impl core::fmt::Debug for RowRef<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.to_row().fmt(f)
    }
}
