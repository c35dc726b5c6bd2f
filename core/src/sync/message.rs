//! What two peers say to each other when they reconcile a scope, as bytes.
//!
//! A tag, then fields in a fixed order; docs/sync.md draws them. One message has one encoding, except that who
//! writes a list chooses its width; whatever else is read is refused, and nothing is allocated by a number in it.

use super::bits::{Reader, Writer};
use super::estimate::{MAX_EVENTS, NUMBERS, SENT_BITS, Sent};
use super::short::Salt;
use super::span::{MAX_SPANS, Span, spans};
use crate::base::Day;

const ROOT: u8 = 1;
const EQUAL: u8 = 2;
const SUMMARY: u8 = 3;
const ASK: u8 = 4;
const CELLS: u8 = 5;
const MORE: u8 = 6;
const LIST: u8 = 7;
const WHOLE: u8 = 8;
const FETCH: u8 = 9;
const UNKNOWN: u8 = 10;

/// Short names in one run: more than fit into the longest message.
const MAX_NAMES: usize = 1 << 20;

/// Cells that may be asked for from the first on; before that many, names in full are fewer bytes.
pub(super) const MAX_CELLS: u64 = 1 << 16;

/// The longest head of a message with cells.
pub(super) const CELLS_HEAD: usize = 18;

/// Between whom what is compared: said by the side that answers, before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) salt: Salt,
    /// The first day that both hold.
    pub(super) since: Day,
    /// The last day on which the side that answers has events.
    pub(super) last: Day,
}

impl Opening {
    /// The spans that are compared.
    pub(super) fn spans(&self) -> Vec<Span> {
        spans(self.since, self.last)
    }

    /// What a question about some of these spans begins with.
    pub(super) fn head(&self, selected: Vec<Span>) -> Head {
        Head { tag: self.salt.tag(), since: self.since, last: self.last, selected }
    }
}

/// Of which events something is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Under which salt.
    pub(super) tag: u16,
    pub(super) since: Day,
    pub(super) last: Day,
    /// At least one of the spans between the two days, ascending.
    pub(super) selected: Vec<Span>,
}

/// Short names by span, the last span first: what is new is wanted first, and whoever fetches it can say where it
/// is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Of each span in turn its names, ascending; at least one run.
    pub(super) runs: Vec<Vec<u64>>,
    pub(super) end: End,
}

/// Where a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With the first span.
    Whole = 0,
    /// With another span, which is complete.
    Span = 1,
    /// In the middle of a span, behind the last name.
    Name = 2,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Begins: the events from a day on, how many there are, and a hash of their fold.
    Root { since: Day, count: u64, root: [u8; 16] },
    /// Answers that the other side holds the same.
    Equal,
    /// Answers with a digest of each span that has events, and a tally of all.
    Summary { opening: Opening, digests: Vec<Option<u32>>, tally: Sent },
    /// Asks for so many cells from one on.
    Ask { head: Head, from: u64, count: u64 },
    /// Answers with cells, a digest of all events they are made of, and how many those are.
    Cells { digest: u64, count: u64, cells: Vec<u64> },
    /// Asks for short names, of the last of these spans from one on.
    More { head: Head, from: u64 },
    /// Answers with short names.
    List(Page),
    /// Answers a root with the short names at once, where a summary would be longer.
    Whole { opening: Opening, page: Page },
    /// Asks for the events with these short names.
    Fetch { head: Head, names: Vec<u64> },
    /// Answers that no events have these short names.
    Unknown { names: Vec<u64> },
}

