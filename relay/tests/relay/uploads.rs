//! Uploads as a tus client makes them: whole, broken off, refused.

use std::path::Path;
use std::time::Duration;

use chanterelle_relay::settings::Keys;
use data_encoding::BASE64;
use sha2::Digest as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::http::{Answer, get, parse, raw, request, send};
use crate::support::program::Running;
use crate::support::tus::{
    STREAM, TUS, UPLOADS, content, create, creation, head, id_of, offset, patch, upload,
};
use crate::support::{TestRelay, until};

/// The bytes that are under way in a data folder.
fn staged(data: &Path) -> usize {
    std::fs::read_dir(data.join("media/partial")).expect("the folder is there").count()
}

async fn file(address: std::net::SocketAddr, id: impl std::fmt::Display) -> Answer {
    get(address, &format!("/media/{id}"), &[]).await
}

#[tokio::test]
async fn a_client_learns_what_can_be_done() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    for path in [UPLOADS.to_owned(), format!("{UPLOADS}/"), format!("{UPLOADS}/{}", "0".repeat(32))] {
        let answer = request(address, "OPTIONS", &path, &["origin: https://elsewhere.example"]).await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("tus-version"), Some("1.0.0"));
        let extensions = "creation,creation-with-upload,checksum,termination,expiration,concatenation";
        assert_eq!(answer.header("tus-extension"), Some(extensions));
        assert_eq!(answer.header("tus-checksum-algorithm"), Some("sha1,sha256,blake3"));
        assert_eq!(answer.header("tus-max-size"), Some("1073741824"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let methods = answer.header("access-control-allow-methods").expect("a page may ask");
        assert!(["POST", "HEAD", "PATCH", "DELETE"].iter().all(|method| methods.contains(method)));
    }
    let info = get(address, "/api/v1/info", &[]).await.json();
    assert_eq!(info["limits"]["upload_bytes"], 1 << 30);
    assert_eq!(info["limits"]["blob_bytes"], 1_u64 << 32);
    assert_eq!(info["media"]["uploads"], "anyone");
    relay.stop().await;
}

#[tokio::test]
async fn a_file_comes_in_pieces_and_is_there_under_its_hash() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let bytes = content(1, 700_000);
    let metadata = "filename Y2F0LnBuZw==,secret";
    let created = creation(address, bytes.len(), &[&format!("upload-metadata: {metadata}")]).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.header("upload-offset"), Some("0"));
    let path = created.header("location").expect("an upload has a place");
    for (from, to) in [(0, 1), (1, 300_000), (300_000, 300_000), (300_000, 699_999)] {
        let answer = patch(address, path, from, &bytes[from..to], &[]).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("upload-offset"), Some(to.to_string().as_str()));
        assert!(answer.header("upload-expires").is_some_and(|date| date.ends_with(" GMT")));
        let state = head(address, path).await;
        assert_eq!(state.header("upload-offset"), answer.header("upload-offset"));
        assert_eq!(state.header("upload-length"), Some("700000"));
        assert_eq!(state.header("upload-metadata"), Some(metadata));
        assert_eq!(state.header("cache-control"), Some("no-store"));
        assert_eq!(state.header("chanterelle-blob"), None);
    }
    let id = id_of(&bytes).to_string();
    let url = format!("/media/{id}");
    let last = patch(address, path, 699_999, &bytes[699_999..], &[]).await;
    let nothing = patch(address, path, 700_000, &[], &[]).await;
    assert_eq!((last.status, nothing.status), (204, 204));
    for answer in [last, nothing, head(address, path).await] {
        assert_eq!(answer.header("upload-offset"), Some("700000"));
        assert_eq!(answer.header("chanterelle-blob"), Some(id.as_str()));
        assert_eq!(answer.header("chanterelle-url"), Some(url.as_str()));
    }
    let wrong = format!("upload-checksum: sha256 {}", BASE64.encode(&[0; 32]));
    for (body, headers, status) in [(&b"x"[..], vec![], 413), (&[], vec![wrong.as_str()], 460)] {
        assert_eq!(patch(address, path, 700_000, body, &headers).await.status, status);
    }
    assert_eq!(file(address, &id).await.body, bytes);
    assert_eq!(staged(relay.data.path()), 0);
    // The same again is the same file.
    assert_eq!(upload(address, &bytes).await.to_string(), id);
    assert_eq!(staged(relay.data.path()), 0);
    let text = relay.app.metrics().encode();
    for line in [
        "chanterelle_blobs 1",
        "chanterelle_blob_bytes 700000",
        "chanterelle_uploads_total{reason=\"completed\"} 2",
        "chanterelle_upload_bytes_total 1400000",
        "chanterelle_media_served_bytes_total 700000",
    ] {
        assert!(text.contains(line), "{line} is missing from\n{text}");
    }
    relay.stop().await;
}

