//! Matroska and WebM (RFC 9559, in EBML, RFC 8794): elements in elements, whose places others name. So nothing is moved: an
//! element that does not belong to picture or sound becomes a void one of the same size, with zeros in it.

use std::cell::Cell;

use super::{Facts, Plan, Reader, malformed, ogg};
use crate::messages::CleanError;

const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114d_9b74;
const SEEK: u32 = 0x4dbb;
const SEEK_ID: u32 = 0x53ab;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
const DURATION: u32 = 0x4489;
const MUXING_APP: u32 = 0x4d80;
const WRITING_APP: u32 = 0x5741;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK: u32 = 0xae;
const TRACK_TYPE: u32 = 0x83;
const TRACK_NAME: u32 = 0x536e;
const CODEC_ID: u32 = 0x86;
const CODEC_NAME: u32 = 0x25_8688;
const CODEC_PRIVATE: u32 = 0x63a2;
const VIDEO: u32 = 0xe0;
const PIXEL_WIDTH: u32 = 0xb0;
const PIXEL_HEIGHT: u32 = 0xba;
const CLUSTER: u32 = 0x1f43_b675;
const CUES: u32 = 0x1c53_bb6b;
const CRC: u32 = 0xbf;
const VOID: u32 = 0xec;

/// More elements than any film has, of those that are walked.
const MAX_ELEMENTS: u32 = 1 << 22;

pub(super) fn walk(reader: &mut Reader<'_>, plan: &mut Plan, facts: &mut Facts) -> Result<(), CleanError> {
    let mut file = File { reader, plan, facts, elements: 0, scale: 1_000_000, duration: None };
    let end = file.reader.end();
    let header = file.element(end)?;
    if header.id != EBML {
        return Err(malformed("it does not begin as a Matroska file does"));
    }
    file.reader.go(header.end.ok_or_else(|| malformed("its header has no size"))?)?;
    let segment = loop {
        let element = file.element(end)?;
        match (element.id, element.end) {
            (SEGMENT, _) => break element,
            (_, Some(end)) => {
                file.void(&element)?;
                file.reader.go(end)?;
            }
            _ => return Err(malformed("it has a part without a size")),
        }
    };
    file.segment(segment.end.unwrap_or(end))?;
    let rest = file.reader.at();
    file.plan.cut(rest, end - rest)?;
    file.facts.duration = file.duration.and_then(|units| {
        let milliseconds = units * file.scale as f64 / 1e6;
        // What is no number, and what no film lasts, is left out.
        (milliseconds >= 0.0 && milliseconds < (1_u64 << 53) as f64).then_some(milliseconds as u64)
    });
    Ok(())
}

/// An element whose content is read next.
struct Element {
    id: u32,
    at: u64,
    content: u64,
    /// None of one that ends where something begins that it cannot hold.
    end: Option<u64>,
}

struct File<'a, 'b> {
    reader: &'a mut Reader<'b>,
    plan: &'a mut Plan,
    facts: &'a mut Facts,
    elements: u32,
    /// Nanoseconds of a unit.
    scale: u64,
    /// Units.
    duration: Option<f64>,
}

