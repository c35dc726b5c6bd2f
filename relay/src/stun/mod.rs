//! STUN: a tab behind a NAT asks where its packets come from, and other tabs connect to it there (RFC 8489, RFC 8445).
//!
//! A server of its own on UDP, without credentials: nobody else has to be asked. It keeps nothing of a request, follows
//! no wish to answer elsewhere, and knows no TURN: it relays nothing.

mod message;

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use tokio::net::UdpSocket;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::address::{Endpoint, Host};
use crate::clients::ClientKey;
use crate::metrics::{Metrics, count};
use crate::settings::IceServer;

/// After the socket failed, which is nearly always a lack of memory.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Over this long requests are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// Answers to one client address in a window. A browser asks once for each connection and network, and again every
/// 10 s, so this is enough for an office; and an address that others forge is sent 8 KB a second at most.
const ANSWERS: u8 = 100;

/// How many counters there are: too many to use up by forging addresses.
const COUNTERS: usize = 1 << 16;

/// The server.
pub(crate) struct Server {
    socket: UdpSocket,
    pace: Pace,
    metrics: Arc<Metrics>,
}

impl Server {
    /// Answers what comes to `socket`.
    #[must_use]
    pub(crate) fn new(socket: UdpSocket, metrics: Arc<Metrics>) -> Server {
        Server { socket, pace: Pace::new(Instant::now()), metrics }
    }

    /// Serves until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.serve()).await;
    }

    async fn serve(&mut self) {
        // One byte more than a request has, so that what was cut off is too long as well.
        let mut datagram = [0; message::MAX_BYTES + 1];
        loop {
            match self.socket.recv_from(&mut datagram).await {
                Ok((length, from)) => {
                    if let Err(reason) = self.answer(&datagram[..length], from).await {
                        count(&self.metrics.stun_dropped, reason);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot receive STUN requests");
                    sleep(FAILURE_PAUSE).await;
                }
            }
        }
    }

    /// Answers, or says in one word why not.
    async fn answer(&mut self, datagram: &[u8], from: SocketAddr) -> Result<(), &'static str> {
        let answer = message::answer(datagram, from).ok_or("malformed")?;
        if !self.pace.admits(ClientKey::of(from.ip()), Instant::now()) {
            return Err("address");
        }
        self.socket.send_to(&answer, from).await.map_err(|_| "unsent")?;
        self.metrics.stun_answered.inc();
        Ok(())
    }
}

/// Answers a second, by client. Over UDP a sender writes whatever address it likes, so this is a table of fixed size,
/// unlike [`crate::clients::Rate`]; clients that share a counter by chance share what it allows.
struct Pace {
    begun: Instant,
    counters: Vec<u8>,
    /// With a key of its own, so that nobody knows who shares a counter with whom.
    hasher: RandomState,
}

impl Pace {
    fn new(now: Instant) -> Pace {
        Pace { begun: now, counters: vec![0; COUNTERS], hasher: RandomState::new() }
    }

    /// Counts one answer, unless it is one too many.
    fn admits(&mut self, client: ClientKey, now: Instant) -> bool {
        if now.duration_since(self.begun) >= WINDOW {
            self.begun = now;
            self.counters.fill(0);
        }
        let at = self.hasher.hash_one(client) as usize % COUNTERS;
        let admits = self.counters[at] < ANSWERS;
        self.counters[at] += u8::from(admits);
        admits
    }
}

/// What tabs are told of a server at `bound`; `None` when no address is known that leads there from where they are.
///
/// `addresses` are the relay's as peers are told them: the first that is not loopback names the machine, else the
/// address the server is bound to. A server on loopback is told in `development` alone, because a proxy that makes the
/// relay public passes no UDP on.
#[must_use]
pub(crate) fn told(bound: SocketAddr, addresses: &[Multiaddr], development: bool) -> Option<IceServer> {
    let here = Some(Host::Ip(bound.ip())).filter(|_| !bound.ip().is_unspecified());
    let host = if is_loopback(bound.ip()) {
        here.filter(|_| development)?
    } else {
        let mut hosts = addresses.iter().filter_map(Endpoint::of).map(|endpoint| endpoint.host);
        hosts.find(|host| !matches!(host, Host::Ip(address) if is_loopback(*address))).or(here)?
    };
    let host = match host {
        Host::Ip(IpAddr::V6(address)) => format!("[{address}]"),
        Host::Ip(IpAddr::V4(address)) => address.to_string(),
        Host::Name(name, _) => name,
    };
    // RFC 7064, section 3.1.
    Some(IceServer { urls: vec![format!("stun:{host}:{}", bound.port())], username: None, credential: None })
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{ANSWERS, ClientKey, Pace, WINDOW, told};

    #[test]
    fn an_address_gets_so_many_answers_a_second() {
        let key = |text: &str| ClientKey::of(text.parse().expect("the test's address is one"));
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        for _ in 0..ANSWERS {
            assert!(pace.admits(key("192.0.2.1"), begun));
        }
        for _ in 0..300 {
            assert!(!pace.admits(key("192.0.2.1"), begun));
        }
        let others = (0..=255).filter(|last| pace.admits(key(&format!("198.51.100.{last}")), begun)).count();
        assert!(others > 250, "one counter of many is used up, {others} others have one");
        assert!(pace.admits(key("192.0.2.1"), begun + WINDOW));
    }

    #[test]
    fn tabs_are_told_of_a_server_by_a_name_that_leads_there() {
        let told = |bound: &str, addresses: &[&str], development| {
            let addresses: Vec<_> =
                addresses.iter().map(|address| address.parse().expect("the test's address is one")).collect();
            let server = told(bound.parse().expect("the test's address is one"), &addresses, development)?;
            Some(server.urls.concat())
        };
        let some = |url: &str| Some(url.to_owned());
        let public = ["/dns4/relay.example/tcp/443/wss"];
        let own = ["/ip4/127.0.0.1/tcp/8080/ws"];

        assert_eq!(told("[::]:443", &public, false), some("stun:relay.example:443"));
        assert_eq!(told("0.0.0.0:3478", &public, false), some("stun:relay.example:3478"));
        assert_eq!(told("10.0.0.1:443", &public, false), some("stun:relay.example:443"), "behind a NAT");
        assert_eq!(told("0.0.0.0:443", &["/ip4/192.0.2.1/tcp/1/ws"], false), some("stun:192.0.2.1:443"));
        let v6 = ["/ip6/2001:db8::1/tcp/443/tls/ws", "/dns/relay.example/tcp/443/tls/ws"];
        assert_eq!(told("[::]:443", &v6, false), some("stun:[2001:db8::1]:443"), "the first");

        assert_eq!(told("127.0.0.1:8080", &public, false), None, "behind a proxy");
        assert_eq!(told("127.0.0.1:8080", &own, false), None, "the same, and nothing is set");
        assert_eq!(told("127.0.0.1:8080", &own, true), some("stun:127.0.0.1:8080"), "tried out");
        assert_eq!(told("[::1]:8080", &["/ip6/::1/tcp/8080/ws"], true), some("stun:[::1]:8080"));

        assert_eq!(told("0.0.0.0:8080", &[], false), None, "nobody said what it is called");
        assert_eq!(told("192.168.0.2:8080", &[], false), some("stun:192.168.0.2:8080"));
        assert_eq!(told("192.168.0.2:3478", &own, true), some("stun:192.168.0.2:3478"));
        assert_eq!(told("0.0.0.0:3478", &own, true), None);
        assert_eq!(told("0.0.0.0:3478", &["/dnsaddr/relay.example"], false), None);
    }
}
