//! Pictures: what a file holds, decoded within bounds, turned upright, in the colours of sRGB.
//!
//! By what the file *is*, never by its name or said type; of the formats that browsers show and `image` decodes in safe
//! code: JPEG, PNG, GIF, WebP. The size is checked in the header, before anything of it is decoded.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, Limits, guess_format};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use super::encode::{self, Encoding};
use super::{RenderError, Rendered, jpeg, metadata, scale};

/// The file, bytes. Nothing of 40 megapixels is larger that was not made to be.
const FILE: u64 = 96 << 20;

/// Pixels of a picture.
const PIXELS: u64 = 40_000_000;

/// Bytes of its decoded pixels.
pub(super) const DECODED: u64 = 128 << 20;

/// The sides of a thumbnail.
const THUMB: (u32, u32) = (250, 250);

/// Quality of a thumbnail, at which its blocks cannot be seen yet.
const THUMB_QUALITY: u8 = 80;

/// Quality of what stands for the original.
const CLEAN_QUALITY: u8 = 92;

/// A decoded picture, as it is stored in its file.
#[derive(Debug)]
pub struct Decoded {
    /// Its pixels.
    pub image: DynamicImage,
    /// How it is to be turned.
    pub orientation: Orientation,
    /// The ICC profile of its colours, when it has one.
    pub colours: Option<Vec<u8>>,
}

impl Decoded {
    /// Upright and in sRGB.
    fn finished(self) -> DynamicImage {
        let mut image = self.image;
        if let Some(profile) = self.colours {
            to_srgb(&mut image, &profile);
        }
        image.apply_orientation(self.orientation);
        image
    }
}

/// A picture of at most 250 × 250 pixels.
///
/// # Errors
/// When the file is no picture, damaged or too large; when the output cannot be written.
pub fn thumb(input: &Path, output: &Path) -> Result<Rendered, RenderError> {
    let image = thumbnail(&read(input)?)?;
    let encoding =
        if encode::is_transparent(&image) { Encoding::WebP } else { Encoding::Jpeg(THUMB_QUALITY) };
    encode::write(&image, encoding, output)
}

/// The pixels of [`thumb`].
///
/// # Errors
/// As there.
pub fn thumbnail(bytes: &[u8]) -> Result<DynamicImage, RenderError> {
    let format = format(bytes)?;
    let reduced = if format == ImageFormat::Jpeg { jpeg::reduced(bytes, THUMB)? } else { None };
    let mut decoded = match reduced {
        Some(reduced) => reduced,
        None => decode(bytes, format)?,
    };
    let size = (decoded.image.width(), decoded.image.height());
    let wanted = scale::fit(size, THUMB);
    // Turned afterwards, when there is little to turn; the square is the same either way.
    decoded.image = scale::shrink(&decoded.image, wanted)?;
    Ok(decoded.finished())
}

/// The same picture without anything else.
///
/// # Errors
/// As [`thumb`]; [`RenderError::Unneeded`] for one that moves or has no metadata.
pub fn clean(input: &Path, output: &Path) -> Result<Rendered, RenderError> {
    let bytes = read(input)?;
    let format = format(&bytes)?;
    if is_animated(&bytes, format)? {
        return Err(RenderError::Unneeded("it moves".to_owned()));
    }
    if !metadata::is_in(&bytes, format) {
        return Err(RenderError::Unneeded("it has no metadata".to_owned()));
    }
    let decoded = decode(&bytes, format)?;
    let is_lossy = format == ImageFormat::Jpeg || metadata::is_lossy_webp(&bytes);
    drop(bytes);
    let image = decoded.finished();
    let encoding = match format {
        ImageFormat::Png => Encoding::Png,
        _ if is_lossy && !encode::is_transparent(&image) => Encoding::Jpeg(CLEAN_QUALITY),
        _ => Encoding::WebP,
    };
    encode::write(&image, encoding, output)
}

fn read(input: &Path) -> Result<Vec<u8>, RenderError> {
    let failed = |error| RenderError::Failed(format!("reading: {error}"));
    let mut bytes = Vec::new();
    File::open(input).map_err(failed)?.take(FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE {
        return Err(RenderError::TooLarge(format!("a picture may have {} MiB", FILE >> 20)));
    }
    Ok(bytes)
}

fn format(bytes: &[u8]) -> Result<ImageFormat, RenderError> {
    match guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Gif | ImageFormat::WebP)) => {
            Ok(format)
        }
        _ => Err(RenderError::Unsupported("it begins like no JPEG, PNG, GIF or WebP".to_owned())),
    }
}

