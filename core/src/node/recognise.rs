//! Own events that were written elsewhere: an identity that was restored from a backup knows them by their keys.
//!
//! An identity that was made here has none, and is spared the keys of every thread.

use std::collections::BTreeMap;

use super::Node;
use crate::base::{AuthorId, ThreadId};
use crate::crypto::{Identity, Verify};
use crate::event::Kind;
use crate::store::{Index, Row, RowRef};

/// Whether and how far own events are recognised.
#[derive(Default)]
pub(super) struct Recognise {
    /// `None` for an identity that was made here; else whether what was held is looked through.
    scanned: Option<bool>,
    /// The person's pseudonym in each thread, as far as it was asked for.
    pseudonyms: BTreeMap<ThreadId, AuthorId>,
}

impl Recognise {
    pub(super) fn remembered(&self) -> Option<bool> {
        self.scanned
    }

    fn is_own(&mut self, identity: &Identity, index: &Index, row: &Row) -> bool {
        if row.author == identity.identity().public() {
            return true;
        }
        match (row.kind, row.salt, row.thread) {
            (Kind::THREAD, Some(salt), _) => identity.opening_key(&row.board, &salt).public() == row.author,
            (_, _, Some(thread)) => {
                // In one's own thread the opening key stays.
                let opened =
                    index.get(&thread).is_some_and(|opening| opening.own() && opening.author() == row.author);
                let pseudonym = self.pseudonyms.entry(thread);
                opened || *pseudonym.or_insert_with(|| identity.reply_key(&thread).public()) == row.author
            }
            _ => false,
        }
    }
}

impl<V: Verify> Node<V> {
    /// Whether an event that came from elsewhere is by this node's person.
    pub(super) fn is_recognised(&mut self, row: &Row) -> bool {
        match &self.identity {
            Some(identity) if self.recognise.scanned.is_some() => {
                self.recognise.is_own(identity, &self.index, row)
            }
            _ => false,
        }
    }

    /// Looks once through what is held for events of an identity that was restored.
    pub(super) fn recognise_held(&mut self, scanned: Option<bool>) {
        self.recognise.scanned = scanned;
        if scanned != Some(false) {
            return;
        }
        // Opening posts first: by them it is known whose the opening key in a thread is.
        for opens in [true, false] {
            let rows = self.index.rows().filter(|row| !row.own() && (row.kind() == Kind::THREAD) == opens);
            for row in rows.map(RowRef::to_row).collect::<Vec<_>>() {
                if self.is_recognised(&row) {
                    self.persist.row_changed(row.id);
                    // Whoever it came from has it, so it need not be sent.
                    self.index.insert(Row { own: true, sent: true, ..row });
                }
            }
        }
        self.recognise.scanned = Some(true);
        self.persist.remember();
    }
}
