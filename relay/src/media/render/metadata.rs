//! Whether a picture's file holds anything that is not the picture.
//!
//! Walks the outermost structure alone, by the lengths that stand there, and never past the end. What it cannot follow
//! counts as metadata: better one rendition too many.

use image::ImageFormat;

/// Whether there is more in the file than is needed to show it as it is: Exif, XMP, IPTC, comments, or anything behind
/// its end. An ICC profile is needed.
pub(super) fn is_in(bytes: &[u8], format: ImageFormat) -> bool {
    let only_picture = match format {
        ImageFormat::Jpeg => plain_jpeg(bytes),
        ImageFormat::Png => plain_png(bytes),
        ImageFormat::WebP => plain_webp(bytes),
        _ => None,
    };
    only_picture != Some(true)
}

/// Whether it is a WebP whose picture is one of VP8, which has loss.
pub(super) fn is_lossy_webp(bytes: &[u8]) -> bool {
    webp_chunks(bytes).any(|chunk| chunk.is_some_and(|(name, _)| name == *b"VP8 "))
}

/// ITU-T T.81, annex B: segments of two bytes of marker and two of length, up to the first scan.
fn plain_jpeg(bytes: &[u8]) -> Option<bool> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let [0xff, marker, after @ ..] = rest else { return None };
        if *marker == 0xff {
            rest = &rest[1..];
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*after.first()?, *after.get(1)?]));
        let segment = after.get(2..length)?;
        match marker {
            // JFIF, ICC, Adobe's colour transform.
            0xe0 | 0xee => {}
            0xe2 if segment.starts_with(b"ICC_PROFILE\0") => {}
            0xe1..=0xef | 0xfe => return Some(false),
            // A scan, then others perhaps, then the end: behind it there is nothing.
            0xda => return Some(bytes.ends_with(&[0xff, 0xd9]) && !ends_early(after)),
            _ => {}
        }
        rest = &after[length..];
    }
}

/// Whether the end of the image stands before the file's end. In coded data a byte of 0xff is followed by zero.
fn ends_early(scan: &[u8]) -> bool {
    scan.windows(2).position(|pair| pair == [0xff, 0xd9]).is_some_and(|at| at + 2 < scan.len())
}

/// PNG, third edition, 5.3: length, name, data, checksum.
fn plain_png(bytes: &[u8]) -> Option<bool> {
    const NEEDED: [&[u8]; 15] = [
        b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs", b"iCCP",
        b"cICP", b"mDCV", b"cLLI", b"hIST",
    ];
    let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        rest = after.get(length.checked_add(4)?..)?;
        if name == b"IEND" {
            return Some(rest.is_empty());
        }
        if !NEEDED.contains(&name.as_slice()) {
            return Some(false);
        }
    }
}

fn plain_webp(bytes: &[u8]) -> Option<bool> {
    const NEEDED: [&[u8; 4]; 5] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP"];
    let said = usize::try_from(u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?)).ok()?;
    if bytes.len() != said.checked_add(8)? {
        return Some(false);
    }
    for chunk in webp_chunks(bytes) {
        let (name, _) = chunk?;
        if !NEEDED.contains(&&name) {
            return Some(false);
        }
    }
    Some(true)
}

/// RFC 9649, 2.3: name, length, data, a byte more when the length is odd. `None` for one that is cut off, the last then.
fn webp_chunks(bytes: &[u8]) -> impl Iterator<Item = Option<([u8; 4], usize)>> {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    let mut rest = if is_webp { &bytes[12..] } else { &[] };
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let chunk = (|| {
            let (name, after) = rest.split_first_chunk::<4>()?;
            let (length, after) = after.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let next = after.get(length.checked_add(length % 2)?..)?;
            Some((*name, length, next))
        })();
        rest = chunk.map_or(&[], |(_, _, next)| next);
        Some(chunk.map(|(name, length, _)| (name, length)))
    })
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat};

    use super::{is_in, is_lossy_webp};

    const FORMATS: [ImageFormat; 3] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];

    fn file(format: ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::new_rgb8(20, 10).write_to(&mut bytes, format).expect("it is written");
        bytes.into_inner()
    }

    #[test]
    fn what_is_only_a_picture_has_none() {
        for format in FORMATS {
            assert!(!is_in(&file(format), format), "{format:?}");
        }
        assert!(!is_lossy_webp(&file(ImageFormat::WebP)));
    }

    #[test]
    fn what_stands_beside_the_picture_is_found() {
        let mut jpeg = file(ImageFormat::Jpeg);
        jpeg.splice(2..2, *b"\xff\xe1\x00\x08Exif\0\0");
        let mut png = file(ImageFormat::Png);
        png.splice(33..33, *b"\0\0\0\x03tEXta\0b\0\0\0\0");
        let mut webp = file(ImageFormat::WebP);
        webp.extend(*b"EXIF\x02\0\0\0ab");
        let said = u32::try_from(webp.len() - 8).expect("it is small").to_le_bytes();
        webp[4..8].copy_from_slice(&said);
        for (bytes, format) in [(jpeg, FORMATS[0]), (png, FORMATS[1]), (webp, FORMATS[2])] {
            assert!(is_in(&bytes, format), "{format:?}");
        }
    }

    #[test]
    fn so_is_what_follows_it_or_is_missing() {
        for format in FORMATS {
            let bytes = file(format);
            let followed = [&bytes[..], b"PK\x03\x04 and a whole archive"].concat();
            assert!(is_in(&followed, format), "{format:?}");
            for end in 0..bytes.len() {
                assert!(is_in(&bytes[..end], format), "{format:?}, {end} bytes of it");
            }
        }
    }
}
