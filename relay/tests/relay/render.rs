//! Pictures through the rendering process itself: small ones made here, hostile ones, and ones that never end.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chanterelle_relay::media::render::{Profile, RenderError, Rendered, Renderer, Tools};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use tempfile::TempDir;

use crate::support::program::PROGRAM;
use crate::support::until;

pub(crate) fn renderer() -> Renderer {
    Renderer { program: PROGRAM.into(), tools: None, wall: None }
}

/// Renders bytes: what is said of the output, and the output.
async fn render(profile: Profile, bytes: &[u8]) -> Result<(Rendered, Vec<u8>), RenderError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (input, output) = (folder.path().join("input"), folder.path().join("output"));
    std::fs::write(&input, bytes).expect("the folder is writable");
    let result = renderer().render(profile, &input, &output).await;
    assert_eq!(result.is_ok(), output.exists(), "an output is there if and only if it is finished");
    result.map(|rendered| (rendered, std::fs::read(&output).expect("it is there")))
}

fn file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("it is written");
    bytes.into_inner()
}

/// Red to the left, blue to the right.
pub(crate) fn halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) })
}

fn read(bytes: &[u8], rendered: &Rendered) -> DynamicImage {
    let format = ImageFormat::from_mime_type(&rendered.mime).expect("it is a picture");
    let image = image::load_from_memory_with_format(bytes, format).expect("it is what it is said to be");
    assert_eq!((Some(image.width()), Some(image.height())), (rendered.width, rendered.height));
    image
}

fn is_red(image: &DynamicImage, x: u32, y: u32) -> bool {
    let pixel = image.to_rgb8()[(x, y)];
    pixel[0] > 200 && pixel[2] < 50
}

/// A JPEG that is to be turned by a quarter clockwise, and says where it was taken.
pub(crate) fn tagged() -> Vec<u8> {
    let mut exif = b"\xff\xe1\0\0Exif\0\0MM\0*\0\0\0\x08\0\x02".to_vec();
    exif.extend(*b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
    exif.extend(*b"\x01\x0e\0\x02\0\0\0\x10\0\0\0\x26\0\0\0\0");
    exif.extend(*b"GPS 52.52, 13.40");
    let length = u16::try_from(exif.len() - 2).expect("it is short").to_be_bytes();
    exif[2..4].copy_from_slice(&length);
    let mut jpeg = file(halves(600, 400), ImageFormat::Jpeg);
    jpeg.splice(2..2, exif);
    jpeg
}

pub(crate) fn contains(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

#[tokio::test]
async fn a_photo_comes_out_upright_and_says_nothing_of_where_it_was_taken() {
    let photo = tagged();
    assert!(contains(&photo, b"GPS"));
    for (profile, size) in [(Profile::Thumb, (167, 250)), (Profile::Clean, (400, 600))] {
        let (rendered, bytes) = render(profile, &photo).await.expect("it is a photo");
        assert_eq!((rendered.mime.as_str(), rendered.duration), ("image/jpeg", None));
        assert_eq!((rendered.width, rendered.height), (Some(size.0), Some(size.1)), "{profile}");
        let image = read(&bytes, &rendered);
        assert!(is_red(&image, size.0 / 2, 10) && !is_red(&image, size.0 / 2, size.1 - 10), "{profile}");
        assert!(!contains(&bytes, b"GPS") && !contains(&bytes, b"Exif"), "{profile}");
    }
}

#[tokio::test]
async fn every_format_becomes_a_thumbnail() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
        let (rendered, bytes) =
            render(Profile::Thumb, &file(halves(600, 300), format)).await.expect("a picture");
        assert_eq!(
            (rendered.mime.as_str(), rendered.width, rendered.height),
            ("image/jpeg", Some(250), Some(125))
        );
        let image = read(&bytes, &rendered);
        assert!(is_red(&image, 20, 60) && !is_red(&image, 230, 60), "{format:?}");
    }
    let small = file(halves(30, 20), ImageFormat::Png);
    let (rendered, _) = render(Profile::Thumb, &small).await.expect("a picture");
    assert_eq!((rendered.width, rendered.height), (Some(30), Some(20)), "nothing grows");
}

#[tokio::test]
async fn what_is_transparent_stays_so() {
    let image = RgbaImage::from_fn(500, 500, |x, _| Rgba([0, 200, 0, if x < 250 { 0 } else { 255 }]));
    let (rendered, bytes) = render(Profile::Thumb, &file(image, ImageFormat::Png)).await.expect("a picture");
    assert_eq!(rendered.mime, "image/webp");
    let image = read(&bytes, &rendered).to_rgba8();
    assert_eq!((image[(10, 100)][3], image[(240, 100)]), (0, Rgba([0, 200, 0, 255])));
}