#[tokio::test]
async fn the_first_bytes_may_come_with_the_creation() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let bytes = content(2, 100_000);
    let length = "upload-length: 100000";
    let whole = send(address, "POST", UPLOADS, &[TUS, STREAM, length], &bytes).await;
    assert_eq!((whole.status, whole.header("upload-offset")), (201, Some("100000")));
    assert_eq!(whole.header("chanterelle-blob"), Some(id_of(&bytes).to_string().as_str()));
    let part = send(address, "POST", UPLOADS, &[TUS, STREAM, length], &bytes[..10]).await;
    assert_eq!((part.status, part.header("upload-offset")), (201, Some("10")));
    let path = part.header("location").expect("an upload has a place");
    assert_eq!(patch(address, path, 10, &bytes[10..], &[]).await.status, 204);
    let wrong = format!("upload-checksum: sha256 {}", BASE64.encode(&[0; 32]));
    for (headers, body, status) in [
        (vec![TUS, "content-type: text/plain", length], &bytes[..10], 415),
        (vec![TUS, STREAM, "upload-length: 9"], &bytes[..10], 413),
        (vec![TUS, STREAM, length, &wrong], &bytes[..10], 460),
    ] {
        let refused = send(address, "POST", UPLOADS, &headers, body).await;
        assert_eq!((refused.status, refused.header("location")), (status, None));
        assert_eq!(refused.header("tus-resumable"), Some("1.0.0"));
    }
    assert_eq!(staged(relay.data.path()), 0, "nothing is left of what was refused");
    relay.stop().await;
}

#[tokio::test]
async fn a_body_needs_no_announced_length() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let bytes = content(3, 5_000);
    let path = create(address, bytes.len()).await;
    let mut message = format!(
        "PATCH {path} HTTP/1.1\r\nhost: relay.test\r\nconnection: close\r\n{TUS}\r\n{STREAM}\r\nupload-offset: 0\r\n\
         transfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for piece in bytes.chunks(1_000) {
        message.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        message.extend(piece);
        message.extend(b"\r\n");
    }
    message.extend(b"0\r\n\r\n");
    let answer = raw(address, &message).await;
    assert_eq!((answer.status, answer.header("upload-offset")), (204, Some("5000")));
    assert_eq!(file(address, id_of(&bytes)).await.body, bytes);
    relay.stop().await;
}

/// Method, path, headers and body of a request, and the status and code of its answer.
type Case<'a> = (&'a str, &'a str, Vec<&'a str>, &'a [u8], u16, &'a str);

