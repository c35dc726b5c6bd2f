//! A JPEG decoded at a half, a quarter or an eighth of its size.
//!
//! What takes the time of a thumbnail is decoding. Of each block of 8 × 8 pixels the first coefficients are a smaller
//! block already (the discrete cosine transform of 1, 2 or 4 pixels a side), so most of the work is left out, and most
//! of the memory. The decoder of `image` has no such thing, and `jpeg-decoder` does; it knows fewer kinds of JPEG, so
//! what it does not decode is left to the other.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use jpeg_decoder::{Decoder, PixelFormat};

use super::picture::{self, Decoded};
use super::{RenderError, scale};

/// How much larger than wanted the decoded picture is at least, so that the last step is a good filter's.
const SPARE: u32 = 2;

/// The picture, not smaller than [`SPARE`] times what fits into `most`. `None` when it must be decoded otherwise.
///
/// # Errors
/// [`RenderError::TooLarge`], before anything is decoded.
pub(super) fn reduced(bytes: &[u8], most: (u32, u32)) -> Result<Option<Decoded>, RenderError> {
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(picture::DECODED as usize);
    if decoder.read_info().is_err() {
        return Ok(None);
    }
    let Some(info) = decoder.info() else { return Ok(None) };
    let size = (u32::from(info.width), u32::from(info.height));
    picture::check(size, u64::from(size.0) * u64::from(size.1) * info.pixel_format.pixel_bytes() as u64)?;
    let wanted = scale::fit(size, most);
    let asked = |side: u32| u16::try_from(side.saturating_mul(SPARE)).unwrap_or(u16::MAX);
    let Ok((width, height)) = decoder.scale(asked(wanted.0), asked(wanted.1)) else { return Ok(None) };
    let (width, height) = (u32::from(width), u32::from(height));
    let Ok(pixels) = decoder.decode() else { return Ok(None) };
    let image = match info.pixel_format {
        PixelFormat::L8 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        PixelFormat::RGB24 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
        PixelFormat::L16 | PixelFormat::CMYK32 => None,
    };
    let orientation = decoder.exif_data().and_then(Orientation::from_exif_chunk);
    Ok(image.map(|image| Decoded {
        image,
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        colours: decoder.icc_profile(),
    }))
}
