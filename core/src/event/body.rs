//! The bodies of the known kinds.
//!
//! A body of a known kind has exactly these fields: what must not be ignored is a new kind, what may be is `ext`.

use ipld_core::ipld::Ipld;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use super::fields::present;
use super::file::{FileInfo, RenditionBody};
use super::kind::Kind;
use crate::base::{AuthorId, BoardName};

/// A body, typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Of an opening post.
    Thread(ThreadBody),
    /// Of a reply.
    Post(PostBody),
    /// Of an edit.
    Edit(EditBody),
    /// Of a tombstone.
    Delete(DeleteBody),
    /// Of a profile.
    Profile(ProfileBody),
    /// Of a follow.
    Follow(FollowBody),
    /// Of a rendition.
    Rendition(RenditionBody),
    /// Of a kind this version does not know.
    Unknown(Ipld),
}

/// An opening post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreadBody {
    /// What it says.
    pub comment: String,
    /// From which, with the pseudonym secret and the board, its author can derive the signing key again.
    #[serde(with = "serde_bytes")]
    pub salt: [u8; 16],
    /// Its title.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The name of an open board, so that the board is announced by its use. Its hash is the event's board.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub board_name: Option<BoardName>,
    /// What the files are that it carries; absent when there are none.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileInfo>,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostBody {
    /// What it says.
    pub comment: String,
    /// Asks not to bump the thread. True or absent.
    #[serde(default, deserialize_with = "only_true", skip_serializing_if = "is_false")]
    pub sage: bool,
    /// What the files are that it carries; absent when there are none.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileInfo>,
}

/// New text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditBody {
    /// What the post says now.
    pub comment: String,
    /// The title of the thread now, if an opening post is edited.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// A tombstone says nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteBody {}

/// The public face of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileBody {
    /// A name; anyone may have the same.
    pub name: String,
    /// A few words.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// That its author follows somebody, or no longer does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowBody {
    /// Who is followed.
    pub who: AuthorId,
    /// No longer. True or absent.
    #[serde(default, deserialize_with = "only_true", skip_serializing_if = "is_false")]
    pub ended: bool,
}

impl Body {
    /// Reads the body of an event of `kind` from its unsigned bytes; `None` when it does not have the fields of its
    /// kind. From the bytes and not from an [`Ipld`], whose decoder writes what it cannot use into its error, and a
    /// stranger decides how much that is.
    #[must_use]
    pub(super) fn read(kind: Kind, unsigned: &[u8]) -> Option<Body> {
        #[derive(Deserialize)]
        struct Of<T> {
            body: T,
        }
        fn typed<T: DeserializeOwned>(unsigned: &[u8]) -> Option<T> {
            serde_ipld_dagcbor::from_slice(unsigned).ok().map(|Of { body }| body)
        }
        match kind {
            Kind::THREAD => typed(unsigned).map(Body::Thread),
            Kind::POST => typed(unsigned).map(Body::Post),
            Kind::EDIT => typed(unsigned).map(Body::Edit),
            Kind::DELETE => typed(unsigned).map(Body::Delete),
            Kind::PROFILE => typed(unsigned).map(Body::Profile),
            Kind::FOLLOW => typed(unsigned).map(Body::Follow),
            Kind::RENDITION => typed(unsigned).map(Body::Rendition),
            _ => typed(unsigned).map(Body::Unknown),
        }
    }

    /// What the files are that it says it carries.
    #[must_use]
    pub fn files(&self) -> &[FileInfo] {
        match self {
            Body::Thread(body) => &body.files,
            Body::Post(body) => &body.files,
            _ => &[],
        }
    }

    /// The kind of event that has this body; `None` for a body of an unknown kind.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Body::Thread(_) => Some(Kind::THREAD),
            Body::Post(_) => Some(Kind::POST),
            Body::Edit(_) => Some(Kind::EDIT),
            Body::Delete(_) => Some(Kind::DELETE),
            Body::Profile(_) => Some(Kind::PROFILE),
            Body::Follow(_) => Some(Kind::FOLLOW),
            Body::Rendition(_) => Some(Kind::RENDITION),
            Body::Unknown(_) => None,
        }
    }

    /// The body as it is signed.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        fn plain<T: Serialize>(body: &T) -> Ipld {
            ipld_core::serde::to_ipld(body).expect("bodies hold only text, bytes, booleans, small numbers")
        }
        match self {
            Body::Thread(body) => plain(body),
            Body::Post(body) => plain(body),
            Body::Edit(body) => plain(body),
            Body::Delete(_) => Ipld::Map(Default::default()),
            Body::Profile(body) => plain(body),
            Body::Follow(body) => plain(body),
            Body::Rendition(body) => plain(body),
            Body::Unknown(body) => body.clone(),
        }
    }
}

/// One meaning has one encoding: false is said by absence.
pub(super) fn only_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    if bool::deserialize(deserializer)? {
        Ok(true)
    } else {
        Err(D::Error::custom("false is said by absence"))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

/// One meaning has one encoding: no files are said by absence.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FileInfo>, D::Error> {
    let files = Vec::deserialize(deserializer)?;
    if files.is_empty() { Err(D::Error::custom("no files are said by absence")) } else { Ok(files) }
}
