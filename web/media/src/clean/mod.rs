//! Takes what tells of the maker out of a file, and leaves picture and sound as they are: EXIF with its places, names of
//! cameras, titles, dates, embedded previews, and whatever lies behind the end of a file.
//!
//! Nothing is decoded and nothing is held: [`clean`] walks a file's structure by reading at offsets, and gives a
//! [`Plan`] of cuts and replacements, which [`Cleaned`] applies while the file is read. So a film needs no more memory than
//! a picture. What a format does not need to be shown is taken out, known or not; what would have to be made anew to be clean
//! is refused. A file that ends early or contradicts itself is refused too.
//!
//! Not here: which file is of which kind, and whether to make it anew instead.

mod flac;
mod gif;
mod jpeg;
mod matroska;
mod mp3;
mod mp4;
mod ogg;
mod orientation;
mod plan;
mod png;
mod reader;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
mod wav;
mod webp;

pub use plan::{Cleaned, Edit, Insert, MAX_EDITS, Plan};

use crate::messages::CleanError;
use reader::Reader;

/// The bytes of a file.
pub trait Source {
    /// How many there are.
    fn size(&self) -> u64;

    /// Fills `into` with the bytes from `at` on.
    ///
    /// # Errors
    /// When the file cannot be read, or ends before.
    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), CleanError>;
}

impl Source for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), CleanError> {
        let from = usize::try_from(at).ok();
        let part = from.and_then(|from| self.get(from..from.checked_add(into.len())?));
        into.copy_from_slice(part.ok_or(CleanError::Truncated)?);
        Ok(())
    }
}

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG (ITU T.81).
    Jpeg,
    /// PNG, animated or not (W3C PNG, third edition).
    Png,
    /// GIF (89a).
    Gif,
    /// WebP, animated or not (RFC 9649).
    Webp,
    /// MP4, M4A, QuickTime (ISO/IEC 14496-12).
    Mp4,
    /// Matroska and WebM (RFC 9559).
    Matroska,
    /// MPEG audio with tags before and behind it.
    Mp3,
    /// FLAC (RFC 9639).
    Flac,
    /// Ogg (RFC 3533) with Vorbis or Opus (RFC 7845).
    Ogg,
    /// WAVE in RIFF.
    Wav,
}

impl Format {
    /// The format of a file that begins so; none for what is not cleaned here. 16 bytes are enough.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        Some(match head {
            [0xff, 0xd8, 0xff, ..] => Format::Jpeg,
            [0x89, b'P', b'N', b'G', ..] => Format::Png,
            [b'G', b'I', b'F', b'8', ..] => Format::Gif,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Format::Webp,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Format::Wav,
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Format::Matroska,
            [b'f', b'L', b'a', b'C', ..] => Format::Flac,
            [b'O', b'g', b'g', b'S', ..] => Format::Ogg,
            // Pictures in such boxes are laid out in quite another way.
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] if !is_picture(brand) => Format::Mp4,
            [_, _, _, _, b'm', b'o', b'o', b'v', ..] | [_, _, _, _, b'm', b'd', b'a', b't', ..] => {
                Format::Mp4
            }
            [_, _, _, _, b'w', b'i', b'd', b'e', ..] => Format::Mp4,
            // Of MPEG audio any layer, by the eleven bits that begin a frame, or with a tag before.
            [b'I', b'D', b'3', ..] => Format::Mp3,
            [0xff, second, ..] if second & 0xe6 == 0xe2 => Format::Mp3,
            _ => return None,
        })
    }
}

/// Whether a brand of ISO/IEC 14496-12 is of pictures: HEIF, AVIF.
pub(crate) fn is_picture(brand: &[u8]) -> bool {
    const BRANDS: [&[u8]; 10] =
        [b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"avif", b"avis"];
    BRANDS.iter().any(|picture| brand.starts_with(picture))
}

/// What a file tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Pixels of a row and of a column as they are stored, the largest that are named anywhere; of a film as it is shown.
    pub size: Option<(u32, u32)>,
    /// Whether it has more than one frame.
    pub animated: bool,
    /// Whether it had colours by a profile other than sRGB. It is taken out: the colours of what is left are not quite the
    /// same.
    pub had_profile: bool,
    /// How a picture is to be turned to be shown, as EXIF counts, 1 to 8. What is left says so still.
    pub orientation: u8,
    /// Milliseconds.
    pub duration: Option<u64>,
}

impl Facts {
    fn new() -> Self {
        Facts { orientation: 1, ..Facts::default() }
    }

    /// Notes a size, of several the larger.
    fn see_size(&mut self, width: u32, height: u32) {
        let (w, h) = self.size.unwrap_or_default();
        self.size = Some((w.max(width), h.max(height)));
    }
}

/// What is to be done to a file, and what it is.
///
/// # Errors
/// When it ends early, is not as its format says, or cannot be cleaned as it is.
pub fn clean(format: Format, source: &dyn Source) -> Result<(Plan, Facts), CleanError> {
    let mut plan = Plan::new(source.size());
    let mut facts = Facts::new();
    let walk = match format {
        Format::Jpeg => jpeg::walk,
        Format::Png => png::walk,
        Format::Gif => gif::walk,
        Format::Webp => webp::walk,
        Format::Mp4 => mp4::walk,
        Format::Matroska => matroska::walk,
        Format::Mp3 => mp3::walk,
        Format::Flac => flac::walk,
        Format::Ogg => ogg::walk,
        Format::Wav => wav::walk,
    };
    walk(&mut Reader::new(source), &mut plan, &mut facts)?;
    plan.finish()?;
    Ok((plan, facts))
}

/// Whether a profile of colours, or the beginning of one, is of those that are taken for granted where there is none: its
/// description says so (ICC.1:2022, section 9.2.41), in ASCII or UTF-16.
fn is_srgb(profile: &[u8]) -> bool {
    profile.windows(4).any(|part| part == b"sRGB") || profile.windows(7).any(|part| part == b"s\0R\0G\0B")
}

/// The most of a profile that is looked at, bytes.
const MAX_PROFILE: u64 = 64 * 1024;

/// The error of a file that is not as its format says.
fn malformed(what: &str) -> CleanError {
    CleanError::Malformed(what.to_owned())
}

/// The duration of so many units of a second, in milliseconds.
fn milliseconds(units: u64, per_second: u64) -> Option<u64> {
    let milliseconds = u128::from(units) * 1000 / u128::from(per_second).max(1);
    // As exact as a number of JavaScript, which is what an event allows.
    (per_second > 0 && milliseconds < 1 << 53).then_some(milliseconds as u64)
}
