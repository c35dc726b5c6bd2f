//! Fetching what was found missing: each event is asked of one peer, and of another that has it when it does not come.

use core::time::Duration;

use super::Node;
use super::session::Asked;
use crate::base::{EventId, Instant, PeerId};
use crate::crypto::Verify;
use crate::wire::Frame;

/// Periods of patience after which even a fast peer is not waited for.
const LONG: u32 = 4;

/// How long a relay that was asked to bring events by itself is not asked again.
const GRAFTED: Duration = Duration::from_secs(60);

/// An event that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Whom it was asked of.
    of: PeerId,
    /// Who said it has it too.
    others: Vec<PeerId>,
}

impl<V: Verify> Node<V> {
    /// Asks a peer for what it has and we lack, as far as nobody else was asked.
    pub(super) fn ask(&mut self, peer: PeerId) {
        let now = self.now.instant;
        if !self.has_room() {
            return;
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        // A quarter of the window free before asking on, so that requests are few and large.
        let free = self.limits.wants.saturating_sub(session.wants.len());
        if session.needs.is_empty() || free < self.limits.wants / 4 {
            return;
        }
        if session.wants.is_empty() {
            session.wants_until = now + self.limits.want_timeout;
            session.arrived = 0;
        }
        let (mut wants, mut grafts) = (Vec::new(), Vec::new());
        while wants.len() + grafts.len() < free
            && let Some(id) = session.needs.pop_front()
        {
            let is_late = session.late.remove(&id);
            if self.index.contains(&id) || self.deferred.knows(&id) {
                continue;
            }
            match self.wanted.get_mut(&id) {
                Some(wanted) if wanted.of == peer || wanted.others.contains(&peer) => {}
                Some(wanted) => wanted.others.push(peer),
                None => {
                    self.wanted.insert(id, Wanted { of: peer, others: Vec::new() });
                    session.asked += 1;
                    session.wants.insert(id, Asked { since: now, order: session.asked, grafts: is_late });
                    if is_late { grafts.push(id) } else { wants.push(id) }
                }
            }
        }
        if !grafts.is_empty() {
            session.grafted_until = now + GRAFTED;
        }
        for ids in wants.chunks(self.limits.frame_ids) {
            self.send(peer, &Frame::Want { ids: ids.to_vec() });
        }
        for ids in grafts.chunks(self.limits.frame_ids) {
            self.send(peer, &Frame::Graft { ids: ids.to_vec() });
        }
    }

    /// Looks now and then whether what was asked of a peer comes. What does not, while others have it, is asked of them;
    /// a quarter of what is overdue in each period is fast enough, so that a slow link is not made slower by receiving
    /// everything twice. But nobody keeps one event from us by sending others.
    pub(super) fn give_up_wants(&mut self, peer: PeerId) {
        let (now, patience) = (self.now.instant, self.limits.want_timeout);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if session.wants.is_empty() || session.wants_until > now {
            return;
        }
        let wants = session.wants.iter().map(|(id, asked)| (*id, asked.since));
        let overdue: Vec<(EventId, Instant)> = wants.filter(|(_, since)| *since + patience <= now).collect();
        let arrived = core::mem::take(&mut session.arrived);
        session.wants_until = now + patience;
        let fast_enough = arrived * 4 >= overdue.len();
        for (id, since) in overdue {
            // Whoever sends something, and alone has the rest, may go on.
            let alone = self.wanted.get(&id).is_none_or(|wanted| wanted.others.is_empty());
            let long_ago = since + patience * LONG <= now;
            if if alone { arrived == 0 } else { !fast_enough || long_ago } {
                self.ask_another(&id);
            }
        }
    }

    /// Notes that a peer has sent an event we may have waited for; how it was asked for, if that peer was.
    pub(super) fn arrived(&mut self, peer: PeerId, id: EventId) -> Option<Asked> {
        let asked = self.answered(peer, &id);
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.neighbour.has.insert(id);
        }
        asked
    }

    /// No longer waits for an event that a peer has sent, whatever became of it; how it was asked for, if that peer was.
    pub(super) fn answered(&mut self, peer: PeerId, id: &EventId) -> Option<Asked> {
        let wanted = self.wanted.remove(id)?;
        let session = self.sessions.get_mut(&wanted.of)?;
        let asked = session.wants.remove(id).filter(|_| wanted.of == peer);
        if let Some(asked) = asked {
            session.arrived += 1;
            session.brought = Some((asked.order, self.now.instant));
        }
        self.touched.insert(wanted.of);
        asked
    }

    /// Notes that a peer does not give out an event.
    pub(super) fn on_withheld(&mut self, peer: PeerId, id: &EventId) {
        if self.wanted.get(id).is_some_and(|wanted| wanted.of == peer) {
            self.ask_another(id);
        }
    }

    /// Whether an event was asked of another peer and is not here yet.
    pub(super) fn is_asked_of_another(&self, peer: PeerId, id: &EventId) -> bool {
        self.wanted.get(id).is_some_and(|wanted| wanted.of != peer)
    }

    /// Until when an event is left to whom it was asked of, because that peer is bringing what it was asked for before
    /// it: on a slow link much that was asked for at once takes a while, and should not come twice. Whoever brings what it
    /// was asked for later has passed this one over.
    pub(super) fn brought_until(&self, id: &EventId) -> Option<Instant> {
        let session = self.sessions.get(&self.wanted.get(id)?.of)?;
        let asked = session.wants.get(id)?;
        let (_, at) = session.brought.filter(|(order, _)| *order < asked.order)?;
        Some((at + self.limits.neighbour_patience).min(asked.since + self.limits.want_timeout))
    }

    /// Has an event asked of the others that have it instead; the first served asks.
    pub(super) fn ask_another(&mut self, id: &EventId) {
        let Some(wanted) = self.wanted.remove(id) else { return };
        if let Some(session) = self.sessions.get_mut(&wanted.of) {
            session.wants.remove(id);
            self.touched.insert(wanted.of);
        }
        for peer in wanted.others {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.needs.push_back(*id);
                self.touched.insert(peer);
            }
        }
    }
}