#[tokio::test]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let relay = TestRelay::with(Keys { max_blob_mib: Some(20), ..Keys::default() }).await;
    let address = relay.app.address();
    let path = &create(address, 12_000_000).await;
    assert_eq!(patch(address, path, 0, b"abc", &[]).await.status, 204);
    let absent = &format!("{UPLOADS}/{}", "0".repeat(32));
    let large = vec![0; 10_000_001];
    let long = format!("upload-metadata: a {}", "YWFh".repeat(2_000));
    let at = "upload-offset: 3";
    let cases: Vec<Case<'_>> = vec![
        ("POST", UPLOADS, vec!["upload-length: 1"], b"", 412, "tus_version"),
        ("POST", UPLOADS, vec!["tus-resumable: 0.2.2", "upload-length: 1"], b"", 412, "tus_version"),
        ("POST", UPLOADS, vec![TUS], b"", 400, "bad_request"),
        ("POST", UPLOADS, vec![TUS, "upload-length: -1"], b"", 400, "bad_request"),
        ("POST", UPLOADS, vec![TUS, "upload-length: 0"], b"", 400, "bad_request"),
        ("POST", UPLOADS, vec![TUS, "upload-defer-length: 1"], b"", 400, "bad_request"),
        ("POST", UPLOADS, vec![TUS, "upload-length: 1", "upload-metadata: a !"], b"", 400, "bad_request"),
        ("POST", UPLOADS, vec![TUS, "upload-length: 1", &long], b"", 400, "bad_request"),
        ("POST", UPLOADS, vec![TUS, "upload-length: 1", "upload-concat: half"], b"", 400, "bad_request"),
        (
            "POST",
            UPLOADS,
            vec![TUS, "upload-length: 1", "authorization: Basic YQ=="],
            b"",
            401,
            "unauthorized",
        ),
        ("POST", UPLOADS, vec![TUS, "upload-length: 20971521"], b"", 413, "too_large"),
        ("POST", UPLOADS, vec![TUS, "upload-length: 99999999999999999999"], b"", 413, "too_large"),
        ("HEAD", UPLOADS, vec![TUS], b"", 405, ""),
        ("GET", path, vec![TUS], b"", 405, "method_not_allowed"),
        ("PUT", path, vec![TUS, STREAM, at], b"def", 405, "method_not_allowed"),
        ("HEAD", path, vec![], b"", 412, ""),
        ("HEAD", absent, vec![TUS], b"", 404, ""),
        ("PATCH", absent, vec![TUS, STREAM, at], b"def", 404, "not_found"),
        ("PATCH", "/api/v1/uploads/nonsense", vec![TUS, STREAM, at], b"def", 404, "not_found"),
        ("DELETE", absent, vec![TUS], b"", 404, "not_found"),
        ("PATCH", path, vec![TUS, at], b"def", 415, "wrong_type"),
        ("PATCH", path, vec![TUS, at, "content-type: application/octet-stream"], b"def", 415, "wrong_type"),
        ("PATCH", path, vec![TUS, STREAM], b"def", 400, "bad_request"),
        ("PATCH", path, vec![TUS, STREAM, "upload-offset: three"], b"def", 400, "bad_request"),
        ("PATCH", path, vec![TUS, STREAM, "upload-offset: 0"], b"def", 409, "wrong_offset"),
        ("PATCH", path, vec![TUS, STREAM, "upload-offset: 4"], b"def", 409, "wrong_offset"),
        ("PATCH", path, vec![TUS, STREAM, at, "upload-checksum: md5 AAAA"], b"def", 400, "bad_request"),
        ("PATCH", path, vec![TUS, STREAM, at, "upload-checksum: sha1"], b"def", 400, "bad_request"),
    ];
    for (method, path, headers, body, status, code) in cases {
        let answer = send(address, method, path, &headers, body).await;
        assert_eq!(answer.status, status, "{method} {path} {headers:?}");
        assert_eq!(answer.header("tus-resumable"), Some("1.0.0"), "{method} {path} {headers:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        if !code.is_empty() {
            assert_eq!(answer.error_code(), code, "{method} {path} {headers:?}");
        }
        assert_eq!(answer.header("tus-version").is_some(), status == 412);
    }
    // The announced body is never sent, since the answer comes before.
    let announced = ["content-length: 10000001", TUS, STREAM, at];
    let answer = request(address, "PATCH", path, &announced).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (413, "too_large"));
    // More than the upload has left.
    let small = create(address, 3).await;
    let answer = patch(address, &small, 0, b"abcd", &[]).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (413, "too_large"));
    // Of which nobody said how large it is: a client may stop to listen, so it may not hear why.
    let head_of = format!(
        "PATCH {path} HTTP/1.1\r\nhost: a\r\n{TUS}\r\n{STREAM}\r\n{at}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).await.expect("the relay listens");
    stream.write_all(head_of.as_bytes()).await.expect("the relay reads");
    let _ = stream.write_all(&[format!("{:x}\r\n", large.len()).as_bytes(), &large].concat()).await;
    drop(stream);
    until("what was too large is over", async || {
        patch(address, path, 12_000_000, b"", &[]).await.status == 409
    })
    .await;
    assert!(offset(address, path).await <= 10_000_003);
    relay.stop().await;
}

