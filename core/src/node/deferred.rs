//! Valid events from the future: kept aside until their time has come, within bounds.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::Node;
use super::api::Notice;
use crate::admit::Admission;
use crate::base::{AuthorId, EventId, Instant, Limits, Now, Seconds, set_of};
use crate::crypto::Verify;
use crate::event::Event;
use crate::gossip::Recent;

/// Authors from the future before the local clock is suspected: one such author is theirs, eight are ours.
const SUSPECT_CLOCK: usize = 8;

/// Events remembered for which there was no room, so that each reconciliation does not fetch them again.
const TURNED_AWAY: usize = 65_536;

/// How long they are remembered at least: their time may have come.
const FORGET_AFTER: Duration = Duration::from_secs(10 * 60);

/// Events by the moment at which they may enter.
pub(super) struct Deferred {
    events: BTreeMap<(Seconds, EventId), Kept>,
    ids: BTreeSet<EventId>,
    bytes: usize,
    turned_away: Recent,
    forget_at: Instant,
    told: bool,
}

struct Kept {
    author: AuthorId,
    bytes: Vec<u8>,
    /// The request by which this node's person had it published, if they wrote it.
    request: Option<u32>,
}

impl Deferred {
    pub(super) fn new() -> Deferred {
        Deferred {
            events: BTreeMap::new(),
            ids: BTreeSet::new(),
            bytes: 0,
            turned_away: Recent::new(TURNED_AWAY),
            forget_at: Instant(0),
            told: false,
        }
    }

    /// Whether an event is here, or was and had no room: in either case it is not asked for.
    pub(super) fn knows(&self, id: &EventId) -> bool {
        self.ids.contains(id) || self.turned_away.contains(id)
    }

    /// When the first may enter.
    pub(super) fn wake_at(&self, now: Now) -> Option<Instant> {
        let ((until, _), _) = self.events.first_key_value()?;
        Some(now.instant + Duration::from_secs(until.0.saturating_sub(now.unix.0)))
    }

    fn insert(&mut self, event: &Event, until: Seconds, request: Option<u32>, limits: &Limits) {
        let key = (until, event.id());
        if !self.ids.insert(event.id()) {
            if let Some(kept) = self.events.get_mut(&key) {
                kept.request = request.or(kept.request);
            }
            return;
        }
        self.bytes += event.bytes().len();
        let kept = Kept { author: event.fields().author, bytes: event.bytes().to_vec(), request };
        self.events.insert(key, kept);
        while self.events.len() > limits.deferred || self.bytes > limits.deferred_bytes {
            // Those that come due last are the least likely to be meant.
            let Some(((_, id), kept)) = self.events.pop_last() else { break };
            self.ids.remove(&id);
            self.bytes -= kept.bytes.len();
            self.turned_away.insert(id);
        }
    }

    /// Those whose time has come, and the requests by which they were published.
    fn due(&mut self, now: Now) -> (Vec<Vec<u8>>, Vec<Option<u32>>) {
        let (mut due, mut requests) = (Vec::new(), Vec::new());
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > now.unix {
                break;
            }
            self.ids.remove(&entry.key().1);
            let kept = entry.remove();
            self.bytes -= kept.bytes.len();
            due.push(kept.bytes);
            requests.push(kept.request);
        }
        if !due.is_empty() && self.forget_at <= now.instant {
            self.turned_away = Recent::new(TURNED_AWAY);
            self.forget_at = now.instant + FORGET_AFTER;
        }
        // Another wrong clock is told of again.
        self.told &= !self.events.is_empty();
        (due, requests)
    }

    /// Whether it looks, for the first time, as if the local clock were wrong.
    fn suspects_clock(&mut self) -> bool {
        if self.told || self.events.len() < SUSPECT_CLOCK {
            return false;
        }
        let authors = set_of(self.events.values().map(|kept| kept.author));
        self.told = authors.len() >= SUSPECT_CLOCK;
        self.told
    }
}

impl<V: Verify> Node<V> {
    /// Keeps an event aside; one that was published here with its request.
    pub(super) fn defer(&mut self, event: &Event, until: Seconds, request: Option<u32>) {
        self.deferred.insert(event, until, request, &self.limits);
        if self.deferred.suspects_clock() {
            self.notice(Notice::ClockLooksWrong);
        }
    }

    /// Tries deferred events again whose time has come.
    pub(super) fn admit_deferred(&mut self) {
        let (due, requests) = self.deferred.due(self.now);
        if due.is_empty() {
            return;
        }
        for (admission, request) in self.at_the_door(&due).into_iter().zip(requests) {
            match (admission, request) {
                (Admission::Accepted(event), Some(request)) => {
                    let id = event.id();
                    self.accept(event, None, true);
                    self.hold_own(&id, request);
                }
                (Admission::Accepted(event), None) if self.has_room() => self.accept(event, None, false),
                (Admission::Duplicate(id), Some(request)) => self.hold_own(&id, request),
                (Admission::Deferred { event, until }, request) => self.defer(&event, until, request),
                (Admission::Accepted(_) | Admission::Duplicate(_) | Admission::Rejected(_), _) => {}
            }
        }
    }
}
