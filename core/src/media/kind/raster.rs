//! JPEG, PNG, GIF and WebP: their magic numbers and the pixels their headers announce.
//!
//! Sources: ITU-T T.81, annex B; PNG, third edition; GIF89a; RFC 9649 (WebP) and RFC 6386 (VP8).

use super::{Dimensions, MediaKind, at, be16, be32, le16, le24};

/// Chunks of a PNG before its pixels that are looked at; more would be noise. A chunk is at least 12 bytes.
const CHUNKS: usize = 64;

pub(super) fn kind(head: &[u8]) -> Option<MediaKind> {
    if head.starts_with(&[0xff, 0xd8, 0xff]) {
        Some(MediaKind::image("image/jpeg", jpeg(head)))
    } else if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(MediaKind::image(if is_animated(head) { "image/apng" } else { "image/png" }, png(head)))
    } else if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") {
        Some(MediaKind::image("image/gif", gif(head)))
    } else if head.starts_with(b"RIFF") && at(head, 8) == Some(*b"WEBP") && at(head, 12) == Some(*b"VP8") {
        Some(MediaKind::image("image/webp", webp(head)))
    } else {
        None
    }
}

/// From marker to marker until a frame header (SOF), which comes before any pixels.
fn jpeg(head: &[u8]) -> Option<Dimensions> {
    let mut offset = 2;
    loop {
        let [0xff, marker] = at(head, offset)? else { return None };
        match marker {
            // Fill bytes may stand before any marker.
            0xff => offset += 1,
            // Markers without a segment: TEM and restarts.
            0x01 | 0xd0..=0xd7 => offset += 2,
            // SOF0 to SOF15 without DHT, JPG and DAC.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Dimensions::new(be16(head, offset + 7)?, be16(head, offset + 5)?);
            }
            // Pixels or the end, before a frame header: broken.
            0x00 | 0xd8..=0xda => return None,
            _ => offset += 2 + (be16(head, offset + 2)? as usize).max(2),
        }
    }
}

fn png(head: &[u8]) -> Option<Dimensions> {
    if at(head, 12)? != *b"IHDR" {
        return None;
    }
    Dimensions::new(be32(head, 16)?, be32(head, 20)?)
}

/// An animation says so in a chunk before its pixels.
fn is_animated(head: &[u8]) -> bool {
    let mut offset = 8_usize;
    for _ in 0..CHUNKS {
        let (Some(length), Some(name)) = (be32(head, offset), at::<4>(head, offset + 4)) else {
            return false;
        };
        match &name {
            b"acTL" => return true,
            b"IDAT" => return false,
            _ => {}
        }
        let Some(next) = offset.checked_add(length as usize).and_then(|end| end.checked_add(12)) else {
            return false;
        };
        offset = next.min(head.len());
    }
    false
}

fn gif(head: &[u8]) -> Option<Dimensions> {
    Dimensions::new(le16(head, 6)?, le16(head, 8)?)
}

fn webp(head: &[u8]) -> Option<Dimensions> {
    match &at::<4>(head, 12)? {
        b"VP8 " if at(head, 23)? == [0x9d, 0x01, 0x2a] => {
            Dimensions::new(le16(head, 26)? & 0x3fff, le16(head, 28)? & 0x3fff)
        }
        b"VP8L" if at(head, 20)? == [0x2f] => {
            let bits = at(head, 21).map(u32::from_le_bytes)?;
            Dimensions::new((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        b"VP8X" => Dimensions::new(le24(head, 24)? + 1, le24(head, 27)? + 1),
        _ => None,
    }
}
