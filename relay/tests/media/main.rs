//! Audio and video through the system's ffmpeg, which a machine need not have: without one these tests are skipped, with
//! the reason.

#[path = "../durability/harness.rs"]
mod harness;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use chanterelle_relay::media::render::{Profile, RenderError, Rendered, Renderer, Tools};
use harness::{Outcome, Test};
use tempfile::TempDir;

fn main() -> ExitCode {
    harness::run(&[
        Test::new("a_film_becomes_smaller_ones_that_say_nothing_of_where_it_was_made", || with(film)),
        Test::new("a_film_that_stands_stays_upright_and_a_silent_one_silent", || with(upright)),
        Test::new("audio_becomes_lighter_and_its_cover_a_preview", || with(audio)),
        Test::new("what_a_browser_plays_as_it_is_is_left_alone", || with(plain)),
        Test::new("a_playlist_does_not_have_other_files_read", || with(playlist)),
        Test::new("what_is_cut_off_or_too_large_is_refused", || with(damaged)),
    ])
}

/// An ffmpeg, and a folder.
struct Bench {
    tools: Tools,
    folder: TempDir,
}

fn with(test: fn(&Bench)) -> Outcome {
    let Some(tools) = Tools::find("ffmpeg") else {
        return Outcome::Skipped("ffmpeg is not installed here".to_owned());
    };
    test(&Bench { tools, folder: tempfile::tempdir().expect("a temporary folder") });
    Outcome::Passed
}

