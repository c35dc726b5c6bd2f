//! The fields of an unsigned event, one for one as `docs/protocol.md` lists them.
//!
//! An absent field is absent, never null; an unknown field is an error. What a body holds is up to its kind.

use ipld_core::ipld::Ipld;
use serde::{Deserialize, Deserializer, Serialize};

use super::kind::Kind;
use crate::base::{AuthorId, BlobId, BoardId, EventId, Seconds, ThreadId};

/// Everything an author signs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// Version of the format: 1.
    pub v: u64,
    /// What the event is.
    pub kind: Kind,
    /// The key that signed.
    pub author: AuthorId,
    /// The identity the author acts for, when the author is a device key.
    #[serde(rename = "for", default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub acts_for: Option<AuthorId>,
    /// The board it belongs to.
    pub board: BoardId,
    /// The thread it belongs to; an opening post has none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub thread: Option<ThreadId>,
    /// When the author says it was written.
    pub time: Seconds,
    /// Logical counter of replaceable facts.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Other events, with their roles.
    pub refs: Vec<Ref>,
    /// Attachments, in clear even when the body is sealed.
    pub blobs: Vec<BlobRef>,
    /// Content, typed by kind.
    pub body: Ipld,
    /// Proof of work: a priority signal, never validity.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub pow: Option<Pow>,
    /// What anyone may ignore.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ext: Option<Ipld>,
}

/// A reference to another event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ref {
    /// Its role; see [`super::rel`].
    pub rel: String,
    /// The event referred to.
    pub id: EventId,
    /// Its board, when it is another.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub board: Option<BoardId>,
}

/// A reference to an attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobRef {
    /// The blob.
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
}

/// Proof of work over the event without this field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pow {
    /// The algorithm; an unknown one counts as no work.
    pub alg: String,
    /// Leading zero bits claimed.
    pub bits: u8,
    /// What was found.
    #[serde(with = "serde_bytes")]
    pub nonce: Vec<u8>,
}

/// Reads a field that is there, so that null is a type error and not an absent field.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
