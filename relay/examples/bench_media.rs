//! `cargo xtask bench media`, the relay's part: how fast a thumbnail is made of a photo.
//!
//! Prints one line a metric, `bench-row` and a JSON object.
//!
//! | row | what runs |
//! |---|---|
//! | `media.thumbnail` | a JPEG of 16 megapixels to a thumbnail's pixels, decoding included, as the rendering process does it, against `image`: decoding, then `DynamicImage::resize` with Lanczos3 |
//! | `media.resize` | the decoded photo alone to a thumbnail's size, against `DynamicImage::resize` with Lanczos3 |
//!
//! Both are measured in turns, and the round with the median ratio is told: other work on the machine slows both.

use std::hint::black_box;
use std::time::Instant;

use chanterelle_relay::media::render::{picture, scale};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, Rgb, RgbImage};

/// Turns. Odd, so that there is a median.
const ROUNDS: usize = 7;

/// 15.9 megapixels, of the shape of a camera's.
const SIZE: (u32, u32) = (4_608, 3_456);

/// A thumbnail of that.
const THUMB: (u32, u32) = (250, 188);

/// What cameras write.
const QUALITY: u8 = 90;

fn main() {
    let photo = DynamicImage::ImageRgb8(photo());
    let mut jpeg = Vec::new();
    photo.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, QUALITY)).expect("memory has room");
    let (mut thumbnails, mut resized) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let ours = milliseconds(|| picture::thumbnail(&jpeg).expect("it is a photo"));
        let slow = milliseconds(|| {
            let photo = image::load_from_memory(&jpeg).expect("it is a photo");
            photo.resize(250, 250, FilterType::Lanczos3)
        });
        thumbnails.push((ours, slow));
        let ours = milliseconds(|| scale::shrink(&photo, THUMB).expect("it is resized"));
        let slow = milliseconds(|| photo.resize(250, 250, FilterType::Lanczos3));
        resized.push((ours, slow));
    }
    tell("media.thumbnail", thumbnails);
    tell("media.resize", resized);
}

fn milliseconds<T>(work: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    black_box(work());
    begun.elapsed().as_secs_f64() * 1_000.0
}

/// Tells the round with the median ratio.
fn tell(name: &str, mut rounds: Vec<(f64, f64)>) {
    for (ours, slow) in &rounds {
        eprintln!("{name}: {ours:.1} ms against {slow:.1}");
    }
    rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let (ours, slow) = rounds[rounds.len() / 2];
    let row = serde_json::json!({
        "name": name,
        "value": (ours * 10.0).round() / 10.0,
        "unit": "ms",
        "baseline": (slow * 10.0).round() / 10.0,
        "ratio": (slow / ours * 100.0).round() / 100.0,
    });
    println!("bench-row {row}");
}

/// Large shapes, fine texture, edges and the noise of a sensor: what a JPEG of a photo spends its bytes on.
fn photo() -> RgbImage {
    let mut noise = 1_u32;
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        // Marsaglia's xorshift: the same photo in every run.
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        let grain = (noise % 17) as f32 - 8.0;
        let (across, down) = (x as f32 / SIZE.0 as f32, y as f32 / SIZE.1 as f32);
        let shapes = (across * 17.0).sin() * (down * 13.0).cos() * 60.0;
        let texture = (across * 900.0 + down * 500.0).sin() * 12.0;
        let edges = if (x / 300 + y / 200) % 3 == 0 { 25.0 } else { 0.0 };
        let light = 120.0 + shapes + texture + edges + grain;
        Rgb([light as u8, (light * 0.8 + down * 40.0) as u8, (light * 0.6 + across * 70.0) as u8])
    })
}
