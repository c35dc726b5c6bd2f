//! One peer we have a session with: what it said, what it may send, what is to be sent to it.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::api::Ticket;
use super::heard::Heard;
use super::scopes::Scopes;
use crate::base::{AuthorId, BoardId, BoardName, BoxMap, EventId, Instant, Limits, Seconds, Slot};
use crate::gossip::Neighbour;
use crate::gossip::PeerRecord;
use crate::trust::Standing;
use crate::wire::{Role, Scope};

/// Identifiers remembered of what a peer has, so that new events go to nobody twice: minutes of a busy board, 4 KiB of memory.
const REMEMBERED: usize = 512;

/// The state of one session.
#[derive(Debug)]
pub(super) struct Session {
    pub role: Option<Role>,
    /// Whether it is over a direct connection, as only tabs have.
    pub is_direct: bool,
    pub since: Instant,
    pub standing: Standing,
    pub neighbour: Neighbour,
    pub out: Outgoing,
    pub inn: Incoming,
    /// When to say again what was said once and could be lost.
    pub refresh_at: Instant,
    /// The deadline under which this session stands in the node's timer table.
    pub timer: Option<Instant>,
    pub scopes: Scopes,
    pub calls: BoxMap<u64, Call>,
    /// Events the peer has and we lack, not asked for yet.
    pub needs: VecDeque<EventId>,
    /// When the scopes were last planned.
    pub planned: Option<Instant>,
    /// Reconciliations are not begun before this.
    pub begin_at: Instant,
    /// Events asked for and not here yet.
    pub wants: BoxMap<EventId, Asked>,
    /// How many were ever asked for.
    pub asked: u64,
    /// What it brought last of what it was asked for, by its place in that order, and when.
    pub brought: Option<(u64, Instant)>,
    /// When to look whether they come fast enough.
    pub wants_until: Instant,
    /// How many came since that was last looked at.
    pub arrived: usize,
    /// Own events that were offered here and not acknowledged, with when they were first queued: a peer that grants no
    /// credit is never sent any, and keeps nothing all the same.
    pub unacked: BTreeMap<EventId, Instant>,
    /// What was last told to the person.
    pub told_syncing: Option<bool>,
    /// The same of whether it swallows what it is sent.
    pub told_swallows: bool,
    /// Events it said it has and we lack.
    pub heard: Heard,
    /// Until when it, a relay, is taken to have heard that it should bring events by itself.
    pub grafted_until: Instant,
    /// Those among `needs` that it told of and nobody brought in time.
    pub late: BTreeSet<EventId>,
    /// Boards whose tree the link is no part of any more, not told yet.
    pub prunes: BTreeSet<BoardId>,
    /// Where it says it can be asked for a direct connection.
    pub record: Option<PeerRecord>,
    /// When it was last told of somebody who looks for neighbours.
    pub introduced: Option<Instant>,
    /// When its last shuffle was answered.
    pub shuffled: Option<Instant>,
    /// Whether it was last asked for readers of boards that no neighbour reads, not of any.
    pub sought_missing: bool,
    /// When the own peer record that it was last told was made.
    pub told_record: Option<Seconds>,
    /// Boards of which it was last told to tell ids alone.
    pub told_lazy: BTreeSet<BoardId>,
    /// The own reach record that the peer was last told, by its slot and time.
    pub told_reach: Option<(Slot, Seconds)>,
    /// Whether the peer, a relay as we are, was told of the records kept here.
    pub told_records: bool,
    /// What the peer, a relay, was asked of friends.
    pub search: Search,
    /// Slots the peer has put reach records into.
    pub slots: BTreeSet<Slot>,
}

/// What is to be sent, and how much may be.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// New events, sent before all others.
    pub live: VecDeque<EventId>,
    /// Events the peer lacks or asked for.
    pub sync: VecDeque<EventId>,
    /// What is in `sync`.
    pub queued: BTreeSet<EventId>,
    /// A frame whose bodies are being read, with those that were at hand.
    pub reading: Option<Reading>,
    /// Frames of events sent.
    pub sent: u64,
    /// Frames of events the peer lets us send.
    pub granted: u64,
    /// Names of boards to tell of.
    pub names: Vec<BoardName>,
    /// Ids to tell of.
    pub have: VecDeque<EventId>,
    /// When to tell of them.
    pub have_at: Instant,
    /// Acknowledgements to send.
    pub acks: Vec<EventId>,
    /// Not before this, so that events and acknowledgements share frames.
    pub not_before: Instant,
}

/// A frame of events whose bodies are being read.
#[derive(Debug)]
pub(super) struct Reading {
    pub ticket: Ticket,
    /// Its events, with the bytes of those that were at hand.
    pub events: Vec<(EventId, Option<Arc<[u8]>>)>,
}

impl Outgoing {
    /// Whether the peer lets us send another frame of events beside the one whose bodies are being read.
    pub(super) fn has_credit(&self) -> bool {
        self.sent + u64::from(self.reading.is_some()) < self.granted
    }
}

/// Asking a relay where friends are: day after day, as far as nothing was found.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Slots asked for, each with the friend whose it is.
    pub asked: BTreeMap<Slot, AuthorId>,
    /// Those of them that were not answered yet.
    pub open: BTreeSet<Slot>,
    /// Friends of whom nothing lies in the slots that were.
    pub missing: Vec<AuthorId>,
    /// Days not asked for yet, the likelier first.
    pub days: VecDeque<u64>,
}

