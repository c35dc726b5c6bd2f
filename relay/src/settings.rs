//! What an operator may set, and where it comes from: flags before environment before file before default.
//!
//! Every key exists in all three places under one name (`--api-requests-per-minute`,
//! `CHANTERELLE_API_REQUESTS_PER_MINUTE`, `api_requests_per_minute`). Values are parsed here, at the door; the rest of
//! the relay holds [`Settings`] and never looks at the environment again. Opens no socket and no file but the
//! configuration file.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::{Deserialize, Serialize};

/// The longest drain an operator may ask for: what the relay promises on SIGTERM.
const DRAIN_MAX: u64 = 20;

/// Everything that can be set, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The folder of the relay's key and database.
    pub data: PathBuf,
    /// Addresses under which peers reach the relay from outside.
    pub external: Vec<Multiaddr>,
    /// Addresses of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// STUN and TURN servers told to tabs.
    pub ice_servers: Vec<IceServer>,
    /// Which log lines are written.
    pub log: String,
    /// How they are written.
    pub log_format: LogFormat,
    /// Open connections in all.
    pub max_connections: usize,
    /// Open connections of one client address (IPv6: of one /64).
    pub connections_per_address: usize,
    /// API requests and WebSocket upgrades a minute of one client address (IPv6: of one /64).
    pub api_requests_per_minute: u32,
    /// Size of the database file, in MiB, beyond which nothing more is stored; `None` is the disk's size.
    pub max_database_mib: Option<u32>,
    /// How long a stopping relay may take to finish what it began.
    pub drain: Duration,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one JSON object a line.
    Json,
}

/// A STUN or TURN server, in the form of the browsers' `RTCIceServer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IceServer {
    /// Its URLs.
    pub urls: Vec<String>,
    /// The user, for TURN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, for TURN. Told to every visitor, so it should be short-lived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// The keys as an operator writes them; absent is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "CHANTERELLE_LISTEN", value_name = "ADDR")]
    pub listen: Option<String>,
    /// Folder of the relay's key and database [default: chanterelle-data]
    #[arg(long, env = "CHANTERELLE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address under which peers reach the relay, as a multiaddr such as /dns4/relay.example/tcp/443/wss; repeatable
    #[arg(long, env = "CHANTERELLE_EXTERNAL", value_name = "MULTIADDR", value_delimiter = ',')]
    pub external: Option<Vec<String>>,
    /// Address of a reverse proxy whose X-Forwarded-For is believed; repeatable
    #[arg(long, env = "CHANTERELLE_TRUSTED_PROXIES", value_name = "IP", value_delimiter = ',')]
    pub trusted_proxies: Option<Vec<String>>,
    /// STUN or TURN server told to tabs, as URL or URL|USER|PASSWORD; repeatable
    #[arg(long, env = "CHANTERELLE_ICE_SERVERS", value_name = "URL", value_delimiter = ',')]
    pub ice_servers: Option<Vec<String>>,
    /// Which log lines are written, as LEVEL or TARGET=LEVEL,... [default: info]
    #[arg(long, env = "CHANTERELLE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines are written: text or json [default: text]
    #[arg(long, env = "CHANTERELLE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Open connections in all [default: 50000]
    #[arg(long, env = "CHANTERELLE_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<u32>,
    /// Open connections of one client address, IPv6 by /64 [default: 256]
    #[arg(long, env = "CHANTERELLE_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub connections_per_address: Option<u32>,
    /// API requests and WebSocket upgrades a minute of one client address, IPv6 by /64 [default: 1000]
    #[arg(long, env = "CHANTERELLE_API_REQUESTS_PER_MINUTE", value_name = "N")]
    pub api_requests_per_minute: Option<u32>,
    /// Size of the database in MiB beyond which nothing more is stored; 0 for no limit [default: 0]
    #[arg(long, env = "CHANTERELLE_MAX_DATABASE_MIB", value_name = "MIB")]
    pub max_database_mib: Option<u32>,
    /// Seconds a stopping relay may take to finish what it began, at most 20 [default: 15]
    #[arg(long, env = "CHANTERELLE_DRAIN_SECONDS", value_name = "S")]
    pub drain_seconds: Option<u64>,
}

/// A setting that cannot be used. Shown as one line that names the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

