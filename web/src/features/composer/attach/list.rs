//! Which files a post takes, and what it says of them. Nothing here knows the page.

use chanterelle_core::base::Limits;
use chanterelle_core::event::Attachment;

use crate::i18n as t;
use crate::state::{Made, Step};

/// A file as it is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offered {
    /// What it is called.
    pub name: String,
    /// Its size in bytes; `None` of a folder.
    pub size: Option<u64>,
}

/// What the person says of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// What it is called where it comes from.
    pub name: String,
    /// What is to be seen or heard, in words.
    pub alt: String,
    /// Not to be shown before somebody asks for it.
    pub spoiler: bool,
}

/// How the files of a post stand together.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// All are ready, as the post will carry them.
    Ready(Vec<Attachment>),
    /// One is still under way.
    Busy,
    /// One cannot be attached.
    Failed,
}

/// Which of the offered files are taken beside `held` others, by their place, and what is said about the rest.
pub(super) fn admit(held: usize, offered: &[Offered]) -> (Vec<usize>, Option<String>) {
    let most = Limits::default().blobs;
    let mut taken = Vec::new();
    let mut wrong = Vec::new();
    let mut too_many = 0;
    for (at, file) in offered.iter().enumerate() {
        match file.size {
            None => wrong.push(t::FOLDER.to_owned()),
            Some(0) => wrong.push(t::empty_file(&file.name)),
            Some(_) if held + taken.len() >= most => too_many += 1,
            Some(_) => taken.push(at),
        }
    }
    wrong.dedup();
    if too_many > 0 {
        wrong.push(t::too_many_files(too_many, most));
    }
    (taken, (!wrong.is_empty()).then(|| wrong.join(" ")))
}

/// How files stand together, each with what is said of it.
pub(super) fn standing(files: &[(Step, &Said)]) -> Standing {
    let mut ready = Vec::with_capacity(files.len());
    let mut busy = false;
    for (step, said) in files {
        match step {
            Step::Ready(attachment, ..) => ready.push(described(attachment, said)),
            Step::Busy(_) => busy = true,
            Step::Failed(_) | Step::Cancelled => return Standing::Failed,
        }
    }
    if busy { Standing::Busy } else { Standing::Ready(ready) }
}

/// What is said of a file that is ready, and not all that the person may expect. `keep` is whether its encoding was to be kept.
pub(super) fn note(made: Made, keep: bool) -> Option<&'static str> {
    if !made.is_clean {
        return Some(t::NOT_CLEANED);
    }
    (keep && !made.has_kept_encoding).then_some(t::MADE_ANEW)
}

/// The file with what the person says of it, within the limits of what a post may say.
fn described(attachment: &Attachment, said: &Said) -> Attachment {
    let limits = Limits::default();
    let mut attachment = attachment.clone();
    attachment.info.name = one_line(&said.name, limits.file_name_chars);
    let alt: String = said.alt.trim().chars().take(limits.alt_chars).collect();
    attachment.info.alt = Some(alt).filter(|alt| !alt.is_empty());
    attachment.info.spoiler = said.spoiler;
    attachment
}

/// The name in one line; what is too long loses the end of its stem and keeps its ending. Nothing of a blank one.
fn one_line(name: &str, most: usize) -> Option<String> {
    let chars: Vec<char> = name.chars().filter(|c| !c.is_control()).collect();
    let name: String = if chars.len() <= most {
        chars.iter().collect()
    } else {
        let ending = chars.iter().rposition(|&c| c == '.').map_or(0, |dot| chars.len() - dot);
        // Longer ones are no endings.
        let ending = if ending > 16 { 0 } else { ending };
        chars[..most - ending].iter().chain(&chars[chars.len() - ending..]).collect()
    };
    (!name.trim().is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::BlobId;
    use chanterelle_core::event::{BlobRef, FileInfo};

    use super::*;
    use crate::state::PrepareError;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn offered(name: &str, size: u64) -> Offered {
        Offered { name: name.to_owned(), size: Some(size) }
    }

    fn ready() -> Step {
        let info = FileInfo { width: Some(2), height: Some(1), ..FileInfo::new("image/png") };
        let blob = BlobRef { id: BlobId([7; 32]), size: 9 };
        let made = Made { is_clean: true, has_kept_encoding: true };
        Step::Ready(Box::new(Attachment { blob, thumb: None, info }), None, made)
    }

    fn said(name: &str, alt: &str) -> Said {
        Said { name: name.to_owned(), alt: alt.to_owned(), spoiler: false }
    }

    #[test]
    fn takes_what_there_is_room_for_and_says_what_is_left_out() {
        let files: Vec<Offered> = (0..3).map(|n| offered(&format!("{n}.png"), 1)).collect();
        assert_eq!(admit(5, &files), (vec![0, 1, 2], None));
        let (taken, why) = admit(6, &files);
        assert_eq!(taken, [0, 1]);
        assert_eq!(why, Some(t::too_many_files(1, 8)));
        assert_eq!(admit(8, &files).0, Vec::<usize>::new());
    }

    #[test]
    fn an_empty_file_and_a_folder_take_no_place() {
        let folder = Offered { name: "holiday".to_owned(), size: None };
        let (taken, why) = admit(7, &[offered("empty", 0), folder.clone(), folder, offered("full", 1)]);
        assert_eq!(taken, [3]);
        assert_eq!(why, Some(format!("{} {}", t::empty_file("empty"), t::FOLDER)));
    }

    #[test]
    fn a_post_waits_for_what_is_under_way_and_not_for_what_failed() {
        let plain = said("a", "");
        assert_eq!(standing(&[]), Standing::Ready(Vec::new()));
        assert_eq!(standing(&[(ready(), &plain), (Step::Busy(Some(9)), &plain)]), Standing::Busy);
        let failed = Step::Failed(PrepareError::Empty);
        assert_eq!(standing(&[(Step::Busy(None), &plain), (failed, &plain)]), Standing::Failed);
    }

    #[test]
    fn what_the_person_says_of_a_file_goes_with_it() {
        let files = [
            (ready(), &Said { name: "a\n.png".to_owned(), alt: " a mill ".to_owned(), spoiler: true }),
            (ready(), &said(" ", "  ")),
        ];
        let Standing::Ready(files) = standing(&files) else { panic!("all are ready") };
        assert_eq!(files[0].info.name.as_deref(), Some("a.png"));
        assert_eq!(files[0].info.alt.as_deref(), Some("a mill"));
        assert!(files[0].info.spoiler);
        assert_eq!((&files[1].info.name, &files[1].info.alt), (&None, &None));
    }

    #[test]
    fn says_of_a_file_what_was_not_done_to_it() {
        let made = |is_clean, has_kept_encoding| Made { is_clean, has_kept_encoding };
        assert_eq!(note(made(false, true), false), Some(t::NOT_CLEANED));
        assert_eq!(note(made(true, false), true), Some(t::MADE_ANEW));
        assert_eq!((note(made(true, false), false), note(made(true, true), true)), (None, None));
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let long = format!("{}.tar.gz", "ä".repeat(200));
        let cut = one_line(&long, 120).expect("it is not blank");
        assert_eq!(cut.chars().count(), 120);
        assert!(cut.ends_with("ä.gz"));
        let all_ending = format!("a.{}", "b".repeat(200));
        assert_eq!(one_line(&all_ending, 120).map(|name| name.len()), Some(120));
    }
}
