//! What the text of a key means, or the one line that says what it should be.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio_rustls::rustls::pki_types::ServerName;
use url::Url;

use super::{IceServer, LogFormat, SettingsError, StunListen, Tls};
use crate::address::parse_relay;

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

/// An empty path or text is not set.
pub(super) fn tls(
    certificate: PathBuf,
    key: PathBuf,
    domains: &[String],
    contact: &str,
    directory: &str,
) -> Result<Tls, SettingsError> {
    let has_files = [&certificate, &key].map(|file| !file.as_os_str().is_empty());
    let missing = |key: &str| {
        let line = format!("{key}: is not set; tls_certificate and tls_key are used together or not at all");
        Err(SettingsError(line))
    };
    match (has_files, domains) {
        ([true, true], []) => Ok(Tls::Files { certificate, key }),
        ([true, true], _) => {
            let line = "acme_domain: cannot be used beside tls_certificate; the certificate comes from files or by ACME";
            Err(SettingsError(line.to_owned()))
        }
        ([true, false], _) => missing("tls_key"),
        ([false, true], _) => missing("tls_certificate"),
        ([false, false], []) => Ok(Tls::Off),
        ([false, false], _) => Ok(Tls::Acme {
            domains: each(domains, domain)?,
            contact: mail(contact.trim())?,
            directory: directory_url(directory.trim())?,
        }),
    }
}

/// Authorities certify names one by one; for a wildcard they want proof in the DNS.
fn domain(text: &str) -> Result<String, SettingsError> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let is_name = matches!(ServerName::try_from(name.as_str()), Ok(ServerName::DnsName(_)));
    if is_name && name.contains('.') {
        Ok(name)
    } else {
        Err(SettingsError(format!("acme_domain: {text:?} is not a name such as relay.example")))
    }
}

fn mail(text: &str) -> Result<Option<String>, SettingsError> {
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    match address.split_once('@') {
        _ if address.is_empty() => Ok(None),
        Some((user, host)) if !user.is_empty() && !host.is_empty() => Ok(Some(format!("mailto:{address}"))),
        _ => Err(SettingsError(format!(
            "acme_contact: {text:?} is not a mail address such as op@relay.example"
        ))),
    }
}

fn directory_url(text: &str) -> Result<String, SettingsError> {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" => Ok(url.to_string()),
        _ => Err(SettingsError(format!("acme_directory: {text:?} is not an https URL"))),
    }
}

pub(super) fn stun_listen(text: &str) -> Result<StunListen, SettingsError> {
    match text {
        "listen" => Ok(StunListen::AsListen),
        "off" => Ok(StunListen::Off),
        other => parse("stun_listen", other, "an address and a port such as [::]:3478, nor listen or off")
            .map(StunListen::At),
    }
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