#[tokio::test]
async fn of_an_animation_the_first_frame_is_taken_and_nothing_is_cleaned() {
    let frames = [halves(300, 300), RgbImage::new(300, 300)].map(DynamicImage::from);
    let mut gif = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut gif);
    encoder.encode_frames(frames.map(|frame| image::Frame::new(frame.to_rgba8()))).expect("it is written");
    drop(encoder);
    let (rendered, bytes) = render(Profile::Thumb, &gif).await.expect("a picture");
    assert!(is_red(&read(&bytes, &rendered), 20, 100));
    assert!(matches!(render(Profile::Clean, &gif).await, Err(RenderError::Unneeded(_))));
}

#[tokio::test]
async fn a_clean_picture_has_the_same_pixels_and_nothing_behind_them() {
    let image = halves(120, 80);
    let png = file(image.clone(), ImageFormat::Png);
    assert!(matches!(render(Profile::Clean, &png).await, Err(RenderError::Unneeded(_))));
    let polyglot = [&png[..], b"<script>alert(1)</script>PK\x05\x06"].concat();
    let (rendered, bytes) = render(Profile::Clean, &polyglot).await.expect("a picture");
    assert_eq!(rendered.mime, "image/png");
    assert_eq!(read(&bytes, &rendered).to_rgb8(), image);
    assert!(!contains(&bytes, b"script") && !contains(&bytes, b"PK"));
}

#[tokio::test]
async fn what_would_be_too_large_is_refused_by_its_header() {
    let chunk = |name: &[u8], data: &[u8]| {
        let named = [name, data].concat();
        let length = u32::try_from(data.len()).expect("it is short").to_be_bytes();
        let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&named).to_be_bytes();
        [&length[..], &named, &sum].concat()
    };
    let png = |side: u32, depth: u8, colour: u8| {
        let side = side.to_be_bytes();
        let header = [&side[..], &side, &[depth, colour, 0, 0, 0]].concat();
        let (header, data) = (chunk(b"IHDR", &header), chunk(b"IDAT", b"\x78\x9c\x63\x60\x60\0\0"));
        [b"\x89PNG\r\n\x1a\n", &header[..], &data, &chunk(b"IEND", b"")].concat()
    };
    let mut jpeg = file(halves(600, 400), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("it has a frame");
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let mut gif = file(halves(60, 40), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xff; 4]);
    for (what, bytes) in [
        ("3,600 megapixels", png(60_000, 8, 6)),
        ("36 megapixels of 8 bytes", png(6_000, 16, 6)),
        ("4,300 megapixels", jpeg),
        ("4,300 megapixels in palette", gif),
    ] {
        let refused = render(Profile::Thumb, &bytes).await;
        assert!(matches!(refused, Err(RenderError::TooLarge(_))), "{what}: {refused:?}");
    }
}

#[tokio::test]
async fn what_is_cut_off_or_no_picture_is_refused_and_kills_nothing() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP] {
        let whole = file(halves(300, 200), format);
        for part in [12, 30, whole.len() / 2, whole.len() - 3] {
            for profile in [Profile::Thumb, Profile::Clean] {
                match render(profile, &whole[..part]).await {
                    Ok((rendered, bytes)) => drop(read(&bytes, &rendered)),
                    Err(RenderError::Damaged(_) | RenderError::Unsupported(_) | RenderError::Unneeded(_)) => {
                    }
                    Err(error) => panic!("{format:?}, {part} bytes: {error:?}"),
                }
            }
        }
    }
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    for bytes in [&svg[..], b"<!doctype html>", b"PK\x03\x04", b"", b"BM\0\0", b"II*\0\x08\0\0\0"] {
        assert!(matches!(render(Profile::Thumb, bytes).await, Err(RenderError::Unsupported(_))));
    }
    let gif = b"GIF89a/*<script>*/=1;alert(1)";
    assert!(render(Profile::Thumb, gif).await.is_err());
}

/// The processes that have `words` on their command line, those left out that have ended and are not waited for.
#[cfg(target_os = "linux")]
pub(crate) fn processes(words: &Path) -> Vec<u32> {
    let words = words.to_str().expect("it is plain").as_bytes();
    let entries = std::fs::read_dir("/proc").expect("Linux has it");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        contains(&line, words) && is_there(*pid)
    })
    .collect()
}

#[cfg(target_os = "linux")]
fn is_there(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// A folder with a file that never ends, because nobody writes into it.
#[cfg(target_os = "linux")]
fn endless() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("input");
    fifo(&input);
    (folder, input)
}

