//! The kinds of event and the roles of their references.

use core::fmt;

use serde::{Deserialize, Serialize};

/// What an event is. Unknown kinds are kept and forwarded, never interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(pub u16);

impl Kind {
    /// An opening post.
    pub const THREAD: Kind = Kind(1);
    /// A reply.
    pub const POST: Kind = Kind(2);
    /// New text for a post of the same author.
    pub const EDIT: Kind = Kind(3);
    /// A tombstone for a post of the same author.
    pub const DELETE: Kind = Kind(4);
    /// The public face of an identity. Replaceable: the highest (seq, time, id) wins.
    pub const PROFILE: Kind = Kind(5);
    /// That an identity follows another, or no longer does. Replaceable, for each that is followed by itself.
    pub const FOLLOW: Kind = Kind(6);
    /// What somebody, mostly a relay, has made of a file of a post.
    pub const RENDITION: Kind = Kind(7);

    /// Whether this version knows the kind.
    #[must_use]
    pub fn is_known(self) -> bool {
        (1..=7).contains(&self.0)
    }

    /// Whether the kind is said by an identity of itself, outside all boards, and replaces what it said before.
    #[must_use]
    pub fn is_fact(self) -> bool {
        matches!(self, Kind::PROFILE | Kind::FOLLOW)
    }

    /// Whether the kind shows as an article of a thread.
    #[must_use]
    pub fn is_post(self) -> bool {
        matches!(self, Kind::THREAD | Kind::POST)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Kind::THREAD => f.write_str("thread"),
            Kind::POST => f.write_str("post"),
            Kind::EDIT => f.write_str("edit"),
            Kind::DELETE => f.write_str("delete"),
            Kind::PROFILE => f.write_str("profile"),
            Kind::FOLLOW => f.write_str("follow"),
            Kind::RENDITION => f.write_str("rendition"),
            Kind(other) => write!(f, "kind {other}"),
        }
    }
}

/// Roles a reference can have. Others are kept and ignored.
pub mod rel {
    /// Answers a post of the same thread.
    pub const ANSWERS: &str = "answers";
    /// Quotes a post of another thread.
    pub const QUOTES: &str = "quotes";
    /// Replaces the text of a post.
    pub const EDITS: &str = "edits";
    /// Withdraws a post.
    pub const DELETES: &str = "deletes";
    /// Is made of a file of a post.
    pub const RENDERS: &str = "renders";
}
