//! Which addresses a tab dials, and what a browser calls them.
//!
//! `wss` anywhere public; `ws` and the own machine only for a page that came from the own machine, which is
//! development. Addresses come from strangers, and a tab that dialled whatever it is told would be a way into the
//! networks of its readers. What a name resolves to is the browser's knowledge and not checked here, so a name must at
//! least be one of the public naming system.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// Where the page came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// `https:` or `http:`.
    pub(super) scheme: String,
    /// Name or address, IPv6 in brackets.
    pub(super) host: String,
    /// The port, empty for the scheme's own.
    pub(super) port: String,
}

impl Origin {
    /// The address of the relay that served the page: the way the page came is known to work.
    ///
    /// # Errors
    /// When a page from there may not be dialled from, in words for the person.
    pub(super) fn address(&self) -> Result<Multiaddr, String> {
        let secure = self.scheme == "https:";
        if !secure && !self.is_local() {
            return Err(format!(
                "this page came over plain http from {}, and nothing that must stay whole is sent that way; \
                 open it over https",
                self.host
            ));
        }
        Ok(self.address_of(secure))
    }

    pub(super) fn address_of(&self, secure: bool) -> Multiaddr {
        let port = match self.port.parse() {
            Ok(port) => port,
            Err(_) if secure => 443,
            Err(_) => 80,
        };
        let mut address = Multiaddr::empty();
        address.push(match self.ip() {
            Some(IpAddr::V4(ip)) => Protocol::Ip4(ip),
            Some(IpAddr::V6(ip)) => Protocol::Ip6(ip),
            None => Protocol::Dns(self.host.as_str().into()),
        });
        address.push(Protocol::Tcp(port));
        if secure {
            address.push(Protocol::Tls);
        }
        address.push(Protocol::Ws("/".into()));
        address
    }

    /// Whether it is the own machine.
    pub(super) fn is_local(&self) -> bool {
        self.ip().map_or(is_localhost(&self.host), |ip| ip.is_loopback())
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

/// Why an address that somebody told of is not dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not of a WebSocket, or not of a host that has a name.
    Form,
    /// In a private network, or the own machine.
    Private,
    /// Without encryption.
    Plain,
}

/// The address of this text, without a peer's id at its end; none if it is not one of a WebSocket.
///
/// Not by libp2p's own reading of text: that knows each kind of address there is, for 40 KB.
pub(super) fn read(text: &str) -> Option<Multiaddr> {
    let mut parts = text.strip_prefix('/')?.split('/');
    let mut address = Multiaddr::empty();
    let (kind, host) = (parts.next()?, parts.next()?);
    address.push(match kind {
        "ip4" => Protocol::Ip4(host.parse().ok()?),
        "ip6" => Protocol::Ip6(host.parse().ok()?),
        "dns" => Protocol::Dns(host.into()),
        "dns4" => Protocol::Dns4(host.into()),
        "dns6" => Protocol::Dns6(host.into()),
        _ => return None,
    });
    let ("tcp", port) = (parts.next()?, parts.next()?) else { return None };
    address.push(Protocol::Tcp(port.parse().ok()?));
    for part in parts {
        address.push(match part {
            "tls" => Protocol::Tls,
            "ws" => Protocol::Ws("/".into()),
            "wss" => Protocol::Wss("/".into()),
            "p2p" => break,
            _ => return None,
        });
    }
    Some(address)
}

/// A WebSocket address without a peer's id as [`read`] takes it.
pub(super) fn text(address: &Multiaddr) -> Option<String> {
    let mut text = String::new();
    for part in address {
        text += &match part {
            Protocol::Ip4(ip) => format!("/ip4/{ip}"),
            Protocol::Ip6(ip) => format!("/ip6/{ip}"),
            Protocol::Dns(name) => format!("/dns/{name}"),
            Protocol::Dns4(name) => format!("/dns4/{name}"),
            Protocol::Dns6(name) => format!("/dns6/{name}"),
            Protocol::Tcp(port) => format!("/tcp/{port}"),
            Protocol::Tls => "/tls".to_owned(),
            Protocol::Ws(_) => "/ws".to_owned(),
            Protocol::Wss(_) => "/wss".to_owned(),
            _ => return None,
        };
    }
    Some(text)
}

/// Where an address that somebody told of leads: the host, if it may be dialled by a page from `origin`.
///
/// # Errors
/// Why it may not.
pub(super) fn judge(address: &Multiaddr, origin: &Origin) -> Result<String, Refusal> {
    let (local, public) = match address.iter().next().ok_or(Refusal::Form)? {
        Protocol::Ip4(ip) => (ip.is_loopback(), is_public(ip)),
        Protocol::Ip6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => (ip.is_loopback(), is_public(ip)),
            None => (ip.is_loopback(), is_public_6(ip)),
        },
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => {
            if !is_host_name(&name) {
                return Err(Refusal::Form);
            }
            (is_localhost(&name), is_public_name(&name))
        }
        _ => return Err(Refusal::Form),
    };
    let url = url(address).ok_or(Refusal::Form)?;
    match (local, public) {
        (true, _) if origin.is_local() => Ok(host(address)),
        (false, true) if url.starts_with("wss:") => Ok(host(address)),
        (false, true) => Err(Refusal::Plain),
        (true, _) | (false, false) => Err(Refusal::Private),
    }
}

