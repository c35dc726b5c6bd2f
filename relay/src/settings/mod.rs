//! What an operator may set, and where it comes from: flags before environment before file before default.
//!
//! Every key exists in all three places under one name (`--api-requests-per-minute`,
//! `CHANTERELLE_API_REQUESTS_PER_MINUTE`, `api_requests_per_minute`). Values are parsed here, at the door; the rest of
//! the relay holds [`Settings`] and never looks at the environment again. Opens no socket and no file but the
//! configuration file.

mod keys;
mod media;
mod values;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use libp2p::Multiaddr;
use serde::Serialize;

pub use keys::Keys;
pub use media::{BlobPlace, Bucket, MediaSettings, RenditionSettings, UploadsBy};
use values::{at_least_one, drain, each, external, ice_server, log_format, parse, peer, stun_listen, tls};

/// Everything that can be set, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The folder of the relay's key and database.
    pub data: PathBuf,
    /// Addresses under which peers reach the relay from outside.
    pub external: Vec<Multiaddr>,
    /// Other relays to keep a session with, where they are dialled.
    pub peers: Vec<Multiaddr>,
    /// Whether and how the relay speaks TLS itself.
    pub tls: Tls,
    /// Addresses of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Where STUN is answered.
    pub stun_listen: StunListen,
    /// Other STUN and TURN servers told to tabs.
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
    /// What is set about files.
    pub media: MediaSettings,
    /// How long a stopping relay may take to finish what it began.
    pub drain: Duration,
}

impl Settings {
    /// Whether this is somebody's own machine: what is on loopback means something to all who come here. A public relay
    /// behind a reverse proxy listens on loopback, too, but somebody has told it where it is reached or whom it may
    /// trust. TLS is for others, too.
    #[must_use]
    pub fn is_development(&self) -> bool {
        let told = !self.external.is_empty() || !self.trusted_proxies.is_empty() || self.tls != Tls::Off;
        self.listen.ip().is_loopback() && !told
    }
}

/// Where the relay has its certificate from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// It has none: TLS is a proxy's, or there is none.
    Off,
    /// From PEM files that somebody else renews.
    Files {
        /// The certificate and those above it.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// From an authority that is asked by ACME (RFC 8555).
    Acme {
        /// The names to certify, at least one.
        domains: Vec<String>,
        /// Whom the authority may write to, as a URL.
        contact: Option<String>,
        /// The authority's directory, by https.
        directory: String,
    },
}

/// Where the relay answers STUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StunListen {
    /// Nowhere.
    Off,
    /// On the address the relay listens on, and the UDP port of the same number; nowhere when that is taken.
    AsListen,
    /// Here and nowhere else. Port 0 lets the system choose.
    At(SocketAddr),
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
    /// Checks every key.
    ///
    /// # Errors
    /// Names the first key that cannot be used and says what it should be.
    pub fn resolve(self) -> Result<Settings, SettingsError> {
        let keys = self.or(Keys::defaults());
        let set = "a default exists for every key";
        let media = media::resolve(&keys)?;
        Ok(Settings {
            listen: parse(
                "listen",
                &keys.listen.expect(set),
                "an address and a port such as 127.0.0.1:8080",
            )?,
            data: keys.data.expect(set),
            external: each(&keys.external.expect(set), external)?,
            peers: each(&keys.peer.expect(set), peer)?,
            tls: tls(
                keys.tls_certificate.expect(set),
                keys.tls_key.expect(set),
                &keys.acme_domain.expect(set),
                &keys.acme_contact.expect(set),
                &keys.acme_directory.expect(set),
            )?,
            trusted_proxies: each(&keys.trusted_proxies.expect(set), |text| {
                parse("trusted_proxies", text, "an IP address").map(|address: IpAddr| address.to_canonical())
            })?,
            stun_listen: stun_listen(&keys.stun_listen.expect(set))?,
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
            media,
            drain: drain(keys.drain_seconds.expect(set))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::{Keys, LogFormat, Settings, SettingsError, StunListen, Tls};

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
        assert_eq!(arguments.len(), 39);
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
            ("peer = ['relay.example']", "peer"),
            ("peer = ['/ip4/192.0.2.1/tcp/4001']", "peer"),
            ("tls_certificate = 'a.pem'", "tls_key"),
            ("tls_key = 'a.pem'", "tls_certificate"),
            ("tls_certificate = 'a.pem'\ntls_key = 'b.pem'\nacme_domain = ['relay.example']", "acme_domain"),
            ("acme_domain = ['*.relay.example']", "acme_domain"),
            ("acme_domain = ['https://relay.example']", "acme_domain"),
            ("acme_domain = ['192.0.2.1']", "acme_domain"),
            ("acme_domain = ['relay.example']\nacme_contact = 'somebody'", "acme_contact"),
            ("acme_domain = ['relay.example']\nacme_directory = 'http://acme.example'", "acme_directory"),
            ("trusted_proxies = ['10.0.0.0/8']", "trusted_proxies"),
            ("stun_listen = 'on'", "stun_listen"),
            ("stun_listen = '3478'", "stun_listen"),
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
    fn a_relay_that_the_public_reaches_through_a_proxy_is_not_in_development() {
        let development =
            |text: &str| resolved(text).expect("the test's settings are valid").is_development();
        assert!(development(""));
        assert!(development("listen = '[::1]:8080'"));
        assert!(!development("listen = '0.0.0.0:8080'"));
        assert!(!development("external = ['/dns4/relay.example/tcp/443/wss']"));
        assert!(!development("trusted_proxies = ['127.0.0.1']"));
        assert!(!development("acme_domain = ['relay.example']"));
    }

    #[test]
    fn a_certificate_comes_from_files_or_by_acme() {
        let tls = |text: &str| resolved(text).expect("the test's settings are valid").tls;
        assert_eq!(tls(""), Tls::Off);
        let files = Tls::Files { certificate: "a.pem".into(), key: "b.pem".into() };
        assert_eq!(tls("tls_certificate = 'a.pem'\ntls_key = 'b.pem'"), files);
        let acme = Tls::Acme {
            domains: vec!["relay.example".to_owned(), "www.relay.example".to_owned()],
            contact: Some("mailto:op@relay.example".to_owned()),
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        };
        let text = "acme_domain = ['Relay.example', 'www.relay.example.']\nacme_contact = 'op@relay.example'";
        assert_eq!(tls(text), acme);
    }

    #[test]
    fn stun_is_answered_where_the_relay_listens_or_elsewhere_or_not() {
        let stun_listen = |text: &str| resolved(text).expect("the test's settings are valid").stun_listen;
        assert_eq!(stun_listen(""), StunListen::AsListen);
        assert_eq!(stun_listen("stun_listen = 'listen'"), StunListen::AsListen);
        assert_eq!(stun_listen("stun_listen = 'off'"), StunListen::Off);
        let at = StunListen::At("[::]:3478".parse().expect("an address"));
        assert_eq!(stun_listen("stun_listen = '[::]:3478'"), at);
    }

    #[test]
    fn turn_servers_carry_their_credentials() {
        let settings = resolved("ice_servers = ['stun:stun.example:3478', 'turn:turn.example|user|secret']")
            .expect("both are valid");
        assert_eq!(settings.ice_servers[0].username, None);
        assert_eq!(settings.ice_servers[1].credential.as_deref(), Some("secret"));
    }
}
