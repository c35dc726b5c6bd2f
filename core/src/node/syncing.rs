//! Reconciliation with each peer: which scopes, and when.
//!
//! Of two peers one begins: the one that wants part with the one that wants everything, else the lower peer id. The
//! other of two equals begins with what it holds and was not asked about for a while: only it may know of it.

use core::time::Duration;
use std::collections::BTreeSet;

use super::Node;
use super::api::Target;
use super::peers::SYNC_QUEUE;
use super::scopes::Schedule;
use super::session::{ALL_CALLS, CALLS, Call};
use crate::base::{PeerId, ThreadId, set_of};
use crate::crypto::{Verify, no_board};
use crate::gossip::{Interest, Push};
use crate::store::Index;
use crate::sync::{SyncError, size_of};
use crate::trust::{Cost, Fault};
use crate::wire::{Frame, Role, Scope};

/// Identifiers of missing events remembered for one peer; the rest is found by the next reconciliation.
pub(super) const NEEDS: usize = 131_072;

/// Between two beginnings with one peer, on average: with their answers well below the rate at which it would charge
/// for them, however many boards there are.
const BEGIN_EVERY: Duration = Duration::from_millis(20);

impl<V: Verify> Node<V> {
    /// Brings the scopes reconciled with a peer in line with what both want.
    pub(super) fn plan_scopes(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get(&peer) else { return };
        let theirs = &session.neighbour.interest;
        let ours = self.role == Role::Relay;
        let begins = ours != theirs.all || self.peer < peer;
        let scopes = self.scopes_with(theirs, begins);
        let (now, every) = (self.now.instant, self.limits.reconcile_every);
        let schedule = if begins {
            Schedule { due: now, every, done: false }
        } else {
            // Late enough for the one that begins, now and each time, to have begun.
            Schedule { due: now + every / 2, every: every * 3 / 2, done: true }
        };
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.planned = Some(now);
        session.scopes.plan(&scopes, schedule);
        self.touched.insert(peer);
    }

    fn scopes_with(&self, theirs: &Interest, begins: bool) -> BTreeSet<Scope> {
        if self.role == Role::Tab {
            let boards = self.subscriptions.keys().copied().filter(|board| theirs.covers(board));
            let own = self.identity.as_ref().map(|identity| identity.identity().public());
            let own = own.filter(|own| theirs.all && self.index.of_author(own).next().is_some());
            let others = self.people().into_iter().filter(|_| theirs.all);
            return set_of(boards.map(Scope::Board).chain(own.into_iter().chain(others).map(Scope::Author)));
        }
        if !theirs.all {
            return BTreeSet::new();
        }
        let held = self.index.boards().map(|(board, _)| *board).chain([no_board()]);
        // What it has only heard of, whoever begins asks about at once; the other has nothing to add there.
        let heard = self.directory.boards().copied().filter(|_| begins);
        set_of(held.chain(heard).map(Scope::Board))
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
            session.calls.len() >= ALL_CALLS || session.calls.values().any(|call| call.scope == scope)
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
        if session.begin_at <= now {
            self.begin_due(peer);
        }
        self.give_up_wants(peer);
        self.serve_heard(peer);
        self.ask(peer);
    }

    /// Begins as many of the scopes that are due as may run at a time.
    fn begin_due(&mut self, peer: PeerId) {
        let now = self.now.instant;
        while let Some(session) = self.sessions.get_mut(&peer)
            && session.calls.len() < CALLS
            && let Some((due, scope)) = session.next_scope()
            && due <= now
        {
            session.begin_at = session.begin_at.max(now) + BEGIN_EVERY;
            self.begin(peer, scope);
        }
    }

    fn begin(&mut self, peer: PeerId, scope: Scope) {
        let (call, message) = self.reconciler.begin(&self.index, peer, scope);
        let until = self.now.instant + self.limits.reconcile_timeout;
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.calls.insert(call, Call { scope, until });
        session.scopes.postpone(&scope, self.now.instant);
        self.touched.insert(peer);
        self.send(peer, &Frame::Reconcile { call, scope, message });
    }

    pub(super) fn on_reconcile(&mut self, peer: PeerId, call: u64, scope: Scope, message: &[u8]) {
        // An index half restored would ask for what it is about to load; the caller tries again.
        if !self.restored {
            return;
        }
        let is_told = match scope {
            Scope::Author(_) => self.tells_of(peer, &no_board()),
            Scope::Board(board) => self.tells_of(peer, &board),
            Scope::Thread(_) => true,
        };
        // Who is not to know what is held hears what they would if nothing were.
        let nothing = Index::default();
        let index = if is_told { &self.index } else { &nothing };
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.scopes.postpone(&scope, self.now.instant);
        // Answering costs as the scope is large.
        let cost = Cost::events(size_of(index, scope));
        if !self.cost(peer, cost) {
            return;
        }
        let index = if is_told { &self.index } else { &nothing };
        match self.reconciler.answer(index, scope, message) {
            Ok(message) => self.send(peer, &Frame::Reconciled { call, message }),
            Err(_) => drop(self.charge(peer, Fault::Reconciliation)),
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
                self.charge(peer, Fault::Reconciliation);
                return;
            }
        };
        let until = self.now.instant + self.limits.reconcile_timeout;
        let index = &self.index;
        let deferred = &self.deferred;
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let are_tabs = self.role == Role::Tab && session.role == Some(Role::Tab);
        for id in difference.have {
            // Others will have found that out, too, relays or a tab's other neighbours: the peer asks one of us.
            let is_of_many = are_tabs && index.get(&id).is_some_and(|row| !row.own());
            let is_lazy = index
                .get(&id)
                .is_some_and(|row| session.neighbour.push(row.own(), &row.board()) == Push::Lazy);
            if is_of_many || is_lazy {
                session.neighbour.has.forget(&id);
                session.queue_have(id, self.now.instant, Duration::ZERO);
                continue;
            }
            // The peer's word beats what we believed it has.
            session.neighbour.has.insert(id);
            session.queue_sync(id, SYNC_QUEUE);
        }
        let room = NEEDS.saturating_sub(session.needs.len());
        let missing = difference.need.into_iter().filter(|id| !index.contains(id) && !deferred.knows(id));
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
                session.scopes.finish(&scope);
            }
        }
    }
}
