//! What a browser calls the address of a relay on loopback. The tab's own rules are of no concern here.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// `ws://127.0.0.1:PORT/`; none for any other address.
pub(super) fn url(address: &Multiaddr) -> Option<String> {
    let mut parts = address.iter();
    match (parts.next()?, parts.next()?, parts.next()?) {
        (Protocol::Ip4(ip), Protocol::Tcp(port), Protocol::Ws(_)) if ip.is_loopback() => {
            Some(format!("ws://{ip}:{port}/"))
        }
        _ => None,
    }
}