#[tokio::test]
async fn a_wrong_checksum_leaves_the_upload_as_it_was() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let bytes = content(4, 600_000);
    let path = create(address, bytes.len()).await;
    let sum = |algorithm: &str, bytes: &[u8]| {
        let checksum = match algorithm {
            "sha1" => <sha1::Sha1 as sha1::Digest>::digest(bytes).to_vec(),
            "sha256" => sha2::Sha256::digest(bytes).to_vec(),
            _ => blake3::hash(bytes).as_bytes().to_vec(),
        };
        format!("upload-checksum: {algorithm} {}", BASE64.encode(&checksum))
    };
    for (algorithm, from) in [("sha1", 0), ("sha256", 200_000), ("blake3", 400_000)] {
        let piece = &bytes[from..from + 200_000];
        let mut broken = piece.to_vec();
        broken[199_999] ^= 1;
        let header = sum(algorithm, piece);
        let refused = patch(address, &path, from, &broken, &[&header]).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (460, "checksum_mismatch"));
        assert_eq!(offset(address, &path).await, from);
        let file = relay.data.path().join("media/partial").join(path.rsplit('/').next().expect("an id"));
        assert_eq!(file.metadata().expect("the file is there").len(), from as u64);
        assert_eq!(patch(address, &path, from, piece, &[&header]).await.status, 204);
    }
    assert_eq!(file(address, id_of(&bytes)).await.body, bytes);
    relay.stop().await;
}

#[tokio::test]
async fn an_upload_goes_on_after_a_crash_where_it_was() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut running = Running::start(data.path());
    let bytes = content(5, 3_000_000);
    let path = create(running.address, bytes.len()).await;
    assert_eq!(patch(running.address, &path, 0, &bytes[..1_000_000], &[]).await.status, 204);
    // A request that the crash cuts off: what came of it may count or not.
    let mut stream = TcpStream::connect(running.address).await.expect("the relay listens");
    let head_of = format!(
        "PATCH {path} HTTP/1.1\r\nhost: a\r\n{TUS}\r\n{STREAM}\r\nupload-offset: 1000000\r\n\
         content-length: 1000000\r\n\r\n"
    );
    stream.write_all(head_of.as_bytes()).await.expect("the relay reads");
    stream.write_all(&bytes[1_000_000..1_600_000]).await.expect("the relay reads");
    let file_of = data.path().join("media/partial").join(path.rsplit('/').next().expect("an id"));
    until("bytes reach the disk", async || file_of.metadata().is_ok_and(|file| file.len() > 1_000_000)).await;
    running.kill();
    let again = Running::start(data.path());
    let from = offset(again.address, &path).await;
    assert!((1_000_000..=1_600_000).contains(&from), "{from}");
    assert_eq!(patch(again.address, &path, from, &bytes[from..], &[]).await.status, 204);
    let found = file(again.address, id_of(&bytes)).await;
    assert_eq!((found.status, found.body == bytes), (200, true));
}

#[tokio::test]
async fn what_the_database_does_not_take_is_taken_later() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let database =
        sqlx::sqlite::SqliteConnectOptions::new().filename(relay.data.path().join("chanterelle.db"));
    let database = sqlx::SqlitePool::connect_with(database).await.expect("the database opens");
    let change = async |statement: &'static str| {
        sqlx::query(statement).execute(&database).await.expect("the table is there");
    };
    let bytes = content(9, 100_000);
    let id = id_of(&bytes).to_string();
    // Not there yet, and there already by another upload.
    for uploads in [1, 2] {
        let path = create(address, bytes.len()).await;
        change("CREATE TRIGGER refuse BEFORE UPDATE OF blob ON uploads BEGIN SELECT RAISE(ABORT, 'no'); END")
            .await;
        let refused = patch(address, &path, 0, &bytes, &[]).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"));
        assert_eq!(head(address, &path).await.status, 503, "and again");
        change("DROP TRIGGER refuse").await;
        let state = head(address, &path).await;
        assert_eq!((state.status, state.header("chanterelle-blob")), (200, Some(id.as_str())));
        assert_eq!(file(address, &id).await.body, bytes);
        let known = get(address, &format!("/api/v1/content/{id}"), &[]).await.json();
        assert_eq!(known["pins"]["uploads"].as_array().map(Vec::len), Some(uploads));
        assert_eq!(staged(relay.data.path()), 0);
        let folder = relay.data.path().join("media/blobs").join(&id[..2]);
        assert_eq!(
            std::fs::read_dir(folder).expect("the folder is there").count(),
            2,
            "the file and its tree"
        );
    }
    database.close().await;
    relay.stop().await;
}

