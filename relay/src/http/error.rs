//! Answers that say what went wrong: `{"error":{"code","message","id"}}` with the right status.
//!
//! The id is random and stands in the log beside the cause, so that a report can be matched without saying more to the
//! client than it needs.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use serde_json::json;

/// A refusal or failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<Duration>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, code, message: message.into(), retry_after: None }
    }

    /// 400: the request cannot be understood.
    pub(crate) fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 400: TLS is spoken here, and the request came without.
    #[must_use]
    pub(crate) fn https_required() -> ApiError {
        let message = "this port speaks HTTPS; use an address that begins with https://";
        ApiError::new(StatusCode::BAD_REQUEST, "https_required", message)
    }

    /// Another refusal of media or uploads, under a code of its own.
    pub(crate) fn refused(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(status, code, message)
    }

    /// 401: who asks has to say who they are, and has not, or not so that it can be believed.
    pub(crate) fn unauthorized(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 404: there is nothing at this path.
    #[must_use]
    pub(crate) fn not_found() -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    /// 405: the path exists, the method does not.
    #[must_use]
    pub(crate) fn method_not_allowed() -> ApiError {
        ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path does not take this method; the Allow header lists those it takes",
        )
    }

    /// 413: the body is larger than `limit` bytes.
    #[must_use]
    pub(crate) fn too_large(limit: u64) -> ApiError {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body of a request has at most {limit} bytes"),
        )
    }

    /// 429: too many requests; another may come after `wait`.
    #[must_use]
    pub(crate) fn too_many_requests(wait: Duration) -> ApiError {
        let message = "too many requests from your address; wait as long as Retry-After says";
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
        ApiError { retry_after: Some(wait), ..error }
    }

    /// 429: too many open connections.
    #[must_use]
    pub(crate) fn too_many_connections() -> ApiError {
        ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_connections",
            "too many open connections from your address; close one first",
        )
    }

    /// 500: a defect here. The cause is in the log under the answer's id.
    #[must_use]
    pub(crate) fn internal() -> ApiError {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong in the relay; tell its operator the id",
        )
    }

    /// 507: there is no room to store anything, on the disk or within the bound the operator set.
    #[must_use]
    pub(crate) fn insufficient_storage() -> ApiError {
        ApiError::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "insufficient_storage",
            "the relay has no room left to store anything; it serves what it has, and stores again once there is room",
        )
    }

    /// 503: the relay starts, stops or cannot store.
    pub(crate) fn unavailable(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let id = error_id();
        if self.status.is_server_error() {
            tracing::warn!(id, status = self.status.as_u16(), code = self.code, "{}", self.message);
        } else {
            tracing::debug!(id, status = self.status.as_u16(), code = self.code, "request refused");
        }
        let body = json!({"error": {"code": self.code, "message": self.message, "id": id}}).to_string();
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let mut response = (self.status, [content_type, no_store], body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Chanterelle"));
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + 1;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// 16 hexadecimal digits. All zero when the system has no entropy: an error must be told all the same.
fn error_id() -> String {
    let mut bytes = [0; 8];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::warn!(%error, "no entropy for an error id");
    }
    HEXLOWER.encode(&bytes)
}