/// Whether a direct connection may send packets to this IP address, which a stranger gave: only to public ones, but in
/// development.
pub(super) fn may_send(text: &str) -> bool {
    let is_open = match text.parse() {
        Ok(IpAddr::V4(ip)) => is_public(ip),
        Ok(IpAddr::V6(ip)) => ip.to_ipv4_mapped().map_or_else(|| is_public_6(ip), is_public),
        Err(_) => return false,
    };
    is_open || is_development()
}

/// Whether this is a host, with or without a port, IPv6 in brackets.
pub(super) fn is_authority(text: &str) -> bool {
    split_authority(text).is_some()
}

/// The same of one that may be sent packets though a stranger named it: a public one, but in development.
pub(super) fn may_send_to(authority: &str) -> bool {
    let Some(host) = split_authority(authority) else { return false };
    if host.parse::<IpAddr>().is_ok() { may_send(host) } else { is_public_name(host) || is_development() }
}

/// The host before a port, without brackets.
pub(super) fn split_authority(text: &str) -> Option<&str> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host.parse::<Ipv6Addr>().ok().map(|_| host)?, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_host = host.parse::<IpAddr>().is_ok() || is_host_name(host);
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (is_host && is_port).then_some(host)
}

/// Whether the page came from the own machine.
fn is_development() -> bool {
    super::bootstrap::origin().is_local()
}

/// The host of an address, with its port if that is not the one of https.
pub(super) fn host(address: &Multiaddr) -> String {
    let mut parts = address.iter();
    let host = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.to_string(),
        Some(Protocol::Ip6(ip)) => format!("[{ip}]"),
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => name.into_owned(),
        _ => return "an unknown address".to_owned(),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port != 443 => format!("{host}:{port}"),
        _ => host,
    }
}

/// The same address without a peer's id at its end: a relay that was made anew has another.
pub(super) fn without_peer(mut address: Multiaddr) -> Multiaddr {
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    address
}

/// What a browser calls a WebSocket address, with or without a peer's id at its end.
pub(super) fn url(address: &Multiaddr) -> Option<String> {
    let mut parts = address.iter();
    let host = match parts.next()? {
        Protocol::Ip4(ip) => ip.to_string(),
        Protocol::Ip6(ip) => format!("[{ip}]"),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => name.into_owned(),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else { return None };
    let mut rest: Vec<Protocol<'_>> = parts.collect();
    if let Some(Protocol::P2p(_)) = rest.last() {
        rest.pop();
    }
    let (scheme, path) = match rest.as_slice() {
        [Protocol::Tls, Protocol::Ws(path)] | [Protocol::Wss(path)] => ("wss", path),
        [Protocol::Ws(path)] => ("ws", path),
        _ => return None,
    };
    // A path is any text, not even with a slash at its start: it could change the port or the host before it.
    (path == "/").then(|| format!("{scheme}://{host}:{port}/"))
}

fn is_localhost(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

/// Letters, digits and hyphens between dots (RFC 952, RFC 1123), and not what a browser takes for an IPv4 address (URL
/// Standard, section 3.5, "ends in a number").
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number =
        last.bytes().all(|byte| byte.is_ascii_digit()) || last.to_ascii_lowercase().starts_with("0x");
    name.len() <= 253 && name.split('.').all(is_label) && !is_number
}

/// Not one that only a local network knows (RFC 6762, 8375, 6761, and names without a dot).
fn is_public_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let local =
        ["local", "internal", "lan", "home", "corp", "intranet", "localdomain", "home.arpa", "localhost"];
    name.contains('.') && !local.iter().any(|end| name.ends_with(&format!(".{end}")))
}

/// Not of a special purpose (RFC 6890, as far as something could be listening there).
fn is_public(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (18..20).contains(&b));
    !special
}

