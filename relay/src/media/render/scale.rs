//! Fewer pixels out of many.
//!
//! With SIMD, and where much goes away in two steps: a box filter to three times the wanted size, then Lanczos, which
//! sees no more pixels than it can tell apart. In one step Lanczos reads every pixel several times, for nothing that an
//! eye could find. Light is not made linear first: neither do browsers.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};

use super::RenderError;

/// How much larger than wanted the first step's result is. Lanczos looks three pixels far, so less would show.
const FIRST: u32 = 3;

/// The largest size of the same shape inside `most`, which is never more than the size itself; at least one pixel.
#[must_use]
pub fn fit(size: (u32, u32), most: (u32, u32)) -> (u32, u32) {
    let ((width, height), (most_width, most_height)) = (size, most);
    if width <= most_width && height <= most_height {
        return size;
    }
    let part = |of: u32, side: u32, whole: u32| {
        let rounded = (u64::from(of) * u64::from(side) + u64::from(whole) / 2) / u64::from(whole.max(1));
        u32::try_from(rounded).unwrap_or(of).max(1)
    };
    // Which side is the tighter one: width / most_width against height / most_height.
    if u64::from(width) * u64::from(most_height) >= u64::from(height) * u64::from(most_width) {
        (most_width, part(height, most_width, width).min(most_height))
    } else {
        (part(width, most_height, height).min(most_width), most_height)
    }
}

/// The picture with `size`, which is not larger than it is, in 8 bits a channel.
///
/// # Errors
/// [`RenderError::Failed`] for sizes that no picture has.
pub fn shrink(image: &DynamicImage, size: (u32, u32)) -> Result<DynamicImage, RenderError> {
    let from = (image.width(), image.height());
    let (width, height) = size;
    let whole = "as many bytes as its size has";
    Ok(match image {
        DynamicImage::ImageLuma8(pixels) => {
            let bytes = resample(pixels.as_raw(), from, size, PixelType::U8)?;
            GrayImage::from_raw(width, height, bytes).expect(whole).into()
        }
        DynamicImage::ImageLumaA8(pixels) => {
            let bytes = resample(pixels.as_raw(), from, size, PixelType::U8x2)?;
            GrayAlphaImage::from_raw(width, height, bytes).expect(whole).into()
        }
        DynamicImage::ImageRgb8(pixels) => {
            let bytes = resample(pixels.as_raw(), from, size, PixelType::U8x3)?;
            RgbImage::from_raw(width, height, bytes).expect(whole).into()
        }
        DynamicImage::ImageRgba8(pixels) => {
            let bytes = resample(pixels.as_raw(), from, size, PixelType::U8x4)?;
            RgbaImage::from_raw(width, height, bytes).expect(whole).into()
        }
        other if other.color().has_alpha() => shrink(&DynamicImage::ImageRgba8(other.to_rgba8()), size)?,
        other => shrink(&DynamicImage::ImageRgb8(other.to_rgb8()), size)?,
    })
}

/// The bytes of the resized picture, tightly packed.
fn resample(
    bytes: &[u8],
    from: (u32, u32),
    to: (u32, u32),
    pixels: PixelType,
) -> Result<Vec<u8>, RenderError> {
    let failed = |error: &dyn std::fmt::Display| RenderError::Failed(format!("resizing: {error}"));
    let source = ImageRef::new(from.0, from.1, bytes, pixels).map_err(|error| failed(&error))?;
    let mut resizer = Resizer::new();
    let box_filter = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    let lanczos = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    let mut result = Image::new(to.0, to.1, pixels);
    let between = (to.0.saturating_mul(FIRST), to.1.saturating_mul(FIRST));
    if between.0.saturating_mul(2) <= from.0 && between.1.saturating_mul(2) <= from.1 {
        let mut fewer = Image::new(between.0, between.1, pixels);
        resizer.resize(&source, &mut fewer, &box_filter).map_err(|error| failed(&error))?;
        resizer.resize(&fewer, &mut result, &lanczos).map_err(|error| failed(&error))?;
    } else {
        resizer.resize(&source, &mut result, &lanczos).map_err(|error| failed(&error))?;
    }
    Ok(result.into_vec())
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GrayImage, Rgb, RgbImage, Rgba, RgbaImage, imageops};

    use super::{fit, shrink};

    #[test]
    fn the_shape_stays_and_nothing_grows() {
        for (size, most, fitted) in [
            ((4_608, 3_456), (250, 250), (250, 188)),
            ((3_456, 4_608), (250, 250), (188, 250)),
            ((100, 50), (250, 250), (100, 50)),
            ((65_535, 1), (250, 250), (250, 1)),
            ((1, 65_535), (250, 250), (1, 250)),
            ((1_920, 1_080), (854, 480), (853, 480)),
            ((u32::MAX, u32::MAX), (250, 250), (250, 250)),
        ] {
            assert_eq!(fit(size, most), fitted, "{size:?} into {most:?}");
        }
    }

    #[test]
    fn two_steps_look_like_one() {
        let wave = |x: u32, y: u32| {
            ((f64::from(x) / 31.0).sin() * (f64::from(y) / 23.0).cos() * 100.0 + 128.0) as u8
        };
        let image = RgbImage::from_fn(1_600, 1_200, |x, y| Rgb([wave(x, y), wave(y, x), wave(x + y, x)]));
        let image = DynamicImage::ImageRgb8(image);
        let (ours, slow) = (
            shrink(&image, (160, 120)).expect("it is resized").to_rgb8(),
            image.resize_exact(160, 120, imageops::FilterType::Lanczos3).to_rgb8(),
        );
        let worst = ours.as_raw().iter().zip(slow.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst < Some(8), "{worst:?}");
    }

    #[test]
    fn what_is_transparent_lends_its_colour_to_nothing() {
        let image = RgbaImage::from_fn(1_000, 1_000, |x, _| {
            if x < 500 { Rgba([255, 0, 0, 0]) } else { Rgba([0, 0, 255, 255]) }
        });
        let small = shrink(&DynamicImage::ImageRgba8(image), (100, 100)).expect("it is resized").to_rgba8();
        assert!(small.pixels().all(|pixel| pixel[3] == 0 || pixel[0] == 0), "a red seam");
        assert_eq!((small[(10, 50)][3], small[(90, 50)][3]), (0, 255));
    }

    #[test]
    fn every_layout_is_resized() {
        for image in [
            DynamicImage::ImageLuma8(GrayImage::new(40, 30)),
            DynamicImage::new_luma_a8(40, 30),
            DynamicImage::new_luma16(40, 30),
            DynamicImage::new_rgb16(40, 30),
            DynamicImage::new_rgba16(40, 30),
            DynamicImage::new_rgba32f(40, 30),
        ] {
            let small = shrink(&image, (4, 3)).expect("it is resized");
            assert_eq!((small.width(), small.height()), (4, 3));
            assert_eq!(small.color().has_alpha(), image.color().has_alpha());
            assert_eq!(small.color().bytes_per_pixel(), small.color().channel_count());
        }
    }
}
