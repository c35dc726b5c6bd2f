//! Where the samples of a track lie (ISO/IEC 14496-12, section 8.7): tables of chunks, of samples in a chunk, of sizes.

use super::super::{Reader, malformed};
use crate::messages::CleanError;

/// Entries of a table that are read: as many samples as four days of sound have.
const MAX_ENTRIES: u32 = 1 << 24;

/// The most chunks and runs of all tracks together: 64 MB of them.
pub(super) const MAX_RANGES: usize = 1 << 22;

/// Boxes of one level that are looked at.
const MAX_BOXES: u32 = 1 << 12;

/// Content and end of the first box of this type between two places.
pub(super) fn find(
    reader: &mut Reader<'_>,
    from: u64,
    end: u64,
    kind: &[u8; 4],
) -> Result<Option<(u64, u64)>, CleanError> {
    reader.go(from)?;
    for _ in 0..MAX_BOXES {
        let at = reader.at();
        if at + 8 > end {
            return Ok(None);
        }
        let size = reader.u32()?;
        let found: [u8; 4] = reader.bytes()?;
        let size = if size == 1 { u64::from_be_bytes(reader.bytes()?) } else { size.into() };
        let last = at.checked_add(size).filter(|last| *last >= reader.at() && *last <= end);
        let last = last.ok_or_else(|| malformed("a box is larger than what it is in"))?;
        if found == *kind {
            return Ok(Some((reader.at(), last)));
        }
        reader.go(last)?;
    }
    Err(CleanError::TooMuch)
}

/// The end of a range that reaches to whatever comes next: nobody says how long it is.
pub(super) const OPEN: u64 = u64::MAX;

/// Where the samples of a track lie, from where to where, of a track whose content lies between two places. Empty for a
/// track that is in fragments, or has none.
pub(super) fn of(
    reader: &mut Reader<'_>,
    (mut from, mut end): (u64, u64),
    is_sound: bool,
) -> Result<Vec<(u64, u64)>, CleanError> {
    for kind in [b"mdia", b"minf", b"stbl"] {
        match find(reader, from, end, kind)? {
            Some(inner) => (from, end) = inner,
            None => return Ok(Vec::new()),
        }
    }
    let mut table = |kind: &[u8; 4]| find(reader, from, end, kind);
    let (short, long) = (table(b"stco")?, table(b"co64")?);
    let (to_chunk, sizes, descriptions) = (table(b"stsc")?, table(b"stsz")?, table(b"stsd")?);
    let (Some((offsets, width)), Some((to_chunk, _))) =
        (short.map(|(at, _)| (at, 4)).or(long.map(|(at, _)| (at, 8))), to_chunk)
    else {
        return Ok(Vec::new());
    };
    let mut sizes = match sizes {
        Some((at, _)) => {
            reader.go(at + 4)?;
            match (reader.u32()?, descriptions) {
                (0, _) => Sizes::Each(Table::open(reader, at + 8, 4)?),
                (least, Some((at, end))) if is_sound => equal(reader, at, end, least)?,
                (bytes, _) => Sizes::Equal { samples: 1, bytes, least: bytes },
            }
        }
        None => Sizes::Unknown,
    };
    let mut per_chunk = Table::open(reader, to_chunk + 4, 12)?;
    let mut chunks = Table::open(reader, offsets + 4, width)?;

    let mut ranges = Vec::new();
    let mut in_chunk = 0;
    let mut next = per_chunk.entry(reader)?;
    let mut chunk = 0_u32;
    while let Some(offset) = chunks.entry(reader)? {
        chunk += 1;
        while let Some(entry) = next.filter(|entry| number(&entry[..4]) <= u64::from(chunk)) {
            in_chunk = number(&entry[4..8]);
            next = per_chunk.entry(reader)?;
        }
        if ranges.len() == MAX_RANGES {
            return Err(CleanError::TooMuch);
        }
        let at = number(&offset[..width]);
        let size = sizes.of(reader, in_chunk)?;
        ranges.push((at, size.map_or(OPEN, |size| at.saturating_add(size))));
    }
    Ok(ranges)
}

