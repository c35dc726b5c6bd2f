//! Offer and answer of a direct connection, in texts that two people pass on themselves: by it two tabs meet without any
//! relay. Signed with the peers' keys on the network, so each knows with whom it is connected.
//!
//! What is in them is what the browsers' descriptions (SDP) differ in: credentials of ICE (RFC 8445), the fingerprint of
//! the DTLS certificate (RFC 8122), and candidates.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::armor::{self, ArmorError};
use crate::base::{AuthorId, PeerId};
use crate::crypto::{Signature, check_author_key, connect_code_hash, verify};
use crate::event::{check_canonical, present};

/// What an offer begins with, and an answer.
const PREFIXES: (&str, &str) = ("chanoffer", "chananswer");

/// Candidates in one code; more do not fit.
const CANDIDATES: usize = 8;

/// The longest of ICE's two credentials, characters. Browsers take 4 and 24 (RFC 8445, section 5.3: at most 256).
const CREDENTIAL_CHARS: usize = 64;

/// The longest address of a candidate, characters: an IP address, or a name that a browser made up for one.
const ADDRESS_CHARS: usize = 64;

/// Whose turn a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// It comes first.
    Offer,
    /// It answers the offer of that hash.
    Answer([u8; 32]),
}

/// What one side tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectCode {
    /// Offer or answer.
    pub half: Half,
    /// Who made it.
    pub peer: PeerId,
    /// How it is connected to.
    pub description: Description,
}

/// What the browsers' descriptions of two connections differ in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// `ice-ufrag` (RFC 8839, section 5.4).
    pub ufrag: String,
    /// `ice-pwd`.
    pub pwd: String,
    /// SHA-256 of the certificate (RFC 8122, section 5).
    pub fingerprint: ByteArray<32>,
    /// Where packets may be sent, the best first; at most [`CANDIDATES`].
    pub candidates: Vec<Candidate>,
}

/// Where packets may be sent, over UDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// What the address is.
    pub kind: CandidateKind,
    /// IP address, or a name under `.local`.
    pub address: String,
    /// Port, not 0.
    pub port: u16,
}

/// What an address is (RFC 8445, section 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateKind {
    /// The device's own.
    Host,
    /// As a STUN server sees it.
    Srflx,
    /// Of a TURN server.
    Relay,
}

/// Why a text is no code that can be used. Each says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectCodeError {
    /// It does not begin as these codes do.
    #[error("this is not a connection code: one begins with chanoffer1 or chananswer1. Copy all of it")]
    Foreign,
    /// Longer than any code, or changed on the way.
    #[error(
        "this connection code is damaged: a part of it is missing or was changed on the way. Copy it again"
    )]
    Damaged,
    /// Whole, but not made as codes are.
    #[error("this connection code holds something that does not belong in one. Ask for a new one")]
    Form,
    /// Signed by somebody else, or changed after it was signed.
    #[error("this connection code was changed after it was made. Do not use it, and ask for a new one")]
    Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    v: u64,
    peer: PeerId,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    of: Option<ByteArray<32>>,
    description: Description,
}

impl From<ArmorError> for ConnectCodeError {
    fn from(error: ArmorError) -> ConnectCodeError {
        match error {
            ArmorError::Foreign => ConnectCodeError::Foreign,
            ArmorError::TooLong | ArmorError::Damaged => ConnectCodeError::Damaged,
            ArmorError::Form => ConnectCodeError::Form,
        }
    }
}

impl ConnectCode {
    /// The code as text, and its hash. Candidates that nobody would read are left out, and so are those that find no room:
    /// the last of the kind there are most of. `sign` makes an Ed25519 signature (RFC 8032) over the 32 bytes it is given,
    /// with the peer's key on the network.
    #[must_use]
    pub fn sign(mut self, sign: impl Fn(&[u8; 32]) -> [u8; 64]) -> (String, [u8; 32]) {
        let candidates = &mut self.description.candidates;
        candidates.retain(Candidate::is_plain);
        while candidates.len() > CANDIDATES {
            spare(candidates);
        }
        let (prefix, of) = match self.half {
            Half::Offer => (PREFIXES.0, None),
            Half::Answer(offer) => (PREFIXES.1, Some(ByteArray::new(offer))),
        };
        let mut fields = Fields { v: 1, peer: self.peer, of, description: self.description };
        loop {
            let unsigned = serde_ipld_dagcbor::to_vec(&fields).expect("a code encodes");
            let hash = connect_code_hash(&unsigned);
            if let Some(text) = armor::encode(prefix, &unsigned, sign(&hash)) {
                return (text, hash);
            }
            spare(&mut fields.description.candidates).expect("credentials leave room enough");
        }
    }

    /// Reads a code, in lower or upper case, and its hash. White space around it is not looked at.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read(text: &str) -> Result<(ConnectCode, [u8; 32]), ConnectCodeError> {
        let offer = armor::decode(PREFIXES.0, text);
        let is_offer = offer != Err(ArmorError::Foreign);
        let (unsigned, signature) = if is_offer { offer? } else { armor::decode(PREFIXES.1, text)? };
        check_canonical(&unsigned, 4, 2 + 2 * CANDIDATES).map_err(|_| ConnectCodeError::Form)?;
        let fields: Fields = serde_ipld_dagcbor::from_slice(&unsigned).map_err(|_| ConnectCodeError::Form)?;
        let Fields { v, peer, of, description } = fields;
        let half = match of {
            None if is_offer => Half::Offer,
            Some(offer) if !is_offer => Half::Answer(offer.into_array()),
            _ => return Err(ConnectCodeError::Form),
        };
        if v != 1 || !description.is_plain() || check_author_key(&AuthorId(peer.0)).is_err() {
            return Err(ConnectCodeError::Form);
        }
        let hash = connect_code_hash(&unsigned);
        verify(&AuthorId(peer.0), &hash, &Signature(signature)).map_err(|_| ConnectCodeError::Signature)?;
        Ok((ConnectCode { half, peer, description }, hash))
    }
}

impl Description {
    /// Whether nothing in it could be more than it says once it stands in a line of SDP.
    fn is_plain(&self) -> bool {
        // ice-char (RFC 8839, section 5.4).
        let is_ice = |text: &str, least: usize| {
            (least..=CREDENTIAL_CHARS).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        };
        is_ice(&self.ufrag, 4)
            && is_ice(&self.pwd, 22)
            && self.candidates.len() <= CANDIDATES
            && self.candidates.iter().all(Candidate::is_plain)
    }
}

impl Candidate {
    /// Whether it leads where it says, and to one word in a line of SDP.
    fn is_plain(&self) -> bool {
        let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_name =
            |text: &str| text.strip_suffix(".local").is_some_and(|name| !name.is_empty() && is_word(name));
        self.port > 0
            && self.address.len() <= ADDRESS_CHARS
            && (self.address.parse::<IpAddr>().is_ok() || is_name(&self.address))
    }
}

/// Takes out the last candidate of the kind there are most of: of many addresses of its own a device can spare one, but not
/// the only one at which a NAT lets others in.
fn spare(candidates: &mut Vec<Candidate>) -> Option<Candidate> {
    let kinds = [CandidateKind::Relay, CandidateKind::Srflx, CandidateKind::Host];
    let of = |kind: &CandidateKind| candidates.iter().filter(|candidate| candidate.kind == *kind).count();
    let most = kinds.into_iter().max_by_key(of)?;
    let at = candidates.iter().rposition(|candidate| candidate.kind == most)?;
    Some(candidates.remove(at))
}
