//! PNG and APNG (W3C PNG, third edition): a list of chunks, each with its type, up to an end.

use crc::{CRC_32_ISO_HDLC, Crc};

use super::{Facts, Plan, Reader, is_srgb, malformed, orientation};
use crate::messages::CleanError;

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// EXIF that is read for how the picture is turned: no camera writes more.
const MAX_EXIF: u32 = 1 << 20;

/// What stays beside the picture's data, and the most that each may have: more would be something else.
const KEPT: [(&[u8; 4], u32); 9] = [
    (b"tRNS", 256),
    (b"gAMA", 4),
    (b"cHRM", 32),
    (b"sRGB", 1),
    (b"sBIT", 4),
    (b"bKGD", 6),
    (b"pHYs", 9),
    (b"acTL", 8),
    (b"fcTL", 26),
];

pub(super) fn walk(reader: &mut Reader<'_>, plan: &mut Plan, facts: &mut Facts) -> Result<(), CleanError> {
    if reader.bytes()? != SIGNATURE {
        return Err(malformed("it does not begin as a PNG does"));
    }
    let mut has_data = false;
    let mut is_turned = false;
    loop {
        let at = reader.at();
        let size = reader.u32()?;
        let kind: [u8; 4] = reader.bytes()?;
        let content = reader.at();
        let next = content + u64::from(size) + 4;
        if next > reader.end() {
            return Err(CleanError::Truncated);
        }
        if facts.size.is_none() != (kind == *b"IHDR") {
            return Err(malformed("its header is not where it belongs"));
        }
        match &kind {
            b"IHDR" => {
                let (width, height) = (reader.u32()?, reader.u32()?);
                if size != 13 || width == 0 || height == 0 || width > 1 << 31 || height > 1 << 31 {
                    return Err(malformed("its header says nothing that can be"));
                }
                facts.see_size(width, height);
            }
            b"IDAT" => has_data = true,
            b"PLTE" | b"fdAT" => {}
            b"IEND" if size == 0 && has_data => {
                plan.cut(next, reader.end() - next)?;
                return Ok(());
            }
            b"eXIf" if size <= MAX_EXIF => {
                let turn = orientation::read(&reader.vec(size as usize)?);
                if turn == 1 || is_turned {
                    plan.cut(at, next - at)?;
                } else {
                    is_turned = true;
                    facts.orientation = turn;
                    plan.replace(at, next - at, &chunk(b"eXIf", &orientation::write(turn)))?;
                }
            }
            kind if KEPT.iter().any(|(kept, most)| *kept == kind && size <= *most) => {
                // One that stands behind the data makes no animation.
                if kind == b"acTL" && !has_data && size >= 4 {
                    facts.animated |= reader.u32()? > 1;
                }
            }
            [first, ..] if first.is_ascii_lowercase() => {
                // The profile is compressed, its name before it is not.
                facts.had_profile |=
                    kind == *b"cICP" || (kind == *b"iCCP" && !is_srgb(&reader.peek::<80>()?));
                plan.cut(at, next - at)?;
            }
            _ => return Err(malformed("it has a part that nobody knows")),
        }
        reader.go(next)?;
    }
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = (content.len() as u32).to_be_bytes().to_vec();
    chunk.extend(kind);
    chunk.extend(content);
    let crc = CRC.checksum(&chunk[4..]);
    chunk.extend(crc.to_be_bytes());
    chunk
}
