//! One pass over bytes that says whether they are canonical DAG-CBOR within our bounds.
//!
//! Strict as the DAG-CBOR specification, section "Strictness", and stricter where the protocol is: no floats, no
//! null, no links, integers within ±(2^53 − 1), map keys are text. The typed decoder runs after this pass, so a
//! laxer library can never widen what is signed. Allocates nothing.

/// Why bytes are not canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// The bytes end inside an item.
    #[error("the bytes end too early")]
    Truncated,
    /// Bytes follow the one item.
    #[error("bytes follow the end")]
    Trailing,
    /// An integer or length in a longer form than needed.
    #[error("a number is not in its shortest form")]
    NotShortest,
    /// Indefinite lengths are not canonical.
    #[error("a length is indefinite")]
    Indefinite,
    /// Floats, null, undefined, tags and other simple values have no place in an event or frame.
    #[error("a type that is not allowed")]
    Type,
    /// An integer beyond ±(2^53 − 1), which not every language can hold.
    #[error("an integer is out of range")]
    Integer,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A map key that is not text, or keys unsorted or repeated.
    #[error("map keys are unsorted, repeated or not text")]
    Keys,
    /// Nested deeper than allowed.
    #[error("nested too deeply")]
    Depth,
    /// More lists and maps than allowed.
    #[error("too many lists and maps")]
    Containers,
}

const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Checks that `bytes` are exactly one canonical item, nested at most `depth` deep and with at most `containers` lists
/// and maps. The latter bounds what decoding allocates: an empty list is one byte here and dozens in memory.
///
/// # Errors
/// The first violation found.
pub fn check(bytes: &[u8], depth: usize, containers: usize) -> Result<(), CanonicalError> {
    let mut scan = Scan { rest: bytes, containers };
    scan.item(depth)?;
    if scan.rest.is_empty() { Ok(()) } else { Err(CanonicalError::Trailing) }
}

struct Scan<'a> {
    rest: &'a [u8],
    /// How many lists and maps may still come.
    containers: usize,
}

impl<'a> Scan<'a> {
    fn item(&mut self, depth: usize) -> Result<(), CanonicalError> {
        let (major, value) = self.head()?;
        match major {
            0 | 1 if value <= MAX_INTEGER - u64::from(major) => Ok(()),
            0 | 1 => Err(CanonicalError::Integer),
            2 => self.take(value).map(drop),
            3 => self.text(value).map(drop),
            4 => {
                let depth = self.enter(depth)?;
                (0..value).try_for_each(|_| self.item(depth))
            }
            5 => {
                let depth = self.enter(depth)?;
                let mut previous: Option<&str> = None;
                for _ in 0..value {
                    let (major, length) = self.head()?;
                    if major != 3 {
                        return Err(CanonicalError::Keys);
                    }
                    let key = self.text(length)?;
                    if previous.is_some_and(|previous| (previous.len(), previous) >= (key.len(), key)) {
                        return Err(CanonicalError::Keys);
                    }
                    previous = Some(key);
                    self.item(depth)?;
                }
                Ok(())
            }
            // Of the simple values only false and true; head() has refused the rest.
            7 => Ok(()),
            _ => Err(CanonicalError::Type),
        }
    }

    /// Begins a list or map; how deep its items may still be nested.
    fn enter(&mut self, depth: usize) -> Result<usize, CanonicalError> {
        let depth = depth.checked_sub(1).ok_or(CanonicalError::Depth)?;
        self.containers = self.containers.checked_sub(1).ok_or(CanonicalError::Containers)?;
        Ok(depth)
    }

    /// The major type of the next item and its argument.
    fn head(&mut self) -> Result<(u8, u64), CanonicalError> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1f);
        if major == 7 {
            return if matches!(info, 20 | 21) { Ok((7, 0)) } else { Err(CanonicalError::Type) };
        }
        let (value, least) = match info {
            0..=23 => return Ok((major, u64::from(info))),
            24 => (self.number(1)?, 24),
            25 => (self.number(2)?, 1 << 8),
            26 => (self.number(4)?, 1 << 16),
            27 => (self.number(8)?, 1 << 32),
            31 => return Err(CanonicalError::Indefinite),
            _ => return Err(CanonicalError::Type),
        };
        if value < least { Err(CanonicalError::NotShortest) } else { Ok((major, value)) }
    }

    fn number(&mut self, bytes: u64) -> Result<u64, CanonicalError> {
        Ok(self.take(bytes)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn text(&mut self, length: u64) -> Result<&'a str, CanonicalError> {
        core::str::from_utf8(self.take(length)?).map_err(|_| CanonicalError::Utf8)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], CanonicalError> {
        let length = usize::try_from(length).map_err(|_| CanonicalError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CanonicalError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::{CanonicalError, check};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn accepts_what_the_specification_calls_canonical() {
        for bytes in [
            &[0x00][..],
            &[0x18, 0x18],
            &[0x1b, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x3b, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe],
            &[0xa2, 0x61, b'b', 0xf5, 0x62, b'a', b'a', 0x80],
            &[0x43, 1, 2, 3],
        ] {
            assert_eq!(check(bytes, 4, 4), Ok(()), "{bytes:02x?}");
        }
    }

    #[test]
    fn refuses_every_other_form() {
        use CanonicalError::*;
        for (bytes, reason) in [
            (&[][..], Truncated),
            (&[0x42, 1], Truncated),
            (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Truncated),
            (&[0x00, 0x00], Trailing),
            (&[0x18, 0x17], NotShortest),
            (&[0x58, 0x01, 0xff], NotShortest),
            (&[0x19, 0x00, 0xff], NotShortest),
            (&[0x9f, 0xff], Indefinite),
            (&[0x1c], Type),
            (&[0xf6], Type),
            (&[0xf7], Type),
            (&[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], Type),
            (&[0xc0, 0x00], Type),
            (&[0xd8, 0x2a, 0x41, 0x00], Type),
            (&[0x1b, 0x00, 0x20, 0, 0, 0, 0, 0, 0], Integer),
            (&[0x3b, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Integer),
            (&[0x61, 0xff], Utf8),
            (&[0xa1, 0x01, 0x01], Keys),
            (&[0xa2, 0x61, b'b', 0x00, 0x61, b'a', 0x00], Keys),
            (&[0xa2, 0x61, b'a', 0x00, 0x61, b'a', 0x00], Keys),
            (&[0xa2, 0x62, b'a', b'a', 0x00, 0x61, b'b', 0x00], Keys),
            (&[0x81, 0x81, 0x81, 0x80], Depth),
            (&[0x84, 0x80, 0x80, 0xa0, 0xa0], Containers),
        ] {
            assert_eq!(check(bytes, 3, 4), Err(reason), "{bytes:02x?}");
        }
    }
}
