//! Files by their ids: `/media/{id}`.
//!
//! A file comes from a stranger. It is served as what its first bytes are and never as something that a browser runs or
//! lays out; everything else is saved, not shown. The address names the content, so an answer is good for ever.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chanterelle_core::base::BlobId;
use url::Url;

use super::App;
use super::error::ApiError;
use super::range::{Wanted, wanted};
use crate::media::{Media, MediaError};
use crate::metrics::count;

/// What is neither picture nor sound nor film.
const UNKNOWN: &str = "application/octet-stream";

/// `GET` and `HEAD /media/{id}`.
pub(super) async fn file(
    State(app): State<App>,
    method: Method,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    serve(&app, &method, path, &headers).await.unwrap_or_else(|error| {
        // A page of elsewhere is to see why.
        let mut response = error.into_response();
        guard(response.headers_mut());
        response
    })
}

async fn serve(
    app: &App,
    method: &Method,
    path: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let Ok(Path(name)) = path else { return Err(ApiError::not_found()) };
    let id: BlobId = name.parse().map_err(|_| ApiError::not_found())?;
    if let Some(origin) = &app.settings.media.origin
        && !is_host(headers, origin)
    {
        return Ok(elsewhere(origin, &id));
    }
    let blob = app.media.blob(&id).await.map_err(|error| refusal(app, error))?;
    let blob = blob.ok_or_else(|| refusal(app, MediaError::NotFound))?;
    let etag = format!("\"{id}\"");
    let (status, range) = match wanted(method, headers, &etag, blob.size) {
        Wanted::Unchanged => (StatusCode::NOT_MODIFIED, 0..0),
        Wanted::Whole => (StatusCode::OK, 0..blob.size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => return Ok(beyond(blob.size)),
    };
    let is_read = *method == Method::GET && !range.is_empty();
    let body = if is_read {
        let bytes = app.media.read(&id, range.clone()).await.map_err(|error| refusal(app, error))?;
        app.metrics.media_served_bytes.inc_by(range.end - range.start);
        Body::from_stream(bytes)
    } else {
        Body::empty()
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let to = response.headers_mut();
    guard(to);
    to.insert(header::ETAG, HeaderValue::try_from(etag).expect("hexadecimal digits are a header value"));
    to.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    to.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let kind = blob.kind.as_deref().and_then(|kind| HeaderValue::try_from(kind).ok());
    if kind.is_none() {
        to.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    to.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static(UNKNOWN)));
    to.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, blob.size);
        to.insert(header::CONTENT_RANGE, HeaderValue::try_from(part).expect("numbers are a header value"));
    }
    Ok(response)
}

/// `OPTIONS /media/{id}`: what a page of elsewhere may ask.
pub(super) async fn options() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let to = response.headers_mut();
    guard(to);
    let fixed = HeaderValue::from_static;
    to.insert(header::ALLOW, fixed("GET,HEAD,OPTIONS"));
    to.insert(header::ACCESS_CONTROL_ALLOW_METHODS, fixed("GET, HEAD"));
    to.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fixed("Range, If-Range, If-None-Match"));
    to.insert(header::ACCESS_CONTROL_MAX_AGE, fixed("86400"));
    response
}

/// What holds whatever the file is.
fn guard(to: &mut HeaderMap) {
    let fixed = HeaderValue::from_static;
    to.insert(header::CONTENT_SECURITY_POLICY, fixed("sandbox; default-src 'none'"));
    to.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    to.insert(HeaderName::from_static("cross-origin-resource-policy"), fixed("cross-origin"));
    to.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, fixed("*"));
    to.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        fixed("Accept-Ranges, Content-Range, Content-Length, ETag"),
    );
}

/// 416: the file ends before.
fn beyond(size: u64) -> Response {
    let message = format!("the file has {size} bytes");
    let error = ApiError::refused(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", message);
    let mut response = error.into_response();
    let range = HeaderValue::try_from(format!("bytes */{size}")).expect("a number is a header value");
    response.headers_mut().insert(header::CONTENT_RANGE, range);
    guard(response.headers_mut());
    response
}

/// 308: files have an origin of their own, so that nothing in one is ever of the same origin as the page.
fn elsewhere(origin: &Url, id: &BlobId) -> Response {
    let mut response = Redirect::permanent(&url(Some(origin), id)).into_response();
    guard(response.headers_mut());
    response
}

/// Where a file is served.
#[must_use]
pub(super) fn url(origin: Option<&Url>, id: &BlobId) -> String {
    let origin = origin.map(|origin| origin.origin().ascii_serialization()).unwrap_or_default();
    format!("{origin}/media/{id}")
}

/// Whether a request was sent to the host of `origin`.
#[must_use]
pub(super) fn is_host(headers: &HeaderMap, origin: &Url) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    // Read as a browser reads it: case, and the port when it is the usual one.
    let asked = Url::parse(&format!("{}://{host}", origin.scheme()));
    asked.is_ok_and(|asked| asked.origin() == origin.origin())
}

/// The answer to what cannot be done with media.
#[must_use]
pub(super) fn refusal(app: &App, error: MediaError) -> ApiError {
    let message = error.to_string();
    match error {
        MediaError::Blocked => {
            ApiError::refused(StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, "blocked", message)
        }
        MediaError::Full => {
            count(&app.metrics.media_refused, "full");
            ApiError::insufficient_storage()
        }
        MediaError::OwnerFull => {
            count(&app.metrics.media_refused, "quota");
            ApiError::refused(StatusCode::INSUFFICIENT_STORAGE, "quota_exceeded", message)
        }
        MediaError::TooLarge(_) => {
            count(&app.metrics.media_refused, "too_large");
            ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
        }
        MediaError::NotFound => ApiError::refused(StatusCode::NOT_FOUND, "not_found", message),
        MediaError::Busy => ApiError::refused(StatusCode::LOCKED, "locked", message),
        MediaError::Stopping | MediaError::Crowded => ApiError::unavailable(message),
        MediaError::WrongContent(_)
        | MediaError::Damaged(_)
        | MediaError::Slice(_)
        | MediaError::Bucket(_)
        | MediaError::Storage(_)
        | MediaError::Io(_)
        | MediaError::Store(_) => {
            tracing::error!(%error, "media");
            ApiError::unavailable("the relay cannot read or write its files just now; try again later")
        }
    }
}

/// The type that holds for `blob`, for others that speak of it.
#[must_use]
pub(super) fn content_type(kind: Option<&str>) -> &str {
    kind.unwrap_or(UNKNOWN)
}

/// Where this relay serves a blob.
#[must_use]
pub(super) fn url_here(media: &Media, id: &BlobId) -> String {
    url(media.settings().origin.as_ref(), id)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};
    use url::Url;

    use super::is_host;

    #[test]
    fn a_host_is_known_by_name_and_port() {
        let is = |origin: &str, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).expect("a header value"));
            is_host(&headers, &Url::parse(origin).expect("a URL"))
        };
        assert!(is("https://media.example", "media.example"));
        assert!(is("https://media.example", "MEDIA.example:443"));
        assert!(is("http://media.example:8080", "media.example:8080"));
        assert!(!is("https://media.example", "relay.example"));
        assert!(!is("https://media.example", "media.example:8443"));
        assert!(!is("https://media.example", ""));
        assert!(!is_host(&HeaderMap::new(), &Url::parse("https://media.example").expect("a URL")));
    }
}
