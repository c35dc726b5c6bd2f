//! What travels on a data channel: frames of bytes and flags, each behind its length (libp2p specs, webrtc/README.md,
//! "Multiplexing").
//!
//! A frame need not be one message of the channel: js-libp2p sends a length and what follows it apart. So what arrives
//! is a stream of bytes.

use crate::protobuf::{self, Malformed};

/// A frame is no longer, bytes, its length included: what all browsers carry in one message.
pub(crate) const FRAME_BYTES: usize = 16 * 1024;

/// Data in one frame, bytes: beside them are the length, a key, and the length of the data.
pub(crate) const DATA_BYTES: usize = FRAME_BYTES - 5;

/// What a frame says beside its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    /// Nothing more is sent.
    Fin,
    /// Nothing more is read.
    StopSending,
    /// Sending ends here, and what was sent may be lost.
    Reset,
    /// Everything up to the other's `Fin` has arrived.
    FinAck,
}

/// What came in one frame.
type Frame<'a> = (Option<Flag>, &'a [u8]);

/// A frame with data.
pub(crate) fn data(bytes: &[u8]) -> Vec<u8> {
    debug_assert!(bytes.len() <= DATA_BYTES, "a frame of one message");
    protobuf::write(None, Some(bytes))
}

/// A frame with a flag.
pub(crate) fn flag(flag: Flag) -> Vec<u8> {
    protobuf::write(Some(flag as u64), None)
}

/// Finds the frames in a stream of bytes. Holds less than one frame beside what was just given.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    held: Vec<u8>,
    /// Of `held`, so many bytes have been decoded.
    done: usize,
}

impl Decoder {
    /// Takes bytes. [`Decoder::next`] is to be called until it has no more.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.done);
        self.done = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next frame, once it is there whole: its flag, and its data.
    ///
    /// # Errors
    /// When these are no frames.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, Malformed> {
        let Some((length, prefix)) = protobuf::length(&self.held[self.done..], FRAME_BYTES)? else {
            return Ok(None);
        };
        let begin = self.done + prefix;
        if prefix + length > FRAME_BYTES {
            return Err(Malformed);
        }
        let Some(bytes) = self.held.get(begin..begin + length) else { return Ok(None) };
        self.done = begin + length;
        let message = protobuf::Message::read(bytes)?;
        let flag = match message.enumeration {
            None => None,
            Some(0) => Some(Flag::Fin),
            Some(1) => Some(Flag::StopSending),
            Some(2) => Some(Flag::Reset),
            Some(3) => Some(Flag::FinAck),
            // Of a later version: as absent as any other field that is not known.
            Some(_) => None,
        };
        Ok(Some((flag, &bytes[message.data.unwrap_or_default()])))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DATA_BYTES, Decoder, FRAME_BYTES, Flag, data, flag};
    use crate::protobuf::{Malformed, write};

    type Owned = (Option<Flag>, Vec<u8>);

    fn all(decoder: &mut Decoder) -> Result<Vec<Owned>, Malformed> {
        let mut frames = Vec::new();
        while let Some((flag, data)) = decoder.next()? {
            frames.push((flag, data.to_vec()));
        }
        Ok(frames)
    }

    #[test]
    fn the_largest_frame_is_as_large_as_allowed() {
        let frame = data(&[7; DATA_BYTES]);
        assert_eq!(frame.len(), FRAME_BYTES);
        let mut decoder = Decoder::default();
        decoder.push(&frame);
        assert_eq!(all(&mut decoder), Ok(vec![(None, vec![7; DATA_BYTES])]));
        decoder.push(&write(None, Some(&[7; DATA_BYTES + 1])));
        assert_eq!(all(&mut decoder), Err(Malformed));
    }

    #[test]
    fn a_flag_that_is_not_known_counts_as_absent() {
        let mut decoder = Decoder::default();
        decoder.push(&write(Some(4), Some(b"x")));
        assert_eq!(all(&mut decoder), Ok(vec![(None, b"x".to_vec())]));
    }

    proptest! {
        #[test]
        fn frames_arrive_however_they_are_cut(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
            cut in 1_usize..300,
        ) {
            let mut sent: Vec<_> = parts.iter().map(|part| (None, part.clone())).collect();
            sent.push((Some(Flag::Fin), Vec::new()));
            let mut bytes: Vec<u8> = parts.iter().flat_map(|part| data(part)).collect();
            bytes.extend(flag(Flag::Fin));
            let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
            for piece in bytes.chunks(cut) {
                decoder.push(piece);
                frames.extend(all(&mut decoder).expect("frames"));
            }
            prop_assert_eq!(frames, sent);
        }

        #[test]
        fn no_bytes_do_harm(pieces: Vec<Vec<u8>>) {
            let mut decoder = Decoder::default();
            for piece in pieces {
                decoder.push(&piece);
                if all(&mut decoder).is_err() {
                    break;
                }
                prop_assert!(decoder.held.len() - decoder.done < FRAME_BYTES);
            }
        }
    }
}
