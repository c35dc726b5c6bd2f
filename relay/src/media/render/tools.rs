//! The ffmpeg of the system, which a relay does without.

use std::env;
use std::path::{Path, PathBuf};

/// An ffmpeg and its ffprobe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// The program that decodes and encodes.
    pub ffmpeg: PathBuf,
    /// The program that says what is in a file.
    pub ffprobe: PathBuf,
}

impl Tools {
    /// What a setting names: a program on `PATH` or a path to one, with its ffprobe on `PATH` or beside it. `None` when
    /// it is `off`, or one of them is not there.
    #[must_use]
    pub fn find(setting: &str) -> Option<Tools> {
        let path = env::var_os("PATH").unwrap_or_default();
        Tools::find_in(setting, &env::split_paths(&path).collect::<Vec<_>>())
    }

    fn find_in(setting: &str, folders: &[PathBuf]) -> Option<Tools> {
        if setting == "off" || setting.is_empty() {
            return None;
        }
        let named = Path::new(setting);
        if named.components().count() > 1 {
            let ffmpeg = named.canonicalize().ok().filter(|path| path.is_file())?;
            // Not of the canonical path: a link may lead to a program of many names.
            let beside = named.with_file_name("ffprobe").canonicalize().ok();
            let ffprobe = beside.or_else(|| on(folders, "ffprobe"))?;
            return Some(Tools { ffmpeg, ffprobe });
        }
        Some(Tools { ffmpeg: on(folders, setting)?, ffprobe: on(folders, "ffprobe")? })
    }
}

/// The program of this name in the first folder that has it.
fn on(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let absolute = folders.iter().filter(|folder| folder.is_absolute());
    absolute.map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::Tools;

    #[test]
    fn both_programs_must_be_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folders = [folder.path().to_owned()];
        let find = |setting: &str| Tools::find_in(setting, &folders);
        let path = folder.path().join("ffmpeg");
        std::fs::write(&path, b"").expect("the folder is writable");
        assert_eq!(find("ffmpeg"), None, "no ffprobe");
        std::fs::write(folder.path().join("ffprobe"), b"").expect("the folder is writable");
        assert!(find("ffmpeg").is_some());
        assert_eq!(
            find(path.to_str().expect("a plain path")).map(|found| found.ffmpeg.is_file()),
            Some(true)
        );
        for setting in ["off", "", "ffmpeg7", "/nowhere/ffmpeg"] {
            assert_eq!(find(setting), None, "{setting:?}");
        }
    }
}
