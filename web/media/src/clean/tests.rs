//! Every format: what tells of the maker is gone, what is left is a fixed point, and nothing that is damaged panics or is
//! taken for whole.
//!
//! The samples in `samples` were made by ffmpeg, with "Secret" for a title where the format has one.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{Cleaned, Facts, Format, Plan, Source, clean};
use crate::messages::CleanError;

const SECRET: &[u8] = b"Secret";

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../samples/", $name))
    };
}

mod films;

const JPEG: &[u8] = sample!("a.jpg");
const PNG: &[u8] = sample!("a.png");
const GIF: &[u8] = sample!("a.gif");
const WEBP: &[u8] = sample!("a.webp");
const MP4: &[u8] = sample!("a.mp4");
const WEBM: &[u8] = sample!("a.webm");
const MKV: &[u8] = sample!("a.mkv");
const MP3: &[u8] = sample!("a.mp3");
const FLAC: &[u8] = sample!("a.flac");
const OGG: &[u8] = sample!("a.ogg");
const OPUS: &[u8] = sample!("a.opus");
const WAV: &[u8] = sample!("a.wav");

const ALL: [(Format, &[u8]); 15] = [
    (Format::Jpeg, JPEG),
    (Format::Png, PNG),
    (Format::Gif, GIF),
    (Format::Webp, WEBP),
    (Format::Webp, sample!("animated.webp")),
    (Format::Mp4, MP4),
    (Format::Mp4, sample!("a.mov")),
    (Format::Mp4, sample!("a.m4a")),
    (Format::Matroska, WEBM),
    (Format::Matroska, MKV),
    (Format::Mp3, MP3),
    (Format::Flac, FLAC),
    (Format::Ogg, OGG),
    (Format::Ogg, OPUS),
    (Format::Wav, WAV),
];

fn apply(source: &[u8], plan: &Plan, step: usize) -> Vec<u8> {
    let mut cleaned = Cleaned::new(&source as &dyn Source, plan);
    let mut all = Vec::new();
    let mut part = vec![0; step];
    loop {
        let size = cleaned.read(&mut part).expect("a slice can be read");
        all.extend(&part[..size]);
        if size < step {
            return all;
        }
    }
}

impl Source for &[u8] {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), CleanError> {
        (**self).read_at(at, into)
    }
}

fn run(format: Format, file: &[u8]) -> Result<(Vec<u8>, Facts), CleanError> {
    let (plan, facts) = clean(format, &file as &dyn Source)?;
    let cleaned = apply(file, &plan, 4096);
    assert_eq!(cleaned.len() as u64, plan.new_size());
    assert_eq!(cleaned, apply(file, &plan, 7));
    Ok((cleaned, facts))
}

fn cleaned(format: Format, file: &[u8]) -> (Vec<u8>, Facts) {
    run(format, file).unwrap_or_else(|error| panic!("{format:?}: {error}"))
}

fn has(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

/// The file with bytes put in at a place.
fn with(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    [&file[..at], bytes, &file[at..]].concat()
}

fn find(file: &[u8], part: &[u8]) -> usize {
    file.windows(part.len()).position(|window| window == part).expect("it is there")
}

/// EXIF as a phone writes it: turned by a quarter, with a place.
fn exif(turn: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x03\0".to_vec();
    tiff.extend(b"\x0f\x01\x02\0\x06\0\0\0\x32\0\0\0");
    tiff.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, turn, 0, 0, 0]);
    tiff.extend(b"\x25\x88\x04\0\x01\0\0\0\x40\0\0\0\0\0\0\0Secret");
    tiff.extend(b"\0\0\0\0\0\0\0\0GPS-47.3769-8.5417-Secret");
    tiff
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker], &size[..], content].concat()
}

fn png_chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    // The checksum is the decoder's business.
    [&(content.len() as u32).to_be_bytes(), &kind[..], content, b"crc."].concat()
}

#[test]
fn what_is_left_is_left_by_a_second_time_too() {
    for (format, file) in ALL {
        let (once, facts) = cleaned(format, file);
        assert!(!has(&once, SECRET), "{format:?}");
        let (twice, same) = cleaned(format, &once);
        assert!(once == twice, "{format:?}");
        assert_eq!(facts, same, "{format:?}");
    }
}

#[test]
fn the_samples_tell_what_they_are() {
    let of = |file: &[u8]| {
        ALL.into_iter().find(|(_, other)| *other == file).map(|(format, _)| cleaned(format, file).1)
    };
    let facts = |file: &[u8]| of(file).expect("it is a sample");
    for file in [JPEG, WEBP, MP4, WEBM] {
        assert_eq!(facts(file).size, Some((32, 24)));
    }
    for (file, animated) in
        [(JPEG, false), (WEBP, false), (sample!("animated.webp"), true), (GIF, true), (PNG, true)]
    {
        assert_eq!(facts(file).animated, animated);
    }
    for (file, least, most) in [
        (MP4, 380, 500),
        (WEBM, 380, 530),
        (MP3, 280, 450),
        (FLAC, 40, 40),
        (OGG, 190, 210),
        (OPUS, 190, 230),
        (WAV, 100, 100),
    ] {
        let duration = facts(file).duration.expect("it lasts");
        assert!((least..=most).contains(&duration), "{duration}");
    }
}

