//! A certificate from files that somebody else renews, as certbot does: read at the start, and again when they change.
//!
//! Files are compared by what is in them, so it does not matter how they are replaced. A pair that cannot be used, such
//! as a certificate whose key is not written yet, leaves the one in use where it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

use super::lifetime::{self, Lifetime, Watched};
use super::{Server, TlsError, provider};

/// How often the files are looked at. They are a few kilobytes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A certificate that can be replaced.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().expect("no code panics while it holds this").clone())
    }
}

/// Where the certificate is.
#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What is in the files, byte by byte.
type Content = [Vec<u8>; 2];

/// Reads the certificate, and reads it again whenever it changes, until `stop`.
///
/// # Errors
/// When it cannot be used.
pub(super) fn start(
    certificate: &Path,
    key: &Path,
    watched: Watched,
    stop: CancellationToken,
) -> Result<Server, TlsError> {
    let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
    let content = files.read()?;
    let certified = files.certified(&content)?;
    let names = names(&certified);
    tell(&watched, &certified);
    let current = Arc::new(Current(RwLock::new(Arc::new(certified))));
    tokio::spawn(watch(files, content, current.clone(), watched, stop));
    Ok(Server::new(current, names))
}

fn tell(watched: &Watched, certified: &CertifiedKey) {
    if let Some(lifetime) = certified.cert.first().and_then(Lifetime::of) {
        watched.set(lifetime);
    }
}

async fn watch(
    files: Files,
    mut content: Content,
    current: Arc<Current>,
    watched: Watched,
    stop: CancellationToken,
) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stop.cancelled() => return,
        }
        watched.look(lifetime::now());
        let read = files.clone();
        let Ok(found) = tokio::task::spawn_blocking(move || read.read()).await else { return };
        let changed = match found {
            Ok(found) if found == content => continue,
            Ok(found) => files.certified(&found).map(|certified| (found, certified)),
            Err(error) => Err(error),
        };
        match changed {
            Ok((found, certified)) => {
                content = found;
                told = None;
                tell(&watched, &certified);
                *current.0.write().expect("no code panics while it holds this") = Arc::new(certified);
                tracing::info!("the certificate has changed and is in use");
            }
            Err(error) => {
                let line = error.to_string();
                if told.as_ref() != Some(&line) {
                    tracing::warn!("the certificate in use stays: {line}");
                    told = Some(line);
                }
            }
        }
    }
}

impl Files {
    fn read(&self) -> Result<Content, TlsError> {
        let read =
            |key, path: &PathBuf| fs::read(path).map_err(|error| TlsError::Read(key, path.clone(), error));
        Ok([read("tls_certificate", &self.certificate)?, read("tls_key", &self.key)?])
    }

    fn certified(&self, [certificate, key]: &Content) -> Result<CertifiedKey, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.unwrap_or_default();
        if chain.is_empty() {
            return Err(TlsError::Empty("tls_certificate", self.certificate.clone(), "certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| TlsError::Empty("tls_key", self.key.clone(), "private key"))?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch(self.key.clone(), self.certificate.clone())
            }
            error => TlsError::Unusable(self.certificate.clone(), error),
        })
    }
}

/// The names in the certificate, without wildcards, which are no names.
fn names(certified: &CertifiedKey) -> Vec<String> {
    let Some(Ok(certificate)) = certified.cert.first().map(webpki::EndEntityCert::try_from) else {
        return Vec::new();
    };
    let names = certificate.valid_dns_names().filter(|name| !name.starts_with('*'));
    names.map(str::to_ascii_lowercase).collect()
}
