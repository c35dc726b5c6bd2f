//! Reconciliation with each peer: which scopes, when, and fetching what was found missing.
//!
//! Of two peers one begins: the one that wants part with the one that wants everything, else the lower peer id. Each
//! missing event is asked of one peer; what does not come in time is asked of whoever is reconciled with next.

use std::collections::BTreeSet;

use super::Node;
use super::api::Target;
use super::budget::BAD_FRAME;
use super::peers::SYNC_QUEUE;
use super::session::{CALLS, Call, Schedule};
use crate::base::{BoardId, EventId, PeerId, ThreadId};
use crate::crypto::Verify;
use crate::sync::SyncError;
use crate::wire::{Frame, Role, Scope};

/// Identifiers of missing events remembered for one peer; the rest is found by the next reconciliation.
const NEEDS: usize = 131_072;

impl<V: Verify> Node<V> {
    /// Brings the scopes reconciled with a peer in line with what both want.
    pub(super) fn plan_scopes(&mut self, peer: PeerId) {
        let wanted = self.scopes_with(peer);
        let now = self.now.instant;
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.scopes.retain(|scope, _| wanted.contains(scope));
        for scope in wanted {
            session.scopes.entry(scope).or_insert(Schedule { due: now, done: false });
        }
        self.touched.insert(peer);
    }

    fn scopes_with(&self, peer: PeerId) -> BTreeSet<Scope> {
        let Some(session) = self.sessions.get(&peer) else { return BTreeSet::new() };
        let theirs = &session.neighbour.interest;
        let ours = self.role == Role::Relay;
        let begins = if ours == theirs.all { self.peer < peer } else { theirs.all };
        if !begins {
            return BTreeSet::new();
        }
        let boards: Vec<BoardId> = if ours {
            self.index.boards().map(|(board, _)| *board).chain(self.directory.keys().copied()).collect()
        } else {
            self.subscriptions.keys().copied().filter(|board| theirs.covers(board)).collect()
        };
        let mut scopes: BTreeSet<Scope> = boards.into_iter().map(Scope::Board).collect();
        if theirs.all {
            let own = self.identity.as_ref().map(|identity| identity.identity().public());
            scopes.extend(own.filter(|own| self.index.of_author(own).next().is_some()).map(Scope::Author));
        }
        scopes
    }

