//! Other relays, as this one has met them: which have a session, and where the world reaches them.
//!
//! Told at `/api/v1/info`, so that a tab that loses this relay knows others. Where another relay is reached is the
//! operator's word for those that were dialled, and for the rest their own; nobody checks that, so they come last and are
//! few. Kept in memory alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use chanterelle_core::base::PeerId;
use libp2p::Multiaddr;
use prometheus_client::metrics::gauge::Gauge;

use crate::address::Endpoint;

/// How long after its last session a relay is still told of.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// Addresses told.
const TOLD: usize = 16;

/// Addresses told of one relay that came to us: one by name and one by number, or one of each kind of IP.
const TOLD_OF_ONE: usize = 2;

/// Relays remembered of those that came to us. Anybody can say to be one; those that were here first stay.
const STRANGERS: usize = 64;

/// The other relays. Clones share them.
#[derive(Clone, Debug)]
pub struct Relays {
    known: Arc<Mutex<Known>>,
    open: Gauge,
}

#[derive(Debug, Default)]
struct Known {
    relays: BTreeMap<PeerId, Relay>,
    /// All that have a session, those for which there was no room too.
    open: BTreeSet<PeerId>,
}

#[derive(Debug)]
struct Relay {
    /// Where it was dialled.
    dialled: Option<Multiaddr>,
    /// Where it says it is reached.
    says: Vec<Multiaddr>,
    /// When its first session began, of those that followed each other within [`REMEMBERED`].
    met: Option<Instant>,
    /// Whether it has a session.
    open: bool,
    /// When it was last heard of.
    last: Instant,
}

impl Relays {
    /// None yet. `open` shows how many have a session.
    #[must_use]
    pub fn new(open: Gauge) -> Relays {
        Relays { known: Arc::default(), open }
    }

    /// A session showed that the peer is a relay.
    pub(crate) fn met(&self, peer: PeerId, now: Instant) {
        let mut known = self.lock();
        known.open.insert(peer);
        self.count(&known);
        if let Some(relay) = entry(&mut known.relays, peer, now) {
            relay.opened(now);
        }
    }

    /// A peer's session is over.
    pub(crate) fn left(&self, peer: &PeerId, now: Instant) {
        let mut known = self.lock();
        known.open.remove(peer);
        self.count(&known);
        if let Some(relay) = known.relays.get_mut(peer).filter(|relay| relay.open) {
            relay.open = false;
            relay.last = now;
        }
    }

    /// The peer answered where the operator said. `address` ends in its name.
    pub(crate) fn dialled(&self, peer: PeerId, address: Multiaddr, now: Instant) {
        let mut known = self.lock();
        let is_open = known.open.contains(&peer);
        let relay = known.relays.entry(peer).or_insert_with(|| Relay::new(now));
        relay.dialled = Some(address);
        if is_open {
            relay.opened(now);
        }
    }

    /// The peer says where it is reached. Each address ends in its name.
    pub(crate) fn says(&self, peer: PeerId, addresses: Vec<Multiaddr>, now: Instant) {
        if let Some(relay) = entry(&mut self.lock().relays, peer, now) {
            relay.says = addresses;
        }
    }

    /// Forgets what a peer said that left without having shown to be a relay.
    pub(crate) fn gone(&self, peer: &PeerId) {
        let mut known = self.lock();
        if known.relays.get(peer).is_some_and(|relay| relay.met.is_none()) {
            known.relays.remove(peer);
        }
    }

    /// Where relays are reached that had a session within the last hour, each with its name, at most [`TOLD`]: first
    /// those the operator chose, then those that have been here longest. `private` says whether addresses that mean
    /// nothing elsewhere are told too.
    #[must_use]
    pub(crate) fn addresses(&self, private: bool, now: Instant) -> Vec<Multiaddr> {
        let known = self.lock();
        let mut relays: Vec<(Instant, &Relay)> = known
            .relays
            .values()
            .filter(|relay| relay.is_fresh(now))
            .filter_map(|relay| Some((relay.met?, relay)))
            .collect();
        relays.sort_by_key(|(met, relay)| (relay.dialled.is_none(), *met));
        let fits = |address: &&Multiaddr| Endpoint::of(address).is_some_and(|at| private || at.is_public());
        let told = relays.iter().flat_map(|(_, relay)| match &relay.dialled {
            Some(address) => std::slice::from_ref(address).iter().filter(fits).take(1),
            None => relay.says.iter().filter(fits).take(TOLD_OF_ONE),
        });
        told.take(TOLD).cloned().collect()
    }

    fn count(&self, known: &Known) {
        self.open.set(i64::try_from(known.open.len()).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no code panics while it holds this")
    }
}

impl Relay {
    fn new(now: Instant) -> Relay {
        Relay { dialled: None, says: Vec::new(), met: None, open: false, last: now }
    }

