//! Where the events of the index lie, packed: each has a slot, by which everything else in the index names it.
//!
//! A slot is also given to an event that is not held but referred to, so that a reference is four bytes. What few events
//! have lies apart, in `sides`. Knows no order and no question.

use core::cmp::Ordering;

use super::retention::{Class, Marks};
use super::row::{Rel, Row};
use crate::base::{AuthorId, EventId, Seconds};
use crate::event::Kind;

/// Bits of a slot: with three more for a role it fits a reference of 32. Memory ends long before slots do.
pub(super) const SLOT_BITS: u32 = 29;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Entries of a chunk. Slots are added by chunks that never move, so that none is kept in reserve but these.
const CHUNK: usize = 64;

/// Held; else the slot is free, or of an event that is only referred to.
pub(super) const HELD: u16 = 1;
pub(super) const OWN: u16 = 1 << 1;
pub(super) const SENT: u16 = 1 << 2;
pub(super) const SAGE: u16 = 1 << 3;
/// It names its board.
pub(super) const NAMED: u16 = 1 << 4;
/// `link` is the number of a side; else it is the one reference, or none.
const SIDE: u16 = 1 << 5;
const PINNED: u16 = 1 << 6;
const FOLLOWED: u16 = 1 << 7;
const WITHHELD: u16 = 1 << 8;
/// It is one of those that count on its board's day.
pub(super) const COUNTED: u16 = 1 << 9;

/// What is kept of every event. The order of the fields leaves no gap: 92 bytes.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: EventId,
    pub author: AuthorId,
    /// The index's number of its board.
    pub board: u32,
    /// The slot of its thread; an opening post's own.
    pub home: u32,
    /// Claimed time as far as 32 bits go, which is the year 2106; beyond that the whole of it lies aside.
    pub time: u32,
    /// When it was first seen, by a clock that is believed to be of this century.
    pub seen: u32,
    pub size: u32,
    link: u32,
    pub kind: Kind,
    pub flags: u16,
}

impl Entry {
    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn marks(&self) -> Marks {
        Marks { pinned: self.has(PINNED), followed: self.has(FOLLOWED), withheld: self.has(WITHHELD) }
    }

    /// For whose sake it is kept: as [`Row::class`].
    pub(super) fn class(&self) -> Class {
        match self.flags & (OWN | PINNED | FOLLOWED) {
            0 => Class::Stranger,
            flags if flags & OWN != 0 => Class::Own,
            flags if flags & PINNED != 0 => Class::Pinned,
            _ => Class::Followed,
        }
    }
}

/// Parts of a side in their order: the bit that says it is there, and its bytes. Behind them the references.
const PARTS: [(u8, usize); 4] = [(TIME, 8), (SEQ, 8), (SALT, 16), (FOLLOW, 33)];
const TIME: u8 = 1;
const SEQ: u8 = 1 << 1;
const SALT: u8 = 1 << 2;
const FOLLOW: u8 = 1 << 3;

/// A reference: the role above the slot of its target.
fn reference(rel: Rel, target: u32) -> u32 {
    (rel as u32) << SLOT_BITS | target
}

/// All entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<Entry>>,
    free: Vec<u32>,
    sides: Vec<Box<[u8]>>,
    free_sides: Vec<u32>,
}

