//! Where frames begin and end in a stream: an unsigned varint length (multiformats), then the frame.
//!
//! Holds at most one frame and what has arrived behind it; a length beyond the limit is refused before anything is
//! allocated for it, and a length of zero at once: else each zero byte of a flood would be a frame to be handled.

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A length beyond the limit, or a varint that is not one.
    #[error("a frame announces more than {0} bytes")]
    TooLarge(usize),
    /// A frame without bytes; the shortest has the one that says how the rest is packed.
    #[error("a frame announces no bytes")]
    Empty,
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub struct Deframer {
    limit: usize,
    held: Vec<u8>,
    start: usize,
}

impl Deframer {
    /// For frames of 1 to `limit` bytes: [`crate::base::Limits::frame_bytes`].
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, held: Vec::new(), start: 0 }
    }

    /// Adds bytes as they came, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.held.drain(..self.start);
            self.start = 0;
        }
        self.held.extend_from_slice(bytes);
    }

    /// The next whole frame, `None` until more bytes came.
    ///
    /// # Errors
    /// When a frame announces too many bytes or none; the stream is then of no more use.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FramingError> {
        let held = &self.held[self.start..];
        let Some((length, prefix)) = self.length(held)? else { return Ok(None) };
        let Some(frame) = held.get(prefix..prefix + length) else { return Ok(None) };
        let frame = frame.to_vec();
        self.start += prefix + length;
        Ok(Some(frame))
    }

    /// The announced length and the size of its prefix.
    fn length(&self, held: &[u8]) -> Result<Option<(usize, usize)>, FramingError> {
        let mut length = 0_usize;
        for (at, &byte) in held.iter().take(4).enumerate() {
            length |= usize::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                let shortest = at == 0 || byte != 0;
                return match length {
                    0 if shortest => Err(FramingError::Empty),
                    _ if shortest && length <= self.limit => Ok(Some((length, at + 1))),
                    _ => Err(FramingError::TooLarge(self.limit)),
                };
            }
        }
        if held.len() >= 4 { Err(FramingError::TooLarge(self.limit)) } else { Ok(None) }
    }
}

/// A frame with its length before it, as it goes onto a stream.
#[must_use]
pub fn prefixed(frame: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(frame.len() + 4);
    let mut length = frame.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(frame);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Deframer, FramingError, prefixed};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn frames_survive_any_cut() {
        let frames = [vec![7], vec![1; 127], vec![2; 128], vec![3; 20_000]];
        let stream: Vec<u8> = frames.iter().flat_map(|frame| prefixed(frame)).collect();
        for cut in [1, 2, 3, 127, 128, 5_000, stream.len()] {
            let mut deframer = Deframer::new(20_000);
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                deframer.push(piece);
                while let Some(frame) = deframer.next_frame().expect("frames are within the limit") {
                    seen.push(frame);
                }
            }
            assert_eq!(seen, frames, "cut into {cut}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes() {
        for bytes in [&[0x81, 0x01][..], &[0xff, 0xff, 0xff, 0xff], &[0x80, 0x00]] {
            let mut deframer = Deframer::new(128);
            deframer.push(bytes);
            assert_eq!(deframer.next_frame(), Err(FramingError::TooLarge(128)));
        }
    }

    #[test]
    fn zeros_are_no_frames() {
        let mut deframer = Deframer::new(128);
        deframer.push(&prefixed(&[7]));
        deframer.push(&[0; 1_000]);
        assert_eq!(deframer.next_frame(), Ok(Some(vec![7])));
        assert_eq!(deframer.next_frame(), Err(FramingError::Empty));
    }
}
