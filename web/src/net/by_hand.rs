//! Direct connections without any relay: two people pass on an offer and an answer as texts.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use chanterelle_core::base::PeerId as NodeId;
use chanterelle_core::invite::{Candidate, CandidateKind, ConnectCode, ConnectCodeError, Description, Half};
use chanterelle_webrtc::{self as webrtc, ByHand, Config, Error};
use libp2p::identity::Keypair;
use serde_bytes::ByteArray;

use super::ice;

/// Where packets are sent: people vouch for what they pass on.
const CONFIG: Config = Config { ice_servers: ice::servers, may_dial: |_| true };

/// The offer that was made last and not answered yet.
#[derive(Clone, Default)]
pub(super) struct Offers(Rc<RefCell<Option<([u8; 32], ByHand)>>>);

/// What was done with a code.
pub(crate) enum Taken {
    /// It was an offer; this answers it.
    Answer(String),
    /// It was the answer. There will be a connection.
    Connecting,
}

/// A connection to come, and with whom.
pub(super) struct Coming {
    pub(super) node: NodeId,
    pub(super) by_hand: ByHand,
}

/// Why a code leads to no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HandError {
    /// It is none.
    Code(ConnectCodeError),
    /// It answers another offer than the last.
    Stale,
    /// It was made here.
    Own,
    /// The browser refuses.
    Browser(String),
}

impl fmt::Display for HandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandError::Code(error) => error.fmt(f),
            HandError::Stale => f.write_str(
                "this code answers another offer than your last one. Pass on the offer that is shown here, and paste the \
                 answer to that",
            ),
            HandError::Own => f.write_str(
                "this code was made in this tab. Send it to somebody else, and paste what they send you",
            ),
            HandError::Browser(why) => write!(f, "the browser makes no connection of this code: {why}"),
        }
    }
}

impl From<ConnectCodeError> for HandError {
    fn from(error: ConnectCodeError) -> HandError {
        HandError::Code(error)
    }
}

impl From<Error> for HandError {
    fn from(error: Error) -> HandError {
        HandError::Browser(error.to_string())
    }
}

impl Offers {
    /// Makes an offer. The one before is good no more.
    pub(super) async fn offer(&self, key: &Keypair, own: NodeId) -> Result<String, HandError> {
        let (by_hand, description) = ByHand::offer(CONFIG).await?;
        let (text, hash) = code(Half::Offer, own, description).sign(signs(key));
        self.0.replace(Some((hash, by_hand)));
        Ok(text)
    }

    /// Takes the code of somebody else.
    pub(super) async fn take(
        &self,
        key: &Keypair,
        own: NodeId,
        text: &str,
    ) -> Result<(Taken, Coming), HandError> {
        let (ConnectCode { half, peer, description }, hash) = ConnectCode::read(text)?;
        if peer == own {
            return Err(HandError::Own);
        }
        let description = of_browser(description);
        match half {
            Half::Offer => {
                let (by_hand, answer) = ByHand::answer(CONFIG, &description).await?;
                let (text, _) = code(Half::Answer(hash), own, answer).sign(signs(key));
                Ok((Taken::Answer(text), Coming { node: peer, by_hand }))
            }
            Half::Answer(offer) => {
                let (_, by_hand) =
                    self.0.borrow_mut().take_if(|(hash, _)| *hash == offer).ok_or(HandError::Stale)?;
                by_hand.hear_answer(&description).await?;
                Ok((Taken::Connecting, Coming { node: peer, by_hand }))
            }
        }
    }
}

fn signs(key: &Keypair) -> impl Fn(&[u8; 32]) -> [u8; 64] {
    |hash| {
        let signature = key.sign(hash).expect("an Ed25519 key signs anything");
        signature.try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

fn code(half: Half, peer: NodeId, description: webrtc::Description) -> ConnectCode {
    let webrtc::Description { ufrag, pwd, fingerprint, candidates } = description;
    let kind = |kind: &str| match kind {
        "host" => CandidateKind::Host,
        "srflx" => CandidateKind::Srflx,
        _ => CandidateKind::Relay,
    };
    let candidates = candidates.into_iter().map(|webrtc::Candidate { kind: of, address, port }| Candidate {
        kind: kind(&of),
        address,
        port,
    });
    let candidates = candidates.collect();
    let description = Description { ufrag, pwd, fingerprint: ByteArray::new(fingerprint), candidates };
    ConnectCode { half, peer, description }
}

fn of_browser(description: Description) -> webrtc::Description {
    let Description { ufrag, pwd, fingerprint, candidates } = description;
    let kind = |kind| match kind {
        CandidateKind::Host => "host",
        CandidateKind::Srflx => "srflx",
        CandidateKind::Relay => "relay",
    };
    let candidates = candidates.into_iter().map(|Candidate { kind: of, address, port }| webrtc::Candidate {
        kind: kind(of).to_owned(),
        address,
        port,
    });
    let candidates = candidates.collect();
    webrtc::Description { ufrag, pwd, fingerprint: fingerprint.into_array(), candidates }
}
