//! Where the samples of a track lie (ISO/IEC 14496-12, section 8.7): tables of chunks, of samples in a chunk, of sizes.

use super::super::{MAX_EDITS, Reader, malformed};
use crate::messages::CleanError;

/// Entries of a table that are read: as many samples as ten hours have frames.
const MAX_ENTRIES: u32 = 1 << 21;

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

/// Where the samples of a track lie and how long they are, of a track whose content lies between two places. Empty for a
/// track that is in fragments, or has none.
pub(super) fn of(reader: &mut Reader<'_>, from: u64, end: u64) -> Result<Vec<(u64, u64)>, CleanError> {
    let (mut from, mut end) = (from, end);
    for kind in [b"mdia", b"minf", b"stbl"] {
        match find(reader, from, end, kind)? {
            Some(inner) => (from, end) = inner,
            None => return Ok(Vec::new()),
        }
    }
    let mut table = |kind: &[u8; 4]| find(reader, from, end, kind);
    let (short, long) = (table(b"stco")?, table(b"co64")?);
    let (to_chunk, sizes) = (table(b"stsc")?, table(b"stsz")?);
    let (Some((offsets, width)), Some((to_chunk, _))) =
        (short.map(|(at, _)| (at, 4)).or(long.map(|(at, _)| (at, 8))), to_chunk)
    else {
        return Ok(Vec::new());
    };
    let Some((sizes, _)) = sizes else {
        return Err(CleanError::Stuck("what is neither picture nor sound cannot be found in it".to_owned()));
    };

    let mut per_chunk = Table::open(reader, to_chunk + 4, 12)?;
    reader.go(sizes + 4)?;
    let equal = reader.u32()?;
    let mut samples = Table::open(reader, sizes + 8, 4)?;
    let mut chunks = Table::open(reader, offsets + 4, width)?;

    let mut ranges: Vec<(u64, u64)> = Vec::new();
    let mut in_chunk = 0;
    let mut next = per_chunk.entry(reader)?;
    let mut chunk = 0_u32;
    while let Some(offset) = chunks.entry(reader)? {
        chunk += 1;
        while let Some(entry) = next.filter(|entry| number(&entry[..4]) <= u64::from(chunk)) {
            in_chunk = number(&entry[4..8]);
            next = per_chunk.entry(reader)?;
        }
        let mut size = 0_u64;
        for _ in 0..in_chunk {
            let sample = if equal > 0 {
                if samples.left == 0 {
                    break;
                }
                samples.left -= 1;
                equal.into()
            } else {
                match samples.entry(reader)? {
                    Some(entry) => number(&entry[..4]),
                    None => break,
                }
            };
            size += sample;
        }
        let at = number(&offset[..width as usize]);
        if let Some(last) = ranges.last_mut().filter(|last| last.0.checked_add(last.1) == Some(at)) {
            last.1 = last.1.saturating_add(size);
        } else if ranges.len() < MAX_EDITS {
            ranges.push((at, size));
        } else {
            return Err(CleanError::TooMuch);
        }
    }
    Ok(ranges)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A table that is read entry by entry.
struct Table {
    at: u64,
    width: u64,
    left: u32,
}

impl Table {
    /// A table whose number of entries stands at `at`.
    fn open(reader: &mut Reader<'_>, at: u64, width: u64) -> Result<Self, CleanError> {
        reader.go(at)?;
        let left = reader.u32()?;
        if left > MAX_ENTRIES {
            return Err(CleanError::TooMuch);
        }
        Ok(Table { at: reader.at(), width, left })
    }

    fn entry(&mut self, reader: &mut Reader<'_>) -> Result<Option<[u8; 12]>, CleanError> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut entry = [0; 12];
        reader.go(self.at)?;
        reader.fill(&mut entry[..self.width as usize])?;
        self.at += self.width;
        self.left -= 1;
        Ok(Some(entry))
    }
}
