//! A few nodes whose frames are carried at once, unless a test withholds them.

use std::collections::BTreeSet;

use chanterelle_core::base::{Instant, PeerId};
use chanterelle_core::node::{CloseReason, Input};
use chanterelle_core::wire::Frame;

use super::shell::{Said, Shell};

/// Whether a frame from the first to the second is lost.
type Loss = Box<dyn FnMut(usize, usize, &Frame) -> bool>;

/// Nodes with one clock.
pub(super) struct World {
    pub(super) shells: Vec<Shell>,
    sessions: BTreeSet<(usize, usize)>,
    pub(super) lose: Loss,
    /// Every frame carried, with its sender and receiver.
    pub(super) carried: Vec<(usize, usize, Frame)>,
    /// Sessions that a node ended.
    pub(super) closed: Vec<(usize, CloseReason)>,
}

impl World {
    pub(super) fn new(shells: Vec<Shell>) -> World {
        World {
            shells,
            sessions: BTreeSet::new(),
            lose: Box::new(|_, _, _| false),
            carried: Vec::new(),
            closed: Vec::new(),
        }
    }

    /// Opens a session and lets both say all they have to.
    pub(super) fn link(&mut self, a: usize, b: usize) {
        self.sessions.insert((a.min(b), a.max(b)));
        let (id_a, id_b) = (self.shells[a].id(), self.shells[b].id());
        let tabs = [a, b].iter().all(|who| self.shells[*who].is_tab());
        let connected = if tabs { Input::ConnectedDirectly } else { Input::Connected };
        self.shells[a].input(connected(id_b));
        self.shells[b].input(connected(id_a));
        self.carry();
    }

    /// Breaks a session.
    pub(super) fn sever(&mut self, a: usize, b: usize) {
        if self.sessions.remove(&(a.min(b), a.max(b))) {
            let (id_a, id_b) = (self.shells[a].id(), self.shells[b].id());
            self.shells[a].input(Input::Disconnected(id_b));
            self.shells[b].input(Input::Disconnected(id_a));
        }
    }

    /// A node dies and begins again; its sessions are gone.
    pub(super) fn restart(&mut self, who: usize) {
        for other in 0..self.shells.len() {
            self.sever(who, other);
        }
        self.shells[who].restart();
    }

    /// Lets time pass for all.
    pub(super) fn run(&mut self, milliseconds: u64) {
        let end = Instant(self.shells[0].now.instant.0 + milliseconds);
        self.carry();
        while let Some(at) = self.next_wake().filter(|at| *at <= end) {
            for shell in &mut self.shells {
                shell.set_clock(at);
                if shell.node.poll_timeout().is_some_and(|due| due <= at) {
                    shell.wake_at(at);
                }
            }
            self.carry();
        }
        self.shells.iter_mut().for_each(|shell| shell.set_clock(end));
    }

    fn next_wake(&self) -> Option<Instant> {
        self.shells.iter().filter_map(|shell| shell.node.poll_timeout()).min()
    }

    /// Carries frames until nobody has anything to say at this moment.
    pub(super) fn carry(&mut self) {
        while (0..self.shells.len()).any(|from| self.carry_from(from)) {}
    }

    fn carry_from(&mut self, from: usize) -> bool {
        let said = self.shells[from].take(|said| match said {
            Said::Frame(peer, frame) => Some((*peer, Ok(frame.clone()))),
            Said::Close(peer, reason) => Some((*peer, Err(*reason))),
            Said::Update(_) => None,
        });
        let sender = self.shells[from].id();
        let any = !said.is_empty();
        for (peer, what) in said {
            let Some(to) = self.at(peer) else { continue };
            let session = (from.min(to), from.max(to));
            match what {
                Ok(frame) if self.sessions.contains(&session) => {
                    if (self.lose)(from, to, &frame) {
                        continue;
                    }
                    let limits = self.shells[from].limits();
                    let bytes = frame.encode(limits);
                    self.carried.push((from, to, frame));
                    self.shells[to].input(Input::Received(sender, bytes));
                }
                Ok(_) => {}
                Err(reason) => {
                    self.closed.push((from, reason));
                    if self.sessions.remove(&session) {
                        self.shells[to].input(Input::Disconnected(sender));
                    }
                }
            }
        }
        any
    }

    fn at(&self, peer: PeerId) -> Option<usize> {
        self.shells.iter().position(|shell| shell.id() == peer)
    }
}
