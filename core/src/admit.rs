//! The only door: every event, own or foreign, is let in or refused here.
//!
//! What is refused is refused for its bytes alone, so all peers agree on the set of valid events; what is held already
//! is a duplicate, which is success; the clock can only defer. Nothing is stored here.

use std::collections::BTreeSet;

use crate::base::{EventId, Limits, Seconds};
use crate::crypto::{Claim, KeyError, Verify, check_author_encoding, no_board, open_board_id};
use crate::event::{Body, DraftError, Event, EventError, Kind, blobs_of, check_texts, rel};

/// What the door knows of its surroundings.
pub struct Door<'a> {
    /// Limits of the network.
    pub limits: &'a Limits,
    /// The local wall clock.
    pub now: Seconds,
    /// Whether an event is held already.
    pub held: &'a dyn Fn(&EventId) -> bool,
}

/// What became of an event at the door.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// Valid and new.
    Accepted(Event),
    /// Held already, or let in earlier in the same batch.
    Duplicate(EventId),
    /// Valid, but claims to be written after `until` minus the tolerated skew: to be tried again then. Never the
    /// peer's fault.
    Deferred {
        /// The event.
        event: Event,
        /// The earliest moment at which it will be let in.
        until: Seconds,
    },
    /// Not valid, now and for ever.
    Rejected(RejectReason),
}

/// Why an event is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// Its bytes are not an event.
    #[error(transparent)]
    Malformed(#[from] EventError),
    /// Its author is not an acceptable key.
    #[error(transparent)]
    AuthorKey(#[from] KeyError),
    /// Its signature is wrong.
    #[error("the signature does not belong to the event")]
    Signature,
    /// Its kind does not allow, or lacks, a thread.
    #[error("an event of this kind must (not) name a thread")]
    Thread,
    /// Its kind does not allow, or lacks, a logical counter.
    #[error("an event of this kind must (not) have a logical counter")]
    Seq,
    /// Its kind belongs to a board and it does not, or the reverse.
    #[error("an event of this kind must (not) belong to a board")]
    Board,
    /// The name it announces is not that of its board.
    #[error("the announced name is not that of the board")]
    BoardName,
    /// Too many references, a bad role, or not the one its kind needs.
    #[error("the references are not those of its kind")]
    Refs,
    /// Too many attachments, or not as many as it says of files.
    #[error("the event has other attachments than allowed")]
    Blobs,
    /// A proof of work of a form nobody could check.
    #[error("the proof of work is malformed")]
    Pow,
    /// A text is empty or beyond its limit.
    #[error("a text is not within the limits: {0}")]
    Text(DraftError),
}

impl RejectReason {
    /// One word for it, for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            RejectReason::Malformed(_) => "malformed",
            RejectReason::AuthorKey(_) => "author_key",
            RejectReason::Signature => "signature",
            RejectReason::Thread => "thread",
            RejectReason::Seq => "seq",
            RejectReason::Board => "board",
            RejectReason::BoardName => "board_name",
            RejectReason::Refs => "refs",
            RejectReason::Blobs => "blobs",
            RejectReason::Pow => "pow",
            RejectReason::Text(_) => "text",
        }
    }
}

/// An event that is not worth a look at its signature.
enum Turned {
    Held(EventId),
    Rejected(RejectReason),
}

/// The longest role of a reference and name of an algorithm, bytes.
const WORD: usize = 32;

