//! In which encoding a picture is published.
//!
//! WebP where the browser writes it, else JPEG; a picture is never made larger than it was; drawings stay as sharp as they
//! are unless much is won.

use std::collections::BTreeSet;

use super::picture::{Encoded, Picture};
use crate::clean::{Format, is_picture};
use crate::messages::PrepareError;

/// How good a WebP is, of 1: no difference is seen at its own size.
const WEBP_QUALITY: f64 = 0.85;
/// How good a JPEG is.
const JPEG_QUALITY: f64 = 0.88;

/// Rows that are looked at to tell a drawing from a photograph.
const ROWS: u32 = 48;

/// As many colours a drawing has at most: what a palette holds.
const DRAWING_COLOURS: usize = 256;

/// A drawing becomes something less sharp only if it is then less than so much of it,
const DRAWING_GAIN: f64 = 0.5;
/// and only if it has more bytes than this, which come in one breath.
const DRAWING_SMALL: u64 = 64 * 1024;

/// The picture in the encoding that is best, and none if that is the one it has. `most` is what it has there, bytes; none when it
/// cannot be left as it is.
pub(super) async fn encode(
    picture: &Picture,
    format: Option<Format>,
    most: Option<u64>,
) -> Result<Option<Encoded>, PrepareError> {
    let look = Look::of(&picture.sample(ROWS)?);
    let sharp = matches!(format, Some(Format::Png)) && (look.is_drawing || !look.is_opaque);
    if most.is_none() && sharp {
        // What has to be made anew and is sharp is PNG again, unless WebP is less.
        let png = picture.encode("image/png", 1.0).await?;
        let png = png.ok_or_else(|| PrepareError::NoPicture("the browser writes no PNG".to_owned()))?;
        let least = look.worth(png.blob.size() as u64);
        let webp = picture.encode("image/webp", WEBP_QUALITY).await?;
        return Ok(Some(webp.filter(|webp| (webp.blob.size() as u64) < least).unwrap_or(png)));
    }
    let most = most.map(|most| if sharp { look.worth(most) } else { most });
    let mut made = picture.encode("image/webp", WEBP_QUALITY).await?;
    if made.is_none() {
        let kind = if look.is_opaque { "image/jpeg" } else { "image/png" };
        made = picture.encode(kind, JPEG_QUALITY).await?;
    }
    match (made, most) {
        (None, None) => Err(PrepareError::NoPicture("the browser writes no pictures".to_owned())),
        (made, None) => Ok(made),
        (made, Some(most)) => Ok(made.filter(|made| (made.blob.size() as u64) < most)),
    }
}

/// What a picture looks like.
struct Look {
    is_opaque: bool,
    is_drawing: bool,
}

impl Look {
    /// How many bytes something less sharp may have to be better than one that has so many.
    fn worth(&self, size: u64) -> u64 {
        match self.is_drawing {
            true if size <= DRAWING_SMALL => 0,
            true => (size as f64 * DRAWING_GAIN) as u64,
            false => size,
        }
    }

    /// By some of its pixels.
    fn of(rgba: &[u8]) -> Self {
        let mut colours = BTreeSet::new();
        let mut is_opaque = true;
        for pixel in rgba.chunks_exact(4) {
            is_opaque &= pixel[3] == 255;
            if colours.len() <= DRAWING_COLOURS {
                colours.insert([pixel[0], pixel[1], pixel[2], pixel[3]]);
            }
        }
        Look { is_opaque, is_drawing: colours.len() <= DRAWING_COLOURS }
    }
}

/// The size of a picture within a square, never larger than it is, never nothing.
pub(super) fn within(width: u32, height: u32, side: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= side {
        return (width, height);
    }
    let scaled = |length: u32| {
        let (length, side, longest) = (u64::from(length), u64::from(side), u64::from(longest));
        ((length * side + longest / 2) / longest).max(1) as u32
    };
    (scaled(width), scaled(height))
}

/// Whether it begins like pictures that cameras make and browsers do not show: HEIF, TIFF and what is built on it, with
/// marks of their own Olympus' ORF and Panasonic's RW2.
pub(super) fn is_picture_nobody_shows(head: &[u8]) -> bool {
    match head {
        [b'I', b'I', b'*' | b'R' | b'U', 0, ..] | [b'M', b'M', 0, b'*', ..] => true,
        [b'I', b'I', b'R', b'O' | b'S', ..] | [b'M', b'M', b'O', b'R', ..] => true,
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => is_picture(brand),
        _ => head.starts_with(b"FUJIFILMCCD-RAW"),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_picture_fits_into_a_square_and_keeps_its_shape() {
        assert_eq!(within(4000, 3000, 250), (250, 188));
        assert_eq!(within(3000, 4000, 250), (188, 250));
        assert_eq!(within(100, 30, 250), (100, 30));
        assert_eq!(within(65535, 1, 250), (250, 1));
    }

    #[test]
    fn drawings_have_few_colours() {
        let gradient: Vec<u8> = (0..=300_u32).flat_map(|n| [n as u8, (n >> 8) as u8, 0, 255]).collect();
        assert!(!Look::of(&gradient).is_drawing && Look::of(&gradient).is_opaque);
        assert!(Look::of(&gradient[..800]).is_drawing);
        assert!(!Look::of(&[1, 2, 3, 254]).is_opaque);
        let worth = |is_drawing, size| Look { is_drawing, is_opaque: true }.worth(size);
        assert_eq!([worth(false, 9), worth(true, 9), worth(true, 100_000)], [9, 0, 50_000]);
    }

    #[test]
    fn pictures_of_cameras_are_told() {
        for head in [&b"II*\0\x08"[..], b"MM\0*", b"\0\0\0\x18ftypheic\0\0", b"\0\0\0\x18ftypmif1"] {
            assert!(is_picture_nobody_shows(head));
        }
        for head in [&b"IIRO\x08\0"[..], b"IIRS\x08\0", b"MMOR\0\0", b"IIU\0\x18\0"] {
            assert!(is_picture_nobody_shows(head));
        }
        assert!(!is_picture_nobody_shows(b"\0\0\0\x18ftypisom") && !is_picture_nobody_shows(b""));
    }
}
