//! Who a client is, as far as limits care: its address, and how many connections and requests that address may have.
//!
//! IPv6 addresses count by /64, because one household has that many. Nothing here is remembered beyond a minute after
//! the last request, or logged.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::http::HeaderMap;
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use prometheus_client::metrics::gauge::Gauge;

/// An address as limits see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClientKey(IpAddr);

impl ClientKey {
    /// The whole of an IPv4 address, the first 64 bits of an IPv6 address.
    #[must_use]
    pub(crate) fn of(address: IpAddr) -> ClientKey {
        ClientKey(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }

    /// The address that stands for the client.
    #[must_use]
    pub(crate) fn address(self) -> IpAddr {
        self.0
    }
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The relay has as many connections as it takes.
    Total,
    /// The address has.
    Address,
}

impl Refusal {
    /// One word, for metrics.
    #[must_use]
    pub(crate) fn label(self) -> &'static str {
        match self {
            Refusal::Total => "total",
            Refusal::Address => "address",
        }
    }
}

/// Counts connections, in all and by address.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    limit: usize,
    limit_per_client: usize,
    open: Gauge,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_client: HashMap<ClientKey, usize>,
}

/// One connection. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot {
    connections: usize,
    client: Option<ClientKey>,
    open: Gauge,
    taken: Arc<Mutex<Taken>>,
}

impl Slots {
    /// `limit` connections in all, `limit_per_client` of one address. `open` shows how many there are.
    #[must_use]
    pub(crate) fn new(limit: usize, limit_per_client: usize, open: Gauge) -> Slots {
        Slots { limit, limit_per_client, open, taken: Arc::default() }
    }

    /// Takes a place for a TCP connection. One of a trusted proxy belongs to no client: pass `None`.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn take(&self, client: Option<ClientKey>) -> Result<Slot, Refusal> {
        self.count(1, client)
    }

    /// Takes a place of `client` within a connection of a trusted proxy, which is counted already.
    ///
    /// # Errors
    /// When the client has none left.
    pub(crate) fn take_within(&self, client: ClientKey) -> Result<Slot, Refusal> {
        self.count(0, Some(client))
    }

    fn count(&self, connections: usize, client: Option<ClientKey>) -> Result<Slot, Refusal> {
        let mut taken = lock(&self.taken);
        if taken.total + connections > self.limit {
            return Err(Refusal::Total);
        }
        if let Some(client) = client {
            let count = taken.by_client.entry(client).or_default();
            if *count >= self.limit_per_client {
                return Err(Refusal::Address);
            }
            *count += 1;
        }
        taken.total += connections;
        self.open.set(taken.total as i64);
        Ok(Slot { connections, client, open: self.open.clone(), taken: self.taken.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.total -= self.connections;
        self.open.set(taken.total as i64);
        if let Some(client) = self.client
            && let Some(count) = taken.by_client.get_mut(&client)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_client.remove(&client);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().expect("no code panics while it counts")
}

/// Requests a minute, by client.
pub(crate) struct Rate {
    limiter: RateLimiter<ClientKey, HashMapStateStore<ClientKey>, DefaultClock>,
    clock: DefaultClock,
}

impl Rate {
    /// `per_minute` requests, which may come all at once.
    #[must_use]
    pub(crate) fn new(per_minute: u32) -> Rate {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Rate { limiter: RateLimiter::hashmap(quota), clock: DefaultClock::default() }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// How long to wait, when it is one too many.
    pub(crate) fn check(&self, client: ClientKey) -> Result<(), Duration> {
        self.limiter.check_key(&client).map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }

    /// Forgets clients that have been quiet for a minute.
    pub(crate) fn forget_quiet(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

impl std::fmt::Debug for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rate").field("clients", &self.limiter.len()).finish_non_exhaustive()
    }
}

/// The address a request comes from: the socket's, or when that is a trusted proxy, the last address in
/// `X-Forwarded-For` that no trusted proxy has. Everything before that one is only the client's word.
#[must_use]
pub(crate) fn client_address(socket: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let is_proxy = |address: &IpAddr| trusted.contains(&address.to_canonical());
    if !is_proxy(&socket) {
        return socket;
    }
    let values: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    values
        .iter()
        .flat_map(|value| value.split(','))
        .rev()
        .map_while(|part| part.trim().parse::<IpAddr>().ok())
        .find(|address| !is_proxy(address))
        .unwrap_or(socket)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::http::{HeaderMap, HeaderValue};
    use prometheus_client::metrics::gauge::Gauge;

    use super::{ClientKey, Rate, Refusal, Slots, client_address};

    fn address(text: &str) -> IpAddr {
        text.parse().expect("the test's address is one")
    }

    fn key(text: &str) -> ClientKey {
        ClientKey::of(address(text))
    }

    #[test]
    fn a_household_is_one_client() {
        assert_eq!(key("2001:db8:1:2::3"), key("2001:db8:1:2:ffff::4"));
        assert_ne!(key("2001:db8:1:2::3"), key("2001:db8:1:3::3"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }

    #[test]
    fn places_are_limited_and_come_back() {
        let slots = Slots::new(3, 2, Gauge::default());
        let first = slots.take(Some(key("192.0.2.1"))).expect("room");
        let _second = slots.take(Some(key("192.0.2.1"))).expect("room");
        assert_eq!(slots.take(Some(key("192.0.2.1"))).err(), Some(Refusal::Address));
        let _third = slots.take(Some(key("192.0.2.2"))).expect("room");
        assert_eq!(slots.take(Some(key("192.0.2.3"))).err(), Some(Refusal::Total));
        assert_eq!(slots.take_within(key("192.0.2.1")).err(), Some(Refusal::Address));
        let within = slots.take_within(key("192.0.2.2")).expect("a place within a connection");
        assert_eq!(slots.take_within(key("192.0.2.2")).err(), Some(Refusal::Address));
        drop((first, within));
        assert!(slots.take(Some(key("192.0.2.1"))).is_ok());
    }

    #[test]
    fn a_refused_client_leaves_nothing_behind() {
        let slots = Slots::new(8, 1, Gauge::default());
        let slot = slots.take(Some(key("192.0.2.1"))).expect("room");
        assert!(slots.take(Some(key("192.0.2.1"))).is_err());
        drop(slot);
        let taken = super::lock(&slots.taken);
        assert!(taken.total == 0 && taken.by_client.is_empty());
    }

    #[test]
    fn requests_are_limited_by_client() {
        let rate = Rate::new(2);
        assert!(rate.check(key("192.0.2.1")).is_ok());
        assert!(rate.check(key("192.0.2.1")).is_ok());
        let wait = rate.check(key("192.0.2.1")).expect_err("the third is too many");
        assert!(wait.as_secs() <= 30, "one comes back each half minute");
        assert!(rate.check(key("192.0.2.2")).is_ok());
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_a_client() {
        let trusted = [address("10.0.0.1"), address("10.0.0.2")];
        let forwarded = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            headers
        };
        let seen = |socket, values: &[&'static str]| {
            client_address(address(socket), &forwarded(values), &trusted).to_string()
        };
        assert_eq!(seen("192.0.2.9", &["198.51.100.1"]), "192.0.2.9", "not a proxy");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["203.0.113.7, 198.51.100.1"]), "198.51.100.1", "the client's own word");
        assert_eq!(seen("10.0.0.1", &["203.0.113.7", "198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, nonsense"]), "10.0.0.1", "nothing behind nonsense");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }
}