/// Passes a batch of events, all from one peer, through the door; one answer each, in their order.
///
/// Signatures are verified last and together, so that a liar costs itself most and spoils only its own batch.
pub fn admit<B: AsRef<[u8]>>(batch: &[B], door: &Door<'_>, verify: &mut impl Verify) -> Vec<Admission> {
    let checked: Vec<Result<Event, Turned>> = batch
        .iter()
        .map(|bytes| {
            let event = read(bytes.as_ref(), door.limits).map_err(Turned::Rejected)?;
            if (door.held)(&event.id()) { Err(Turned::Held(event.id())) } else { Ok(event) }
        })
        .collect();
    let events: Vec<&Event> = checked.iter().filter_map(|event| event.as_ref().ok()).collect();
    let ids: Vec<EventId> = events.iter().map(|event| event.id()).collect();
    let claims: Vec<Claim<'_>> = events
        .iter()
        .zip(&ids)
        .map(|(event, id)| Claim {
            author: &event.fields().author,
            message: id.as_bytes(),
            signature: event.signature(),
        })
        .collect();
    let mut verdicts = verify.verify_batch(&claims).into_iter();
    // Of true events only: a forged copy in front must not displace the event.
    let mut seen = BTreeSet::new();
    let mut admission = |event: Event, signed: bool| {
        let until = Seconds(event.fields().time.0.saturating_sub(door.limits.future_seconds));
        match signed {
            false => Admission::Rejected(RejectReason::Signature),
            true if !seen.insert(event.id()) => Admission::Duplicate(event.id()),
            true if until > door.now => Admission::Deferred { event, until },
            true => Admission::Accepted(event),
        }
    };
    checked
        .into_iter()
        .map(|checked| match checked {
            Ok(event) => admission(event, verdicts.next().expect("one verdict per claim")),
            Err(Turned::Held(id)) => Admission::Duplicate(id),
            Err(Turned::Rejected(reason)) => Admission::Rejected(reason),
        })
        .collect()
}

/// Everything that can be said of an event without its signature.
fn read(bytes: &[u8], limits: &Limits) -> Result<Event, RejectReason> {
    let event = Event::decode(bytes, limits)?;
    let fields = event.fields();
    // Bytes that are no point fail with the signature.
    check_author_encoding(&fields.author)?;
    if fields.refs.len() > limits.refs || fields.refs.iter().any(|r| r.rel.is_empty() || r.rel.len() > WORD) {
        return Err(RejectReason::Refs);
    }
    let blobs = fields.blobs.len();
    let as_many = match event.body() {
        Body::Rendition(_) => blobs == 1,
        body if body.files().is_empty() => blobs <= limits.blobs,
        body => blobs == blobs_of(body.files()),
    };
    if !as_many {
        return Err(RejectReason::Blobs);
    }
    if fields.pow.as_ref().is_some_and(|pow| pow.alg.len() > WORD || pow.nonce.len() > WORD) {
        return Err(RejectReason::Pow);
    }
    check_kind(&event)?;
    check_texts(event.body(), limits).map_err(RejectReason::Text)?;
    Ok(event)
}

/// What each kind asks of the fields around its body.
fn check_kind(event: &Event) -> Result<(), RejectReason> {
    let fields = event.fields();
    let require = |holds: bool, reason: RejectReason| if holds { Ok(()) } else { Err(reason) };
    // One target; an edited text may quote beside it.
    let target = |role: &str| fields.refs.iter().filter(|reference| reference.rel == role).count() == 1;
    let replaceable = fields.kind == Kind::EDIT || fields.kind.is_fact();
    if fields.kind.is_known() {
        require(fields.seq.is_some() == replaceable, RejectReason::Seq)?;
        require((fields.board == no_board()) == fields.kind.is_fact(), RejectReason::Board)?;
        let outside = fields.kind == Kind::THREAD || fields.kind.is_fact();
        require(fields.thread.is_none() == outside, RejectReason::Thread)?;
    }
    match event.body() {
        Body::Thread(body) => match &body.board_name {
            Some(name) => require(open_board_id(name) == fields.board, RejectReason::BoardName),
            None => Ok(()),
        },
        Body::Edit(_) => require(target(rel::EDITS), RejectReason::Refs),
        Body::Delete(_) => require(target(rel::DELETES), RejectReason::Refs),
        Body::Rendition(_) => require(target(rel::RENDERS) && fields.refs.len() == 1, RejectReason::Refs),
        Body::Profile(_) | Body::Follow(_) => require(fields.refs.is_empty(), RejectReason::Refs),
        Body::Post(_) | Body::Unknown(_) => Ok(()),
    }
}
