//! Numbers in as few bytes as they need: varints, fields of some bits, and ascending short names.
//!
//! What is read is bounded by the bytes that are there, whatever they say: nothing is allocated by a number in
//! them. One value has one encoding, but for the width that a writer chooses for its fields.

use super::short::{SHORT_BITS, SHORT_MASK};

/// Writes from the lowest bit of each byte on.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// Bits not yet in `bytes`, fewer than eight.
    held: u8,
    used: u32,
}

impl Writer {
    /// A message that begins with `tag`.
    pub(super) fn new(tag: u8) -> Self {
        Self { bytes: vec![tag], ..Self::default() }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.used, 0, "bytes begin where a byte does");
        self.bytes.extend_from_slice(bytes);
    }

    /// Seven bits a byte, the lowest first, the upper bit of a byte saying that another follows (LEB128).
    pub(super) fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes(&[number as u8 | 0x80]);
            number >>= 7;
        }
        self.bytes(&[number as u8]);
    }

    /// The lowest `width` bits of a number.
    pub(super) fn bits(&mut self, mut number: u64, mut width: u32) {
        while width > 0 {
            let room = (8 - self.used).min(width);
            let part = (number & ((1 << room) - 1)) as u8;
            self.held |= part << self.used;
            (self.used, width, number) = (self.used + room, width - room, number >> room);
            if self.used == 8 {
                self.align();
            }
        }
    }

    /// Goes on at the next byte.
    pub(super) fn align(&mut self) {
        if self.used > 0 {
            self.bytes.push(core::mem::take(&mut self.held));
            self.used = 0;
        }
    }

    /// Ascending short names: how many, the first, a width, and of each other the gap to the one before, its upper
    /// bits as so many ones and a zero, `width` lower ones as they are (Rice, "Some Practical Universal Noiseless
    /// Coding Techniques", 1979). Within a few hundredths of what evenly spread names need, and never more than 3
    /// bits beside the width.
    pub(super) fn names(&mut self, names: &[u64]) {
        self.varint(names.len() as u64);
        let (Some(first), Some(last)) = (names.first(), names.last()) else { return };
        self.bits(*first, SHORT_BITS);
        let Some(gaps) = (names.len() as u64).checked_sub(1).filter(|gaps| *gaps > 0) else { return };
        let width = width_for((last - first) / gaps);
        self.bytes(&[width as u8]);
        for pair in names.windows(2) {
            let gap = pair[1] - pair[0] - 1;
            for _ in 0..gap >> width {
                self.bits(1, 1);
            }
            self.bits(0, 1);
            self.bits(gap, width);
        }
        self.align();
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bytes
    }
}

/// About log2 of the mean gap times ln 2, the best width for gaps that follow from chance.
fn width_for(mean: u64) -> u32 {
    (mean / 10 * 7).checked_ilog2().unwrap_or(0)
}

/// Bytes that so many of all short names take, for choosing between ways to say something.
pub(super) fn names_bytes(count: u64) -> u64 {
    if count == 0 {
        return 1;
    }
    let width = width_for((SHORT_MASK / count).max(1));
    // The upper bits take a little more than two on average.
    10 + count.saturating_mul(u64::from(width) * 10 + 22) / 80
}