/// What has come in.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// Frames of events received.
    pub received: u64,
    /// The same with those lost on the way, by the peer's own count.
    pub frames: u64,
    /// Frames of events we let the peer send.
    pub granted: u64,
}

/// When an event was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub since: Instant,
    /// Its place among all that the peer was asked for.
    pub order: u64,
    /// Whether the link goes back into the tree with it.
    pub grafts: bool,
}

/// A reconciliation we began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub scope: Scope,
    pub until: Instant,
}

impl Session {
    pub(super) fn new(is_direct: bool, now: Instant, limits: &Limits) -> Session {
        Session {
            role: None,
            is_direct,
            since: now,
            standing: Standing::new(now, limits),
            neighbour: Neighbour::new(REMEMBERED),
            out: Outgoing::default(),
            inn: Incoming { received: 0, frames: 0, granted: limits.window_frames },
            refresh_at: now + limits.reconcile_every,
            timer: None,
            scopes: Scopes::default(),
            calls: BoxMap::new(),
            needs: VecDeque::new(),
            planned: None,
            begin_at: now,
            wants: BoxMap::new(),
            asked: 0,
            brought: None,
            wants_until: now,
            arrived: 0,
            unacked: BTreeMap::new(),
            told_syncing: None,
            told_swallows: false,
            heard: Heard::default(),
            grafted_until: now,
            late: BTreeSet::new(),
            prunes: BTreeSet::new(),
            record: None,
            introduced: None,
            shuffled: None,
            sought_missing: false,
            told_record: None,
            told_lazy: BTreeSet::new(),
            told_reach: None,
            told_records: false,
            search: Search::default(),
            slots: BTreeSet::new(),
        }
    }

    /// Whether missing events are still being looked for.
    pub(super) fn is_syncing(&self) -> bool {
        !self.scopes.all_done() || !self.needs.is_empty() || !self.wants.is_empty()
    }

    /// Notes that an own event was queued, to see whether it is sent and acknowledged.
    pub(super) fn expect_ack(&mut self, id: EventId, now: Instant) {
        if self.unacked.len() < UNACKED {
            self.unacked.entry(id).or_insert(now);
        }
    }

    /// Whether the peer had time to acknowledge something and did not.
    pub(super) fn swallows(&self, now: Instant, limits: &Limits) -> bool {
        self.unacked.values().any(|since| *since + limits.ack_timeout <= now)
    }

    /// Queues a new event; when the peer takes too little, the next reconciliation brings it.
    pub(super) fn queue_live(&mut self, id: EventId) {
        if self.out.live.len() < LIVE {
            self.out.live.push_back(id);
        } else {
            self.neighbour.has.forget(&id);
        }
    }

    /// Queues an id to be told of, with those that follow within `pace`: meanwhile the peer may say that it has it.
    pub(super) fn queue_have(&mut self, id: EventId, now: Instant, pace: Duration) {
        if self.out.have.is_empty() {
            self.out.have_at = now + pace;
        }
        // What finds no room is found by the next reconciliation.
        if self.out.have.len() < HAVE {
            self.out.have.push_back(id);
        }
    }

    /// Queues an event the peer lacks; false when there is no room.
    pub(super) fn queue_sync(&mut self, id: EventId, limit: usize) -> bool {
        if self.out.queued.len() >= limit {
            return self.out.queued.contains(&id);
        }
        if self.out.queued.insert(id) {
            self.out.sync.push_back(id);
        }
        true
    }

    /// The scope to be reconciled next, the longest due first, and when it is due.
    pub(super) fn next_scope(&self) -> Option<(Instant, Scope)> {
        self.scopes.by_due().find(|(_, scope)| self.calls.values().all(|call| call.scope != *scope))
    }

    /// The next moment at which this session needs attention without any input.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        if self.role.is_none() {
            return Some(self.since + limits.hello_timeout);
        }
        let events = !self.out.live.is_empty() || (!self.out.sync.is_empty() && self.out.reading.is_none());
        let said = !self.out.acks.is_empty() || !self.out.names.is_empty() || !self.prunes.is_empty();
        let waiting = said || (events && self.out.has_credit());
        let paced = waiting.then_some(self.out.not_before);
        let scopes = if self.calls.len() < CALLS {
            self.next_scope().map(|(due, _)| due.max(self.begin_at))
        } else {
            None
        };
        let calls = self.calls.values().map(|call| call.until).min();
        let wants = (!self.wants.is_empty()).then_some(self.wants_until);
        let owed = self.unacked.values().min().filter(|_| !self.told_swallows);
        let owed = owed.map(|since| *since + limits.ack_timeout);
        let have = (!self.out.have.is_empty()).then_some(self.out.have_at.max(self.out.not_before));
        let heard = self.heard.due_at();
        [paced, scopes, calls, wants, owed, have, heard, Some(self.refresh_at)].into_iter().flatten().min()
    }
}

/// New events that wait for one peer.
const LIVE: usize = 4_096;

/// Ids that wait to be told to one peer.
const HAVE: usize = 65_536;

/// Own events whose acknowledgement is looked out for; one would do to judge the peer by.
const UNACKED: usize = 64;

/// Reconciliations begun with one peer at a time: enough to hide a round trip, few enough to leave room for posts.
pub(super) const CALLS: usize = 4;

/// The same with those of threads a person has opened, who does not wait for the others.
pub(super) const ALL_CALLS: usize = 16;
