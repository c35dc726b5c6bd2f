//! What stands in the table of jobs, as the rest of the relay sees it.
//!
//! Only shapes; what happens to them is in [`super`] and in `media::jobs`.

use std::fmt;
use std::str::FromStr;

use chanterelle_core::base::{BlobId, BoardId, EventId, ThreadId};
use serde::{Deserialize, Serialize};

/// What is made of a file. The names are those of the protocol's renditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A picture of at most 250 × 250 pixels; of an animation its first frame.
    Thumb,
    /// The same pixels as they are to be seen, without metadata. Only of a picture that has some and does not move.
    Clean,
    /// A picture of at most 640 × 640 pixels: a moment of a video, or the cover of audio.
    Preview,
    /// Audio, or video of at most 854 × 480 pixels, that every browser plays over a slow line.
    Low,
    /// Audio, or video of at most 1,920 × 1,080 pixels. Only where the source is larger or no browser plays it.
    High,
}

impl Profile {
    /// All there are.
    pub const ALL: [Profile; 5] =
        [Profile::Thumb, Profile::Clean, Profile::Preview, Profile::Low, Profile::High];

    /// Its name in the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Profile::Thumb => "thumb",
            Profile::Clean => "clean",
            Profile::Preview => "preview",
            Profile::Low => "low",
            Profile::High => "high",
        }
    }

    /// Whether an ffmpeg is needed.
    #[must_use]
    pub fn needs_tools(self) -> bool {
        matches!(self, Profile::Preview | Profile::Low | Profile::High)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Profile, String> {
        let found = Profile::ALL.into_iter().find(|profile| profile.name() == text);
        found.ok_or_else(|| format!("{text:?} is not a profile"))
    }
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// Its type, such as `image/jpeg`.
    #[serde(rename = "type")]
    pub mime: String,
    /// Pixels across, where there are any; always with `height`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Milliseconds, of what has a duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
}

/// A post that has a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The post.
    pub post: EventId,
    /// Its board.
    pub board: BoardId,
    /// Its thread.
    pub thread: ThreadId,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for its turn, or for another attempt.
    Queued,
    /// A process is at it.
    Running,
    /// There is a rendition.
    Done,
    /// The source does as it is.
    Unneeded,
    /// There is none, and there will be none.
    Failed,
    /// There is none as long as the relay has no ffmpeg that can make it.
    Unavailable,
}

impl JobState {
    /// All there are.
    pub const ALL: [JobState; 6] = [
        JobState::Queued,
        JobState::Running,
        JobState::Done,
        JobState::Unneeded,
        JobState::Failed,
        JobState::Unavailable,
    ];

    /// As it stands in the table and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Unneeded => "unneeded",
            JobState::Failed => "failed",
            JobState::Unavailable => "unavailable",
        }
    }
}

/// A job that somebody has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its number.
    pub number: i64,
    /// The file.
    pub source: BlobId,
    /// What is to be made of it.
    pub profile: Profile,
    /// How often it was begun, this time included.
    pub attempts: u32,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a rendition of so many bytes.
    Done(BlobId, u64, Rendered),
    /// For good, in one of the other states, because of this.
    Otherwise(JobState, String),
    /// It is tried again from then on, in milliseconds since 1970, because of this.
    Again(u64, String),
    /// As if it had not been begun, until then.
    NotBegun(u64),
}

/// A rendition of which a post has not been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The job's number.
    pub number: i64,
    /// The post that has the source.
    pub place: Place,
    /// The source.
    pub source: BlobId,
    /// What was made of it.
    pub profile: Profile,
    /// The rendition.
    pub blob: BlobId,
    /// Its bytes.
    pub size: u64,
    /// Its type, its sides and its duration.
    pub rendered: Rendered,
}

/// How it stands with one rendition of a file, as the API tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rendition {
    /// What is made of the file.
    pub profile: Profile,
    /// How the job stands.
    pub state: JobState,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last attempt gave nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the next attempt may begin, in milliseconds since 1970, when one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// The rendition, as hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its type, its sides and its duration.
    #[serde(flatten)]
    pub rendered: Option<Rendered>,
}
