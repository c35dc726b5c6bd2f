//! What a post says of the files it carries, and what a rendition says of what was made of one.
//!
//! The bytes of a file are a blob, named by its hash in the event's `blobs`; here stands what its author says of it, which
//! nobody checks: a reader decides by the bytes what they are. A body does not repeat what `blobs` has: the first
//! describes the first, and so on; behind them stand the thumbnails.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::body::{is_false, only_true};
use super::draft::{DraftError, is_one_line};
use super::fields::{BlobRef, present};
use super::signed::Event;
use crate::base::{BlobId, Limits};

/// What an author says of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileInfo {
    /// Its media type (RFC 6838), in lower case and without parameters.
    #[serde(rename = "type")]
    pub mime: String,
    /// What it is called where it comes from.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Pixels across, of a picture or video.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub width: Option<u16>,
    /// Pixels down.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub height: Option<u16>,
    /// How long it plays, milliseconds.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// A few bytes that show what it looks like from afar (ThumbHash, Evan Wallace).
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub thumbhash: Option<ByteBuf>,
    /// What is to be seen or heard, in words.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub alt: Option<String>,
    /// Not to be shown before somebody asks for it. True or absent.
    #[serde(default, deserialize_with = "only_true", skip_serializing_if = "is_false")]
    pub spoiler: bool,
    /// Whether its author made a thumbnail of it, which is a blob of its own. True or absent.
    #[serde(default, deserialize_with = "only_true", skip_serializing_if = "is_false")]
    pub thumb: bool,
}

impl FileInfo {
    /// Of a file of which nothing is said but its media type.
    #[must_use]
    pub fn new(mime: impl Into<String>) -> FileInfo {
        FileInfo {
            mime: mime.into(),
            name: None,
            width: None,
            height: None,
            duration: None,
            thumbhash: None,
            alt: None,
            spoiler: false,
            thumb: false,
        }
    }
}

/// The body of a rendition: what its author, mostly a relay, has made of a blob. The event's one blob is the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenditionBody {
    /// Of what it was made.
    #[serde(rename = "source")]
    pub source: BlobId,
    /// What for: `thumb`, `clean`, `preview`, `low`, `high`, or what is not known yet.
    pub profile: String,
    /// Its media type.
    #[serde(rename = "type")]
    pub mime: String,
    /// Pixels across.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub width: Option<u16>,
    /// Pixels down.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub height: Option<u16>,
    /// How long it plays, milliseconds.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
}

/// A file of a post, with its blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its bytes.
    pub blob: BlobRef,
    /// Those of its thumbnail. [`FileInfo::thumb`] says whether there is one, and is set by this when a draft is signed.
    pub thumb: Option<BlobRef>,
    /// What its author says of it.
    #[serde(with = "whole_file")]
    pub info: FileInfo,
}

/// A description with all its fields in their order, for encodings that know no names: what is absent in an event may not
/// be left out there.
mod whole_file {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use serde_bytes::ByteBuf;

    use super::FileInfo;

    type Fields<T, N, B> =
        (T, Option<T>, Option<N>, Option<N>, Option<u64>, Option<B>, Option<T>, bool, bool);

    pub(super) fn serialize<S: Serializer>(info: &FileInfo, serializer: S) -> Result<S::Ok, S::Error> {
        let FileInfo { mime, name, width, height, duration, thumbhash, alt, spoiler, thumb } = info;
        let fields: Fields<&str, u16, &ByteBuf> = (
            mime,
            name.as_deref(),
            *width,
            *height,
            *duration,
            thumbhash.as_ref(),
            alt.as_deref(),
            *spoiler,
            *thumb,
        );
        fields.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FileInfo, D::Error> {
        let (mime, name, width, height, duration, thumbhash, alt, spoiler, thumb) =
            Fields::<String, u16, ByteBuf>::deserialize(deserializer)?;
        Ok(FileInfo { mime, name, width, height, duration, thumbhash, alt, spoiler, thumb })
    }
}

/// The same for what is said of a rendition.
pub(crate) mod whole_rendition {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::RenditionBody;
    use crate::base::BlobId;

