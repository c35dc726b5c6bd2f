//! How much may be uploaded, by whom, and what it takes of the relay.

use std::time::{SystemTime, UNIX_EPOCH};

use chanterelle_core::base::Seconds;
use chanterelle_core::crypto::{SecretKey, upload_request_hash};
use chanterelle_relay::net::key::core_peer;
use chanterelle_relay::settings::Keys;
use data_encoding::HEXLOWER;

use crate::support::http::{get, raw, request, send};
use crate::support::program::Running;
use crate::support::tus::{STREAM, TUS, UPLOADS, content, create, creation, head, offset, patch, upload};
use crate::support::{TestRelay, until};

/// The header by which the key of `seed` signs a creation.
fn signed(relay: &TestRelay, seed: u8, length: u64) -> String {
    let key = SecretKey::from_seed([seed; 32]);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let peer = core_peer(&relay.app.peer()).expect("the relay's key is Ed25519");
    let hash = upload_request_hash(&peer, "POST", UPLOADS, length, Seconds(time));
    let signature = HEXLOWER.encode(&key.sign_hash(&hash).0);
    format!("authorization: Chanterelle key={},time={time},signature={signature}", key.public())
}

#[tokio::test]
async fn authors_sign_where_the_operator_wants_to_know_whose_it_is() {
    let keys = Keys { uploads: Some("authors".to_owned()), media_mib_per_author: Some(1), ..Keys::default() };
    let relay = TestRelay::with(keys).await;
    let address = relay.app.address();
    let unsigned = creation(address, 3, &[]).await;
    assert_eq!((unsigned.status, unsigned.error_code().as_str()), (401, "unauthorized"));
    assert_eq!(unsigned.header("www-authenticate"), Some("Chanterelle"));
    let other_length = creation(address, 4, &[&signed(&relay, 1, 3)]).await;
    assert_eq!(other_length.error_code(), "unauthorized");
    let created = creation(address, 700_000, &[&signed(&relay, 1, 700_000)]).await;
    assert_eq!(created.status, 201);
    let path = created.header("location").expect("an upload has a place");
    let full = creation(address, 700_000, &[&signed(&relay, 1, 700_000)]).await;
    assert_eq!((full.status, full.error_code().as_str()), (507, "quota_exceeded"));
    assert_eq!(creation(address, 700_000, &[&signed(&relay, 2, 700_000)]).await.status, 201);
    // The URL is enough to go on, but who signs must be the one.
    assert_eq!(patch(address, path, 0, b"abc", &[]).await.status, 204);
    let key = SecretKey::from_seed([2; 32]);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let peer = core_peer(&relay.app.peer()).expect("the relay's key is Ed25519");
    let hash = upload_request_hash(&peer, "DELETE", path, 0, Seconds(time));
    let signature = HEXLOWER.encode(&key.sign_hash(&hash).0);
    let foreign =
        format!("authorization: Chanterelle key={},time={time},signature={signature}", key.public());
    let refused = request(address, "DELETE", path, &[TUS, &foreign]).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (403, "not_owner"));
    relay.stop().await;
    let relay = TestRelay::with(Keys { uploads: Some("nobody".to_owned()), ..Keys::default() }).await;
    assert_eq!(creation(relay.app.address(), 3, &[]).await.error_code(), "uploads_off");
    relay.stop().await;
}

#[tokio::test]
async fn what_is_full_takes_nothing_new_and_gives_what_it_has() {
    let keys = Keys { media_mib_per_address: Some(1), media_grace_seconds: Some(0), ..Keys::default() };
    let relay = TestRelay::with(keys).await;
    let address = relay.app.address();
    let bytes = content(8, 700_000);
    let id = upload(address, &bytes).await;
    let refused = creation(address, 700_000, &[]).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (507, "quota_exceeded"));
    let less = creation(address, 300_000, &[]).await;
    let path = less.header("location").expect("there is room for less").to_owned();
    assert_eq!(get(address, &format!("/media/{id}"), &[]).await.body, bytes);
    let data = relay.stop().await;
    let keys = Keys { max_media_mib: Some(1), ..Keys::default() };
    let relay = TestRelay::on(data, keys).await;
    let address = relay.app.address();
    let refused = creation(address, 100_000, &[]).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (507, "insufficient_storage"));
    assert_eq!(get(address, &format!("/media/{id}"), &[]).await.body, bytes);
    let data = relay.stop().await;
    // As if the disk were full.
    let keys = Keys { media_free_mib: Some(u32::MAX), ..Keys::default() };
    let relay = TestRelay::on(data, keys).await;
    let address = relay.app.address();
    let refused = creation(address, 1, &[]).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (507, "insufficient_storage"));
    // Nobody said how much comes.
    let message = format!(
        "PATCH {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{TUS}\r\n{STREAM}\r\nupload-offset: 0\r\n\
         transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    );
    let refused = raw(address, message.as_bytes()).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (507, "insufficient_storage"));
    assert_eq!(offset(address, &path).await, 0);
    assert_eq!(get(address, &format!("/media/{id}"), &[]).await.body, bytes);
    relay.stop().await;
}

