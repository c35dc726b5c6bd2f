//! Where the samples of a fragment lie (ISO/IEC 14496-12, section 8.8): runs, whose sizes a track may have told before.

use super::super::malformed;
use super::{File, Part};
use crate::messages::CleanError;

impl File<'_, '_> {
    /// Notes what the samples of each track have where a fragment does not say.
    pub(super) fn defaults(&mut self, whole: Part) -> Result<(), CleanError> {
        for part in self.list(whole)?.into_iter().filter(|part| part.kind == *b"trex") {
            self.reader.go(part.content + 4)?;
            let track = self.reader.u32()?;
            self.reader.skip(8)?;
            let size = self.reader.u32()?;
            self.sizes.insert(track, size);
        }
        Ok(())
    }

    /// Keeps the samples of a track of a fragment that begins at `at`. `next` is where the data of the track before ends; gives
    /// where this one's does.
    pub(super) fn runs(&mut self, parts: &[Part], at: u64, next: u64) -> Result<u64, CleanError> {
        let header = parts.iter().find(|part| part.kind == *b"tfhd");
        let header = header.ok_or_else(|| malformed("a fragment does not say of what it is"))?;
        self.reader.go(header.content)?;
        let flags = self.reader.u32()?;
        let track = self.reader.u32()?;
        let base = match flags {
            flags if flags & 1 != 0 => u64::from_be_bytes(self.reader.bytes()?),
            flags if flags & 0x2_0000 != 0 => at,
            _ => next,
        };
        self.reader.skip(4 * u64::from((flags & 0xa).count_ones()))?;
        let size = match flags & 0x10 {
            0 => self.sizes.get(&track).copied().unwrap_or_default(),
            _ => self.reader.u32()?,
        };
        let mut next = base;
        for run in parts.iter().filter(|part| part.kind == *b"trun") {
            next = self.run(run, base, next, size)?;
        }
        Ok(next)
    }

    fn run(&mut self, run: &Part, base: u64, next: u64, size: u32) -> Result<u64, CleanError> {
        let wrong = || malformed("a fragment of it is too small");
        self.reader.go(run.content)?;
        let flags = self.reader.u32()?;
        let count = u64::from(self.reader.u32()?);
        let from = match flags & 1 {
            0 => next,
            _ => base.saturating_add_signed(i32::from_be_bytes(self.reader.bytes()?).into()),
        };
        self.reader.skip(u64::from(flags & 4))?;
        let width = 4 * u64::from((flags & 0xf00).count_ones());
        if count * width > run.end.checked_sub(self.reader.at()).ok_or_else(wrong)? {
            return Err(wrong());
        }
        let mut bytes = 0;
        if flags & 0x200 == 0 {
            bytes = count * u64::from(size);
        } else {
            let before = u64::from(flags >> 6 & 4);
            for _ in 0..count {
                self.reader.skip(before)?;
                bytes += u64::from(self.reader.u32()?);
                self.reader.skip(width - before - 4)?;
            }
        }
        let end = from.saturating_add(bytes);
        self.data.keep(vec![(from, end)])?;
        Ok(end)
    }
}
