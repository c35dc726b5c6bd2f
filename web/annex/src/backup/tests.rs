//! Backups against themselves, and against files that the command `age` made.

use data_encoding::{BASE64, BASE64_MIME};
use zeroize::Zeroizing;

use super::{FileKey, header, open, payload, random, seal, seal_with, wrapping_key};
use crate::question::{BackupError, MAX_CONTENT, MAX_FILE, MAX_WORK, SecretBytes};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Little work, so that many files can be tried.
const EASY: u8 = 4;

const PASSPHRASE: &str = "correct horse \u{e9}";

const CONTENT: &[u8] = b"chanterelle backup, made elsewhere\n";

/// Made by age 1.1.1 (in Go): `age -p`, with [`PASSPHRASE`].
const FOREIGN: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBGd1lkWWVJZVZSd2RFdDFyZlhPemRBIDE4CittWnVRUGNXRFE\
    ya3hRU2E4YW0rSGhGWm1VUFZyaUZZSmFIaVVsVzlMV28KLS0tIG1vS0hpdkhYeno0QWhjRm5xNkpzYUx0ajR2RnEvalJSbHNHUGQ2NFdmK2cKH11\
    eohfvUPQjzgYVnEU6XI037mMKCOMeBmnnsxV0nZQF7vHykNmsHJvnQ454fswPC39mPmYsZMP8GHTW0xvYP2od9g==";

/// Made by the same: `age -p -a`.
const FOREIGN_ARMORED: &str = "-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBKWUpxR2F1YWI2YXgvSzVt
M09yTktBIDE4ClkydWR2NlorNDFaYkRFVWFtUmkvQ3drWHZNbEpialJUcXE0MU51
QjNCZjQKLS0tIHlCeWhNMkZKUjNDNkRRYk9VblVzQXBoaXYxUTlzMi9TVjNEdzF0
ZlBtZjQKnsc1m+jZ7twG48R9hoqVLa4wsMPqQlndzrS0BS7vwPjriAjtot2QSXo7
2sj8qnuE6TxLvEfYL444GVUgGigKakxypA==
-----END AGE ENCRYPTED FILE-----
";

/// Made by the same: `age -r`, for a key.
const FOR_A_KEY: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSA3K1g1UHBXd2pmOUYrbnpmdjdhaTBuSXplaW5tS1ZnOUFBa\
    XZ5VUNuWVFvCkV1R0M3TktVNmltaytzaitWblc3Ti9FYTZYSzhTUFhmZy9HMFdtUkhsa0EKLS0tIGphcy9xSHlMb3dwVGFYaWwzcjJ3TnVBblNv\
    aXl3eXJLNjdnRmc0U0FNZlkKy4pBj9AfKkbiUkvcZEasfrMlBbrHTFBIITVH0DLBUE+9MZPthphTNZUAjkN2dymVYJQRnRtGcEfgnuYhBi0c9Oc\
    rOA==";

fn decoded(text: &str) -> Vec<u8> {
    BASE64.decode(text.as_bytes()).expect("the test's files are base64")
}

fn easy(content: &[u8]) -> Vec<u8> {
    seal_with(content, PASSPHRASE, EASY).expect("the passphrase is one")
}

/// A file whose text has been changed.
fn rewritten(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = file.windows(from.len()).position(|part| part == from.as_bytes()).expect("the text is there");
    [&file[..at], to.as_bytes(), &file[at + from.len()..]].concat()
}

#[test]
fn files_of_the_command_age_are_opened() {
    assert_eq!(open(&decoded(FOREIGN), PASSPHRASE), Ok(SecretBytes(CONTENT.to_vec())));
    let mailed = format!("\r\n{} \r\n", FOREIGN_ARMORED.replace('\n', "\r\n"));
    assert_eq!(open(mailed.as_bytes(), PASSPHRASE), Ok(SecretBytes(CONTENT.to_vec())));
}

#[test]
fn what_is_sealed_is_opened() {
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, MAX_CONTENT] {
        let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let file = easy(&content);
        assert_eq!(open(&file, PASSPHRASE), Ok(SecretBytes(content)), "{length} bytes");
    }
}

#[test]
fn a_new_backup_asks_for_the_work_it_should() {
    let file = seal(b"root", PASSPHRASE).expect("the passphrase is one");
    let text = String::from_utf8_lossy(&file);
    let second = text.lines().nth(1).expect("a header has lines");
    assert!(text.starts_with("age-encryption.org/v1\n-> scrypt ") && second.ends_with(" 17"), "{text}");
    assert_eq!(open(&file, PASSPHRASE), Ok(SecretBytes(b"root".to_vec())));
}

#[test]
fn two_files_have_nothing_in_common() {
    let [one, other] = [easy(b"same"), easy(b"same")];
    let line = |file: &[u8], n| String::from_utf8_lossy(file).lines().nth(n).map(str::to_owned);
    for n in 1..=3 {
        assert_ne!(line(&one, n), line(&other, n));
    }
    assert_ne!(one[one.len() - 20..], other[other.len() - 20..]);
}

#[test]
fn the_passphrase_is_the_same_on_every_keyboard() {
    let file = easy(b"root");
    assert!(open(&file, "correct horse e\u{301}").is_ok());
    assert_eq!(open(&file, "correct horse e"), Err(BackupError::WrongPassphrase));
    assert_eq!(open(&file, "Correct horse \u{e9}"), Err(BackupError::WrongPassphrase));
    assert_eq!(open(&file, " correct horse \u{e9}"), Err(BackupError::WrongPassphrase));
}

