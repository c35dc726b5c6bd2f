//! MP4 and QuickTime (ISO/IEC 14496-12; QuickTime File Format): boxes in boxes, of which some name places in the whole
//! file. So nothing is moved: a box that does not belong to picture or sound becomes a `free` one of the same size, with
//! zeros in it.
//!
//! Tracks of anything but picture and sound go with their samples: cameras write places there.

mod samples;

use super::{Facts, Plan, Reader, malformed, milliseconds};
use crate::messages::CleanError;

/// More boxes than any film has, of those that are walked.
const MAX_BOXES: u32 = 1 << 17;

/// What stays at the outermost level and in boxes that are walked; everything else becomes `free`.
const IN_FILE: [&[u8; 4]; 9] =
    [b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"ssix", b"pdin"];
const IN_MOOV: [&[u8; 4]; 4] = [b"mvhd", b"trak", b"mvex", b"iods"];
const IN_TRAK: [&[u8; 4]; 5] = [b"tkhd", b"edts", b"mdia", b"trgr", b"load"];
const IN_MDIA: [&[u8; 4]; 4] = [b"mdhd", b"hdlr", b"minf", b"elng"];
const IN_MINF: [&[u8; 4]; 8] = [b"vmhd", b"smhd", b"hmhd", b"nmhd", b"gmhd", b"dinf", b"stbl", b"hdlr"];
const IN_MOOF: [&[u8; 4]; 2] = [b"mfhd", b"traf"];
const IN_TRAF: [&[u8; 4]; 9] =
    [b"tfhd", b"tfdt", b"trun", b"sdtp", b"sbgp", b"sgpd", b"saiz", b"saio", b"senc"];

pub(super) fn walk(reader: &mut Reader<'_>, plan: &mut Plan, facts: &mut Facts) -> Result<(), CleanError> {
    let mut file =
        File { reader, plan, facts, boxes: 0, has_film: false, has_data: false, has_dropped: false };
    file.walk()
}

/// A box whose content is read next.
#[derive(Clone, Copy)]
struct Part {
    kind: [u8; 4],
    /// Where its type stands.
    kind_at: u64,
    content: u64,
    end: u64,
}

struct File<'a, 'b> {
    reader: &'a mut Reader<'b>,
    plan: &'a mut Plan,
    facts: &'a mut Facts,
    boxes: u32,
    has_film: bool,
    has_data: bool,
    /// Whether a track was taken out.
    has_dropped: bool,
}

impl File<'_, '_> {
    fn walk(&mut self) -> Result<(), CleanError> {
        let end = self.reader.end();
        while self.reader.at() < end {
            let at = self.reader.at();
            let part = match self.part(end) {
                Ok(part) if self.knows(&part) => part,
                // Behind the film something else may hang.
                _ if self.has_film && self.has_data => {
                    self.plan.cut(at, end - at)?;
                    break;
                }
                Ok(part) => part,
                Err(error) => return Err(error),
            };
            match &part.kind {
                b"moov" if !self.has_film => self.film(part)?,
                b"moov" => return Err(malformed("it has two films")),
                b"moof" => self.fragment(part)?,
                b"mdat" => self.has_data = true,
                kind if IN_FILE.contains(&kind) => {}
                _ => self.free(&part)?,
            }
            self.reader.go(part.end)?;
        }
        if self.has_film && self.has_data { Ok(()) } else { Err(CleanError::Truncated) }
    }

    /// Whether it is a box of the outermost level, and not something that only looks like one.
    fn knows(&self, part: &Part) -> bool {
        IN_FILE.contains(&&part.kind)
            || [b"free", b"skip", b"wide", b"uuid", b"meta", b"udta"].contains(&&part.kind)
    }

    /// Reads the header of the box that is next.
    fn part(&mut self, end: u64) -> Result<Part, CleanError> {
        self.boxes += 1;
        if self.boxes > MAX_BOXES {
            return Err(CleanError::TooMuch);
        }
        let at = self.reader.at();
        let size = self.reader.u32()?;
        let kind_at = self.reader.at();
        let kind = self.reader.bytes()?;
        let size = match size {
            0 if end == self.reader.end() => end - at,
            1 => u64::from_be_bytes(self.reader.bytes()?),
            size => size.into(),
        };
        let content = self.reader.at();
        match at.checked_add(size) {
            Some(last) if last >= content && last <= end => Ok(Part { kind, kind_at, content, end: last }),
            Some(last) if last >= content => Err(CleanError::Truncated),
            _ => Err(malformed("a box is smaller than its header")),
        }
    }

    /// The boxes in a box. What is none of `kept` becomes free.
    fn parts(&mut self, whole: Part, kept: &[&[u8; 4]]) -> Result<Vec<Part>, CleanError> {
        let mut parts = Vec::new();
        self.reader.go(whole.content)?;
        // QuickTime ends some lists with four zeros.
        while self.reader.at() + 8 <= whole.end {
            let part = self.part(whole.end)?;
            if kept.contains(&&part.kind) {
                parts.push(part);
            } else {
                self.free(&part)?;
            }
            self.reader.go(part.end)?;
        }
        let rest = self.reader.at();
        self.plan.fill(rest, whole.end - rest, 0)?;
        Ok(parts)
    }

    fn free(&mut self, part: &Part) -> Result<(), CleanError> {
        self.plan.replace(part.kind_at, 4, b"free")?;
        self.plan.fill(part.content, part.end - part.content, 0)
    }

