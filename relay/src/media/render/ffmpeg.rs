//! Audio and video, by the system's ffmpeg.
//!
//! It reads the input and nothing else (no other protocol than `file`, no format that names files), has no standard
//! input, runs in this process's group and under its bounds, and leaves out all metadata. Of what it writes nothing is
//! believed: the output is looked at again.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use super::probe::{Probe, Video, guard, probe, url};
use super::tools::Tools;
use super::{Bounds, Profile, RenderError, Rendered, scale};

/// The sides of a preview.
const PREVIEW: (u32, u32) = (640, 640);

/// The longer and the shorter side of what plays over a slow line.
const LOW: (u32, u32) = (854, 480);

/// The same of what does not have to.
const HIGH: (u32, u32) = (1_920, 1_080);

/// Bits a second below which a source does for a slow line as it is: video, audio.
const LOW_RATE: (u64, u64) = (1_000_000, 96_000);

/// Milliseconds of the longest film. A longer one would run into the bound of processor time, after wasting it.
const LONGEST: u64 = 3 * 60 * 60 * 1_000;

/// Bytes of a program's complaints that are kept.
const COMPLAINTS: usize = 4_096;

/// Renders with an ffmpeg.
pub(super) fn render(
    tools: &Tools,
    profile: Profile,
    bounds: &Bounds,
    input: &Path,
    output: &Path,
) -> Result<Rendered, RenderError> {
    let source = probe(&tools.ffprobe, input)?;
    if source.video.is_none() && source.audio.is_none() {
        return Err(RenderError::Unsupported("there is no audio and no video in it".to_owned()));
    }
    if source.duration.is_some_and(|duration| duration > LONGEST) && profile != Profile::Preview {
        return Err(RenderError::TooLarge("it is longer than three hours".to_owned()));
    }
    if profile == Profile::Preview {
        return preview(tools, &source, input, output);
    }
    if let Some(reason) = does_as_it_is(profile, &source) {
        return Err(RenderError::Unneeded(reason.to_owned()));
    }
    let coder = Coder::choose(&encoders(&tools.ffmpeg)?, source.video.is_some())?;
    let mut command = ffmpeg(&tools.ffmpeg, input, None);
    if let Some(video) = &source.video {
        command.arg("-map").arg(format!("0:{}", video.stream));
        coder.video(&mut command, profile, video);
    }
    if let Some((stream, _)) = &source.audio {
        command.arg("-map").arg(format!("0:{stream}"));
        coder.audio(&mut command, profile);
    }
    command.args(["-fs", &bounds.output.to_string(), "-f", coder.container()]).arg(url(output));
    run(&mut command, 0)?;
    let made = probe(&tools.ffprobe, output)?;
    if made.video.is_some() != source.video.is_some() || made.audio.is_some() != source.audio.is_some() {
        return Err(RenderError::Damaged("not all of its streams could be decoded".to_owned()));
    }
    let size = made.video.map(|video| video.size);
    Ok(Rendered {
        mime: coder.mime(size.is_some()).to_owned(),
        width: size.map(|size| size.0),
        height: size.map(|size| size.1),
        duration: made.duration,
    })
}

/// A moment of the film or the cover.
fn preview(tools: &Tools, source: &Probe, input: &Path, output: &Path) -> Result<Rendered, RenderError> {
    let Some(video) = source.video.as_ref().or(source.cover.as_ref()) else {
        return Err(RenderError::Unneeded("there is nothing to be seen in it".to_owned()));
    };
    // The first moments are often black; the likeliest of the following frames is taken.
    let begin = source.duration.filter(|_| source.video.is_some()).map(|duration| (duration / 10).min(3_000));
    let size = scale::fit(video.size, PREVIEW);
    let mut command = ffmpeg(&tools.ffmpeg, input, begin);
    let filter = format!("scale={}:{},setsar=1,thumbnail=n=24", size.0, size.1);
    command.args(["-map", &format!("0:{}", video.stream), "-vf", &filter, "-frames:v", "1"]);
    command.args(["-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj420p"]);
    command.args(["-f", "image2", "-update", "1"]).arg(url(output));
    run(&mut command, 0)?;
    let (width, height) = image::ImageReader::open(output)
        .and_then(image::ImageReader::with_guessed_format)
        .map_err(|error| error.to_string())
        .and_then(|reader| reader.into_dimensions().map_err(|error| error.to_string()))
        .map_err(|error| RenderError::Damaged(format!("no frame of it could be decoded: {error}")))?;
    Ok(Rendered { mime: "image/jpeg".to_owned(), width: Some(width), height: Some(height), duration: None })
}

