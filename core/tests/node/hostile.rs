//! Arbitrary peers: nothing they say makes the node panic, spin, or hold more than its limits allow.

use std::collections::BTreeSet;

use chanterelle_core::base::{BoardId, EventId, Limits, PeerId, Seconds};
use chanterelle_core::crypto::SecretKey;
use chanterelle_core::event::{Event, Kind};
use chanterelle_core::node::{Command, Input, StorageError, Target};
use chanterelle_core::store::{Index, Row};
use chanterelle_core::sync::Reconciler;
use chanterelle_core::wire::{Frame, Hello, Role, Scope};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::RngSeed;
use serde_bytes::ByteBuf;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board, missigned, name};
use super::shell::{EPOCH, Said, Shell, peer, record_of};

/// A browser is slower.
const CASES: u32 = if cfg!(target_arch = "wasm32") { 30 } else { 200 };

const PEERS: [u8; 3] = [0x10, 0x60, 0x70];

/// Whose key lies between those of the peers.
const BESIEGED: u8 = 16;

/// Small enough to be reached.
fn tight(limits: &mut Limits) {
    limits.wants = 16;
    limits.deferred = 5;
    limits.persist_events = 4;
    limits.window_frames = 4;
    limits.frame_events = 8;
    limits.reconcile_bytes = 4_096;
}

/// What hostile peers draw on.
struct Pool {
    events: Vec<Event>,
    index: Index,
}

fn pool() -> Pool {
    let at = |n: u64| Seconds(EPOCH.0 - 1_000 + n);
    let thread = author(1).thread("cats", "x", at(0));
    let other = author(2).thread("dogs", "y", at(1));
    let mut events = vec![thread.clone(), other.clone()];
    for n in 0..40 {
        let of = if n % 3 == 0 { &other } else { &thread };
        events.push(author(3).reply(of.fields().board, of.id(), &n.to_string(), at(n)));
    }
    for n in 0..10 {
        events.push(author(4).thread("cats", &n.to_string(), Seconds(EPOCH.0 + 1_000 + n)));
        events.push(author(4).event(Kind(77), Seconds((1 << 53) - 1), |fields| {
            fields.board = BoardId([n as u8; 32]);
        }));
    }
    events.push(author(5).edit(&thread, (1 << 53) - 1, "z", at(3)));
    events.push(author(1).delete(&thread, Seconds(0)));
    events.push(author(6).event(Kind::PROFILE, at(9), |fields| {
        fields.seq = Some(0);
        fields.body = ipld_core::ipld!({ "name": "Ann" });
    }));
    let mut index = Index::default();
    events.iter().for_each(|event| drop(index.insert(Row::of(event, EPOCH, false))));
    Pool { events, index }
}

/// One thing done to the node.
#[derive(Clone, Debug)]
enum Act {
    Connect(u8),
    Disconnect(u8),
    Say(u8, Frame),
    Bytes(u8, Vec<u8>),
    /// Events of the pool, some of them mis-signed or cut.
    Events(u8, u64, Vec<(usize, u8)>),
    /// A frame whose bytes are then changed.
    Bent(u8, Frame, usize, u8),
    /// A well-formed beginning of a reconciliation of everything in the pool.
    Begin(u8, Scope),
    /// Truthful answers to the node's own reconciliations.
    Answer(u8),
    Pass(u64),
    Store(bool),
    Read,
    Write,
    Subscribe(u8),
    Open(u8),
    /// The person allows direct connections, or not.
    Direct(bool),
    /// One of those whose records are told cannot be reached.
    Unreachable(u8),
}

fn id() -> impl Strategy<Value = EventId> {
    prop_oneof![
        any::<u8>().prop_map(|n| EventId([n; 32])),
        (0..60_usize).prop_map(|n| pool_ids()[n % pool_ids().len()])
    ]
}

fn pool_ids() -> Vec<EventId> {
    thread_local!(static IDS: Vec<EventId> = pool().events.iter().map(Event::id).collect());
    IDS.with(Clone::clone)
}

fn board_id() -> impl Strategy<Value = BoardId> {
    prop_oneof![Just(board("cats")), Just(board("dogs")), any::<[u8; 32]>().prop_map(BoardId)]
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        board_id().prop_map(Scope::Board),
        id().prop_map(Scope::Thread),
        Just(Scope::Author(author(6).0.public())),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..40_u64, Just((1 << 53) - 1), 0..(1_u64 << 53)]
}

/// Negentropy's first byte is its version; behind it, anything.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let anything = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![anything.clone(), anything.prop_map(|rest| [&[0x61], rest.as_slice()].concat())]
}

