//! A signed event: the bytes an author signed, the signature, and what the bytes say.
//!
//! Decoding checks form only; the signature and everything else is checked by [`crate::admit`]. The bytes received are
//! kept and hashed as they are, never encoded again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, Bytes};

use super::body::Body;
use super::canonical::{self, CanonicalError};
use super::fields::Fields;
use super::kind::Kind;
use crate::base::{EventId, Limits};
use crate::crypto::{SecretKey, Signature, event_id};

/// Why bytes are not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// More bytes than an event may have.
    #[error("the event has more than {0} bytes")]
    TooLarge(usize),
    /// Not canonical DAG-CBOR.
    #[error("the event is not canonical: {0}")]
    Canonical(#[from] CanonicalError),
    /// Canonical, but not the pair of unsigned bytes and signature.
    #[error("an event is the pair of its bytes and a signature")]
    Envelope,
    /// A version this software cannot read.
    #[error("the event has version {0}, known is 1")]
    Version(u64),
    /// A field is missing, unknown or of the wrong type.
    #[error("the event does not have the fields of an event")]
    Fields,
    /// The body does not have the fields of its kind.
    #[error("the event does not have the body of its kind")]
    Body,
}

/// A signed record.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    id: EventId,
    fields: Fields,
    body: Body,
    signature: Signature,
    bytes: Arc<[u8]>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a>(#[serde(borrow)] &'a Bytes, ByteArray<64>);

#[derive(Deserialize)]
struct Version {
    v: u64,
}

impl Event {
    /// Signs `fields`. The caller vouches that `body` is the body in them and that `key` is their author.
    pub(crate) fn sign(fields: Fields, key: &SecretKey) -> Event {
        debug_assert_eq!(fields.author, key.public());
        let unsigned = serde_ipld_dagcbor::to_vec(&fields).expect("fields encode");
        let id = event_id(&unsigned);
        let signature = key.sign(&id);
        let bytes = encode(&unsigned, &signature);
        let body = Body::read(fields.kind, &unsigned).expect("a draft has the body of its kind");
        Event { id, fields, body, signature, bytes: bytes.into() }
    }

    /// Reads an event from the bytes in which it is stored and sent.
    ///
    /// # Errors
    /// When the bytes are too many, not canonical, or not an event of version 1.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Event, EventError> {
        if bytes.len() > limits.event_bytes {
            return Err(EventError::TooLarge(limits.event_bytes));
        }
        canonical::check(bytes, 1, 1)?;
        let Envelope(unsigned, signature) =
            serde_ipld_dagcbor::from_slice(bytes).map_err(|_| EventError::Envelope)?;
        canonical::check(unsigned, limits.depth, limits.containers)?;
        let Version { v } = serde_ipld_dagcbor::from_slice(unsigned).map_err(|_| EventError::Fields)?;
        if v != 1 {
            return Err(EventError::Version(v));
        }
        let fields: Fields = serde_ipld_dagcbor::from_slice(unsigned).map_err(|_| EventError::Fields)?;
        if !fields.kind.is_known() && bytes.len() > limits.unknown_event_bytes {
            return Err(EventError::TooLarge(limits.unknown_event_bytes));
        }
        let body = Body::read(fields.kind, unsigned).ok_or(EventError::Body)?;
        Ok(Event {
            id: event_id(unsigned),
            fields,
            body,
            signature: Signature(signature.into_array()),
            bytes: bytes.into(),
        })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// What was signed.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.fields.kind
    }

    /// Its content.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The signature over its id.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The bytes in which it is stored and sent.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

fn encode(unsigned: &[u8], signature: &Signature) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(&Envelope(Bytes::new(unsigned), ByteArray::new(signature.0)))
        .expect("two byte strings encode")
}
