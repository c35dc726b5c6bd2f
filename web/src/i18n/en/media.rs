//! Files: attaching, showing and keeping them.

use super::{bytes, sentence};
use crate::state::{Class, Lost, PrepareError, StoreError};

pub(crate) const ATTACH: &str = "Attach files";
pub(crate) const TAKE_PICTURE: &str = "Take a picture";
pub(crate) const ATTACHED: &str = "Files of this post";
pub(crate) const DROP_HERE: &str = "or drop or paste them here";
pub(crate) const KEEP_ENCODING: &str = "Keep the original encoding";
pub(crate) const KEEP_ENCODING_ABOUT: &str = "Pictures stay as they are instead of becoming smaller. Where and with what they were taken is removed either way.";
pub(crate) const ALT: &str = "Describe it for people who cannot see it";
pub(crate) const SPOILER_FILE: &str = "Spoiler";
pub(crate) const REMOVE_FILE: &str = "Remove";
pub(crate) const CANCEL_FILE: &str = "Cancel";
pub(crate) const MOVE_UP: &str = "Move up";
pub(crate) const PREPARING: &str = "Preparing…";
pub(crate) const NOT_CLEANED: &str = "What this file says of its maker stays in it.";
pub(crate) const MADE_ANEW: &str = "Made anew: its colours need it.";
pub(crate) const WAITING_FOR_FILES: &str =
    "The files are still being prepared. Stay on this page: the post goes out when they are ready.";
pub(crate) const STOP_WAITING: &str = "Do not post yet";
pub(crate) const FILE_FAILED: &str =
    "Nothing was posted: a file could not be attached. Remove it from the list, then post again.";

pub(crate) const FOLDER: &str = "A folder cannot be attached. Choose the files in it.";

/// `name` is that of a file.
pub(crate) fn empty_file(name: &str) -> String {
    format!("“{name}” is empty, so it was not attached.")
}

/// `left_out` files were too many.
pub(crate) fn too_many_files(left_out: usize, most: usize) -> String {
    let files = if left_out == 1 { "One file was".to_owned() } else { format!("{left_out} files were") };
    format!(
        "{files} not attached: a post carries at most {most}. Remove another one first, or use a second post."
    )
}

/// What is done with one of several files.
pub(crate) fn of_file(action: &str, name: &str) -> String {
    format!("{action}: {name}")
}

pub(crate) const SHOW_PICTURE: &str = "Show picture";
pub(crate) const PLAY: &str = "Play";
pub(crate) const SHOW: &str = "Show";
pub(crate) const HIDE: &str = "Hide";
pub(crate) const DOWNLOAD: &str = "Download";
pub(crate) const FULL_VIEW: &str = "Full view";
pub(crate) const PIN: &str = "Keep";
pub(crate) const PIN_LONG: &str = "Keep this file in this browser when room is needed for others.";
pub(crate) const BLOCK: &str = "Block this file";
pub(crate) const UNDO: &str = "Undo";
pub(crate) const FILE_MORE: &str = "More for this file";
pub(crate) const BLOCKED: &str = "Blocked: this file is not shown, kept or passed on here.";
pub(crate) const STOP: &str = "Stop";
pub(crate) const TRY_AGAIN: &str = "Try again";
pub(crate) const LOOKING_HOLDERS: &str = "Looking for somebody who has it…";
pub(crate) const SPOILER_COVER: &str = "Spoiler. Show picture.";
pub(crate) const SPOILER_WORD: &str = "spoiler";
pub(crate) const EXPAND: &str = "Enlarge";
pub(crate) const SHRINK: &str = "Make smaller";
pub(crate) const NOT_SHOWN: &str = "This browser cannot show this file: it may be damaged, or of a kind it does not know. Download it instead.";
pub(crate) const NOT_PLAYED: &str = "This browser does not play this kind. Download it instead.";
pub(crate) const PROCESSING: &str =
    "Processing: as soon as a relay has made a version that this browser plays, it is here.";
pub(crate) const VERSION: &str = "Version";
pub(crate) const HELD_LONG: &str = "Connected peers that have it, or a part of it.";

pub(crate) const SHOW_ON_BOARD: &str = "Show pictures on this board";
pub(crate) const GALLERY: &str = "Gallery";
pub(crate) const CLOSE: &str = "Close";
pub(crate) const PREVIOUS_FILE: &str = "Previous file";
pub(crate) const NEXT_FILE: &str = "Next file";
pub(crate) const ZOOM: &str = "Actual size";

pub(crate) const FILES: &str = "Files";
pub(crate) const FILES_ABOUT: &str = "Files of people you do not know come when you ask for them, or by themselves on these \
    boards:";
pub(crate) const FILES_NOWHERE: &str = "Files of people you do not know come when you ask for them. On a board, “Show pictures on \
    this board” makes their small pictures come by themselves.";
pub(crate) const NO_LONGER: &str = "Not any more";
pub(crate) const FILES_KEPT: &str = "Files in this browser, small pictures and parts of files included:";
pub(crate) const NO_FILES: &str = "None yet.";
pub(crate) const UNBLOCK_ALL: &str = "Unblock all";

