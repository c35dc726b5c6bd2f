//! What the orders of the index are sorted by: what stands in an entry, and what comes before what.
//!
//! An entry has the slot of an event in its low bits, and above them what is compared first; where that is alike, the
//! events are looked at.

use core::cmp::Ordering;

use super::row::Rel;
use super::slab::{SLOT_BITS, Slab};
use crate::base::{AuthorId, EventId, Seconds};
use crate::event::Kind;

/// The slot in an entry of an order.
pub(super) fn slot_of(entry: u64) -> u32 {
    u32::try_from(entry & ((1 << SLOT_BITS) - 1)).expect("fewer than 32 bits")
}

/// An entry sorted by a number, then by what is asked of the slot.
pub(super) fn entry(number: u32, slot: u32) -> u64 {
    u64::from(number) << 32 | u64::from(slot)
}

/// The first 32 bits of an identifier, in its order.
pub(super) fn prefix(bytes: &[u8; 32]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// An entry of the referrers: target, role, and who refers.
pub(super) fn referring(rel: Rel, target: u32, slot: u32) -> u64 {
    entry(target, slot) | (rel as u64) << SLOT_BITS
}

// Which entries of an order come before that of an event.

pub(super) fn before_by_id(slab: &Slab, id: EventId) -> impl Fn(u64) -> bool + '_ {
    let prefix = u64::from(prefix(&id.0));
    move |entry| match (entry >> 32).cmp(&prefix) {
        Ordering::Equal => slab.get(slot_of(entry)).id < id,
        other => other.is_lt(),
    }
}

pub(super) fn before_in_time(slab: &Slab, slot: u32) -> impl Fn(u64) -> bool + '_ {
    let time = u64::from(slab.get(slot).time);
    move |entry| match (entry >> 32).cmp(&time) {
        Ordering::Equal => slab.by_time(slot_of(entry), slot).is_lt(),
        other => other.is_lt(),
    }
}

pub(super) fn before_in_thread(slab: &Slab, slot: u32) -> impl Fn(u64) -> bool + '_ {
    let (home, board) = (u64::from(slab.get(slot).home), slab.get(slot).board);
    move |entry| {
        let other = slot_of(entry);
        let by_board = || slab.get(other).board.cmp(&board);
        (entry >> 32).cmp(&home).then_with(by_board).then_with(|| slab.by_time(other, slot)).is_lt()
    }
}

pub(super) fn before_of_author(slab: &Slab, slot: u32) -> impl Fn(u64) -> bool + '_ {
    let author = slab.get(slot).author;
    let prefix = u64::from(prefix(&author.0));
    move |entry| {
        let other = slot_of(entry);
        let by_author = || slab.get(other).author.cmp(&author);
        (entry >> 32).cmp(&prefix).then_with(by_author).then_with(|| slab.by_time(other, slot)).is_lt()
    }
}

pub(super) fn before_referring(slab: &Slab, key: u64) -> impl Fn(u64) -> bool + '_ {
    let id = slab.get(slot_of(key)).id;
    move |entry| match (entry >> SLOT_BITS).cmp(&(key >> SLOT_BITS)) {
        Ordering::Equal => slab.get(slot_of(entry)).id < id,
        other => other.is_lt(),
    }
}

/// Those before a day, which may be one more than the last.
pub(super) fn before_in_day(slab: &Slab, day: u64) -> impl Fn(u64) -> bool + '_ {
    move |entry| {
        // The time in an entry goes as far as 32 bits.
        let time = match entry >> 32 {
            time if time < u32::MAX.into() => Seconds(time),
            _ => slab.time(slot_of(entry)),
        };
        u64::from(time.day().0) < day
    }
}

/// What a fact is about: of those that are alike one is kept.
pub(super) type Fact = (AuthorId, Kind, Option<AuthorId>);

/// What the event in a slot is about, if it is a fact of no board.
pub(super) fn fact_of(slab: &Slab, slot: u32) -> Option<Fact> {
    let event = slab.get(slot);
    let is_fact = event.kind.is_fact() && event.board == 0;
    is_fact.then(|| (event.author, event.kind, slab.follow(slot).map(|(who, _)| who)))
}

pub(super) fn before_fact(slab: &Slab, fact: Option<Fact>) -> impl Fn(u64) -> bool + '_ {
    let prefix = fact.map_or(0, |(author, ..)| u64::from(prefix(&author.0)));
    move |entry| match (entry >> 32).cmp(&prefix) {
        Ordering::Equal => fact_of(slab, slot_of(entry)) < fact,
        other => other.is_lt(),
    }
}
