//! The rules of one stream: what may still be said on it, and what has arrived (libp2p specs, webrtc/README.md,
//! "Multiplexing"; its words are those of QUIC, RFC 9000, section 3). Knows no browser and no time.

use std::collections::VecDeque;

use crate::framing::{Decoder, FRAME_BYTES, Flag, flag};
use crate::protobuf::Malformed;

/// Bytes that may have arrived unread. A browser takes data however slowly they are read, so whoever sends more than
/// both sides have agreed on elsewhere is not waited for.
pub(crate) const RECEIVE_BYTES: usize = 8 * 1024 * 1024;

/// The same before anybody has asked for the stream.
pub(crate) const EARLY_BYTES: usize = 64 * 1024;

/// The half that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Open,
    /// The other side has sent everything.
    Finished,
    /// Nothing more is wanted, and the other side knows.
    Stopped,
    /// The other side gave up, or its channel was closed before it had finished.
    Reset,
}

/// The half that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    Open,
    /// Everything is sent, and the other side has not said yet that it has it.
    Finishing,
    /// The other side has it all.
    Finished,
    /// The other side wants nothing more.
    Stopped,
    /// Given up, by either side.
    Reset,
}

/// Why a stream is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the stream was reset")]
    Reset,
    #[error("the other side reads no more")]
    Stopped,
    #[error("this side has finished writing")]
    Finished,
}

/// What a peer did that no peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A frame of more than [`FRAME_BYTES`](crate::framing::FRAME_BYTES), or what is no frame.
    #[error("what arrived on a data channel is not framed as libp2p frames it")]
    Framing,
    /// Text on a channel.
    #[error("text arrived on a data channel")]
    Text,
    /// More than both sides can have agreed on.
    #[error("a peer sends more than can be read")]
    Flood,
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Substream {
    decoder: Decoder,
    arrived: VecDeque<Vec<u8>>,
    /// Of the first of `arrived`, so many bytes have been read.
    read_bytes: usize,
    /// Bytes in `arrived` that have not been read.
    unread: usize,
    limit: usize,
    read: Read,
    write: Write,
}

impl Substream {
    /// A stream of which nothing was heard yet.
    pub(crate) fn new(limit: usize) -> Substream {
        Substream {
            decoder: Decoder::default(),
            arrived: VecDeque::new(),
            read_bytes: 0,
            unread: 0,
            limit,
            read: Read::Open,
            write: Write::Open,
        }
    }

    /// Somebody has asked for the stream.
    pub(crate) fn adopt(&mut self) {
        self.limit = RECEIVE_BYTES;
    }

