//! Which of the operator's relays to dial, and when: one link for each address, and a session with whoever answers there.
//!
//! A session counts whoever opened it, so relays that name each other end with one between them. Pure: moments,
//! connections and sessions are told, dials are asked for.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use libp2p::core::transport::TransportError;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use crate::address::relay_named;

/// The first wait after a failure; each doubles it.
const WAIT: Duration = Duration::from_millis(500);

/// No wait is longer.
const WAIT_MOST: Duration = Duration::from_secs(30);

/// A session that lasted so long was one, and is wanted back at once.
const LASTED: Duration = Duration::from_secs(10);

/// The links of a relay.
pub(super) struct Links {
    links: Vec<Link>,
    /// Sessions by peer, those of tabs among them: who answers at an address is known only afterwards.
    sessions: HashMap<PeerId, usize>,
    /// A number from 0 to 1.
    random: fn() -> f64,
}

struct Link {
    address: Multiaddr,
    /// Whom the operator expects.
    named: Option<PeerId>,
    /// Who has answered.
    peer: Option<PeerId>,
    state: State,
    /// In a row.
    failures: u32,
    /// The failure that was last told.
    told: Option<String>,
}

#[derive(Debug, PartialEq)]
enum State {
    /// Is to be dialled then.
    Due(Instant),
    /// Is dialled.
    Dialling(ConnectionId),
    /// Was asked for a session.
    Opening(ConnectionId),
    /// Has one, since then.
    Linked(Instant),
    /// Leads back to this relay.
    Oneself,
}

/// A dial succeeded.
#[derive(Debug, PartialEq)]
pub(super) struct Answered {
    /// Where, with the name of whoever answered.
    pub(super) address: Multiaddr,
    /// Whether a session is wanted; there may be one already.
    pub(super) wanted: bool,
}

impl Links {
    /// A link for each address, to be dialled at once.
    pub(super) fn new(addresses: &[Multiaddr], now: Instant) -> Links {
        let link = |address: &Multiaddr| {
            let named = relay_named(address);
            let bare = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
            Link { address: bare, named, peer: named, state: State::Due(now), failures: 0, told: None }
        };
        Links { links: addresses.iter().map(link).collect(), sessions: HashMap::new(), random }
    }

    /// Dials nobody any more.
    pub(super) fn clear(&mut self) {
        self.links.clear();
    }

    /// Whom the operator expects, as far as that is known.
    pub(super) fn named(&self) -> impl Iterator<Item = PeerId> {
        self.links.iter().filter_map(|link| link.named)
    }

    /// When [`Links::dial`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = |link: &Link| if let State::Due(at) = link.state { Some(at) } else { None };
        self.links.iter().filter_map(due).min()
    }

    /// The dials that are due.
    pub(super) fn dial(&mut self, now: Instant) -> Vec<DialOpts> {
        let mut dials = Vec::new();
        for link in &mut self.links {
            if !matches!(link.state, State::Due(at) if at <= now) {
                continue;
            }
            if link.peer.is_some_and(|peer| self.sessions.contains_key(&peer)) {
                link.linked(now);
                continue;
            }
            let address = link.address.clone();
            let dial = match link.named {
                Some(peer) => {
                    // Even when connected: the connection may be one that the peer has for its own ends.
                    let always = PeerCondition::Always;
                    DialOpts::peer_id(peer).addresses(vec![address]).condition(always).build()
                }
                None => DialOpts::unknown_peer_id().address(address).build(),
            };
            link.state = State::Dialling(dial.connection_id());
            dials.push(dial);
        }
        dials
    }

    /// A connection is established; `None` when it is none of ours.
    pub(super) fn connected(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        now: Instant,
    ) -> Option<Answered> {
        let has_session = self.sessions.contains_key(&peer);
        let link = self.link(State::Dialling(connection))?;
        link.peer = Some(peer);
        if has_session {
            link.linked(now);
        } else {
            link.state = State::Opening(connection);
        }
        let address = link.address.clone().with(Protocol::P2p(peer));
        Some(Answered { address, wanted: !has_session })
    }

    /// A dial failed.
    pub(super) fn failed(&mut self, connection: ConnectionId, error: &DialError, now: Instant) {
        let random = self.random;
        let Some(link) = self.link(State::Dialling(connection)) else { return };
        // The library leaves out addresses on which we listen ourselves.
        if matches!(error, DialError::LocalPeerId { .. } | DialError::NoAddresses) {
            tracing::warn!(address = %link.address, "a peer is this relay itself, and is left alone; remove it from the list");
            link.state = State::Oneself;
        } else {
            link.fail(reason(error), now, random());
        }
    }

    /// The session asked for on a connection will not be: the peer does not want it, or the connection is gone.
    pub(super) fn refused(&mut self, connection: ConnectionId, reason: &str, now: Instant) {
        let random = self.random;
        if let Some(link) = self.link(State::Opening(connection)) {
            link.fail(reason.to_owned(), now, random());
        }
    }

    /// A session began, whoever opened it.
    pub(super) fn session_began(&mut self, peer: PeerId, now: Instant) {
        if self.links.is_empty() {
            return;
        }
        *self.sessions.entry(peer).or_default() += 1;
        for link in self.links.iter_mut().filter(|link| link.peer == Some(peer)) {
            // One that is dialled just now finds the session when somebody answers.
            if matches!(link.state, State::Due(_) | State::Opening(_)) {
                link.linked(now);
            }
        }
    }

    /// A session is over.
    pub(super) fn session_ended(&mut self, peer: PeerId, now: Instant) {
        let Some(count) = self.sessions.get_mut(&peer) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.sessions.remove(&peer);
        for link in self.links.iter_mut().filter(|link| link.peer == Some(peer)) {
            let State::Linked(since) = link.state else { continue };
            if now - since >= LASTED {
                tracing::info!(address = %link.address, %peer, "the session with a relay is over; it is dialled again");
                link.failures = 0;
                link.state = State::Due(now);
            } else {
                link.fail("the session ended as soon as it began".to_owned(), now, (self.random)());
            }
        }
    }

    fn link(&mut self, state: State) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.state == state)
    }
}

