//! What is not durable yet, and the batches in which it becomes so.
//!
//! At most one batch is under way; what arrives meanwhile makes up the next, so that one commit serves as many events
//! as the storage is slow. Nothing is acknowledged or shown as saved before its batch is.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::Node;
use super::api::{Batch, Notice, Output, Put, StorageError, Ticket, Update};
use crate::base::{BoxMap, EventId, Instant, Limits, PeerId, set_of};
use crate::crypto::Verify;
use crate::store::RowRef;
use crate::wire::Role;

/// In the backlog a large event counts as several of so many bytes.
const UNIT: usize = 4 * 1024;

/// Batches in the backlog of a relay above which it takes nothing more from others: 16,384 events or 64 MiB. Credit is
/// held back at a quarter of it, so that an honest peer, which may be a window or two ahead, does not come near it.
const FULL_BATCHES: usize = 16;

/// Peers told that one event is durable. Whoever else sent it sends it again, and hears of it then.
const SENDERS: usize = 64;

/// The state of storing.
#[derive(Default)]
pub(super) struct Persist {
    /// Events not durable yet.
    pending: BoxMap<EventId, Pending>,
    /// The bytes of them all.
    bytes: usize,
    /// Those of them not in the batch under way, in the order they came.
    queue: VecDeque<EventId>,
    /// Durable events whose rows changed.
    rows: BTreeSet<EventId>,
    /// Whether the remembered state changed.
    state: bool,
    in_flight: Option<InFlight>,
    retry_at: Option<Instant>,
    failing: bool,
}

struct Pending {
    bytes: Arc<[u8]>,
    /// Who sent it and waits for an acknowledgement.
    senders: BTreeSet<PeerId>,
    /// The request by which it was published here, to be told of.
    request: Option<u32>,
}

struct InFlight {
    ticket: Ticket,
    events: Vec<EventId>,
    rows: Vec<EventId>,
    state: bool,
}

impl Persist {
    pub(super) fn is_pending(&self, id: &EventId) -> bool {
        self.pending.contains_key(id)
    }

    /// The bytes of an event that is not durable yet.
    pub(super) fn bytes(&self, id: &EventId) -> Option<&Arc<[u8]>> {
        self.pending.get(id).map(|pending| &pending.bytes)
    }

    /// Events waiting to be stored, a large one counted as several.
    pub(super) fn backlog(&self) -> usize {
        self.pending.len().max(self.bytes / UNIT)
    }

    /// Whether a relay can take another event from somebody else. While the storage fails it takes no more than one
    /// batch to try with, which is forgotten when that fails, too.
    fn has_room(&self, limits: &Limits) -> bool {
        let batches = if self.failing { 1 } else { FULL_BATCHES };
        self.backlog() < limits.persist_events * batches
    }

    /// Whether nothing is to be stored.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.rows.is_empty() && !self.state && self.in_flight.is_none()
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Has the remembered state stored with the next batch.
    pub(super) fn remember(&mut self) {
        self.state = true;
    }

    /// Takes an event to be stored.
    pub(super) fn add(&mut self, id: EventId, bytes: Arc<[u8]>, sender: Option<PeerId>) {
        self.bytes += bytes.len();
        self.pending.insert(id, Pending { bytes, senders: set_of(sender), request: None });
        self.queue.push_back(id);
    }

    fn remove(&mut self, id: &EventId) -> Option<Pending> {
        let pending = self.pending.remove(id)?;
        self.bytes -= pending.bytes.len();
        Some(pending)
    }

    /// Notes that another peer waits for the acknowledgement of a pending event.
    pub(super) fn add_sender(&mut self, id: &EventId, peer: PeerId) {
        if let Some(pending) = self.pending.get_mut(id).filter(|pending| pending.senders.len() < SENDERS) {
            pending.senders.insert(peer);
        }
    }

    /// Has it told when a pending event is durable; whether it is pending.
    pub(super) fn tell_when_saved(&mut self, id: &EventId, request: u32) -> bool {
        let pending = self.pending.get_mut(id);
        pending.map(|pending| pending.request = Some(request)).is_some()
    }

    /// Has a changed row stored: with its event when that is to be stored anyway.
    pub(super) fn row_changed(&mut self, id: EventId) {
        self.rows.insert(id);
    }
}

