//! Files for people to attach: a photograph that says where it was taken, noise, and what is not as it should be.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};

/// Pixels across and down of [`photograph`] as it is stored; it is to be turned by a quarter clockwise.
pub const STORED: (u32, u32) = (1_200, 800);

/// What the metadata of [`photograph`] say, in each of the places there are.
pub const GIVEAWAYS: [&[u8]; 5] = [b"Exif", b"GPS", b"52.5200 N", b"xmpmeta", b"by the old mill"];

/// Writes a file, and gives where it is.
///
/// # Panics
/// When it cannot be written.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    path
}

/// What bytes are named, as hexadecimal digits.
#[must_use]
pub fn id(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Whether a part stands anywhere in bytes.
#[must_use]
pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Bytes that are different everywhere and the same every time.
#[must_use]
pub fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// A JPEG photograph that its viewer is to turn by a quarter: upright it is red above and blue below. EXIF, XMP and a
/// comment say where it was taken.
///
/// # Panics
/// When it cannot be encoded.
#[must_use]
pub fn photograph() -> Vec<u8> {
    let (width, height) = STORED;
    let grain = noise(2, (width * height) as usize);
    let image = RgbImage::from_fn(width, height, |x, y| {
        let grain = grain[(y * width + x) as usize] % 40;
        if x < width / 2 { Rgb([200 + grain, grain, grain]) } else { Rgb([grain, grain, 200 + grain]) }
    });
    let mut jpeg = Vec::new();
    // As cameras do, and much better than is seen: made anew it becomes smaller.
    JpegEncoder::new_with_quality(&mut jpeg, 95).encode_image(&image).expect("memory takes it");
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta GPSLatitude='52.5200 N'></x:xmpmeta>";
    let segments = [segment(0xe1, &exif()), segment(0xe1, xmp), segment(0xfe, b"by the old mill")].concat();
    // Behind the two bytes with which every JPEG begins.
    jpeg.splice(2..2, segments);
    jpeg
}

/// A small PNG of one colour.
///
/// # Panics
/// When it cannot be encoded.
#[must_use]
pub fn png() -> Vec<u8> {
    encoded(&RgbImage::from_pixel(40, 30, Rgb([0, 160, 80])), ImageFormat::Png)
}

/// A PNG whose header promises so many pixels on each side, and that has hardly any bytes.
#[must_use]
pub fn png_bomb(side: u32) -> Vec<u8> {
    let side = side.to_be_bytes();
    let header = [&side[..], &side, &[8, 2, 0, 0, 0]].concat();
    let chunks = [chunk(b"IHDR", &header), chunk(b"IDAT", b"\x78\x9c\x63\x60\x60\0\0"), chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n", &chunks.concat()[..]].concat()
}

fn encoded(image: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("memory takes it");
    bytes.into_inner()
}

/// A marker segment of JPEG (ITU-T T.81, B.1.1.4).
fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).expect("segments are short").to_be_bytes();
    [&[0xff, marker], &length[..], content].concat()
}

/// A chunk of PNG (PNG 3rd edition, 5.3) with its checksum.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [name, content].concat();
    let length = u32::try_from(content.len()).expect("chunks are short").to_be_bytes();
    [&length[..], &named, &crc32(&named).to_be_bytes()].concat()
}

/// The checksum of PNG (annex D of the same), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

/// An EXIF segment's content (CIPA DC-008): to be turned by a quarter clockwise, a description, and a GPS directory.
fn exif() -> Vec<u8> {
    const ASCII: u16 = 2;
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    const RATIONAL: u16 = 5;
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
    };
    let degrees = |whole: u32, minutes: u32, seconds: u32| {
        [whole, 1, minutes, 1, seconds, 1].map(u32::to_be_bytes).concat()
    };
    let description = b"GPS 52.5200 N 13.4050 E\0";
    // Offsets are from the beginning of the TIFF header, which has 8 bytes; a directory has 6 and 12 for each entry.
    let gps_at = 8 + 6 + 3 * 12;
    let data_at: u32 = gps_at + 6 + 4 * 12;
    let main = [
        &3_u16.to_be_bytes()[..],
        &entry(0x010e, ASCII, description.len() as u32, (data_at + 48).to_be_bytes()),
        &entry(0x0112, SHORT, 1, [0, 6, 0, 0]),
        &entry(0x8825, LONG, 1, gps_at.to_be_bytes()),
        &[0; 4],
    ]
    .concat();
    let gps = [
        &4_u16.to_be_bytes()[..],
        &entry(1, ASCII, 2, *b"N\0\0\0"),
        &entry(2, RATIONAL, 3, data_at.to_be_bytes()),
        &entry(3, ASCII, 2, *b"E\0\0\0"),
        &entry(4, RATIONAL, 3, (data_at + 24).to_be_bytes()),
        &[0; 4],
    ]
    .concat();
    let data = [degrees(52, 31, 12), degrees(13, 24, 18), description.to_vec()].concat();
    [b"Exif\0\0MM\0*\0\0\0\x08", &main[..], &gps, &data].concat()
}

#[cfg(test)]
mod tests {
    use super::{GIVEAWAYS, STORED, contains, crc32, photograph, png_bomb};

    #[test]
    fn the_photograph_says_where_it_was_taken_and_can_be_read() {
        let photo = photograph();
        assert!(GIVEAWAYS.into_iter().all(|words| contains(&photo, words)));
        let image = image::load_from_memory(&photo).expect("it is a picture");
        assert_eq!((image.width(), image.height()), STORED);
    }

    #[test]
    fn the_checksum_is_that_of_png() {
        // The last chunk of every PNG.
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
        assert!(png_bomb(9).ends_with(b"IEND\xae\x42\x60\x82"));
    }
}
