//! How the tab is connected: the status in the header, and who is asked for what is missing.

use chanterelle_core::base::PeerId;
use chanterelle_core::node::SessionInfo;
use chanterelle_core::wire::Role;
use leptos::html;
use leptos::prelude::*;

use crate::i18n as t;
use crate::kit::live;
use crate::link::NetStatus;
use crate::state::Client;

/// The status "Network", a link to the peers.
pub(crate) fn network_status() -> AnyView {
    let network = Client::here().network;
    html::div()
        .id("network")
        .role("status")
        .aria_label(t::NETWORK)
        .attr("data-direct", live(move || network.with(|status| status.direct)))
        .attr("data-relays", live(move || network.with(|status| status.relays)))
        .attr("data-link", live(move || network.with(link_state)))
        .child(html::a().href("/peers").child((
            html::span().class("lamp").attr("aria-hidden", "true"),
            live(move || network.with(text)),
        )))
        .into_any()
}

fn link_state(status: &NetStatus) -> &'static str {
    match (status.direct + status.relays, status.connecting) {
        (0, true) => "connecting",
        (0, false) => "off",
        _ => "on",
    }
}

fn text(status: &NetStatus) -> String {
    match link_state(status) {
        "connecting" => t::CONNECTING.to_owned(),
        "off" => t::OFFLINE.to_owned(),
        _ => t::network(status.direct, status.relays),
    }
}

/// Says who is asked for what is missing here.
pub(crate) fn asked() -> AnyView {
    let sessions = Client::here().sessions;
    let names = live(move || {
        let names: Vec<_> = sessions.with(|sessions| {
            let ready = sessions.iter().filter(|session| session.role.is_some());
            ready.map(|session| format!("{} …{}", role(session), tail(&network_id(&session.peer)))).collect()
        });
        if names.is_empty() { t::NOT_ASKED.to_owned() } else { t::asked(&names.join(", ")) }
    });
    html::p().class("quiet").child(names).into_any()
}

fn role(session: &SessionInfo) -> &'static str {
    match session.role {
        Some(Role::Relay) => t::RELAY,
        Some(Role::Tab) | None => t::TAB,
    }
}

/// The end of an id, which differs most: all ids of one kind of key begin alike.
fn tail(id: &str) -> &str {
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

/// The peer's id as libp2p writes it: base58 of the identity multihash of its public key (libp2p peer-ids, "Keys").
pub(super) fn network_id(peer: &PeerId) -> String {
    /// Identity multihash of 36 bytes, which are a protobuf of key type 1 (Ed25519) and 32 bytes of key.
    const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    bs58::encode([PREFIX.as_slice(), peer.as_bytes()].concat()).into_string()
}
