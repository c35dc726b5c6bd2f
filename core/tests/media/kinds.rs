//! What files begin with: made as their formats say, by hand, and whatever else there may be.

use chanterelle_core::media::{Dimensions, KIND_BYTES, MediaClass, MediaKind};
use proptest::prelude::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::tree::runner;

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn atom(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    join(&[&(content.len() as u32 + 8).to_be_bytes(), name, content])
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    join(&[&(content.len() as u32).to_be_bytes(), name, content, &[0; 4]])
}

fn ftyp(major: &[u8; 4], compatible: &[&[u8; 4]]) -> Vec<u8> {
    let compatible: Vec<u8> = compatible.iter().flat_map(|brand| brand.iter().copied()).collect();
    atom(b"ftyp", &join(&[major, &[0; 4], &compatible]))
}

fn ispe(width: u32, height: u32) -> Vec<u8> {
    atom(b"ispe", &join(&[&[0; 4], &width.to_be_bytes(), &height.to_be_bytes()]))
}

fn avif(major: &[u8; 4], compatible: &[&[u8; 4]]) -> Vec<u8> {
    let properties = atom(b"ipco", &join(&[&ispe(64, 64), &atom(b"pixi", &[0; 8]), &ispe(1_920, 1_080)]));
    let meta = join(&[&[0; 4], &atom(b"hdlr", &[0; 24]), &atom(b"iprp", &properties)]);
    join(&[&ftyp(major, compatible), &atom(b"meta", &meta), &atom(b"mdat", &[7; 40])])
}

fn png(behind: &[u8]) -> Vec<u8> {
    let ihdr = join(&[&640_u32.to_be_bytes(), &480_u32.to_be_bytes(), &[8, 6, 0, 0, 0]]);
    join(&[b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &ihdr), behind])
}

fn jpeg(before: &[u8], marker: u8) -> Vec<u8> {
    join(&[
        &[0xff, 0xd8],
        before,
        &[0xff, marker, 0, 17, 8, 0x01, 0xe0, 0x02, 0x80, 3],
        &[0; 9],
        &[0xff, 0xda],
    ])
}

fn riff(form: &[u8; 4], name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    join(&[b"RIFF", &[0; 4], form, name, &(content.len() as u32).to_le_bytes(), content])
}

fn webm(doc_type: &[u8]) -> Vec<u8> {
    let inner = join(&[&[0x42, 0x86, 0x81, 1], &[0x42, 0x82, 0x80 | doc_type.len() as u8], doc_type]);
    join(&[&[0x1a, 0x45, 0xdf, 0xa3], &[0x01, 0, 0, 0, 0, 0, 0, inner.len() as u8], &inner, &[0x18, 0x53]])
}

fn ogg(packet: &[u8]) -> Vec<u8> {
    join(&[b"OggS\0\x02", &[0; 20], &[1, packet.len() as u8], packet])
}

/// Two frames of 128 kbit/s at 44.1 kHz, which have 417 bytes.
fn mp3() -> Vec<u8> {
    let frame = join(&[&[0xff, 0xfb, 0x90, 0x64], &[0; 413]]);
    join(&[&frame, &frame])
}

fn is(bytes: &[u8], mime: &str, size: Option<(u32, u32)>) {
    let kind = MediaKind::of(bytes).unwrap_or_else(|| panic!("{mime} is not known"));
    let dimensions = size.map(|(width, height)| Dimensions { width, height });
    assert_eq!((kind.mime, kind.dimensions), (mime, dimensions));
    let class = match mime.split('/').next() {
        Some("image") => MediaClass::Image,
        Some("audio") => MediaClass::Audio,
        _ => MediaClass::Video,
    };
    assert_eq!(kind.class, class);
}

#[test]
fn pictures_say_how_large_they_are() {
    let size = Some((640, 480));
    is(&png(&chunk(b"IDAT", &[0; 9])), "image/png", size);
    is(&png(&join(&[&chunk(b"tEXt", b"a\0b"), &chunk(b"acTL", &[0; 8])])), "image/apng", size);
    is(&png(&join(&[&chunk(b"IDAT", &[0; 9]), &chunk(b"acTL", &[0; 8])])), "image/png", size);
    for marker in [0xc0, 0xc1, 0xc2] {
        is(&jpeg(&[0xff, 0xe0, 0, 4, 1, 2], marker), "image/jpeg", size);
    }
    let exif = join(&[&[0xff, 0xe1, 0xff, 0xff], &[0; 65_533], &[0xff, 0xff, 0xff, 0xe2, 0, 2]]);
    is(&jpeg(&exif, 0xc2), "image/jpeg", size);
    is(b"GIF89a\x80\x02\xe0\x01\xf7", "image/gif", size);
    is(b"GIF87a\x80\x02\xe0\x01\xf7", "image/gif", size);
    let vp8 = [0x30, 1, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xe0, 0x01];
    is(&riff(b"WEBP", b"VP8 ", &vp8), "image/webp", size);
    let vp8l = join(&[&[0x2f], &(639_u32 | 479 << 14 | 1 << 28).to_le_bytes()]);
    is(&riff(b"WEBP", b"VP8L", &vp8l), "image/webp", size);
    is(&riff(b"WEBP", b"VP8X", &[2, 0, 0, 0, 0x7f, 2, 0, 0xdf, 1, 0]), "image/webp", size);
    is(&avif(b"avif", &[b"mif1"]), "image/avif", Some((1_920, 1_080)));
    is(&avif(b"avis", &[]), "image/avif", Some((1_920, 1_080)));
    is(&avif(b"mif1", &[b"miaf", b"avif"]), "image/avif", Some((1_920, 1_080)));
}

