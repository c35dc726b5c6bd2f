//! Signed records: their kinds, their one canonical encoding, and how a draft becomes one.
//!
//! Nothing here knows a clock, a store or a peer; whether an event is let in is decided by [`crate::admit`].

mod body;
mod canonical;
mod draft;
mod fields;
mod file;
mod kind;
mod quote;
mod signed;

pub use body::{Body, DeleteBody, EditBody, FollowBody, PostBody, ProfileBody, ThreadBody};
pub use canonical::{CanonicalError, check as check_canonical};
pub use draft::{Content, Draft, DraftError, Persona};
pub(crate) use draft::{Place, check_texts, is_one_line, sign};
pub(crate) use fields::present;
pub use fields::{BlobRef, Fields, Pow, Ref};
pub(crate) use file::blobs_of;
pub(crate) use file::whole_rendition;
pub use file::{Attachment, FileInfo, RenditionBody};
pub use kind::{Kind, rel};
pub use quote::{QUOTE_DIGITS, quotes_in};
pub use signed::{Event, EventError};
