//! WebP (RFC 9649): RIFF chunks. What does not draw the picture goes, and the header's flags say what is left.

use super::{Facts, MAX_PROFILE, Plan, Reader, is_srgb, malformed, orientation};
use crate::messages::CleanError;

/// EXIF that is read for how the picture is turned: no camera writes more.
const MAX_EXIF: u64 = 1 << 20;

const HAS_PROFILE: u8 = 0x20;
const HAS_EXIF: u8 = 0x08;
const HAS_XMP: u8 = 0x04;
const HAS_ANIMATION: u8 = 0x02;

/// The size of a chunk's type and size.
const HEADER: u64 = 8;

pub(super) fn walk(reader: &mut Reader<'_>, plan: &mut Plan, facts: &mut Facts) -> Result<(), CleanError> {
    let riff: [u8; 4] = reader.bytes()?;
    let size = u64::from(reader.u32_le()?);
    if riff != *b"RIFF" || &reader.bytes()? != b"WEBP" {
        return Err(malformed("it does not begin as a WebP does"));
    }
    let end = HEADER + size;
    // Some writers leave the last byte of padding out.
    if end > reader.end() + (size & 1) {
        return Err(CleanError::Truncated);
    }
    let end = end.min(reader.end());
    let mut kept = 4_u64;
    let mut flags = None;
    let mut has_picture = false;
    while reader.at() + HEADER <= end {
        let chunk = Chunk::read(reader, end)?;
        match &chunk.kind {
            b"VP8X" if flags.is_none() && !has_picture && chunk.size == 10 => {
                flags = Some((reader.at(), reader.u8()?));
                let [_, _, _, w0, w1, w2, h0, h1, h2] = reader.bytes()?;
                let one_less = |a, b, c| u32::from_le_bytes([a, b, c, 0]);
                facts.see_size(one_less(w0, w1, w2) + 1, one_less(h0, h1, h2) + 1);
                kept += chunk.whole();
            }
            b"ANIM" | b"ALPH" => kept += chunk.whole(),
            b"VP8 " | b"VP8L" => {
                let (width, height) = size_of(reader, &chunk.kind)?;
                facts.see_size(width, height);
                has_picture = true;
                kept += chunk.whole();
            }
            b"ANMF" => {
                facts.animated |= has_picture;
                has_picture = true;
                kept += frame(reader, plan, facts, &chunk)?;
            }
            b"EXIF" if flags.is_some() && chunk.size <= MAX_EXIF && facts.orientation == 1 => {
                let content = reader.vec(chunk.size as usize)?;
                facts.orientation = orientation::read(content.strip_prefix(b"Exif\0\0").unwrap_or(&content));
                if facts.orientation == 1 {
                    plan.cut(chunk.at, chunk.whole())?;
                } else {
                    let tiff = orientation::write(facts.orientation);
                    let mut bare = b"EXIF".to_vec();
                    bare.extend((tiff.len() as u32).to_le_bytes());
                    bare.extend(tiff);
                    plan.replace(chunk.at, chunk.whole(), &bare)?;
                    kept += bare.len() as u64;
                }
            }
            kind => {
                if kind == b"ICCP" {
                    let profile = reader.vec(chunk.size.min(MAX_PROFILE) as usize)?;
                    facts.had_profile |= !is_srgb(&profile);
                }
                plan.cut(chunk.at, chunk.whole())?;
            }
        }
        reader.go(chunk.next)?;
    }
    if !has_picture {
        return Err(malformed("it has no picture"));
    }
    if let Some((at, before)) = flags {
        let mut after = before & !(HAS_PROFILE | HAS_EXIF | HAS_XMP);
        if facts.orientation != 1 {
            after |= HAS_EXIF;
        }
        if before & HAS_ANIMATION == 0 {
            facts.animated = false;
        }
        if after != before {
            plan.replace(at, 1, &[after])?;
        }
    } else if facts.animated {
        return Err(malformed("it has frames without a header"));
    }
    plan.cut(reader.at(), reader.left())?;
    if kept != size {
        let kept = u32::try_from(kept).map_err(|_| malformed("it is too large"))?;
        plan.replace(4, 4, &kept.to_le_bytes())?;
    }
    Ok(())
}

/// A chunk whose content is read next.
struct Chunk {
    kind: [u8; 4],
    at: u64,
    /// Of the content.
    size: u64,
    next: u64,
}

impl Chunk {
    fn read(reader: &mut Reader<'_>, end: u64) -> Result<Self, CleanError> {
        let at = reader.at();
        let kind = reader.bytes()?;
        let size = u64::from(reader.u32_le()?);
        let next = reader.at() + size;
        if next > end {
            return Err(CleanError::Truncated);
        }
        Ok(Chunk { kind, at, size, next: (next + (size & 1)).min(end) })
    }

    /// How much it is with its header and padding.
    fn whole(&self) -> u64 {
        self.next - self.at
    }
}

/// A frame of an animation: a header and chunks of its own. Gives how much of it stays.
fn frame(
    reader: &mut Reader<'_>,
    plan: &mut Plan,
    facts: &mut Facts,
    chunk: &Chunk,
) -> Result<u64, CleanError> {
    if chunk.size < 16 {
        return Err(malformed("a frame of it is too small"));
    }
    let end = reader.at() + chunk.size;
    reader.skip(16)?;
    let mut kept = 16;
    while reader.at() + HEADER <= end {
        let inner = Chunk::read(reader, end)?;
        match &inner.kind {
            b"ALPH" => kept += inner.whole(),
            b"VP8 " | b"VP8L" => {
                let (width, height) = size_of(reader, &inner.kind)?;
                facts.see_size(width, height);
                kept += inner.whole();
            }
            _ => plan.cut(inner.at, inner.whole())?,
        }
        reader.go(inner.next)?;
    }
    plan.cut(reader.at(), end - reader.at())?;
    if kept == chunk.size {
        return Ok(chunk.whole());
    }
    // What is left is even, as all that it is made of; a last chunk without its padding is an odd one.
    if kept % 2 == 1 {
        return Err(malformed("a frame of it has no even size"));
    }
    plan.replace(chunk.at + 4, 4, &(kept as u32).to_le_bytes())?;
    plan.cut(end, chunk.next - end)?;
    Ok(HEADER + kept)
}

/// The size that a picture's own data say (RFC 6386, section 9.1; RFC 9649, section 3.4).
fn size_of(reader: &mut Reader<'_>, kind: &[u8; 4]) -> Result<(u32, u32), CleanError> {
    if kind == b"VP8L" {
        let [_, b0, b1, b2, b3] = reader.bytes()?;
        let bits = u32::from_le_bytes([b0, b1, b2, b3]);
        return Ok(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1));
    }
    let [_, _, _, _, _, _, w0, w1, h0, h1] = reader.bytes()?;
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Ok((side(w0, w1), side(h0, h1)))
}
