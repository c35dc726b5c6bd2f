//! The side that answers. It keeps nothing of what was asked before, so a question costs what it costs and no more.

use super::bits::Writer;
use super::cache::Cache;
use super::message::{CELLS_HEAD, End, Head, Message, Opening, Page};
use super::set::{DaySet, fold_since};
use super::short::{Salt, Salts};
use super::span::Span;
use super::summary::{digest, folded, root, total, whole_is_shorter};
use crate::base::EventId;
use crate::wire::Scope;

/// Bytes of a message with short names beside the names, at most, and enough for a first run not to be cut to
/// nothing.
const LIST_HEAD: usize = 64;

/// A scope as one side holds it.
pub struct Held<'a> {
    /// Which.
    pub scope: Scope,
    /// Its events.
    pub set: &'a dyn DaySet,
    /// What was computed of it before.
    pub cache: &'a mut Cache,
    /// Bytes of the longest message, at least 2,048, which a summary may
    /// take: [`crate::base::Limits::reconcile_bytes`].
    pub message_bytes: usize,
}

/// What a message leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A message back.
    Say(Vec<u8>),
    /// These events are asked for.
    Give {
        /// All that have one of the short names.
        ids: Vec<EventId>,
        /// A message back when some names are nobody's.
        unknown: Option<Vec<u8>>,
    },
}

/// Why a message cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// No message, or one beyond the bounds.
    #[error("the reconciliation message cannot be read")]
    Unreadable,
    /// An answer to nothing that was asked, or a question where an answer is due.
    #[error("the reconciliation message answers nothing that was asked")]
    Unasked,
    /// What was said of the same events does not fit together. Events with one short name do that too, which somebody who
    /// knows the salt may have made: the peer is not to blame, and another way of reconciling tells.
    #[error("what the peer says of its events contradicts itself")]
    Contradiction,
    /// More steps than an honest peer can need.
    #[error("the reconciliation does not end")]
    Endless,
}

/// Answers one message of the side that began.
///
/// # Errors
/// When it is not a question of this protocol.
pub fn answer(held: &mut Held<'_>, salts: &Salts, message: &[u8]) -> Result<Answer, ExchangeError> {
    if message.len() > held.message_bytes {
        return Err(ExchangeError::Unreadable);
    }
    let message = Message::decode(message).ok_or(ExchangeError::Unreadable)?;
    let say = |message: Message| Ok(Answer::Say(message.encode()));
    match message {
        Message::Root { since, count, root: theirs } => {
            let since = since.max(held.set.since());
            let (fold, last) = fold_since(held.set, since);
            if root(since, &fold) == theirs {
                return say(Message::Equal);
            }
            let opening = Opening { salt: salts.current(), since, last };
            if whole_is_shorter(fold.count(), count) {
                let page = page(held, &opening.salt, &opening.spans(), 0);
                return say(Message::Whole { opening, page });
            }
            say(summary(held, opening))
        }
        Message::Ask { head, .. } | Message::More { head, .. } | Message::Fetch { head, .. }
            if salts.find(head.tag).is_none() =>
        {
            // Too late: begin anew, under the salt of today.
            let since = head.since.max(held.set.since());
            let (_, last) = fold_since(held.set, since);
            say(summary(held, Opening { salt: salts.current(), since, last }))
        }
        Message::Ask { head, from, count } => {
            let salt = salts.find(head.tag).expect("the guard above");
            let room = held.message_bytes.saturating_sub(CELLS_HEAD) / 8;
            let from = usize::try_from(from).map_err(|_| ExchangeError::Unreadable)?;
            let count = usize::try_from(count).map_err(|_| ExchangeError::Unreadable)?.min(room);
            let spans = folded(held.set, head.selected);
            let cells = held.cache.cells(held.scope, held.set, &salt, &spans, from + count).split_off(from);
            let fold = total(&spans);
            say(Message::Cells { digest: salt.digest(&fold), count: fold.count(), cells })
        }
        Message::More { head, from } => {
            let salt = salts.find(head.tag).expect("the guard above");
            say(Message::List(page(held, &salt, &head.selected, from)))
        }
        Message::Fetch { head, names } => {
            let salt = salts.find(head.tag).expect("the guard above");
            Ok(fetch(held, &salt, &head, &names))
        }
        _ => Err(ExchangeError::Unasked),
    }
}

fn summary(held: &mut Held<'_>, opening: Opening) -> Message {
    let spans = folded(held.set, opening.spans());
    let digests = spans.iter().map(|(_, fold)| digest(&opening.salt, fold)).collect();
    let tally = held.cache.tally(held.scope, held.set, &spans).send();
    Message::Summary { opening, digests, tally }
}

/// As many short names as fit into a message, of the last of these spans from one on.
fn page(held: &mut Held<'_>, salt: &Salt, spans: &[Span], mut from: u64) -> Page {
    let mut room = held.message_bytes.saturating_sub(LIST_HEAD);
    let mut runs = Vec::new();
    for span in spans.iter().rev() {
        let (mut names, mut seen) = (Vec::new(), 0);
        held.set.ids(*span, &mut |id| {
            seen += 1;
            names.extend(Some(salt.short(id)).filter(|name| *name >= from));
        });
        held.cache.worked(seen);
        from = 0;
        names.sort_unstable();
        names.dedup();
        let mut fit = names.len();
        let mut bytes = run_bytes(&names);
        // A run that is cut a little too short is better than one that is tried many times.
        while bytes > room && fit > 0 {
            fit = (fit * room / bytes).min(fit - 1);
            bytes = run_bytes(&names[..fit]);
        }
        if fit < names.len() {
            names.truncate(fit);
            let end = if fit > 0 { End::Name } else { End::Span };
            runs.extend(Some(names).filter(|names| !names.is_empty()));
            return Page { runs, end };
        }
        room -= bytes.min(room);
        runs.push(names);
    }
    Page { runs, end: End::Whole }
}

fn run_bytes(names: &[u64]) -> usize {
    let mut writer = Writer::default();
    writer.names(names);
    writer.finish().len()
}

fn fetch(held: &mut Held<'_>, salt: &Salt, head: &Head, names: &[u64]) -> Answer {
    let (mut found, mut ids, mut seen) = (vec![false; names.len()], Vec::new(), 0);
    for span in &head.selected {
        held.set.ids(*span, &mut |id| {
            seen += 1;
            if let Ok(at) = names.binary_search(&salt.short(id)) {
                found[at] = true;
                ids.push(*id);
            }
        });
    }
    held.cache.worked(seen);
    let unknown: Vec<u64> =
        names.iter().zip(found).filter(|(_, found)| !found).map(|(name, _)| *name).collect();
    let unknown = (!unknown.is_empty()).then(|| Message::Unknown { names: unknown }.encode());
    Answer::Give { ids, unknown }
}