/// Why a source is not rendered, if it is not.
fn does_as_it_is(profile: Profile, source: &Probe) -> Option<&'static str> {
    if !plays_everywhere(source) {
        return None;
    }
    let size = source.video.as_ref().map(|video| video.size);
    let most = if profile == Profile::Low { LOW } else { HIGH };
    if size.is_some_and(|size| within(size, most) != size) {
        return None;
    }
    let rate = if size.is_some() { LOW_RATE.0 } else { LOW_RATE.1 };
    match profile {
        Profile::Low if source.rate.is_none_or(|found| found > rate) => None,
        Profile::Low => Some("it is small enough for a slow line"),
        _ => Some("every browser plays it, and it is not larger"),
    }
}

/// Whether every browser plays it. Of films in QuickTime's and Matroska's containers those that could as well be in
/// MP4 and WebM.
fn plays_everywhere(source: &Probe) -> bool {
    const VIDEO: [&str; 4] = ["h264", "vp8", "vp9", "av1"];
    const AUDIO: [&str; 9] =
        ["aac", "mp3", "opus", "vorbis", "flac", "pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le"];
    let contained = |names: &[&str]| source.container.split(',').any(|name| names.contains(&name));
    let audio = source.audio.as_ref().is_none_or(|(_, codec)| AUDIO.contains(&codec.as_str()));
    match &source.video {
        Some(video) => {
            let is_webm = contained(&["webm"]) && video.codec != "h264";
            let plain = VIDEO.contains(&video.codec.as_str()) && video.pixels == "yuv420p";
            plain && audio && (is_webm || contained(&["mp4"]))
        }
        None => audio && contained(&["mp4", "mp3", "ogg", "wav", "flac", "aac", "webm"]),
    }
}

/// The size inside a box that lies or stands as the picture does, in even numbers, which the codecs want.
fn within(size: (u32, u32), (longer, shorter): (u32, u32)) -> (u32, u32) {
    let most = if size.0 >= size.1 { (longer, shorter) } else { (shorter, longer) };
    let fitted = scale::fit(size, most);
    if fitted == size { size } else { even(fitted) }
}

fn even((width, height): (u32, u32)) -> (u32, u32) {
    ((width & !1).max(2), (height & !1).max(2))
}

/// What every browser plays, of what an ffmpeg can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coder {
    /// H.264 and AAC in MP4. Decoded in hardware nearly everywhere, and made several times as fast as VP9.
    Mp4,
    /// VP9 and Opus in WebM, where no encoder of H.264 is to be had.
    WebM,
}

impl Coder {
    fn choose(encoders: &BTreeSet<String>, has_video: bool) -> Result<Coder, RenderError> {
        let has = |names: &[&str]| names.iter().all(|name| encoders.contains(*name));
        if has(&["libx264", "aac"]) || (!has_video && has(&["aac"])) {
            Ok(Coder::Mp4)
        } else if has(&["libvpx-vp9", "libopus"]) || (!has_video && has(&["libopus"])) {
            Ok(Coder::WebM)
        } else {
            let missing = "its ffmpeg has neither libx264 and aac nor libvpx-vp9 and libopus";
            Err(RenderError::Unavailable(missing.to_owned()))
        }
    }

