//! Which renditions a file gets: a function of what its post says of it.
//!
//! What a post says may be wrong, so this decides only what is *tried*. Whether a picture has metadata, or a browser
//! plays a film as it is, the rendering process finds out in the file, and says that nothing is needed.

use crate::media::render::Profile;

/// What a post says of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source<'a> {
    /// Its type, such as `image/jpeg`.
    pub mime: &'a str,
    /// Bytes.
    pub size: u64,
    /// Pixels across and down.
    pub sides: Option<(u32, u32)>,
    /// Whether the author gave a thumbnail.
    pub has_thumb: bool,
}

/// The side of a thumbnail. What is not larger, and light, is its own.
const THUMB: u32 = 250;

/// Bytes of a light picture.
const LIGHT: u64 = 64 * 1024;

/// The sides beyond which there is a smaller film to be had in any case.
const FULL: (u32, u32) = (1_920, 1_080);

/// The renditions to try, in the order in which they are wanted.
#[must_use]
pub fn plan(source: &Source) -> Vec<Profile> {
    let mut profiles = Vec::new();
    match source.mime {
        "image/jpeg" | "image/png" | "image/webp" | "image/gif" => {
            let is_small = source.sides.is_some_and(|(width, height)| width.max(height) <= THUMB);
            let does_itself = is_small && source.size <= LIGHT;
            if !source.has_thumb && !does_itself {
                profiles.push(Profile::Thumb);
            }
            if source.mime != "image/gif" {
                profiles.push(Profile::Clean);
            }
        }
        mime if mime.starts_with("video/") => {
            profiles.extend([Profile::Preview, Profile::Low]);
            // Of what is WebM every browser plays everything.
            let is_large = source
                .sides
                .is_none_or(|(width, height)| width.max(height) > FULL.0 || width.min(height) > FULL.1);
            if is_large || mime != "video/webm" {
                profiles.push(Profile::High);
            }
        }
        mime if mime.starts_with("audio/") => {
            if !source.has_thumb {
                profiles.push(Profile::Preview);
            }
            profiles.push(Profile::Low);
            if !PLAYED.contains(&mime) {
                profiles.push(Profile::High);
            }
        }
        _ => {}
    }
    profiles
}

/// Types of audio that are what they say in every browser.
const PLAYED: [&str; 6] =
    ["audio/mpeg", "audio/wav", "audio/flac", "audio/webm", "audio/aac", "audio/vnd.wave"];

#[cfg(test)]
mod tests {
    use super::Profile::{Clean, High, Low, Preview, Thumb};
    use super::{Source, plan};
    use crate::media::render::Profile;

    #[test]
    fn every_file_gets_what_it_needs() {
        let large = Some((4_000, 3_000));
        let small = Some((250, 200));
        let full = Some((1_080, 1_920));
        type Row = (&'static str, u64, Option<(u32, u32)>, bool, &'static [Profile]);
        let table: [Row; 21] = [
            ("image/jpeg", 5_000_000, large, false, &[Thumb, Clean]),
            ("image/jpeg", 5_000_000, large, true, &[Clean]),
            ("image/jpeg", 5_000_000, None, false, &[Thumb, Clean]),
            ("image/png", 10_000, small, false, &[Clean]),
            ("image/png", 10_000_000, small, false, &[Thumb, Clean]),
            ("image/webp", 10_000, Some((251, 1)), false, &[Thumb, Clean]),
            ("image/gif", 1_000_000, small, false, &[Thumb]),
            ("image/gif", 1_000_000, large, true, &[]),
            ("image/svg+xml", 1_000, small, false, &[]),
            ("image/avif", 1_000_000, large, false, &[]),
            ("video/mp4", 5_000_000, full, true, &[Preview, Low, High]),
            ("video/webm", 5_000_000, full, false, &[Preview, Low]),
            ("video/webm", 5_000_000, large, false, &[Preview, Low, High]),
            ("video/webm", 5_000_000, None, false, &[Preview, Low, High]),
            ("video/x-matroska", 5_000_000, small, false, &[Preview, Low, High]),
            ("audio/mpeg", 5_000_000, None, false, &[Preview, Low]),
            ("audio/mpeg", 5_000_000, None, true, &[Low]),
            ("audio/x-ms-wma", 5_000_000, None, true, &[Low, High]),
            ("text/html", 5_000, None, false, &[]),
            ("application/pdf", 5_000_000, None, false, &[]),
            ("", 1, None, false, &[]),
        ];
        for (mime, size, sides, has_thumb, expected) in table {
            let source = Source { mime, size, sides, has_thumb };
            assert_eq!(plan(&source), expected, "{source:?}");
        }
    }
}
