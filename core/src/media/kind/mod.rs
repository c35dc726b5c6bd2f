//! What a blob is, from its first bytes, whatever its name or its author say.
//!
//! By magic numbers as the WHATWG's MIME Sniffing Standard, section 6, has them, and stricter: only what browsers show as
//! pixels or play as sound, never what they run or lay out. HTML, SVG, other XML and PDF are unknown here, and what is
//! unknown is a file to save. Proves nothing about the rest of the bytes: a decoder still has to expect anything.

mod container;
mod raster;
mod sound;

/// What a person does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaClass {
    /// Looks at it.
    Image,
    /// Hears it.
    Audio,
    /// Watches it.
    Video,
}

/// Pixels, both at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dimensions {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

impl Dimensions {
    /// None when there would be no pixels.
    fn new(width: u32, height: u32) -> Option<Self> {
        (width > 0 && height > 0).then_some(Self { width, height })
    }

    /// How many pixels: what a decoder has to have memory for.
    #[must_use]
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// A format that browsers show or play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaKind {
    /// MIME type, as a browser is told it.
    pub mime: &'static str,
    /// What it is for.
    pub class: MediaClass,
    /// Of an image, as its header says, before rotation by EXIF; `None` when the header is not there or not whole. Who
    /// decodes refuses what is too large, and what does not say.
    pub dimensions: Option<Dimensions>,
}

impl MediaKind {
    fn image(mime: &'static str, dimensions: Option<Dimensions>) -> Self {
        Self { mime, class: MediaClass::Image, dimensions }
    }

    fn audio(mime: &'static str) -> Self {
        Self { mime, class: MediaClass::Audio, dimensions: None }
    }

    fn video(mime: &'static str) -> Self {
        Self { mime, class: MediaClass::Video, dimensions: None }
    }

    /// What begins like `head`; `None` is unknown. [`KIND_BYTES`] or all there is are enough; of more bytes no more are
    /// looked at.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<MediaKind> {
        let head = &head[..head.len().min(KIND_BYTES)];
        raster::kind(head).or_else(|| container::kind(head)).or_else(|| sound::kind(head))
    }
}

/// How many first bytes [`MediaKind::of`] looks at. In a JPEG the size comes behind EXIF and colour profiles, 64 KiB each
/// segment.
pub const KIND_BYTES: usize = 256 * 1024;

/// `N` bytes at `offset`, when they are there.
fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn be16(bytes: &[u8], offset: usize) -> Option<u32> {
    at(bytes, offset).map(|bytes| u32::from(u16::from_be_bytes(bytes)))
}

fn le16(bytes: &[u8], offset: usize) -> Option<u32> {
    at(bytes, offset).map(|bytes| u32::from(u16::from_le_bytes(bytes)))
}

fn le24(bytes: &[u8], offset: usize) -> Option<u32> {
    at(bytes, offset).map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
}

fn be32(bytes: &[u8], offset: usize) -> Option<u32> {
    at(bytes, offset).map(u32::from_be_bytes)
}
