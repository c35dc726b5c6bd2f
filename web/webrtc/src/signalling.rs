//! `/webrtc-signaling/0.0.1`: offer, answer and candidates over an authenticated stream (libp2p specs,
//! webrtc/webrtc.md, "Signaling Protocol"). Reads and writes messages; knows no browser.

use futures::{AsyncRead, AsyncReadExt as _};

use crate::protobuf::{self, Malformed};

/// The protocol's name.
pub(crate) const PROTOCOL: &str = "/webrtc-signaling/0.0.1";

/// A message is no longer, bytes. A browser's offer for data channels alone has less than 1 KiB; others put every
/// candidate into it.
pub(crate) const MESSAGE_BYTES: usize = 16 * 1024;

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// An offer, in the Session Description Protocol.
    Offer(String),
    /// An answer to it.
    Answer(String),
    /// A candidate for the path, as `RTCIceCandidate.toJSON()` has it. The texts `null` and `""` say that there are no
    /// more.
    Candidate(String),
}

/// Why a stream of messages cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// A length beyond [`MESSAGE_BYTES`].
    #[error("a signalling message is longer than {MESSAGE_BYTES} bytes")]
    TooLong,
    /// No message of this protocol.
    #[error("a signalling message cannot be read")]
    Malformed,
    /// The stream itself failed.
    #[error("the signalling stream was lost")]
    Broken,
}

impl Signal {
    /// The message, its length before it.
    #[must_use]
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, text) = match self {
            Signal::Offer(text) => (0, text),
            Signal::Answer(text) => (1, text),
            Signal::Candidate(text) => (2, text),
        };
        // Also a zero is written: js-libp2p takes a message without a kind for none at all.
        protobuf::write(Some(kind), Some(text.as_bytes()))
    }

    /// A whole message without its length.
    fn decode(bytes: &[u8]) -> Result<Signal, SignalError> {
        let message = protobuf::Message::read(bytes).map_err(|Malformed| SignalError::Malformed)?;
        // Protocol Buffers leave out what is absent or empty.
        let text = &bytes[message.data.unwrap_or_default()];
        let text = str::from_utf8(text).map_err(|_| SignalError::Malformed)?.to_owned();
        match message.enumeration.unwrap_or_default() {
            0 => Ok(Signal::Offer(text)),
            1 => Ok(Signal::Answer(text)),
            2 => Ok(Signal::Candidate(text)),
            _ => Err(SignalError::Malformed),
        }
    }
}

/// Reads messages from a stream. Nothing is lost when a read is given up halfway.
pub(crate) struct SignalReader<S> {
    stream: S,
    held: Vec<u8>,
}

impl<S: AsyncRead + Unpin> SignalReader<S> {
    pub(crate) fn new(stream: S) -> SignalReader<S> {
        SignalReader { stream, held: Vec::new() }
    }

    /// The next message; `None` at the end of the stream, wherever that is.
    ///
    /// # Errors
    /// When the stream breaks, or holds something else than messages.
    pub(crate) async fn next(&mut self) -> Result<Option<Signal>, SignalError> {
        loop {
            if let Some(signal) = self.take()? {
                return Ok(Some(signal));
            }
            let mut buffer = [0; 1024];
            let count = self.stream.read(&mut buffer).await.map_err(|_| SignalError::Broken)?;
            if count == 0 {
                return Ok(None);
            }
            self.held.extend_from_slice(&buffer[..count]);
        }
    }

    fn take(&mut self) -> Result<Option<Signal>, SignalError> {
        let too_long = |Malformed| SignalError::TooLong;
        let Some((length, begin)) = protobuf::length(&self.held, MESSAGE_BYTES).map_err(too_long)? else {
            return Ok(None);
        };
        let Some(bytes) = self.held.get(begin..begin + length) else { return Ok(None) };
        let signal = Signal::decode(bytes)?;
        self.held.drain(..begin + length);
        Ok(Some(signal))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::io::Cursor;
    use proptest::prelude::*;

    use super::{MESSAGE_BYTES, Signal, SignalError, SignalReader};

    fn read(bytes: &[u8]) -> (Vec<Signal>, Result<(), SignalError>) {
        let mut reader = SignalReader::new(Cursor::new(bytes));
        let mut signals = Vec::new();
        loop {
            match reader.next().now_or_never().expect("a cursor lets nobody wait") {
                Ok(Some(signal)) => signals.push(signal),
                Ok(None) => return (signals, Ok(())),
                Err(error) => return (signals, Err(error)),
            }
        }
    }

    #[test]
    fn messages_are_as_js_libp2p_has_them() {
        // Message.encode({ type: 0, data: 'v=0' }), { type: 2, data: '' } and a message without fields.
        let offer = [7, 0x08, 0, 0x12, 3, b'v', b'=', b'0'];
        assert_eq!(Signal::Offer("v=0".to_owned()).encode(), offer);
        assert_eq!(read(&offer), (vec![Signal::Offer("v=0".to_owned())], Ok(())));
        assert_eq!(read(&[4, 0x08, 2, 0x12, 0]).0, [Signal::Candidate(String::new())]);
        assert_eq!(read(&[0]).0, [Signal::Offer(String::new())]);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert_eq!(read(&[2, 0x08, 3]), (Vec::new(), Err(SignalError::Malformed)));
        assert_eq!(read(&[3, 0x12, 1, 0xff]), (Vec::new(), Err(SignalError::Malformed)));
        assert_eq!(read(&[0x81, 0x80, 1]), (Vec::new(), Err(SignalError::TooLong)));
        assert_eq!(read(&[0xff; 4]), (Vec::new(), Err(SignalError::TooLong)));
        // The end of the stream in the middle of one.
        assert_eq!(read(&[7, 0x08, 0]), (Vec::new(), Ok(())));
    }

    #[test]
    fn the_longest_message_is_read() {
        let signal = Signal::Answer("a".repeat(MESSAGE_BYTES - 6));
        assert_eq!(read(&signal.encode()), (vec![signal], Ok(())));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(texts in prop::collection::vec(any::<String>(), 0..5)) {
            let signals: Vec<_> = texts.into_iter().map(Signal::Candidate).collect();
            let bytes: Vec<u8> = signals.iter().flat_map(Signal::encode).collect();
            prop_assert_eq!(read(&bytes), (signals, Ok(())));
        }

        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