impl Message {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Message::Root { since, count, root } => {
                let mut writer = Writer::new(ROOT);
                writer.varint(since.0.into());
                writer.varint(*count);
                writer.bytes(root);
                writer.finish()
            }
            Message::Equal => Writer::new(EQUAL).finish(),
            Message::Summary { opening, digests, tally } => {
                let mut writer = Writer::new(SUMMARY);
                write_opening(&mut writer, opening);
                writer.varint(tally.count);
                digests.iter().for_each(|digest| writer.bits(digest.is_some().into(), 1));
                writer.align();
                digests.iter().flatten().for_each(|digest| writer.bytes(&digest.to_le_bytes()));
                tally.middles.iter().for_each(|middle| writer.bits(*middle, SENT_BITS));
                writer.finish()
            }
            Message::Ask { head, from, count } => {
                let mut writer = Writer::new(ASK);
                write_head(&mut writer, head);
                writer.varint(*from);
                writer.varint(*count);
                writer.finish()
            }
            Message::Cells { digest, count, cells } => {
                let mut writer = Writer::new(CELLS);
                writer.bytes(&digest.to_le_bytes());
                writer.varint(*count);
                cells.iter().for_each(|cell| writer.bytes(&cell.to_le_bytes()));
                writer.finish()
            }
            Message::More { head, from } => {
                let mut writer = Writer::new(MORE);
                write_head(&mut writer, head);
                writer.varint(*from);
                writer.finish()
            }
            Message::List(page) => {
                let mut writer = Writer::new(LIST);
                write_page(&mut writer, page);
                writer.finish()
            }
            Message::Whole { opening, page } => {
                let mut writer = Writer::new(WHOLE);
                write_opening(&mut writer, opening);
                write_page(&mut writer, page);
                writer.finish()
            }
            Message::Fetch { head, names } => {
                let mut writer = Writer::new(FETCH);
                write_head(&mut writer, head);
                writer.names(names);
                writer.finish()
            }
            Message::Unknown { names } => {
                let mut writer = Writer::new(UNKNOWN);
                writer.names(names);
                writer.finish()
            }
        }
    }

    /// Reads a message; `None` when it is none. The caller bounds its length.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let message = match reader.byte()? {
            ROOT => {
                let (since, count) = (read_day(&mut reader)?, read_count(&mut reader)?);
                Message::Root { since, count, root: reader.array()? }
            }
            EQUAL => Message::Equal,
            SUMMARY => {
                let opening = read_opening(&mut reader)?;
                let count = read_count(&mut reader)?;
                let present = read_flags(&mut reader, opening.spans().len())?;
                let mut digests = Vec::with_capacity(present.len());
                for is_present in present {
                    digests.push(if is_present { Some(u32::from_le_bytes(reader.array()?)) } else { None });
                }
                let mut middles = Vec::with_capacity(NUMBERS);
                for _ in 0..NUMBERS {
                    middles.push(reader.bits(SENT_BITS)?);
                }
                Message::Summary { opening, digests, tally: Sent { count, middles } }
            }
            ASK => {
                let head = read_head(&mut reader)?;
                let (from, count) = (reader.varint()?, reader.varint()?);
                let within = count > 0 && from.checked_add(count).is_some_and(|end| end <= MAX_CELLS);
                within.then_some(Message::Ask { head, from, count })?
            }
            CELLS => {
                let (digest, count) = (u64::from_le_bytes(reader.array()?), read_count(&mut reader)?);
                let (cells, rest) = reader.rest().as_chunks();
                let cells: Vec<u64> = cells.iter().map(|cell| u64::from_le_bytes(*cell)).collect();
                (rest.is_empty() && !cells.is_empty()).then_some(Message::Cells { digest, count, cells })?
            }
            MORE => Message::More { head: read_head(&mut reader)?, from: reader.varint()? },
            LIST => Message::List(read_page(&mut reader)?),
            WHOLE => Message::Whole { opening: read_opening(&mut reader)?, page: read_page(&mut reader)? },
            FETCH => Message::Fetch { head: read_head(&mut reader)?, names: reader.names(MAX_NAMES)? },
            UNKNOWN => Message::Unknown { names: reader.names(MAX_NAMES)? },
            _ => return None,
        };
        reader.end().map(|()| message)
    }
}

fn read_day(reader: &mut Reader<'_>) -> Option<Day> {
    u32::try_from(reader.varint()?).ok().map(Day)
}

fn read_count(reader: &mut Reader<'_>) -> Option<u64> {
    reader.varint().filter(|count| *count <= MAX_EVENTS)
}

fn write_days(writer: &mut Writer, since: Day, last: Day) {
    writer.varint(since.0.into());
    writer.varint((last.0 - since.0).into());
}

fn read_days(reader: &mut Reader<'_>) -> Option<(Day, Day)> {
    let (since, more) = (read_day(reader)?, read_day(reader)?);
    Some((since, Day(since.0.checked_add(more.0)?)))
}

fn write_opening(writer: &mut Writer, opening: &Opening) {
    writer.bytes(&opening.salt.0);
    write_days(writer, opening.since, opening.last);
}

fn read_opening(reader: &mut Reader<'_>) -> Option<Opening> {
    let salt = Salt(reader.array()?);
    let (since, last) = read_days(reader)?;
    Some(Opening { salt, since, last })
}

fn write_head(writer: &mut Writer, head: &Head) {
    writer.bytes(&head.tag.to_le_bytes());
    write_days(writer, head.since, head.last);
    spans(head.since, head.last).iter().for_each(|span| writer.bits(head.selected.contains(span).into(), 1));
    writer.align();
}

fn read_head(reader: &mut Reader<'_>) -> Option<Head> {
    let tag = u16::from_le_bytes(reader.array()?);
    let (since, last) = read_days(reader)?;
    let all = spans(since, last);
    let flags = read_flags(reader, all.len())?;
    let selected: Vec<Span> =
        all.into_iter().zip(flags).filter(|(_, flag)| *flag).map(|(span, _)| span).collect();
    (!selected.is_empty()).then_some(Head { tag, since, last, selected })
}

/// One bit each, then the next byte begins.
fn read_flags(reader: &mut Reader<'_>, count: usize) -> Option<Vec<bool>> {
    debug_assert!(count <= MAX_SPANS, "spans are few");
    let mut flags = Vec::with_capacity(count);
    for _ in 0..count {
        flags.push(reader.bits(1)? == 1);
    }
    reader.align().map(|()| flags)
}

fn write_page(writer: &mut Writer, page: &Page) {
    writer.bytes(&[page.end as u8]);
    writer.varint(page.runs.len() as u64);
    page.runs.iter().for_each(|names| writer.names(names));
}

fn read_page(reader: &mut Reader<'_>) -> Option<Page> {
    let end = match reader.byte()? {
        0 => End::Whole,
        1 => End::Span,
        2 => End::Name,
        _ => return None,
    };
    let count = usize::try_from(reader.varint()?).ok().filter(|count| (1..=MAX_SPANS).contains(count))?;
    let mut runs = Vec::with_capacity(count);
    for _ in 0..count {
        runs.push(reader.names(MAX_NAMES)?);
    }
    // Behind which name, if there is none?
    let is_clear = end != End::Name || runs.last().is_some_and(|names| !names.is_empty());
    is_clear.then_some(Page { runs, end })
}