impl<V: Verify> Node<V> {
    /// Bytes of the events that are not durable yet. A relay keeps at most 64 MiB and one event of others'.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.persist.bytes
    }

    /// Whether an event of somebody else's may enter. A person's device shows what it cannot store as long as it runs;
    /// a relay, which anyone may fill, must not keep what it cannot pass to its storage.
    pub(super) fn has_room(&self) -> bool {
        self.role != Role::Relay || self.persist.has_room(&self.limits)
    }

    /// Hands the next batch to the storage, if there is one and none is under way.
    pub(super) fn flush_persist(&mut self) {
        let persist = &mut self.persist;
        if persist.in_flight.is_some() || persist.retry_at.is_some_and(|at| at > self.now.instant) {
            return;
        }
        // Even when nothing is left to try again, or the deadline would lie in the past for ever.
        persist.retry_at = None;
        let pending = &persist.pending;
        persist.rows.retain(|id| !pending.contains_key(id));
        if persist.queue.is_empty() && persist.rows.is_empty() && !persist.state {
            return;
        }
        let count = persist.queue.len().min(self.limits.persist_events);
        let events: Vec<EventId> = persist.queue.drain(..count).collect();
        let rows: Vec<EventId> = core::mem::take(&mut persist.rows).into_iter().collect();
        let state = core::mem::take(&mut persist.state);
        let mut puts = Vec::with_capacity(events.len() + rows.len());
        for id in events.iter().chain(&rows) {
            let Some(row) = self.index.get(id) else { continue };
            let pending = self.persist.pending.get(id);
            let event = pending.map(|pending| pending.bytes.clone());
            let from = pending.and_then(|pending| pending.senders.first().copied());
            puts.push(Put { row: row.to_row(), event, from });
        }
        let strict = puts.iter().any(|put| put.row.own && put.event.is_some());
        let state_bytes = state.then(|| self.remembered());
        let ticket = self.ticket();
        self.persist.in_flight = Some(InFlight { ticket, events, rows, state });
        self.outputs.push_back(Output::Persist(Batch { ticket, strict, puts, state: state_bytes }));
    }

    pub(super) fn on_persisted(&mut self, ticket: Ticket, result: Result<(), StorageError>) {
        let Some(batch) = self.persist.in_flight.take_if(|batch| batch.ticket == ticket) else { return };
        match result {
            Ok(()) => self.on_durable(batch),
            Err(error) => self.on_not_durable(batch, error),
        }
    }

    fn on_durable(&mut self, batch: InFlight) {
        if core::mem::take(&mut self.persist.failing) {
            self.notice(Notice::StorageWorks);
        }
        for id in batch.events {
            let Some(pending) = self.persist.remove(&id) else { continue };
            for peer in pending.senders {
                self.acknowledge(peer, id);
            }
            if let Some(request) = pending.request {
                self.outputs.push_back(Output::Update(Update::Saved { request }));
            }
            self.event_changed(&id);
        }
        // Credit held back while the backlog was long.
        if self.persist.queue.is_empty() {
            let peers: Vec<PeerId> = self.ready_peers().collect();
            peers.into_iter().for_each(|peer| self.grant(peer));
        }
    }

    /// Own events stay here and are tried again. Foreign ones, those behind the batch too, are forgotten and will be
    /// offered again by whoever has them, unless there is no storage at all: then this memory is all there is.
    fn on_not_durable(&mut self, batch: InFlight, error: StorageError) {
        let memory_only = matches!(error, StorageError::Unavailable(_));
        let queue = core::mem::take(&mut self.persist.queue);
        for id in batch.events.into_iter().chain(queue) {
            if memory_only || self.index.get(&id).is_some_and(RowRef::own) {
                self.persist.queue.push_back(id);
            } else {
                self.forget(&id);
            }
        }
        self.persist.rows.extend(batch.rows);
        self.persist.state |= batch.state;
        self.persist.retry_at = Some(self.now.instant + self.limits.persist_retry);
        if !core::mem::replace(&mut self.persist.failing, true) {
            self.notice(Notice::StorageFailing(error));
        }
    }

    fn forget(&mut self, id: &EventId) {
        self.event_came_or_goes(id);
        self.persist.remove(id);
        if let Some(row) = self.index.remove(id).filter(|row| row.board_name.is_some()) {
            self.views.board_named(&self.index, &row.board);
        }
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Update(Update::Notice(notice)));
    }
}