#[test]
fn a_jpeg_with_a_place_comes_out_without_a_byte_of_it_but_still_turned() {
    let tiff = exif(6);
    let app1 = segment(0xe1, &[b"Exif\0\0", tiff.as_slice()].concat());
    let mut file = with(JPEG, 2, &app1);
    for dropped in [
        segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x:Secret/>"),
        segment(0xed, b"Photoshop 3.0\0Secret"),
        segment(0xfe, b"Secret"),
        segment(0xe2, b"MPF\0Secret"),
        segment(0xe0, b"JFXX\0Secret"),
        segment(0xef, b"Secret"),
    ] {
        let at = find(&file, &[0xff, 0xdb]);
        file = with(&file, at, &dropped);
    }
    file.extend(b"Secret behind the end");
    let (clean, facts) = cleaned(Format::Jpeg, &file);
    assert_eq!((facts.orientation, facts.had_profile), (6, false));
    assert!(
        !has(&clean, SECRET) && !has(&clean, b"GPS") && !has(&clean, b"Photoshop") && !has(&clean, b"MPF")
    );
    let bare = segment(0xe1, &[b"Exif\0\0".as_slice(), &super::orientation::write(6)].concat());
    let (plain, _) = cleaned(Format::Jpeg, JPEG);
    assert_eq!(clean.len(), plain.len() + bare.len());
    assert!(has(&clean, &bare));
    assert_eq!(super::orientation::read(&super::orientation::write(6)), 6);

    let (straight, facts) =
        cleaned(Format::Jpeg, &with(JPEG, 2, &segment(0xe1, &[b"Exif\0\0", exif(1).as_slice()].concat())));
    assert_eq!((straight, facts.orientation), (plain, 1));
}

#[test]
fn a_jpeg_keeps_what_its_colours_need_and_tells_of_a_profile() {
    let adobe = segment(0xee, b"Adobe\0\x64\0\0\0\0\x01");
    let longer = segment(0xee, b"Adobe\0\x64\0\0\0\0\x01Secret");
    let profile = segment(0xe2, b"ICC_PROFILE\0\x01\x01Secret");
    let at = find(JPEG, &[0xff, 0xdb]);
    let (clean, facts) = cleaned(Format::Jpeg, &with(&with(JPEG, at, &longer), at, &profile));
    assert!(has(&clean, &adobe) && !has(&clean, SECRET) && facts.had_profile);
    // A segment too short for what follows it.
    let file = with(JPEG, 2, b"\xff\xe1\0\x02Exif\0\0");
    assert_eq!(cleaned(Format::Jpeg, &file).0, cleaned(Format::Jpeg, JPEG).0);
    let srgb = segment(0xe2, b"ICC_PROFILE\0\x01\x01 s\0R\0G\0B\0 Secret");
    let (clean, facts) = cleaned(Format::Jpeg, &with(JPEG, at, &srgb));
    assert!(!has(&clean, SECRET) && !facts.had_profile);
    // A preview in the first header.
    let jfif = find(JPEG, b"JFIF");
    let mut file = JPEG.to_vec();
    file[jfif - 1] += 6;
    let file = with(&file, jfif + 14, SECRET);
    assert_eq!(cleaned(Format::Jpeg, &file).0, cleaned(Format::Jpeg, JPEG).0);
}

#[test]
fn a_file_is_read_in_portions_as_if_it_were_one() {
    // Coded data of more than two portions, with what looks like markers and is none.
    let data: Vec<u8> =
        (0..600_000_u32).flat_map(|n| if n % 997 == 0 { [0xff, 0] } else { [n as u8 & 0x7f, 1] }).collect();
    let end = JPEG.len() - 2;
    let file = with(&with(JPEG, end, &segment(0xfe, SECRET)), end, &data);
    let (plain, _) = cleaned(Format::Jpeg, JPEG);
    assert!(cleaned(Format::Jpeg, &file).0 == with(&plain, plain.len() - 2, &data));
}

#[test]
fn a_png_keeps_its_picture_and_its_frames() {
    let mut file = PNG.to_vec();
    for (kind, content) in [
        (b"tEXt", b"Title\0Secret".to_vec()),
        (b"eXIf", exif(8)),
        (b"iCCP", b"Secret".to_vec()),
        (b"tIME", b"1234567".to_vec()),
        (b"zzZz", b"Secret".to_vec()),
    ] {
        let at = 33;
        file = with(&file, at, &png_chunk(kind, &content));
    }
    file.extend(SECRET);
    let (clean, facts) = cleaned(Format::Png, &file);
    assert!(!has(&clean, SECRET) && !has(&clean, b"tIME"));
    assert!(facts.had_profile && facts.animated && facts.orientation == 8);
    assert_eq!(clean.len(), cleaned(Format::Png, PNG).0.len() + 12 + 26);
    assert!(matches!(
        run(Format::Png, &with(PNG, 33, &png_chunk(b"ZZZZ", b""))),
        Err(CleanError::Malformed(_))
    ));
}

