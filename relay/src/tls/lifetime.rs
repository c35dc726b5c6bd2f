//! From when until when the certificate in use is valid: shown as a figure, and told of when it nears its end.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::gauge::Gauge;
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How often somebody is told of the same certificate.
const WARN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// The times between which a certificate is valid, seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    from: i64,
    until: i64,
}

impl Lifetime {
    /// Of a certificate; `None` when it cannot be read.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Lifetime> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let validity = certificate.validity();
        Some(Lifetime { from: validity.not_before.timestamp(), until: validity.not_after.timestamp() })
    }

    /// When a third of it is left, which is when ACME renews it.
    pub(super) fn is_due(&self, now: i64) -> bool {
        now >= self.until - (self.until - self.from) / 3
    }

    /// Whether less than a fifth of it is left.
    fn is_nearly_over(&self, now: i64) -> bool {
        now > self.until - (self.until - self.from) / 5
    }
}

/// The certificate in use. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched {
    expiry: Gauge,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    lifetime: Option<Lifetime>,
    warned: Option<Instant>,
}

impl Watched {
    /// None yet. `expiry` shows when it ends.
    pub(super) fn new(expiry: Gauge) -> Watched {
        Watched { expiry, state: Arc::default() }
    }

    pub(super) fn get(&self) -> Option<Lifetime> {
        self.state().lifetime
    }

    /// Another is in use.
    pub(super) fn set(&self, lifetime: Lifetime) {
        self.expiry.set(lifetime.until);
        *self.state() = State { lifetime: Some(lifetime), warned: None };
    }

    /// Says once a day that it should have been renewed by now, if it should. Whether it was said.
    pub(super) fn look(&self, now: i64) -> bool {
        let mut state = self.state();
        let Some(lifetime) = state.lifetime.filter(|lifetime| lifetime.is_nearly_over(now)) else {
            return false;
        };
        if state.warned.is_some_and(|warned| warned.elapsed() < WARN_EVERY) {
            return false;
        }
        state.warned = Some(Instant::now());
        let hours = (lifetime.until - now) / 3_600;
        tracing::warn!(
            hours,
            "less than a fifth of the certificate's lifetime is left, and there is no other yet"
        );
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this")
    }
}

/// The system's clock, seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::{Lifetime, Watched};

    #[test]
    fn the_end_is_shown_and_told_of_when_a_fifth_is_left() {
        let mut params = CertificateParams::new(["relay.test".to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2026, 4, 11));
        let key = KeyPair::generate().expect("entropy");
        let certificate = params.self_signed(&key).expect("a certificate");
        let lifetime = Lifetime::of(certificate.der()).expect("it has times");
        // date -u -d 2026-01-01 +%s
        let (begin, day) = (1_767_225_600, 86_400);
        assert_eq!(lifetime, Lifetime { from: begin, until: begin + 100 * day });
        assert!(!lifetime.is_due(begin + 66 * day) && lifetime.is_due(begin + 67 * day));

        let expiry = Gauge::default();
        let watched = Watched::new(expiry.clone());
        assert!(!watched.look(begin + 99 * day), "there is none");
        watched.set(lifetime);
        assert_eq!(expiry.get(), begin + 100 * day);
        assert!(!watched.look(begin + 80 * day));
        assert!(watched.look(begin + 81 * day));
        assert!(!watched.look(begin + 81 * day), "once a day");
        watched.set(lifetime);
        assert!(watched.look(begin + 101 * day), "another, though it has ended");
    }
}
