//! The headers of tus 1.0 (<https://tus.io/protocols/resumable-upload>), read and written.
//!
//! What a client sends is bounded before it is kept, and anything that is not as the protocol has it is an error with a
//! line that says what it should be.

use std::time::{Duration, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use chanterelle_core::base::Seconds;
use data_encoding::BASE64;

use super::super::error::ApiError;
use crate::media::uploads::{ALGORITHMS, Checksum, PARTS};
use crate::storage::UploadId;

/// The version spoken here.
pub(super) const VERSION: &str = "1.0.0";

/// What is spoken of the protocol's extensions.
const EXTENSIONS: &str = "creation,creation-with-upload,checksum,termination,expiration,concatenation";

/// The type of bytes of an upload.
const OFFSET_STREAM: &str = "application/offset+octet-stream";

/// The longest `Upload-Metadata`, bytes: a name, a type and some more.
const METADATA_BYTES: usize = 4 * 1024;

/// Where uploads are.
pub(super) const PATH: &str = "/api/v1/uploads";

const ALLOWED: &str = "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata, \
                       Upload-Checksum, Upload-Concat, X-HTTP-Method-Override, X-Requested-With, X-Request-ID";

const EXPOSED: &str = "Location, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, \
                       Upload-Offset, Upload-Length, Upload-Metadata, Upload-Concat, Upload-Expires, Retry-After, \
                       Chanterelle-Blob, Chanterelle-Url";

/// What an upload is to be, by `Upload-Concat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Concat {
    /// A file by itself.
    None,
    /// A part.
    Partial,
    /// The whole of these parts.
    Final(Vec<UploadId>, String),
}

/// The request's method, or the one that stands in for it where a client can send only some.
#[must_use]
pub(super) fn method(method: &Method, headers: &HeaderMap) -> Method {
    let other = text(headers, "x-http-method-override").and_then(|other| other.parse().ok());
    other.unwrap_or_else(|| method.clone())
}

/// A header as text; `None` when it is absent or not text.
#[must_use]
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// A header that is a number; `None` when it is absent.
pub(super) fn number(headers: &HeaderMap, name: &'static str) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let digits = value.to_str().ok().map(str::trim);
    let digits = digits.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.map(str::parse) {
        Some(Ok(number)) => Ok(Some(number)),
        // More than any file has.
        Some(Err(_)) => Ok(Some(u64::MAX)),
        None => Err(ApiError::bad_request(format!("{name} is a number of bytes"))),
    }
}

/// Whether the body is announced as bytes of an upload.
#[must_use]
pub(super) fn is_offset_stream(headers: &HeaderMap) -> bool {
    text(headers, "content-type").is_some_and(|kind| kind.eq_ignore_ascii_case(OFFSET_STREAM))
}

/// `Upload-Checksum`, if there is one.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, ApiError> {
    let Some(value) = headers.get("upload-checksum") else { return Ok(None) };
    let checksum = Checksum::parse(value.to_str().unwrap_or_default());
    checksum.map(Some).map_err(|error| ApiError::bad_request(error.to_string()))
}

/// `Upload-Metadata`, if there is some: pairs of a key and a value in Base64, separated by commas.
pub(super) fn metadata(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("upload-metadata") else { return Ok(None) };
    let wrong = || {
        ApiError::bad_request(format!(
            "Upload-Metadata has at most {METADATA_BYTES} bytes: keys, each once, with a value in Base64 behind a space, \
             separated by commas"
        ))
    };
    let text = value.to_str().map_err(|_| wrong())?.trim();
    if text.len() > METADATA_BYTES {
        return Err(wrong());
    }
    let mut keys = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|_| !text.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let is_whole = !key.is_empty() && BASE64.decode(value.trim().as_bytes()).is_ok();
        if !is_whole || keys.contains(&key) {
            return Err(wrong());
        }
        keys.push(key);
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// `Upload-Concat`.
pub(super) fn concat(headers: &HeaderMap) -> Result<Concat, ApiError> {
    let Some(value) = headers.get("upload-concat") else { return Ok(Concat::None) };
    let wrong = || {
        ApiError::bad_request(format!(
            "Upload-Concat is partial, or final; and the URLs of 1 to {PARTS} partial uploads of this relay"
        ))
    };
    let text = value.to_str().map_err(|_| wrong())?.trim();
    if text == "partial" {
        return Ok(Concat::Partial);
    }
    let urls = text.strip_prefix("final;").ok_or_else(wrong)?;
    let mut parts = Vec::new();
    for url in urls.split_ascii_whitespace() {
        let (_, id) = url.rsplit_once('/').ok_or_else(wrong)?;
        let id = id.parse().map_err(|_| wrong())?;
        if parts.contains(&id) {
            return Err(ApiError::bad_request(
                "Upload-Concat names a partial upload twice; upload it once for each time",
            ));
        }
        parts.push(id);
        if parts.len() > PARTS {
            return Err(wrong());
        }
    }
    if parts.is_empty() { Err(wrong()) } else { Ok(Concat::Final(parts, text.to_owned())) }
}

/// What stands on every answer.
pub(super) fn on_every(to: &mut HeaderMap) {
    let fixed = HeaderValue::from_static;
    to.insert("tus-resumable", fixed(VERSION));
    to.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, fixed("*"));
    to.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, fixed(EXPOSED));
    to.entry(header::CACHE_CONTROL).or_insert(fixed("no-store"));
}

