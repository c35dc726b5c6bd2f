//! Addresses that the person gives by hand.

use libp2p::{Multiaddr, PeerId};

use super::address::{self, Origin, Refusal};
use super::direct;

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
        if let Some((relay, tab)) = text.split_once(direct::CIRCUIT) {
            let (address, relay) = relay.rsplit_once("/p2p/").ok_or(Refusal::Form)?;
            let (relay, tab) = (peer(relay)?, peer(tab)?);
            let address = address::read(address).ok_or(Refusal::Form)?;
            address::judge(&address, origin)?;
            return Ok(Given::Tab(tab, direct::circuit(&address, relay, tab)));
        }
        let address = address::read(text).or_else(|| read_url(text)).ok_or(Refusal::Form)?;
        address::judge(&address, origin)?;
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
    let host = address::split_authority(authority)?;
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
    let origin = Origin {
        scheme: scheme.to_owned(),
        host: host.to_owned(),
        port: port.unwrap_or_default().to_owned(),
    };
    // One without encryption, which leads nowhere but to the own machine, is judged like any other.
    Some(origin.address_of(scheme == "https:"))
}
