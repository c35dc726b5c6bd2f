//! Peer records: at which relays a peer can be asked for a direct connection, in its own words.
//!
//! Signed with the peer's key on the network, so nobody can send others to a peer by a way that it did not name. Says
//! nothing of a person: that key is another on every visit.

use core::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, Bytes};

use crate::base::{AuthorId, PeerId, Seconds};
use crate::crypto::{Signature, check_author_encoding, peer_record_hash, verify};
use crate::event::check_canonical;
use crate::invite::Address;

/// Relays in one record.
pub const RECORD_RELAYS: usize = 4;

/// The longest record, bytes: the addresses, and what stands around them.
pub const PEER_RECORD_BYTES: usize = 768;

/// A record.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerRecord {
    fields: Fields,
    bytes: Arc<[u8]>,
}

/// A record by its own word: its signature was not looked at yet.
#[derive(Debug)]
pub struct ClaimedPeerRecord {
    record: PeerRecord,
    hash: [u8; 32],
    signature: Signature,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    v: u64,
    peer: PeerId,
    time: Seconds,
    relays: Vec<Address>,
}

#[derive(Serialize, Deserialize)]
struct Pair<'a>(#[serde(borrow)] &'a Bytes, ByteArray<64>);

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerRecordError {
    /// Not the form of a record.
    #[error("the bytes are not a peer record")]
    Form,
    /// Not signed by the peer it is about.
    #[error("the peer record is not signed by its peer")]
    Signature,
}

impl PeerRecord {
    /// The record of a peer at `now`. Relays beyond [`RECORD_RELAYS`], or beyond what finds room, are left out, the last
    /// first; each address ends with the relay's id. `sign` makes an Ed25519 signature (RFC 8032) over the 32 bytes it is
    /// given, with the peer's key on the network.
    #[must_use]
    pub fn make(
        peer: PeerId,
        mut relays: Vec<Address>,
        now: Seconds,
        sign: impl FnOnce(&[u8; 32]) -> [u8; 64],
    ) -> PeerRecord {
        relays.truncate(RECORD_RELAYS);
        let mut fields = Fields { v: 1, peer, time: now, relays };
        let encode = |fields: &Fields| serde_ipld_dagcbor::to_vec(fields).expect("a record encodes");
        let mut unsigned = encode(&fields);
        // With the signature and the heads of both byte strings.
        while unsigned.len() + 64 + 8 > PEER_RECORD_BYTES {
            fields.relays.pop();
            unsigned = encode(&fields);
        }
        let pair = Pair(Bytes::new(&unsigned), ByteArray::new(sign(&peer_record_hash(&unsigned))));
        let bytes = serde_ipld_dagcbor::to_vec(&pair).expect("two byte strings encode");
        PeerRecord { fields, bytes: bytes.into() }
    }

    /// Reads a record and checks that its peer has signed it.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: &[u8]) -> Result<PeerRecord, PeerRecordError> {
        ClaimedPeerRecord::read(bytes)?.verify()
    }

    /// Whom it is about.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        self.fields.peer
    }

    /// When it was made; of two of one peer the later counts.
    #[must_use]
    pub fn time(&self) -> Seconds {
        self.fields.time
    }

    /// The relays at which the peer can be asked for, each with its id at the end. None when it can be asked nowhere.
    #[must_use]
    pub fn relays(&self) -> &[Address] {
        &self.fields.relays
    }

    /// The record as it is sent.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

impl ClaimedPeerRecord {
    /// Reads what may be a record, without a look at its signature.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: &[u8]) -> Result<ClaimedPeerRecord, PeerRecordError> {
        if bytes.len() > PEER_RECORD_BYTES {
            return Err(PeerRecordError::Form);
        }
        check_canonical(bytes, 1, 1).map_err(no_record)?;
        let Pair(unsigned, signature) = serde_ipld_dagcbor::from_slice(bytes).map_err(no_record)?;
        check_canonical(unsigned, 2, 2).map_err(no_record)?;
        let fields: Fields = serde_ipld_dagcbor::from_slice(unsigned).map_err(no_record)?;
        if fields.v != 1 || fields.relays.len() > RECORD_RELAYS {
            return Err(PeerRecordError::Form);
        }
        // A key for which anyone can sign is nobody's.
        check_author_encoding(&AuthorId(fields.peer.0)).map_err(no_record)?;
        let (hash, signature) = (peer_record_hash(unsigned), Signature(signature.into_array()));
        Ok(ClaimedPeerRecord { record: PeerRecord { fields, bytes: bytes.into() }, hash, signature })
    }

    /// The record as it is claimed to be.
    #[must_use]
    pub fn unverified(&self) -> &PeerRecord {
        &self.record
    }

    /// Checks that its peer has signed it.
    ///
    /// # Errors
    /// [`PeerRecordError::Signature`] when not.
    pub fn verify(self) -> Result<PeerRecord, PeerRecordError> {
        let peer = AuthorId(self.record.fields.peer.0);
        verify(&peer, &self.hash, &self.signature).map_err(|_| PeerRecordError::Signature)?;
        Ok(self.record)
    }
}

fn no_record<E>(_: E) -> PeerRecordError {
    PeerRecordError::Form
}

impl fmt::Debug for PeerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerRecord({:?} at {})", self.fields.peer, self.fields.time.0)
    }
}