#[tokio::test]
async fn what_is_joined_counts_like_everything_else() {
    let keys = Keys { media_mib_per_address: Some(2), ..Keys::default() };
    let relay = TestRelay::with(keys).await;
    let address = relay.app.address();
    let mut parts = Vec::new();
    for seed in [60, 61] {
        let created = creation(address, 500_000, &["upload-concat: partial"]).await;
        let path = created.header("location").expect("an upload has a place").to_owned();
        assert_eq!(patch(address, &path, 0, &content(seed, 500_000), &[]).await.status, 204);
        parts.push(path);
    }
    let join = async |first: usize, second: usize| {
        let concat = format!("upload-concat: final;{} {}", parts[first], parts[second]);
        request(address, "POST", UPLOADS, &[TUS, &concat, "content-length: 0"]).await
    };
    assert_eq!(join(0, 1).await.status, 201, "the parts are there already");
    let again = join(1, 0).await;
    assert_eq!(again.status, 201, "{}", again.text());
    let third = join(1, 0).await;
    assert_eq!((third.status, third.error_code().as_str()), (507, "quota_exceeded"));
    assert_eq!(creation(address, 500_000, &[]).await.error_code(), "quota_exceeded");
    relay.stop().await;
}

#[tokio::test]
async fn a_small_upload_counts_for_what_is_kept_of_it() {
    let keys = Keys { media_mib_per_address: Some(1), upload_seconds: Some(1), ..Keys::default() };
    let relay = TestRelay::with(keys).await;
    let address = relay.app.address();
    let small = async || creation(address, 1, &["upload-metadata: filename YQ=="]).await;
    let path = small().await.header("location").expect("an upload has a place").to_owned();
    // One and the same file, again and again, counts each time.
    for _ in 1..16 {
        let whole = send(address, "POST", UPLOADS, &[TUS, STREAM, "upload-length: 1"], b"a").await;
        assert_eq!(whole.status, 201);
    }
    assert_eq!(small().await.error_code(), "quota_exceeded");
    until("the first has expired", async || head(address, &path).await.status == 410).await;
    until("there is room for another", async || small().await.status == 201).await;
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(relay.data.path().join("chanterelle.db"));
    let pool = sqlx::SqlitePool::connect_with(options.read_only(true)).await.expect("the database opens");
    let said = "SELECT COUNT(*) FROM uploads WHERE ended IS NOT NULL AND metadata IS NOT NULL";
    let said: i64 = sqlx::query_scalar(said).fetch_one(&pool).await.expect("the table is there");
    let sums = "SELECT open = (SELECT COALESCE(SUM(max(length, 65536)), 0) FROM uploads \
                WHERE blob IS NULL AND ended IS NULL) FROM blob_totals";
    let is_right: bool = sqlx::query_scalar(sums).fetch_one(&pool).await.expect("the table is there");
    assert_eq!((said, is_right), (0, true));
    pool.close().await;
    relay.stop().await;
}

/// The most memory the process has had, KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_uploads_at_once_take_little_memory() {
    const EACH: usize = 8_000_000;
    let data = tempfile::tempdir().expect("a temporary folder");
    let running = Running::start(data.path());
    let (address, process) = (running.address, running.child.id());
    let before = peak(process);
    // Made before anybody connects: who computes while a connection waits is a slow client.
    let same = content(50, EACH);
    let one = async |number: u8| {
        let bytes = [&[number], &same[1..]].concat();
        let path = create(address, EACH).await;
        for (number, piece) in bytes.chunks(EACH / 2).enumerate() {
            assert_eq!(patch(address, &path, number * (EACH / 2), piece, &[]).await.status, 204);
        }
        assert!(head(address, &path).await.header("chanterelle-blob").is_some());
    };
    futures::future::join_all((0..50).map(one)).await;
    let more = peak(process) - before;
    // A quarter of what was sent: two pieces of 512 KiB, the socket's buffers and a tree for each.
    assert!(more < 100 * 1024, "{more} KiB");
}
