//! MPEG audio with tags around it: ID3v2 before it (id3.org, 2.4.0), or behind it with a footer, ID3v1, APE and Lyrics3
//! behind it. All of them go.

use super::{Facts, Plan, Reader, malformed, milliseconds};
use crate::messages::CleanError;

/// Zeros that may lie between the tags and the first frame: what taggers leave for later.
const MAX_PADDING: u64 = 1 << 20;

/// Tags that are looked for on either side.
const MAX_TAGS: u32 = 16;

pub(super) fn walk(reader: &mut Reader<'_>, plan: &mut Plan, facts: &mut Facts) -> Result<(), CleanError> {
    let (begin, end) = tags(reader, plan)?;
    reader.go(begin)?;
    while reader.at() < end && reader.at() - begin < MAX_PADDING && reader.peek::<1>()?[0] == 0 {
        reader.skip(1)?;
    }
    let first = reader.at();
    plan.cut(begin, first - begin)?;
    if end.saturating_sub(first) < 4 {
        return Err(CleanError::Truncated);
    }
    let frame = Frame::read(reader).ok_or_else(|| malformed("it has no sound"))?;
    facts.duration = frame.duration(reader, first, end)?;
    Ok(())
}

/// Cuts tags off both ends of a file, and gives where what is left begins and ends.
pub(super) fn tags(reader: &mut Reader<'_>, plan: &mut Plan) -> Result<(u64, u64), CleanError> {
    let mut begin = 0;
    for _ in 0..MAX_TAGS {
        reader.go(begin)?;
        let head = reader.peek::<10>()?;
        let size = match head.as_slice() {
            [b'I', b'D', b'3', _, _, flags, size @ ..] if size.len() == 4 => {
                10 + synchsafe(size) + if flags & 0x10 == 0 { 0 } else { 10 }
            }
            _ => break,
        };
        if size > reader.left() {
            return Err(CleanError::Truncated);
        }
        plan.cut(begin, size)?;
        begin += size;
    }
    let mut end = reader.end();
    for _ in 0..MAX_TAGS {
        let Some(size) = tag_before(reader, begin, end)? else { break };
        plan.cut(end - size, size)?;
        end -= size;
    }
    Ok((begin, end))
}

/// The size of the tag that ends at `end`, if there is one behind `begin`.
fn tag_before(reader: &mut Reader<'_>, begin: u64, end: u64) -> Result<Option<u64>, CleanError> {
    let room = end - begin;
    let mut last = |size: u64, begins: &[u8]| -> Result<bool, CleanError> {
        if size > room {
            return Ok(false);
        }
        reader.go(end - size)?;
        Ok(reader.peek::<16>()?.starts_with(begins))
    };
    let size = if last(128, b"TAG")? {
        128
    } else if last(227, b"TAG+")? {
        227
    } else if last(32, b"APETAGEX")? {
        reader.go(end - 32 + 12)?;
        let size = u64::from(reader.u32_le()?);
        reader.skip(4)?;
        // Whether a header stands before, which the size leaves out.
        size + if reader.u32_le()? >> 31 == 0 { 0 } else { 32 }
    } else if last(9, b"LYRICS200")? {
        reader.go(end - room.min(15))?;
        let digits = reader.vec(6.min(room.saturating_sub(9) as usize))?;
        let size = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        size.map_or(0, |size| size + 15)
    } else if last(10, b"3DI")? {
        reader.go(end - 4)?;
        synchsafe(&reader.bytes::<4>()?) + 20
    } else {
        return Ok(None);
    };
    if size < 9 || size > room {
        return Err(malformed("a tag of it has a size that cannot be"));
    }
    Ok(Some(size))
}

/// A number of four bytes of which seven bits count.
fn synchsafe(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f))
}

/// Kilobits a second of layer III, of the first version and of the others (ISO/IEC 11172-3, 13818-3).
const RATES: [[u16; 15]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// The header of a frame.
struct Frame {
    /// Bits a second; 0 if unknown.
    bits: u64,
    /// Samples a second.
    samples: u64,
    /// Samples of a frame.
    length: u64,
    /// Where a table of the whole may stand, from the frame's beginning.
    table: u64,
}

impl Frame {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [first, second, third, fourth] = reader.bytes().ok()?;
        if first != 0xff || second & 0xe0 != 0xe0 {
            return None;
        }
        let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
        let (rate, samples) = (usize::from(third >> 4), usize::from(third >> 2 & 3));
        let is_first = version == 3;
        let samples = *[44100_u64, 48000, 32000].get(samples)?
            >> match version {
                3 => 0,
                2 => 1,
                0 => 2,
                _ => return None,
            };
        let bits = match layer {
            1 => u64::from(*RATES[usize::from(!is_first)].get(rate)?) * 1000,
            0 => return None,
            // Of the layers that nobody uses the duration is not told.
            _ => 0,
        };
        let is_mono = fourth >> 6 == 3;
        let table = 4 + match (is_first, is_mono) {
            (true, false) => 32,
            (false, true) => 9,
            _ => 17,
        };
        Some(Frame { bits, samples, length: if is_first { 1152 } else { 576 }, table })
    }

    /// How long the sound is between two places: by the table that encoders write, else by the first frame's rate.
    fn duration(&self, reader: &mut Reader<'_>, first: u64, end: u64) -> Result<Option<u64>, CleanError> {
        if reader.go(first + self.table).is_ok()
            && let [name @ .., f0, f1, f2, f3, n0, n1, n2, n3] = reader.peek::<12>()?.as_slice()
            && matches!(name, b"Xing" | b"Info")
            && u32::from_be_bytes([*f0, *f1, *f2, *f3]) & 1 == 1
        {
            let frames = u32::from_be_bytes([*n0, *n1, *n2, *n3]);
            return Ok(milliseconds(u64::from(frames) * self.length, self.samples));
        }
        Ok(milliseconds((end - first).saturating_mul(8), self.bits))
    }
}
