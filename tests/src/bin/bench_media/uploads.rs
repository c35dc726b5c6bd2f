//! Uploads to the relay: how fast one is, and what many at once take.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use chanterelle_e2e::relay::Relay;
use futures::future::join_all;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc::channel;
use tokio::task::spawn_blocking;

use super::{compared, row};

/// Bytes of a file.
const SIZE: usize = 100_000_000;

/// Bytes of one request of tus: the relay takes up to 10 MB.
const PORTION: usize = 10_000_000;

/// Bytes in which one file differs from the next. Files that are the same would be stored once.
const OWN: usize = 1_000_000;

const TURNS: usize = 7;

/// Uploads at once.
const MANY: usize = 50;

/// So that nothing but speed and memory bounds the uploads of this one address.
const SETTINGS: [&str; 4] = ["--media-mib-per-address", "100000", "--api-requests-per-minute", "100000"];

type Http = Client<HttpConnector, Full<Bytes>>;

/// See the program.
pub(super) async fn bench(folder: &Path) {
    let data = TempDir::new().expect("the system has room for a temporary folder");
    let beside = TempDir::new().expect("the system has room for a temporary folder");
    let relay = Relay::start_on(data, &SETTINGS, &folder.join("relay.log")).await;
    let plain = serve(beside.path().to_owned()).await;
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let common = Bytes::from(chanterelle_e2e::files::noise(1, SIZE - OWN));

    let mut turns = Vec::new();
    for turn in 0..TURNS {
        let parts = parts(turn, &common);
        let by_tus = async || {
            let begun = Instant::now();
            let upload = tus(&http, &relay, &parts).await;
            let speed = speed(begun);
            let gone = ask(&http, "DELETE", &upload, &[("tus-resumable", "1.0.0")], Bytes::new()).await;
            assert_eq!(gone.0, 204);
            speed
        };
        let by_put = async || {
            let whole = Bytes::from(parts.concat());
            let begun = Instant::now();
            let (status, _) = ask(&http, "PUT", &format!("http://{plain}/{turn}"), &[], whole).await;
            assert_eq!(status, 201);
            speed(begun)
        };
        // Whoever is first does not find the same disk each time.
        turns.push(if turn % 2 == 0 {
            let ours = by_tus().await;
            (ours, by_put().await)
        } else {
            let baseline = by_put().await;
            (by_tus().await, baseline)
        });
    }
    compared("media.tus", &turns, "MB/s");
    drop(relay);

    let data = TempDir::new().expect("the system has room for a temporary folder");
    let relay = Relay::start_on(data, &SETTINGS, &folder.join("relay.log")).await;
    row("media.relay_rss_idle_mb", relay.peak_memory() as f64 / 1e6, "MB");
    let all = (0..MANY).map(|number| {
        let (http, relay, parts) = (&http, &relay, parts(TURNS + number, &common));
        async move { tus(http, relay, &parts).await }
    });
    join_all(all).await;
    row("media.relay_rss_mb", relay.peak_memory() as f64 / 1e6, "MB");
}

/// Megabytes a second.
fn speed(begun: Instant) -> f64 {
    SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

/// A file like no other, in portions.
fn parts(number: usize, common: &Bytes) -> Vec<Bytes> {
    let mut own = vec![0; OWN];
    own[..8].copy_from_slice(&number.to_le_bytes());
    let rest = (0..common.len()).step_by(PORTION);
    let rest = rest.map(|at| common.slice(at..common.len().min(at + PORTION)));
    [Bytes::from(own)].into_iter().chain(rest).collect()
}

/// Uploads a file, and gives the upload's URL.
async fn tus(http: &Http, relay: &Relay, parts: &[Bytes]) -> String {
    let (length, version) = (SIZE.to_string(), ("tus-resumable", "1.0.0"));
    let url = relay.url("/api/v1/uploads");
    let (status, location) =
        ask(http, "POST", &url, &[version, ("upload-length", &length)], Bytes::new()).await;
    assert_eq!(status, 201);
    let upload = relay.url(&location.expect("an upload has a place"));
    let mut offset = 0;
    for part in parts {
        let at = offset.to_string();
        let headers = [version, ("upload-offset", &at), ("content-type", "application/offset+octet-stream")];
        assert_eq!(ask(http, "PATCH", &upload, &headers, part.clone()).await.0, 204);
        offset += part.len();
    }
    assert_eq!(offset, SIZE);
    upload
}

/// The status of the answer, and where it points to.
async fn ask(
    http: &Http,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> (u16, Option<String>) {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).expect("the request is one");
    let answer = http.request(request).await.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
    let status = answer.status().as_u16();
    let location = answer.headers().get("location").map(|value| value.to_str().expect("text").to_owned());
    answer.into_body().collect().await.expect("the answer ends");
    (status, location)
}

/// A server that does nothing but write the body of each request to a file in this folder, by the name that is asked for, and
/// see it onto the disk. A new file each time, as at the relay: memory that the system has used for files before is faster.
async fn serve(folder: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let folder = folder.clone();
            tokio::spawn(async move {
                let put = service_fn(move |request| put(request, folder.clone()));
                // The client goes away at the end.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), put).await;
            });
        }
    });
    address
}

async fn put(request: Request<Incoming>, folder: PathBuf) -> Result<Response<Empty<Bytes>>, Infallible> {
    let file = folder.join(request.uri().path().trim_start_matches('/'));
    let (pieces, mut to_write) = channel::<Bytes>(8);
    let writing = spawn_blocking(move || {
        let mut file = std::fs::File::create(file)?;
        while let Some(piece) = to_write.blocking_recv() {
            file.write_all(&piece)?;
        }
        file.sync_data()
    });
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.expect("the client sends it whole");
        pieces.send(frame.into_data().expect("there are no trailers")).await.expect("the file is written");
    }
    drop(pieces);
    writing.await.expect("nothing panics there").expect("the disk has room");
    let answer = Response::builder().status(201).body(Empty::new());
    Ok(answer.expect("the answer is one"))
}
