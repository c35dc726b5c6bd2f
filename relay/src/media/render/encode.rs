//! Pictures as files, with nothing in them but pixels.
//!
//! What is opaque becomes a JPEG, what is not a WebP without loss: the encoders of `image` know no lossy WebP, and the
//! library that does is C. Browsers show both.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageResult};

use super::{RenderError, Rendered};

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// With loss, of this quality from 1 to 100; transparency is lost, too.
    Jpeg(u8),
    /// Without loss.
    Png,
    /// Without loss.
    WebP,
}

impl Encoding {
    fn mime(self) -> &'static str {
        match self {
            Encoding::Jpeg(_) => "image/jpeg",
            Encoding::Png => "image/png",
            Encoding::WebP => "image/webp",
        }
    }
}

/// Whether something shines through it.
pub(super) fn is_transparent(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageLumaA8(pixels) => pixels.pixels().any(|pixel| pixel[1] < u8::MAX),
        DynamicImage::ImageRgba8(pixels) => pixels.pixels().any(|pixel| pixel[3] < u8::MAX),
        other => other.color().has_alpha(),
    }
}

/// Writes the picture into a new file.
///
/// # Errors
/// [`RenderError::Failed`] when there is a file already, or no room.
pub(super) fn write(
    image: &DynamicImage,
    encoding: Encoding,
    output: &Path,
) -> Result<Rendered, RenderError> {
    let failed = |error: &dyn std::fmt::Display| RenderError::Failed(format!("writing: {error}"));
    let file = File::options().write(true).create_new(true).open(output).map_err(|error| failed(&error))?;
    let mut file = BufWriter::new(file);
    encode(image, encoding, &mut file).map_err(|error| failed(&error))?;
    file.flush().map_err(|error| failed(&error))?;
    Ok(Rendered {
        mime: encoding.mime().to_owned(),
        width: Some(image.width()),
        height: Some(image.height()),
        duration: None,
    })
}

fn encode(image: &DynamicImage, encoding: Encoding, file: &mut BufWriter<File>) -> ImageResult<()> {
    match encoding {
        Encoding::Jpeg(quality) => {
            let encoder = JpegEncoder::new_with_quality(file, quality);
            match image {
                DynamicImage::ImageLuma8(_) | DynamicImage::ImageRgb8(_) => image.write_with_encoder(encoder),
                DynamicImage::ImageLumaA8(_) => image.to_luma8().write_with_encoder(encoder),
                other => other.to_rgb8().write_with_encoder(encoder),
            }
        }
        Encoding::Png => image.write_with_encoder(PngEncoder::new_with_quality(
            file,
            CompressionType::Default,
            FilterType::Adaptive,
        )),
        // It knows nothing but eight bits of these two layouts.
        Encoding::WebP => match image {
            DynamicImage::ImageRgb8(_) | DynamicImage::ImageRgba8(_) => {
                image.write_with_encoder(WebPEncoder::new_lossless(file))
            }
            other => other.to_rgba8().write_with_encoder(WebPEncoder::new_lossless(file)),
        },
    }
}