impl Keys {
    /// Reads the keys of a configuration file.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or holds a key that does not exist.
    pub fn from_file(path: &Path) -> Result<Keys, SettingsError> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError(format!("cannot read the configuration file {shown}: {error}")))?;
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            SettingsError(format!("{shown}, line {line}: {}", error.message().replace('\n', "; ")))
        })
    }

    /// These keys, and those of `weaker` where these are not set.
    #[must_use]
    pub fn or(self, weaker: Keys) -> Keys {
        Keys {
            listen: self.listen.or(weaker.listen),
            data: self.data.or(weaker.data),
            external: self.external.or(weaker.external),
            trusted_proxies: self.trusted_proxies.or(weaker.trusted_proxies),
            ice_servers: self.ice_servers.or(weaker.ice_servers),
            log: self.log.or(weaker.log),
            log_format: self.log_format.or(weaker.log_format),
            max_connections: self.max_connections.or(weaker.max_connections),
            connections_per_address: self.connections_per_address.or(weaker.connections_per_address),
            api_requests_per_minute: self.api_requests_per_minute.or(weaker.api_requests_per_minute),
            max_database_mib: self.max_database_mib.or(weaker.max_database_mib),
            drain_seconds: self.drain_seconds.or(weaker.drain_seconds),
        }
    }

    /// The defaults, each as an operator would write it.
    #[must_use]
    pub fn defaults() -> Keys {
        Keys {
            listen: Some("127.0.0.1:8080".to_owned()),
            data: Some(PathBuf::from("chanterelle-data")),
            external: Some(Vec::new()),
            trusted_proxies: Some(Vec::new()),
            ice_servers: Some(Vec::new()),
            log: Some("info".to_owned()),
            log_format: Some("text".to_owned()),
            max_connections: Some(50_000),
            // A browser opens six for the page and one for libp2p; a household or an office shares an address.
            connections_per_address: Some(256),
            api_requests_per_minute: Some(1_000),
            max_database_mib: Some(0),
            drain_seconds: Some(15),
        }
    }

    /// Checks every key.
    ///
    /// # Errors
    /// Names the first key that cannot be used and says what it should be.
    pub fn resolve(self) -> Result<Settings, SettingsError> {
        let keys = self.or(Keys::defaults());
        let set = "a default exists for every key";
        Ok(Settings {
            listen: parse(
                "listen",
                &keys.listen.expect(set),
                "an address and a port such as 127.0.0.1:8080",
            )?,
            data: keys.data.expect(set),
            external: each(&keys.external.expect(set), external)?,
            trusted_proxies: each(&keys.trusted_proxies.expect(set), |text| {
                parse("trusted_proxies", text, "an IP address").map(|address: IpAddr| address.to_canonical())
            })?,
            ice_servers: each(&keys.ice_servers.expect(set), ice_server)?,
            log: keys.log.expect(set),
            log_format: log_format(&keys.log_format.expect(set))?,
            max_connections: at_least_one("max_connections", keys.max_connections.expect(set))? as usize,
            connections_per_address: at_least_one(
                "connections_per_address",
                keys.connections_per_address.expect(set),
            )? as usize,
            api_requests_per_minute: at_least_one(
                "api_requests_per_minute",
                keys.api_requests_per_minute.expect(set),
            )?,
            max_database_mib: keys.max_database_mib.filter(|&mib| mib > 0),
            drain: drain(keys.drain_seconds.expect(set))?,
        })
    }
}

fn each<T>(
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, SettingsError>,
) -> Result<Vec<T>, SettingsError> {
    texts.iter().map(|text| parse(text.trim())).collect()
}

fn parse<T: FromStr>(key: &str, text: &str, wanted: &str) -> Result<T, SettingsError> {
    text.parse().map_err(|_| SettingsError(format!("{key}: {text:?} is not {wanted}")))
}

fn at_least_one(key: &str, value: u32) -> Result<u32, SettingsError> {
    if value > 0 { Ok(value) } else { Err(SettingsError(format!("{key}: must be at least 1"))) }
}

fn drain(seconds: u64) -> Result<Duration, SettingsError> {
    if (1..=DRAIN_MAX).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(SettingsError(format!("drain_seconds: must be from 1 to {DRAIN_MAX}")))
    }
}

fn log_format(text: &str) -> Result<LogFormat, SettingsError> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(SettingsError(format!("log_format: {other:?} is neither text nor json"))),
    }
}

/// Tabs dial WebSockets and nothing else, so an address without one would only cost them time.
fn external(text: &str) -> Result<Multiaddr, SettingsError> {
    let wanted = "a multiaddr of a WebSocket such as /dns4/relay.example/tcp/443/wss";
    let address: Multiaddr = parse("external", text, wanted)?;
    let web_socket = matches!(address.iter().last(), Some(Protocol::Ws(_) | Protocol::Wss(_)));
    if web_socket { Ok(address) } else { Err(SettingsError(format!("external: {text:?} is not {wanted}"))) }
}

