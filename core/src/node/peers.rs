//! Sessions: how they begin and end, and what each frame means.

use core::time::Duration;

use super::api::{CloseReason, Output, SessionInfo, Update};
use super::session::{Reading, Session};
use super::{Node, Reader};
use crate::base::{BoardId, EventId, PeerId, set_of};
use crate::crypto::{Verify, no_board};
use crate::gossip::Interest;
use crate::trust::{Cost, Fault, Verdict};
use crate::wire::{Frame, Hello, Role, VERSION};

/// Events queued for one peer; it will ask again for what lies beyond.
pub(super) const SYNC_QUEUE: usize = 65_536;

/// Between two plans of what is reconciled with one peer, however often it changes its mind.
const PLAN_EVERY: Duration = Duration::from_secs(1);

impl<V: Verify> Node<V> {
    pub(super) fn on_connected(&mut self, peer: PeerId, is_direct: bool) {
        self.forget_session(peer);
        if peer == self.peer {
            self.outputs.push_back(Output::Close(peer, CloseReason::Oneself));
            return;
        }
        self.sessions.insert(peer, Session::new(is_direct, self.now.instant, &self.limits));
        self.touched.insert(peer);
        self.network_changed = true;
        let hello = Hello {
            v: VERSION,
            role: self.role,
            agent: self.agent.clone(),
            window: self.limits.window_frames,
            producer: self.producer(),
        };
        self.send(peer, &Frame::Hello(hello));
    }

    pub(super) fn on_disconnected(&mut self, peer: PeerId) {
        self.forget_session(peer);
    }

    pub(super) fn on_received(&mut self, peer: PeerId, bytes: &[u8]) {
        let (now, limits) = (self.now.instant, &self.limits);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        self.touched.insert(peer);
        let verdict = session.standing.frame(bytes.len(), now, limits);
        if !self.follow(peer, verdict) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let greeted = session.role.is_some();
        let frame = Frame::decode(bytes, &self.limits);
        if matches!(frame, Ok(Frame::Events { .. })) {
            // Beyond what it was granted it is charged as a fault.
            session.standing.granted(bytes.len());
        }
        match frame {
            Ok(Frame::Hello(hello)) if !greeted => self.on_hello(peer, &hello),
            Ok(Frame::Bye { .. }) => self.close(peer, CloseReason::Bye),
            Ok(frame) if greeted => self.on_frame(peer, frame),
            Ok(_) => drop(self.charge(peer, Fault::Misplaced)),
            Err(_) => drop(self.charge(peer, Fault::Frame)),
        }
    }

    fn on_hello(&mut self, peer: PeerId, hello: &Hello) {
        if hello.v != VERSION {
            self.close(peer, CloseReason::Version);
            return;
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if session.is_direct && hello.role != Role::Tab {
            // Relays are told what no stranger is to know; the word of one is not enough to be taken for a relay.
            self.close(peer, CloseReason::NotATab);
            return;
        }
        session.role = Some(hello.role);
        let producer = hello.producer.filter(|_| hello.role == Role::Relay);
        session.out.granted = hello.window;
        session.neighbour.lazy_of_others = self.role == Role::Tab && hello.role == Role::Relay;
        self.network_changed = true;
        if let Some(producer) = producer {
            self.believe(producer);
        }
        if !self.takes_in(peer) {
            return;
        }
        let interest = self.interest_frame();
        self.send(peer, &interest);
        if let Some(directory) = self.directory_frame() {
            self.send(peer, &directory);
        }
        if self.restored {
            self.offer_unsent(peer);
            self.meet(peer);
            self.seek(peer);
        }
    }

    fn on_frame(&mut self, peer: PeerId, frame: Frame) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        match frame {
            Frame::Interest { all, boards } => {
                let interest = self.granted_interest(peer, all, boards);
                let Some(session) = self.sessions.get_mut(&peer) else { return };
                if session.neighbour.interest == interest && session.planned.is_some() {
                    return;
                }
                let before = core::mem::replace(&mut session.neighbour.interest, interest);
                self.reads(peer, &before.boards);
                self.offer_newly_wanted(peer, &before);
                self.plan_soon(peer);
            }
            Frame::Directory { names } => {
                // A relay wants the boards it hears of, too, and asks whoever named them.
                if self.on_directory(names) && self.role == Role::Relay {
                    self.plan_soon(peer);
                }
            }
            Frame::Events { n, events } => {
                // Its own count is the higher when frames were lost, ours when it does not count on.
                session.inn.received += 1;
                let frames = n.max(session.inn.received);
                if frames > session.inn.granted {
                    // More than it was let: our credit is what bounds the memory it can take.
                    self.charge(peer, Fault::Frame);
                    return;
                }
                session.inn.frames = session.inn.frames.max(frames);
                self.on_events(peer, &events);
                self.grant(peer);
            }
            Frame::Credit { frames } => session.out.granted = session.out.granted.max(frames),
            Frame::Ack { ids } => self.on_ack(peer, &ids),
            Frame::Want { ids } => self.on_want(peer, ids),
            Frame::Graft { ids } => self.on_graft(peer, ids),
            Frame::Prune { boards } => self.on_prune(peer, boards),
            Frame::Withheld { ids } => ids.iter().for_each(|id| self.on_withheld(peer, id)),
            Frame::Reconcile { call, scope, message } => self.on_reconcile(peer, call, scope, &message),
            Frame::Reconciled { call, message } => self.on_reconciled(peer, call, &message),
            Frame::Find { slots } => self.on_find(peer, slots),
            Frame::Reach { records, missing } => self.on_reach(peer, &records, &missing),
            Frame::Have { ids } => self.on_have(peer, &ids),
            Frame::Lazy { boards } => session.neighbour.lazy = set_of(boards),
            Frame::Seek { boards } => self.on_seek(peer, set_of(boards)),
            Frame::Shuffle { records } => self.on_shuffle(peer, &records),
            Frame::Peers { records } => self.on_peers(peer, &records),
            Frame::Hello(_) | Frame::Bye { .. } => drop(self.charge(peer, Fault::Misplaced)),
        }
    }

