//! MP3, Ogg with Opus, Vorbis or FLAC, FLAC and WAV.
//!
//! Sources: ISO/IEC 11172-3, 2.4.1.3 and ID3v2.4, section 3.1 (MP3); RFC 3533 (Ogg), RFC 7845 (Opus), RFC 9639 (FLAC).

use super::{MediaKind, at};

pub(super) fn kind(head: &[u8]) -> Option<MediaKind> {
    if head.starts_with(b"fLaC") {
        Some(MediaKind::audio("audio/flac"))
    } else if head.starts_with(b"RIFF") && at(head, 8) == Some(*b"WAVE") {
        Some(MediaKind::audio("audio/wav"))
    } else if head.starts_with(b"OggS\0") {
        ogg(head).then(|| MediaKind::audio("audio/ogg"))
    } else if is_tagged(head) || is_mp3(head) {
        Some(MediaKind::audio("audio/mpeg"))
    } else {
        None
    }
}

/// Whether the first stream of an Ogg file is sound that browsers play. Its first packet names the codec.
fn ogg(head: &[u8]) -> bool {
    let segments = head.get(26).map_or(0, |segments| usize::from(*segments));
    let packet = head.get(27 + segments..).unwrap_or_default();
    [&b"OpusHead"[..], b"\x01vorbis", b"\x7fFLAC"].iter().any(|codec| packet.starts_with(codec))
}

/// Whether an ID3v2 tag stands at the beginning: a version and a length of four times 7 bits.
fn is_tagged(head: &[u8]) -> bool {
    let Some([b'I', b'D', b'3', major, minor, _, length @ ..]) = at::<10>(head, 0) else { return false };
    major < 0xff && minor < 0xff && length.iter().all(|byte| *byte < 0x80)
}

/// Whether a frame of MPEG audio, layer III, stands at the beginning, and another behind it: two bytes that are nearly
/// all ones are too little to go by.
fn is_mp3(head: &[u8]) -> bool {
    let next = at(head, 0).and_then(frame_bytes);
    next.is_some_and(|next| at(head, next).and_then(frame_bytes).is_some())
}

/// Bytes of the frame with this header; `None` when it is none.
fn frame_bytes([first, second, third, _]: [u8; 4]) -> Option<usize> {
    const BITRATES_1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const BITRATES_2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    const RATES: [usize; 3] = [44_100, 48_000, 32_000];
    // Eleven ones, then version, layer (01 is III) and whether there is a checksum.
    if first != 0xff || second & 0xe6 != 0xe2 {
        return None;
    }
    let (bitrates, samples, divided) = match second >> 3 & 3 {
        3 => (&BITRATES_1, 144, 1),
        2 => (&BITRATES_2, 72, 2),
        0 => (&BITRATES_2, 72, 4),
        _ => return None,
    };
    let bitrate = *bitrates.get(usize::from(third >> 4)).filter(|bitrate| **bitrate > 0)?;
    let rate = RATES.get(usize::from(third >> 2 & 3))? / divided;
    Some(samples * bitrate * 1_000 / rate + usize::from(third >> 1 & 1))
}
