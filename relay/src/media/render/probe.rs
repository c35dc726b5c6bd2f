//! What is in a file of audio or video, by ffprobe.
//!
//! Of the containers that people use, and of no format that names other files: a playlist would have ffmpeg open what its
//! author likes.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::RenderError;
use super::ffmpeg::run;

/// Containers that hold their streams themselves, by ffmpeg's names.
const CONTAINERS: &str = "mov,matroska,ogg,mp3,wav,flac,aac,avi,mpegts,mpeg,flv,asf,amr,aiff,caf";

/// Pixels of a frame.
const PIXELS: &str = "40000000";

/// Bytes of one allocation of ffmpeg's: a frame of so many pixels in 8 bytes each.
const ALLOCATION: &str = "335544320";

/// Bytes of ffprobe's answer. A file of a hundred streams stays below.
const ANSWER: u64 = 1 << 20;

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Probe {
    /// The first video that is no cover.
    pub(super) video: Option<Video>,
    /// The number of the stream that is a cover.
    pub(super) cover: Option<Video>,
    /// The first audio: the number of its stream, and its codec.
    pub(super) audio: Option<(u32, String)>,
    /// Milliseconds.
    pub(super) duration: Option<u64>,
    /// Bits a second, all together.
    pub(super) rate: Option<u64>,
    /// ffmpeg's name of the container, one or several with commas between.
    pub(super) container: String,
}

/// A stream of pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Video {
    /// Its number.
    pub(super) stream: u32,
    /// ffmpeg's name of its codec.
    pub(super) codec: String,
    /// ffmpeg's name of its pixels.
    pub(super) pixels: String,
    /// As it is to be seen: turned, and with square pixels.
    pub(super) size: (u32, u32),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
struct Format {
    #[serde(default)]
    format_name: String,
    duration: Option<String>,
    bit_rate: Option<String>,
}

#[derive(Deserialize)]
struct Stream {
    index: u32,
    #[serde(default)]
    codec_type: String,
    #[serde(default)]
    codec_name: String,
    #[serde(default)]
    pix_fmt: String,
    width: Option<u32>,
    height: Option<u32>,
    sample_aspect_ratio: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

/// The arguments that stand before an input, for ffmpeg and ffprobe alike.
pub(super) fn guard(command: &mut Command) {
    command.args(["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS]);
    command.args(["-max_pixels", PIXELS, "-max_alloc", ALLOCATION]);
}

/// The name of a file that ffmpeg takes for nothing else.
pub(super) fn url(file: &Path) -> std::ffi::OsString {
    let mut url = std::ffi::OsString::from("file:");
    url.push(file);
    url
}

/// Asks ffprobe.
pub(super) fn probe(ffprobe: &Path, file: &Path) -> Result<Probe, RenderError> {
    let mut command = Command::new(ffprobe);
    command.args(["-v", "error"]);
    guard(&mut command);
    command.args(["-print_format", "json", "-show_format", "-show_streams"]).arg(url(file));
    let answer = run(&mut command, ANSWER)?;
    parse(&answer)
}

fn parse(answer: &[u8]) -> Result<Probe, RenderError> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|error| RenderError::Failed(format!("ffprobe's answer: {error}")))?;
    let mut probe = Probe {
        duration: answer.format.duration.as_deref().and_then(milliseconds),
        rate: answer.format.bit_rate.and_then(|rate| rate.parse().ok()),
        container: answer.format.format_name,
        ..Probe::default()
    };
    for stream in answer.streams {
        match stream.codec_type.as_str() {
            "audio" if probe.audio.is_none() => probe.audio = Some((stream.index, stream.codec_name)),
            "video" => {
                let is_cover = stream.disposition.attached_pic != 0;
                let place = if is_cover { &mut probe.cover } else { &mut probe.video };
                if place.is_none() {
                    *place = video(stream);
                }
            }
            _ => {}
        }
    }
    Ok(probe)
}

fn video(stream: Stream) -> Option<Video> {
    let (width, height) = (stream.width.filter(|&side| side > 0)?, stream.height.filter(|&side| side > 0)?);
    let ratio = stream.sample_aspect_ratio.as_deref().and_then(|ratio| ratio.split_once(':'));
    let ratio =
        ratio.and_then(|(across, down)| Some((across.parse::<u64>().ok()?, down.parse::<u64>().ok()?)));
    let width = match ratio {
        // What is said beyond that is nonsense.
        Some((across @ 1.., down @ 1..)) if across <= 8 * down && down <= 8 * across => {
            u32::try_from((u64::from(width) * across / down).max(1)).unwrap_or(width)
        }
        _ => width,
    };
    let turns = stream.side_data_list.iter().find_map(|data| data.rotation).unwrap_or(0.0);
    let lies = (turns / 90.0).round().abs() % 2.0 == 1.0;
    let size = if lies { (height, width) } else { (width, height) };
    Some(Video { stream: stream.index, codec: stream.codec_name, pixels: stream.pix_fmt, size })
}

/// Of a number of seconds with a fraction. What is said beyond a year is nonsense.
fn milliseconds(seconds: &str) -> Option<u64> {
    let seconds: f64 = seconds.parse().ok()?;
    (0.0..31_536_000.0).contains(&seconds).then_some((seconds * 1_000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::{Probe, Video, milliseconds, parse};

    #[test]
    fn size_is_what_is_seen() {
        let size = |more: &str| {
            let json = format!(
                r#"{{"streams":[{{"index":3,"codec_type":"video","width":720,"height":576{more}}}]}}"#
            );
            parse(json.as_bytes()).expect("it is an answer").video.expect("there is a video").size
        };
        assert_eq!(size(""), (720, 576));
        assert_eq!(size(r#","sample_aspect_ratio":"64:45""#), (1_024, 576));
        assert_eq!(size(r#","sample_aspect_ratio":"0:1""#), (720, 576));
        assert_eq!(size(r#","sample_aspect_ratio":"4000000000:1""#), (720, 576));
        assert_eq!(size(r#","side_data_list":[{"side_data_type":"x"},{"rotation":-90}]"#), (576, 720));
        assert_eq!(size(r#","side_data_list":[{"rotation":180}]"#), (720, 576));
    }

    #[test]
    fn a_cover_is_no_video_and_other_streams_are_nothing() {
        let json = br#"{"streams":[
            {"index":0,"codec_type":"data"},
            {"index":1,"codec_type":"audio","codec_name":"mp3"},
            {"index":2,"codec_type":"video","codec_name":"png","pix_fmt":"rgb24","width":9,"height":8,"disposition":{"attached_pic":1}}
        ],"format":{"format_name":"mp3","duration":"1.5","bit_rate":"128000"}}"#;
        let (codec, pixels) = ("png".to_owned(), "rgb24".to_owned());
        let expected = Probe {
            cover: Some(Video { stream: 2, codec, pixels, size: (9, 8) }),
            audio: Some((1, "mp3".to_owned())),
            duration: Some(1_500),
            rate: Some(128_000),
            container: "mp3".to_owned(),
            video: None,
        };
        assert_eq!(parse(json), Ok(expected));
        assert!(parse(b"not JSON").is_err());
        assert_eq!(parse(b"{}"), Ok(Probe::default()));
    }

    #[test]
    fn a_duration_is_a_sensible_number() {
        assert_eq!(milliseconds("12.3456"), Some(12_346));
        for text in ["N/A", "-1", "nan", "inf", "1e30"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