    fn container(self) -> &'static str {
        match self {
            Coder::Mp4 => "mp4",
            Coder::WebM => "webm",
        }
    }

    fn mime(self, has_video: bool) -> &'static str {
        match (self, has_video) {
            (Coder::Mp4, true) => "video/mp4",
            (Coder::Mp4, false) => "audio/mp4",
            (Coder::WebM, true) => "video/webm",
            (Coder::WebM, false) => "audio/webm",
        }
    }

    fn video(self, command: &mut Command, profile: Profile, source: &Video) {
        let is_low = profile == Profile::Low;
        let (width, height) = even(within(source.size, if is_low { LOW } else { HIGH }));
        let filter = format!("scale={width}:{height},setsar=1");
        let frames = if is_low { "30" } else { "60" };
        command.args(["-vf", &filter, "-fpsmax", frames, "-pix_fmt", "yuv420p"]);
        // A steady quality, and an upper bound for what moves a lot.
        let (rate, room) = if is_low { ("900k", "1800k") } else { ("5M", "10M") };
        match self {
            Coder::Mp4 => {
                let quality = if is_low { "27" } else { "22" };
                command.args([
                    "-c:v",
                    "libx264",
                    "-preset",
                    "veryfast",
                    "-profile:v",
                    "high",
                    "-crf",
                    quality,
                ]);
                command.args(["-maxrate", rate, "-bufsize", room, "-movflags", "+faststart"]);
            }
            Coder::WebM => {
                let quality = if is_low { "36" } else { "31" };
                command.args(["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "6"]);
                command.args(["-crf", quality, "-b:v", rate]);
            }
        }
    }

    fn audio(self, command: &mut Command, profile: Profile) {
        let codec = if self == Coder::Mp4 { "aac" } else { "libopus" };
        let rate = if profile == Profile::Low { "64k" } else { "128k" };
        command.args(["-c:a", codec, "-b:a", rate, "-ac", "2", "-ar", "48000"]);
    }
}

/// An ffmpeg that reads `input` from so many milliseconds on, and takes over nothing but what is mapped.
fn ffmpeg(program: &Path, input: &Path, begin: Option<u64>) -> Command {
    let mut command = Command::new(program);
    command.args(["-nostdin", "-hide_banner", "-nostats", "-v", "error", "-threads", "1"]);
    command.args(["-filter_threads", "1"]);
    guard(&mut command);
    if let Some(begin) = begin {
        command.arg("-ss").arg(format!("{begin}ms"));
    }
    command.arg("-i").arg(url(input));
    command.args(["-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn", "-n", "-threads", "1"]);
    // Versions and times are metadata, too.
    command.args(["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]);
    command
}

/// The names of what an ffmpeg can write.
fn encoders(program: &Path) -> Result<BTreeSet<String>, RenderError> {
    let listed = run(Command::new(program).args(["-hide_banner", "-v", "error", "-encoders"]), 1 << 20)?;
    let lines = String::from_utf8_lossy(&listed);
    Ok(lines.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect())
}

/// Runs a program to its end: its standard output, at most so many bytes of it. What it complains of is read to the end,
/// so that it never waits for us, and its last words are kept for the error.
pub(super) fn run(command: &mut Command, most: u64) -> Result<Vec<u8>, RenderError> {
    let failed = |error: std::io::Error| RenderError::Failed(format!("running ffmpeg: {error}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
            RenderError::Unavailable(format!("its ffmpeg cannot be started: {error}"))
        }
        _ => failed(error),
    })?;
    let stdout = child.stdout.take().expect("it is piped");
    let mut stderr = child.stderr.take().expect("it is piped");
    let (mut said, mut complaints) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut piece = [0; 1_024];
            while let Ok(length @ 1..) = stderr.read(&mut piece) {
                complaints.extend_from_slice(&piece[..length]);
                let surplus = complaints.len().saturating_sub(COMPLAINTS);
                complaints.drain(..surplus);
            }
        });
        // What is beyond is dropped with the pipe, of which the program hears when it writes more.
        let _ = stdout.take(most + 1).read_to_end(&mut said);
    });
    let status = child.wait().map_err(failed)?;
    if said.len() as u64 > most {
        return Err(RenderError::Damaged("there is too much to say about it".to_owned()));
    }
    if status.success() { Ok(said) } else { Err(complaint(status, &complaints)) }
}

fn complaint(status: ExitStatus, complaints: &[u8]) -> RenderError {
    let words = last_words(complaints);
    match status.signal() {
        Some(signal) => RenderError::Died(format!("ffmpeg was ended by signal {signal}: {words}")),
        None if words.contains("No space left on device") || words.contains("Cannot allocate memory") => {
            RenderError::Failed(words)
        }
        None => RenderError::Damaged(words),
    }
}