impl Link {
    fn linked(&mut self, now: Instant) {
        self.state = State::Linked(now);
        self.told = None;
        if let Some(peer) = self.peer {
            tracing::info!(address = %self.address, %peer, "a session with a relay");
        }
    }

    /// Waits before the next dial, longer each time.
    fn fail(&mut self, reason: String, now: Instant, random: f64) {
        let longest = WAIT_MOST.min(WAIT * 2_u32.saturating_pow(self.failures.min(16)));
        self.failures += 1;
        // Half of it at least: relays that lost the same one do not come back to it together.
        self.state = State::Due(now + longest.mul_f64(0.5 + random / 2.0));
        if self.told.as_ref() == Some(&reason) {
            tracing::debug!(address = %self.address, reason, "still no session with a relay");
        } else {
            tracing::warn!(address = %self.address, reason, "no session with a relay; it is dialled again and again");
            self.told = Some(reason);
        }
    }
}

fn random() -> f64 {
    // Without entropy all wait equally long, which is no reason to dial nobody.
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

/// Why a dial failed, in one line that says what to do where something can be done.
fn reason(error: &DialError) -> String {
    match error {
        DialError::WrongPeerId { obtained, .. } => {
            format!("another relay answers there, {obtained}; correct the name behind /p2p/")
        }
        DialError::Transport(errors) => match errors.first() {
            Some((_, TransportError::Other(error))) => causes(error),
            Some((address, _)) => format!("{address} cannot be dialled"),
            None => error.to_string(),
        },
        DialError::Denied { cause } => causes(cause),
        other => other.to_string(),
    }
}

/// An error and what it was caused by, each once: some say what their cause says.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text.replace('\n', "; ")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use libp2p::core::transport::TransportError;
    use libp2p::swarm::{ConnectionId, DialError};
    use libp2p::{Multiaddr, PeerId};
    use tokio::time::Instant;

    use super::{LASTED, Links, WAIT, WAIT_MOST};

    fn links(addresses: &[String], now: Instant) -> Links {
        let addresses: Vec<Multiaddr> =
            addresses.iter().map(|address| address.parse().expect("the test's address is one")).collect();
        Links { random: || 1.0, ..Links::new(&addresses, now) }
    }

    fn one(now: Instant) -> Links {
        links(&["/dns4/relay.example/tcp/443/wss".to_owned()], now)
    }

    /// The one dial that is due.
    fn dialled(links: &mut Links, now: Instant) -> ConnectionId {
        let dials = links.dial(now);
        assert_eq!(dials.len(), 1);
        dials[0].connection_id()
    }

    fn unreachable() -> DialError {
        let error = TransportError::Other(io::Error::other("nobody answers"));
        DialError::Transport(vec![(Multiaddr::empty(), error)])
    }

    #[test]
    fn waits_grow_to_a_bound_and_end_with_a_session_that_lasted() {
        let mut now = Instant::now();
        let mut links = one(now);
        let mut waits = Vec::new();
        for _ in 0..9 {
            let connection = dialled(&mut links, now);
            assert_eq!(links.next(), None, "one dial at a time");
            links.failed(connection, &unreachable(), now);
            let due = links.next().expect("it is tried again");
            assert!(links.dial(due - Duration::from_millis(1)).is_empty());
            waits.push(due - now);
            now = due;
        }
        assert_eq!(waits[..3], [WAIT, WAIT * 2, WAIT * 4]);
        assert_eq!(waits[7..], [WAIT_MOST, WAIT_MOST]);

        let peer = PeerId::random();
        for (lasts, wait) in [(LASTED, Duration::ZERO), (LASTED / 2, WAIT), (LASTED / 2, WAIT * 2)] {
            let connection = dialled(&mut links, now);
            let answered = links.connected(connection, peer, now).expect("the dial was ours");
            assert!(answered.wanted);
            assert_eq!(answered.address.to_string(), format!("/dns4/relay.example/tcp/443/wss/p2p/{peer}"));
            links.session_began(peer, now);
            now += lasts;
            links.session_ended(peer, now);
            assert_eq!(links.next(), Some(now + wait));
            now += wait;
        }
    }

    #[test]
    fn half_of_a_wait_is_left_to_chance() {
        let now = Instant::now();
        let mut links = Links { random: || 0.0, ..one(now) };
        let connection = dialled(&mut links, now);
        links.failed(connection, &unreachable(), now);
        assert_eq!(links.next(), Some(now + WAIT / 2));
        assert!((0.0..=1.0).contains(&super::random()));
    }

    #[test]
    fn a_session_counts_whoever_opened_it() {
        let now = Instant::now();
        let mut links = one(now);
        let (peer, tab) = (PeerId::random(), PeerId::random());
        links.session_began(peer, now);
        links.session_began(tab, now);
        let connection = dialled(&mut links, now);
        assert!(!links.connected(connection, peer, now).expect("the dial was ours").wanted);
        assert_eq!(links.next(), None);
        // It came back on another session before the first was over.
        links.session_began(peer, now + LASTED);
        links.session_ended(peer, now + LASTED);
        assert_eq!(links.next(), None);
        links.session_ended(tab, now + LASTED);
        assert_eq!(links.next(), None);
        links.session_ended(peer, now + LASTED);
        assert_eq!(links.next(), Some(now + LASTED));
        // The relay that is known by now has come by itself.
        links.session_began(peer, now + LASTED);
        assert!(links.dial(now + LASTED).is_empty());
        assert_eq!(links.next(), None);
    }

    #[test]
    fn a_relay_that_wants_no_session_is_asked_again_later() {
        let now = Instant::now();
        let mut links = one(now);
        let connection = dialled(&mut links, now);
        links.connected(connection, PeerId::random(), now).expect("the dial was ours");
        links.refused(ConnectionId::new_unchecked(usize::MAX), "another connection ended", now);
        assert_eq!(links.next(), None);
        links.refused(connection, "it speaks something else", now);
        assert_eq!(links.next(), Some(now + WAIT));
    }

    #[test]
    fn this_relay_itself_is_left_alone_and_a_connection_of_others_is_not_ours() {
        let now = Instant::now();
        let mut links = one(now);
        assert_eq!(links.connected(ConnectionId::new_unchecked(usize::MAX), PeerId::random(), now), None);
        for oneself in [DialError::LocalPeerId { address: Multiaddr::empty() }, DialError::NoAddresses] {
            let mut links = one(now);
            let connection = dialled(&mut links, now);
            links.failed(connection, &oneself, now);
            assert_eq!(links.next(), None);
        }
    }

    #[test]
    fn a_named_relay_is_expected_and_a_stranger_in_its_place_is_told() {
        let now = Instant::now();
        let (peer, other) = (PeerId::random(), PeerId::random());
        let mut links = links(&[format!("/ip4/10.0.0.1/tcp/80/ws/p2p/{peer}")], now);
        assert_eq!(links.named().collect::<Vec<_>>(), [peer]);
        let dials = links.dial(now);
        assert_eq!(dials[0].get_peer_id(), Some(peer));
        let wrong = DialError::WrongPeerId { obtained: other, address: Multiaddr::empty() };
        links.failed(dials[0].connection_id(), &wrong, now);
        let told = links.links[0].told.clone().expect("it is told");
        assert!(told.contains(&other.to_string()) && told.contains("/p2p/"), "{told}");
    }
}
