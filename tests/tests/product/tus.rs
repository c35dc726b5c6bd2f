//! Clients of tus that others wrote, tuspy and tus-js-client, upload to our relay; and what neither does, by hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use chanterelle_e2e::files;
use chanterelle_e2e::http::{self, Answer};
use chanterelle_e2e::place;
use chanterelle_e2e::process::Process;
use chanterelle_e2e::relay::Relay;
use chanterelle_e2e::wait;
use data_encoding::BASE64;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Bytes of the file, which is no multiple of anything.
const SIZE: usize = 3_456_789;

/// What a relay of these tests takes, MiB.
const MOST: usize = 4;

/// A relay, a file to upload, and one that is too large for it.
struct Bench {
    relay: Relay,
    folder: TempDir,
    bytes: Vec<u8>,
}

impl Bench {
    async fn new(name: &str) -> Bench {
        let (data, folder) = (TempDir::new(), TempDir::new());
        let [data, folder] =
            [data, folder].map(|made| made.expect("the system has room for a temporary folder"));
        let settings = ["--max-blob-mib", &MOST.to_string()];
        let relay = Relay::start_on(data, &settings, &place::artifacts(name).join("relay.log")).await;
        let bytes = files::noise(1, SIZE);
        files::write(folder.path(), "file", &bytes);
        files::write(folder.path(), "large", &vec![7; (MOST + 1) * 1024 * 1024]);
        Bench { relay, folder, bytes }
    }

    fn uploads(&self) -> String {
        self.relay.url("/api/v1/uploads")
    }

    /// Runs a client, and gives what it says.
    async fn run(&self, mut client: Command) -> Value {
        let [file, large, output] = ["file", "large", "output"].map(|name| self.folder.path().join(name));
        let client = Process::start("the client", client.arg(self.uploads()).args([file, large]), &output);
        let status = wait::until("the client to end", async || {
            client.ended().ok_or_else(|| "it still runs".to_owned())
        });
        let status = status.await;
        let said = std::fs::read_to_string(&output).expect("the client says something");
        assert!(status.success(), "{said}");
        // Warnings may stand above it.
        let told = said.trim_end().lines().last().unwrap_or_default();
        serde_json::from_str(told).unwrap_or_else(|error| panic!("{error} in {said:?}"))
    }

    /// The file is there, as it was, and the upload at this URL is it.
    async fn has_it(&self, url: &Value) {
        let url = url.as_str().expect("an upload has a URL");
        let id = files::id(&self.bytes);
        let upload = send("HEAD", url, &[], b"").await;
        assert_eq!((upload.status, upload.header("chanterelle-blob")), (200, id.as_str()));
        assert_eq!(upload.header("upload-offset"), SIZE.to_string());
        let file = self.relay.get(&format!("/media/{id}")).await;
        assert_eq!(file.status, 200);
        assert!(file.body == self.bytes, "to the last byte");
    }
}

/// A request of tus.
pub(crate) async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers = [&[("tus-resumable", "1.0.0")], headers].concat();
    http::send(method, url, &headers, body).await.unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

async fn append(url: &str, offset: usize, bytes: &[u8], more: &[(&str, &str)]) -> Answer {
    let offset = offset.to_string();
    let headers =
        [&[("content-type", "application/offset+octet-stream"), ("upload-offset", &offset)], more].concat();
    send("PATCH", url, &headers, bytes).await
}

/// What a test needs, if it is here; else the test is skipped and says so, or fails where everything must run.
fn needed(name: &str, found: Result<PathBuf, String>) -> Option<PathBuf> {
    found
        .inspect_err(|reason| {
            assert!(!place::must_run(), "{name}: {reason}");
            println!("skipped: {name}: {reason}");
        })
        .ok()
}

#[tokio::test]
async fn py_client_uploads_goes_on_and_is_refused() {
    let name = "py_client_uploads_goes_on_and_is_refused";
    let Some(python) = needed(name, place::tuspy()) else { return };
    let bench = Bench::new(name).await;
    let mut client = Command::new(python);
    client.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tus/client.py"));
    let told = bench.run(client).await;
    for (about, offset) in [("whole", SIZE), ("resumed", SIZE)] {
        bench.has_it(&told[about][0]).await;
        assert_eq!(told[about][1], offset, "{told}");
    }
    assert_eq!(told["resumed_at"], 2 * 1024 * 1024, "{told}");
    assert_eq!((&told["wrong_offset"], &told["after_wrong_offset"]), (&409.into(), &(1024 * 1024).into()));
    assert_eq!((&told["damaged"], &told["after_damaged"]), (&460.into(), &(1024 * 1024).into()), "{told}");
    assert_eq!(told["too_large"], 413, "{told}");
}

#[tokio::test]
async fn js_client_uploads_goes_on_joins_and_ends() {
    let name = "js_client_uploads_goes_on_joins_and_ends";
    let Some(bundles) = needed(name, place::interop()) else { return };
    let bench = Bench::new(name).await;
    let mut client = Command::new("node");
    client.arg(bundles.join("tus.cjs"));
    let told = bench.run(client).await;
    for about in ["whole", "resumed", "parallel", "withData"] {
        bench.has_it(&told[about]).await;
    }
    let [interrupted, resumed] =
        ["interruptedAt", "resumedAt"].map(|about| told[about].as_u64().expect("a number of bytes"));
    assert!(interrupted > 0 && interrupted < SIZE as u64 && resumed >= interrupted, "{told}");
    let terminated = told["terminated"].as_str().expect("an upload has a URL");
    assert_eq!(send("HEAD", terminated, &[], b"").await.status, 404);
    assert_eq!(told["tooLarge"], 413, "{told}");
}

#[tokio::test]
async fn what_is_damaged_on_the_way_leaves_an_upload_where_it_was() {
    let bench = Bench::new("what_is_damaged_on_the_way_leaves_an_upload_where_it_was").await;
    let made = send("POST", &bench.uploads(), &[("upload-length", &SIZE.to_string())], b"").await;
    assert_eq!(made.status, 201);
    let url = bench.relay.url(made.header("location"));
    let (first, rest) = bench.bytes.split_at(1_000_000);
    assert_eq!(append(&url, 0, first, &[]).await.status, 204);

    let checksum = format!("sha256 {}", BASE64.encode(&Sha256::digest(rest)));
    let mut damaged = rest.to_vec();
    damaged[1_234_567] ^= 1;
    let refused = append(&url, first.len(), &damaged, &[("upload-checksum", &checksum)]).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (460, &"checksum_mismatch".into()));
    let offset = send("HEAD", &url, &[], b"").await;
    assert_eq!(offset.header("upload-offset"), first.len().to_string());

    let wrong = append(&url, first.len() + 1, &rest[1..], &[]).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (409, &"wrong_offset".into()));
    let beyond = append(&url, first.len(), &[rest, b"more"].concat(), &[]).await;
    assert_eq!((beyond.status, &beyond.json()["error"]["code"]), (413, &"too_large".into()));
    assert_eq!(append(&url, first.len(), rest, &[("upload-checksum", &checksum)]).await.status, 204);
    bench.has_it(&url.clone().into()).await;

    let other = send("POST", &bench.uploads(), &[("upload-length", "100")], b"").await;
    let other = bench.relay.url(other.header("location"));
    assert_eq!(append(&other, 0, &first[..50], &[]).await.status, 204);
    assert_eq!(send("DELETE", &other, &[], b"").await.status, 204);
    for method in ["HEAD", "DELETE"] {
        assert_eq!(send(method, &other, &[], b"").await.status, 404, "{method}");
    }
}
