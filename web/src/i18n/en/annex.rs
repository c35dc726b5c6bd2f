//! What the annex has to say: recovery words, backups, passphrases, QR codes.

use chanterelle_annex::question::{
    BackupError, DrawError, MAX_CONTENT, ScanError, StretchError, WORDS, WordsError,
};

use crate::annex::AnnexError;

pub(crate) const DRAWING: &str = "Drawing the QR code…";
pub(crate) const SCAN_CAMERA: &str = "Scan with the camera";
pub(crate) const SCAN_PICTURE: &str = "Scan a picture";
pub(crate) const SCAN_STOP: &str = "Stop the camera";
pub(crate) const SCAN_VIEW: &str = "What the camera sees";
pub(crate) const SCAN_ASKING: &str = "Waiting for the camera; the browser may ask you to allow it…";
pub(crate) const SCAN_AIM: &str =
    "Hold the QR code in front of the camera, so that all of it is in the picture.";
pub(crate) const SCAN_CLOSER: &str = "There is a code, but it cannot be read yet. Hold it still, closer, and without \
    reflections.";
pub(crate) const SCANNING: &str = "Looking for a QR code in the picture…";
pub(crate) const CAMERA_REFUSED: &str = "The browser may not use the camera. Allow it for this page in the browser's \
    settings and try again, or scan a picture of the code.";
pub(crate) const CAMERA_ABSENT: &str =
    "No camera was found. Scan a picture of the code instead, or open its link.";
pub(crate) const CAMERA_BUSY: &str = "The camera does not start; another program may be using it. Close that and try again, or scan a picture of the \
     code.";
pub(crate) const NO_CANVAS: &str = "This browser lets the page look at no pictures, so no code can be scanned. Ask for the code as a link \
     or a text instead, or use another browser.";
pub(crate) const PICTURE_UNREADABLE: &str =
    "This file is no picture that the browser can show. Choose a photo or a screenshot of the code.";

/// Why the annex has not done it. `refused` has the words for what it cannot do.
pub(crate) fn annex_failed<E>(error: &AnnexError<E>, refused: impl FnOnce(&E) -> String) -> String {
    match error {
        AnnexError::NotLoaded => {
            "This takes a part of the page that is not kept here yet, and it could not be fetched. \
            Look whether you are connected, reload the page and try again."
                .to_owned()
        }
        AnnexError::Stopped(why) => {
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            format!(
                "The part of the page that does this has stopped, most likely for lack of memory. Close other tabs and \
                 try again.{why}"
            )
        }
        AnnexError::Refused(error) => refused(error),
    }
}

/// What is wrong with recovery words.
pub(crate) fn words_refused(error: &WordsError) -> String {
    match error {
        WordsError::Count(0) => format!("Type the {WORDS} words of your recovery phrase."),
        WordsError::Count(count) => format!(
            "A recovery phrase has {WORDS} words, and here {} {count}. Look whether one is missing or stands there \
             twice.",
            if *count == 1 { "is" } else { "are" }
        ),
        WordsError::Unknown { place, word, nearest: Some(nearest) } => {
            format!("Word {place}, “{word}”, is in no recovery phrase. Did you mean “{nearest}”?")
        }
        WordsError::Unknown { place, word, nearest: None } => format!(
            "Word {place}, “{word}”, is in no recovery phrase. Compare it with what you have written down."
        ),
        WordsError::Checksum => format!(
            "Each of the {WORDS} words could be in a recovery phrase, but they do not belong together: one is not the \
             right one, or some have changed places. Compare them with what you have written down."
        ),
    }
}

/// What is wrong with a backup.
pub(crate) fn backup_refused(error: &BackupError) -> String {
    match error {
        BackupError::EmptyPassphrase => EMPTY_PASSPHRASE.to_owned(),
        BackupError::TooLarge(_) => {
            format!("This is too large for a backup, which has at most {} MiB.", MAX_CONTENT >> 20)
        }
        BackupError::NoEntropy(why) => {
            format!("The browser gives no random numbers to encrypt with ({why}). Try another browser.")
        }
        BackupError::NotBackup => {
            "This file is no backup. Choose one that was saved as a backup; its name most likely ends in .age.".to_owned()
        }
        BackupError::Damaged => {
            "This backup is damaged: a part of it is missing or was changed. Try another copy of it.".to_owned()
        }
        BackupError::ForKeys => {
            "This file was encrypted for the holders of certain keys; a backup is opened by a passphrase. Choose another \
             file."
                .to_owned()
        }
        BackupError::TooHard(_) => {
            "Opening this file takes more memory than a browser has. Open it with the command “age” on a computer."
                .to_owned()
        }
        BackupError::WrongPassphrase => {
            "This passphrase does not open the backup. Capital letters and spaces count. If you are sure of it, the file \
             is damaged; then try another copy."
                .to_owned()
        }
        BackupError::NoMemory => NO_MEMORY.to_owned(),
    }
}

/// Why a passphrase gives no key.
pub(crate) fn stretch_refused(error: &StretchError) -> String {
    match error {
        StretchError::EmptyPassphrase => EMPTY_PASSPHRASE.to_owned(),
        StretchError::Cost(_) => {
            "What is stored here about your passphrase is damaged. Restore your identity from its backup or its recovery \
             phrase."
                .to_owned()
        }
        StretchError::NoMemory => NO_MEMORY.to_owned(),
    }
}

/// Why there is no QR code.
pub(crate) fn draw_refused(error: &DrawError) -> String {
    match error {
        DrawError::TooLong => "This is too long for a QR code. Copy it as a text instead.".to_owned(),
    }
}

/// Why nothing was read in a picture.
pub(crate) fn scan_refused(error: &ScanError) -> String {
    match error {
        ScanError::NoPicture => PICTURE_UNREADABLE.to_owned(),
        ScanError::NoCode => {
            "No QR code was found in this picture. Choose one that shows all of the code, with some white around it."
                .to_owned()
        }
        ScanError::Unreadable => {
            "The QR code in this picture cannot be read: it is too small, blurred or covered. Take a sharper one from \
             closer by."
                .to_owned()
        }
    }
}

const EMPTY_PASSPHRASE: &str = "Type a passphrase first.";
const NO_MEMORY: &str =
    "There is not enough free memory for this. Close other tabs and programs and try again.";