    type Fields<T> = (BlobId, T, T, Option<u16>, Option<u16>, Option<u64>);

    pub(crate) fn serialize<S: Serializer>(body: &RenditionBody, serializer: S) -> Result<S::Ok, S::Error> {
        let RenditionBody { source, profile, mime, width, height, duration } = body;
        let fields: Fields<&str> = (*source, profile, mime, *width, *height, *duration);
        fields.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RenditionBody, D::Error> {
        let (source, profile, mime, width, height, duration) = Fields::<String>::deserialize(deserializer)?;
        Ok(RenditionBody { source, profile, mime, width, height, duration })
    }
}

impl Attachment {
    /// The files that an event carries.
    #[must_use]
    pub fn of(event: &Event) -> Vec<Attachment> {
        Attachment::all(event.body().files(), &event.fields().blobs)
    }

    /// The files of a body with their blobs, which are as many as [`blobs_of`] says.
    fn all(files: &[FileInfo], blobs: &[BlobRef]) -> Vec<Attachment> {
        let mut thumbs = blobs.iter().skip(files.len());
        let attachment = |(info, blob): (&FileInfo, &BlobRef)| Attachment {
            blob: blob.clone(),
            thumb: if info.thumb { thumbs.next().cloned() } else { None },
            info: info.clone(),
        };
        files.iter().zip(blobs).map(attachment).collect()
    }

    /// What is signed of a draft's files: their descriptions, and the blobs in their order.
    pub(crate) fn sorted(files: &[Attachment]) -> (Vec<FileInfo>, Vec<BlobRef>) {
        let info = |file: &Attachment| FileInfo { thumb: file.thumb.is_some(), ..file.info.clone() };
        let blobs =
            files.iter().map(|file| &file.blob).chain(files.iter().filter_map(|file| file.thumb.as_ref()));
        (files.iter().map(info).collect(), blobs.cloned().collect())
    }
}

/// How many blobs an event with these files has.
pub(crate) fn blobs_of(files: &[FileInfo]) -> usize {
    files.len() + files.iter().filter(|file| file.thumb).count()
}

/// The rules for what is said of files.
pub(crate) fn check_files(files: &[FileInfo], limits: &Limits) -> Result<(), DraftError> {
    if files.len() > limits.blobs {
        return Err(DraftError::TooManyFiles(limits.blobs));
    }
    files.iter().try_for_each(|file| {
        let named = file.name.as_deref().is_none_or(|name| is_one_line(name, limits.file_name_chars));
        let described = file.alt.as_deref();
        if !named {
            return Err(DraftError::FileName(limits.file_name_chars));
        }
        if described.is_some_and(|alt| alt.trim().is_empty() || alt.chars().count() > limits.alt_chars) {
            return Err(DraftError::Alt(limits.alt_chars));
        }
        let hash = file.thumbhash.as_ref().is_none_or(|hash| (1..=32).contains(&hash.len()));
        if hash && is_mime(&file.mime) && are_pixels(file.width, file.height) {
            Ok(())
        } else {
            Err(DraftError::File)
        }
    })
}

/// The rules for what is said of a rendition.
pub(crate) fn check_rendition(body: &RenditionBody) -> Result<(), DraftError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let profile = (1..=32).contains(&body.profile.len()) && body.profile.bytes().all(allowed);
    let holds = profile && is_mime(&body.mime) && are_pixels(body.width, body.height);
    if holds { Ok(()) } else { Err(DraftError::File) }
}

/// A type and a subtype of `a` to `z`, digits, `.`, `+` and `-`; at most 64 bytes.
fn is_mime(mime: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".+-".contains(&byte);
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(allowed);
    mime.len() <= 64 && mime.split_once('/').is_some_and(|(kind, of)| is_part(kind) && is_part(of))
}

/// Both or none, and above zero.
fn are_pixels(width: Option<u16>, height: Option<u16>) -> bool {
    matches!((width, height), (None, None) | (Some(1..), Some(1..)))
}
