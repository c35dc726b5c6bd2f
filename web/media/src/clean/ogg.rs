//! Ogg (RFC 3533) with Vorbis (Vorbis I, section 5) or Opus (RFC 7845, section 5.2): pages with checksums, in which each stream
//! has a packet of comments. It is emptied without becoming shorter, so that no page moves; the checksums of the pages it
//! lies on are made anew.

use std::collections::BTreeMap;

use crc::{Algorithm, Crc};

use super::{Facts, Plan, Reader, malformed, milliseconds};
use crate::messages::CleanError;

/// The checksum of a page (RFC 3533, section 6).
const CRC: Crc<u32> = Crc::<u32>::new(&Algorithm {
    width: 32,
    poly: 0x04c1_1db7,
    init: 0,
    refin: false,
    refout: false,
    xorout: 0,
    check: 0x89a1_897f,
    residue: 0,
});

/// How the comments of Vorbis begin.
pub(super) const VORBIS: &[u8] = b"\x03vorbis";

/// Where a page's checksum stands in its header.
const CRC_AT: usize = 22;
const HEADER: usize = 27;

const CONTINUED: u8 = 1;
const FIRST: u8 = 2;

/// Streams of one file, one behind the other or at once.
const MAX_STREAMS: usize = 256;

/// The largest packet of comments: a picture of an album may be in it.
const MAX_COMMENTS: u64 = 32 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Codec {
    Vorbis,
    Opus,
}

impl Codec {
    /// How a packet of comments begins.
    fn mark(self) -> &'static [u8] {
        match self {
            Codec::Vorbis => VORBIS,
            Codec::Opus => b"OpusTags",
        }
    }
}

struct Stream {
    codec: Codec,
    /// Samples a second, and of the last page's samples how many come before the beginning.
    rate: u64,
    skip: u64,
    samples: u64,
    state: State,
}

enum State {
    /// The packet that says what the stream is has ended; comments come.
    Before,
    /// The pages of the comments as they are so far: where each payload of theirs is, and how long.
    Comments(Vec<Page>),
    After,
}

/// A page that has a part of the comments.
struct Page {
    at: u64,
    header: Vec<u8>,
    /// Where in the payload the comments end. They begin where it does.
    to: usize,
    /// Of the whole payload.
    size: usize,
}

pub(super) fn walk(reader: &mut Reader<'_>, plan: &mut Plan, facts: &mut Facts) -> Result<(), CleanError> {
    let mut streams: BTreeMap<u32, Stream> = BTreeMap::new();
    if reader.left() == 0 {
        return Err(CleanError::Truncated);
    }
    while reader.left() > 0 {
        let at = reader.at();
        let mut header = reader.vec(HEADER)?;
        if !header.starts_with(b"OggS\0") {
            // Tags are hung on sometimes, as on MPEG audio.
            if streams.is_empty() {
                return Err(malformed("it does not begin as Ogg does"));
            }
            plan.cut(at, reader.end() - at)?;
            break;
        }
        header.extend(reader.vec(usize::from(header[HEADER - 1]))?);
        let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let (flags, serial) = (header[5], number(14));
        let samples = u64::from(number(6)) | u64::from(number(10)) << 32;
        let content = reader.at();
        let size: usize = header[HEADER..].iter().map(|size| usize::from(*size)).sum();
        let next = content + size as u64;
        if next > reader.end() {
            return Err(CleanError::Truncated);
        }
        if flags & FIRST != 0 {
            if streams.len() >= MAX_STREAMS {
                return Err(CleanError::TooMuch);
            }
            let stream = stream(&reader.peek::<19>()?, size)?;
            if streams.insert(serial, stream).is_some() {
                return Err(malformed("two streams of it have one number"));
            }
        } else {
            let stream =
                streams.get_mut(&serial).ok_or_else(|| malformed("a stream of it has no beginning"))?;
            // All ones: no packet ends here.
            if samples != u64::MAX {
                stream.samples = stream.samples.max(samples);
            }
            if let Some(comments) = stream.page(Page { at, header, to: 0, size })? {
                empty(reader, plan, stream.codec, &comments)?;
            }
        }
        reader.go(next)?;
    }
    if streams.values().any(|stream| !matches!(stream.state, State::After)) {
        return Err(CleanError::Truncated);
    }
    let durations = streams.values().map(|stream| {
        milliseconds(stream.samples.saturating_sub(stream.skip), stream.rate).filter(|duration| *duration > 0)
    });
    facts.duration = durations.max().flatten();
    Ok(())
}

