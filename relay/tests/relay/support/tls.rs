//! An authority of the tests' own, what it certifies, and clients that trust it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair, PublicKeyData};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::http::{Answer, parse};

/// Whom the tests trust.
pub(crate) struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let key = KeyPair::generate().expect("the system has entropy");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("the key signs");
        Authority { certificate, key }
    }

    /// Writes the authority's certificate where `SSL_CERT_FILE` can name it.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let file = folder.join("authority.pem");
        std::fs::write(&file, self.certificate.pem()).expect("the folder is writable");
        file
    }

    /// A certificate of a key that somebody else has.
    pub(crate) fn certify(&self, names: &[&str], key: &impl PublicKeyData) -> Certificate {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let params = CertificateParams::new(names).expect("the test's names are valid");
        params.signed_by(key, &self.certificate, &self.key).expect("the authority signs")
    }

    /// Writes a new key and its certificate to `cert.pem` and `key.pem`; the certificate.
    pub(crate) fn issue(&self, names: &[&str], folder: &Path) -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("the system has entropy");
        let certificate = self.certify(names, &key);
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).expect("the folder is writable");
        std::fs::write(folder.join("cert.pem"), certificate.pem()).expect("the folder is writable");
        certificate.der().clone()
    }

    /// A client that trusts the authority and nobody else.
    pub(crate) fn client(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("the authority's certificate is one");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

/// A TLS connection to `name` at `address`.
///
/// # Errors
/// When the handshake fails, as while there is no certificate.
pub(crate) async fn connect(
    client: &TlsConnector,
    address: SocketAddr,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).expect("the test's name is valid");
    client.connect(name, socket).await
}

/// The certificate the other side has shown.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let certificates = stream.get_ref().1.peer_certificates().expect("a server shows its certificate");
    certificates[0].clone().into_owned()
}

/// `GET path` on an open connection, which is the last there.
pub(crate) async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nhost: relay.test\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the relay reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the relay answers and says that this is all");
    parse(&answer)
}
