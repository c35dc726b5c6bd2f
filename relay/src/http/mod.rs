//! The HTTP server: page, API, files, and the door for libp2p's WebSockets, on one port.
//!
//! Events do not pass through here; they travel between peers on `/chanterelle/1` alone. Only an upload changes anything.

mod api;
pub(crate) mod assets;
mod content;
mod error;
mod media;
mod pace;
mod pages;
mod range;
mod security;
pub(crate) mod serve;
mod uploads;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use chanterelle_core::base::Limits;
use futures::FutureExt as _;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clients::{self, ClientKey, Rate, Slots};
use crate::media::Media;
use crate::metrics::{Answer, Metrics};
use crate::net::transport::Incoming;
use crate::relays::Relays;
use crate::settings::{IceServer, Settings};
use crate::storage::Storage;
use assets::Assets;
use error::ApiError;
use security::SecurityHeaders;
use serve::Remote;

/// The largest body of a request, bytes.
pub(crate) const MAX_BODY: u64 = 10_000_000;

/// What every handler may use.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// The operator's settings.
    pub(crate) settings: Arc<Settings>,
    /// Limits of the protocol.
    pub(crate) limits: Arc<Limits>,
    /// The relay's name on the network.
    pub(crate) peer: PeerId,
    /// Where it is reached, with its name.
    pub(crate) addresses: Arc<[Multiaddr]>,
    /// STUN and TURN servers told to tabs, the relay's own first.
    pub(crate) ice_servers: Arc<[IceServer]>,
    /// Other relays.
    pub(crate) relays: Relays,
    /// The page.
    pub(crate) assets: Arc<Assets>,
    /// The storage, to be probed, and asked what is known of files.
    pub(crate) storage: Storage,
    /// Files.
    pub(crate) media: Media,
    /// Figures.
    pub(crate) metrics: Arc<Metrics>,
    /// Open connections.
    pub(crate) slots: Slots,
    /// Requests a minute.
    pub(crate) rate: Arc<Rate>,
    /// Where upgraded WebSockets go.
    pub(crate) incoming: mpsc::Sender<Incoming>,
    /// Whether everything is restored.
    pub(crate) restored: watch::Receiver<bool>,
    /// Whether the relay is stopping.
    pub(crate) stop: CancellationToken,
    /// The last probe of the storage.
    pub(crate) probe: Arc<Mutex<api::Probe>>,
}

/// Whose request it is, for limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    key: ClientKey,
    /// Whether it came through a trusted proxy.
    by_proxy: bool,
}

/// All routes.
pub(crate) fn router(app: App) -> Router {
    let security = SecurityHeaders::new(app.assets.index(), &app.settings);
    let api = Router::new()
        .route("/api/v1/info", get(api::info))
        .route("/api/system.version", get(api::info))
        .route("/api/v1/content/{id}", get(content::content))
        .route_layer(from_fn_with_state(app.clone(), limit_rate));
    // Refusals of the limit are told as all answers to uploads are.
    let uploads = Router::new()
        .route("/api/v1/uploads", any(uploads::handle))
        .route("/api/v1/uploads/", any(uploads::handle))
        .route("/api/v1/uploads/{id}", any(uploads::handle))
        .route_layer(from_fn_with_state(app.clone(), limit_rate))
        .route_layer(from_fn(uploads::answer));
    Router::new()
        .route("/", get(pages::root))
        .route("/b/{board}", get(pages::board))
        .route("/b/{board}/t/{thread}", get(pages::thread))
        .route("/f", get(pages::page))
        .route("/me", get(pages::page))
        .route("/peers", get(pages::page))
        .route("/settings", get(pages::page))
        .route("/livez", get(api::livez))
        .route("/readyz", get(api::readyz))
        .route("/metrics", get(api::metrics))
        .route("/media/{id}", get(media::file).options(media::options))
        .merge(api)
        .merge(uploads)
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .fallback(pages::file)
        .layer(from_fn(limit_body))
        .layer(from_fn_with_state(app.clone(), limit_host))
        .layer(from_fn_with_state(app.clone(), observe))
        .layer(from_fn_with_state(security, security::apply))
        .with_state(app)
}

/// Names the client, answers a panic with 500, and counts.
async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let remote = request.extensions().get::<Remote>().copied();
    let socket = remote.map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |remote| remote.0);
    let trusted = &app.settings.trusted_proxies;
    let address = clients::client_address(socket, request.headers(), trusted);
    let by_proxy = trusted.contains(&socket.to_canonical());
    request.extensions_mut().insert(Client { key: ClientKey::of(address), by_proxy });
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| ApiError::internal().into_response());
    let status = response.status();
    let route = route.unwrap_or_else(|| if status.as_u16() == 404 { "unknown" } else { "asset" }.to_owned());
    app.metrics.http_requests.get_or_create(&Answer { route, status: status.as_u16() }).inc();
    app.metrics.http_seconds.observe(begun.elapsed().as_secs_f64());
    response
}

/// At most so many API requests a minute.
async fn limit_rate(State(app): State<App>, request: Request, next: Next) -> Response {
    let client = request.extensions().get::<Client>().map(|client| client.key);
    match client.map(|client| app.rate.check(client)) {
        Some(Err(wait)) => ApiError::too_many_requests(wait).into_response(),
        _ => next.run(request).await,
    }
}

/// On an origin that is for files, there is nothing else: no page, and no API of the same origin as a file.
async fn limit_host(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_file = request.uri().path().starts_with("/media/");
    match &app.settings.media.origin {
        Some(origin) if !is_file && media::is_host(request.headers(), origin) => {
            ApiError::not_found().into_response()
        }
        _ => next.run(request).await,
    }
}

/// Nothing here reads a body but uploads, which count. One that is too large is refused, and so is one of which nobody can say how large it is.
async fn limit_body(request: Request, next: Next) -> Response {
    let is_counted = uploads::is_upload(request.uri().path());
    if !is_counted && request.body().size_hint().upper().is_none_or(|bytes| bytes > MAX_BODY) {
        return ApiError::too_large(MAX_BODY).into_response();
    }
    next.run(request).await
}
