//! One simulated peer: a node, its durable storage, and the shell between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::verify::Remembering;
use crate::base::{BoardName, EventId, Limits, Now, PeerId};
use crate::crypto::{Identity, Root, SecretKey, derive};
use crate::invite::Address;
use crate::node::{Batch, Command, Input, Node, Setup};
use crate::store::Row;
use crate::wire::Role;

/// What survives a crash.
#[derive(Default)]
pub(super) struct Disk {
    rows: BTreeMap<EventId, Row>,
    bytes: BTreeMap<EventId, Arc<[u8]>>,
    state: Option<Vec<u8>>,
}

impl Disk {
    pub(super) fn holds(&self, id: &EventId) -> bool {
        self.bytes.contains_key(id)
    }

    /// One transaction.
    pub(super) fn commit(&mut self, batch: Batch) {
        for put in batch.puts {
            if let Some(bytes) = put.event {
                self.bytes.insert(put.row.id, bytes);
            }
            self.rows.insert(put.row.id, put.row);
        }
        self.state = batch.state.or(self.state.take());
    }

    pub(super) fn read(&self, ids: &[EventId]) -> Vec<(EventId, Vec<u8>)> {
        ids.iter().filter_map(|id| self.bytes.get(id).map(|bytes| (*id, bytes.to_vec()))).collect()
    }
}

/// One peer through all its lives.
pub(super) struct Peer {
    pub number: usize,
    pub role: Role,
    pub boards: BTreeSet<BoardName>,
    /// Seconds the wall clock is ahead, when positive.
    pub skew: i64,
    pub disk: Disk,
    /// Absent while crashed.
    pub node: Option<Node<Remembering>>,
    pub id: PeerId,
    key: [u8; 32],
    life: u64,
    seed: [u8; 32],
    /// What its person was shown as saved.
    pub saved: BTreeSet<EventId>,
}

impl Peer {
    pub(super) fn new(number: usize, role: Role, boards: BTreeSet<BoardName>, skew: i64, seed: u64) -> Peer {
        let seed =
            derive("chanterelle 2026 simulated peer", &[&seed.to_le_bytes(), &(number as u64).to_le_bytes()]);
        Peer {
            number,
            role,
            boards,
            skew,
            disk: Disk::default(),
            node: None,
            id: PeerId::default(),
            key: [0; 32],
            life: 0,
            seed,
            saved: BTreeSet::new(),
        }
    }

    /// Its key on the network.
    pub(super) fn key(&self) -> SecretKey {
        SecretKey::from_seed(self.key)
    }

    /// Where it is dialled.
    pub(super) fn address(&self) -> Address {
        Address::new(&self.id.0).expect("the length of an address")
    }

    /// Starts, or starts again with what was durable. A relay keeps its key, a tab has a fresh one.
    pub(super) fn start(&mut self, now: Now, limits: &Limits, verify: Remembering) {
        self.life += 1;
        let life = if self.role == Role::Relay { 1 } else { self.life };
        self.key = derive("chanterelle 2026 simulated peer key", &[&self.seed, &life.to_le_bytes()]);
        self.id = PeerId(self.key().public().0);
        let setup = Setup {
            seed: derive("chanterelle 2026 simulated node", &[&self.seed, &self.life.to_le_bytes()]),
            peer: self.id,
            role: self.role,
            identity: (self.role == Role::Tab).then(|| Identity::from_root(Root(self.seed))),
            agent: "simulated".to_owned(),
            limits: limits.clone(),
        };
        let mut node = Node::with_verifier(setup, now, verify);
        node.handle(now, Input::Restore(self.disk.rows.values().cloned().collect()));
        node.handle(now, Input::Restored(self.disk.state.clone()));
        for board in &self.boards {
            node.handle(now, Input::Command(Command::Subscribe(board.clone())));
        }
        self.node = Some(node);
    }
}
