//! Whose renditions are believed: those of the relays that were met last.

use std::collections::{BTreeSet, VecDeque};

use super::Node;
use crate::base::{AuthorId, Limits};
use crate::crypto::Verify;
use crate::wire::Role;

/// Remembered, so that what was made of files is shown without a network, too.
#[derive(Default)]
pub(super) struct Producers {
    all: BTreeSet<AuthorId>,
    /// The same, the last met last.
    met: VecDeque<AuthorId>,
}

impl Producers {
    pub(super) fn restored(remembered: Vec<AuthorId>, limits: &Limits) -> Producers {
        let mut producers = Producers::default();
        for producer in remembered {
            producers.meet(producer, limits);
        }
        producers
    }

    pub(super) fn remembered(&self) -> Vec<AuthorId> {
        self.met.iter().copied().collect()
    }

    /// All of them.
    pub(super) fn all(&self) -> &BTreeSet<AuthorId> {
        &self.all
    }

    /// Makes one the last met; whether it is new.
    fn meet(&mut self, producer: AuthorId, limits: &Limits) -> bool {
        let is_new = self.all.insert(producer);
        self.met.retain(|met| *met != producer);
        self.met.push_back(producer);
        if self.met.len() > limits.producers
            && let Some(first) = self.met.pop_front()
        {
            self.all.remove(&first);
        }
        is_new
    }
}

impl<V: Verify> Node<V> {
    /// Believes whom a relay makes renditions as.
    pub(super) fn believe(&mut self, producer: AuthorId) {
        let last = self.producers.met.back() == Some(&producer);
        if self.producers.meet(producer, &self.limits) {
            self.views.all_changed();
        }
        // A relay shows nothing to anybody.
        if !last && self.role == Role::Tab {
            self.persist.remember();
        }
    }

    /// As whom this node makes renditions.
    pub(super) fn producer(&self) -> Option<AuthorId> {
        let identity = self.identity.as_ref().filter(|_| self.role == Role::Relay);
        identity.map(|identity| identity.identity().public())
    }
}