fn is_public_6(ip: Ipv6Addr) -> bool {
    // Global unicast (RFC 4291, section 2.4) without the prefixes that carry an IPv4 address (RFC 6052, 3056).
    let [first, second, ..] = ip.segments();
    (0x2000..0x4000).contains(&first) && first != 0x2002 && (first, second) != (0x2001, 0)
}

#[cfg(test)]
mod tests {
    use libp2p::Multiaddr;
    use libp2p::multiaddr::Protocol;

    use super::{Origin, Refusal, judge, read, url, without_peer};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn origin(scheme: &str, host: &str, port: &str) -> Origin {
        Origin { scheme: scheme.to_owned(), host: host.to_owned(), port: port.to_owned() }
    }

    fn told(address: &str, origin: &Origin) -> Option<String> {
        let address = address.parse().expect("an address");
        judge(&address, origin).ok().and_then(|_| url(&address))
    }

    #[test]
    fn a_refusal_tells_why() {
        let page = origin("https:", "board.example", "");
        let why = |address: &str| judge(&address.parse().expect("an address"), &page);
        assert_eq!(why("/dns4/relay.example/tcp/443/tls/ws"), Ok("relay.example".to_owned()));
        assert_eq!(why("/dns4/relay.example/tcp/8443/wss"), Ok("relay.example:8443".to_owned()));
        assert_eq!(why("/ip6/2606:4700::1111/tcp/443/tls/ws"), Ok("[2606:4700::1111]".to_owned()));
        assert_eq!(why("/dns4/relay.example/tcp/80/ws"), Err(Refusal::Plain));
        assert_eq!(why("/ip4/10.0.0.1/tcp/443/tls/ws"), Err(Refusal::Private));
        assert_eq!(why("/dns4/router/tcp/443/tls/ws"), Err(Refusal::Private));
        assert_eq!(why("/ip4/192.0.2.1/udp/443/quic-v1"), Err(Refusal::Form));
        assert_eq!(why("/dns4/user:secret@relay.example/tcp/443/tls/ws"), Err(Refusal::Form));
    }

