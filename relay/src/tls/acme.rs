//! A certificate from an authority that is asked by ACME (RFC 8555). It sees that the names are ours by TLS-ALPN-01
//! (RFC 8737), on the port where everything else happens.
//!
//! Account and certificates are kept in the data folder, so that a restart asks for nothing. Renewal, waits after
//! failures and the order of steps are the library's. It sets no limit to how long an authority may take for an answer,
//! so it is watched here, and begins anew when it has said nothing for too long.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use futures::StreamExt as _;
use rustls_acme::{AcmeConfig, AcmeState, EventError, EventOk, ResolvesServerCertAcme};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_util::sync::CancellationToken;

use super::cache::{Cache, Deployed};
use super::lifetime::{self, Watched};
use super::{Server, TlsError, client_config, provider};

/// The folder of account and certificates, in the data folder.
const FOLDER: &str = "acme";

/// How long the library may say nothing while a certificate is lacking: an order takes minutes at most.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// The library doubles its wait after each failure, up to this many times.
const DOUBLINGS: u32 = 16;

type State = AcmeState<std::io::Error>;

/// What to ask for, and whom.
pub(super) struct Request<'a> {
    pub(super) domains: &'a [String],
    pub(super) contact: Option<&'a str>,
    pub(super) directory: &'a str,
}

/// Asks for a certificate, and for its renewal, until `stop`. Until there is one, handshakes fail.
///
/// # Errors
/// When the folder cannot be used, or the authority's own certificate could not be checked.
pub(super) fn start(
    request: &Request<'_>,
    data: &Path,
    certificate: Watched,
    stop: CancellationToken,
) -> Result<Server, TlsError> {
    let folder = private_folder(data)?;
    Ok(ask(request, folder, client_config()?, certificate, PATIENCE, stop))
}

fn ask(
    request: &Request<'_>,
    folder: PathBuf,
    client: Arc<ClientConfig>,
    certificate: Watched,
    patience: Duration,
    stop: CancellationToken,
) -> Server {
    let domains = request.domains.to_vec();
    let contact = request.contact.map(str::to_owned);
    let directory = request.directory.to_owned();
    let deployed = Deployed::default();
    let cache = Cache::new(folder, deployed.clone(), certificate.clone());
    let names = domains.clone();
    let begin = move || -> State {
        AcmeConfig::new_with_client_config(&domains, client.clone())
            .contact(contact.as_deref())
            .directory(&directory)
            .cache(cache.clone())
            .state()
    };
    let state = begin();
    let current = Arc::new(Current { state: RwLock::new(state.resolver()), deployed });
    let mut challenge = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_no_client_auth()
        .with_cert_resolver(current.clone());
    challenge.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let server = Server { challenge: Some(Arc::new(challenge)), ..Server::new(current.clone(), names) };
    tokio::spawn(watch(state, begin, current, certificate, patience, stop));
    server
}

/// What is shown to clients. Challenges are answered by the state under way; the certificate stays where it is when
/// another state begins.
#[derive(Debug)]
struct Current {
    state: RwLock<Arc<ResolvesServerCertAcme>>,
    deployed: Deployed,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if rustls_acme::is_tls_alpn_challenge(&hello) {
            return self.state.read().expect("no code panics while it holds this").resolve(hello);
        }
        self.deployed.get()
    }
}

/// How long nothing was heard of a certificate that is lacking.
#[derive(Debug)]
struct Silence {
    since: Instant,
    patience: Duration,
    /// Orders that failed, one after the other.
    failures: u32,
}

impl Silence {
    fn new(now: Instant, patience: Duration) -> Silence {
        Silence { since: now, patience, failures: 0 }
    }

    /// Something was heard: that an order has failed, that a certificate is there, or something else.
    fn broken(&mut self, event: Option<Result<(), ()>>, now: Instant) {
        self.since = now;
        match event {
            Some(Ok(())) => self.failures = 0,
            Some(Err(())) => self.failures += 1,
            None => {}
        }
    }

