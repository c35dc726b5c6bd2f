//! WAVE: RIFF chunks. What a player needs stays.

use super::{Facts, Plan, Reader, malformed, milliseconds};
use crate::messages::CleanError;

/// Chunks that are looked at.
const MAX_CHUNKS: u32 = 1 << 16;

pub(super) fn walk(reader: &mut Reader<'_>, plan: &mut Plan, facts: &mut Facts) -> Result<(), CleanError> {
    let riff: [u8; 4] = reader.bytes()?;
    let size = reader.u32_le()?;
    if riff != *b"RIFF" || &reader.bytes()? != b"WAVE" {
        return Err(malformed("it does not begin as a WAVE file does"));
    }
    // Who writes into a pipe does not know the size.
    let unknown = matches!(size, 0 | u32::MAX);
    let end = if unknown { reader.end() } else { (8 + u64::from(size)).min(reader.end()) };
    let mut kept = 4_u64;
    let mut bytes_a_second = None;
    let mut has_sound = false;
    for chunks in 0.. {
        if reader.at() + 8 > end {
            break;
        }
        if chunks == MAX_CHUNKS {
            return Err(CleanError::TooMuch);
        }
        let at = reader.at();
        let kind: [u8; 4] = reader.bytes()?;
        let size = reader.u32_le()?;
        let content = reader.at();
        let last = if kind == *b"data" && unknown && matches!(size, 0 | u32::MAX) {
            end
        } else {
            content + u64::from(size)
        };
        if last > reader.end() {
            return Err(CleanError::Truncated);
        }
        let next = (last + ((last - content) & 1)).min(reader.end());
        match &kind {
            b"fmt " if size >= 16 => {
                reader.skip(8)?;
                bytes_a_second = Some(reader.u32_le()?);
                kept += next - at;
            }
            b"data" if !has_sound => {
                has_sound = true;
                let rate = bytes_a_second.ok_or_else(|| malformed("its sound comes before what it is"))?;
                facts.duration = milliseconds(last - content, rate.into());
                kept += next - at;
            }
            b"fact" if size == 4 => kept += next - at,
            _ => plan.cut(at, next - at)?,
        }
        reader.go(next)?;
    }
    if !has_sound {
        return Err(CleanError::Truncated);
    }
    let rest = reader.at();
    plan.cut(rest, reader.end() - rest)?;
    let kept = u32::try_from(kept).map_err(|_| malformed("it is too large"))?;
    if !unknown && kept != size {
        plan.replace(4, 4, &kept.to_le_bytes())?;
    }
    Ok(())
}
