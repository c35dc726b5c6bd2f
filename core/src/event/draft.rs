//! From what a person wrote to an event: checked at the composer's door, signed with the right key.
//!
//! The texts are checked by the same rules `admit` uses; an own event passes `admit` all the same.

use serde::{Deserialize, Serialize};

use super::body::{Body, DeleteBody, EditBody, FollowBody, PostBody, ProfileBody, ThreadBody};
use super::fields::{BlobRef, Fields, Ref};
use super::file::{Attachment, RenditionBody, check_files, check_rendition};
use super::signed::Event;
use crate::base::{AuthorId, BoardId, BoardName, EventId, Limits, Seconds, ThreadId};
use crate::crypto::{SecretKey, no_board};

/// Whose name a post carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Persona {
    /// A key of this thread alone, which nobody can link to another thread's.
    #[default]
    Pseudonym,
    /// The identity key, the same everywhere.
    Identity,
}

/// What a person wants to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Whose name it carries. Edits and deletions always carry the name of their target.
    pub persona: Persona,
    /// What it says.
    pub content: Content,
}

/// The content of a draft, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Opens a thread on an open board.
    Thread {
        /// The board.
        board: BoardName,
        /// A title, or none.
        subject: Option<String>,
        /// What it says.
        comment: String,
        /// The files it carries, in their order.
        files: Vec<Attachment>,
    },
    /// Replies to a thread.
    Post {
        /// The board of the thread.
        board: BoardId,
        /// The thread.
        thread: ThreadId,
        /// What it says.
        comment: String,
        /// Asks not to bump.
        sage: bool,
        /// The posts that the quotes in the comment mean, as far as the composer knows; quotes typed by hand are
        /// looked up in the thread.
        quotes: Vec<EventId>,
        /// The files it carries, in their order.
        files: Vec<Attachment>,
    },
    /// Replaces the text of an own post.
    Edit {
        /// The post.
        target: EventId,
        /// What it says now.
        comment: String,
        /// The title now, if the post opens a thread.
        subject: Option<String>,
    },
    /// Withdraws an own post.
    Delete {
        /// The post.
        target: EventId,
    },
    /// Says who the identity is. Always signed by the identity.
    Profile {
        /// A name.
        name: String,
        /// A few words.
        about: Option<String>,
    },
    /// Says that the identity follows another, or no longer does. Always signed by the identity.
    Follow {
        /// Who.
        who: AuthorId,
        /// No longer.
        ended: bool,
    },
    /// Says what was made of a file of a post. Always signed by the identity.
    Rendition {
        /// The board of the post.
        board: BoardId,
        /// Its thread.
        thread: ThreadId,
        /// The post.
        post: EventId,
        /// Of what it was made, and what for.
        #[serde(with = "super::file::whole_rendition")]
        body: RenditionBody,
        /// The result.
        blob: BlobRef,
    },
}

impl Content {
    /// The files it carries.
    #[must_use]
    pub fn files(&self) -> &[Attachment] {
        match self {
            Content::Thread { files, .. } | Content::Post { files, .. } => files,
            _ => &[],
        }
    }
}

/// Why a draft cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum DraftError {
    /// A post that says nothing.
    #[error("write something first")]
    Empty,
    /// A comment beyond the limit.
    #[error("the comment has {count} characters; at most {limit} can be sent")]
    CommentTooLong {
        /// Characters written.
        count: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// A subject beyond the limit or with a line break.
    #[error("a subject is one line of at most {0} characters")]
    Subject(usize),
    /// A name that is empty, too long or has a line break.
    #[error("a name is one line of 1 to {0} characters")]
    Name(usize),
    /// A description beyond the limit.
    #[error("a description has at most {0} characters")]
    About(usize),
    /// More files than a post may carry.
    #[error("a post carries at most {0} files")]
    TooManyFiles(usize),
    /// A file's name that is empty, too long or has a line break.
    #[error("the name of a file is one line of 1 to {0} characters")]
    FileName(usize),
    /// Words for a picture that are none or too many.
    #[error("what a picture shows is said in 1 to {0} characters")]
    Alt(usize),
    /// What is said of a file cannot be.
    #[error("the description of a file is not a possible one")]
    File,
    /// More quotes than an event may carry.
    #[error("a post can quote at most {0} others")]
    TooManyQuotes(usize),
    /// The thread or post is not held here.
    #[error("this post is not here yet; wait until it has arrived")]
    UnknownTarget,
    /// Somebody else's post.
    #[error("only your own posts can be changed")]
    NotYours,
    /// A shell without keys cannot publish.
    #[error("there is no identity here to sign with")]
    NoIdentity,
    /// The event came out larger than an event may be.
    #[error("the post is too large to be sent; shorten it")]
    TooLarge,
}

