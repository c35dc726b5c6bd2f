//! The text of a QR code in a picture.
//!
//! The picture is looked at in its own size first. Small codes are found more surely in twice the size, where a module has
//! more pixels to be measured by; what is blurred or noisy, in half of it. Last comes the negative, for light codes on
//! a dark ground.

use rqrr::PreparedImage;

use crate::question::{MAX_PIXELS, ScanError};

/// How bright light is, in percent of what is around it.
const LIGHT: u32 = 85;

/// Reads the first code that can be read.
///
/// # Errors
/// When there is none, or only such as cannot be read, or the picture is none.
pub fn scan(width: u32, rgba: &[u8]) -> Result<String, ScanError> {
    let picture = Grey::new(width, rgba).ok_or(ScanError::NoPicture)?;
    let ways: [fn(&Grey) -> Option<Grey>; 3] =
        [Grey::doubled, Grey::halved, |picture| Some(picture.negative())];
    let mut worst = match picture.read() {
        Err(error) => error,
        read => return read,
    };
    for other in ways.iter().filter_map(|way| way(&picture)) {
        match other.read() {
            Err(ScanError::NoCode) => {}
            Err(error) => worst = error,
            read => return read,
        }
    }
    Err(worst)
}

/// A picture by its brightness, row by row.
struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Grey {
    fn new(width: u32, rgba: &[u8]) -> Option<Self> {
        let width = usize::try_from(width).ok().filter(|width| *width > 0)?;
        let (pixels, []) = rgba.as_chunks::<4>() else { return None };
        if pixels.is_empty() || pixels.len() > MAX_PIXELS || !pixels.len().is_multiple_of(width) {
            return None;
        }
        let height = pixels.len() / width;
        Some(Self { width, height, pixels: pixels.iter().map(|[r, g, b, _]| luma(*r, *g, *b)).collect() })
    }

    /// The brightness at a place; beyond the edges that of the edge.
    fn at(&self, x: usize, y: usize) -> u32 {
        u32::from(self.pixels[y.min(self.height - 1) * self.width + x.min(self.width - 1)])
    }

    fn of(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u32) -> Self {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Self { width, height, pixels: places.map(|(x, y)| pixel(x, y) as u8).collect() }
    }

    /// Half as wide and half as high: each pixel is the mean of four.
    fn halved(&self) -> Option<Self> {
        let (width, height) = (self.width / 2, self.height / 2);
        (width > 0 && height > 0).then(|| {
            Self::of(width, height, |x, y| {
                let (x, y) = (2 * x, 2 * y);
                (self.at(x, y) + self.at(x + 1, y) + self.at(x, y + 1) + self.at(x + 1, y + 1)) / 4
            })
        })
    }

    /// Twice as wide and twice as high, in between by the distance to the four that are nearest. Not when that is too
    /// large.
    fn doubled(&self) -> Option<Self> {
        (4 * self.pixels.len() <= MAX_PIXELS).then(|| {
            Self::of(2 * self.width, 2 * self.height, |x, y| {
                // The pixel this one lies in, and its neighbour on that side.
                let (near_x, near_y) = (x / 2, y / 2);
                let beside =
                    |at: usize, near: usize| if at % 2 == 1 { near + 1 } else { near.saturating_sub(1) };
                let (far_x, far_y) = (beside(x, near_x), beside(y, near_y));
                let near = 3 * self.at(near_x, near_y) + self.at(far_x, near_y);
                let far = 3 * self.at(near_x, far_y) + self.at(far_x, far_y);
                (3 * near + far) / 16
            })
        })
    }

    fn negative(&self) -> Self {
        Self { pixels: self.pixels.iter().map(|pixel| 255 - pixel).collect(), ..*self }
    }

    /// What counts as light at each pixel: [`LIGHT`] of the mean of the square around it, an eighth of the picture wide, so
    /// that shadows do not matter (Bradley and Roth, Adaptive Thresholding Using the Integral Image, 2007).
    fn light(&self) -> Vec<u32> {
        let (width, height) = (self.width, self.height);
        // Sums of everything above and to the left; 4 million pixels of 255 are below 2^32.
        let mut sums = vec![0_u32; (width + 1) * (height + 1)];
        for y in 0..height {
            let mut row = 0;
            for x in 0..width {
                row += self.at(x, y);
                sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
            }
        }
        let reach = (width.max(height) / 16).max(1);
        let mut light = Vec::with_capacity(width * height);
        for y in 0..height {
            let (top, bottom) = (y.saturating_sub(reach), (y + reach + 1).min(height));
            let (above, below) = (top * (width + 1), bottom * (width + 1));
            for x in 0..width {
                let (left, right) = (x.saturating_sub(reach), (x + reach + 1).min(width));
                let sum = sums[below + right] - sums[below + left] - sums[above + right] + sums[above + left];
                let count = ((bottom - top) * (right - left)) as u32;
                light.push(sum / count * LIGHT / 100);
            }
        }
        light
    }

    fn read(&self) -> Result<String, ScanError> {
        let light = self.light();
        let mut prepared = PreparedImage::prepare_from_bitmap(self.width, self.height, |x, y| {
            self.at(x, y) < light[y * self.width + x]
        });
        let mut outcome = Err(ScanError::NoCode);
        for code in prepared.detect_grids() {
            match code.decode() {
                Ok((_, text)) => return Ok(text),
                Err(_) => outcome = Err(ScanError::Unreadable),
            }
        }
        outcome
    }
}

/// ITU-R BT.601, section 2.5.1, in 256ths.
fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue);
    (sum >> 8) as u8
}

#[cfg(test)]
pub(crate) mod tests;
