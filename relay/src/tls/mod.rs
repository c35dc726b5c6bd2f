//! TLS by rustls on ring: with which certificate this relay answers, and whom it trusts when it dials.
//!
//! Knows nothing of what is said on a connection but the one challenge by which an authority sees that a name is ours.

mod acme;
mod cache;
mod files;
mod lifetime;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::{Acceptor, ResolvesServerCert};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::settings;
use lifetime::Watched;

/// The first byte of a TLS connection: a record of a handshake (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Why TLS cannot be used. One line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system has no certificates of authorities.
    #[error(
        "there are no certificates to check others by{0}; install the system's (ca-certificates), or name a file of your \
         own in SSL_CERT_FILE"
    )]
    NoRoots(String),
    /// A file cannot be read.
    #[error("{0}: cannot read {1}: {2}")]
    Read(&'static str, PathBuf, io::Error),
    /// A file holds something else.
    #[error("{0}: {1} holds no {2} in PEM")]
    Empty(&'static str, PathBuf, &'static str),
    /// Certificate and key do not belong together.
    #[error("tls_key: {0} is not the key of the certificate in {1}")]
    Mismatch(PathBuf, PathBuf),
    /// The certificate or its key is of a kind that cannot be used.
    #[error("tls_certificate: {0} cannot be used: {1}")]
    Unusable(PathBuf, rustls::Error),
    /// The folder of the account and its certificates cannot be used.
    #[error("cannot use {0} for certificates: {1}")]
    Folder(PathBuf, io::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Trusts the system's authorities: those the system has collected, or the ones in the file and folder that
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
///
/// # Errors
/// When there is not one that can be used.
pub(crate) fn client_config() -> Result<Arc<ClientConfig>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Collections of systems hold some that no library reads.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let cause = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(TlsError::NoRoots(cause.replace('\n', "; ")));
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The relay's side of TLS connections. Clones share the certificate.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    config: Arc<ServerConfig>,
    /// For the connections by which an authority sees that a name is ours.
    challenge: Option<Arc<ServerConfig>>,
    names: Vec<String>,
}

/// What a client opened.
#[derive(Debug)]
pub(crate) enum Opened<S> {
    /// A TLS connection.
    Encrypted(Box<TlsStream<S>>),
    /// Something else; nothing of it has been read.
    Plain(S),
    /// The connection of an authority, answered.
    Challenge,
}

impl Server {
    /// The side that `settings` ask for, if they ask for one. Certificates are renewed until `stop`. `data` is the
    /// relay's folder; `expiry` is set to when the certificate in use ends, seconds since 1970.
    ///
    /// # Errors
    /// When the certificate cannot be used, or nobody can be asked for one.
    pub(crate) fn start(
        settings: &settings::Tls,
        data: &Path,
        expiry: Gauge,
        stop: CancellationToken,
    ) -> Result<Option<Server>, TlsError> {
        let watched = Watched::new(expiry);
        match settings {
            settings::Tls::Off => Ok(None),
            settings::Tls::Files { certificate, key } => {
                files::start(certificate, key, watched, stop).map(Some)
            }
            settings::Tls::Acme { domains, contact, directory } => {
                let request = acme::Request { domains, contact: contact.as_deref(), directory };
                acme::start(&request, data, watched, stop).map(Some)
            }
        }
    }

    fn new(certificates: Arc<dyn ResolvesServerCert>, names: Vec<String>) -> Server {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Server { config: Arc::new(config), challenge: None, names }
    }

    /// The names that were certified at the start, without wildcards.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Does the handshake, which takes as long as the client takes: the caller bounds it.
    ///
    /// # Errors
    /// When there is no handshake, or no certificate yet.
    pub(crate) async fn accept<S>(&self, socket: S) -> io::Result<Opened<S>>
    where
        S: AsRef<TcpStream> + AsyncRead + AsyncWrite + Unpin,
    {
        let mut first = [0];
        if socket.as_ref().peek(&mut first).await? > 0 && first != [HANDSHAKE_RECORD] {
            return Ok(Opened::Plain(socket));
        }
        let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        match &self.challenge {
            Some(challenge) if rustls_acme::is_tls_alpn_challenge(&start.client_hello()) => {
                let mut stream = start.into_stream(challenge.clone()).await?;
                stream.shutdown().await?;
                Ok(Opened::Challenge)
            }
            _ => Ok(Opened::Encrypted(Box::new(start.into_stream(self.config.clone()).await?))),
        }
    }
}