fn frame() -> impl Strategy<Value = Frame> {
    let ids = || prop::collection::vec(id(), 0..40);
    let names = prop::collection::vec("[a-z0-9][a-z0-9-]{0,6}", 0..20);
    prop_oneof![
        (0..3_u64, any::<bool>(), ".{0,20}", number()).prop_map(|(v, relay, agent, window)| {
            let role = if relay { Role::Relay } else { Role::Tab };
            Frame::Hello(Hello { v, role, agent, window, producer: None })
        }),
        (any::<bool>(), prop::collection::vec(board_id(), 0..10))
            .prop_map(|(all, boards)| Frame::Interest { all, boards }),
        names.prop_map(|names| Frame::Directory { names: names.iter().map(|text| name(text)).collect() }),
        (number(), prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4)).prop_map(
            |(n, events)| Frame::Events { n, events: events.into_iter().map(ByteBuf::from).collect() }
        ),
        ids().prop_map(|ids| Frame::Ack { ids }),
        number().prop_map(|frames| Frame::Credit { frames }),
        ids().prop_map(|ids| Frame::Want { ids }),
        ids().prop_map(|ids| Frame::Withheld { ids }),
        (number(), scope(), message()).prop_map(|(call, scope, message)| Frame::Reconcile {
            call,
            scope,
            message
        }),
        (0..12_u64, message()).prop_map(|(call, message)| Frame::Reconciled { call, message }),
        ids().prop_map(|ids| Frame::Have { ids }),
        prop::collection::vec(board_id(), 0..10).prop_map(|boards| Frame::Lazy { boards }),
        prop::collection::vec(board_id(), 0..10).prop_map(|boards| Frame::Seek { boards }),
        prop::collection::vec(board_id(), 0..10).prop_map(|boards| Frame::Prune { boards }),
        ids().prop_map(|ids| Frame::Graft { ids }),
        prop::collection::vec(peer_record(), 0..9).prop_map(|records| Frame::Peers { records }),
        prop::collection::vec(peer_record(), 0..9).prop_map(|records| Frame::Shuffle { records }),
        ".{0,30}".prop_map(|reason| Frame::Bye { reason }),
    ]
}

