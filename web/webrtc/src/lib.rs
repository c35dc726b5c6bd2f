//! libp2p's WebRTC transport between two browsers, "private to private" (libp2p specs, webrtc/webrtc.md).
//!
//! Two browsers that both reach a relay make a connection of their own: over a relayed connection, which noise has
//! authenticated, they exchange what `RTCPeerConnection` wants to tell. The fingerprints of their DTLS certificates are in
//! that, so the direct connection needs no noise. The relayed connection never reaches the swarm and ends when the direct
//! one is there. Each stream is a data channel of its own, framed so that its halves can end apart.
//!
//! | module | what it knows |
//! |---|---|
//! | [`transport`] | addresses, and which steps lead to a connection |
//! | [`relayed`] | the relayed connection and its one stream of use |
//! | [`signalling`], [`handshake`] | the messages on that stream, and their order |
//! | [`candidate`] | where the other side may send a browser |
//! | [`peer`] | `RTCPeerConnection` |
//! | [`connection`], [`channel`] | libp2p's view of it, and of `RTCDataChannel` |
//! | [`framing`], [`substream`] | what travels on a channel, and the rules of a stream |
//!
//! Which peers are dialled, how many, and whether the person wants it ([`Permit`]), is decided elsewhere.

#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "only a browser has connections; what needs none is tested without one")
)]

mod candidate;
mod description;
mod framing;
mod protobuf;
mod signalling;
mod substream;

#[cfg(target_arch = "wasm32")]
mod by_hand;
#[cfg(target_arch = "wasm32")]
mod channel;
#[cfg(target_arch = "wasm32")]
mod connection;
#[cfg(target_arch = "wasm32")]
mod handshake;
#[cfg(target_arch = "wasm32")]
mod peer;
#[cfg(target_arch = "wasm32")]
mod permit;
#[cfg(target_arch = "wasm32")]
mod relayed;
#[cfg(all(test, target_arch = "wasm32"))]
mod tests;
#[cfg(target_arch = "wasm32")]
mod transport;
#[cfg(target_arch = "wasm32")]
mod waiting;

pub use candidate::MayDial;
pub use description::{Candidate, Description};
pub use signalling::SignalError;
pub use substream::Violation;

#[cfg(target_arch = "wasm32")]
pub use by_hand::{ByHand, Prepared};
#[cfg(target_arch = "wasm32")]
pub use channel::Stream;
#[cfg(target_arch = "wasm32")]
pub use connection::Connection;
#[cfg(target_arch = "wasm32")]
pub use permit::Permit;
#[cfg(target_arch = "wasm32")]
pub use transport::{Config, Transport};

/// Why there is no direct connection, or no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The relayed connection cannot be made.
    #[error("no relayed connection: {0}")]
    Relay(String),
    /// The stream of messages ended too soon, or was never opened.
    #[error("the signalling stream was lost")]
    SignallingLost,
    /// What came over it is no message.
    #[error(transparent)]
    Signalling(SignalError),
    /// A candidate is no JSON, or has none of its fields.
    #[error("a candidate cannot be read")]
    Malformed,
    /// An offer or an answer where there should be none.
    #[error("a signalling message came out of order")]
    OutOfOrder,
    /// More candidates than any browser has.
    #[error("too many candidates")]
    TooManyCandidates,
    /// More others try to connect than are answered at a time.
    #[error("too many others try to connect")]
    TooManyAttempts,
    /// Direct connections are not wanted, or not any more.
    #[error("direct connections are not wanted")]
    NotPermitted,
    /// More streams than are allowed at a time.
    #[error("too many streams")]
    TooManyStreams,
    /// The browser refuses something.
    #[error("the browser refuses: {0}")]
    Refused(String),
    /// The other side breaks the rules.
    #[error(transparent)]
    Violation(Violation),
    /// The connection is gone.
    #[error("the connection was lost")]
    Lost,
    /// It took too long.
    #[error("no direct connection came about in time")]
    TimedOut,
}

impl From<SignalError> for Error {
    fn from(error: SignalError) -> Error {
        match error {
            SignalError::Broken => Error::SignallingLost,
            SignalError::TooLong | SignalError::Malformed => Error::Signalling(error),
        }
    }
}