#[test]
fn a_gif_keeps_how_often_it_is_repeated() {
    let at = find(GIF, b"\x21\xf9");
    let mut file = with(GIF, at, b"\x21\xfe\x06Secret\0");
    file = with(&file, at, b"\x21\xff\x0bXMP DataXMP\x06Secret\0");
    file = with(&file, at, b"\x21\xf9\x04\0\0\0\0\0\x21\x01\x06Secret\0");
    file.extend(SECRET);
    let (clean, facts) = cleaned(Format::Gif, &file);
    assert!(facts.animated && clean == GIF && has(&clean, b"NETSCAPE2.0"));
}

#[test]
fn a_webp_says_that_nothing_is_left() {
    let riff =
        |chunks: &[u8]| [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", chunks].concat();
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let padding = &[0][..content.len() % 2];
        [&kind[..], &(content.len() as u32).to_le_bytes(), content, padding].concat()
    };
    let picture = &WEBP[12..];
    let header = |flags: u8| chunk(b"VP8X", &[flags, 0, 0, 0, 31, 0, 0, 23, 0, 0]);
    let file = |flags, exif: &[u8]| {
        let parts = [
            header(flags),
            chunk(b"ICCP", SECRET),
            picture.to_vec(),
            chunk(b"EXIF", exif),
            chunk(b"XMP ", b"Secrets"),
        ];
        [riff(&parts.concat()), SECRET.to_vec()].concat()
    };
    let (clean, facts) = cleaned(Format::Webp, &file(0x2c, &exif(1)));
    assert!(facts.had_profile);
    assert_eq!(clean, riff(&[header(0), picture.to_vec()].concat()));
    let (clean, facts) = cleaned(Format::Webp, &file(0x3c, &exif(3)));
    assert_eq!(facts.orientation, 3);
    let bare = chunk(b"EXIF", &super::orientation::write(3));
    assert_eq!(clean, riff(&[header(0x18), picture.to_vec(), bare].concat()));
}

#[test]
fn music_loses_its_tags_on_both_sides() {
    let (plain, _) = cleaned(Format::Mp3, MP3);
    assert!(MP3.starts_with(b"ID3") && plain[0] == 0xff);
    let mut file = MP3.to_vec();
    let mut ape = b"APETAGEX\xd0\x07\0\0\x26\0\0\0\0\0\0\0\0\0\0\xa0\0\0\0\0\0\0\0\0Secret".to_vec();
    ape.extend(b"APETAGEX\xd0\x07\0\0\x26\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0");
    file.extend(ape);
    file.extend([b"TAG".as_slice(), &[b'S'; 125]].concat());
    assert_eq!(cleaned(Format::Mp3, &file).0, plain);

    let (clean, _) = cleaned(Format::Flac, FLAC);
    assert!(has(FLAC, SECRET) && has(FLAC, b"Lavf") && !has(&clean, b"Lavf") && clean.len() < FLAC.len());
    let (clean, _) = cleaned(Format::Wav, WAV);
    assert!(has(WAV, b"LIST") && !has(&clean, b"LIST"));
    for file in [OGG, OPUS] {
        let (clean, _) = cleaned(Format::Ogg, file);
        assert!(has(file, b"Lavf") && !has(&clean, b"Lavf") && clean.len() == file.len());
    }
}

#[test]
fn what_is_cut_off_is_refused() {
    for (format, file) in ALL {
        for size in [0, 1, 11] {
            assert!(run(format, &file[..size]).is_err(), "{format:?} of {size} bytes");
        }
        // These say nowhere how long they are.
        if !matches!(format, Format::Mp3 | Format::Flac) {
            assert!(run(format, &file[..file.len() / 4]).is_err(), "{format:?}");
            assert_eq!(run(format, &file[..file.len() - 9]), Err(CleanError::Truncated), "{format:?}");
        }
    }
}

#[test]
fn what_is_another_kind_is_refused() {
    for (format, _) in ALL {
        for file in [&b"<svg onload=alert(1)>"[..], &[0; 4096], &[0xff; 4096]] {
            assert!(run(format, file).is_err(), "{format:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        rng_seed: RngSeed::Fixed(5),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn damage_is_refused_or_makes_a_file_that_stays_as_it_is(
        sample in 0..ALL.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8, 0..64_usize), 1..6),
    ) {
        let (format, file) = ALL[sample];
        let mut file = file.to_vec();
        for (place, byte, kind, count) in changes {
            if file.is_empty() {
                break;
            }
            let at = place.index(file.len());
            match kind {
                0 => file[at] = byte,
                1 => drop(file.drain(at..(at + count).min(file.len()))),
                _ => drop(file.splice(at..at, vec![byte; count])),
            }
        }
        if let Ok((once, _)) = run(format, &file) {
            let twice = run(format, &once).map(|(twice, _)| twice);
            prop_assert_eq!(twice, Ok(once), "{:?}", format);
        }
    }
}