impl File<'_, '_> {
    /// Reads the header of the element that is next.
    fn element(&mut self, end: u64) -> Result<Element, CleanError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(CleanError::TooMuch);
        }
        let at = self.reader.at();
        let first = self.reader.u8()?;
        let more = first.leading_zeros();
        if more > 3 {
            return Err(malformed("an element has no name"));
        }
        let mut id = u32::from(first);
        for _ in 0..more {
            id = id << 8 | u32::from(self.reader.u8()?);
        }
        let first = self.reader.u8()?;
        let more = first.leading_zeros();
        if more > 7 {
            return Err(malformed("an element has no size"));
        }
        let mut size = u64::from(first) & (0x7f >> more);
        for _ in 0..more {
            size = size << 8 | u64::from(self.reader.u8()?);
        }
        let content = self.reader.at();
        let unknown = (1_u64 << (7 * (more + 1))) - 1;
        let last = if size == unknown { None } else { Some(content + size) };
        if content > end || last.is_some_and(|last| last > end) {
            return Err(CleanError::Truncated);
        }
        Ok(Element { id, at, content, end: last })
    }

    fn segment(&mut self, end: u64) -> Result<(), CleanError> {
        let (mut has_tracks, mut has_data) = (false, false);
        while self.reader.at() < end {
            let element = self.element(end)?;
            let Some(last) = element.end else {
                if element.id != CLUSTER {
                    return Err(malformed("it has a part without a size"));
                }
                has_data = true;
                self.open_cluster(end)?;
                continue;
            };
            match element.id {
                SEEK_HEAD => self.master(last, &|file, element, last| file.seek(element, last))?,
                INFO => self.master(last, &|file, element, last| file.info(element, last))?,
                TRACKS => {
                    has_tracks = true;
                    self.master(last, &|file, element, last| file.track(element, last))?;
                }
                CLUSTER => has_data = true,
                CUES => {}
                _ => self.void(&element)?,
            }
            self.reader.go(last)?;
        }
        if has_tracks && has_data { Ok(()) } else { Err(CleanError::Truncated) }
    }

    /// Goes through a cluster that does not say where it ends: where something begins that it cannot hold.
    fn open_cluster(&mut self, end: u64) -> Result<(), CleanError> {
        while self.reader.at() < end {
            let at = self.reader.at();
            let element = self.element(end)?;
            // The names of the segment's parts have four bytes, those of a cluster's at most two.
            if element.id > 0xffff {
                return self.reader.go(at);
            }
            self.reader.go(element.end.ok_or_else(|| malformed("it has a part without a size"))?)?;
        }
        Ok(())
    }

    /// Goes through the elements up to `end`. Their checksum, which is not that of what is left, goes.
    fn master(
        &mut self,
        end: u64,
        each: &dyn Fn(&mut Self, &Element, u64) -> Result<(), CleanError>,
    ) -> Result<(), CleanError> {
        while self.reader.at() < end {
            let element = self.element(end)?;
            let last = element.end.ok_or_else(|| malformed("it has a part without a size"))?;
            match element.id {
                CRC | VOID => self.void(&element)?,
                _ => each(self, &element, last)?,
            }
            self.reader.go(last)?;
        }
        Ok(())
    }

    /// One that says where something is which is there no more goes too.
    fn seek(&mut self, element: &Element, end: u64) -> Result<(), CleanError> {
        if element.id != SEEK {
            return self.void(element);
        }
        let mut id = 0;
        while self.reader.at() < end {
            let inner = self.element(end)?;
            let last = inner.end.ok_or_else(|| malformed("it has a part without a size"))?;
            if inner.id == SEEK_ID {
                id = self.number(&inner, last)?;
            }
            self.reader.go(last)?;
        }
        let kept = [SEEK_HEAD, INFO, TRACKS, CLUSTER, CUES].map(u64::from);
        if kept.contains(&id) { Ok(()) } else { self.void(element) }
    }

    fn info(&mut self, element: &Element, end: u64) -> Result<(), CleanError> {
        match element.id {
            TIMESTAMP_SCALE => self.scale = self.number(element, end)?,
            DURATION => {
                self.duration = match end - element.content {
                    4 => Some(f32::from_be_bytes(self.reader.bytes()?).into()),
                    8 => Some(f64::from_be_bytes(self.reader.bytes()?)),
                    _ => None,
                };
            }
            // These have to be there, and may be empty: a text ends at its first zero.
            MUXING_APP | WRITING_APP => self.plan.fill(element.content, end - element.content, 0)?,
            _ => self.void(element)?,
        }
        Ok(())
    }

    fn track(&mut self, element: &Element, end: u64) -> Result<(), CleanError> {
        if element.id != TRACK {
            return self.void(element);
        }
        let (kind, codec, private) = (Cell::new(0), Cell::default(), Cell::new(None));
        self.master(end, &|file, element, end| {
            match element.id {
                TRACK_TYPE => kind.set(file.number(element, end)?),
                TRACK_NAME | CODEC_NAME => file.void(element)?,
                CODEC_ID => codec.set(file.reader.peek::<8>()?),
                CODEC_PRIVATE => private.set(Some((element.content, end))),
                VIDEO => file.video(end)?,
                _ => {}
            }
            Ok(())
        })?;
        // Video and audio; in others there may be anything.
        if !matches!(kind.get(), 1 | 2) {
            return Err(CleanError::Stuck("it has a track that is neither picture nor sound".to_owned()));
        }
        let codec = codec.take();
        match private.get() {
            Some((at, end)) if codec == b"A_VORBIS" => self.vorbis(at, end),
            Some((at, end)) if codec.starts_with(b"A_FLAC") => self.flac(at, end),
            _ => Ok(()),
        }
    }

    /// Empties the comments among the three packets that a stream of Vorbis begins with (RFC 9559, "A_VORBIS").
    fn vorbis(&mut self, at: u64, end: u64) -> Result<(), CleanError> {
        let wrong = || malformed("the beginning of its sound is not as Vorbis has it");
        self.reader.go(at)?;
        if self.reader.u8()? != 2 {
            return Err(wrong());
        }
        let mut sizes = [0_u64; 2];
        for size in &mut sizes {
            loop {
                let more = self.reader.u8()?;
                *size += u64::from(more);
                if more < 255 {
                    break;
                }
            }
        }
        let [first, size] = sizes;
        self.reader.skip(first)?;
        let at = self.reader.at();
        if at + size > end || !self.reader.peek::<8>()?.starts_with(ogg::VORBIS) {
            return Err(wrong());
        }
        // As in Ogg the maker's name becomes as many spaces, so that nothing becomes shorter.
        let fixed = ogg::VORBIS.len() as u64 + 9;
        let name = size.checked_sub(fixed).ok_or_else(wrong)?;
        let begin = ogg::vendor(ogg::VORBIS, name as usize);
        self.plan.replace(at, begin.len() as u64, &begin)?;
        self.plan.fill(at + begin.len() as u64, name, b' ')?;
        self.plan.replace(at + size - 5, 5, &[0, 0, 0, 0, 1])
    }

    /// Makes everything padding that FLAC does not need to be played (RFC 9639, section 8).
    fn flac(&mut self, at: u64, end: u64) -> Result<(), CleanError> {
        let mut at = at + 4;
        while at < end {
            self.reader.go(at)?;
            let [kind, size @ ..] = self.reader.bytes::<4>()?;
            let size = size.iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
            let next = at + 4 + size;
            if next > end {
                return Err(malformed("the beginning of its sound is not as FLAC has it"));
            }
            if kind & 0x7f != 0 {
                self.plan.replace(at, 1, &[kind & 0x80 | 1])?;
                self.plan.fill(at + 4, size, 0)?;
            }
            at = next;
        }
        Ok(())
    }

    fn video(&mut self, end: u64) -> Result<(), CleanError> {
        let (mut width, mut height) = (0, 0);
        while self.reader.at() < end {
            let element = self.element(end)?;
            let last = element.end.ok_or_else(|| malformed("it has a part without a size"))?;
            match element.id {
                PIXEL_WIDTH => width = self.number(&element, last)?,
                PIXEL_HEIGHT => height = self.number(&element, last)?,
                _ => {}
            }
            self.reader.go(last)?;
        }
        if let (Ok(width @ 1..), Ok(height @ 1..)) = (u32::try_from(width), u32::try_from(height)) {
            self.facts.see_size(width, height);
        }
        Ok(())
    }

    fn number(&mut self, element: &Element, end: u64) -> Result<u64, CleanError> {
        let size = end - element.content;
        if size > 8 {
            return Err(malformed("a number of it is too long"));
        }
        let bytes = self.reader.vec(size as usize)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Makes an element a void one of the same size.
    fn void(&mut self, element: &Element) -> Result<(), CleanError> {
        let end = element.end.ok_or_else(|| malformed("it has a part without a size"))?;
        let whole = end - element.at;
        // A name of one byte, then a size of one or of eight.
        let header = match whole {
            2..=128 => vec![VOID as u8, 0x80 | (whole - 2) as u8],
            _ => {
                let mut header = vec![VOID as u8, 0x01];
                header.extend(&(whole - 9).to_be_bytes()[1..]);
                header
            }
        };
        let size = header.len() as u64;
        self.plan.replace(element.at, size, &header)?;
        self.plan.fill(element.at + size, whole - size, 0)
    }
}
