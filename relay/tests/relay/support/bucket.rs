//! A bucket that speaks as much S3 as a relay asks of one, in memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

pub(crate) const NAME: &str = "media";
pub(crate) const KEY: &str = "somebody";

/// What lies in the bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket(Arc<Mutex<Objects>>);

#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) whole: BTreeMap<String, Bytes>,
    /// Parts of uploads that have not ended.
    pub(crate) parts: BTreeMap<u32, Bytes>,
    /// How many uploads were in parts.
    pub(crate) multipart: usize,
    /// Requests that were refused, of all as long as that is said.
    pub(crate) refused: Option<usize>,
}

impl Bucket {
    /// Starts it; where it is.
    pub(crate) async fn start() -> (Bucket, SocketAddr) {
        let bucket = Bucket::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let router = Router::new().fallback(answer).with_state(bucket.clone());
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else { return };
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let socket = hyper_util::rt::TokioIo::new(socket);
                let serving = hyper::server::conn::http1::Builder::new().serve_connection(socket, service);
                tokio::spawn(serving);
            }
        });
        (bucket, address)
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.0.lock().expect("no code panics while it holds this")
    }
}

async fn answer(State(bucket): State<Bucket>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("the relay sends all of it");
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !authorization.is_some_and(|value| value.starts_with(&format!("AWS4-HMAC-SHA256 Credential={KEY}/"))) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let path = parts.uri.path().strip_prefix(&format!("/{NAME}")).expect("the bucket stands in the path");
    let key = path.trim_start_matches('/').to_owned();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    bucket.respond(&parts.method, key, &query, &parts.headers, body)
}

impl Bucket {
    fn respond(
        &self,
        method: &Method,
        key: String,
        query: &BTreeMap<String, String>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response {
        let mut objects = self.objects();
        if let Some(refused) = &mut objects.refused {
            *refused += 1;
            return StatusCode::FORBIDDEN.into_response();
        }
        let has = |name: &str| query.contains_key(name);
        match method.as_str() {
            "PUT" if has("partNumber") => {
                let number = query["partNumber"].parse().expect("a number");
                objects.parts.insert(number, body);
                ([(header::ETAG, format!("\"{number}\""))], "").into_response()
            }
            "PUT" => {
                objects.whole.insert(key, body);
                ([(header::ETAG, "\"e\"")], "").into_response()
            }
            "POST" if has("uploads") => {
                objects.multipart += 1;
                xml(format!(
                    "<InitiateMultipartUploadResult><Bucket>{NAME}</Bucket><Key>{key}</Key>\
                     <UploadId>u</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            "POST" if has("uploadId") => {
                let whole: Vec<u8> = std::mem::take(&mut objects.parts).into_values().flatten().collect();
                objects.whole.insert(key.clone(), whole.into());
                xml(format!(
                    "<CompleteMultipartUploadResult><Key>{key}</Key><ETag>\"e\"</ETag>\
                     </CompleteMultipartUploadResult>"
                ))
            }
            "POST" if has("delete") => {
                let text = String::from_utf8_lossy(&body);
                let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
                let deleted = keys.map(|(key, _)| {
                    objects.whole.remove(key);
                    format!("<Deleted><Key>{key}</Key></Deleted>")
                });
                xml(format!("<DeleteResult>{}</DeleteResult>", deleted.collect::<String>()))
            }
            "DELETE" => {
                objects.whole.remove(&key);
                StatusCode::NO_CONTENT.into_response()
            }
            "GET" if has("list-type") => {
                let prefix = query.get("prefix").cloned().unwrap_or_default();
                let listed = objects.whole.iter().filter(|(key, _)| key.starts_with(&prefix));
                let contents = listed.map(|(key, bytes)| {
                    format!(
                        "<Contents><Key>{key}</Key><LastModified>2026-11-30T00:00:00.000Z</LastModified>\
                         <ETag>\"e\"</ETag><Size>{}</Size></Contents>",
                        bytes.len()
                    )
                });
                let contents: String = contents.collect();
                xml(format!(
                    "<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
                ))
            }
            "GET" | "HEAD" => match objects.whole.get(&key) {
                Some(bytes) => content(method, bytes, headers),
                None => StatusCode::NOT_FOUND.into_response(),
            },
            _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        }
    }
}

fn content(method: &Method, bytes: &Bytes, headers: &HeaderMap) -> Response {
    let tag = (header::ETAG, "\"e\"".to_owned());
    let modified = (header::LAST_MODIFIED, "Mon, 30 Nov 2026 00:00:00 GMT".to_owned());
    let range = headers.get(header::RANGE).map(|range| {
        let range = range.to_str().expect("a range is text").trim_start_matches("bytes=");
        let (first, last) = range.split_once('-').expect("a range has two ends");
        let last: usize = last.parse().expect("a number");
        first.parse().expect("a number")..bytes.len().min(last + 1)
    });
    if *method == Method::HEAD {
        let length = (header::CONTENT_LENGTH, bytes.len().to_string());
        return ([tag, modified, length], Body::empty()).into_response();
    }
    match range {
        None => ([tag, modified], bytes.clone()).into_response(),
        Some(range) => {
            let said = format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
            let headers = [tag, modified, (header::CONTENT_RANGE, said)];
            (StatusCode::PARTIAL_CONTENT, headers, bytes.slice(range)).into_response()
        }
    }
}

fn xml(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/xml")], text).into_response()
}