fn ice_server(text: &str) -> Result<IceServer, SettingsError> {
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

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::{Keys, LogFormat, Settings, SettingsError};

    fn keys(text: &str) -> Keys {
        toml::from_str(text).expect("the test's keys are TOML")
    }

    fn resolved(text: &str) -> Result<Settings, SettingsError> {
        keys(text).resolve()
    }

    #[test]
    fn defaults_can_be_used() {
        let settings = Keys::default().resolve().expect("the defaults are valid");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.api_requests_per_minute, 1_000);
        assert_eq!(settings.log_format, LogFormat::Text);
        assert_eq!(settings.max_database_mib, None);
    }

    #[test]
    fn every_key_is_a_flag_an_environment_variable_and_a_line_of_the_file() {
        let command = Keys::augment_args(clap::Command::new("test"));
        let arguments: Vec<_> = command.get_arguments().cloned().collect();
        assert_eq!(arguments.len(), 12);
        for argument in arguments {
            let name = argument.get_id().as_str();
            assert_eq!(argument.get_long(), Some(name.replace('_', "-").as_str()));
            let variable = format!("CHANTERELLE_{}", name.to_uppercase());
            assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(variable.as_str()));
            let of_file = ["\"7\"", "[\"7\"]", "7"]
                .iter()
                .find_map(|value| toml::from_str::<Keys>(&format!("{name} = {value}")).ok());
            let flag = format!("--{}=7", name.replace('_', "-"));
            let matches = command.clone().get_matches_from(["test", &flag]);
            let of_flag = Keys::from_arg_matches(&matches).expect("the flag is known");
            assert_eq!(Some(of_flag.clone()), of_file, "{name} means the same in both places");
            assert_eq!(Keys::default().or(of_flag.clone()), of_flag, "{name} is merged");
            assert_eq!(Keys::defaults().or(of_flag), Keys::defaults(), "{name} has a default");
        }
    }

    #[test]
    fn the_stronger_place_wins_and_the_weaker_fills_gaps() {
        let file = keys("listen = '127.0.0.1:1'\nlog = 'debug'\nexternal = ['/dns4/a.example/tcp/443/wss']");
        let flags = keys("listen = '127.0.0.1:2'\nexternal = ['/dns4/b.example/tcp/443/wss']");
        let settings = flags.or(file).resolve().expect("both are valid");
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.log, "debug");
        assert_eq!(settings.external.len(), 1, "lists are replaced, not joined");
        assert!(settings.external[0].to_string().contains("b.example"));
    }

    #[test]
    fn a_bad_value_is_named_in_one_line() {
        for (text, key) in [
            ("listen = 'nonsense'", "listen"),
            ("external = ['relay.example']", "external"),
            ("external = ['/ip4/192.0.2.1/tcp/4001']", "external"),
            ("trusted_proxies = ['10.0.0.0/8']", "trusted_proxies"),
            ("ice_servers = ['http://stun.example']", "ice_servers"),
            ("ice_servers = ['turn:turn.example|user']", "ice_servers"),
            ("log_format = 'xml'", "log_format"),
            ("max_connections = 0", "max_connections"),
            ("drain_seconds = 21", "drain_seconds"),
        ] {
            let line = resolved(text).expect_err(text).to_string();
            assert!(line.starts_with(key) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn a_damaged_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("relay.toml");
        for text in ["log = 'info'\nlisen = '127.0.0.1:1'\n", "log = 'info'\nlisten = \n"] {
            std::fs::write(&path, text).expect("the folder is writable");
            let line = Keys::from_file(&path).expect_err(text).to_string();
            assert!(line.contains("relay.toml, line 2: ") && !line.contains('\n'), "{line}");
        }
        let line = Keys::from_file(&folder.path().join("absent")).expect_err("no file").to_string();
        assert!(line.starts_with("cannot read the configuration file"), "{line}");
    }

    #[test]
    fn turn_servers_carry_their_credentials() {
        let settings = resolved("ice_servers = ['stun:stun.example:3478', 'turn:turn.example|user|secret']")
            .expect("both are valid");
        assert_eq!(settings.ice_servers[0].username, None);
        assert_eq!(settings.ice_servers[1].credential.as_deref(), Some("secret"));
    }
}