/// What the relay can do, and what a page of elsewhere may ask it.
pub(super) fn abilities(to: &mut HeaderMap, largest: u64) {
    let fixed = HeaderValue::from_static;
    to.insert("tus-version", fixed(VERSION));
    to.insert("tus-extension", fixed(EXTENSIONS));
    to.insert("tus-checksum-algorithm", fixed(ALGORITHMS));
    to.insert("tus-max-size", HeaderValue::from(largest));
    to.insert(header::ACCESS_CONTROL_ALLOW_METHODS, fixed("POST, HEAD, PATCH, DELETE, OPTIONS"));
    to.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fixed(ALLOWED));
    to.insert(header::ACCESS_CONTROL_MAX_AGE, fixed("86400"));
}

/// A header of ours whose value is made of digits and plain text.
pub(super) fn insert(to: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        to.insert(HeaderName::from_static(name), value);
    }
}

/// A moment as HTTP writes it. None so far away that it has no date.
#[must_use]
pub(super) fn date(at: Seconds) -> String {
    // httpdate knows years up to 9999.
    let at = Duration::from_secs(at.0.min(253_402_300_799));
    httpdate::fmt_http_date(UNIX_EPOCH + at)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, Method};
    use chanterelle_core::base::Seconds;

    use super::{Concat, concat, date, is_offset_stream, metadata, method, number};
    use crate::storage::UploadId;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            name.parse().expect("a name"),
            HeaderValue::from_str(value).expect("a value"),
        )])
    }

    #[test]
    fn numbers_are_digits() {
        let read = |value: &str| number(&headers("upload-length", value), "upload-length").ok();
        assert_eq!(read("0"), Some(Some(0)));
        assert_eq!(read(" 42 "), Some(Some(42)));
        assert_eq!(read("99999999999999999999999"), Some(Some(u64::MAX)));
        for value in ["", "-1", "+1", "1.0", "0x1", "1 2", "one"] {
            assert_eq!(read(value), None, "{value}");
        }
        assert_eq!(number(&HeaderMap::new(), "upload-length").ok(), Some(None));
    }

    #[test]
    fn metadata_is_pairs() {
        let read = |value: &str| metadata(&headers("upload-metadata", value)).ok();
        assert_eq!(
            read("filename Y2F0LnBuZw==,is_confidential"),
            Some(Some("filename Y2F0LnBuZw==,is_confidential".into()))
        );
        assert_eq!(read(""), Some(None));
        let long = format!("a {}", "YWFh".repeat(2_000));
        for value in ["a !", "a YQ==,", ",", "a YQ==,a YQ==", " YQ== x", &long] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn parts_are_named_by_their_urls() {
        let read = |value: &str| concat(&headers("upload-concat", value)).ok();
        let (one, two) = (UploadId([1; 16]), UploadId([2; 16]));
        assert_eq!(read("partial"), Some(Concat::Partial));
        let value = format!("final;/api/v1/uploads/{one} https://relay.example/api/v1/uploads/{two}");
        assert_eq!(read(&value), Some(Concat::Final(vec![one, two], value.clone())));
        let many = format!("final;{}", format!("/{one} ").repeat(65));
        for value in ["", "final", "final;", "final;nonsense", "final;/api/v1/uploads/1", "Partial", &many] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn other_headers_are_read_as_browsers_write_them() {
        assert!(is_offset_stream(&headers("content-type", "application/offset+octet-stream")));
        assert!(!is_offset_stream(&headers("content-type", "application/octet-stream")));
        let other = headers("x-http-method-override", "PATCH");
        assert_eq!(method(&Method::POST, &other), Method::PATCH);
        assert_eq!(method(&Method::POST, &HeaderMap::new()), Method::POST);
        assert_eq!(date(Seconds(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert!(date(Seconds(u64::MAX)).starts_with("Fri, 31 Dec 9999"));
    }
}