    fn opened(&mut self, now: Instant) {
        self.open = true;
        self.last = now;
        self.met.get_or_insert(now);
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.open || now.saturating_duration_since(self.last) < REMEMBERED
    }
}

/// The peer's entry, a new one if there is room.
fn entry(known: &mut BTreeMap<PeerId, Relay>, peer: PeerId, now: Instant) -> Option<&mut Relay> {
    known.retain(|_, relay| relay.dialled.is_some() || relay.is_fresh(now));
    if let Some(relay) = known.get_mut(&peer).filter(|relay| !relay.is_fresh(now)) {
        relay.met = None;
    }
    let strangers = known.values().filter(|relay| relay.dialled.is_none()).count();
    if !known.contains_key(&peer) && strangers >= STRANGERS {
        return None;
    }
    Some(known.entry(peer).or_insert_with(|| Relay::new(now)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use chanterelle_core::base::PeerId;
    use libp2p::Multiaddr;
    use prometheus_client::metrics::gauge::Gauge;

    use super::{REMEMBERED, Relays, STRANGERS, TOLD};

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("the test's address is one")
    }

    fn public(number: u8) -> Multiaddr {
        address(&format!("/dns4/relay-{number}.example/tcp/443/tls/ws"))
    }

    fn told(relays: &Relays, now: Instant) -> Vec<String> {
        relays.addresses(false, now).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_relay_is_told_of_for_an_hour_after_its_session() {
        let (relays, now) = (Relays::new(Gauge::default()), Instant::now());
        let peer = PeerId([1; 32]);
        relays.says(peer, vec![public(1)], now);
        assert!(told(&relays, now).is_empty(), "it may be a tab");
        relays.met(peer, now);
        let later = now + 2 * REMEMBERED;
        assert_eq!(told(&relays, later), [public(1).to_string()], "as long as the session lasts");
        assert_eq!(relays.open.get(), 1);
        relays.left(&peer, later);
        assert_eq!(relays.open.get(), 0);
        assert_eq!(told(&relays, later + REMEMBERED - Duration::from_secs(1)).len(), 1);
        assert!(told(&relays, later + REMEMBERED).is_empty());
    }

    #[test]
    fn the_operators_choice_comes_first_then_who_has_been_here_longest() {
        let (relays, now) = (Relays::new(Gauge::default()), Instant::now());
        for number in [3, 1, 2] {
            relays.says(PeerId([number; 32]), vec![public(number)], now);
            relays.met(PeerId([number; 32]), now + Duration::from_secs(u64::from(10 - number)));
        }
        relays.dialled(PeerId([1; 32]), public(100), now);
        let expected = [public(100), public(3), public(2)].map(|address| address.to_string());
        assert_eq!(told(&relays, now), expected, "who was dialled, only where");
    }

    #[test]
    fn what_means_nothing_elsewhere_is_not_told() {
        let (relays, now) = (Relays::new(Gauge::default()), Instant::now());
        let (one, two) = (PeerId([1; 32]), PeerId([2; 32]));
        let mixed = [
            "/ip4/0.0.0.0/tcp/1/ws",
            "/ip4/192.168.1.1/tcp/1/ws",
            "/ip4/1.1.1.1/tcp/1",
            "/ip4/1.1.1.1/tcp/1/ws",
        ];
        relays.says(one, mixed.map(address).to_vec(), now);
        relays.dialled(two, address("/dns/relay.internal/tcp/1/ws"), now);
        relays.met(one, now);
        relays.met(two, now);
        assert_eq!(told(&relays, now), ["/ip4/1.1.1.1/tcp/1/ws"]);
        assert_eq!(relays.addresses(true, now).len(), 3, "at home everything is, and two of a stranger");
    }

    #[test]
    fn strangers_are_few_and_do_not_drive_out_others() {
        let (relays, now) = (Relays::new(Gauge::default()), Instant::now());
        for number in 0..=u8::MAX {
            relays.says(PeerId([number; 32]), vec![public(number)], now);
            relays.met(PeerId([number; 32]), now);
        }
        assert_eq!(relays.lock().relays.len(), STRANGERS);
        assert_eq!(told(&relays, now).len(), TOLD);
        assert_eq!(relays.open.get(), 256, "all are counted");
        relays.dialled(PeerId([255; 32]), public(255), now);
        assert_eq!(
            told(&relays, now)[0],
            public(255).to_string(),
            "it had its session before it was dialled"
        );
        relays.left(&PeerId([254; 32]), now);
        assert_eq!(relays.open.get(), 255);
        relays.gone(&PeerId([0; 32]));
        assert_eq!(relays.lock().relays.len(), STRANGERS + 1, "whoever was met is remembered");
    }

    #[test]
    fn a_peer_that_was_no_relay_is_forgotten() {
        let (relays, now) = (Relays::new(Gauge::default()), Instant::now());
        relays.says(PeerId([1; 32]), vec![public(1)], now);
        relays.gone(&PeerId([1; 32]));
        assert!(relays.lock().relays.is_empty());
    }
}
