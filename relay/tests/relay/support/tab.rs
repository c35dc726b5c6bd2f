//! A tab without a browser: libp2p to a relay, the protocol's node, and storage in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant, SystemTime, UNIX_EPOCH};

use chanterelle_core::Node;
use chanterelle_core::base::{AuthorId, BoardName, EventId, Instant, Limits, Now, PeerId, Seconds};
use chanterelle_core::crypto::{Identity, Root, open_board_id};
use chanterelle_core::event::{Content, Draft, Kind, Persona};
use chanterelle_core::node::{Command, Input, Output, Setup, Target, Update};
use chanterelle_core::wire::{Frame, Role, SESSION_PROTOCOL};
use chanterelle_relay::metrics::Metrics;
use chanterelle_relay::net::key::core_peer;
use chanterelle_relay::net::outbox::{Outbox, Owed};
use chanterelle_relay::net::session::{self, Opener, SessionEvent, SessionId, Shared};
use futures::StreamExt as _;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, StreamProtocol, Swarm, SwarmEvent};
use libp2p::{Multiaddr, Transport as _, identify, noise, ping, relay, yamux};
use libp2p_stream as stream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use super::transport::WebSocketDialler;

/// What a tab has on the network.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) relay: relay::client::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) stream: stream::Behaviour,
}

/// A swarm as a tab has it: WebSockets, circuits, streams.
pub(crate) fn swarm() -> Swarm<Behaviour> {
    swarm_of(&Keypair::generate_ed25519())
}

/// The same, under a key of the caller's.
pub(crate) fn swarm_of(key: &Keypair) -> Swarm<Behaviour> {
    let peer = key.public().to_peer_id();
    let (circuits, relay) = relay::client::new(peer);
    let transport = circuits
        .or_transport(WebSocketDialler)
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(key).expect("the key signs"))
        .multiplex(yamux::Config::default())
        .boxed();
    let identify = identify::Config::new(SESSION_PROTOCOL.to_owned(), key.public());
    let behaviour = Behaviour {
        relay,
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::default(),
        stream: stream::Behaviour::new(),
    };
    let config =
        libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60));
    Swarm::new(transport, behaviour, peer, config)
}

/// Keeps a swarm going and forgets what it says.
pub(crate) fn keep(mut swarm: Swarm<Behaviour>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let event = swarm.select_next_some().await;
            if let SwarmEvent::OutgoingConnectionError { error, .. } = event {
                eprintln!("a dial failed: {error}");
            }
        }
    })
}

/// What a tab holds and has heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Events stored here.
    pub(crate) held: BTreeSet<EventId>,
    /// Those of them another peer has acknowledged.
    pub(crate) sent: BTreeSet<EventId>,
    /// Those of them that are renditions, with their authors.
    pub(crate) renditions: BTreeMap<EventId, AuthorId>,
    /// Whom the relay's renditions are by.
    pub(crate) producer: Option<AuthorId>,
    /// Drafts that became events, by their number.
    pub(crate) published: BTreeMap<u32, EventId>,
    /// Threads in the open catalog.
    pub(crate) catalog: BTreeSet<EventId>,
    /// Whether the relay has said what it wants to hear of.
    pub(crate) interest: bool,
    /// Sessions.
    pub(crate) sessions: usize,
    /// Whether the first reconciliation is over with every session.
    pub(crate) synced: bool,
}

impl Seen {
    /// Counts, for a person.
    fn summary(&self) -> String {
        format!(
            "{} held, {} sent, {} published, {} in the catalog, {} sessions, synced: {}",
            self.held.len(),
            self.sent.len(),
            self.published.len(),
            self.catalog.len(),
            self.sessions,
            self.synced
        )
    }
}

/// A tab.
pub(crate) struct Tab {
    commands: mpsc::UnboundedSender<Command>,
    seen: watch::Receiver<Seen>,
    node: JoinHandle<()>,
    swarm: JoinHandle<()>,
    next_request: u32,
}