    /// Whether it lasts longer than the library waits of its own accord, and then some.
    fn is_too_long(&mut self, is_lacking: bool, now: Instant) -> bool {
        if !is_lacking {
            self.since = now;
        }
        let doublings = self.failures.checked_sub(1).map(|failures| failures.min(DOUBLINGS));
        let wait = doublings.map_or(Duration::ZERO, |doublings| Duration::from_secs(1 << doublings));
        now.duration_since(self.since) > self.patience + wait
    }
}

async fn watch(
    mut state: State,
    begin: impl Fn() -> State,
    current: Arc<Current>,
    certificate: Watched,
    patience: Duration,
    stop: CancellationToken,
) {
    let mut look = interval(patience / 10);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silence = Silence::new(Instant::now(), patience);
    loop {
        let event = tokio::select! {
            event = state.next() => event,
            _ = look.tick() => {
                let now = lifetime::now();
                certificate.look(now);
                let lacking = certificate.get().is_none_or(|lifetime| lifetime.is_due(now));
                if silence.is_too_long(lacking, Instant::now()) {
                    tracing::warn!("nothing was heard of ACME for long; asking anew");
                    state = begin();
                    *current.state.write().expect("no code panics while it holds this") = state.resolver();
                    silence = Silence::new(Instant::now(), patience);
                }
                continue;
            }
            () = stop.cancelled() => return,
        };
        let heard = match &event {
            Some(Ok(EventOk::DeployedCachedCert | EventOk::DeployedNewCert)) => Some(Ok(())),
            Some(Err(EventError::Order(_))) => Some(Err(())),
            _ => None,
        };
        silence.broken(heard, Instant::now());
        match event {
            Some(Ok(EventOk::DeployedCachedCert)) => {
                tracing::info!("the certificate kept by ACME is in use");
            }
            Some(Ok(EventOk::DeployedNewCert)) => tracing::info!("a new certificate by ACME is in use"),
            Some(Ok(EventOk::CertCacheStore | EventOk::AccountCacheStore)) => {}
            Some(Err(error)) => {
                let cause = error.to_string().replace('\n', "; ");
                tracing::warn!(cause, "no new certificate by ACME; it is asked for again, later each time");
            }
            None => return,
        }
    }
}

/// Nobody else may read the keys in it.
fn private_folder(data: &Path) -> Result<PathBuf, TlsError> {
    let folder = data.join(FOLDER);
    let failed = |error| TlsError::Folder(folder.clone(), error);
    fs::create_dir_all(&folder).map_err(failed)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::net::TcpListener;
    use tokio::time::{Instant, timeout};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    use tokio_util::sync::CancellationToken;

    use super::{PATIENCE, Request, Silence, Watched, ask, provider};

    #[tokio::test]
    async fn an_authority_that_never_answers_is_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let directory = format!("https://{address}/directory");
        let request = Request { domains: &["relay.test".to_owned()], contact: None, directory: &directory };
        let stop = CancellationToken::new();
        let patience = Duration::from_secs(1);
        let data = folder.path().to_owned();
        let _server = ask(&request, data, Arc::new(client), Watched::default(), patience, stop.clone());
        let mut open = Vec::new();
        for _ in 0..3 {
            let asked = timeout(Duration::from_secs(60), listener.accept()).await;
            open.push(asked.expect("it is asked").expect("the listener works"));
        }
        stop.cancel();
    }

    #[test]
    fn waits_after_failures_are_no_silence() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut silence = Silence::new(begin, PATIENCE);
        assert!(!silence.is_too_long(true, at(600)) && silence.is_too_long(true, at(601)));
        for failure in 0..40 {
            silence.broken(Some(Err(())), begin);
            let wait = 1 << u32::min(failure, 16);
            assert!(!silence.is_too_long(true, at(600 + wait)), "{failure}");
            assert!(silence.is_too_long(true, at(601 + wait)), "{failure}");
        }
        silence.broken(Some(Ok(())), begin);
        assert!(!silence.is_too_long(false, at(60 * 24 * 3600)), "nothing is lacking");
        assert!(!silence.is_too_long(true, at(60 * 24 * 3600 + 600)), "it begins when something is");
    }
}