    /// Reconciles an opened thread at once with every peer that may hold it, however old it is.
    pub(super) fn sync_opened(&mut self, target: &Target) {
        let &Target::Thread { board, thread } = target else { return };
        let peers: Vec<PeerId> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.role.is_some() && session.neighbour.interest.covers(&board))
            .map(|(peer, _)| *peer)
            .collect();
        peers.into_iter().for_each(|peer| self.begin_thread(peer, thread));
    }

    fn begin_thread(&mut self, peer: PeerId, thread: ThreadId) {
        let scope = Scope::Thread(thread);
        let busy = self.sessions.get(&peer).is_none_or(|session| {
            session.calls.len() >= CALLS || session.calls.values().any(|call| call.scope == scope)
        });
        if !busy {
            self.begin(peer, scope);
        }
    }

    /// Begins what is due, gives up what got no answer, and asks for what is missing.
    pub(super) fn serve_sync(&mut self, peer: PeerId) {
        let now = self.now.instant;
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if !self.restored || session.role.is_none() {
            return;
        }
        let late: Vec<u64> =
            session.calls.iter().filter(|(_, call)| call.until <= now).map(|(call, _)| *call).collect();
        for call in late {
            session.calls.remove(&call);
            self.reconciler.abandon(call);
        }
        if !session.wants.is_empty() && session.wants_until <= now {
            for id in core::mem::take(&mut session.wants) {
                self.wanted.remove(&id);
            }
        }
        let due: Vec<Scope> = session
            .scopes
            .iter()
            .filter(|(scope, schedule)| {
                schedule.due <= now && session.calls.values().all(|call| call.scope != **scope)
            })
            .map(|(scope, _)| *scope)
            .take(CALLS - session.calls.len().min(CALLS))
            .collect();
        due.into_iter().for_each(|scope| self.begin(peer, scope));
        self.ask(peer);
    }

    fn begin(&mut self, peer: PeerId, scope: Scope) {
        let (call, message) = self.reconciler.begin(&self.index, peer, scope);
        let until = self.now.instant + self.limits.reconcile_timeout;
        let due = self.now.instant + self.limits.reconcile_every;
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.calls.insert(call, Call { scope, until });
        if let Some(schedule) = session.scopes.get_mut(&scope) {
            schedule.due = due;
        }
        self.touched.insert(peer);
        self.send(peer, &Frame::Reconcile { call, scope, message });
    }

    pub(super) fn on_reconcile(&mut self, peer: PeerId, call: u64, scope: Scope, message: &[u8]) {
        // An index half restored would ask for what it is about to load; the caller tries again.
        if !self.restored {
            return;
        }
        match self.reconciler.answer(&self.index, scope, message) {
            Ok(message) => self.send(peer, &Frame::Reconciled { call, message }),
            Err(_) => drop(self.charge(peer, BAD_FRAME)),
        }
    }

    pub(super) fn on_reconciled(&mut self, peer: PeerId, call: u64, message: &[u8]) {
        let (scope, difference) = match self.reconciler.resume(&self.index, peer, call, message) {
            Ok(result) => result,
            // The answer to what was given up: late, not wrong.
            Err(SyncError::UnknownCall) => return,
            Err(SyncError::Message | SyncError::Endless) => {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.calls.remove(&call);
                }
                self.charge(peer, BAD_FRAME);
                return;
            }
        };
        let until = self.now.instant + self.limits.reconcile_timeout;
        let index = &self.index;
        let deferred = &self.deferred.ids;
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        for id in difference.have {
            // The peer's word beats what we believed it has.
            session.neighbour.has.insert(id);
            session.queue_sync(id, SYNC_QUEUE);
        }
        let room = NEEDS.saturating_sub(session.needs.len());
        let missing = difference.need.into_iter().filter(|id| !index.contains(id) && !deferred.contains(id));
        session.needs.extend(missing.take(room));
        match difference.next {
            Some(message) => {
                if let Some(call) = session.calls.get_mut(&call) {
                    call.until = until;
                }
                self.send(peer, &Frame::Reconcile { call, scope, message });
            }
            None => {
                session.calls.remove(&call);
                if let Some(schedule) = session.scopes.get_mut(&scope) {
                    schedule.done = true;
                }
                self.offer_unsent(peer);
            }
        }
    }

    /// Asks a peer for what it has and we lack, as far as nobody else was asked.
    fn ask(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        // A quarter of the window free before asking on, so that requests are few and large.
        let free = self.limits.wants.saturating_sub(session.wants.len());
        if session.needs.is_empty() || free < self.limits.wants / 4 {
            return;
        }
        let mut ids = Vec::new();
        while ids.len() < free
            && let Some(id) = session.needs.pop_front()
        {
            let known = self.index.contains(&id) || self.deferred.ids.contains(&id);
            if !known && !self.wanted.contains_key(&id) {
                self.wanted.insert(id, peer);
                session.wants.insert(id);
                ids.push(id);
            }
        }
        session.wants_until = self.now.instant + self.limits.want_timeout;
        for ids in ids.chunks(self.limits.frame_ids) {
            self.send(peer, &Frame::Want { ids: ids.to_vec() });
        }
    }

    /// Notes that a peer has sent or refused an event we may have waited for.
    pub(super) fn arrived(&mut self, peer: PeerId, id: EventId) {
        let until = self.now.instant + self.limits.want_timeout;
        if let Some(asked) = self.wanted.remove(&id)
            && let Some(session) = self.sessions.get_mut(&asked)
        {
            session.wants.remove(&id);
            session.wants_until = until;
            self.touched.insert(asked);
        }
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.neighbour.has.insert(id);
        }
    }
}
