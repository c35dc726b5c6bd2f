//! What machines ask: whether the relay lives, whether it is ready, its figures, and what it is.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chanterelle_core::node::StorageError;
use chanterelle_core::wire::SESSION_PROTOCOL;
use serde_json::json;
use tokio::time::timeout;

use super::error::ApiError;
use super::{App, MAX_BODY};

/// How long a probe of the storage is believed. Each writes to the disk, and anyone may ask.
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// How long a probe may wait behind a batch before the storage counts as stuck.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// When the storage was last probed, and what came out.
pub(crate) type Probe = Option<(Instant, Result<(), StorageError>)>;

/// The process runs and answers.
pub(super) async fn livez() -> &'static str {
    "ok"
}

/// Everything is restored, the storage can be written, and the relay is not stopping.
pub(super) async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    if app.stop.is_cancelled() {
        return Err(ApiError::unavailable("the relay is stopping"));
    }
    if !*app.restored.borrow() {
        return Err(ApiError::unavailable("the relay is still reading its events"));
    }
    match probe(&app).await {
        Ok(()) => Ok("ok"),
        Err(StorageError::Full) => Err(ApiError::insufficient_storage()),
        Err(error) => Err(ApiError::unavailable(format!("the relay cannot store: {error}"))),
    }
}

async fn probe(app: &App) -> Result<(), StorageError> {
    let mut last = app.probe.lock().await;
    match &*last {
        Some((at, result)) if at.elapsed() < PROBE_EVERY => result.clone(),
        _ => {
            let result = match timeout(PROBE_TIMEOUT, app.storage.probe()).await {
                Ok(result) => result,
                Err(_) => Err(StorageError::Failed("the storage does not answer".to_owned())),
            };
            *last = Some((Instant::now(), result.clone()));
            result
        }
    }
}

/// Figures in the OpenMetrics format.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let content_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], app.metrics.encode()).into_response()
}

/// What this relay is and how peers reach it.
pub(super) async fn info(State(app): State<App>) -> Response {
    let (limits, media) = (&app.limits, &app.settings.media);
    let relays = app.relays.addresses(app.settings.is_development(), Instant::now());
    let body = json!({
        "software": env!("CARGO_PKG_NAME").trim_end_matches("-relay"),
        "version": env!("CARGO_PKG_VERSION"),
        "protocol": SESSION_PROTOCOL,
        "peer_id": app.peer.to_string(),
        "addresses": app.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ice_servers": *app.ice_servers,
        "relays": relays.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "limits": {
            "event_bytes": limits.event_bytes,
            "comment_chars": limits.comment_chars,
            "subject_chars": limits.subject_chars,
            "refs": limits.refs,
            "blobs": limits.blobs,
            "blob_bytes": limits.blob_bytes,
            "upload_bytes": media.blob_bytes,
            "future_seconds": limits.future_seconds,
            "request_bytes": MAX_BODY,
            "api_requests_per_minute": app.settings.api_requests_per_minute,
        },
        "media": {
            "uploads": media.uploads.label(),
            "upload_path": "/api/v1/uploads",
            "origin": media.origin.as_ref().map(|origin| origin.origin().ascii_serialization()),
            "pin_seconds": media.pin.as_secs(),
        },
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // The page of another relay may look before it dials.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (StatusCode::OK, headers, body.to_string()).into_response()
}
