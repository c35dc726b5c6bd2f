//! Log lines: one subscriber for the process, as text or JSON on standard error.
//!
//! Lines name peers by id and never by address, but for the relays the operator named: what an operator keeps, an
//! operator can be made to give away. Figures are in [`crate::metrics`].

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::{LogFormat, Settings};

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("log: {0:?} is not a level or a list such as info,libp2p=debug")]
    Filter(String),
    /// Something else logs already.
    #[error("logging is set up already")]
    Twice,
}

/// Sets up logging for the process. To be called once.
///
/// # Errors
/// When the filter cannot be read, or logging is set up already.
pub fn init(settings: &Settings) -> Result<(), TelemetryError> {
    let filter: Targets = settings.log.parse().map_err(|_| TelemetryError::Filter(settings.log.clone()))?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => registry.with(layer.with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    }
    .map_err(|_| TelemetryError::Twice)
}
