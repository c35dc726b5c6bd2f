//! The identity: its backup, restoring one, the passphrase lock.

use crate::link::SecretError;

pub(crate) const BACKUP: &str = "Your identity";
pub(crate) const BACKUP_ABOUT: &str = "Who you are here is a secret that only this browser holds. If its data is cleared or \
    the device is lost, only a backup brings it back. One of these two is enough.";

pub(crate) const PHRASE_TITLE: &str = "Recovery phrase";
pub(crate) const PHRASE_ABOUT: &str = "24 words, to be written down on paper. Whoever has them is you; nobody who helps you \
    will ever ask for them.";
pub(crate) const SHOW_PHRASE: &str = "Show recovery phrase";
pub(crate) const PHRASE: &str = "Recovery phrase";
pub(crate) const PHRASE_HINT: &str = "Type the 24 words of an identity from elsewhere, to have it here";
pub(crate) const RESTORE: &str = "Restore";
pub(crate) const RESTORE_ABOUT: &str =
    "puts the identity of these words in the place of the one here, which is kept";
pub(crate) const MAKING_WORDS: &str = "Making the words…";
pub(crate) const READING_WORDS: &str = "Checking the words…";
pub(crate) const WORDS_SHOWN: &str =
    "Write these words down in this order, and keep them where only you find them.";
pub(crate) const WORDS_EMPTY: &str = "Type the 24 words first.";
pub(crate) const RESTORED: &str = "Restored: from now on you are this identity here.";

pub(crate) const FILE_TITLE: &str = "Backup file";
pub(crate) const FILE_ABOUT: &str = "A file with your identity, your friends and your boards, sealed with a passphrase. The \
    program age opens it, too.";
pub(crate) const FILE_PASSPHRASE: &str = "Passphrase for the file";
pub(crate) const SAVE_FILE: &str = "Save backup file";
pub(crate) const SEALING: &str = "Sealing the file…";
pub(crate) const FILE_SAVED: &str =
    "The file is among your downloads. Without its passphrase nobody can open it, you neither.";
pub(crate) const FILE_NOT_SAVED: &str =
    "The browser did not let the file be saved. Use the recovery phrase instead.";
pub(crate) const FILE: &str = "A backup file from elsewhere";
pub(crate) const FILE_PASSPHRASE_OF: &str = "Its passphrase";
pub(crate) const RESTORE_FILE: &str = "Restore from file";
pub(crate) const OPENING_FILE: &str = "Opening the file…";
pub(crate) const FILE_NONE: &str = "Choose the backup file first.";
pub(crate) const FILE_UNREADABLE: &str = "The browser cannot read this file. Choose another copy of it.";
pub(crate) const FILE_TOO_LARGE: &str =
    "This file is too large for a backup. Choose one that was saved as a backup.";
pub(crate) const FILE_FOREIGN: &str = "The passphrase opens this file, but what is in it is no identity of Chanterelle. \
    Nothing was changed.";
pub(crate) const FILE_NEWER: &str = "This backup was made by a newer version of the page. Reload the page and try again; nothing was changed.";

pub(crate) const LOCK_TITLE: &str = "Passphrase";
pub(crate) const LOCK_ABOUT: &str = "With a passphrase, whoever opens this browser has to know it before they can be you. It \
    is asked for when the page is opened and no other tab has it open. If you forget it, only a backup helps.";
pub(crate) const CURRENT_PASSPHRASE: &str = "Your passphrase of now";
pub(crate) const NEW_PASSPHRASE: &str = "New passphrase";
pub(crate) const NEW_PASSPHRASE_AGAIN: &str = "The same again";
pub(crate) const PASSPHRASE_EMPTY: &str = "Type a passphrase first.";
pub(crate) const PASSPHRASES_DIFFER: &str =
    "The two are not the same. Type the passphrase again in both fields.";
pub(crate) const SET_LOCK: &str = "Set passphrase";
pub(crate) const CHANGE_LOCK: &str = "Change passphrase";
pub(crate) const TAKE_OFF_LOCK: &str = "Remove passphrase";
pub(crate) const LOCKING: &str = "Sealing your identity anew…";
pub(crate) const LOCKED: &str = "From the next start on, the passphrase is asked for.";
pub(crate) const LOCK_TAKEN_OFF: &str = "No passphrase is asked for any more.";
pub(crate) const IS_LOCKED: &str = "Your identity is locked. Type your passphrase to go on.";
pub(crate) const PASSPHRASE: &str = "Passphrase";
pub(crate) const UNLOCK: &str = "Unlock";
pub(crate) const UNLOCKING: &str = "Opening…";

pub(crate) const PREVIOUS_TITLE: &str = "The identity from before";
pub(crate) const PREVIOUS_ABOUT: &str = "Another identity was here before you restored this one. It is kept in this \
    browser.";
pub(crate) const SWAP: &str = "Go back to it";
pub(crate) const SWAPPING: &str = "Going back…";
pub(crate) const SWAPPED: &str = "Done. The other one is kept in turn.";

pub(crate) const BACKUP_OFFER: &str = "What you have just written is tied to an identity that only this browser holds. A \
    backup takes a minute: 24 words, or a file.";
pub(crate) const BACKUP_NOW: &str = "Make a backup";
pub(crate) const BACKUP_LATER: &str = "Not now";

/// Why the secret was not given out or changed.
pub(crate) fn secret(error: &SecretError) -> String {
    match error {
        SecretError::WrongKey => {
            "This is not your passphrase. Capital letters and spaces count; try again.".to_owned()
        }
        SecretError::NoPrevious => "There is no identity from before any more.".to_owned(),
        SecretError::Storage(error) => {
            format!("{} Nothing was changed.", super::sentence(&error.to_string()))
        }
        SecretError::Unanswered => "No answer came. Reload the page and look whether it was done.".to_owned(),
    }
}