    #[test]
    fn a_text_is_read_as_libp2p_reads_it() {
        for text in [
            "/ip4/192.0.2.1/tcp/8080/ws",
            "/ip6/2606:4700::1111/tcp/443/tls/ws",
            "/dns/relay.example/tcp/443/wss",
            "/dns4/relay.example/tcp/443/tls/ws",
            "/dns6/relay.example/tcp/443",
        ] {
            let address = text.parse().expect("an address");
            assert_eq!(read(text), Some(address), "{text}");
            assert_eq!(read(&format!("{text}/p2p/{}", libp2p::PeerId::random())), read(text));
        }
        for text in [
            "",
            "/",
            "relay.example",
            "dns4/relay.example/tcp/443/wss",
            "/dns4/relay.example",
            "/dns4/relay.example/tcp",
            "/dns4/relay.example/tcp/65536/wss",
            "/dns4/relay.example/tcp/443/wss/x",
            "/dns4/relay.example/udp/443/quic-v1",
            "/ip4/relay.example/tcp/443/wss",
            "/ip6/192.0.2.1/tcp/443/wss",
            "https://relay.example",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_relay_is_known_by_its_address_and_not_by_its_key() {
        let plain: Multiaddr = "/dns4/relay.example/tcp/443/tls/ws".parse().expect("an address");
        let with_key = plain.clone().with_p2p(libp2p::PeerId::random()).expect("no key yet");
        assert_eq!(without_peer(with_key), plain);
        assert_eq!(without_peer(plain.clone()), plain);
    }

    #[test]
    fn the_origin_is_dialled_the_way_the_page_came() {
        let cases = [
            (origin("https:", "board.example", ""), "/dns/board.example/tcp/443/tls/ws"),
            (origin("https:", "192.168.1.7", "8443"), "/ip4/192.168.1.7/tcp/8443/tls/ws"),
            (origin("http:", "127.0.0.1", "8080"), "/ip4/127.0.0.1/tcp/8080/ws"),
            (origin("http:", "localhost", ""), "/dns/localhost/tcp/80/ws"),
            (origin("http:", "[::1]", "8080"), "/ip6/::1/tcp/8080/ws"),
        ];
        for (origin, address) in cases {
            assert_eq!(origin.address().expect("may be dialled").to_string(), address);
        }
        for host in ["board.example", "192.168.1.7", "[fe80::1]"] {
            assert!(origin("http:", host, "8080").address().is_err(), "{host} without https");
        }
    }

    #[test]
    fn a_path_cannot_lead_elsewhere_than_the_host_that_was_judged() {
        let page = origin("https:", "board.example", "");
        let judged = |path: &str, is_wss: bool| {
            let mut address = Multiaddr::empty();
            address.push(Protocol::Dns4("relay.example".into()));
            address.push(Protocol::Tcp(443));
            if is_wss {
                address.push(Protocol::Wss(path.into()));
            } else {
                address.push(Protocol::Tls);
                address.push(Protocol::Ws(path.into()));
            }
            // As it comes in a friend code.
            let address = Multiaddr::try_from(address.to_vec()).expect("an address");
            (judge(&address, &page), url(&address))
        };
        for is_wss in [false, true] {
            for path in ["@192.168.1.1/", "1/", "", "x", "/x", "//", "/?x", "#"] {
                assert_eq!(judged(path, is_wss), (Err(Refusal::Form), None), "{path:?}");
            }
            let url = Some("wss://relay.example:443/".to_owned());
            assert_eq!(judged("/", is_wss), (Ok("relay.example".to_owned()), url));
        }
    }

    #[test]
    fn strangers_cannot_send_a_tab_into_private_networks() {
        let page = origin("https:", "board.example", "");
        let development = origin("http:", "127.0.0.1", "8080");
        for (address, url) in [
            ("/dns4/relay.example/tcp/443/tls/ws", "wss://relay.example:443/"),
            ("/dns/relay.example/tcp/443/wss", "wss://relay.example:443/"),
            ("/ip4/93.184.215.14/tcp/4001/tls/ws", "wss://93.184.215.14:4001/"),
            ("/ip4/192.0.1.1/tcp/443/tls/ws", "wss://192.0.1.1:443/"),
            ("/ip4/198.20.0.1/tcp/443/tls/ws", "wss://198.20.0.1:443/"),
            ("/ip6/2606:4700::1111/tcp/443/tls/ws", "wss://[2606:4700::1111]:443/"),
        ] {
            assert_eq!(told(address, &page).as_deref(), Some(url));
            assert_eq!(told(address, &development).as_deref(), Some(url));
        }
        for address in [
            "/dns4/relay.example/tcp/80/ws",
            "/dns4/printer.local/tcp/443/tls/ws",
            "/dns4/printer.LOCAL/tcp/443/tls/ws",
            "/dns4/router/tcp/443/tls/ws",
            "/dns4/nas.lan/tcp/443/tls/ws",
            "/dns4/metadata.google.internal/tcp/443/tls/ws",
            "/dns4/127.1/tcp/443/tls/ws",
            "/dns4/2130706433/tcp/443/tls/ws",
            "/dns4/a.0x7f/tcp/443/tls/ws",
            "/dns4/relay.example./tcp/443/tls/ws",
            "/dns4/relay_.example/tcp/443/tls/ws",
            "/dns4/user@relay.example/tcp/443/tls/ws",
            "/dns4/relay.example#x/tcp/443/tls/ws",
            "/ip4/10.1.2.3/tcp/443/tls/ws",
            "/ip4/172.16.0.1/tcp/443/tls/ws",
            "/ip4/192.168.0.1/tcp/443/tls/ws",
            "/ip4/169.254.169.254/tcp/443/tls/ws",
            "/ip4/100.64.0.1/tcp/443/tls/ws",
            "/ip4/192.0.0.8/tcp/443/tls/ws",
            "/ip4/198.18.0.1/tcp/443/tls/ws",
            "/ip4/198.19.255.255/tcp/443/tls/ws",
            "/ip4/0.0.0.0/tcp/443/tls/ws",
            "/ip6/fe80::1/tcp/443/tls/ws",
            "/ip6/fd00::1/tcp/443/tls/ws",
            "/ip6/::ffff:10.0.0.1/tcp/443/tls/ws",
            "/ip6/2002:a00:1::/tcp/443/tls/ws",
            "/ip4/93.184.215.14/tcp/4001",
            "/ip4/93.184.215.14/udp/4001/quic-v1",
        ] {
            assert_eq!(told(address, &page), None, "{address}");
            assert_eq!(told(address, &development), None, "{address} in development");
        }
        for address in ["/ip4/127.0.0.1/tcp/9/ws", "/ip6/::1/tcp/9/ws", "/dns/localhost/tcp/9/tls/ws"] {
            assert_eq!(told(address, &page), None, "{address}");
            assert!(told(address, &development).is_some(), "{address} in development");
        }
    }
}
