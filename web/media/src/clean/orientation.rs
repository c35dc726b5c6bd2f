//! The one thing of EXIF that a picture needs to be shown: how it is to be turned (Exif 3.0, section 4.6.5, tag 0x0112).

/// The tag.
const ORIENTATION: u16 = 0x0112;

/// As many entries are looked at.
const MAX_ENTRIES: u16 = 1024;

/// What a TIFF structure says, 1 to 8; 1, which is as it is, when it says nothing that can be read.
pub(super) fn read(tiff: &[u8]) -> u8 {
    find(tiff).filter(|turn| (1..=8).contains(turn)).unwrap_or(1) as u8
}

fn find(tiff: &[u8]) -> Option<u16> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = u32_at(4)? as usize;
    let entries = u16_at(directory)?.min(MAX_ENTRIES);
    (0..usize::from(entries))
        .map(|entry| directory + 2 + 12 * entry)
        .find(|at| u16_at(*at) == Some(ORIENTATION))
        .and_then(|at| u16_at(at + 8))
}

/// A TIFF structure that says this and nothing else.
pub(super) fn write(turn: u8) -> [u8; 26] {
    let mut tiff = *b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    tiff[19] = turn;
    tiff
}