/// Checks a size before anything is decoded.
///
/// # Errors
/// [`RenderError::TooLarge`] beyond 40 megapixels or 128 MiB.
pub(super) fn check((width, height): (u32, u32), decoded: u64) -> Result<(), RenderError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > PIXELS || decoded > DECODED {
        let most = format!("{} megapixels and {} MiB are decoded", PIXELS / 1_000_000, DECODED >> 20);
        return Err(RenderError::TooLarge(format!(
            "{width} × {height} pixels, {decoded} bytes; at most {most}"
        )));
    }
    if pixels == 0 {
        return Err(RenderError::Damaged("it has no pixels".to_owned()));
    }
    Ok(())
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(u32::from(u16::MAX));
    limits.max_image_height = Some(u32::from(u16::MAX));
    limits.max_alloc = Some(DECODED);
    limits
}

fn is_animated(bytes: &[u8], format: ImageFormat) -> Result<bool, RenderError> {
    Ok(match format {
        ImageFormat::Gif => true,
        ImageFormat::Png => png(bytes)?.is_apng().map_err(refused)?,
        ImageFormat::WebP => WebPDecoder::new(Cursor::new(bytes)).map_err(refused)?.has_animation(),
        _ => false,
    })
}

fn png(bytes: &[u8]) -> Result<PngDecoder<Cursor<&[u8]>>, RenderError> {
    PngDecoder::with_limits(Cursor::new(bytes), limits()).map_err(refused)
}

/// The first frame.
fn decode(bytes: &[u8], format: ImageFormat) -> Result<Decoded, RenderError> {
    let cursor = Cursor::new(bytes);
    match format {
        ImageFormat::Jpeg => decode_by(JpegDecoder::new(cursor).map_err(refused)?),
        ImageFormat::Png => decode_by(png(bytes)?),
        ImageFormat::Gif => decode_by(GifDecoder::new(cursor).map_err(refused)?),
        _ => decode_by(WebPDecoder::new(cursor).map_err(refused)?),
    }
}

fn decode_by(mut decoder: impl ImageDecoder) -> Result<Decoded, RenderError> {
    check(decoder.dimensions(), decoder.total_bytes())?;
    decoder.set_limits(limits()).map_err(refused)?;
    // Damaged metadata is no reason to show nothing.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let colours = decoder.icc_profile().unwrap_or_default();
    let image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    Ok(Decoded { image, orientation, colours })
}

fn refused(error: ImageError) -> RenderError {
    let text = error.to_string().replace('\n', "; ");
    match error {
        ImageError::Limits(_) => RenderError::TooLarge(text),
        ImageError::Unsupported(_) => RenderError::Unsupported(text),
        _ => RenderError::Damaged(text),
    }
}

/// Colours of another space look pale or garish once the profile is gone. What has no usable profile stays as it is, as
/// browsers show it.
fn to_srgb(image: &mut DynamicImage, profile: &[u8]) {
    let Ok(profile) = ColorProfile::new_from_slice(profile) else { return };
    let layout = match image {
        DynamicImage::ImageRgb8(_) => Layout::Rgb,
        DynamicImage::ImageRgba8(_) => Layout::Rgba,
        _ => return,
    };
    if profile.color_space != DataColorSpace::Rgb {
        return;
    }
    let srgb = ColorProfile::new_srgb();
    let transform = profile.create_transform_8bit(layout, &srgb, layout, TransformOptions::default());
    let Ok(transform) = transform else { return };
    let width = image.width() as usize;
    let (bytes, row) = match image {
        DynamicImage::ImageRgb8(pixels) => (&mut **pixels, width * 3),
        DynamicImage::ImageRgba8(pixels) => (&mut **pixels, width * 4),
        _ => return,
    };
    let mut before = vec![0; row];
    for row in bytes.chunks_exact_mut(row) {
        before.copy_from_slice(row);
        if transform.transform(&before, row).is_err() {
            row.copy_from_slice(&before);
        }
    }
}
