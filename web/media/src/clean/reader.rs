//! A place in a file from which one reads on. Reads ahead in portions, so that small steps are cheap.

use super::Source;
use crate::messages::CleanError;

/// What is read at once, bytes. In a browser a read of a chosen file takes two milliseconds, however short.
const PORTION: u64 = 256 * 1024;

/// How much of that lies before the place: tables that belong together are read in turns.
const BEFORE: u64 = 64 * 1024;

/// A place in a file.
pub(super) struct Reader<'a> {
    source: &'a dyn Source,
    at: u64,
    end: u64,
    /// What was read ahead, from `begins` on.
    ahead: Vec<u8>,
    begins: u64,
}

impl<'a> Reader<'a> {
    /// The beginning of a file.
    pub(super) fn new(source: &'a dyn Source) -> Self {
        Reader { source, at: 0, end: source.size(), ahead: Vec::new(), begins: 0 }
    }

    /// Where it is.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// How much follows.
    pub(super) fn left(&self) -> u64 {
        self.end - self.at
    }

    /// Where the file ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Goes to another place.
    pub(super) fn go(&mut self, at: u64) -> Result<(), CleanError> {
        if at > self.end {
            return Err(CleanError::Truncated);
        }
        self.at = at;
        Ok(())
    }

    /// Leaves bytes out.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), CleanError> {
        self.go(self.at.checked_add(count).ok_or(CleanError::Truncated)?)
    }

    /// Fills `into` with what follows.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> Result<(), CleanError> {
        if (into.len() as u64) > self.left() {
            return Err(CleanError::Truncated);
        }
        if into.len() as u64 > PORTION - BEFORE {
            self.source.read_at(self.at, into)?;
        } else {
            let ahead = self.ahead_from(self.at, into.len())?;
            into.copy_from_slice(&ahead[..into.len()]);
        }
        self.at += into.len() as u64;
        Ok(())
    }

    /// So many bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], CleanError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// So many bytes, of which the caller has made sure that they are few.
    pub(super) fn vec(&mut self, count: usize) -> Result<Vec<u8>, CleanError> {
        if count as u64 > self.left() {
            return Err(CleanError::Truncated);
        }
        let mut bytes = vec![0; count];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The first bytes of what follows, without going on; all that is left if it is less.
    pub(super) fn peek<const N: usize>(&mut self) -> Result<Vec<u8>, CleanError> {
        let at = self.at;
        let bytes = self.vec(N.min(usize::try_from(self.left()).unwrap_or(N)))?;
        self.at = at;
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CleanError> {
        Ok(self.bytes::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, CleanError> {
        Ok(u16::from_be_bytes(self.bytes()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, CleanError> {
        Ok(u32::from_be_bytes(self.bytes()?))
    }

    pub(super) fn u32_le(&mut self) -> Result<u32, CleanError> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    /// Goes to the next such byte, and gives whether there is one; else it is at the end.
    pub(super) fn find(&mut self, byte: u8) -> Result<bool, CleanError> {
        while self.at < self.end {
            let ahead = self.ahead_from(self.at, 1)?;
            match ahead.iter().position(|found| *found == byte) {
                Some(place) => {
                    self.at += place as u64;
                    return Ok(true);
                }
                None => self.at += ahead.len() as u64,
            }
        }
        Ok(false)
    }

    /// What follows `at`, at least `count` bytes of it, which the file has.
    fn ahead_from(&mut self, at: u64, count: usize) -> Result<&[u8], CleanError> {
        let held = self.begins..self.begins + self.ahead.len() as u64;
        if !held.contains(&at) || held.end < at + count as u64 {
            self.begins = at.saturating_sub(BEFORE);
            self.ahead.resize(PORTION.min(self.end - self.begins) as usize, 0);
            if let Err(error) = self.source.read_at(self.begins, &mut self.ahead) {
                self.ahead.clear();
                return Err(error);
            }
        }
        Ok(&self.ahead[(at - self.begins) as usize..])
    }
}
