//! What is known of a file, for pages and scripts: `/api/v1/content/{id}`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chanterelle_core::base::BlobId;
use chanterelle_core::node::StorageError;
use serde_json::json;

use super::App;
use super::error::ApiError;
use super::media::{content_type, refusal, url_here};
use crate::media::{MediaError, now};

/// `GET /api/v1/content/{id}`.
pub(super) async fn content(State(app): State<App>, path: Result<Path<String>, PathRejection>) -> Response {
    let mut response = known(&app, path).await.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

async fn known(app: &App, path: Result<Path<String>, PathRejection>) -> Result<Response, ApiError> {
    let Ok(Path(name)) = path else { return Err(ApiError::not_found()) };
    let id: BlobId = name.parse().map_err(|_| ApiError::not_found())?;
    let refused = |error: MediaError| refusal(app, error);
    let failed = |error: StorageError| refused(error.into());
    let blob = app.media.blob(&id).await.map_err(refused)?;
    let references = app.storage.references(&id).await.map_err(failed)?;
    if blob.is_none() && references.events == 0 {
        return Err(refused(MediaError::NotFound));
    }
    let pins = app.storage.pins(&id, now()).await.map_err(failed)?;
    let renditions = app.media.renditions(&id).await.map_err(refused)?;
    let size = blob.as_ref().map(|blob| blob.size).or(references.size);
    let body = json!({
        "id": id.to_string(),
        "size": size,
        "type": blob.as_ref().map(|blob| content_type(blob.kind.as_deref())),
        "stored": blob.is_some(),
        "url": blob.as_ref().map(|_| url_here(&app.media, &id)),
        "renditions": renditions,
        "pins": {
            "events": references.events,
            "uploads": pins.iter().map(|until| json!({"expires": until.0})).collect::<Vec<_>>(),
        },
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((StatusCode::OK, headers, body.to_string()).into_response())
}