/// Where an event goes: everything but its content and its author.
pub(crate) struct Place {
    pub board: BoardId,
    pub thread: Option<ThreadId>,
    pub refs: Vec<Ref>,
    pub seq: Option<u64>,
    pub blobs: Vec<BlobRef>,
}

impl Place {
    /// Where events go that belong to no board.
    pub(crate) fn nowhere(seq: u64) -> Place {
        Place { board: no_board(), thread: None, refs: Vec::new(), seq: Some(seq), blobs: Vec::new() }
    }
}

/// Signs `body` at `place`.
pub(crate) fn sign(body: &Body, place: Place, time: Seconds, key: &SecretKey) -> Event {
    let Place { board, thread, mut refs, seq, blobs } = place;
    refs.sort();
    refs.dedup();
    let fields = Fields {
        v: 1,
        kind: body.kind().expect("drafts are of known kinds"),
        author: key.public(),
        acts_for: None,
        board,
        thread,
        time,
        seq,
        refs,
        blobs,
        body: body.to_ipld(),
        pow: None,
        ext: None,
    };
    Event::sign(fields, key)
}

impl Content {
    /// The body this content becomes; `salt` is used by opening posts only.
    ///
    /// # Errors
    /// When a text is empty or beyond the limits, with words for the person who wrote it.
    pub(crate) fn body(&self, salt: [u8; 16], limits: &Limits) -> Result<Body, DraftError> {
        let body = match self {
            Content::Thread { board, subject, comment, files } => Body::Thread(ThreadBody {
                comment: tidy(comment),
                salt,
                subject: subject.as_deref().map(tidy).filter(|subject| !subject.is_empty()),
                board_name: Some(board.clone()),
                files: Attachment::sorted(files).0,
            }),
            Content::Post { comment, sage, files, .. } => Body::Post(PostBody {
                comment: tidy(comment),
                sage: *sage,
                files: Attachment::sorted(files).0,
            }),
            Content::Edit { comment, subject, .. } => Body::Edit(EditBody {
                comment: tidy(comment),
                subject: subject.as_deref().map(tidy).filter(|subject| !subject.is_empty()),
            }),
            Content::Delete { .. } => Body::Delete(DeleteBody {}),
            Content::Profile { name, about } => Body::Profile(ProfileBody {
                name: tidy(name),
                about: about.as_deref().map(tidy).filter(|about| !about.is_empty()),
            }),
            Content::Follow { who, ended } => Body::Follow(FollowBody { who: *who, ended: *ended }),
            Content::Rendition { body, .. } => Body::Rendition(body.clone()),
        };
        check_texts(&body, limits)?;
        Ok(body)
    }
}

/// The limits on texts, for drafts and for events alike.
pub(crate) fn check_texts(body: &Body, limits: &Limits) -> Result<(), DraftError> {
    let comment = |text: &str| match text.chars().count() {
        _ if text.trim().is_empty() => Err(DraftError::Empty),
        count if count > limits.comment_chars => {
            Err(DraftError::CommentTooLong { count, limit: limits.comment_chars })
        }
        _ => Ok(()),
    };
    let subject = |text: &Option<String>| match text {
        Some(text) if !is_one_line(text, limits.subject_chars) => {
            Err(DraftError::Subject(limits.subject_chars))
        }
        _ => Ok(()),
    };
    check_files(body.files(), limits)?;
    // A picture may speak for itself.
    let beside =
        |text: &str| if text.is_empty() && !body.files().is_empty() { Ok(()) } else { comment(text) };
    match body {
        Body::Thread(body) => beside(&body.comment).and_then(|()| subject(&body.subject)),
        Body::Post(body) => beside(&body.comment),
        Body::Edit(body) => comment(&body.comment).and_then(|()| subject(&body.subject)),
        Body::Profile(body) if !is_one_line(&body.name, limits.name_chars) => {
            Err(DraftError::Name(limits.name_chars))
        }
        Body::Profile(body) => match &body.about {
            Some(about) if about.trim().is_empty() || about.chars().count() > limits.about_chars => {
                Err(DraftError::About(limits.about_chars))
            }
            _ => Ok(()),
        },
        Body::Rendition(body) => check_rendition(body),
        Body::Delete(_) | Body::Follow(_) | Body::Unknown(_) => Ok(()),
    }
}

/// Whether a text is not blank, one line and within the limit.
pub(crate) fn is_one_line(text: &str, limit: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= limit && !text.chars().any(char::is_control)
}