/// The stream that a first packet begins.
fn stream(head: &[u8], size: usize) -> Result<Stream, CleanError> {
    let (codec, rate, skip) = match head {
        [1, b'v', b'o', b'r', b'b', b'i', b's', _, _, _, _, _, r0, r1, r2, r3, ..] if size == 30 => {
            (Codec::Vorbis, u32::from_le_bytes([*r0, *r1, *r2, *r3]), 0)
        }
        [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', _, _, s0, s1, ..] if size >= 19 => {
            (Codec::Opus, 48000, u16::from_le_bytes([*s0, *s1]))
        }
        _ => return Err(CleanError::Stuck("it has a stream that is neither Vorbis nor Opus".to_owned())),
    };
    Ok(Stream { codec, rate: rate.into(), skip: skip.into(), samples: 0, state: State::Before })
}

impl Stream {
    /// Takes a page of the stream. Gives the pages of its comments when they have ended.
    fn page(&mut self, mut page: Page) -> Result<Option<Vec<Page>>, CleanError> {
        let continues = page.header[5] & CONTINUED != 0;
        let mut pages = match std::mem::replace(&mut self.state, State::After) {
            State::After => return Ok(None),
            State::Before if !continues => Vec::new(),
            State::Comments(pages) if continues => pages,
            _ => return Err(malformed("the comments of it are torn apart")),
        };
        // A packet ends with the first segment that is not full.
        let segments = &page.header[HEADER..];
        let full = segments.iter().take_while(|size| **size == 255).count();
        page.to = segments.iter().take(full + 1).map(|size| usize::from(*size)).sum();
        let has_ended = full < segments.len();
        pages.push(page);
        if pages.iter().map(|page| page.size as u64).sum::<u64>() > MAX_COMMENTS {
            return Err(CleanError::TooMuch);
        }
        if has_ended {
            return Ok(Some(pages));
        }
        self.state = State::Comments(pages);
        Ok(None)
    }
}

/// Empties the comments on these pages.
fn empty(reader: &mut Reader<'_>, plan: &mut Plan, codec: Codec, pages: &[Page]) -> Result<(), CleanError> {
    let size: usize = pages.iter().map(|page| page.to).sum();
    let mark = codec.mark();
    let too_small = || malformed("the comments of it are too small");
    // Vorbis wants no more than it says in its packet, so the maker's name is as many spaces; Opus allows zeros behind.
    let (begin, byte, end): (Vec<u8>, u8, &[u8]) = match codec {
        Codec::Vorbis => {
            let name = size.checked_sub(mark.len() + 9).ok_or_else(too_small)?;
            (vendor(mark, name), b' ', &[0, 0, 0, 0, 1])
        }
        Codec::Opus => {
            size.checked_sub(mark.len() + 8).ok_or_else(too_small)?;
            (vendor(mark, 0), 0, &[])
        }
    };
    // The first page begins with what is no comment.
    let first = &pages[0];
    reader.go(first.at + first.header.len() as u64)?;
    if !reader.peek::<8>()?.starts_with(mark) || first.to < begin.len() {
        return Err(malformed("the comments of it are not where they belong"));
    }
    let last = pages.last().expect("there is a first");
    if last.to < end.len() {
        return Err(CleanError::Stuck("its comments end where they cannot be emptied".to_owned()));
    }
    for (number, page) in pages.iter().enumerate() {
        let content = page.at + page.header.len() as u64;
        reader.go(content)?;
        let mut payload = reader.vec(page.size)?;
        payload[..page.to].fill(byte);
        if number == 0 {
            payload[..begin.len()].copy_from_slice(&begin);
            plan.replace(content, begin.len() as u64, &begin)?;
        }
        let from = if number == 0 { begin.len() } else { 0 };
        let to = if number + 1 == pages.len() { page.to - end.len() } else { page.to };
        if to < from {
            return Err(CleanError::Stuck("its comments end where they cannot be emptied".to_owned()));
        }
        payload[to..page.to].copy_from_slice(&end[..page.to - to]);
        plan.fill(content + from as u64, (to - from) as u64, byte)?;
        plan.replace(content + to as u64, (page.to - to) as u64, &end[..page.to - to])?;
        let mut header = page.header.clone();
        header[CRC_AT..CRC_AT + 4].fill(0);
        let mut crc = CRC.digest();
        crc.update(&header);
        crc.update(&payload);
        plan.replace(page.at + CRC_AT as u64, 4, &crc.finalize().to_le_bytes())?;
    }
    Ok(())
}

/// The beginning of comments whose maker has a name of so many bytes.
pub(super) fn vendor(mark: &[u8], size: usize) -> Vec<u8> {
    let mut begin = mark.to_vec();
    begin.extend((size as u32).to_le_bytes());
    begin
}