#[tokio::test]
async fn what_came_of_a_request_that_broke_off_counts() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let bytes = content(6, 1_000_000);
    let path = create(address, bytes.len()).await;
    let begin = async |more: &str, bytes: &[u8]| {
        let mut stream = TcpStream::connect(address).await.expect("the relay listens");
        let head_of = format!(
            "PATCH {path} HTTP/1.1\r\nhost: a\r\n{TUS}\r\n{STREAM}\r\n{more}\r\ncontent-length: 900000\r\n\r\n"
        );
        stream.write_all(head_of.as_bytes()).await.expect("the relay reads");
        // One that is refused need not be read.
        let _ = stream.write_all(bytes).await;
        stream
    };
    let mut begun = Vec::new();
    until("the upload is taken", async || {
        // The other request may come first, and then this one is refused.
        begun.push(begin("upload-offset: 0", &bytes[..400_000]).await);
        let other = patch(address, &path, 0, b"", &[]).await;
        if other.status == 423 {
            assert_eq!(other.error_code(), "locked");
            assert_eq!(request(address, "DELETE", &path, &[TUS]).await.status, 423);
        }
        other.status == 423
    })
    .await;
    drop(begun);
    until("what came counts", async || offset(address, &path).await == 400_000).await;
    // With a checksum nothing of a part counts.
    let sum = format!("upload-offset: 400000\r\nupload-checksum: sha1 {}", BASE64.encode(&[0; 20]));
    drop(begin(&sum, &bytes[400_000..500_000]).await);
    until("the upload is free again", async || {
        patch(address, &path, 400_000, &bytes[400_000..400_001], &[]).await.status == 204
    })
    .await;
    assert_eq!(patch(address, &path, 400_001, &bytes[400_001..], &[]).await.status, 204);
    assert_eq!(file(address, id_of(&bytes)).await.body, bytes);
    relay.stop().await;
}

#[tokio::test]
async fn parts_are_joined_in_the_order_they_are_named() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let bytes = content(7, 500_000);
    let mut paths = Vec::new();
    for piece in [&bytes[..200_000], &bytes[200_000..]] {
        let created = creation(address, piece.len(), &["upload-concat: partial"]).await;
        let path = created.header("location").expect("an upload has a place").to_owned();
        let refused = format!("upload-concat: final;{path}");
        let early = request(address, "POST", UPLOADS, &[TUS, &refused, "content-length: 0"]).await;
        assert_eq!(early.error_code(), "bad_request", "it is not whole");
        let done = patch(address, &path, 0, piece, &[]).await;
        assert_eq!((done.status, done.header("chanterelle-blob")), (204, None), "a part is no file");
        assert_eq!(head(address, &path).await.header("upload-concat"), Some("partial"));
        paths.push(path);
    }
    let join = async |order: [usize; 2]| {
        let urls = format!("final;{} http://relay.test{}", paths[order[0]], paths[order[1]]);
        let concat = format!("upload-concat: {urls}");
        let whole = request(address, "POST", UPLOADS, &[TUS, &concat, "content-length: 0"]).await;
        assert_eq!(whole.status, 201, "{}", String::from_utf8_lossy(&whole.body));
        let path = whole.header("location").expect("an upload has a place").to_owned();
        let state = head(address, &path).await;
        assert_eq!(state.header("upload-length"), Some("500000"));
        assert_eq!(state.header("upload-offset"), Some("500000"));
        assert_eq!(state.header("upload-concat"), Some(urls.as_str()));
        let refused = patch(address, &path, 500_000, b"", &[]).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (403, "final_upload"));
        state.header("chanterelle-blob").expect("it is a file").to_owned()
    };
    let id = join([0, 1]).await;
    assert_eq!(id, id_of(&bytes).to_string());
    assert_eq!(file(address, &id).await.body, bytes);
    let turned = [&bytes[200_000..], &bytes[..200_000]].concat();
    assert_eq!(join([1, 0]).await, id_of(&turned).to_string(), "parts may be used again for a while");
    let twice = format!("upload-concat: final;{} {}", paths[0], paths[0]);
    let twice = request(address, "POST", UPLOADS, &[TUS, &twice, "content-length: 0"]).await;
    assert!(twice.error_code() == "bad_request" && twice.text().contains("twice"), "{}", twice.text());
    let final_of_final = format!("upload-concat: final;{UPLOADS}/{}", "0".repeat(32));
    let absent = request(address, "POST", UPLOADS, &[TUS, &final_of_final, "content-length: 0"]).await;
    assert_eq!(absent.error_code(), "bad_request");
    relay.stop().await;
}