/// How long the samples of a chunk are.
enum Sizes {
    /// Each has its own.
    Each(Table),
    /// So many have so many bytes, and each so many at least.
    Equal {
        samples: u32,
        bytes: u32,
        least: u32,
    },
    Unknown,
}

impl Sizes {
    /// So many of them, those that come next; none when nobody says.
    fn of(&mut self, reader: &mut Reader<'_>, count: u64) -> Result<Option<u64>, CleanError> {
        match self {
            Sizes::Each(table) => {
                let mut size = 0_u64;
                for _ in 0..count {
                    match table.entry(reader)? {
                        Some(entry) => size += number(&entry[..4]),
                        None => break,
                    }
                }
                Ok(Some(size))
            }
            Sizes::Equal { samples, bytes, least } => {
                let packets = count.div_ceil((*samples).into()) * u64::from(*bytes);
                Ok(Some(packets.max(count * u64::from(*least))))
            }
            Sizes::Unknown => Ok(None),
        }
    }
}

/// Equal samples of sound, of which the table may say one byte each, whatever they have: what they have follows from the
/// description (QuickTime File Format, "Sound sample descriptions").
fn equal(reader: &mut Reader<'_>, at: u64, end: u64, least: u32) -> Result<Sizes, CleanError> {
    reader.go(at + 4)?;
    let is_one = reader.u32()? == 1;
    let size = end.saturating_sub(reader.at());
    if !is_one || size < 36 {
        return Ok(Sizes::Unknown);
    }
    // Behind the box's header and what all descriptions have.
    reader.skip(16)?;
    let version = reader.u16()?;
    reader.skip(6)?;
    let (channels, bits) = (reader.u16()?, reader.u16()?);
    if version == 0 {
        let bytes = u32::from(channels) * u32::from(bits.div_ceil(8));
        return Ok(Sizes::Equal { samples: 1, bytes, least });
    }
    if version != 1 || size < 52 {
        return Ok(Sizes::Unknown);
    }
    reader.skip(8)?;
    let (samples, _, bytes) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let is_told = samples > 0 && bytes > 0;
    Ok(if is_told { Sizes::Equal { samples, bytes, least } } else { Sizes::Unknown })
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What is read of a table at once, bytes. Several are read in turns, and lie apart.
const AHEAD: u64 = 64 * 1024;

/// A table that is read entry by entry.
struct Table {
    /// Where that begins which was not read yet.
    at: u64,
    width: usize,
    left: u64,
    ahead: Vec<u8>,
    /// How much of that was given.
    given: usize,
}

impl Table {
    /// A table whose number of entries stands at `at`, of so many bytes each.
    fn open(reader: &mut Reader<'_>, at: u64, width: usize) -> Result<Self, CleanError> {
        reader.go(at)?;
        let left = reader.u32()?;
        if left > MAX_ENTRIES {
            return Err(CleanError::TooMuch);
        }
        Ok(Table { at: reader.at(), width, left: left.into(), ahead: Vec::new(), given: 0 })
    }

    fn entry(&mut self, reader: &mut Reader<'_>) -> Result<Option<[u8; 12]>, CleanError> {
        if self.given == self.ahead.len() {
            let count = self.left.min(AHEAD / self.width as u64);
            if count == 0 {
                return Ok(None);
            }
            reader.go(self.at)?;
            self.ahead = reader.vec(count as usize * self.width)?;
            self.given = 0;
            self.at = reader.at();
            self.left -= count;
        }
        let mut entry = [0; 12];
        entry[..self.width].copy_from_slice(&self.ahead[self.given..self.given + self.width]);
        self.given += self.width;
        Ok(Some(entry))
    }
}