impl Bench {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a file of what ffmpeg can draw and sound.
    fn make(&self, name: &str, arguments: &str) -> PathBuf {
        let mut command = Command::new(&self.tools.ffmpeg);
        command.args(["-nostdin", "-v", "error"]).args(arguments.split_whitespace()).arg(self.at(name));
        let output = command.output().expect("ffmpeg starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.at(name)
    }

    fn render(&self, profile: Profile, input: &Path) -> Result<(Rendered, PathBuf), RenderError> {
        let program = env!("CARGO_BIN_EXE_chanterelle").into();
        let renderer = Renderer { program, tools: Some(self.tools.clone()), wall: None };
        let name = input.file_name().and_then(|name| name.to_str()).expect("it is plain");
        let output = self.at(&format!("{name}.{profile}"));
        let runtime = tokio::runtime::Runtime::new().expect("the system has room for a runtime");
        let result = runtime.block_on(renderer.render(profile, input, &output));
        assert_eq!(result.is_ok(), output.exists(), "an output is there if and only if it is finished");
        result.map(|rendered| (rendered, output))
    }

    /// Everything ffprobe has to say of a file.
    fn described(&self, file: &Path) -> String {
        let mut command = Command::new(&self.tools.ffprobe);
        command.args(["-v", "error", "-show_format", "-show_streams"]).arg(file);
        String::from_utf8_lossy(&command.output().expect("ffprobe starts").stdout).into_owned()
    }
}

fn contains(file: &Path, words: &str) -> bool {
    let bytes = std::fs::read(file).expect("it is there");
    bytes.windows(words.len()).any(|window| window == words.as_bytes())
}

const SAID: &str = "-metadata title=whose -metadata location=+52.52+13.40/ -metadata comment=whose";

fn film(bench: &Bench) {
    let film = bench.make(
        "film.mkv",
        &format!(
            "-f lavfi -i testsrc2=size=2560x1440:rate=25:duration=2 -f lavfi -i sine=duration=2 -c:v mpeg4 -c:a flac {SAID}"
        ),
    );
    assert!(contains(&film, "whose"));
    for (profile, size) in
        [(Profile::Preview, (640, 360)), (Profile::Low, (852, 480)), (Profile::High, (1_920, 1_080))]
    {
        let (rendered, output) = bench.render(profile, &film).expect("it is a film");
        assert_eq!((rendered.width, rendered.height), (Some(size.0), Some(size.1)), "{profile}");
        for word in ["whose", "52.52", "Lavf"] {
            assert!(!contains(&output, word), "{profile} says {word}");
        }
        let described = bench.described(&output);
        if profile == Profile::Preview {
            assert_eq!((rendered.mime.as_str(), rendered.duration), ("image/jpeg", None));
            continue;
        }
        assert!(["video/mp4", "video/webm"].contains(&rendered.mime.as_str()), "{}", rendered.mime);
        assert!(rendered.duration.is_some_and(|duration| duration.abs_diff(2_000) < 200));
        assert!(described.contains("codec_name=h264") || described.contains("codec_name=vp9"), "{described}");
        assert!(described.contains("codec_name=aac") || described.contains("codec_name=opus"), "{described}");
        assert!(described.contains("pix_fmt=yuv420p\n"), "{described}");
        // Its index stands before its pictures, so that it plays before it is whole.
        let bytes = std::fs::read(&output).expect("it is there");
        let at = |name: &[u8]| bytes.windows(4).position(|window| window == name);
        assert!(rendered.mime != "video/mp4" || at(b"moov") < at(b"mdat"));
    }
}

fn upright(bench: &Bench) {
    let film = bench.make("tall.avi", "-f lavfi -i testsrc2=size=720x1280:rate=10:duration=1 -c:v mpeg4");
    let (rendered, output) = bench.render(Profile::Low, &film).expect("it is a film");
    assert_eq!((rendered.width, rendered.height), (Some(480), Some(852)));
    assert!(!bench.described(&output).contains("codec_type=audio"));
    let (rendered, _) = bench.render(Profile::Preview, &film).expect("it is a film");
    assert_eq!((rendered.width, rendered.height), (Some(360), Some(640)));
}

fn audio(bench: &Bench) {
    let cover = bench.make("cover.png", "-f lavfi -i testsrc2=size=900x900 -frames:v 1");
    let sound = bench.make(
        "sound.flac",
        &format!(
            "-f lavfi -i sine=duration=3 -i {} -map 0 -map 1 -disposition:v attached_pic -c:v copy {SAID}",
            cover.display()
        ),
    );
    let (rendered, output) = bench.render(Profile::Low, &sound).expect("it is audio");
    assert!(["audio/mp4", "audio/webm"].contains(&rendered.mime.as_str()), "{}", rendered.mime);
    assert_eq!((rendered.width, rendered.height), (None, None));
    assert!(rendered.duration.is_some_and(|duration| duration.abs_diff(3_000) < 200));
    assert!(!contains(&output, "whose"));
    let (rendered, _) = bench.render(Profile::Preview, &sound).expect("it has a cover");
    assert_eq!(
        (rendered.mime.as_str(), rendered.width, rendered.height),
        ("image/jpeg", Some(640), Some(640))
    );
    let bare = bench.make("bare.wav", "-f lavfi -i sine=duration=1");
    assert!(matches!(bench.render(Profile::Preview, &bare), Err(RenderError::Unneeded(_))));
}

fn plain(bench: &Bench) {
    let sound = bench.make("light.mp3", "-f lavfi -i sine=duration=2 -b:a 64k");
    for profile in [Profile::Low, Profile::High] {
        assert!(matches!(bench.render(profile, &sound), Err(RenderError::Unneeded(_))), "{profile}");
    }
}

fn playlist(bench: &Bench) {
    let film = bench.make("secret.ts", "-f lavfi -i testsrc2=size=64x64:rate=10:duration=1 -c:v mpeg2video");
    let shown = film.display();
    for (name, text) in [
        ("list.m3u8", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{shown}\n#EXT-X-ENDLIST\n")),
        ("concat.txt", format!("ffconcat version 1.0\nfile {shown}\n")),
        ("text.txt", "only words\n".repeat(100)),
    ] {
        let list = bench.at(name);
        std::fs::write(&list, text).expect("the folder is writable");
        for profile in [Profile::Preview, Profile::Low] {
            let result = bench.render(profile, &list);
            let refused = matches!(result, Err(RenderError::Damaged(_) | RenderError::Unsupported(_)));
            assert!(refused, "{name}, {profile}: {result:?}");
        }
    }
}

fn damaged(bench: &Bench) {
    let film = bench.make(
        "whole.mp4",
        "-f lavfi -i testsrc2=size=64x64:rate=10:duration=1 -c:v mpeg4 -movflags +faststart",
    );
    let bytes = std::fs::read(film).expect("it is there");
    for part in [0, 100, 900] {
        let cut = bench.at(&format!("cut{part}.mp4"));
        std::fs::write(&cut, &bytes[..part]).expect("the folder is writable");
        let result = bench.render(Profile::Low, &cut);
        assert!(
            matches!(result, Err(RenderError::Damaged(_) | RenderError::Unsupported(_))),
            "{part}: {result:?}"
        );
    }
    // 49 megapixels.
    let large = bench.make("large.avi", "-f lavfi -i color=size=7000x7000:rate=1:duration=1 -c:v ffv1");
    let result = bench.render(Profile::Low, &large);
    assert!(result.is_err(), "{result:?}");
}
