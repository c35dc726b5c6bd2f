//! TLS by rustls on ring: whom this relay trusts when it dials.
//!
//! Nothing here knows what is said on a connection.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Why TLS cannot be used. One line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system has no certificates of authorities.
    #[error(
        "there are no certificates to check other relays by{0}; install the system's (ca-certificates), or name a file of \
         your own in SSL_CERT_FILE"
    )]
    NoRoots(String),
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
