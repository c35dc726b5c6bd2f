//! What the text of a key means, or the one line that says what it should be.

use std::str::FromStr;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::address::parse_relay;

use super::{IceServer, LogFormat, SettingsError};

/// The longest drain an operator may ask for: what the relay promises on SIGTERM.
const DRAIN_MAX: u64 = 20;

pub(super) fn each<T>(
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, SettingsError>,
) -> Result<Vec<T>, SettingsError> {
    texts.iter().map(|text| parse(text.trim())).collect()
}

pub(super) fn parse<T: FromStr>(key: &str, text: &str, wanted: &str) -> Result<T, SettingsError> {
    text.parse().map_err(|_| SettingsError(format!("{key}: {text:?} is not {wanted}")))
}

pub(super) fn at_least_one(key: &str, value: u32) -> Result<u32, SettingsError> {
    if value > 0 { Ok(value) } else { Err(SettingsError(format!("{key}: must be at least 1"))) }
}

pub(super) fn drain(seconds: u64) -> Result<Duration, SettingsError> {
    if (1..=DRAIN_MAX).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(SettingsError(format!("drain_seconds: must be from 1 to {DRAIN_MAX}")))
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, SettingsError> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(SettingsError(format!("log_format: {other:?} is neither text nor json"))),
    }
}

/// Tabs dial WebSockets and nothing else, so an address without one would only cost them time.
pub(super) fn external(text: &str) -> Result<Multiaddr, SettingsError> {
    let wanted = "a multiaddr of a WebSocket such as /dns4/relay.example/tcp/443/wss";
    let address: Multiaddr = parse("external", text, wanted)?;
    let web_socket = matches!(address.iter().last(), Some(Protocol::Ws(_) | Protocol::Wss(_)));
    if web_socket { Ok(address) } else { Err(SettingsError(format!("external: {text:?} is not {wanted}"))) }
}

/// The operator chose the relay, so it may be on a private network.
pub(super) fn peer(text: &str) -> Result<Multiaddr, SettingsError> {
    parse_relay(text).ok_or_else(|| {
        SettingsError(format!(
            "peer: {text:?} is not the URL of a relay such as https://relay.example, nor a multiaddr of a WebSocket \
             such as /dns4/relay.example/tcp/443/wss"
        ))
    })
}

pub(super) fn ice_server(text: &str) -> Result<IceServer, SettingsError> {
    let wrong = || {
        SettingsError(format!(
            "ice_servers: {text:?} is not a stun:, stuns:, turn: or turns: URL, or such a URL with |USER|PASSWORD"
        ))
    };
    let mut parts = text.split('|');
    let url = parts.next().unwrap_or_default();
    let (username, credential) = (parts.next(), parts.next());
    let (scheme, host) = url.split_once(':').ok_or_else(wrong)?;
    let known = ["stun", "stuns", "turn", "turns"].contains(&scheme) && !host.is_empty();
    if !known || parts.next().is_some() || username.is_some() != credential.is_some() {
        return Err(wrong());
    }
    Ok(IceServer {
        urls: vec![url.to_owned()],
        username: username.map(str::to_owned),
        credential: credential.map(str::to_owned),
    })
}
