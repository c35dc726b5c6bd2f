//! JPEG (ITU T.81, annex B): a list of segments, some followed by coded data, up to an end beyond which viewers do not look.
//!
//! What a decoder needs stays, with JFIF's header and Adobe's, which say what the colours mean. Of an EXIF segment that turns
//! the picture, one that does nothing else is left.

use super::{Facts, Plan, Reader, is_srgb, malformed, orientation};
use crate::messages::CleanError;

/// Of a segment with EXIF, which is at most 64 KiB.
const EXIF: &[u8] = b"Exif\0\0";
const PROFILE: &[u8] = b"ICC_PROFILE\0";
const JFIF: &[u8] = b"JFIF\0";
const ADOBE: &[u8] = b"Adobe";

/// JFIF's header without the preview it may have, behind the marker.
const JFIF_SIZE: u16 = 16;
/// Adobe's.
const ADOBE_SIZE: u16 = 14;

pub(super) fn walk(reader: &mut Reader<'_>, plan: &mut Plan, facts: &mut Facts) -> Result<(), CleanError> {
    if reader.bytes()? != [0xff, 0xd8] {
        return Err(malformed("it does not begin as a JPEG does"));
    }
    let (mut is_turned, mut has_srgb) = (false, false);
    loop {
        let begin = reader.at();
        // Between segments there should be nothing.
        if !reader.find(0xff)? {
            return Err(CleanError::Truncated);
        }
        let mut at = reader.at();
        let marker = loop {
            match reader.u8()? {
                0xff => at = reader.at() - 1,
                marker => break marker,
            }
        };
        plan.cut(begin, at - begin)?;
        match marker {
            0xd9 => break,
            // Marks without a segment, out of their place; or none.
            0 | 0x01 | 0xd0..=0xd8 => {
                plan.cut(at, 2)?;
                continue;
            }
            _ => {}
        }
        let size = reader.u16()?;
        let Some(size_of_content) = size.checked_sub(2) else {
            return Err(malformed("a segment has no size"));
        };
        let next = reader.at() + u64::from(size_of_content);
        // The whole segment with its marker.
        let whole = next - at;
        if next > reader.end() {
            return Err(CleanError::Truncated);
        }
        match marker {
            0xe0 if begins(reader, JFIF)? && size >= JFIF_SIZE => {
                let mut header = reader.bytes::<14>()?;
                // No pixels of a preview.
                header[12..].fill(0);
                let mut segment = vec![0xff, 0xe0, 0, JFIF_SIZE as u8];
                segment.extend(header);
                keep_as(plan, at, whole, size == JFIF_SIZE && next == reader.at(), &segment)?;
            }
            0xe1 if usize::from(size_of_content) >= EXIF.len() && begins(reader, EXIF)? => {
                let content = reader.vec(usize::from(size_of_content))?;
                let turn = orientation::read(&content[EXIF.len()..]);
                if turn == 1 || is_turned {
                    plan.cut(at, whole)?;
                } else {
                    is_turned = true;
                    facts.orientation = turn;
                    let tiff = orientation::write(turn);
                    let mut segment = vec![0xff, 0xe1, 0, (2 + EXIF.len() + tiff.len()) as u8];
                    segment.extend(EXIF);
                    segment.extend(tiff);
                    plan.replace(at, whole, &segment)?;
                }
            }
            0xee if begins(reader, ADOBE)? && size >= ADOBE_SIZE => {
                let mut segment = vec![0xff, 0xee, 0, ADOBE_SIZE as u8];
                segment.extend(reader.bytes::<12>()?);
                keep_as(plan, at, whole, true, &segment)?;
            }
            // Of applications, comments, and what is reserved.
            0xe0..=0xef | 0xfe | 0xf0..=0xfd | 0x02..=0xbf => {
                if marker == 0xe2 && begins(reader, PROFILE)? {
                    let profile = reader.vec(usize::from(size_of_content))?;
                    // One in several parts is described in the first.
                    has_srgb |= is_srgb(&profile);
                    facts.had_profile = !has_srgb;
                }
                plan.cut(at, whole)?;
            }
            // Frames.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                if facts.size.is_some() {
                    return Err(malformed("it has two frames"));
                }
                let [_, h0, h1, w0, w1] = reader.bytes()?;
                let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
                if width == 0 || height == 0 {
                    return Err(malformed("it does not say how large it is"));
                }
                facts.see_size(width.into(), height.into());
            }
            _ => {}
        }
        reader.go(next)?;
        if marker == 0xda {
            scan(reader)?;
        }
    }
    if facts.size.is_none() {
        return Err(malformed("it has no frame"));
    }
    plan.cut(reader.at(), reader.left())
}

/// Leaves a segment as it is, or puts one without what is no part of it in its place.
fn keep_as(plan: &mut Plan, at: u64, whole: u64, is_bare: bool, segment: &[u8]) -> Result<(), CleanError> {
    if is_bare && whole == segment.len() as u64 { Ok(()) } else { plan.replace(at, whole, segment) }
}

fn begins(reader: &mut Reader<'_>, with: &[u8]) -> Result<bool, CleanError> {
    Ok(reader.peek::<12>()?.starts_with(with))
}

/// Goes to the marker behind coded data, in which 0xff is followed by 0 or counts restarts.
fn scan(reader: &mut Reader<'_>) -> Result<(), CleanError> {
    while reader.find(0xff)? {
        match reader.peek::<2>()?.get(1) {
            Some(0 | 0xd0..=0xd7) => reader.skip(2)?,
            Some(0xff) => reader.skip(1)?,
            Some(_) => return Ok(()),
            None => break,
        }
    }
    Err(CleanError::Truncated)
}