#[test]
fn a_picture_without_pixels_says_nothing() {
    is(b"GIF89a\x00\x00\xe0\x01", "image/gif", None);
    is(b"GIF89a", "image/gif", None);
    is(&[0xff, 0xd8, 0xff, 0xda, 0, 2], "image/jpeg", None);
    is(&[0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff], "image/jpeg", None);
    is(b"\x89PNG\r\n\x1a\n", "image/png", None);
    is(&riff(b"WEBP", b"VP8 ", &[0; 10]), "image/webp", None);
    is(&ftyp(b"avif", &[]), "image/avif", None);
}

#[test]
fn sound_and_video_are_known() {
    is(&mp3(), "audio/mpeg", None);
    is(b"ID3\x04\0\0\0\0\x02\x01TIT2", "audio/mpeg", None);
    is(&ogg(b"OpusHead\x01\x02"), "audio/ogg", None);
    is(&ogg(b"\x01vorbis"), "audio/ogg", None);
    is(b"fLaC\0\0\0\x22", "audio/flac", None);
    is(&riff(b"WAVE", b"fmt ", &[0; 16]), "audio/wav", None);
    is(&ftyp(b"M4A ", &[b"mp42"]), "audio/mp4", None);
    for major in [b"isom", b"mp42", b"iso6", b"avc1", b"M4V ", b"3gp5"] {
        is(&ftyp(major, &[b"mp41"]), "video/mp4", None);
    }
    is(&ftyp(b"qt  ", &[]), "video/quicktime", None);
    is(&webm(b"webm"), "video/webm", None);
}

#[test]
fn what_browsers_run_or_lay_out_is_unknown() {
    for bytes in [
        &b""[..],
        b"<svg xmlns=\"http://www.w3.org/2000/svg\">",
        b"<?xml version=\"1.0\"?><svg/>",
        b"\xef\xbb\xbf<svg/>",
        b"\xff\xfe<\0s\0v\0g\0",
        b"\xfe\xff\0<\0s\0v\0g",
        b"<!doctype html><script>",
        b"  \n<!DOCTYPE HTML>",
        b"<html>",
        b"<script>alert(1)</script>",
        b"%PDF-1.7\nGIF89a",
        b"GIF88a\x80\x02\xe0\x01",
        b"\x89PNG\n",
        b"\xff\xd8",
        b"ID3",
        b"OggS",
        b"RIFF\0\0\0\0AVI LIST",
        b"PK\x03\x04",
        b"\x7fELF",
        b"BM\0\0\0\0",
        b"II*\0",
        b"just text",
    ] {
        assert_eq!(MediaKind::of(bytes), None, "{bytes:02x?}");
    }
    for bytes in [
        ftyp(b"heic", &[b"mif1", b"heic"]),
        ftyp(b"mif1", &[b"heic"]),
        ftyp(b"jp2 ", &[]),
        webm(b"matroska"),
        ogg(b"\x80theora"),
        ogg(b"Speex   "),
        riff(b"AVI ", b"LIST", &[0; 16]),
        // One frame of MP3 and then something else.
        join(&[&mp3()[..417], b"<html>"]),
        vec![0xff; 1_000],
    ] {
        assert_eq!(MediaKind::of(&bytes), None, "{:02x?}", &bytes[..32.min(bytes.len())]);
    }
}

/// A picture with something behind it is a picture: who gets it is told so, and never to guess.
#[test]
fn a_picture_with_a_script_behind_is_a_picture() {
    is(b"GIF89a\x80\x02\xe0\x01<script>alert(1)</script>", "image/gif", Some((640, 480)));
    is(b"GIF89a/*\x00\x00*/=1;alert(1)", "image/gif", None);
}

/// Any bytes behind any beginning: nothing panics, cut off anywhere, and more than is looked at changes nothing.
#[test]
fn any_bytes_are_something_or_nothing() {
    let samples = [
        png(&chunk(b"acTL", &[0; 8])),
        jpeg(&[0xff, 0xe0, 0, 4, 1, 2], 0xc0),
        b"GIF89a\x80\x02\xe0\x01".to_vec(),
        riff(b"WEBP", b"VP8X", &[2, 0, 0, 0, 0x7f, 2, 0, 0xdf, 1, 0]),
        avif(b"avif", &[b"mif1"]),
        webm(b"webm"),
        ogg(b"OpusHead\x01\x02"),
        mp3(),
        ftyp(b"isom", &[b"mp41"]),
        Vec::new(),
    ];
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let strategy =
        (0..samples.len(), any::<prop::sample::Index>(), damage, prop::collection::vec(any::<u8>(), 0..64));
    let law = |(sample, cut, damage, noise): (
        usize,
        prop::sample::Index,
        Vec<(prop::sample::Index, u8)>,
        Vec<u8>,
    )| {
        let sample: &Vec<u8> = &samples[sample];
        let mut bytes = join(&[&sample[..cut.index(sample.len() + 1)], &noise]);
        for (at, byte) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let kind = MediaKind::of(&bytes);
        if let Some(dimensions) = kind.and_then(|kind| kind.dimensions) {
            prop_assert!(dimensions.pixels() > 0);
        }
        Ok(())
    };
    runner(20_000).run(&strategy, law).expect("nothing panics");
    let mut long = vec![0; KIND_BYTES + 100];
    long[..4].copy_from_slice(&[0xff, 0xd8, 0xff, 0xff]);
    long[4..KIND_BYTES].fill(0xff);
    long[KIND_BYTES..].copy_from_slice(&jpeg(&[], 0xc0).repeat(5)[..100]);
    is(&long, "image/jpeg", None);
}
