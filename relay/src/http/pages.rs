//! What people ask: the page, its files, and an honest 404 for everything else.
//!
//! A path that no page can show is not the shell's business: a board name that is none, a thread id that is none, what
//! is not even text, and files that do not exist are 404.

use axum::extract::rejection::PathRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use chanterelle_core::base::{BoardName, ThreadId};

use super::error::ApiError;
use super::{App, Client};
use crate::net::transport::Incoming;
use crate::net::websocket;

const SHELL: &str = "index.html";

/// `/`: the list of boards for a browser, libp2p for a WebSocket.
pub(super) async fn root(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
) -> Response {
    let wanted =
        headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    match upgrade {
        _ if !wanted => shell(&app, &headers),
        Ok(upgrade) => connect(&app, client, upgrade).unwrap_or_else(IntoResponse::into_response),
        Err(rejection) => ApiError::bad_request(rejection.body_text()).into_response(),
    }
}

/// Hands the WebSocket to libp2p.
fn connect(app: &App, client: Client, upgrade: WebSocketUpgrade) -> Result<Response, ApiError> {
    app.rate.check(client.key).map_err(ApiError::too_many_requests)?;
    if app.stop.is_cancelled() {
        return Err(ApiError::unavailable("the relay is stopping"));
    }
    // A proxy's connections are counted by the clients behind it; anyone else's connection is counted already.
    let slot = if client.by_proxy {
        Some(app.slots.take_within(client.key).map_err(|_| ApiError::too_many_connections())?)
    } else {
        None
    };
    let incoming = app.incoming.clone();
    Ok(websocket::sized(upgrade).on_upgrade(async move |socket| {
        let stream = websocket::accepted(socket, slot);
        // Fails only when the network has stopped; the socket is then dropped.
        let _ = incoming.send(Incoming { stream, client: client.key }).await;
    }))
}

/// Pages without parameters.
pub(super) async fn page(State(app): State<App>, headers: HeaderMap) -> Response {
    shell(&app, &headers)
}

/// `/b/{board}`.
pub(super) async fn board(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if path.is_ok_and(|Path(board)| BoardName::new(&board).is_ok()) {
        shell(&app, &headers)
    } else {
        not_found(State(app), method, uri, headers).await
    }
}

/// `/b/{board}/t/{thread}`.
pub(super) async fn thread(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let names_both = |Path((board, thread)): Path<(String, String)>| {
        BoardName::new(&board).is_ok() && thread.parse::<ThreadId>().is_ok()
    };
    if path.is_ok_and(names_both) {
        shell(&app, &headers)
    } else {
        not_found(State(app), method, uri, headers).await
    }
}

fn shell(app: &App, headers: &HeaderMap) -> Response {
    app.assets.respond(SHELL, headers).unwrap_or_else(|| ApiError::internal().into_response())
}

/// The files of the page, and 404 for what is none.
pub(super) async fn file(State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let name = uri.path().trim_start_matches('/');
    match app.assets.respond(name, &headers) {
        Some(response) if matches!(method, Method::GET | Method::HEAD) => response,
        Some(_) => {
            let mut response = ApiError::method_not_allowed().into_response();
            response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET,HEAD"));
            response
        }
        None => not_found(State(app), method, uri, headers).await,
    }
}

async fn not_found(State(_): State<App>, _: Method, uri: Uri, headers: HeaderMap) -> Response {
    let accepts_html = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"));
    if accepts_html && !uri.path().starts_with("/api/") {
        (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")], Html(NOT_FOUND)).into_response()
    } else {
        ApiError::not_found().into_response()
    }
}

const NOT_FOUND: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>Not found · Chanterelle</title></head>
<body>
<h1>There is nothing here</h1>
<p>The address may be mistyped. <a href=\"/\">To the boards</a></p>
</body>
</html>
";