/// Where one of a few peers can be asked for, sometimes with a bit of it changed.
fn peer_record() -> impl Strategy<Value = ByteBuf> {
    let relays = prop_oneof![Just(&[][..]), Just(&["one"][..]), Just(&["one", "two"][..])];
    (0..6_u8, 0..4_u64, relays, prop::option::weighted(0.1, any::<prop::sample::Index>())).prop_map(
        |(number, time, relays, bent)| {
            let key = SecretKey::from_seed([number; 32]);
            let mut record = record_of(&key, relays, Seconds(EPOCH.0 + time));
            if let Some(at) = bent {
                let at = at.index(record.len());
                record[at] ^= 1;
            }
            record
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let who = || (0..3_usize).prop_map(|n| PEERS[n]);
    let events = prop::collection::vec((0..70_usize, 0..8_u8), 0..8);
    prop_oneof![
        2 => who().prop_map(Act::Connect),
        1 => who().prop_map(Act::Disconnect),
        10 => (who(), frame()).prop_map(|(who, frame)| Act::Say(who, frame)),
        1 => (who(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(who, bytes)| Act::Bytes(who, bytes)),
        6 => (who(), number(), events).prop_map(|(who, n, events)| Act::Events(who, n, events)),
        2 => (who(), frame(), any::<usize>(), 1..=255_u8)
            .prop_map(|(who, frame, at, change)| Act::Bent(who, frame, at, change)),
        2 => (who(), scope()).prop_map(|(who, scope)| Act::Begin(who, scope)),
        3 => who().prop_map(Act::Answer),
        6 => prop_oneof![0..100_u64, 0..90_000_u64].prop_map(Act::Pass),
        4 => prop::bool::weighted(0.8).prop_map(Act::Store),
        3 => Just(Act::Read),
        1 => Just(Act::Write),
        1 => any::<u8>().prop_map(Act::Subscribe),
        1 => any::<u8>().prop_map(Act::Open),
        1 => prop::bool::weighted(0.8).prop_map(Act::Direct),
        2 => (0..6_u8).prop_map(Act::Unreachable),
    ]
}

/// A node among hostile peers, and what they may make it hold.
struct Siege {
    shell: Shell,
    pool: Pool,
    greeted: BTreeSet<PeerId>,
    log: Vec<String>,
    has_key: bool,
}

impl Siege {
    fn begin(role: Role) -> Siege {
        // Of a tab with a key the id lies between those of its peers, too.
        let has_key = role == Role::Tab;
        let mut shell =
            if has_key { Shell::with_key(BESIEGED, tight) } else { Shell::new(0x50, role, tight) };
        assert!(peer(PEERS[0]) < shell.id() && shell.id() < peer(PEERS[1]));
        shell.hold_batches = true;
        shell.hold_reads = true;
        shell.subscribe("cats");
        Siege { shell, pool: pool(), greeted: BTreeSet::new(), log: Vec::new(), has_key }
    }

    fn act(&mut self, act: &Act) {
        let limits = Limits::default();
        let shell = &mut self.shell;
        match act {
            Act::Connect(who) => {
                shell.greet(peer(*who), Role::Tab, 10);
                shell.hear(peer(*who), Frame::Interest { all: true, boards: vec![board("cats")] });
                self.greeted.insert(peer(*who));
            }
            Act::Disconnect(who) => shell.input(Input::Disconnected(peer(*who))),
            Act::Say(who, frame) => shell.hear(peer(*who), frame.clone()),
            Act::Bytes(who, bytes) => shell.hear_bytes(peer(*who), bytes.clone()),
            Act::Events(who, n, which) => {
                let events = which.iter().map(|(which, fault)| {
                    let event = &self.pool.events[which % self.pool.events.len()];
                    let bytes = event.bytes().to_vec();
                    ByteBuf::from(match fault {
                        0 => missigned(event),
                        1 => bytes[..bytes.len() - 1].to_vec(),
                        _ => bytes,
                    })
                });
                shell.hear(peer(*who), Frame::Events { n: *n, events: events.collect() });
            }
            Act::Bent(who, frame, at, change) => {
                let mut bytes = frame.encode(&limits);
                let at = at % bytes.len();
                bytes[at] ^= change;
                shell.hear_bytes(peer(*who), bytes);
            }
            Act::Begin(who, scope) => {
                let (call, message) = Reconciler::new(4_096).begin(&self.pool.index, peer(*who), *scope);
                shell.hear(peer(*who), Frame::Reconcile { call, scope: *scope, message });
            }
            Act::Answer(who) => {
                let asked = shell.said.iter().rev().find_map(|said| match said {
                    Said::Frame(to, Frame::Reconcile { call, scope, message }) if *to == peer(*who) => {
                        Some((*call, *scope, message.clone()))
                    }
                    _ => None,
                });
                if let Some((call, scope, message)) = asked
                    && let Ok(message) = Reconciler::new(4_096).answer(&self.pool.index, scope, &message)
                {
                    shell.hear(peer(*who), Frame::Reconciled { call, message });
                }
            }
            Act::Pass(milliseconds) => shell.advance(*milliseconds),
            Act::Store(good) => {
                if !shell.batches.is_empty() {
                    shell.store(if *good { Ok(()) } else { Err(StorageError::Full) });
                }
            }
            Act::Read => {
                if !shell.reads.is_empty() {
                    shell.read();
                }
            }
            Act::Write => {
                // A relay has no keys; that it says so is what is asked for.
                drop(shell.publish(super::shell::thread_draft("cats", "mine")));
            }
            Act::Subscribe(which) => {
                let text = format!("board-{}", which % 4);
                let toggle = if which % 2 == 0 { Command::Subscribe } else { Command::Unsubscribe };
                shell.command(toggle(name(&text)));
            }
            Act::Open(which) => {
                let event = &self.pool.events[usize::from(*which) % self.pool.events.len()];
                let board = event.fields().board;
                shell.open(1, Target::Boards);
                shell.open(2, Target::Catalog { board, limit: 3 });
                shell.open(3, Target::Thread { board, thread: event.id() });
            }
            Act::Direct(_) if !self.has_key => {}
            Act::Direct(true) => shell.go_direct(&["one"]),
            Act::Direct(false) => shell.command(Command::Direct(None)),
            Act::Unreachable(number) => {
                shell.input(Input::Unreachable(PeerId(SecretKey::from_seed([*number; 32]).public().0)));
            }
        }
    }

    /// What was said to one input, in bytes and frames, within what is ever needed; then it is forgotten, but for
    /// reconciliations that may be answered.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let limits = self.shell.limits().clone();
        prop_assert!(self.shell.said.len() < 2_000, "{} outputs", self.shell.said.len());
        for said in &self.shell.said {
            if let Said::Frame(_, Frame::Want { ids } | Frame::Ack { ids } | Frame::Have { ids }) = said {
                prop_assert!(ids.len() <= limits.frame_ids);
            }
        }
        for (_, ids) in &self.shell.reads {
            prop_assert!(ids.len() <= limits.frame_events.max(self.pool.events.len()));
        }
        prop_assert!(self.shell.reads.len() < 200, "a read per session and view, and those of sessions gone");
        let index = self.shell.node.index();
        let pending = index.rows().filter(|row| !row.own() && self.shell.node.is_pending(&row.id())).count();
        let window = limits.window_frames as usize * limits.frame_events;
        let most = limits.persist_events * 4 + window * PEERS.len() * 2;
        prop_assert!(pending <= most, "{pending} events in memory, at most {most}");
        prop_assert!(index.rows().filter(|row| !row.own()).all(|row| self.pool.index.contains(&row.id())));
        let dials = core::mem::take(&mut self.shell.dials);
        prop_assert!(dials.len() <= limits.neighbours, "{dials:?} at once");
        self.log.extend(dials.iter().map(|dial| format!("{dial:?}")));
        prop_assert!(self.shell.screens.get(&1).is_none_or(|screen| screen.boards.len() <= 1_024 + 60));
        let told = self.shell.said.iter().map(|said| format!("{said:?}"));
        self.log.extend(told);
        self.shell.said.retain(|said| matches!(said, Said::Frame(_, Frame::Reconcile { .. })));
        self.shell.said.truncate(20);
        Ok(())
    }

    /// In the end honest work is done as ever.
    fn end(&mut self) -> Result<(), TestCaseError> {
        let shell = &mut self.shell;
        shell.hold_reads = false;
        shell.hold_batches = false;
        while !shell.reads.is_empty() {
            shell.read();
        }
        while !shell.batches.is_empty() {
            shell.store(Ok(()));
        }
        PEERS.iter().for_each(|who| shell.input(Input::Disconnected(peer(*who))));
        shell.advance(60_000);
        shell.said.clear();
        let friend = peer(0x33);
        shell.greet_reader(friend, &["news"]);
        let fresh = author(9).thread("news", "fresh", Seconds(EPOCH.0 - 9));
        shell.greet_reader(peer(0x34), &[]);
        shell.hear_events(peer(0x34), 1, [&fresh]);
        shell.advance(1_000);
        prop_assert_eq!(shell.acks(peer(0x34)), [fresh.id()]);
        prop_assert!(shell.events(friend).contains(&fresh.id()));
        // Deferred events enter when their time comes; only as many were kept as the limit says, at any one time.
        let waiting =
            |shell: &Shell| shell.node.index().rows().filter(|row| row.time().0 >= EPOCH.0 + 1_000).count();
        let before = waiting(shell);
        shell.advance(2_000_000);
        prop_assert!(waiting(shell) - before <= shell.limits().deferred);
        Ok(())
    }
}

fn besieged(role: Role, acts: &[Act]) -> Result<Vec<String>, TestCaseError> {
    let mut siege = Siege::begin(role);
    for act in acts {
        siege.act(act);
        siege.check()?;
    }
    siege.end()?;
    Ok(siege.log)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: CASES,
        rng_seed: RngSeed::Fixed(666),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_tab_bears_anything(acts in prop::collection::vec(act(), 0..150)) {
        besieged(Role::Tab, &acts)?;
    }

    #[test]
    fn a_relay_bears_anything(acts in prop::collection::vec(act(), 0..150)) {
        besieged(Role::Relay, &acts)?;
    }

    #[test]
    fn whatever_happens_happens_alike_again(acts in prop::collection::vec(act(), 0..60)) {
        prop_assert_eq!(besieged(Role::Tab, &acts)?, besieged(Role::Tab, &acts)?);
    }

    #[test]
    fn bytes_alone_never_disturb(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40)) {
        let mut shell = Shell::tab(0x50);
        shell.greet_reader(peer(0x60), &["cats"]);
        shell.input(Input::Connected(peer(0x61)));
        for bytes in frames {
            shell.hear_bytes(peer(0x60), bytes.clone());
            shell.hear_bytes(peer(0x61), bytes);
        }
        shell.advance(100_000);
        prop_assert!(shell.node.index().is_empty());
    }
}

/// Enough that the property is not kept by nothing happening.
#[test]
fn a_siege_is_one() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        rng_seed: RngSeed::Fixed(667),
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let (mut frames, mut closes, mut dials) = (0, 0, 0);
    for _ in 0..20 {
        let acts = prop::collection::vec(act(), 150).new_tree(&mut runner).expect("a tree").current();
        let log = besieged(Role::Tab, &acts).expect("it bears it");
        frames += log.iter().filter(|line| line.contains("Events")).count();
        closes += log.iter().filter(|line| line.starts_with("Close")).count();
        dials += log.iter().filter(|line| line.starts_with("(PeerId")).count();
    }
    assert!(frames > 20 && closes > 20, "{frames} frames of events, {closes} sessions ended");
    assert!(dials > 20, "{dials} peers dialled");
}
