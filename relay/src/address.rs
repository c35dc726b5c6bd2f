//! Addresses of relays: what an operator writes, what a dialler needs of it, and which of them mean anything elsewhere.
//!
//! A relay is reached by WebSocket: its address is a multiaddr (multiformats/multiaddr) of a host, a TCP port and `ws`,
//! `wss` or `tls/ws`, with the relay's name behind it or not. Resolves no name; what a name stands for can change.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use url::{Host as UrlHost, Url};

/// Where a WebSocket of libp2p is opened. The path is always `/`, as everybody has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The machine.
    pub(crate) host: Host,
    /// The TCP port.
    pub(crate) port: u16,
    /// Whether TLS lies below.
    pub(crate) tls: bool,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// By its address.
    Ip(IpAddr),
    /// By its name, and whether one kind of its addresses is meant: `true` for IPv4, `false` for IPv6.
    Name(String, Option<bool>),
}

impl Endpoint {
    /// What an address says, without the name of the relay behind it; `None` when it is not that of a WebSocket.
    #[must_use]
    pub(crate) fn of(address: &Multiaddr) -> Option<Endpoint> {
        let mut parts = address.iter().peekable();
        let host = match parts.next()? {
            Protocol::Ip4(address) => Host::Ip(address.into()),
            Protocol::Ip6(address) => Host::Ip(address.into()),
            Protocol::Dns(name) => Host::Name(name.into_owned(), None),
            Protocol::Dns4(name) => Host::Name(name.into_owned(), Some(true)),
            Protocol::Dns6(name) => Host::Name(name.into_owned(), Some(false)),
            _ => return None,
        };
        let Protocol::Tcp(port) = parts.next()? else { return None };
        let below = parts.next_if_eq(&Protocol::Tls).is_some();
        let (path, tls) = match parts.next()? {
            Protocol::Ws(path) => (path, below),
            Protocol::Wss(path) if !below => (path, true),
            _ => return None,
        };
        let named = matches!(parts.next(), None | Some(Protocol::P2p(_))) && parts.next().is_none();
        (named && path == "/").then_some(Endpoint { host, port, tls })
    }

    /// The address as a multiaddr, without a relay's name.
    #[must_use]
    pub(crate) fn multiaddr(&self) -> Multiaddr {
        let host = match &self.host {
            Host::Ip(address) => Multiaddr::from(*address),
            Host::Name(name, None) => Multiaddr::from(Protocol::Dns(name.into())),
            Host::Name(name, Some(true)) => Multiaddr::from(Protocol::Dns4(name.into())),
            Host::Name(name, Some(false)) => Multiaddr::from(Protocol::Dns6(name.into())),
        };
        let mut address = host.with(Protocol::Tcp(self.port));
        if self.tls {
            address.push(Protocol::Tls);
        }
        address.with(Protocol::Ws("/".into()))
    }

    /// Where a socket listens.
    #[must_use]
    pub(crate) fn listening(address: SocketAddr, tls: bool) -> Endpoint {
        Endpoint { host: Host::Ip(address.ip()), port: address.port(), tls }
    }

    /// Whether the world could reach it. A name may still stand for a private address.
    #[must_use]
    pub(crate) fn is_public(&self) -> bool {
        match &self.host {
            Host::Ip(IpAddr::V4(address)) => is_public_v4(*address),
            Host::Ip(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(address) => is_public_v4(address),
                None => is_public_v6(*address),
            },
            Host::Name(name, _) => is_public_name(name),
        }
    }
}

/// Special-purpose addresses by RFC 6890 and its successors, in the words of the standard library where it has them.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmarks = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || a >= 240
        || shared
        || benchmarks
        || (a, b, c) == (192, 0, 0)
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Only 2000::/3 is given out for use in the world, and 2001:db8::/32 of it is for examples.
    let [a, b, ..] = address.segments();
    a & 0xe000 == 0x2000 && (a, b) != (0x2001, 0x0db8)
}

/// Names that mean something only at home: RFC 6761, 6762, 8375, and single words.
fn is_public_name(name: &str) -> bool {
    const HOME: [&str; 5] = ["localhost", "local", "internal", "home.arpa", "test"];
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let at_home =
        |end: &&str| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    name.contains('.') && !HOME.iter().any(at_home)
}

/// The address of another relay as an operator has it at hand: a multiaddr, or the URL of its page.
#[must_use]
pub(crate) fn parse_relay(text: &str) -> Option<Multiaddr> {
    if let Some(rest) = text.strip_prefix('/') {
        // An empty part would be read as a name.
        let address: Multiaddr = text.parse().ok().filter(|_| !rest.contains("//"))?;
        return Endpoint::of(&address).filter(Endpoint::has_place).map(|_| address);
    }
    let url = Url::parse(text).ok()?;
    let (tls, port) = match url.scheme() {
        "https" | "wss" => (true, 443),
        "http" | "ws" => (false, 80),
        _ => return None,
    };
    let more = !url.username().is_empty()
        || url.password().is_some()
        || url.path() != "/"
        || url.query().is_some()
        || url.fragment().is_some();
    let host = match url.host()? {
        UrlHost::Domain(name) => Host::Name(name.to_owned(), None),
        UrlHost::Ipv4(address) => Host::Ip(address.into()),
        UrlHost::Ipv6(address) => Host::Ip(address.into()),
    };
    let endpoint = Endpoint { host, port: url.port().unwrap_or(port), tls };
    (!more && endpoint.has_place()).then(|| endpoint.multiaddr())
}