impl Tab {
    /// A tab of the person of `seed` that has dialled `relay` and knows what the relay wants to hear of.
    pub(crate) async fn connect(seed: u8, relay: Multiaddr) -> Tab {
        Tab::with_control(seed, relay, drop).await
    }

    /// The same, with other protocols that `also` accepts before anybody can ask for them.
    pub(crate) async fn with_control(seed: u8, relay: Multiaddr, also: impl FnOnce(stream::Control)) -> Tab {
        let key = Keypair::generate_ed25519();
        let peer = core_peer(&key.public().to_peer_id()).expect("the key is Ed25519");
        let mut swarm = swarm_of(&key);
        let control = swarm.behaviour().stream.new_control();
        also(control.clone());
        swarm.dial(relay).expect("the address can be dialled");
        let relay = loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => break peer_id,
                SwarmEvent::OutgoingConnectionError { error, .. } => panic!("the dial failed: {error}"),
                _ => {}
            }
        };
        let (commands, command_receiver) = mpsc::unbounded_channel();
        let (seen, seen_receiver) = watch::channel(Seen::default());
        let swarm = keep(swarm);
        let node = tokio::spawn(run(seed, peer, relay, control, command_receiver, seen));
        let mut tab = Tab { commands, seen: seen_receiver, node, swarm, next_request: 0 };
        tab.wait(|seen| seen.interest).await;
        tab
    }

    pub(crate) fn command(&self, command: Command) {
        self.commands.send(command).expect("the tab runs");
    }

    /// Opens a thread; its id.
    pub(crate) async fn publish(&mut self, board: &str, comment: &str) -> EventId {
        let request = self.publish_soon(board, comment);
        self.wait(|seen| seen.published.contains_key(&request)).await.published[&request]
    }

    /// Opens a thread without waiting for it; the request's number.
    pub(crate) fn publish_soon(&mut self, board: &str, comment: &str) -> u32 {
        let board = BoardName::new(board).expect("the test's board name is valid");
        let content =
            Content::Thread { board, subject: None, comment: comment.to_owned(), files: Vec::new() };
        self.next_request += 1;
        let draft = Draft { persona: Persona::Pseudonym, content };
        self.command(Command::Publish(self.next_request, draft));
        self.next_request
    }

    /// Reads a board.
    pub(crate) fn read_board(&self, board: &str) {
        let board = BoardName::new(board).expect("the test's board name is valid");
        self.command(Command::Subscribe(board.clone()));
        self.command(Command::Open(1, Target::Catalog { board: open_board_id(&board), limit: 10_000 }));
    }

    /// Waits until what the tab has seen is as wanted, and tells what that is.
    pub(crate) async fn wait(&mut self, wanted: impl FnMut(&Seen) -> bool) -> Seen {
        let now = self.seen.clone();
        let seen = self.seen.wait_for(wanted);
        // Far above what anything here takes: a wait that goes wrong should say so.
        match tokio::time::timeout(Duration::from_secs(120), seen).await {
            Ok(seen) => seen.expect("the tab runs").clone(),
            Err(_) => panic!("it does not happen; so far: {}", now.borrow().summary()),
        }
    }

    /// What it has seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.node.abort();
        self.swarm.abort();
    }
}