/// Line breaks as one character, nothing but spaces cut at the end.
fn tidy(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim_end().trim_start_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::open_board_id;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn name() -> BoardName {
        BoardName::new("mushrooms").expect("a board name")
    }

    fn body(content: &Content) -> Result<Body, DraftError> {
        content.body([7; 16], &Limits::default())
    }

    fn thread(subject: Option<&str>, comment: &str) -> Content {
        Content::Thread {
            board: name(),
            subject: subject.map(str::to_owned),
            comment: comment.to_owned(),
            files: Vec::new(),
        }
    }

    #[test]
    fn texts_are_tidied() {
        let Ok(Body::Thread(body)) = body(&thread(Some("title \n"), "\n\n  one\r\ntwo\rthree \n\n")) else {
            panic!("a good draft")
        };
        assert_eq!(body.comment, "  one\ntwo\nthree");
        assert_eq!(body.subject.as_deref(), Some("title"));
        assert_eq!((body.salt, body.board_name), ([7; 16], Some(name())));
    }

    #[test]
    fn an_empty_title_is_none() {
        for subject in [None, Some(""), Some("  \n")] {
            assert!(matches!(body(&thread(subject, "x")), Ok(Body::Thread(body)) if body.subject.is_none()));
        }
    }

    #[test]
    fn what_cannot_be_sent_is_said_before_signing() {
        let long = "x".repeat(10_001);
        let profile = |name: &str, about: Option<&str>| Content::Profile {
            name: name.to_owned(),
            about: about.map(str::to_owned),
        };
        for (content, reason) in [
            (thread(None, " \r\n "), DraftError::Empty),
            (thread(None, &long), DraftError::CommentTooLong { count: 10_001, limit: 10_000 }),
            (thread(Some("a\nb"), "x"), DraftError::Subject(100)),
            (thread(Some(&long), "x"), DraftError::Subject(100)),
            (profile("", None), DraftError::Name(40)),
            (profile("x", Some(&long)), DraftError::About(1_000)),
        ] {
            assert_eq!(body(&content), Err(reason), "{content:?}");
        }
    }

    /// What is signed here is what is published: the first two samples of the vector file, key and all.
    #[test]
    fn drafts_become_the_published_bytes() {
        let vectors = include_str!("../../tests/vectors/protocol.json");
        let vectors: serde_json::Value =
            serde_json::from_str(vectors).expect("the vector file is well-formed");
        let published = |name: &str| {
            let events = vectors["events"].as_array().expect("a list of events");
            events.iter().find(|event| event["name"] == name).expect("an event of this name").clone()
        };
        let hex = |event: &Event| data_encoding::HEXLOWER.encode(event.bytes());
        let salt = core::array::from_fn(|n| 0xa0 + n as u8);
        let limits = Limits::default();
        let opening =
            thread(Some("Birch"), "What grows under the birch?").body(salt, &limits).expect("a good draft");
        let board = open_board_id(&name());
        let place = Place { board, thread: None, refs: Vec::new(), seq: None, blobs: Vec::new() };
        let time = Seconds(1_790_000_000);
        let opening = sign(&opening, place, time, &SecretKey::from_seed([1; 32]));
        assert_eq!(hex(&opening), published("thread")["event"]);

        let thread = opening.id();
        let (comment, sage, quotes) = ("A chanterelle.".to_owned(), false, Vec::new());
        let reply = Content::Post { board, thread, comment, sage, quotes, files: Vec::new() }
            .body(salt, &limits)
            .expect("a good draft");
        let place = Place { board, thread: Some(thread), refs: Vec::new(), seq: None, blobs: Vec::new() };
        let reply = sign(&reply, place, time, &SecretKey::from_seed([3; 32]));
        assert_eq!(hex(&reply), published("post")["event"]);
        assert_eq!(Event::decode(reply.bytes(), &limits), Ok(reply));
    }

    #[test]
    fn references_are_signed_in_one_order_and_once() {
        let reference = |rel: &str, n: u8| Ref { rel: rel.to_owned(), id: EventId([n; 32]), board: None };
        let refs = vec![
            reference("quotes", 1),
            reference("answers", 2),
            reference("answers", 1),
            reference("quotes", 1),
        ];
        let place = Place {
            board: BoardId([0; 32]),
            thread: Some(EventId([1; 32])),
            refs,
            seq: None,
            blobs: Vec::new(),
        };
        let body = Body::Post(PostBody { comment: "x".to_owned(), sage: false, files: Vec::new() });
        let event = sign(&body, place, Seconds(0), &SecretKey::from_seed([1; 32]));
        assert_eq!(
            event.fields().refs,
            [reference("answers", 1), reference("answers", 2), reference("quotes", 1)]
        );
    }
}
