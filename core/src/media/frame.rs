//! The frames of `/chanterelle/media/1` and their one encoding.
//!
//! A stream has an asker, who opened it, and a holder. A frame is a DAG-CBOR map with one key, the frame's name, behind
//! an unsigned varint length ([`crate::wire::prefixed`]); nothing is compressed, because pictures are already. Counts are
//! bounded before they allocate; which frame may come when is the [`super::Exchange`]'s business.

use serde::{Deserialize, Serialize};

use crate::base::{BlobId, Limits};
use crate::event::{CanonicalError, check_canonical};

use super::Groups;
use super::tree::groups_in;

/// Something held by the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldItem {
    /// The blob.
    pub id: BlobId,
    /// Its size, bytes.
    pub size: u64,
    /// Absent when all of it is held. Else a bit for each group, the lowest first; without any byte, when nothing is
    /// held any more.
    #[serde(
        default,
        deserialize_with = "present_bytes",
        serialize_with = "as_bytes",
        skip_serializing_if = "Option::is_none"
    )]
    pub groups: Option<Vec<u8>>,
}

impl HeldItem {
    /// That `groups` of a blob are held.
    #[must_use]
    pub fn new(id: BlobId, size: u64, groups: &Groups) -> Self {
        let groups = match () {
            () if groups.is_all() => None,
            () if groups.is_none() => Some(Vec::new()),
            () => Some(groups.to_bytes()),
        };
        Self { id, size, groups }
    }

    /// What is held. `None` when the size or the bitmap cannot be.
    #[must_use]
    pub fn groups(&self, limits: &Limits) -> Option<Groups> {
        if !(1..=limits.blob_bytes).contains(&self.size) {
            return None;
        }
        let total = groups_in(self.size);
        match self.groups.as_deref() {
            None => Some(Groups::all(total)),
            Some([]) => Some(Groups::none(total)),
            Some(bytes) => Groups::from_bytes(total, bytes),
        }
    }
}

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum MediaFrame {
    /// Of the asker: which blobs it cares about, replacing what it said before.
    Look {
        /// The blobs.
        ids: Vec<BlobId>,
    },
    /// Of the asker: asks for groups of a blob; answered by [`MediaFrame::Slice`] or [`MediaFrame::None`].
    Get {
        /// Names the question.
        call: u64,
        /// The blob.
        id: BlobId,
        /// The first group.
        first: u32,
        /// How many.
        count: u32,
    },
    /// Of the holder: what it has of the blobs the asker looks for, now and whenever that changes.
    Held {
        /// The blobs.
        items: Vec<HeldItem>,
    },
    /// Of the holder: the groups asked for, with the parents that prove them.
    Slice {
        /// Of the question.
        call: u64,
        /// See [`super::tree::slice`].
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Of the holder: it does not give these groups.
    None {
        /// Of the question.
        call: u64,
    },
}

/// Why bytes are not a frame of the media protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaFrameError {
    /// Larger than allowed.
    #[error("the frame has more bytes than allowed")]
    Size,
    /// Not canonical DAG-CBOR.
    #[error("the frame is not canonical: {0}")]
    Canonical(#[from] CanonicalError),
    /// Not one of the frames.
    #[error("the frame is of no known form")]
    Form,
    /// A list longer than allowed, or more groups in one question.
    #[error("the frame has more entries than allowed")]
    Count,
    /// A blob that cannot be: its size, or a bitmap that does not fit it.
    #[error("the frame speaks of a blob that cannot be")]
    Blob,
}

impl MediaFrame {
    /// Reads a frame, without its length prefix.
    ///
    /// # Errors
    /// When it is not one, or larger than the limits allow.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, MediaFrameError> {
        if bytes.len() > limits.media_frame_bytes {
            return Err(MediaFrameError::Size);
        }
        check_canonical(bytes, limits.depth, limits.containers)?;
        let frame: Self = serde_ipld_dagcbor::from_slice(bytes).map_err(|_| MediaFrameError::Form)?;
        frame.check(limits).map(|()| frame)
    }

    /// Writes a frame, without its length prefix.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_ipld_dagcbor::to_vec(self).expect("frames encode")
    }

    fn check(&self, limits: &Limits) -> Result<(), MediaFrameError> {
        let within = match self {
            Self::Look { ids } => ids.len() <= limits.media_look,
            Self::Get { count, .. } => (1..=limits.media_get_groups).contains(count),
            Self::Held { items } if items.iter().any(|item| item.groups(limits).is_none()) => {
                return Err(MediaFrameError::Blob);
            }
            Self::Held { items } => items.len() <= limits.media_held,
            Self::Slice { .. } | Self::None { .. } => true,
        };
        if within { Ok(()) } else { Err(MediaFrameError::Count) }
    }
}

/// A null is no bitmap: absent fields are absent.
fn present_bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    serde_bytes::ByteBuf::deserialize(deserializer).map(|bytes| Some(bytes.into_vec()))
}

fn as_bytes<S: serde::Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes.as_deref().unwrap_or_default())
}