    /// Takes what arrived. Gives what is to be answered at once.
    ///
    /// # Errors
    /// When the peer is not to be listened to any more.
    pub(crate) fn on_bytes(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Violation> {
        self.decoder.push(bytes);
        let mut answer = None;
        while let Some((said, data)) = self.decoder.next().map_err(|Malformed| Violation::Framing)? {
            // What comes after the end, or after nothing more was wanted, is nobody's.
            if !data.is_empty() && self.read == Read::Open {
                self.unread += data.len();
                if self.unread > self.limit {
                    return Err(Violation::Flood);
                }
                match self.arrived.back_mut() {
                    // So that many small frames cost no more memory than few large ones.
                    Some(last) if last.len() + data.len() <= FRAME_BYTES => last.extend_from_slice(data),
                    _ => self.arrived.push_back(data.to_vec()),
                }
            }
            match said {
                None => {}
                Some(Flag::Fin) => {
                    if self.read == Read::Open {
                        self.read = Read::Finished;
                    }
                    // However often it is said, and though nothing was wanted: the other side waits for this.
                    answer = Some(flag(Flag::FinAck));
                }
                Some(Flag::FinAck) if self.write == Write::Finishing => self.write = Write::Finished,
                Some(Flag::StopSending) if self.write == Write::Open => self.write = Write::Stopped,
                Some(Flag::FinAck | Flag::StopSending) => {}
                Some(Flag::Reset) => self.reset(),
            }
        }
        Ok(answer)
    }

    /// The channel is closed, or the connection is. What arrived before can still be read.
    pub(crate) fn on_closed(&mut self) {
        self.reset();
    }

    /// In libp2p a reset concerns both halves (connections/README.md), as js-libp2p has it too.
    fn reset(&mut self) {
        if self.read == Read::Open {
            self.read = Read::Reset;
        }
        if matches!(self.write, Write::Open | Write::Finishing) {
            self.write = Write::Reset;
        }
    }

    /// Reads into `buffer`: how many bytes, none at the end; `None` when more may come.
    ///
    /// # Errors
    /// After a reset, when everything that came before it was read.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Option<Result<usize, Broken>> {
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(first) = self.arrived.front() else { break };
            let rest = &first[self.read_bytes..];
            let count = rest.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
            if count < rest.len() {
                self.read_bytes += count;
            } else {
                self.read_bytes = 0;
                self.arrived.pop_front();
            }
        }
        self.unread -= filled;
        if filled > 0 || buffer.is_empty() {
            return Some(Ok(filled));
        }
        match self.read {
            Read::Open => None,
            Read::Finished | Read::Stopped => Some(Ok(0)),
            Read::Reset => Some(Err(Broken::Reset)),
        }
    }

    /// Whether something may be written.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn writable(&self) -> Result<(), Broken> {
        match self.write {
            Write::Open => Ok(()),
            Write::Finishing | Write::Finished => Err(Broken::Finished),
            Write::Stopped => Err(Broken::Stopped),
            Write::Reset => Err(Broken::Reset),
        }
    }

    /// Ends writing: what to send for it, if anything.
    ///
    /// # Errors
    /// When what was written may not have arrived.
    pub(crate) fn finish(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        match self.write {
            Write::Open => {
                self.write = Write::Finishing;
                Ok(Some(flag(Flag::Fin)))
            }
            Write::Finishing | Write::Finished => Ok(None),
            Write::Stopped => Err(Broken::Stopped),
            Write::Reset => Err(Broken::Reset),
        }
    }

    /// Nobody here wants the stream any more: what to send for it, if anything.
    pub(crate) fn abandon(&mut self) -> Option<Vec<u8>> {
        let said = match (self.write, self.read) {
            // Not everything that was to be written was.
            (Write::Open, _) => Some(flag(Flag::Reset)),
            (_, Read::Open) => Some(flag(Flag::StopSending)),
            _ => None,
        };
        if self.write == Write::Open {
            self.write = Write::Reset;
        }
        if self.read == Read::Open {
            self.read = Read::Stopped;
        }
        self.arrived.clear();
        (self.unread, self.read_bytes) = (0, 0);
        said
    }

    /// Whether both halves have ended, so that the channel can be closed without loss.
    pub(crate) fn is_over(&self) -> bool {
        self.read != Read::Open && !matches!(self.write, Write::Open | Write::Finishing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Broken, EARLY_BYTES, RECEIVE_BYTES, Substream, Violation};
    use crate::framing::{DATA_BYTES, Flag, data, flag};

    fn stream() -> Substream {
        Substream::new(RECEIVE_BYTES)
    }

    fn read(stream: &mut Substream) -> Option<Result<Vec<u8>, Broken>> {
        let mut buffer = [0; 64];
        Some(stream.read(&mut buffer)?.map(|count| buffer[..count].to_vec()))
    }

    #[test]
    fn a_request_is_finished_and_its_answer_still_comes() {
        let mut stream = stream();
        assert_eq!(stream.finish(), Ok(Some(flag(Flag::Fin))));
        assert_eq!((stream.finish(), stream.writable()), (Ok(None), Err(Broken::Finished)));
        assert_eq!(stream.on_bytes(&flag(Flag::FinAck)), Ok(None));
        assert!(!stream.is_over());
        assert_eq!(
            stream.on_bytes(&[data(b"answer"), flag(Flag::Fin)].concat()),
            Ok(Some(flag(Flag::FinAck)))
        );
        assert_eq!(read(&mut stream), Some(Ok(b"answer".to_vec())));
        assert_eq!(read(&mut stream), Some(Ok(Vec::new())));
        assert!(stream.is_over());
        assert_eq!(stream.abandon(), None);
    }

    #[test]
    fn an_answer_may_be_written_after_the_request_is_finished() {
        let mut stream = stream();
        assert_eq!(stream.on_bytes(&flag(Flag::Fin)), Ok(Some(flag(Flag::FinAck))));
        assert_eq!(read(&mut stream), Some(Ok(Vec::new())));
        assert_eq!(stream.writable(), Ok(()));
        assert!(!stream.is_over());
        assert_eq!(stream.finish(), Ok(Some(flag(Flag::Fin))));
        assert!(!stream.is_over(), "the other side may not have it yet");
        assert_eq!(stream.on_bytes(&flag(Flag::FinAck)), Ok(None));
        assert!(stream.is_over());
    }

    #[test]
    fn what_came_before_a_reset_is_read() {
        let mut stream = stream();
        assert_eq!(stream.on_bytes(&[data(b"before"), flag(Flag::Reset), data(b"after")].concat()), Ok(None));
        assert_eq!(read(&mut stream), Some(Ok(b"before".to_vec())));
        assert_eq!(read(&mut stream), Some(Err(Broken::Reset)));
        assert_eq!((stream.writable(), stream.finish()), (Err(Broken::Reset), Err(Broken::Reset)));
        assert!(stream.is_over());
    }

    #[test]
    fn a_channel_that_is_closed_too_early_is_no_end() {
        let mut stream = stream();
        stream.on_closed();
        assert_eq!(read(&mut stream), Some(Err(Broken::Reset)));
        let mut finished = self::stream();
        finished.on_bytes(&[data(b"all"), flag(Flag::Fin)].concat()).expect("frames");
        finished.on_closed();
        assert_eq!(read(&mut finished), Some(Ok(b"all".to_vec())));
        assert_eq!(read(&mut finished), Some(Ok(Vec::new())));
    }

    #[test]
    fn who_reads_no_more_is_not_written_to_and_may_still_write() {
        let mut stream = stream();
        assert_eq!(stream.on_bytes(&[flag(Flag::StopSending), data(b"still")].concat()), Ok(None));
        assert_eq!(stream.writable(), Err(Broken::Stopped));
        assert_eq!(read(&mut stream), Some(Ok(b"still".to_vec())));
    }

    #[test]
    fn a_stream_that_is_abandoned_tells_the_other_side() {
        let mut open = stream();
        assert_eq!(open.abandon(), Some(flag(Flag::Reset)));
        assert!(open.is_over());
        let mut finishing = stream();
        finishing.finish().expect("it is open");
        assert_eq!(finishing.abandon(), Some(flag(Flag::StopSending)));
        assert!(!finishing.is_over(), "what was written is on its way");
        assert_eq!(finishing.on_bytes(&data(b"nobody reads this")), Ok(None));
        // The other side waits for it all the same.
        assert_eq!(finishing.on_bytes(&flag(Flag::Fin)), Ok(Some(flag(Flag::FinAck))));
        finishing.on_bytes(&flag(Flag::FinAck)).expect("a frame");
        assert!(finishing.is_over());
    }

    #[test]
    fn a_flood_is_noticed_sooner_before_anybody_has_asked_for_the_stream() {
        for (limit, adopt) in [(EARLY_BYTES, false), (RECEIVE_BYTES, true)] {
            let mut stream = Substream::new(EARLY_BYTES);
            if adopt {
                stream.adopt();
            }
            let frame = data(&[0; DATA_BYTES]);
            let fit = limit / DATA_BYTES;
            for _ in 0..fit {
                assert_eq!(stream.on_bytes(&frame), Ok(None));
            }
            assert_eq!(stream.on_bytes(&frame), Err(Violation::Flood));
        }
    }

    #[test]
    fn frames_without_data_take_no_memory() {
        let mut stream = stream();
        for _ in 0..10_000 {
            assert_eq!(stream.on_bytes(&[0]), Ok(None));
        }
        assert!(stream.arrived.is_empty());
    }

    proptest! {
        /// Two sides over a channel that keeps the order: everything arrives, and both find an end.
        #[test]
        fn both_sides_end(
            there in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..10),
            back in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..10),
        ) {
            let (mut a, mut b) = (stream(), stream());
            let mut to_b: Vec<Vec<u8>> = there.iter().map(|part| data(part)).collect();
            to_b.extend(a.finish().expect("open"));
            let mut to_a: Vec<Vec<u8>> = back.iter().map(|part| data(part)).collect();
            to_a.extend(b.finish().expect("open"));
            while !to_a.is_empty() || !to_b.is_empty() {
                for frame in std::mem::take(&mut to_b) {
                    to_a.extend(b.on_bytes(&frame).expect("a frame"));
                }
                for frame in std::mem::take(&mut to_a) {
                    to_b.extend(a.on_bytes(&frame).expect("a frame"));
                }
            }
            prop_assert!(a.is_over() && b.is_over());
            for (stream, sent) in [(&mut a, back), (&mut b, there)] {
                let mut got = Vec::new();
                loop {
                    match read(stream) {
                        Some(Ok(bytes)) if bytes.is_empty() => break,
                        Some(Ok(bytes)) => got.extend(bytes),
                        other => prop_assert!(false, "{other:?}"),
                    }
                }
                prop_assert_eq!(got, sent.concat());
            }
        }
    }
}
