//! Makes one file into a smaller one, in a process of its own.
//!
//! The relay starts itself once more as `chanterelle render …` ([`Renderer`]); that process bounds itself, reads the
//! input, writes the output, and says in one JSON object on standard output what became of it ([`Report`]). Pictures
//! are decoded here ([`picture`]); audio and video are left to an ffmpeg of the system ([`Tools`]), which runs under the
//! same bounds. What a stranger's file can do is then end a process that has nothing. Knows no blobs, no events and no
//! queue: those are in [`super::jobs`].

mod bounds;
mod child;
mod encode;
mod ffmpeg;
mod jpeg;
mod metadata;
pub mod picture;
mod probe;
mod process;
pub mod scale;
mod tools;

use serde::{Deserialize, Serialize};

pub use bounds::Bounds;
pub use child::{Arguments, main};
pub use process::Renderer;
pub use tools::Tools;

pub use crate::storage::{Profile, Rendered};

/// Why nothing was made. Whoever shows it shows the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", content = "detail", rename_all = "snake_case")]
pub enum RenderError {
    /// Nothing that is decoded here, whatever it is said to be.
    #[error("the file is of no kind that is rendered: {0}")]
    Unsupported(String),
    /// It begins as it should and does not go on so.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// More than is decoded for anybody.
    #[error("the file is too large to be decoded: {0}")]
    TooLarge(String),
    /// The source does as it is, so nothing is made.
    #[error("the source needs no such rendition: {0}")]
    Unneeded(String),
    /// There is no ffmpeg, or one that cannot do this.
    #[error("this relay renders no audio and video: {0}")]
    Unavailable(String),
    /// The process was ended because it took too long.
    #[error("rendering took longer than {0} seconds and was ended")]
    TooLong(u64),
    /// The process ended without a word: it was out of memory, of processor time or of room, or it crashed.
    #[error("the process that rendered died: {0}")]
    Died(String),
    /// The relay's own side: a process that cannot be started, a file that cannot be written.
    #[error("rendering failed: {0}")]
    Failed(String),
}

impl RenderError {
    /// Whether another attempt could end otherwise: a file does not get better, a machine does.
    #[must_use]
    pub fn is_worth_another_try(&self) -> bool {
        matches!(self, RenderError::TooLong(_) | RenderError::Died(_) | RenderError::Failed(_))
    }
}

/// What the process says on standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The output is written.
    Rendered(Rendered),
    /// There is none.
    Error(RenderError),
}

#[cfg(test)]
mod tests {
    use super::{Profile, RenderError, Rendered, Report};

    #[test]
    fn a_profile_is_read_by_the_name_it_is_shown_by() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
            let json = serde_json::to_string(&profile).expect("a name is JSON");
            assert_eq!(json, format!("\"{profile}\""));
        }
        assert!("Thumb".parse::<Profile>().is_err());
    }

    #[test]
    fn a_report_is_one_line_that_can_be_read_again() {
        let rendered =
            Rendered { mime: "image/png".to_owned(), width: Some(3), height: Some(2), duration: None };
        for (report, text) in [
            (Report::Rendered(rendered), r#"{"rendered":{"type":"image/png","width":3,"height":2}}"#),
            (
                Report::Error(RenderError::TooLarge("50 megapixels".to_owned())),
                r#"{"error":{"code":"too_large","detail":"50 megapixels"}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&report).expect("a report is JSON"), text);
            assert_eq!(serde_json::from_str::<Report>(text).expect("it is read again"), report);
        }
    }
}