/// What there is of a class.
pub(crate) fn files_of(class: Class, count: u64, size: u64) -> String {
    let whose = match class {
        Class::Own => "Yours",
        Class::Pinned => "Those you keep",
        Class::Followed => "Of people you follow",
        Class::Strangers => "Of others",
    };
    let files = if count == 1 { "file" } else { "files" };
    format!("{whose}: {count} {files}, {}.", bytes(size))
}

/// How much of what the browser allows is taken, files or not.
pub(crate) fn files_allowed(taken: u64, most: u64) -> String {
    format!("All that this page keeps takes {} of {} that the browser allows.", bytes(taken), bytes(most))
}

/// `count` includes what was made of the files.
pub(crate) fn files_blocked(count: usize) -> String {
    format!("Blocked, small pictures and other versions included: {count}.")
}

/// Why a file cannot be attached.
pub(crate) fn not_prepared(error: &PrepareError) -> String {
    match error {
        PrepareError::Empty => "This file is empty. Choose another.".to_owned(),
        PrepareError::TooLarge { size, most } => {
            format!("This file has {}; a post carries files of up to {}. Make it smaller.", bytes(*size), bytes(*most))
        }
        PrepareError::TooManyPixels { width, height } => {
            format!("This picture has {width} × {height} pixels, which is too much for others to show. Make it smaller.")
        }
        PrepareError::NoPicture(_) => {
            "This browser cannot read the picture. It may be damaged, or of a rare kind: save it as JPEG, PNG or WebP."
                .to_owned()
        }
        PrepareError::Unclean(why) => {
            let why = sentence(&why.to_string());
            format!("This file is not attached, because what it may say of its maker cannot be taken out. {why} Save it anew, or as \
                     another kind.")
        }
        PrepareError::Storage(error) => not_stored(error),
        PrepareError::Blocked => "You have blocked this file, so it is not attached.".to_owned(),
        PrepareError::Cancelled => {
            "This was given up before it was ready. Remove the file and attach it again.".to_owned()
        }
    }
}

/// Why a file cannot be had.
pub(crate) fn lost(lost: &Lost) -> String {
    match lost {
        Lost::NoRoom => not_stored(&StoreError::Full),
        Lost::NoShare => {
            "This file takes more room than those of people you do not know may have here. Press “Keep” to have it all the same."
                .to_owned()
        }
        Lost::Storage(error) => not_stored(error),
        Lost::Stopped(_) => {
            "The part of the page that keeps files has stopped, most likely for lack of memory. Close other tabs and try \
             again."
                .to_owned()
        }
    }
}

/// Files that came could not be kept.
pub(crate) fn files_not_stored(error: &StoreError) -> String {
    format!("Files that come in are not kept. {}", not_stored(error))
}

fn not_stored(error: &StoreError) -> String {
    match error {
        StoreError::Full => {
            "There is no room left for files in this browser. Free some space on this device and try again."
                .to_owned()
        }
        StoreError::Missing => "A part of this file is missing here. Try again.".to_owned(),
        other => format!("{} Reload the page and try again.", sentence(&other.to_string())),
    }
}

/// Beside a button that fetches so many bytes.
pub(crate) fn size(count: u64) -> String {
    bytes(count)
}

/// How much of a file is here.
pub(crate) fn coming(here: u64, of: u64) -> String {
    format!("{} of {}", bytes(here), bytes(of))
}

pub(crate) const FILES_MEMORY_ONLY: &str =
    "Files are kept for this visit alone: this browser gives no room for them.";

/// How many connected peers hold a file, if any could be asked.
pub(crate) fn held_by(holders: Option<u32>, here: bool) -> Option<String> {
    match (holders, here) {
        (None, false) => None,
        (None | Some(0), true) => Some("held here".to_owned()),
        (Some(0), false) => Some("nobody connected has it".to_owned()),
        (Some(holders), _) => Some(format!("held by {holders}")),
    }
}

/// What a file is, in a word: the end of its type, as endings of file names have it. `name` tells it where the type does
/// not.
pub(crate) fn type_word(mime: &str, name: &str) -> String {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending).filter(|ending| ending.len() <= 5);
    let of = match mime {
        "" | "application/octet-stream" => ending.unwrap_or("file"),
        _ => mime.split_once('/').map_or(mime, |(_, of)| of),
    };
    let of = of.rsplit(['+', '.']).next().unwrap_or_default();
    let of = of.strip_prefix("x-").unwrap_or(of);
    of.to_ascii_uppercase()
}

/// How long something plays.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds.div_ceil(1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A version of a film or a sound, to choose.
pub(crate) fn version(profile: &str, size: u64) -> String {
    let name = match profile {
        "original" => "Original",
        "high" => "High",
        _ => "Low",
    };
    format!("{name} ({})", bytes(size))
}

/// Files of a post that a card does not show.
pub(crate) fn more_files(more: u8) -> String {
    format!("+{more}")
}

/// Which of the files of a thread is shown.
pub(crate) fn place_in_gallery(at: usize, of: usize) -> String {
    format!("{at} of {of}")
}
