//! The keys as an operator writes them, and how those of several places become one set.
//!
//! Only texts and numbers; what they mean is checked when they are resolved.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SettingsError;

/// The ACME authority that is asked unless another is named.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

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
    /// Other relay to exchange everything with, as URL or multiaddr such as https://relay.example; repeatable
    #[arg(long, env = "CHANTERELLE_PEER", value_name = "ADDR", value_delimiter = ',')]
    pub peer: Option<Vec<String>>,
    /// Certificate of this relay for TLS, with those above it (PEM); read again when it changes
    #[arg(long, env = "CHANTERELLE_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, env = "CHANTERELLE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Name of this relay for which a certificate is asked for by ACME; repeatable
    #[arg(long, env = "CHANTERELLE_ACME_DOMAIN", value_name = "NAME", value_delimiter = ',')]
    pub acme_domain: Option<Vec<String>>,
    /// Mail address for the ACME account, told to the authority
    #[arg(long, env = "CHANTERELLE_ACME_CONTACT", value_name = "MAIL")]
    pub acme_contact: Option<String>,
    /// Directory of the ACME authority [default: Let's Encrypt]
    #[arg(long, env = "CHANTERELLE_ACME_DIRECTORY", value_name = "URL")]
    pub acme_directory: Option<String>,
    /// Address of a reverse proxy whose X-Forwarded-For is believed; repeatable
    #[arg(long, env = "CHANTERELLE_TRUSTED_PROXIES", value_name = "IP", value_delimiter = ',')]
    pub trusted_proxies: Option<Vec<String>>,
    /// Address and UDP port on which STUN is answered; listen for those of --listen, off for none [default: listen]
    #[arg(long, env = "CHANTERELLE_STUN_LISTEN", value_name = "ADDR")]
    pub stun_listen: Option<String>,
    /// Other STUN or TURN server told to tabs, as URL or URL|USER|PASSWORD; repeatable
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
    /// Board whose files are kept, by name or id; * for all; repeatable [default: *]
    #[arg(long, env = "CHANTERELLE_MEDIA_BOARDS", value_name = "BOARD", value_delimiter = ',')]
    pub media_boards: Option<Vec<String>>,
    /// Author whose files are kept whatever the board, as 64 hexadecimal digits; repeatable
    #[arg(long, env = "CHANTERELLE_MEDIA_AUTHORS", value_name = "AUTHOR", value_delimiter = ',')]
    pub media_authors: Option<Vec<String>>,
    /// Size of the largest file kept, in MiB, at most 4096 [default: 1024]
    #[arg(long, env = "CHANTERELLE_MAX_BLOB_MIB", value_name = "MIB")]
    pub max_blob_mib: Option<u32>,
    /// Size of all files together in MiB; 0 for no limit [default: 51200]
    #[arg(long, env = "CHANTERELLE_MAX_MEDIA_MIB", value_name = "MIB")]
    pub max_media_mib: Option<u32>,
    /// Size of one author's files in MiB [default: 4096]
    #[arg(long, env = "CHANTERELLE_MEDIA_MIB_PER_AUTHOR", value_name = "MIB")]
    pub media_mib_per_author: Option<u32>,
    /// Size of what one client address uploads without a signature, in MiB [default: 1024]
    #[arg(long, env = "CHANTERELLE_MEDIA_MIB_PER_ADDRESS", value_name = "MIB")]
    pub media_mib_per_address: Option<u32>,
    /// MiB that files leave free on the disk of the data folder [default: 32]
    #[arg(long, env = "CHANTERELLE_MEDIA_FREE_MIB", value_name = "MIB")]
    pub media_free_mib: Option<u32>,
    /// Seconds an upload is kept while no post refers to it [default: 604800]
    #[arg(long, env = "CHANTERELLE_MEDIA_PIN_SECONDS", value_name = "S")]
    pub media_pin_seconds: Option<u32>,
    /// Seconds a file stays that nothing keeps any more [default: 3600]
    #[arg(long, env = "CHANTERELLE_MEDIA_GRACE_SECONDS", value_name = "S")]
    pub media_grace_seconds: Option<u32>,
    /// Origin at which files are served, when it is another than the relay's, such as https://media.example
    #[arg(long, env = "CHANTERELLE_MEDIA_ORIGIN", value_name = "URL")]
    pub media_origin: Option<String>,
    /// Who may upload: anyone, authors, nobody [default: anyone]
    #[arg(long, env = "CHANTERELLE_UPLOADS", value_name = "WHO")]
    pub uploads: Option<String>,
    /// Seconds an unfinished upload is kept after its last byte [default: 86400]
    #[arg(long, env = "CHANTERELLE_UPLOAD_SECONDS", value_name = "S")]
    pub upload_seconds: Option<u32>,
    /// Renditions made at a time, in each of two lanes: pictures, and audio and video; 0 for none [default: 1]
    #[arg(long, env = "CHANTERELLE_RENDITION_WORKERS", value_name = "N")]
    pub rendition_workers: Option<u32>,
    /// The ffmpeg for renditions of audio and video, with its ffprobe beside it; off for none [default: ffmpeg]
    #[arg(long, env = "CHANTERELLE_FFMPEG", value_name = "PROGRAM")]
    pub ffmpeg: Option<String>,
    /// Bucket for files, which are kept there instead of in the data folder
    #[arg(long, env = "CHANTERELLE_S3_BUCKET", value_name = "NAME")]
    pub s3_bucket: Option<String>,
    /// URL of the service that has the bucket
    #[arg(long, env = "CHANTERELLE_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// Region of the bucket [default: us-east-1]
    #[arg(long, env = "CHANTERELLE_S3_REGION", value_name = "REGION")]
    pub s3_region: Option<String>,
    /// Access key for the bucket
    #[arg(long, env = "CHANTERELLE_S3_ACCESS_KEY", value_name = "KEY")]
    pub s3_access_key: Option<String>,
    /// Secret key for the bucket
    #[arg(long, env = "CHANTERELLE_S3_SECRET_KEY", value_name = "KEY")]
    pub s3_secret_key: Option<String>,
    /// Whether the bucket stands in the path of URLs: on or off [default: on]
    #[arg(long, env = "CHANTERELLE_S3_PATH_STYLE", value_name = "ON")]
    pub s3_path_style: Option<String>,
    /// Seconds a stopping relay may take to finish what it began, at most 20 [default: 15]
    #[arg(long, env = "CHANTERELLE_DRAIN_SECONDS", value_name = "S")]
    pub drain_seconds: Option<u64>,
}

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
            peer: self.peer.or(weaker.peer),
            tls_certificate: self.tls_certificate.or(weaker.tls_certificate),
            tls_key: self.tls_key.or(weaker.tls_key),
            acme_domain: self.acme_domain.or(weaker.acme_domain),
            acme_contact: self.acme_contact.or(weaker.acme_contact),
            acme_directory: self.acme_directory.or(weaker.acme_directory),
            trusted_proxies: self.trusted_proxies.or(weaker.trusted_proxies),
            stun_listen: self.stun_listen.or(weaker.stun_listen),
            ice_servers: self.ice_servers.or(weaker.ice_servers),
            log: self.log.or(weaker.log),
            log_format: self.log_format.or(weaker.log_format),
            max_connections: self.max_connections.or(weaker.max_connections),
            connections_per_address: self.connections_per_address.or(weaker.connections_per_address),
            api_requests_per_minute: self.api_requests_per_minute.or(weaker.api_requests_per_minute),
            max_database_mib: self.max_database_mib.or(weaker.max_database_mib),
            media_boards: self.media_boards.or(weaker.media_boards),
            media_authors: self.media_authors.or(weaker.media_authors),
            max_blob_mib: self.max_blob_mib.or(weaker.max_blob_mib),
            max_media_mib: self.max_media_mib.or(weaker.max_media_mib),
            rendition_workers: self.rendition_workers.or(weaker.rendition_workers),
            ffmpeg: self.ffmpeg.or(weaker.ffmpeg),
            media_mib_per_author: self.media_mib_per_author.or(weaker.media_mib_per_author),
            media_mib_per_address: self.media_mib_per_address.or(weaker.media_mib_per_address),
            media_free_mib: self.media_free_mib.or(weaker.media_free_mib),
            media_pin_seconds: self.media_pin_seconds.or(weaker.media_pin_seconds),
            media_grace_seconds: self.media_grace_seconds.or(weaker.media_grace_seconds),
            media_origin: self.media_origin.or(weaker.media_origin),
            uploads: self.uploads.or(weaker.uploads),
            upload_seconds: self.upload_seconds.or(weaker.upload_seconds),
            s3_bucket: self.s3_bucket.or(weaker.s3_bucket),
            s3_endpoint: self.s3_endpoint.or(weaker.s3_endpoint),
            s3_region: self.s3_region.or(weaker.s3_region),
            s3_access_key: self.s3_access_key.or(weaker.s3_access_key),
            s3_secret_key: self.s3_secret_key.or(weaker.s3_secret_key),
            s3_path_style: self.s3_path_style.or(weaker.s3_path_style),
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
            peer: Some(Vec::new()),
            tls_certificate: Some(PathBuf::new()),
            tls_key: Some(PathBuf::new()),
            acme_domain: Some(Vec::new()),
            acme_contact: Some(String::new()),
            acme_directory: Some(LETS_ENCRYPT.to_owned()),
            trusted_proxies: Some(Vec::new()),
            stun_listen: Some("listen".to_owned()),
            ice_servers: Some(Vec::new()),
            log: Some("info".to_owned()),
            log_format: Some("text".to_owned()),
            max_connections: Some(50_000),
            // A browser opens six for the page and one for libp2p; a household or an office shares an address.
            connections_per_address: Some(256),
            api_requests_per_minute: Some(1_000),
            max_database_mib: Some(0),
            media_boards: Some(vec!["*".to_owned()]),
            media_authors: Some(Vec::new()),
            max_blob_mib: Some(1024),
            max_media_mib: Some(50 * 1024),
            rendition_workers: Some(1),
            ffmpeg: Some("ffmpeg".to_owned()),
            media_mib_per_author: Some(4096),
            media_mib_per_address: Some(1024),
            media_free_mib: Some(32),
            media_pin_seconds: Some(7 * 24 * 60 * 60),
            media_grace_seconds: Some(60 * 60),
            media_origin: Some(String::new()),
            uploads: Some("anyone".to_owned()),
            upload_seconds: Some(24 * 60 * 60),
            s3_bucket: Some(String::new()),
            s3_endpoint: Some(String::new()),
            s3_region: Some("us-east-1".to_owned()),
            s3_access_key: Some(String::new()),
            s3_secret_key: Some(String::new()),
            s3_path_style: Some("on".to_owned()),
            drain_seconds: Some(15),
        }
    }
}