impl Endpoint {
    /// Whether anybody could listen there.
    fn has_place(&self) -> bool {
        let host = match &self.host {
            Host::Ip(address) => !address.is_unspecified(),
            Host::Name(name, _) => !name.is_empty(),
        };
        host && self.port != 0
    }
}

/// The name of the relay at the end of its address.
#[must_use]
pub(crate) fn relay_named(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use libp2p::Multiaddr;

    use super::{Endpoint, Host, parse_relay, relay_named};

    const NAME: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    fn parsed(text: &str) -> Option<String> {
        parse_relay(text).map(|address| address.to_string())
    }

    #[test]
    fn an_operator_may_write_a_url_or_a_multiaddr() {
        for (text, address) in [
            ("https://relay.example", "/dns/relay.example/tcp/443/tls/ws"),
            ("wss://Relay.Example:8443/", "/dns/relay.example/tcp/8443/tls/ws"),
            ("http://192.0.2.1", "/ip4/192.0.2.1/tcp/80/ws"),
            ("ws://[2001:db8::1]:8080", "/ip6/2001:db8::1/tcp/8080/ws"),
            ("http://localhost:8080", "/dns/localhost/tcp/8080/ws"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(address), "{text}");
        }
        for address in [
            "/dns4/relay.example/tcp/443/wss".to_owned(),
            "/dns/relay.example/tcp/443/tls/ws".to_owned(),
            "/ip4/10.0.0.1/tcp/8080/ws".to_owned(),
            format!("/ip6/::1/tcp/8080/ws/p2p/{NAME}"),
        ] {
            assert_eq!(parsed(&address), Some(address));
        }
    }

    #[test]
    fn what_is_no_address_of_a_relay_is_refused() {
        for text in [
            "",
            "/",
            "relay.example",
            "relay.example:443",
            "ftp://relay.example",
            "https://",
            "https://user@relay.example",
            "https://relay.example/b/cats",
            "https://relay.example/?a",
            "https://relay.example:0",
            "/ip4/192.0.2.1/tcp/4001",
            "/ip4/192.0.2.1/udp/4001/quic-v1",
            "/ip4/192.0.2.1/tcp/0/ws",
            "/ip4/0.0.0.0/tcp/80/ws",
            "/ip4/192.0.2.1/tcp/80/tls/wss",
            "/ip4/192.0.2.1/tcp/80/x-parity-ws/%2fpath",
            "/dns4/relay.example/tcp/443/wss/p2p/nonsense",
            "/dns4//tcp/443/wss",
            "/unix/ws",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
        let behind = format!("/dns4/relay.example/tcp/443/wss/p2p/{NAME}/p2p-circuit");
        assert_eq!(parsed(&behind), None, "behind a relay is somebody else");
    }

    #[test]
    fn an_address_says_where_to_dial_and_whom_to_expect() {
        let address: Multiaddr =
            format!("/dns6/relay.example/tcp/443/wss/p2p/{NAME}").parse().expect("an address");
        let endpoint = Endpoint::of(&address).expect("a WebSocket");
        assert_eq!(endpoint.host, Host::Name("relay.example".to_owned(), Some(false)));
        assert_eq!((endpoint.port, endpoint.tls), (443, true));
        assert_eq!(endpoint.multiaddr().to_string(), "/dns6/relay.example/tcp/443/tls/ws");
        assert_eq!(relay_named(&address).map(|peer| peer.to_string()).as_deref(), Some(NAME));
        assert_eq!(relay_named(&endpoint.multiaddr()), None);
    }

    #[test]
    fn what_means_something_only_at_home_is_not_public() {
        let public = |host: &str| {
            let address: Multiaddr = format!("{host}/tcp/443/tls/ws").parse().expect("an address");
            Endpoint::of(&address).expect("a WebSocket").is_public()
        };
        for host in [
            "/ip4/1.1.1.1",
            "/ip4/203.0.112.1",
            "/ip6/2606:4700::1",
            "/dns/relay.example",
            "/dns4/a.b.example.",
        ] {
            assert!(public(host), "{host}");
        }
        for host in [
            "/ip4/0.0.0.0",
            "/ip4/10.1.2.3",
            "/ip4/100.64.0.1",
            "/ip4/127.0.0.1",
            "/ip4/169.254.169.254",
            "/ip4/172.16.0.1",
            "/ip4/192.0.2.1",
            "/ip4/192.168.1.1",
            "/ip4/224.0.0.1",
            "/ip4/255.255.255.255",
            "/ip6/::",
            "/ip6/::1",
            "/ip6/::ffff:10.0.0.1",
            "/ip6/fe80::1",
            "/ip6/fd00::1",
            "/ip6/ff02::1",
            "/ip6/2001:db8::1",
            "/dns/localhost",
            "/dns/relay",
            "/dns4/relay.local",
            "/dns6/a.Internal.",
            "/dns/router.home.arpa",
        ] {
            assert!(!public(host), "{host}");
        }
    }
}
