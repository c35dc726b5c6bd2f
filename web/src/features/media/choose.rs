//! Which of a file's blobs is shown small, and which can be played instead of it.

use chanterelle_core::base::BlobId;
use chanterelle_core::event::{Attachment, BlobRef};
use chanterelle_core::view::Rendition;

use super::kind::{Kind, kind};

/// A picture of so many bytes is its own thumbnail: making one would hardly save any.
const SMALL: u64 = 64 * 1024;

/// Beyond this nothing is a thumbnail, whatever is said of it, bytes: thumbnails come without being asked for, and what is
/// shown at 250 pixels has a tenth of this.
const LARGEST: u64 = 256 * 1024;

/// The blob that shows a file small: the one its author made, or somebody who is believed, or itself.
pub(super) fn thumbnail(file: &Attachment, renditions: &[Rendition]) -> Option<BlobRef> {
    let own = file.thumb.as_ref();
    let made = made_of(file.blob.id, renditions).filter(|made| made.made.profile == "thumb");
    let made = made.filter(|made| kind(&made.made.mime) == Kind::Picture).map(|made| &made.blob);
    let itself = (kind(&file.info.mime) == Kind::Picture && file.blob.size <= SMALL).then_some(&file.blob);
    own.into_iter().chain(made).chain(itself).find(|blob| blob.size <= LARGEST).cloned()
}

/// Something that plays a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// `original`, `high` or `low`.
    pub profile: String,
    /// Its bytes.
    pub blob: BlobRef,
    /// Its type.
    pub mime: String,
}

/// What plays a file, best first: itself, and what was made of it to be played. Only what is of the file's own kind.
pub(super) fn versions(file: &Attachment, renditions: &[Rendition]) -> Vec<Version> {
    let original =
        Version { profile: "original".to_owned(), blob: file.blob.clone(), mime: file.info.mime.clone() };
    let mut versions = vec![original];
    for profile in ["high", "low"] {
        let fits = |made: &&Rendition| {
            made.made.profile == profile && kind(&made.made.mime) == kind(&file.info.mime)
        };
        versions.extend(made_of(file.blob.id, renditions).find(fits).map(|made| Version {
            profile: profile.to_owned(),
            blob: made.blob.clone(),
            mime: made.made.mime.clone(),
        }));
    }
    versions
}

/// The version that is played when nobody chose another: the first that `plays`.
pub(super) fn first_playing(versions: &[Version], plays: impl Fn(&str) -> bool) -> Option<usize> {
    versions.iter().position(|version| plays(&version.mime))
}

/// All blobs that are known to be a file or to stand for it.
pub(super) fn blobs(file: &Attachment, renditions: &[Rendition]) -> Vec<BlobId> {
    let mut blobs = vec![file.blob.id];
    blobs.extend(file.thumb.as_ref().map(|thumb| thumb.id));
    blobs.extend(made_of(file.blob.id, renditions).map(|made| made.blob.id));
    blobs
}

fn made_of(source: BlobId, renditions: &[Rendition]) -> impl Iterator<Item = &Rendition> {
    renditions.iter().filter(move |made| made.made.source == source)
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::AuthorId;
    use chanterelle_core::event::{FileInfo, RenditionBody};

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn blob(id: u8, size: u64) -> BlobRef {
        BlobRef { id: BlobId([id; 32]), size }
    }

    fn file(mime: &str, size: u64, thumb: Option<BlobRef>) -> Attachment {
        let info = FileInfo { thumb: thumb.is_some(), ..FileInfo::new(mime) };
        Attachment { blob: blob(1, size), thumb, info }
    }

    fn made(source: u8, profile: &str, mime: &str, result: u8, size: u64) -> Rendition {
        let made = RenditionBody {
            source: BlobId([source; 32]),
            profile: profile.to_owned(),
            mime: mime.to_owned(),
            width: None,
            height: None,
            duration: None,
        };
        Rendition { blob: blob(result, size), producer: AuthorId([0; 32]), made }
    }

    #[test]
    fn the_authors_thumbnail_comes_first_then_a_rendition_then_a_small_picture_itself() {
        let made = [made(9, "thumb", "image/webp", 4, 10), made(1, "thumb", "image/webp", 3, 10)];
        let own = file("image/jpeg", 10, Some(blob(2, 10)));
        assert_eq!(thumbnail(&own, &made), Some(blob(2, 10)));
        let without = file("image/jpeg", 10_000_000, None);
        assert_eq!(thumbnail(&without, &made), Some(blob(3, 10)));
        assert_eq!(thumbnail(&without, &[]), None);
        let small = file("image/jpeg", SMALL, None);
        assert_eq!(thumbnail(&small, &[]), Some(blob(1, SMALL)));
        assert_eq!(thumbnail(&file("image/svg+xml", 10, None), &[]), None);
    }

    #[test]
    fn nothing_large_and_nothing_but_a_picture_is_a_thumbnail() {
        let huge = file("image/jpeg", 10_000_000, Some(blob(2, LARGEST + 1)));
        assert_eq!(thumbnail(&huge, &[]), None);
        assert_eq!(
            thumbnail(&huge, &[made(1, "thumb", "image/webp", 3, 10)]),
            Some(blob(3, 10)),
            "another is there"
        );
        assert_eq!(thumbnail(&huge, &[made(1, "thumb", "text/html", 3, 10)]), None);
    }

    #[test]
    fn whoever_blocks_a_file_blocks_all_that_stands_for_it() {
        let made = [
            made(1, "thumb", "image/webp", 3, 10),
            made(9, "low", "video/mp4", 4, 10),
            made(1, "clean", "image/jpeg", 5, 10),
        ];
        let file = file("image/jpeg", 10_000_000, Some(blob(2, 10)));
        assert_eq!(blobs(&file, &made), [1, 2, 3, 5].map(|id| BlobId([id; 32])));
    }

    #[test]
    fn plays_the_original_unless_only_a_rendition_can_be_played() {
        let film = file("video/quicktime", 9, None);
        let made = [
            made(1, "low", "video/mp4", 3, 3),
            made(1, "high", "text/html", 5, 3),
            made(1, "high", "video/webm", 4, 6),
        ];
        let versions = versions(&film, &made);
        let profiles: Vec<&str> = versions.iter().map(|version| version.profile.as_str()).collect();
        assert_eq!(profiles, ["original", "high", "low"]);
        assert_eq!(first_playing(&versions, |_| true), Some(0));
        assert_eq!(first_playing(&versions, |mime| mime != "video/quicktime"), Some(1));
        assert_eq!(first_playing(&versions, |mime| mime == "video/mp4"), Some(2));
        assert_eq!(first_playing(&versions, |_| false), None);
    }
}