    fn film(&mut self, film: Part) -> Result<(), CleanError> {
        self.has_film = true;
        let parts = self.look_for(film, b"cmov")?;
        if parts {
            return Err(CleanError::Stuck("its index is compressed".to_owned()));
        }
        let mut has_track = false;
        for part in self.parts(film, &IN_MOOV)? {
            match &part.kind {
                b"mvhd" => {
                    let (units, per_second) = self.times(part, 12)?;
                    // All ones say that nobody knows.
                    let known = units > 0 && units != u64::from(u32::MAX) && units != u64::MAX;
                    self.facts.duration = known.then(|| milliseconds(units, per_second)).flatten();
                }
                b"trak" => has_track |= self.track(part)?,
                _ => {}
            }
        }
        if has_track { Ok(()) } else { Err(malformed("it has neither picture nor sound")) }
    }

    /// Whether a box has a box of this type.
    fn look_for(&mut self, whole: Part, kind: &[u8; 4]) -> Result<bool, CleanError> {
        self.reader.go(whole.content)?;
        while self.reader.at() + 8 <= whole.end {
            let part = self.part(whole.end)?;
            if part.kind == *kind {
                return Ok(true);
            }
            self.reader.go(part.end)?;
        }
        Ok(false)
    }

    /// Cleans a track, or takes it out if it is neither picture nor sound. Gives whether it stays.
    fn track(&mut self, track: Part) -> Result<bool, CleanError> {
        let handler = self.handler(track)?;
        if !matches!(&handler, b"vide" | b"soun") {
            let ranges = samples::of(self.reader, track.content, track.end)?;
            for (at, size) in ranges {
                self.plan.fill(at, size, 0)?;
            }
            self.has_dropped = true;
            self.free(&track)?;
            return Ok(false);
        }
        for part in self.parts(track, &IN_TRAK)? {
            match &part.kind {
                b"tkhd" => {
                    self.times(part, 0)?;
                    if handler == *b"vide" {
                        self.size(part)?;
                    }
                }
                b"mdia" => self.media(part)?,
                _ => {}
            }
        }
        Ok(true)
    }

    fn media(&mut self, media: Part) -> Result<(), CleanError> {
        for part in self.parts(media, &IN_MDIA)? {
            match &part.kind {
                b"mdhd" => drop(self.times(part, 12)?),
                b"hdlr" => self.unname(part)?,
                b"minf" => {
                    for part in self.parts(part, &IN_MINF)? {
                        if part.kind == *b"hdlr" {
                            self.unname(part)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What a track is of.
    fn handler(&mut self, track: Part) -> Result<[u8; 4], CleanError> {
        let Some(media) = samples::find(self.reader, track.content, track.end, b"mdia")? else {
            return Err(malformed("a track has no media"));
        };
        let Some((at, end)) = samples::find(self.reader, media.0, media.1, b"hdlr")? else {
            return Err(malformed("a track does not say what it is of"));
        };
        if end - at < 12 {
            return Err(malformed("a track does not say what it is of"));
        }
        self.reader.go(at + 8)?;
        self.reader.bytes()
    }

    /// Empties the name of a handler: as text of C and as text of Pascal, zeros are none.
    fn unname(&mut self, part: Part) -> Result<(), CleanError> {
        match part.end.checked_sub(part.content + 24) {
            Some(size) => self.plan.fill(part.content + 24, size, 0),
            None => Ok(()),
        }
    }

    /// Takes the times of making and changing out of a header. If a duration stands `before` bytes behind the beginning of
    /// those times, as units and units per second, gives it.
    fn times(&mut self, part: Part, least: u64) -> Result<(u64, u64), CleanError> {
        self.reader.go(part.content)?;
        let is_long = match self.reader.bytes::<4>()? {
            [0, ..] => false,
            [1, ..] => true,
            _ => return Err(malformed("a header of it is of a version that nobody knows")),
        };
        let size = if is_long { 16 } else { 8 };
        if part.end - part.content < 4 + size + least {
            return Err(malformed("a header of it is too small"));
        }
        self.plan.fill(part.content + 4, size, 0)?;
        if least == 0 {
            return Ok((0, 0));
        }
        self.reader.skip(size)?;
        let per_second = self.reader.u32()?;
        let units =
            if is_long { u64::from_be_bytes(self.reader.bytes()?) } else { self.reader.u32()?.into() };
        Ok((units, per_second.into()))
    }

    /// The size of a track, of which the matrix says whether it lies on its side.
    fn size(&mut self, header: Part) -> Result<(), CleanError> {
        // The last of a track's header: nine numbers of a matrix, then width and height with 16 bits of fractions.
        let Some(at) = header.end.checked_sub(44).filter(|at| *at >= header.content) else {
            return Err(malformed("a header of it is too small"));
        };
        self.reader.go(at)?;
        let mut numbers = [0; 11];
        for number in &mut numbers {
            *number = self.reader.u32()?;
        }
        let (width, height) = (numbers[9] >> 16, numbers[10] >> 16);
        let lies = numbers[0] == 0 && numbers[4] == 0;
        if self.facts.size.is_none() && width > 0 && height > 0 {
            self.facts.size = Some(if lies { (height, width) } else { (width, height) });
        }
        Ok(())
    }

    fn fragment(&mut self, fragment: Part) -> Result<(), CleanError> {
        if self.has_dropped {
            return Err(CleanError::Stuck(
                "it is in fragments, and not all of them are picture or sound".to_owned(),
            ));
        }
        for part in self.parts(fragment, &IN_MOOF)? {
            if part.kind == *b"traf" {
                self.parts(part, &IN_TRAF)?;
            }
        }
        Ok(())
    }
}
