//! A certificate from an authority that is asked by ACME (RFC 8555). It sees that the names are ours by TLS-ALPN-01
//! (RFC 8737), on the port where everything else happens.
//!
//! Account and certificates are kept in the data folder, so that a restart asks for nothing. Renewal, waits after
//! failures and the order of steps are the library's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt as _;
use rustls_acme::caches::DirCache;
use rustls_acme::{AcmeConfig, EventOk};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::{Server, TlsError, client_config, provider};

/// The folder of account and certificates, in the data folder.
const FOLDER: &str = "acme";

/// Asks for a certificate of `domains`, and for its renewal, until `stop`. Until there is one, handshakes fail.
///
/// # Errors
/// When the folder cannot be used, or the authority's own certificate could not be checked.
pub(super) fn start(
    domains: &[String],
    contact: Option<&str>,
    directory: &str,
    data: &Path,
    stop: CancellationToken,
) -> Result<Server, TlsError> {
    let folder = private_folder(data)?;
    let mut state = AcmeConfig::new_with_client_config(domains, client_config()?)
        .contact(contact)
        .directory(directory)
        .cache(DirCache::new(folder))
        .state();
    let challenge: Arc<ServerConfig> = state.challenge_rustls_config_with_provider(provider());
    let server = Server { challenge: Some(challenge), ..Server::new(state.resolver(), domains.to_vec()) };
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                event = state.next() => event,
                () = stop.cancelled() => return,
            };
            match event {
                Some(Ok(EventOk::DeployedCachedCert)) => {
                    tracing::info!("the certificate kept by ACME is in use");
                }
                Some(Ok(EventOk::DeployedNewCert)) => tracing::info!("a new certificate by ACME is in use"),
                Some(Ok(EventOk::CertCacheStore | EventOk::AccountCacheStore)) => {}
                Some(Err(error)) => {
                    let cause = error.to_string().replace('\n', "; ");
                    tracing::warn!(
                        cause,
                        "no new certificate by ACME; it is asked for again, later each time"
                    );
                }
                None => return,
            }
        }
    });
    Ok(server)
}

/// Nobody else may read the keys in it.
fn private_folder(data: &Path) -> Result<PathBuf, TlsError> {
    let folder = data.join(FOLDER);
    let failed = |error| TlsError::Folder(folder.clone(), error);
    fs::create_dir_all(&folder).map_err(failed)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    Ok(folder)
}