/// The last line that says something, in plain characters, without the addresses of memory and the names of files that
/// stand before what is said: they are nobody's business.
pub(super) fn last_words(complaints: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaints);
    let mut line =
        text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("without a word");
    while line.starts_with('[')
        && let Some((_, rest)) = line.split_once("] ")
    {
        line = rest;
    }
    let words: Vec<&str> = line.split_whitespace().filter(|word| !word.starts_with("file:")).collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Coder, HIGH, LOW, Probe, Profile, RenderError, Video, does_as_it_is, last_words, within};

    fn source(container: &str, video: Option<(&str, (u32, u32))>, audio: &str, rate: u64) -> Probe {
        let video = video.map(|(codec, size)| Video {
            stream: 0,
            codec: codec.to_owned(),
            pixels: "yuv420p".to_owned(),
            size,
        });
        Probe {
            video,
            audio: Some((1, audio.to_owned())),
            rate: Some(rate),
            container: container.to_owned(),
            ..Probe::default()
        }
    }

    #[test]
    fn what_does_as_it_is_stays() {
        const MP4: &str = "mov,mp4,m4a,3gp,3g2,mj2";
        const WEBM: &str = "matroska,webm";
        for (low, high, source) in [
            (true, true, source(MP4, Some(("h264", (640, 360))), "aac", 500_000)),
            (false, true, source(MP4, Some(("h264", (640, 360))), "aac", 3_000_000)),
            (false, true, source(MP4, Some(("h264", (1_920, 1_080))), "aac", 3_000_000)),
            (false, true, source(MP4, Some(("h264", (1_080, 1_920))), "aac", 3_000_000)),
            (false, false, source(MP4, Some(("h264", (3_840, 2_160))), "aac", 9_000_000)),
            (false, false, source(MP4, Some(("hevc", (640, 360))), "aac", 500_000)),
            (false, false, source(MP4, Some(("h264", (640, 360))), "ac3", 500_000)),
            (true, true, source(WEBM, Some(("vp9", (640, 360))), "opus", 500_000)),
            (false, false, source(WEBM, Some(("h264", (640, 360))), "aac", 500_000)),
            (false, false, source("avi", Some(("h264", (640, 360))), "mp3", 500_000)),
            (true, true, source("ogg", None, "opus", 64_000)),
            (false, true, source("mp3", None, "mp3", 320_000)),
            (false, false, source("asf", None, "wmav2", 64_000)),
        ] {
            let stays = |profile| does_as_it_is(profile, &source).is_some();
            assert_eq!((stays(Profile::Low), stays(Profile::High)), (low, high), "{source:?}");
        }
    }

    #[test]
    fn sizes_are_even_and_within() {
        for (size, low, high) in [
            ((3_840, 2_160), (852, 480), (1_920, 1_080)),
            ((2_160, 3_840), (480, 852), (1_080, 1_920)),
            ((4_000, 10), (854, 2), (1_920, 4)),
            ((641, 361), (641, 361), (641, 361)),
        ] {
            assert_eq!((within(size, LOW), within(size, HIGH)), (low, high), "{size:?}");
        }
    }

    #[test]
    fn the_best_that_an_ffmpeg_has_is_chosen() {
        let choose = |names: &[&str], has_video| {
            Coder::choose(&names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>(), has_video)
        };
        assert_eq!(choose(&["libx264", "aac", "libvpx-vp9", "libopus"], true), Ok(Coder::Mp4));
        assert_eq!(choose(&["aac", "libvpx-vp9", "libopus"], true), Ok(Coder::WebM));
        assert_eq!(choose(&["aac", "libvpx-vp9", "libopus"], false), Ok(Coder::Mp4));
        assert_eq!(choose(&["libopus"], false), Ok(Coder::WebM));
        assert!(matches!(choose(&["aac", "libopus"], true), Err(RenderError::Unavailable(_))));
    }

    #[test]
    fn last_words_are_one_plain_line() {
        assert_eq!(last_words(b"first\n\x1b[31msecond\x07\n\n"), "[31msecond");
        let said = b"[mov @ 0x563961d3f4c0] [x @ 0x1] file:/srv/data/input: Invalid data";
        assert_eq!(last_words(said), "Invalid data");
        assert_eq!(last_words(b""), "without a word");
        assert_eq!(last_words(&[b'a'; 3_000]).len(), 200);
        assert_eq!(last_words(b"\xff\xfe").chars().count(), 2);
    }
}