#[tokio::test]
async fn an_upload_that_rests_too_long_is_thrown_away() {
    let relay = TestRelay::with(Keys { upload_seconds: Some(1), ..Keys::default() }).await;
    let address = relay.app.address();
    let path = create(address, 10).await;
    assert_eq!(patch(address, &path, 0, b"abc", &[]).await.status, 204);
    until("the upload has expired", async || head(address, &path).await.status == 410).await;
    let late = patch(address, &path, 3, b"def", &[]).await;
    assert_eq!((late.status, late.error_code().as_str()), (410, "expired"));
    until("its bytes are gone", async || staged(relay.data.path()) == 0).await;
    assert_eq!(head(address, &path).await.status, 410, "that it was there is remembered");
    relay.stop().await;
}

#[tokio::test]
async fn an_upload_that_is_being_written_does_not_expire() {
    let relay = TestRelay::with(Keys { upload_seconds: Some(1), ..Keys::default() }).await;
    let address = relay.app.address();
    let bytes = content(10, 8_000);
    let path = create(address, bytes.len()).await;
    let mut stream = TcpStream::connect(address).await.expect("the relay listens");
    let head_of = format!(
        "PATCH {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{TUS}\r\n{STREAM}\r\nupload-offset: 0\r\n\
         content-length: 8000\r\n\r\n"
    );
    stream.write_all(head_of.as_bytes()).await.expect("the relay reads");
    // Longer than it may rest, and the clean-up comes by every second.
    for piece in bytes.chunks(2_000) {
        stream.write_all(piece).await.expect("the relay reads");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the relay answers");
    assert_eq!(parse(&answer).status, 204);
    let metrics = relay.app.metrics().encode();
    assert!(!metrics.contains("uploads_total{reason=\"expired\"}"), "{metrics}");
    assert_eq!(file(address, id_of(&bytes)).await.body, bytes);
    relay.stop().await;
}

#[tokio::test]
async fn an_upload_can_be_ended_and_lets_go_of_its_file() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let path = create(address, 10).await;
    assert_eq!(patch(address, &path, 0, b"abc", &[]).await.status, 204);
    assert_eq!(request(address, "DELETE", &path, &[TUS]).await.status, 204);
    assert_eq!(head(address, &path).await.status, 404);
    assert_eq!(staged(relay.data.path()), 0);
    let whole = send(address, "POST", UPLOADS, &[TUS, STREAM, "upload-length: 3"], b"abc").await;
    let path = whole.header("location").expect("an upload has a place").to_owned();
    let override_of = [TUS, "x-http-method-override: DELETE", "content-length: 0"];
    let again = send(address, "POST", UPLOADS, &[TUS, STREAM, "upload-length: 3"], b"abc").await;
    assert_eq!(request(address, "POST", &path, &override_of).await.status, 204);
    assert_eq!(file(address, id_of(b"abc")).await.status, 200, "another upload keeps it");
    let path = again.header("location").expect("an upload has a place");
    assert_eq!(request(address, "DELETE", path, &[TUS]).await.status, 204);
    assert_eq!(file(address, id_of(b"abc")).await.status, 404, "what nobody has to answer for does not stay");
    relay.stop().await;
}
