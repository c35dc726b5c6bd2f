//! Which addresses a tab dials, and what a browser calls them.
//!
//! `wss` anywhere public; `ws` and the own machine only for a page that came from the own machine, which is
//! development. Addresses come from strangers, and a tab that dialled whatever it is told would be a way into the
//! networks of its readers. What a name resolves to is the browser's knowledge and not checked here, so a name must at
//! least be one of the public naming system.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

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

    fn address_of(&self, secure: bool) -> Multiaddr {
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

/// The address of this text, without a peer's id at its end; none if it is not one of a WebSocket, or leads further.
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
    while let Some(part) = parts.next() {
        address.push(match part {
            "tls" => Protocol::Tls,
            "ws" => Protocol::Ws("/".into()),
            "wss" => Protocol::Wss("/".into()),
            "p2p" => {
                parts.next()?;
                return parts.next().is_none().then_some(address);
            }
            _ => return None,
        });
    }
    Some(address)
}

/// An address that the person gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// A relay.
    Relay(Multiaddr),
    /// A tab that can be asked for at a relay.
    Tab(PeerId, Multiaddr),
}

impl Given {
    /// Reads an address as libp2p writes it, or the URL of a relay.
    ///
    /// # Errors
    /// When it is none, or must not be dialled.
    pub(super) fn read(text: &str, origin: &Origin) -> Result<Given, Refusal> {
        let text = text.trim();
        let peer = |id: &str| id.parse::<PeerId>().map_err(|_| Refusal::Form);
        if let Some((relay, tab)) = text.split_once(super::direct::CIRCUIT) {
            let (address, relay) = relay.rsplit_once("/p2p/").ok_or(Refusal::Form)?;
            let (relay, tab) = (peer(relay)?, peer(tab)?);
            let address = read(address).ok_or(Refusal::Form)?;
            judge(&address, origin)?;
            return Ok(Given::Tab(tab, super::direct::circuit(&address, relay, tab)));
        }
        let address = read(text).or_else(|| read_url(text)).ok_or(Refusal::Form)?;
        judge(&address, origin)?;
        Ok(Given::Relay(address))
    }
}

/// The WebSocket address of a relay's URL.
fn read_url(text: &str) -> Option<Multiaddr> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = match scheme {
        "https" | "wss" => "https:",
        "http" | "ws" => "http:",
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = split_authority(authority)?;
    let port = port.map_or_else(String::new, |port| port.to_string());
    let origin = Origin { scheme: scheme.to_owned(), host: host.to_owned(), port };
    // One without encryption, which leads nowhere but to the own machine, is judged like any other.
    Some(origin.address_of(scheme == "https:"))
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
    may_send_from(text, &super::bootstrap::origin())
}

/// The same of a page from `origin`.
fn may_send_from(text: &str, origin: &Origin) -> bool {
    let is_open = match text.parse() {
        Ok(IpAddr::V4(ip)) => is_public(ip),
        Ok(IpAddr::V6(ip)) => ip.to_ipv4_mapped().map_or_else(|| is_public_6(ip), is_public),
        Err(_) => return false,
    };
    is_open || origin.is_local()
}

/// Whether this is a host, with or without a port, IPv6 in brackets.
pub(super) fn is_authority(text: &str) -> bool {
    split_authority(text).is_some()
}

/// The same of one that may be sent packets though a stranger named it: a public one, but in development.
pub(super) fn may_send_to(authority: &str) -> bool {
    may_send_to_from(authority, &super::bootstrap::origin())
}

/// The same of a page from `origin`.
fn may_send_to_from(authority: &str, origin: &Origin) -> bool {
    let Some((host, _)) = split_authority(authority) else { return false };
    let is_ip = host.parse::<IpAddr>().is_ok();
    if is_ip { may_send_from(host, origin) } else { is_public_name(host) || origin.is_local() }
}

/// The host, without brackets, and the port behind it.
fn split_authority(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']').filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok())?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_host = text.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() || is_host_name(host);
    let port = match rest.strip_prefix(':') {
        // A sign before it is a number to Rust, and none to browsers.
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0 && !rest.contains('+'))?),
        None => None,
    };
    (is_host && (port.is_some() || rest.is_empty())).then_some((host, port))
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