    /// As much of an interest as a peer is served: a tab tells other tabs of boards alone.
    fn granted_interest(&self, peer: PeerId, all: bool, boards: Vec<BoardId>) -> Interest {
        let boards = boards.into_iter().filter(|board| self.tells_of(peer, board));
        Interest { all: all && self.tells_of(peer, &no_board()), boards: set_of(boards) }
    }

    /// Whether a peer may learn what is held here of a board. What a tab holds on the board of no name says who its
    /// person is, whose friend they are and whom they follow: that is for relays.
    pub(super) fn tells_of(&self, peer: PeerId, board: &BoardId) -> bool {
        let is_relay =
            |peer| self.sessions.get(peer).is_some_and(|session| session.role == Some(Role::Relay));
        self.role == Role::Relay || *board != no_board() || is_relay(&peer)
    }

    /// Plans anew what is reconciled with a peer, now or when that may be done again.
    fn plan_soon(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        match session.planned.map(|planned| planned + PLAN_EVERY).filter(|at| *at > self.now.instant) {
            Some(at) => session.refresh_at = session.refresh_at.min(at),
            None => self.plan_scopes(peer),
        }
    }

    fn on_ack(&mut self, peer: PeerId, ids: &[EventId]) {
        for id in ids {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.neighbour.has.insert(*id);
                session.unacked.remove(id);
            }
            if self.index.mark_sent(id) {
                self.persist.row_changed(*id);
                self.event_changed(id);
            }
        }
    }

    pub(super) fn on_want(&mut self, peer: PeerId, ids: Vec<EventId>) {
        let mut withheld = Vec::new();
        for id in ids {
            let held = self.index.get(&id).is_some_and(|row| self.tells_of(peer, &row.board()));
            let session = self.sessions.get_mut(&peer);
            if !held || session.is_some_and(|session| !session.queue_sync(id, SYNC_QUEUE)) {
                withheld.push(id);
            }
        }
        if !withheld.is_empty() {
            self.send(peer, &Frame::Withheld { ids: withheld });
        }
    }

    /// What we want to hear of.
    pub(super) fn interest_frame(&self) -> Frame {
        let all = self.role == Role::Relay;
        let boards = self.subscriptions.keys().take(self.limits.frame_boards).copied().collect();
        Frame::Interest { all, boards }
    }

    /// Offers a tab that wants other boards now what nobody has acknowledged of those it did not want before.
    fn offer_newly_wanted(&mut self, peer: PeerId, before: &Interest) {
        let is_tab = self.sessions.get(&peer).is_some_and(|session| session.role == Some(Role::Tab));
        if self.restored && is_tab {
            self.offer(peer, |board| !before.covers(board));
        }
    }

    /// Offers what was written here and never acknowledged: to a relay whether or not it asked for its board, to a tab,
    /// which may be any stranger's, what it asked for. If the peer has it, its acknowledgement is what we are after.
    pub(super) fn offer_unsent(&mut self, peer: PeerId) {
        self.offer(peer, |_| true);
    }

    /// The same of some boards.
    fn offer(&mut self, peer: PeerId, is_of: impl Fn(&BoardId) -> bool) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        for row in self.index.unsent().filter(|row| is_of(&row.board())) {
            if session.role == Some(Role::Tab) && !session.neighbour.interest.covers(&row.board()) {
                continue;
            }
            session.neighbour.has.insert(row.id());
            if session.queue_sync(row.id(), SYNC_QUEUE) {
                session.expect_ack(row.id(), self.now.instant);
            }
        }
    }

    pub(super) fn offer_unsent_to_all(&mut self) {
        let peers: Vec<PeerId> = self.ready_peers().collect();
        for peer in peers {
            self.offer_unsent(peer);
            self.meet(peer);
            self.seek(peer);
            self.plan_scopes(peer);
        }
    }

    /// Peers that have said hello.
    pub(super) fn ready_peers(&self) -> impl Iterator<Item = PeerId> {
        self.sessions.iter().filter(|(_, session)| session.role.is_some()).map(|(peer, _)| *peer)
    }

    /// Whether somebody has not been sent the acknowledgement of what is durable here.
    #[must_use]
    pub fn owes_acks(&self) -> bool {
        self.sessions.values().any(|session| !session.out.acks.is_empty())
    }

    /// Has a peer pay for what its frame takes beside being read; whether it stays.
    pub(super) fn cost(&mut self, peer: PeerId, cost: Cost) -> bool {
        let Some(session) = self.sessions.get_mut(&peer) else { return false };
        let verdict = session.standing.work(cost, self.now.instant);
        self.follow(peer, verdict)
    }

    /// Does what follows from what a peer costs; whether it stays.
    fn follow(&mut self, peer: PeerId, verdict: Verdict) -> bool {
        match verdict {
            Verdict::GoOn => true,
            Verdict::Pause(wait) => {
                self.outputs.push_back(Output::Pause(peer, wait));
                true
            }
            Verdict::Part => {
                self.close(peer, CloseReason::Budget);
                false
            }
        }
    }

    /// Takes points from a peer and parts with it when none are left; whether it stays.
    pub(super) fn charge(&mut self, peer: PeerId, fault: Fault) -> bool {
        let stays = self.sessions.get_mut(&peer).is_some_and(|session| session.standing.charge(fault));
        if !stays {
            self.close(peer, CloseReason::Budget);
        }
        stays
    }

    /// Ends a session from this side.
    pub(super) fn close(&mut self, peer: PeerId, reason: CloseReason) {
        if !self.sessions.contains_key(&peer) {
            return;
        }
        if reason != CloseReason::Bye {
            self.send(peer, &Frame::Bye { reason: reason.to_string() });
        }
        self.forget_session(peer);
        self.outputs.push_back(Output::Close(peer, reason));
    }

    fn forget_session(&mut self, peer: PeerId) {
        let Some(session) = self.sessions.remove(&peer) else { return };
        if let Some(at) = session.timer {
            self.timers.remove(&(at, peer));
        }
        self.touched.remove(&peer);
        session.calls.keys().for_each(|call| self.reconciler.abandon(*call));
        session.wants.keys().for_each(|id| self.ask_another(id));
        if let Some(Reading { ticket, .. }) = &session.out.reading {
            debug_assert!(matches!(self.reads.get(ticket), Some(Reader::Peer(of)) if *of == peer));
            self.reads.remove(ticket);
        }
        self.lost(peer, &session);
        self.forget_shortcuts(&session);
        self.network_changed = true;
    }

    /// Marks sessions whose deadline has come.
    pub(super) fn wake_sessions(&mut self) {
        while let Some(&(at, peer)) = self.timers.first() {
            if at > self.now.instant {
                break;
            }
            self.timers.pop_first();
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.timer = None;
            }
            self.touched.insert(peer);
        }
    }

    /// Serves every session something was done to, and notes when it wants attention again.
    pub(super) fn serve_sessions(&mut self) {
        while let Some(peer) = self.touched.pop_first() {
            let Some(session) = self.sessions.get(&peer) else { continue };
            if session.role.is_none() && self.now.instant >= session.since + self.limits.hello_timeout {
                self.close(peer, CloseReason::NoHello);
                continue;
            }
            self.refresh(peer);
            self.serve_sync(peer);
            self.pump(peer);
            let Some(session) = self.sessions.get_mut(&peer) else { continue };
            let deadline = session.deadline(&self.limits);
            if let Some(at) = core::mem::replace(&mut session.timer, deadline) {
                self.timers.remove(&(at, peer));
            }
            if let Some(at) = deadline {
                self.timers.insert((at, peer));
            }
            let syncing = Some(session.is_syncing());
            let swallows = session.swallows(self.now.instant, &self.limits);
            if session.told_syncing != syncing || session.told_swallows != swallows {
                (session.told_syncing, session.told_swallows) = (syncing, swallows);
                self.network_changed = true;
            }
        }
    }

    /// Tells the person who is connected, when that changed. A relay has nobody to tell and thousands of sessions.
    pub(super) fn tell_network(&mut self) {
        if !core::mem::take(&mut self.network_changed) || self.role == Role::Relay {
            return;
        }
        let info = |(peer, session): (&PeerId, &Session)| SessionInfo {
            peer: *peer,
            role: session.role,
            syncing: session.is_syncing(),
            swallows: session.told_swallows,
        };
        let sessions = self.sessions.iter().map(info).collect();
        self.outputs.push_back(Output::Update(Update::Network(sessions)));
    }
}
