//! Uploads by tus 1.0 (<https://tus.io/protocols/resumable-upload>) at `/api/v1/uploads`.
//!
//! Core, and the extensions creation, creation-with-upload, checksum, termination, expiration and concatenation; lengths
//! are not deferred. Whoever knows an upload's URL may go on with it: the URL is the secret. What a signature is asked for
//! is whose the upload is.

mod authorization;
mod body;
mod headers;
mod write;

use axum::extract::{Extension, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::media::{refusal, url_here};
use super::{App, Client, MAX_BODY};
use crate::media::{MediaError, now};
use crate::metrics::count;
use crate::net::key::core_peer;
use crate::settings::UploadsBy;
use crate::storage::{Owner, Part, Upload, UploadId};
use authorization::Signed;
use body::Bytewise;
use headers::{Concat, PATH, VERSION};

/// Whether a path is one whose bodies are counted here.
#[must_use]
pub(super) fn is_upload(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What stands on every answer of this path, refusals included.
pub(super) async fn answer(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    headers::on_every(response.headers_mut());
    response
}

/// Every method at every path below.
pub(super) async fn handle(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let expects = parts.headers.contains_key(header::EXPECT);
    let mut body = Bytewise::new(body, app.stop.clone());
    let call = Call { app, client, method: headers::method(&parts.method, &parts.headers), parts };
    let response = call.dispatch(&mut body).await.unwrap_or_else(IntoResponse::into_response);
    // A client that waits to be asked for its body hears the answer without.
    if !expects {
        body.drain().await;
    }
    response
}

/// A request.
struct Call {
    app: App,
    client: Client,
    method: Method,
    parts: Parts,
}

impl Call {
    /// Reads of the body what it needs.
    async fn dispatch(self, body: &mut Bytewise) -> Result<Response, ApiError> {
        if self.method == Method::OPTIONS {
            return Ok(self.options());
        }
        let version = headers::text(&self.parts.headers, "tus-resumable");
        if version != Some(VERSION) {
            let line = format!("Tus-Resumable must be {VERSION}, the version of the protocol spoken here");
            let error = ApiError::refused(StatusCode::PRECONDITION_FAILED, "tus_version", line);
            let mut response = error.into_response();
            response.headers_mut().insert("tus-version", HeaderValue::from_static(VERSION));
            return Ok(response);
        }
        let id =
            self.parts.uri.path().strip_prefix(PATH).unwrap_or_default().trim_start_matches('/').to_owned();
        match (self.method.as_str(), id.is_empty()) {
            ("POST", true) => self.create(body).await,
            ("HEAD", false) => self.status(&parse(&id)?).await,
            ("PATCH", false) => self.append(&parse(&id)?, body).await,
            ("DELETE", false) => self.terminate(&parse(&id)?).await,
            (_, at_root) => {
                let mut response = ApiError::method_not_allowed().into_response();
                let allowed = if at_root { "OPTIONS,POST" } else { "OPTIONS,HEAD,PATCH,DELETE" };
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
                Ok(response)
            }
        }
    }

    fn options(&self) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        headers::abilities(response.headers_mut(), self.app.settings.media.blob_bytes);
        response
    }

    /// `POST`: a new upload, with its first bytes if they come along.
    async fn create(self, body: &mut Bytewise) -> Result<Response, ApiError> {
        let headers = &self.parts.headers;
        if self.app.settings.media.uploads == UploadsBy::Nobody {
            let line = "this relay takes no uploads";
            return Err(ApiError::refused(StatusCode::FORBIDDEN, "uploads_off", line));
        }
        let owner = self.owner()?;
        let metadata = headers::metadata(headers)?;
        if headers.contains_key("upload-defer-length") {
            let line = "Upload-Defer-Length is not spoken here; say Upload-Length";
            return Err(ApiError::bad_request(line));
        }
        let part = match headers::concat(headers)? {
            Concat::None => Part::Whole,
            Concat::Partial => Part::Partial,
            Concat::Final(parts, said) => return self.join(owner, parts, said, metadata).await,
        };
        let length = headers::number(headers, "upload-length")?;
        let length = length.ok_or_else(|| ApiError::bad_request("Upload-Length is missing"))?;
        if length == 0 {
            return Err(ApiError::bad_request("Upload-Length must be at least 1: a file has a byte"));
        }
        let announced = body.announced();
        let checksum = headers::checksum(headers)?;
        let with_bytes = announced != Some(0);
        let is_stream = headers::is_offset_stream(headers);
        if with_bytes && headers.contains_key(header::CONTENT_TYPE) && !is_stream {
            return Err(wrong_type());
        }
        self.bound(announced.unwrap_or(0), length)?;
        let upload = self.app.media.create_upload(owner, length, metadata, part).await;
        let upload = upload.map_err(|error| self.refused(error))?;
        let location = format!("{PATH}/{}", upload.id);
        let mut upload = upload;
        if with_bytes && is_stream {
            let id = upload.id;
            let written = match self.app.media.hold(&id).await {
                Ok(held) => self.write(held, checksum, body).await,
                Err(error) => Err(self.refused(error)),
            };
            match written {
                Ok(written) => upload = written,
                Err(error) => {
                    // Nobody has been told of it yet. What broke off is found by nobody either.
                    let _ = self.app.media.terminate(&id).await;
                    return Err(error);
                }
            }
        }
        let mut response = StatusCode::CREATED.into_response();
        headers::insert(response.headers_mut(), "location", &location);
        self.describe(response.headers_mut(), &upload);
        Ok(response)
    }

    async fn join(
        self,
        owner: Owner,
        parts: Vec<UploadId>,
        said: String,
        metadata: Option<String>,
    ) -> Result<Response, ApiError> {
        let media = self.app.media.clone();
        let work = async move { media.join(owner, &parts, said, metadata).await };
        let joined = self.app.media.unhurried(work).await.and_then(|joined| joined);
        let upload = joined.map_err(|error| match error {
            MediaError::NotFound => ApiError::bad_request(
                "Upload-Concat names an upload that is not here, is not partial, or is not complete",
            ),
            error => self.refused(error),
        })?;
        let mut response = StatusCode::CREATED.into_response();
        headers::insert(response.headers_mut(), "location", &format!("{PATH}/{}", upload.id));
        self.describe(response.headers_mut(), &upload);
        Ok(response)
    }

    /// `HEAD`: how far it is.
    async fn status(self, id: &UploadId) -> Result<Response, ApiError> {
        let upload = self.find(id).await?;
        let mut response = StatusCode::OK.into_response();
        let to = response.headers_mut();
        headers::insert(to, "upload-length", &upload.length.to_string());
        if let Some(metadata) = &upload.metadata {
            headers::insert(to, "upload-metadata", metadata);
        }
        match &upload.part {
            Part::Whole => {}
            Part::Partial => headers::insert(to, "upload-concat", "partial"),
            Part::Final(said) => headers::insert(to, "upload-concat", said),
        }
        self.describe(to, &upload);
        Ok(response)
    }

    /// `PATCH`: more bytes.
    async fn append(self, id: &UploadId, body: &mut Bytewise) -> Result<Response, ApiError> {
        let headers = &self.parts.headers;
        if !headers::is_offset_stream(headers) {
            return Err(wrong_type());
        }
        let offset = headers::number(headers, "upload-offset")?;
        let offset = offset.ok_or_else(|| ApiError::bad_request("Upload-Offset is missing"))?;
        let checksum = headers::checksum(headers)?;
        let held = self.app.media.hold(id).await.map_err(|error| self.refused(error))?;
        let upload = held.upload();
        check_ended(upload)?;
        self.check_owner(upload)?;
        if matches!(upload.part, Part::Final(_)) {
            let line = "a final upload is made of its parts and takes no bytes";
            return Err(ApiError::refused(StatusCode::FORBIDDEN, "final_upload", line));
        }
        let announced = body.announced();
        self.check_offset(upload, offset)?;
        self.bound(announced.unwrap_or(0), upload.length - upload.offset)?;
        let upload = if upload.offset == upload.length {
            drop(held);
            self.nothing_more(checksum, body).await?;
            self.find(id).await?
        } else {
            self.write(held, checksum, body).await?
        };
        let mut response = StatusCode::NO_CONTENT.into_response();
        self.describe(response.headers_mut(), &upload);
        Ok(response)
    }

    /// `DELETE`: it is over.
    async fn terminate(self, id: &UploadId) -> Result<Response, ApiError> {
        let upload = self.find(id).await?;
        self.check_owner(&upload)?;
        self.app.media.terminate(id).await.map_err(|error| self.refused(error))?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    async fn find(&self, id: &UploadId) -> Result<Upload, ApiError> {
        let upload = self.app.media.upload(id).await.map_err(|error| self.refused(error))?;
        check_ended(&upload)?;
        Ok(upload)
    }

    /// What a client is told of an upload.
    fn describe(&self, to: &mut HeaderMap, upload: &Upload) {
        headers::insert(to, "upload-offset", &upload.offset.to_string());
        headers::insert(to, "upload-expires", &headers::date(upload.expires));
        if let Some(blob) = &upload.blob {
            headers::insert(to, "chanterelle-blob", &blob.to_string());
            headers::insert(to, "chanterelle-url", &url_here(&self.app.media, blob));
        }
    }

    fn check_offset(&self, upload: &Upload, offset: u64) -> Result<(), ApiError> {
        if offset == upload.offset {
            return Ok(());
        }
        let line = format!("the upload is at {}; ask by HEAD and go on from there", upload.offset);
        Err(ApiError::refused(StatusCode::CONFLICT, "wrong_offset", line))
    }

    /// `announced` bytes in one request, of `left` that the upload takes.
    fn bound(&self, announced: u64, left: u64) -> Result<(), ApiError> {
        match announced {
            announced if announced > MAX_BODY => Err(self.too_large(ApiError::too_large(MAX_BODY))),
            announced if announced > left => Err(self.too_large(beyond_length())),
            _ => Ok(()),
        }
    }

    fn too_large(&self, error: ApiError) -> ApiError {
        count(&self.app.metrics.media_refused, "too_large");
        error
    }

    fn refused(&self, error: MediaError) -> ApiError {
        refusal(&self.app, error)
    }

    /// Whose an upload will be.
    fn owner(&self) -> Result<Owner, ApiError> {
        match self.author()? {
            Some(owner) => Ok(owner),
            None if self.app.settings.media.uploads == UploadsBy::Anyone => {
                Ok(self.app.media.owner_at(self.client.key.address()))
            }
            None => {
                count(&self.app.metrics.media_refused, "authorization");
                Err(ApiError::unauthorized(
                    "this relay takes uploads that an author signs; see Authorization",
                ))
            }
        }
    }

    /// Who goes on with an upload says nothing of himself, or is whose it is.
    fn check_owner(&self, upload: &Upload) -> Result<(), ApiError> {
        match self.author()? {
            Some(author) if author != upload.owner => {
                count(&self.app.metrics.media_refused, "authorization");
                let line = "this upload is somebody else's";
                Err(ApiError::refused(StatusCode::FORBIDDEN, "not_owner", line))
            }
            _ => Ok(()),
        }
    }

    fn author(&self) -> Result<Option<Owner>, ApiError> {
        let Some(value) = self.parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let relay = core_peer(&self.app.peer).ok_or_else(ApiError::internal)?;
        let signed = Signed {
            relay: &relay,
            method: self.method.as_str(),
            path: self.parts.uri.path(),
            length: headers::number(&self.parts.headers, "upload-length")?.unwrap_or(0),
        };
        let author = authorization::author(value.to_str().unwrap_or_default(), signed, now());
        author.map(|author| Some(Owner::Author(author))).inspect_err(|_| {
            count(&self.app.metrics.media_refused, "authorization");
        })
    }
}

fn parse(id: &str) -> Result<UploadId, ApiError> {
    id.parse().map_err(|_| ApiError::not_found())
}

fn check_ended(upload: &Upload) -> Result<(), ApiError> {
    if !upload.ended {
        return Ok(());
    }
    let line = "this upload has expired; begin another";
    Err(ApiError::refused(StatusCode::GONE, "expired", line))
}

fn wrong_type() -> ApiError {
    let line = "Content-Type must be application/offset+octet-stream";
    ApiError::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_type", line)
}

fn beyond_length() -> ApiError {
    let line = "these are more bytes than Upload-Length leaves";
    ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", line)
}

#[cfg(test)]
mod tests {
    use super::is_upload;

    #[test]
    fn uploads_are_told_from_other_paths() {
        for path in ["/api/v1/uploads", "/api/v1/uploads/", "/api/v1/uploads/00"] {
            assert!(is_upload(path), "{path}");
        }
        for path in ["/api/v1/upload", "/api/v1/uploadsx", "/", "/api/v1/info"] {
            assert!(!is_upload(path), "{path}");
        }
    }
}