#[test]
fn a_passphrase_that_other_software_took_as_typed_is_taken_so_too() {
    let typed = "correct horse e\u{301}";
    let [file_key, salt] = [random(), random()].map(|bytes| bytes.expect("there is entropy"));
    let file_key: FileKey = Zeroizing::new(file_key);
    let wrapping = wrapping_key(typed, &salt, EASY).expect("there is memory");
    let mut file = header::write(&file_key, &wrapping, salt, EASY);
    payload::seal(b"root", &file_key, [7; 16], &mut file);
    assert_eq!(open(&file, typed), Ok(SecretBytes(b"root".to_vec())));
    assert_eq!(open(&file, PASSPHRASE), Err(BackupError::WrongPassphrase));
}

#[test]
fn nothing_is_no_passphrase() {
    assert_eq!(seal(b"root", ""), Err(BackupError::EmptyPassphrase));
    assert_eq!(open(&easy(b"root"), ""), Err(BackupError::EmptyPassphrase));
}

#[test]
fn what_is_no_backup_is_told_from_what_is_damaged() {
    for none in [&b""[..], b"\n", b"PK\x03\x04", b"age-encryption.org/v2\n-> scrypt x 4\n", b"\xff\xfe"] {
        assert_eq!(open(none, PASSPHRASE), Err(BackupError::NotBackup), "{none:?}");
    }
    let file = easy(b"root");
    assert_eq!(open(&file[1..], PASSPHRASE), Err(BackupError::NotBackup));
    for (from, to) in [
        ("-> scrypt", "-> scrypt extra"),
        ("-> scrypt", "-> scrypt "),
        (" 4\n", " 04\n"),
        (" 4\n", " +4\n"),
        (" 4\n", " 0\n"),
        (" 4\n", " 4 \n"),
        (" 4\n", "\n"),
        (" 4\n", " 4\r\n"),
        ("\n--- ", "\n-> scrypt\n--- "),
        ("\n--- ", "\n---"),
        ("\n--- ", "\n--- A"),
        ("-> ", "=> "),
    ] {
        assert_eq!(open(&rewritten(&file, from, to), PASSPHRASE), Err(BackupError::Damaged), "{from} {to}");
    }
    let armored = FOREIGN_ARMORED.trim_end();
    for cut in [&armored[..armored.len() - 1], &armored[..200], &armored.replacen("M09y", "!09y", 1)] {
        assert_eq!(open(cut.as_bytes(), PASSPHRASE), Err(BackupError::Damaged), "{cut}");
    }
}

#[test]
fn no_byte_can_be_changed_and_none_left_out() {
    let content = vec![9; 70_000];
    let file = easy(&content);
    let header = file.len() - payload::sealed_len(content.len());
    // All of the header and the nonce, and a place in every chunk and every tag.
    let places = (0..header + 16).chain([header + 17, header + 65_560, header + 65_600, file.len() - 1]);
    for at in places {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(open(&changed, PASSPHRASE).is_err(), "byte {at}");
    }
    let chunk = header + 16 + 65_536 + 16;
    for cut in [file.len() - 1, chunk + 1, chunk, chunk - 1, header + 17, header + 16, header + 15, header] {
        assert_eq!(open(&file[..cut], PASSPHRASE), Err(BackupError::Damaged), "cut to {cut}");
    }
    for more in [&b"x"[..], &file[chunk..]] {
        assert_eq!(open(&[&file, more].concat(), PASSPHRASE), Err(BackupError::Damaged));
    }
}

#[test]
fn a_wrong_passphrase_is_told_from_a_file_that_was_changed() {
    let file = easy(b"root");
    assert_eq!(open(&file, "another"), Err(BackupError::WrongPassphrase));
    let mut changed = file.clone();
    *changed.last_mut().expect("a file has bytes") ^= 1;
    assert_eq!(open(&changed, PASSPHRASE), Err(BackupError::Damaged));
}

#[test]
fn a_file_for_keys_is_told_from_one_for_a_passphrase() {
    assert_eq!(open(&decoded(FOR_A_KEY), PASSPHRASE), Err(BackupError::ForKeys));
}

#[test]
fn a_file_that_asks_for_too_much_work_is_refused_before_any() {
    let file = easy(b"root");
    for (asked, told) in [("21", 21), ("63", 63), ("255", 255), ("256", 255), ("99999999999999999999", 255)] {
        let file = rewritten(&file, " 4\n", &format!(" {asked}\n"));
        assert_eq!(open(&file, PASSPHRASE), Err(BackupError::TooHard(told)));
    }
    assert!(u32::from(MAX_WORK) + 10 < usize::BITS, "2^{MAX_WORK} KiB is a size");
}

#[test]
fn sizes_are_bounded() {
    assert_eq!(seal(&vec![0; MAX_CONTENT + 1], PASSPHRASE), Err(BackupError::TooLarge(MAX_CONTENT)));
    let mut file = easy(&vec![0; MAX_CONTENT]);
    let armored = format!(
        "-----BEGIN AGE ENCRYPTED FILE-----\n{}-----END AGE ENCRYPTED FILE-----",
        BASE64_MIME.encode(&file)
    );
    assert!(armored.len() <= MAX_FILE);
    assert!(open(armored.as_bytes(), PASSPHRASE).is_ok());
    file.extend([0; 100]);
    assert_eq!(open(&file, PASSPHRASE), Err(BackupError::TooLarge(MAX_CONTENT)));
    assert_eq!(open(&vec![0; MAX_FILE + 1], PASSPHRASE), Err(BackupError::TooLarge(MAX_CONTENT)));
}
