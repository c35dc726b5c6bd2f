//! Boxes and elements around sound and moving pictures: ISO base media files (MP4, QuickTime, M4A, AVIF) and WebM.
//!
//! Sources: ISO/IEC 14496-12 and the registry of brands at mp4ra.org; AVIF 1.1, section 6; RFC 8794 (EBML) and the WebM
//! container guidelines. Which codecs are inside is the browser's to say.

use super::{Dimensions, MediaKind, at, be32};

/// Brands of a file that are looked at.
const BRANDS: usize = 32;
/// Boxes on one level that are looked at; a file of the usual encoders has a dozen.
const BOXES: usize = 64;

pub(super) fn kind(head: &[u8]) -> Option<MediaKind> {
    if at(head, 4) == Some(*b"ftyp") {
        iso(head)
    } else if head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        is_webm(head).then(|| MediaKind::video("video/webm"))
    } else {
        None
    }
}

fn iso(head: &[u8]) -> Option<MediaKind> {
    let size = be32(head, 0)? as usize;
    let brands = head.get(8..size.min(head.len()))?;
    let major: [u8; 4] = at(brands, 0)?;
    // The four bytes behind the major brand are its version.
    let compatible = brands.get(8..).unwrap_or_default().chunks_exact(4).take(BRANDS);
    let is_avif = |brand: &[u8]| brand == b"avif" || brand == b"avis";
    match &major {
        major if is_avif(major) => Some(MediaKind::image("image/avif", avif(head))),
        b"mif1" | b"msf1" => {
            let mut compatible = compatible;
            compatible.any(is_avif).then(|| MediaKind::image("image/avif", avif(head)))
        }
        b"M4A " | b"M4B " | b"M4P " => Some(MediaKind::audio("audio/mp4")),
        b"qt  " => Some(MediaKind::video("video/quicktime")),
        b"isom" | b"mp41" | b"mp42" | b"avc1" | b"M4V " | b"M4VH" | b"M4VP" | b"dash" | b"mmp4" | b"MSNV"
        | b"F4V " | b"cmfc" => Some(MediaKind::video("video/mp4")),
        [b'i', b's', b'o', b'2'..=b'9'] | [b'3', b'g', b'p' | b'2', _] => Some(MediaKind::video("video/mp4")),
        _ => None,
    }
}

/// The content of each box in `bytes`, by its name; the last one may be cut off.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let (size, name) = (be32(rest, 0)? as usize, at(rest, 4)?);
        // 0 is "to the end"; boxes of 64 bits hold nothing that is looked for here.
        let size = if size == 0 { rest.len() } else { size };
        let content = rest.get(8..size.min(rest.len()))?;
        rest = rest.get(size..).unwrap_or_default();
        Some((name, content))
    })
    .take(BOXES)
}

fn inside<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(found, _)| found == name).map(|(_, content)| content)
}

/// The largest of the sizes that the file's pictures have: tiles and thumbnails are smaller than the whole.
fn avif(head: &[u8]) -> Option<Dimensions> {
    // `meta` begins with version and flags, as `ispe` does.
    let meta = inside(head, b"meta")?.get(4..)?;
    let properties = inside(inside(meta, b"iprp")?, b"ipco")?;
    let sizes = boxes(properties).filter(|(name, _)| name == b"ispe");
    sizes
        .filter_map(|(_, size)| Dimensions::new(be32(size, 4)?, be32(size, 8)?))
        .max_by_key(|size| size.pixels())
}

/// Whether the header's DocType is `webm`; Matroska in general no browser plays.
fn is_webm(head: &[u8]) -> bool {
    let doc_type = || {
        let (length, mut offset) = vint(head, 4)?;
        let header = head.get(..offset.checked_add(length)?.min(head.len()))?;
        for _ in 0..BOXES {
            let id_bytes = header.get(offset)?.leading_zeros() as usize + 1;
            let id = header.get(offset..offset.checked_add(id_bytes)?)?;
            let (length, start) = vint(header, offset + id_bytes)?;
            let end = start.checked_add(length)?;
            if id == [0x42, 0x82] {
                return header.get(start..end);
            }
            offset = end;
        }
        None
    };
    doc_type() == Some(b"webm")
}

/// A length of EBML at `offset`, and where what it measures begins.
fn vint(bytes: &[u8], offset: usize) -> Option<(usize, usize)> {
    let first = *bytes.get(offset)?;
    let extra = first.leading_zeros() as usize;
    if extra > 7 {
        return None;
    }
    let start = offset.checked_add(1 + extra)?;
    // The marker is taken away from the first byte; of one byte 7 bits are left.
    let begin = u64::from(first) & (0x7f >> extra);
    let length =
        bytes.get(offset + 1..start)?.iter().fold(begin, |length, byte| length << 8 | u64::from(*byte));
    Some((usize::try_from(length).ok()?, start))
}