/// The loop of a tab.
async fn run(
    seed: u8,
    peer: PeerId,
    relay: libp2p::PeerId,
    mut control: stream::Control,
    mut commands: mpsc::UnboundedReceiver<Command>,
    seen: watch::Sender<Seen>,
) {
    let start = StdInstant::now();
    let now = || Now {
        instant: Instant(u64::try_from(start.elapsed().as_millis()).expect("tests are short")),
        unix: unix_now(),
    };
    let setup = Setup {
        seed: [seed; 32],
        peer,
        role: Role::Tab,
        identity: Some(Identity::from_root(Root([seed; 32]))),
        agent: "test".to_owned(),
        limits: Limits::default(),
    };
    let mut node = Node::new(setup, now());
    let mut store: BTreeMap<EventId, Vec<u8>> = BTreeMap::new();
    let mut outbox: Option<Outbox> = None;
    let (events, mut session_events) = mpsc::channel(64);
    let shared = Shared {
        events,
        owed: Owed::default(),
        limits: Arc::new(Limits::default()),
        metrics: Arc::new(Metrics::default()),
    };
    let protocol = StreamProtocol::new(SESSION_PROTOCOL);
    let opened = control.open_stream(relay, protocol).await.expect("the relay speaks the protocol");
    let relay = core_peer(&relay).expect("the relay's key is Ed25519");
    tokio::spawn(session::run(opened, relay, SessionId(1), Opener::Us, shared));

    node.handle(now(), Input::Restored(None));
    loop {
        while let Some(output) = node.poll_output() {
            match output {
                Output::Send(_, frame) => drop(outbox.as_ref().map(|outbox| outbox.send(frame))),
                Output::Close(..) => outbox = None,
                Output::Persist(batch) => {
                    seen.send_modify(|seen| {
                        for put in &batch.puts {
                            seen.held.insert(put.row.id);
                            if put.row.kind == Kind::RENDITION {
                                seen.renditions.insert(put.row.id, put.row.author);
                            }
                            if put.row.sent {
                                seen.sent.insert(put.row.id);
                            }
                        }
                    });
                    let bytes =
                        batch.puts.into_iter().filter_map(|put| Some((put.row.id, put.event?.to_vec())));
                    store.extend(bytes);
                    node.handle(now(), Input::Persisted(batch.ticket, Ok(())));
                }
                Output::Read(ticket, ids) => {
                    let found = ids.iter().filter_map(|id| Some((*id, store.get(id)?.clone())));
                    let found = found.collect();
                    node.handle(now(), Input::ReadDone(ticket, found));
                }
                Output::Update(update) => seen.send_modify(|seen| note(seen, update)),
                Output::Pause(_, wait) => {
                    if let Some(outbox) = &outbox {
                        outbox.pause(wait);
                    }
                }
                Output::Relays(_) | Output::Dial(..) => {}
            }
        }
        let wake = node.poll_timeout().map_or(Duration::from_secs(60), |at| Duration::from_millis(at.0));
        let input = tokio::select! {
            Some(command) = commands.recv() => Input::Command(command),
            event = session_events.recv() => match event {
                Some(SessionEvent::Opened { peer, outbox: new, .. }) => {
                    outbox = Some(new);
                    Input::Connected(peer)
                }
                Some(SessionEvent::Received { peer, frame, .. }) => {
                    match Frame::decode(&frame, &Limits::default()) {
                        Ok(Frame::Interest { .. }) => {
                            node.handle(now(), Input::Received(peer, frame));
                            seen.send_modify(|seen| seen.interest = true);
                            Input::Wake
                        }
                        Ok(Frame::Hello(hello)) => {
                            seen.send_modify(|seen| seen.producer = hello.producer);
                            Input::Received(peer, frame)
                        }
                        _ => Input::Received(peer, frame),
                    }
                }
                Some(SessionEvent::Closed { peer, .. }) => {
                    outbox = None;
                    Input::Disconnected(peer)
                }
                None => std::future::pending().await,
            },
            () = sleep_until((start + wake).into()) => Input::Wake,
        };
        node.handle(now(), input);
    }
}

fn note(seen: &mut Seen, update: Update) {
    match update {
        Update::Published { request, event, .. } => drop(seen.published.insert(request, event)),
        Update::Refused { request, reason } => panic!("draft {request} was refused: {reason}"),
        Update::Catalog(_, delta) => {
            if delta.reset {
                seen.catalog.clear();
            }
            seen.catalog.retain(|id| !delta.remove.contains(id));
            seen.catalog.extend(delta.put.iter().map(|card| card.id));
        }
        Update::Network(sessions) => {
            seen.sessions = sessions.len();
            let greeted = sessions.iter().all(|session| session.role.is_some() && !session.syncing);
            seen.synced = !sessions.is_empty() && greeted;
        }
        _ => {}
    }
}

/// The wall clock.
pub(crate) fn unix_now() -> Seconds {
    Seconds(SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs())
}
