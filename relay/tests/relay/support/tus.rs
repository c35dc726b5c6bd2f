//! Uploads by hand: one request each, so that the tests see what a client sees.

use std::net::SocketAddr;

use chanterelle_core::base::BlobId;

use super::http::{Answer, request, send};

pub(crate) const UPLOADS: &str = "/api/v1/uploads";
pub(crate) const TUS: &str = "tus-resumable: 1.0.0";
pub(crate) const STREAM: &str = "content-type: application/offset+octet-stream";

/// Bytes that are different everywhere and the same every time.
pub(crate) fn content(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| byte()).collect()
}

/// What the bytes are named.
pub(crate) fn id_of(bytes: &[u8]) -> BlobId {
    BlobId(*blake3::hash(bytes).as_bytes())
}

/// Creates an upload; its path.
pub(crate) async fn create(address: SocketAddr, length: usize) -> String {
    let created = creation(address, length, &[]).await;
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.body));
    created.header("location").expect("an upload has a place").to_owned()
}

/// Asks for an upload.
pub(crate) async fn creation(address: SocketAddr, length: usize, more: &[&str]) -> Answer {
    let length = format!("upload-length: {length}");
    request(address, "POST", UPLOADS, &[&[TUS, &length, "content-length: 0"], more].concat()).await
}

/// Sends bytes to an upload.
pub(crate) async fn patch(
    address: SocketAddr,
    path: &str,
    offset: usize,
    bytes: &[u8],
    more: &[&str],
) -> Answer {
    let offset = format!("upload-offset: {offset}");
    send(address, "PATCH", path, &[&[TUS, STREAM, &offset], more].concat(), bytes).await
}

/// Asks how far an upload is.
pub(crate) async fn head(address: SocketAddr, path: &str) -> Answer {
    request(address, "HEAD", path, &[TUS]).await
}

/// How far an upload is.
pub(crate) async fn offset(address: SocketAddr, path: &str) -> usize {
    let answer = head(address, path).await;
    assert_eq!(answer.status, 200);
    answer.header("upload-offset").and_then(|offset| offset.parse().ok()).expect("an offset")
}

/// Uploads a file in two requests.
pub(crate) async fn upload(address: SocketAddr, bytes: &[u8]) -> BlobId {
    let path = create(address, bytes.len()).await;
    let middle = bytes.len() / 2;
    let first = patch(address, &path, 0, &bytes[..middle], &[]).await;
    assert_eq!((first.status, first.header("chanterelle-blob")), (204, None));
    let second = patch(address, &path, middle, &bytes[middle..], &[]).await;
    assert_eq!(second.status, 204, "{}", String::from_utf8_lossy(&second.body));
    let id = second.header("chanterelle-blob").expect("the upload is whole").parse().expect("an id");
    assert_eq!(id, id_of(bytes));
    id
}
