//! Cuts and replacements in a file, and the file with them.

use super::Source;
use crate::messages::CleanError;

/// The most cuts and replacements of one file. A film with a track of places has one for each second of it; more than this
/// has only what was made to cost memory.
pub const MAX_EDITS: usize = 1 << 17;

/// The most bytes that all replacements together bring.
const MAX_INSERTED: usize = 4 << 20;

/// What to do to a file: cuts and replacements, in order, none over another.
///
/// They may be named in any order until they are put in theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    edits: Vec<Edit>,
    inserted: usize,
    size: u64,
}

/// One cut or replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where in the file.
    pub at: u64,
    /// How many bytes are taken out.
    pub remove: u64,
    /// What comes in their place.
    pub insert: Insert,
}

/// What comes in the place of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Insert {
    /// These; none of them for a cut.
    Bytes(Vec<u8>),
    /// One byte so many times.
    Fill {
        /// The byte.
        byte: u8,
        /// How many times.
        count: u64,
    },
}

impl Insert {
    fn size(&self) -> u64 {
        match self {
            Insert::Bytes(bytes) => bytes.len() as u64,
            Insert::Fill { count, .. } => *count,
        }
    }

    /// Copies what is from `from` on to the beginning of `into`, and gives how much that was.
    fn copy(&self, from: u64, into: &mut [u8]) -> usize {
        let size = (into.len() as u64).min(self.size() - from) as usize;
        match self {
            Insert::Bytes(bytes) => into[..size].copy_from_slice(&bytes[from as usize..][..size]),
            Insert::Fill { byte, .. } => into[..size].fill(*byte),
        }
        size
    }
}

impl Plan {
    /// Leaves a file of this size as it is.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Plan { edits: Vec::new(), inserted: 0, size }
    }

    /// Whether the file stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// What is done, in order.
    #[must_use]
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// The size of the file when it is done.
    #[must_use]
    pub fn new_size(&self) -> u64 {
        self.edits.iter().fold(self.size, |size, edit| size - edit.remove + edit.insert.size())
    }

    /// Takes bytes out.
    pub(super) fn cut(&mut self, at: u64, size: u64) -> Result<(), CleanError> {
        self.replace(at, size, &[])
    }

    /// Puts bytes in the place of others, or between them.
    pub(super) fn replace(&mut self, at: u64, remove: u64, insert: &[u8]) -> Result<(), CleanError> {
        self.inserted = self.inserted.saturating_add(insert.len());
        self.add(Edit { at, remove, insert: Insert::Bytes(insert.to_vec()) })
    }

    /// Puts one byte in the place of as many as there are.
    pub(super) fn fill(&mut self, at: u64, count: u64, byte: u8) -> Result<(), CleanError> {
        self.add(Edit { at, remove: count, insert: Insert::Fill { byte, count } })
    }

    fn add(&mut self, edit: Edit) -> Result<(), CleanError> {
        if edit.remove == 0 && edit.insert.size() == 0 {
            return Ok(());
        }
        if edit.at.checked_add(edit.remove).is_none_or(|end| end > self.size) {
            return Err(CleanError::Truncated);
        }
        if self.edits.last_mut().is_some_and(|last| last.join(&edit)) {
            return Ok(());
        }
        if self.edits.len() >= MAX_EDITS || self.inserted > MAX_INSERTED {
            return Err(CleanError::TooMuch);
        }
        self.edits.push(edit);
        Ok(())
    }

    /// Puts everything in order.
    pub(super) fn finish(&mut self) -> Result<(), CleanError> {
        self.edits.sort_by_key(|edit| edit.at);
        if self.edits.windows(2).any(|pair| pair[0].at + pair[0].remove > pair[1].at) {
            return Err(super::malformed("two parts of it lie over each other"));
        }
        self.edits.dedup_by(|next, edit| edit.join(next));
        Ok(())
    }
}

impl Edit {
    /// Takes in an edit that follows, if the two are one.
    fn join(&mut self, next: &Edit) -> bool {
        if self.at + self.remove != next.at {
            return false;
        }
        match (&mut self.insert, &next.insert) {
            (Insert::Bytes(bytes), Insert::Bytes(more)) if bytes.is_empty() && more.is_empty() => {}
            (Insert::Fill { byte, count }, Insert::Fill { byte: same, count: more }) if byte == same => {
                *count += more;
            }
            _ => return false,
        }
        self.remove += next.remove;
        true
    }
}

/// A file with a plan applied, read from its beginning to its end.
pub struct Cleaned<'a> {
    source: &'a dyn Source,
    plan: &'a Plan,
    /// Where in the file.
    at: u64,
    /// The edit that comes next, or is under way.
    edit: usize,
    /// How much of what that edit brings was read.
    inserted: u64,
}

impl<'a> Cleaned<'a> {
    /// The file from its beginning. The plan has to be of this file.
    #[must_use]
    pub fn new(source: &'a dyn Source, plan: &'a Plan) -> Self {
        Cleaned { source, plan, at: 0, edit: 0, inserted: 0 }
    }

    /// Reads on, and gives how many bytes that were; less than asked for only at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, CleanError> {
        let mut done = 0;
        while done < into.len() {
            let left = &mut into[done..];
            let next = self.plan.edits.get(self.edit);
            if let Some(edit) = next.filter(|edit| edit.at <= self.at) {
                if self.inserted < edit.insert.size() {
                    let size = edit.insert.copy(self.inserted, left);
                    self.inserted += size as u64;
                    done += size;
                } else {
                    self.at = edit.at + edit.remove;
                    self.edit += 1;
                    self.inserted = 0;
                }
                continue;
            }
            let until = next.map_or(self.plan.size, |edit| edit.at);
            let size = (left.len() as u64).min(until - self.at) as usize;
            if size == 0 {
                break;
            }
            self.source.read_at(self.at, &mut left[..size])?;
            self.at += size as u64;
            done += size;
        }
        Ok(done)
    }
}