/// Reads what [`Writer`] writes; `None` is what it never writes.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    held: u8,
    left: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, held: 0, left: 0 }
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*first)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return (byte != 0 || shift == 0).then_some(number);
            }
        }
        None
    }

    pub(super) fn bits(&mut self, width: u32) -> Option<u64> {
        let (mut number, mut have) = (0_u64, 0);
        while have < width {
            if self.left == 0 {
                (self.held, self.left) = (self.byte()?, 8);
            }
            let take = self.left.min(width - have);
            let part = u64::from(self.held) & ((1 << take) - 1);
            number |= part << have;
            self.held = (u32::from(self.held) >> take) as u8;
            (self.left, have) = (self.left - take, have + take);
        }
        Some(number)
    }

    /// Goes on at the next byte; the bits left over are zero.
    pub(super) fn align(&mut self) -> Option<()> {
        self.left = 0;
        (core::mem::take(&mut self.held) == 0).then_some(())
    }

    /// At most `limit` short names, ascending.
    pub(super) fn names(&mut self, limit: usize) -> Option<Vec<u64>> {
        let count = usize::try_from(self.varint()?).ok().filter(|count| *count <= limit)?;
        if count == 0 {
            return Some(Vec::new());
        }
        let first = self.bits(SHORT_BITS)?;
        let width = if count > 1 { u32::from(self.byte()?) } else { 0 };
        let fits =
            (count - 1).checked_mul(width as usize + 1).is_some_and(|bits| bits <= self.bytes.len() * 8);
        if width > SHORT_BITS || !fits {
            return None;
        }
        let mut names = Vec::with_capacity(count);
        names.push(first);
        let mut name = first;
        for _ in 1..count {
            let mut upper = 0_u64;
            while self.bits(1)? == 1 {
                upper += 1;
            }
            let gap = upper.checked_mul(1 << width)? | self.bits(width)?;
            name = name.checked_add(gap)?.checked_add(1).filter(|name| *name <= SHORT_MASK)?;
            names.push(name);
        }
        self.align().map(|()| names)
    }

    /// Nothing is left.
    pub(super) fn end(&self) -> Option<()> {
        (self.bytes.is_empty() && self.held == 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn spread(count: u64) -> Vec<u64> {
        let mut names: Vec<u64> =
            (0..count).map(|n| n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), (1 << 63) - 1];
        let mut writer = Writer::new(7);
        numbers.iter().for_each(|number| writer.varint(*number));
        writer.bits(0b101, 3);
        writer.bits(u64::MAX >> 4, 60);
        writer.bits(1, 1);
        writer.align();
        writer.bytes(&[9, 9]);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.byte(), Some(7));
        for number in numbers {
            assert_eq!(reader.varint(), Some(number));
        }
        assert_eq!(
            (reader.bits(3), reader.bits(60), reader.bits(1)),
            (Some(5), Some(u64::MAX >> 4), Some(1))
        );
        assert_eq!((reader.align(), reader.end()), (Some(()), None));
        assert_eq!((reader.array(), reader.end(), reader.byte()), (Some([9, 9]), Some(()), None));
    }

    #[test]
    fn names_come_back_in_few_bytes() {
        for count in [0, 1, 2, 3, 60, 1_000, 20_000] {
            let names = spread(count);
            let mut writer = Writer::default();
            writer.names(&names);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.names(names.len()), Some(names));
            assert_eq!(reader.end(), Some(()));
            let guess = names_bytes(count) as f64 / bytes.len() as f64;
            assert!(count < 1_000 || (0.97..1.07).contains(&guess), "{guess} for {}", bytes.len());
            assert!(count != 1_000 || bytes.len() < 5_050, "{} bytes", bytes.len());
        }
        let uneven: Vec<u64> = (1 << 40..(1 << 40) + 900).chain([1 << 47]).collect();
        let mut writer = Writer::default();
        writer.names(&uneven);
        let bytes = writer.finish();
        assert!(bytes.len() < 900 * 40 / 8, "{}", bytes.len());
        assert_eq!(Reader::new(&bytes).names(901), Some(uneven));
        assert_eq!(Reader::new(&bytes).names(900), None, "more than was allowed");
    }

    #[test]
    fn what_is_not_written_is_not_read() {
        let read = |bytes: &[u8]| Reader::new(bytes).varint();
        assert_eq!((read(&[0x80, 0]), read(&[0x80]), read(&[0xff; 10])), (None, None, None));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), Some((1 << 63) - 1));
        let names = |bytes: &[u8]| Reader::new(bytes).names(10);
        assert_eq!(names(&[1, 9, 0, 0, 0, 0]), None, "no name there");
        assert_eq!(names(&[1, 9, 0, 0, 0, 0, 0]), Some(vec![9]));
        assert_eq!(names(&[2, 9, 0, 0, 0, 0, 0]), None, "no second");
        assert_eq!(names(&[2, 9, 0, 0, 0, 0, 0, 0, 0b0000_0011]), Some(vec![9, 12]));
        assert_eq!(names(&[2, 9, 0, 0, 0, 0, 0, 0, 0b1111_1110]), None, "bits left over");
        assert_eq!(names(&[2, 9, 0, 0, 0, 0, 0, 49, 0, 0, 0, 0, 0, 0, 0]), None, "wider than a name");
        assert_eq!(
            names(&[2, 9, 0, 0, 0, 0, 0xff, 47, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]),
            None,
            "beyond the last"
        );
        assert_eq!(names(&[2, 9, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), None, "no end");
        assert_eq!(names(&[0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0]), None, "more than there can be");
    }
}