impl Slab {
    pub(super) fn get(&self, slot: u32) -> &Entry {
        &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    /// A slot for an event of which nothing is known but its name.
    pub(super) fn add(&mut self, id: EventId) -> u32 {
        let entry = Entry {
            id,
            author: AuthorId::default(),
            board: 0,
            home: NONE,
            time: 0,
            seen: 0,
            size: 0,
            link: NONE,
            kind: Kind(0),
            flags: 0,
        };
        if let Some(slot) = self.free.pop() {
            *self.get_mut(slot) = entry;
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("one was pushed if there was none");
        let slot = u32::try_from(before + chunk.len()).ok().filter(|slot| *slot < 1 << SLOT_BITS);
        chunk.push(entry);
        slot.expect("so many events do not fit into memory")
    }

    /// Gives back the slot of an event that is neither held nor referred to.
    pub(super) fn remove(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Notes the whole of an event, with the number of its board and the slots of its thread and of its targets, in the
    /// order of its references.
    pub(super) fn hold(&mut self, slot: u32, row: &Row, board: u32, home: u32, targets: &[u32]) {
        let refs: Vec<u32> =
            row.refs.iter().zip(targets).map(|((rel, _), target)| reference(*rel, *target)).collect();
        let (link, side) = match (side_of(row, &refs), refs.first()) {
            (Some(side), _) => (self.add_side(side), SIDE),
            (None, first) => (first.copied().unwrap_or(NONE), 0),
        };
        let named = flag(row.board_name.is_some(), NAMED);
        *self.get_mut(slot) = Entry {
            id: row.id,
            author: row.author,
            board,
            home,
            time: short(row.time),
            seen: short(row.first_seen),
            size: row.size,
            link,
            kind: row.kind,
            flags: HELD | side | named | flag(row.sage, SAGE),
        };
        self.mark(slot, row);
    }

    /// Notes what can change of an event that is held.
    pub(super) fn mark(&mut self, slot: u32, row: &Row) {
        let entry = self.get_mut(slot);
        entry.seen = short(row.first_seen);
        entry.flags = entry.flags & !(OWN | SENT) | flag(row.own, OWN) | flag(row.sent, SENT);
        self.set_marks(slot, row.marks);
    }

    pub(super) fn set_marks(&mut self, slot: u32, marks: Marks) {
        let Marks { pinned, followed, withheld } = marks;
        let flags = &mut self.get_mut(slot).flags;
        *flags &= !(PINNED | FOLLOWED | WITHHELD);
        *flags |= flag(pinned, PINNED) | flag(followed, FOLLOWED) | flag(withheld, WITHHELD);
    }

    /// Keeps of an event only its name.
    pub(super) fn forget(&mut self, slot: u32) {
        let entry = self.get_mut(slot);
        let side = (entry.flags & SIDE != 0).then_some(entry.link);
        (entry.flags, entry.link, entry.home) = (0, NONE, NONE);
        if let Some(side) = side {
            self.sides[side as usize] = Box::default();
            self.free_sides.push(side);
        }
    }

    pub(super) fn is_held(&self, slot: u32) -> bool {
        self.get(slot).flags & HELD != 0
    }

    /// When, as the author says.
    pub(super) fn time(&self, slot: u32) -> Seconds {
        let entry = self.get(slot);
        match entry.time {
            u32::MAX => Seconds(self.number(entry, TIME).unwrap_or(u32::MAX.into())),
            time => Seconds(time.into()),
        }
    }

    pub(super) fn seq(&self, slot: u32) -> u64 {
        self.number(self.get(slot), SEQ).unwrap_or(0)
    }

    pub(super) fn salt(&self, slot: u32) -> Option<[u8; 16]> {
        self.part(self.get(slot), SALT)?.try_into().ok()
    }

    pub(super) fn follow(&self, slot: u32) -> Option<(AuthorId, bool)> {
        let (ended, who) = self.part(self.get(slot), FOLLOW)?.split_last()?;
        Some((AuthorId::try_from(who).ok()?, *ended != 0))
    }

    /// Roles and slots of the targets, in the order of the event's references.
    pub(super) fn refs(&self, slot: u32) -> impl Iterator<Item = (Rel, u32)> + '_ {
        let entry = self.get(slot);
        let (one, side) = if entry.flags & SIDE == 0 {
            (Some(entry.link).filter(|link| *link != NONE), [].as_slice())
        } else {
            let side = &self.sides[entry.link as usize];
            (None, &side[1 + lengths(side[0])..])
        };
        let many = side.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        one.into_iter().chain(many).filter_map(|link| {
            let rel = u8::try_from(link >> SLOT_BITS).ok().and_then(Rel::of)?;
            Some((rel, link & ((1 << SLOT_BITS) - 1)))
        })
    }

    /// Which of two events comes first, by (time, id).
    pub(super) fn by_time(&self, one: u32, other: u32) -> Ordering {
        (self.time(one), self.get(one).id).cmp(&(self.time(other), self.get(other).id))
    }

    fn number(&self, entry: &Entry, part: u8) -> Option<u64> {
        self.part(entry, part)?.try_into().map(u64::from_le_bytes).ok()
    }

    fn part(&self, entry: &Entry, part: u8) -> Option<&[u8]> {
        if entry.flags & SIDE == 0 {
            return None;
        }
        let (flags, rest) = self.sides[entry.link as usize].split_first()?;
        let (_, length) = PARTS.iter().find(|(bit, _)| bit & flags & part != 0)?;
        rest.get(lengths(flags & (part - 1))..)?.get(..*length)
    }

    fn add_side(&mut self, side: Box<[u8]>) -> u32 {
        if let Some(number) = self.free_sides.pop() {
            self.sides[number as usize] = side;
            return number;
        }
        self.sides.push(side);
        u32::try_from(self.sides.len() - 1).expect("no more sides than slots")
    }
}

fn flag(is_set: bool, bit: u16) -> u16 {
    if is_set { bit } else { 0 }
}

/// A time as far as 32 bits go.
pub(super) fn short(time: Seconds) -> u32 {
    u32::try_from(time.0).unwrap_or(u32::MAX)
}

/// Bytes of all parts together that are there.
fn lengths(flags: u8) -> usize {
    PARTS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, length)| length).sum()
}

/// What does not fit into the entry of a row, if anything.
fn side_of(row: &Row, refs: &[u32]) -> Option<Box<[u8]>> {
    let mut side = vec![0];
    let mut part = |bit: u8, bytes: &[u8]| {
        side[0] |= bit;
        side.extend_from_slice(bytes);
    };
    if short(row.time) == u32::MAX {
        part(TIME, &row.time.0.to_le_bytes());
    }
    if row.seq != 0 {
        part(SEQ, &row.seq.to_le_bytes());
    }
    if let Some(salt) = &row.salt {
        part(SALT, salt);
    }
    if let Some((who, ended)) = row.follow.as_deref() {
        part(FOLLOW, &who.0);
        part(FOLLOW, &[u8::from(*ended)]);
    }
    let is_needed = side[0] != 0 || refs.len() > 1;
    refs.iter().for_each(|reference| side.extend_from_slice(&reference.to_le_bytes()));
    is_needed.then(|| side.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Entry, Slab};
    use crate::base::EventId;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn an_entry_has_no_gap() {
        assert_eq!(size_of::<Entry>(), 92);
    }

    #[test]
    fn slots_that_were_given_back_are_used_again() {
        let mut slab = Slab::default();
        let count = u32::try_from(CHUNK).expect("few") + 1;
        let add = |slab: &mut Slab| slab.add(EventId([7; 32]));
        assert!((0..count).all(|n| add(&mut slab) == n));
        slab.remove(3);
        slab.remove(9);
        let again = [add(&mut slab), add(&mut slab), add(&mut slab)];
        assert_eq!(again, [9, 3, count]);
    }
}
