//! MP4 and QuickTime (ISO/IEC 14496-12; QuickTime File Format): boxes in boxes, of which some name places in the whole
//! file. So nothing is moved: a box that does not belong to picture or sound becomes a `free` one of the same size, with
//! zeros in it.
//!
//! Tracks of anything but picture and sound go with their samples, and so does all that lies between the samples of those
//! that stay: cameras write places there.

mod data;
mod fragments;
mod samples;

use std::collections::BTreeMap;

use super::{Facts, Plan, Reader, malformed, milliseconds};
use crate::messages::CleanError;
use data::Data;

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
    let (data, sizes) = (Data::default(), BTreeMap::new());
    File { reader, plan, facts, boxes: 0, has_film: false, data, sizes, has_dropped: false }.walk()
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
    data: Data,
    /// Bytes of a sample of each track where a fragment does not say.
    sizes: BTreeMap<u32, u32>,
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
                _ if self.has_film && self.data.is_there() => {
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
                b"mdat" => self.data.lies(part.content, part.end),
                kind if IN_FILE.contains(&kind) => {}
                _ => self.free(&part)?,
            }
            self.reader.go(part.end)?;
        }
        if !self.has_film || !self.data.is_there() {
            return Err(CleanError::Truncated);
        }
        std::mem::take(&mut self.data).empty_rest(self.plan)
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
        if self.list(film)?.iter().any(|part| part.kind == *b"cmov") {
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
                b"mvex" => self.defaults(part)?,
                _ => {}
            }
        }
        if has_track { Ok(()) } else { Err(malformed("it has neither picture nor sound")) }
    }

    /// The boxes in a box, all of which stay.
    fn list(&mut self, whole: Part) -> Result<Vec<Part>, CleanError> {
        let mut parts = Vec::new();
        self.reader.go(whole.content)?;
        while self.reader.at() + 8 <= whole.end {
            let part = self.part(whole.end)?;
            parts.push(part);
            self.reader.go(part.end)?;
        }
        Ok(parts)
    }

    /// Cleans a track, or takes it out if it is neither picture nor sound. Gives whether it stays.
    fn track(&mut self, track: Part) -> Result<bool, CleanError> {
        let handler = self.handler(track)?;
        if !matches!(&handler, b"vide" | b"soun") {
            self.has_dropped = true;
            self.free(&track)?;
            return Ok(false);
        }
        let ranges = samples::of(self.reader, (track.content, track.end), handler == *b"soun")?;
        self.data.keep(ranges)?;
        for part in self.parts(track, &IN_TRAK)? {
            match &part.kind {
                b"tkhd" => {
                    self.times(part, 0)?;
                    if handler == *b"vide" {
                        self.size(part)?;
                    }
                }
                b"mdia" => self.media(part, handler == *b"vide")?,
                _ => {}
            }
        }
        Ok(true)
    }

    fn media(&mut self, media: Part, is_film: bool) -> Result<(), CleanError> {
        for part in self.parts(media, &IN_MDIA)? {
            match &part.kind {
                b"mdhd" => drop(self.times(part, 12)?),
                b"hdlr" => self.unname(part)?,
                b"minf" => {
                    for part in self.parts(part, &IN_MINF)? {
                        match &part.kind {
                            b"hdlr" => self.unname(part)?,
                            b"dinf" => self.places(part)?,
                            b"stbl" => self.descriptions(part, is_film)?,
                            _ => {}
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

    /// Empties what names the files that samples lie in: they are all in this one.
    fn places(&mut self, whole: Part) -> Result<(), CleanError> {
        for part in self.list(whole)?.into_iter().filter(|part| part.kind == *b"dref") {
            for entry in self.entries(part)? {
                let at = entry.content + 4;
                self.plan.fill(at, entry.end.saturating_sub(at), 0)?;
            }
        }
        Ok(())
    }

    /// Takes the names of programs out of the descriptions of samples: who wrote it, and of film what encoded it.
    fn descriptions(&mut self, whole: Part, is_film: bool) -> Result<(), CleanError> {
        for part in self.list(whole)?.into_iter().filter(|part| part.kind == *b"stsd") {
            for entry in self.entries(part)? {
                let size = entry.end - entry.content;
                if size >= 16 {
                    self.plan.fill(entry.content + 12, 4, 0)?;
                }
                if is_film && size >= 74 {
                    self.plan.fill(entry.content + 42, 32, 0)?;
                }
            }
        }
        Ok(())
    }

    /// The boxes of a list that says how many there are.
    fn entries(&mut self, part: Part) -> Result<Vec<Part>, CleanError> {
        let content = part.content + 8;
        if content > part.end { Ok(Vec::new()) } else { self.list(Part { content, ..part }) }
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
        let at = fragment.kind_at - 4;
        let mut next = at;
        for part in self.parts(fragment, &IN_MOOF)? {
            if part.kind == *b"traf" {
                let parts = self.parts(part, &IN_TRAF)?;
                next = self.runs(&parts, at, next)?;
            }
        }
        Ok(())
    }
}
