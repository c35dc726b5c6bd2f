//! FLAC (RFC 9639): blocks of metadata, then frames to the end. Of the blocks those stay that decoding and seeking need.

use super::{Facts, Plan, Reader, malformed, milliseconds, mp3};
use crate::messages::CleanError;

const STREAM_INFO: u8 = 0;
const SEEK_TABLE: u8 = 3;
/// Says of a block that no other follows.
const LAST: u8 = 0x80;

/// Blocks that are looked at.
const MAX_BLOCKS: u32 = 1024;

pub(super) fn walk(reader: &mut Reader<'_>, plan: &mut Plan, facts: &mut Facts) -> Result<(), CleanError> {
    let (begin, end) = mp3::tags(reader, plan)?;
    reader.go(begin)?;
    if &reader.bytes()? != b"fLaC" {
        return Err(malformed("it does not begin as FLAC does"));
    }
    // Where the last block that stays begins, and what its first byte is.
    let mut kept = None;
    for _ in 0..MAX_BLOCKS {
        let at = reader.at();
        let [kind, s0, s1, s2] = reader.bytes()?;
        let next = reader.at() + u64::from(u32::from_be_bytes([0, s0, s1, s2]));
        if next > end {
            return Err(CleanError::Truncated);
        }
        match (kind & !LAST, kept) {
            (STREAM_INFO, None) if next - reader.at() == 34 => {
                reader.skip(10)?;
                let numbers = u64::from_be_bytes(reader.bytes()?);
                // 20 bits of samples a second, 8 of what else, 36 of samples; 0 for unknown.
                let samples = numbers & 0xf_ffff_ffff;
                facts.duration = (samples > 0).then(|| milliseconds(samples, numbers >> 44)).flatten();
                kept = Some((at, kind));
            }
            (STREAM_INFO, _) | (_, None) => return Err(malformed("its first block is not where it belongs")),
            (SEEK_TABLE, Some(_)) => kept = Some((at, kind)),
            _ => plan.cut(at, next - at)?,
        }
        reader.go(next)?;
        if kind & LAST != 0 {
            let (at, kind) = kept.expect("the first block stays");
            if kind & LAST == 0 {
                plan.replace(at, 1, &[kind | LAST])?;
            }
            return match reader.peek::<2>()?.as_slice() {
                [0xff, second] if second & 0xfc == 0xf8 && reader.at() < end => Ok(()),
                [_, _] => Err(malformed("it has no sound")),
                _ => Err(CleanError::Truncated),
            };
        }
    }
    Err(CleanError::TooMuch)
}