#[cfg(target_os = "linux")]
pub(crate) fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("the folder is writable");
}

/// A program that is a script. A process of its own writes it: the system starts no program that somebody has open for
/// writing, and what we have open another test's process may have for a moment.
pub(crate) fn script(path: &Path, text: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod +x \"$0\""]).arg(path).arg(text);
    assert!(command.status().expect("there is a shell").success());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_takes_too_long_is_ended() {
    let (folder, input) = endless();
    let renderer = Renderer { wall: Some(Duration::from_secs(1)), ..renderer() };
    let result = renderer.render(Profile::Thumb, &input, &folder.path().join("output")).await;
    assert_eq!(result, Err(RenderError::TooLong(1)));
    assert_eq!(processes(folder.path()), [0; 0]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_nobody_waits_for_is_ended() {
    let (folder, input) = endless();
    let output = folder.path().join("output");
    let path = folder.path().to_owned();
    let rendering = tokio::spawn(async move { renderer().render(Profile::Thumb, &input, &output).await });
    until("the process runs", async || !processes(&path).is_empty()).await;
    rendering.abort();
    until("the process has ended", async || processes(&path).is_empty()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_ends_with_the_relay_that_started_it() {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    let (folder, input) = endless();
    let mut command = Command::new(PROGRAM);
    command.args(["render", "--profile", "thumb", "--input"]).arg(&input);
    command.arg("--output").arg(folder.path().join("output"));
    let mut child = command.stdin(Stdio::piped()).process_group(0).spawn().expect("the program starts");
    until("the process runs", async || !processes(folder.path()).is_empty()).await;
    assert!(child.try_wait().expect("it is ours").is_none());
    // As the system does when a process ends, however it does.
    drop(child.stdin.take());
    let status = tokio::task::spawn_blocking(move || child.wait()).await.expect("it is waited for");
    assert_eq!(status.expect("it is ours").signal(), Some(9));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_ffmpeg_that_hangs_is_ended_with_what_it_started() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let answer =
        r#"{"streams":[{"index":0,"codec_type":"video","codec_name":"hevc","width":64,"height":64}]}"#;
    script(&at("ffprobe"), &format!("echo '{answer}'"));
    let pids = at("pids");
    let shown = pids.display();
    script(&at("ffmpeg"), &format!("sleep 1000 &\necho $! $$ > {shown}.new\nmv {shown}.new {shown}\nwait"));
    std::fs::write(at("input"), b"a film").expect("the folder is writable");
    let tools = Tools { ffmpeg: at("ffmpeg"), ffprobe: at("ffprobe") };
    let renderer = Renderer { tools: Some(tools), ..renderer() };
    let (input, output) = (at("input"), at("output"));
    let rendering = tokio::spawn(async move { renderer.render(Profile::Low, &input, &output).await });
    until("the ffmpeg runs", async || pids.exists()).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(rendering.await.expect("no panic"), Err(RenderError::TooLong(1_800)));
    tokio::time::resume();
    let pids = std::fs::read_to_string(pids).expect("the ffmpeg was started");
    let pids: Vec<u32> = pids.split_whitespace().map(|pid| pid.parse().expect("a number")).collect();
    assert_eq!(pids.len(), 2);
    until("both have ended", async || !pids.iter().any(|&pid| is_there(pid))).await;
}

#[tokio::test]
async fn without_an_ffmpeg_its_profiles_are_unavailable() {
    for profile in [Profile::Preview, Profile::Low, Profile::High] {
        assert!(matches!(render(profile, b"a film").await, Err(RenderError::Unavailable(_))));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let absent = folder.path().join("absent");
    let tools = Some(Tools { ffmpeg: absent.clone(), ffprobe: absent });
    std::fs::write(folder.path().join("input"), b"a film").expect("the folder is writable");
    let renderer = Renderer { tools, ..renderer() };
    let (input, output) = (folder.path().join("input"), folder.path().join("output"));
    let result = renderer.render(Profile::Low, &input, &output).await;
    assert!(matches!(result, Err(RenderError::Unavailable(_))), "{result:?}");
}

#[tokio::test]
async fn a_process_that_dies_is_said_to_have_died() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("program");
    script(&program, "echo last words >&2; kill -9 $$");
    let renderer = Renderer { program, ..renderer() };
    let (input, output) = (folder.path().join("input"), folder.path().join("output"));
    let error = renderer.render(Profile::Thumb, &input, &output).await.expect_err("it dies");
    assert!(error.is_worth_another_try());
    let text = error.to_string();
    assert!(text.contains("signal 9") && text.contains("last words"), "{text}");
}
