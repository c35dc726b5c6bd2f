//! Files as a browser gets them, what is kept and what is not.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use chanterelle_core::base::{BlobId, BoardId};
use chanterelle_core::media::tree::{self, Outboard};
use chanterelle_core::node::Command;
use chanterelle_relay::media::{Config, Media, MediaError};
use chanterelle_relay::metrics::Metrics;
use chanterelle_relay::settings::Keys;
use chanterelle_relay::storage::{Ended, Part, Place, Profile, Rendered, Storage};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::by_hand::{ByHand, batch};
use crate::support::holder::{Holder, Way};
use crate::support::http::{Answer, get, request, send};
use crate::support::tab::Tab;
use crate::support::tus::{STREAM, TUS, UPLOADS, content, create, id_of, patch, upload};
use crate::support::{TestRelay, until};

async fn file(address: SocketAddr, id: &BlobId, headers: &[&str]) -> Answer {
    get(address, &format!("/media/{id}"), headers).await
}

/// Keeps nothing longer than it must.
fn impatient() -> Keys {
    Keys { media_grace_seconds: Some(0), media_pin_seconds: Some(1), ..Keys::default() }
}

async fn storage(data: &Path) -> Storage {
    Storage::open(data, None, Arc::new(Metrics::default())).await.expect("the database opens")
}

async fn is_stored(address: SocketAddr, id: &BlobId) -> bool {
    file(address, id, &[]).await.status == 200
}

#[tokio::test]
async fn a_file_is_shown_only_as_what_it_is() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let png =
        [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"[..], &[0; 64]]
            .concat();
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    let html = b"<!doctype html><script>alert(1)</script>".to_vec();
    for (bytes, kind, is_saved) in [
        (png, "image/png", false),
        (b"fLaC\0\0\0\x22".to_vec(), "audio/flac", false),
        (svg, "application/octet-stream", true),
        (html, "application/octet-stream", true),
        (b"%PDF-1.7".to_vec(), "application/octet-stream", true),
        (vec![0], "application/octet-stream", true),
    ] {
        let length = format!("upload-length: {}", bytes.len());
        assert_eq!(send(address, "POST", UPLOADS, &[TUS, STREAM, &length], &bytes).await.status, 201);
        let id = id_of(&bytes);
        for method in ["GET", "HEAD"] {
            let answer = request(address, method, &format!("/media/{id}"), &[]).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-type"), Some(kind));
            assert_eq!(answer.header("content-disposition"), is_saved.then_some("attachment"));
            assert_eq!(answer.header("content-length"), Some(bytes.len().to_string().as_str()));
            assert_eq!(answer.header("etag"), Some(format!("\"{id}\"").as_str()));
            for (name, value) in [
                ("cache-control", "public, max-age=31536000, immutable"),
                ("x-content-type-options", "nosniff"),
                ("content-security-policy", "sandbox; default-src 'none'"),
                ("cross-origin-resource-policy", "cross-origin"),
                ("access-control-allow-origin", "*"),
                ("accept-ranges", "bytes"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{name}");
            }
            assert_eq!(answer.body, if method == "GET" { &bytes[..] } else { b"" });
        }
        let known = get(address, &format!("/api/v1/content/{id}"), &[]).await.json();
        assert_eq!((known["type"].as_str(), known["size"].as_u64()), (Some(kind), Some(bytes.len() as u64)));
        assert_eq!(
            (known["stored"].as_bool(), known["renditions"].as_array()),
            (Some(true), Some(&Vec::new()))
        );
        assert_eq!(known["pins"]["events"], 0);
        assert_eq!(known["pins"]["uploads"].as_array().map(Vec::len), Some(1));
    }
    for path in ["/media/", "/media/nonsense", "/media/%ff", &format!("/media/{}", "0".repeat(64))] {
        let absent = get(address, path, &[]).await;
        assert_eq!((absent.status, absent.error_code().as_str()), (404, "not_found"), "{path}");
    }
    let unknown = get(address, &format!("/api/v1/content/{}", "0".repeat(64)), &[]).await;
    assert_eq!((unknown.status, unknown.error_code().as_str()), (404, "not_found"));
    relay.stop().await;
}

#[tokio::test]
async fn a_part_of_a_file_is_had_by_its_range() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let bytes = content(20, 400_000);
    let id = upload(address, &bytes).await;
    let etag = format!("\"{id}\"");
    let asked = async |range: &str, more: &[&str]| {
        let range = format!("range: {range}");
        file(address, &id, &[&[range.as_str()], more].concat()).await
    };
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=131071-131072", 131_071..131_073),
        ("bytes=1-399999", 1..400_000),
        ("bytes=399999-", 399_999..400_000),
        ("bytes=-300000", 100_000..400_000),
        ("bytes=399990-999999", 399_990..400_000),
    ] {
        let answer = asked(range, &[]).await;
        assert_eq!((answer.status, &answer.body[..]), (206, &bytes[part.clone()]), "{range}");
        let expected = format!("bytes {}-{}/400000", part.start, part.end - 1);
        assert_eq!(answer.header("content-range"), Some(expected.as_str()));
        assert_eq!(answer.header("content-length"), Some(part.len().to_string().as_str()));
    }
    for range in ["bytes=400000-", "bytes=-0", "bytes=500000-600000"] {
        let answer = asked(range, &[]).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (416, "range_not_satisfiable"), "{range}");
        assert_eq!(answer.header("content-range"), Some("bytes */400000"));
    }
    for range in ["bytes=0-1,5-6", "bytes=2-1", "lines=1-2"] {
        assert_eq!(asked(range, &[]).await.status, 200, "{range}");
    }
    assert_eq!(asked("bytes=0-0", &[&format!("if-range: {etag}")]).await.status, 206);
    assert_eq!(asked("bytes=0-0", &["if-range: \"other\""]).await.body, bytes);
    let known = file(address, &id, &[&format!("if-none-match: \"x\", W/{etag}")]).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(known.header("etag"), Some(etag.as_str()));
    let head = request(address, "HEAD", &format!("/media/{id}"), &["range: bytes=0-9"]).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("400000"), 0));
    let asked = request(address, "OPTIONS", &format!("/media/{id}"), &["origin: https://a.example"]).await;
    assert_eq!((asked.status, asked.header("access-control-allow-methods")), (204, Some("GET, HEAD")));
    assert_eq!(request(address, "POST", &format!("/media/{id}"), &[]).await.status, 405);
    relay.stop().await;
}

#[tokio::test]
async fn what_is_blocked_neither_comes_nor_stays_nor_goes() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let (bytes, other) = (content(21, 30_000), content(22, 30_000));
    let (id, kept) = (upload(address, &bytes).await, upload(address, &other).await);
    let list = relay.data.path().join("blocked");
    std::fs::write(&list, format!("nonsense\n# by order\n{id} # a picture\n"))
        .expect("the folder is writable");
    let stored = relay.data.path().join(format!("media/blobs/{}/{id}", &id.to_string()[..2]));
    until("the file is gone", async || !stored.exists()).await;
    for path in [format!("/media/{id}"), format!("/api/v1/content/{id}")] {
        let refused = get(address, &path, &[]).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (451, "blocked"), "{path}");
    }
    let path = create(address, bytes.len()).await;
    let refused = patch(address, &path, 0, &bytes, &[]).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (451, "blocked"));
    assert_eq!(refused.header("tus-resumable"), Some("1.0.0"));
    assert_eq!(request(address, "HEAD", &path, &[TUS]).await.status, 404, "nothing is kept of it");
    assert!(!stored.exists());
    assert!(is_stored(address, &kept).await);
    let data = relay.stop().await;
    let relay = TestRelay::on(data, Keys::default()).await;
    let address = relay.app.address();
    assert_eq!(file(address, &id, &[]).await.status, 451, "from the start");
    std::fs::remove_file(&list).expect("the folder is writable");
    until("the list is read again", async || file(address, &id, &[]).await.status == 404).await;
    assert_eq!(upload(address, &bytes).await, id);
    relay.stop().await;
}

#[tokio::test]
async fn a_file_stays_as_long_as_something_refers_to_it() {
    let relay = TestRelay::with(impatient()).await;
    let address = relay.app.address();
    let bytes = [23, 24, 25, 26, 27].map(|seed| content(seed, 20_000));
    let [referred, loose, withdrawn, other, rendition] =
        bytes.each_ref().map(|bytes| (id_of(bytes), bytes.len() as u64));
    let events = storage(relay.data.path()).await;
    let posts = [
        ByHand::thread(1, "cats", &[referred]).put(),
        // Two of one author, of which one is withdrawn before it comes and the other's withdrawal is not the author's.
        ByHand::thread(2, "cats", &[withdrawn]).put(),
        ByHand::thread(3, "cats", &[other]).put(),
    ];
    let rendered = ByHand::rendition(8, "cats", posts[0].row.id, rendition).put();
    let ids = posts.each_ref().map(|put| put.row.id);
    let before = vec![ByHand::tombstone(2, "cats", ids[1]).put(), ByHand::tombstone(9, "cats", ids[2]).put()];
    events.store(&batch([before, vec![rendered]].concat())).await.expect("they are stored");
    events.store(&batch(posts.to_vec())).await.expect("they are stored");
    for bytes in &bytes {
        upload(address, bytes).await;
    }
    until("what nothing refers to is gone", async || {
        !is_stored(address, &loose.0).await && !is_stored(address, &withdrawn.0).await
    })
    .await;
    for (id, _) in [&referred, &other, &rendition] {
        assert!(is_stored(address, id).await);
        let known = get(address, &format!("/api/v1/content/{id}"), &[]).await.json();
        assert_eq!(known["pins"]["events"], 1);
    }
    let known = get(address, &format!("/api/v1/content/{}", loose.0), &[]).await;
    assert_eq!(known.status, 404);
    let tombstone = ByHand::tombstone(1, "cats", ids[0]).put();
    events.store(&batch(vec![tombstone])).await.expect("it is stored");
    until("what its author withdrew is gone, with its other forms", async || {
        !is_stored(address, &referred.0).await && !is_stored(address, &rendition.0).await
    })
    .await;
    assert!(is_stored(address, &other.0).await, "a stranger withdraws nothing");
    events.close().await;
    relay.stop().await;
}

#[tokio::test]
async fn what_was_made_of_a_file_is_known_whoever_says_more_of_it() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let events = storage(data.path()).await;
    // The source that renditions by hand name.
    let source = BlobId([1; 32]);
    let [told, untold] = [2, 3].map(|number| BlobId([number; 32]));
    let post = ByHand::thread(1, "cats", &[(source, 99)]).put();
    let id = post.row.id;
    let strangers = (10..=255).chain(10..=255).zip(1_u64..);
    let strangers =
        strangers.map(|(seed, size)| ByHand::rendition(seed, "cats", id, (BlobId([seed; 32]), size)).put());
    let own = ByHand::rendition(8, "cats", id, (told, 9)).put();
    let producer = own.row.author;
    events.store(&batch([post, own].into_iter().chain(strangers).collect())).await.expect("they are stored");
    events.store(&batch(vec![ByHand::tombstone(1, "cats", id).put()])).await.expect("it is stored");
    let place = Place { post: id, board: BoardId([7; 32]), thread: id };
    events.ask_jobs(source, vec![(Profile::Clean, 0)], place).await.expect("it is stored");
    let job = events.begin_job(0, 0).await.expect("it is stored").expect("there is a job");
    let rendered = Rendered { mime: "image/jpeg".to_owned(), width: None, height: None, duration: None };
    events.end_job(job.number, Ended::Done(untold, 9, rendered)).await.expect("it is stored");
    let made = events.made_of(&source, &producer).await.expect("the database is read");
    assert_eq!(made, [told, untold]);
    events.close().await;
}

#[tokio::test]
async fn of_a_blocked_file_nothing_stays_of_what_came() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let partial = data.path().join("media/partial");
    std::fs::create_dir_all(&partial).expect("the folder is writable");
    let id = BlobId([6; 32]);
    let unsaved = partial.join(format!("{id}.data"));
    let relay = TestRelay::on(data, Keys::default()).await;
    std::fs::write(&unsaved, b"abc").expect("the folder is writable");
    std::fs::write(relay.data.path().join("blocked"), id.to_string()).expect("the folder is writable");
    until("it is gone", async || !unsaved.exists()).await;
    relay.stop().await;
}

#[tokio::test]
async fn files_are_kept_by_board_and_by_author() {
    let author = chanterelle_core::crypto::SecretKey::from_seed([2; 32]).public();
    let keys = Keys {
        media_boards: Some(vec!["cats".to_owned()]),
        media_authors: Some(vec![author.to_string()]),
        ..impatient()
    };
    let relay = TestRelay::with(keys).await;
    let address = relay.app.address();
    let bytes = [content(27, 9_000), content(28, 9_000), content(29, 9_000)];
    let [cats, friend, dogs] = bytes.each_ref().map(|bytes| (id_of(bytes), bytes.len() as u64));
    let events = storage(relay.data.path()).await;
    let posts = vec![
        ByHand::thread(1, "cats", &[cats]).put(),
        ByHand::thread(2, "dogs", &[friend]).put(),
        ByHand::thread(3, "dogs", &[dogs]).put(),
    ];
    events.store(&batch(posts)).await.expect("they are stored");
    for bytes in &bytes {
        upload(address, bytes).await;
    }
    until("the file of another board is gone", async || !is_stored(address, &dogs.0).await).await;
    assert!(is_stored(address, &cats.0).await && is_stored(address, &friend.0).await);
    events.close().await;
    relay.stop().await;
}

#[tokio::test]
async fn events_from_before_count_too() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let events = storage(data.path()).await;
    let blob = (BlobId([7; 32]), 99);
    let withdrawn = (BlobId([8; 32]), 99);
    let posts = [ByHand::thread(1, "cats", &[blob]).put(), ByHand::thread(1, "dogs", &[withdrawn]).put()];
    let tombstone = ByHand::tombstone(1, "dogs", posts[1].row.id).put();
    let all = [&posts[..], &[tombstone]].concat();
    events.store(&batch(all)).await.expect("they are stored");
    assert_eq!(events.references(&blob.0).await.expect("the database is read").events, 1);
    events.close().await;
    // As a relay left it that knew of no files.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("chanterelle.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the database opens");
    for statement in
        ["DELETE FROM blob_refs", "DELETE FROM tombstones", "DELETE FROM meta WHERE key = 'blob_refs'"]
    {
        sqlx::query(statement).execute(&pool).await.expect("the tables are there");
    }
    pool.close().await;
    let events = storage(data.path()).await;
    let found = events.references(&blob.0).await.expect("the database is read");
    assert_eq!((found.events, found.size), (1, Some(99)));
    assert_eq!(events.references(&withdrawn.0).await.expect("the database is read").events, 0);
    events.close().await;
}

#[tokio::test]
async fn files_may_have_an_origin_of_their_own() {
    let keys = Keys { media_origin: Some("http://media.test:81".to_owned()), ..Keys::default() };
    let relay = TestRelay::with(keys).await;
    let address = relay.app.address();
    let whole = send(address, "POST", UPLOADS, &[TUS, STREAM, "upload-length: 3"], b"abc").await;
    let url = format!("http://media.test:81/media/{}", id_of(b"abc"));
    assert_eq!(whole.header("chanterelle-url"), Some(url.as_str()));
    let path = format!("/media/{}", id_of(b"abc"));
    let here = get(address, &path, &[]).await;
    assert_eq!((here.status, here.header("location")), (308, Some(url.as_str())));
    let at = async |host: &str, path: &str| {
        let message = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        crate::support::http::raw(address, message.as_bytes()).await
    };
    assert_eq!(at("media.test:81", &path).await.body, b"abc");
    for other in ["/", "/api/v1/info", "/index.html", UPLOADS] {
        assert_eq!(at("media.test:81", other).await.status, 404, "{other}");
    }
    let page = at("relay.test", "/").await;
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("img-src 'self' blob: data: http://media.test:81;"), "{policy}");
    relay.stop().await;
}

#[tokio::test]
async fn bytes_and_rows_come_together_again_after_a_crash() {
    let relay = TestRelay::start().await;
    let bytes = [content(30, 50_000), content(31, 50_000), content(32, 50_000)];
    let ids = bytes.each_ref().map(|bytes| id_of(bytes));
    for bytes in &bytes[..2] {
        upload(relay.app.address(), bytes).await;
    }
    let data = relay.stop().await;
    let place = |id: &BlobId| data.path().join(format!("media/blobs/{}/{id}", &id.to_string()[..2]));
    // One is lost, one has a tree no more, one has no row, one is not what it says, and one is staged for nobody.
    std::fs::remove_file(place(&ids[0])).expect("the file is there");
    let liar = BlobId([9; 32]);
    for (id, content) in [(&ids[2], &bytes[2]), (&liar, &bytes[2])] {
        std::fs::create_dir_all(place(id).parent().expect("a folder")).expect("the folder is writable");
        std::fs::write(place(id), content).expect("the folder is writable");
    }
    let stray = data.path().join("media/partial/stray");
    std::fs::write(&stray, b"abc").expect("the folder is writable");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    let file_of = std::fs::File::options().write(true).open(&stray).expect("the file is there");
    file_of.set_modified(old).expect("the file is ours");
    let relay = TestRelay::on(data, Keys::default()).await;
    let address = relay.app.address();
    until("all is put right", async || {
        is_stored(address, &ids[2]).await && file(address, &ids[0], &[]).await.status == 404
    })
    .await;
    assert!(is_stored(address, &ids[1]).await);
    let path = |id: &BlobId| relay.data.path().join(format!("media/blobs/{}/{id}", &id.to_string()[..2]));
    until("the liar is gone", async || !path(&liar).exists()).await;
    assert!(path(&ids[2]).with_extension("tree").exists() && !stray.exists());
    relay.stop().await;
}

#[tokio::test]
async fn what_is_found_in_the_store_is_given_to_others() {
    let relay = TestRelay::start().await;
    // Long enough to be hashed only after the exchange has begun.
    let bytes = content(37, 20_000_000);
    let id = id_of(&bytes);
    // The author gives it to nobody.
    let mut author = Tab::connect(1, relay.multiaddr()).await;
    author.command(Command::Publish(1, Holder::new(&bytes, Way::Honest).thread("application/octet-stream")));
    author.wait(|seen| seen.published.get(&1).is_some_and(|post| seen.sent.contains(post))).await;
    drop(author);
    let data = relay.stop().await;
    let folder = data.path().join(format!("media/blobs/{}", &id.to_string()[..2]));
    std::fs::create_dir_all(&folder).expect("the folder is writable");
    std::fs::write(folder.join(id.to_string()), &bytes).expect("the folder is writable");
    // Wants nothing itself, so that nothing else tells it of the file.
    let elsewhere = Keys { media_boards: Some(vec!["dogs".to_owned()]), ..Keys::default() };
    let relay = TestRelay::on(data, elsewhere).await;
    until("it has a row", async || is_stored(relay.app.address(), &id).await).await;
    let keys = Keys { peer: Some(vec![relay.multiaddr().to_string()]), ..Keys::default() };
    let other = TestRelay::with(keys).await;
    until("another relay has it", async || is_stored(other.app.address(), &id).await).await;
    other.stop().await;
    relay.stop().await;
}

/// Media without a relay around them.
async fn media(data: &TempDir) -> Media {
    media_with(data, Keys::default()).await
}

async fn media_with(data: &TempDir, keys: Keys) -> Media {
    let settings = keys.resolve().expect("the test's settings are valid").media;
    let metrics = Arc::new(Metrics::default());
    Media::open(Config {
        data: data.path().to_owned(),
        settings,
        storage: Storage::open(data.path(), None, metrics.clone()).await.expect("the database opens"),
        metrics,
        secret: [0; 32],
        // Nobody listens.
        producer: chanterelle_core::base::AuthorId([0; 32]),
        changes: tokio::sync::mpsc::unbounded_channel().0,
        stop: CancellationToken::new(),
    })
    .expect("the folder is writable")
}

#[tokio::test]
async fn a_file_that_comes_group_by_group_is_stored_when_it_is_whole() {
    let bytes = content(33, 100_000);
    let size = bytes.len() as u64;
    let mut outboard = Outboard::new();
    outboard.update(&bytes);
    let hashed = outboard.finish();
    let id = hashed.id;
    let verified = |first: u32, count: u32| {
        let begin = first as usize * 16_384;
        let end = bytes.len().min(begin + count as usize * 16_384);
        let parent = |node: tree::Node| {
            let at = usize::try_from(node.offset()).expect("a small tree");
            hashed.outboard[at..at + 64].try_into().expect("64 bytes")
        };
        let slice = tree::slice(size, first, count, parent, &bytes[begin..end]).expect("the groups exist");
        (tree::verify(&id, size, first, count, &slice).expect("it is the content"), slice)
    };
    let data = tempfile::tempdir().expect("a temporary folder");
    let begun = media(&data).await;
    let mut fetch = begun.fetch(id, size).await.expect("there is room");
    assert!(matches!(begun.fetch(id, size).await, Err(MediaError::Busy)));
    fetch.write(5, verified(5, 2).0).await.expect("the disk takes it");
    fetch.write(1, verified(1, 1).0).await.expect("the disk takes it");
    assert_eq!(fetch.groups().to_bytes(), [0b0110_0010]);
    assert_eq!(fetch.slice(5, 2).await.expect("they are there"), verified(5, 2).1);
    assert!(matches!(fetch.slice(0, 2).await, Err(MediaError::NotFound)));
    fetch.save().await.expect("the disk takes it");
    fetch.write(2, verified(2, 1).0).await.expect("the disk takes it");
    drop((fetch, begun));
    // What was saved is there after a restart, though it is asked for by another size that an event says.
    let again = media(&data).await;
    let mut fetch = again.fetch(id, 1).await.expect("there is room");
    assert_eq!(fetch.size(), size);
    assert_eq!(fetch.groups().to_bytes(), [0b0110_0010]);
    fetch.write(0, verified(0, 1).0).await.expect("the disk takes it");
    fetch.write(2, verified(2, 3).0).await.expect("the disk takes it");
    assert!(fetch.groups().is_all());
    assert_eq!(fetch.finish().await.expect("it is whole"), id);
    let blob = again.blob(&id).await.expect("the database is read").expect("it is stored");
    assert_eq!(blob.size, size);
    assert_eq!(again.slice(&blob, 2, 4).await.expect("it is stored"), verified(2, 4).1);
    assert_eq!(std::fs::read_dir(data.path().join("media/partial")).expect("a folder").count(), 0);
}

#[tokio::test]
async fn what_is_under_way_takes_its_room_from_the_start() {
    const MIB: u64 = 1024 * 1024;
    let data = tempfile::tempdir().expect("a temporary folder");
    let media = media_with(&data, Keys { max_media_mib: Some(2), ..Keys::default() }).await;
    let owner = media.owner_at(std::net::IpAddr::from([192, 0, 2, 1]));
    let upload = async |length| media.create_upload(owner, length, None, Part::Whole).await;
    let first = media.fetch(BlobId([1; 32]), MIB).await.expect("there is room");
    let second = media.fetch(BlobId([2; 32]), MIB).await.expect("there is room");
    assert!(matches!(media.fetch(BlobId([3; 32]), 1).await, Err(MediaError::Full)));
    assert!(matches!(upload(1).await, Err(MediaError::Full)));
    drop(second);
    upload(MIB / 2).await.expect("there is room again");
    assert!(matches!(media.fetch(BlobId([3; 32]), MIB).await, Err(MediaError::Full)));
    media.fetch(BlobId([3; 32]), MIB / 4).await.expect("there is room for less");
    drop(first);
}

#[tokio::test]
async fn a_wrong_content_gets_no_id() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let media = media(&data).await;
    let bytes = content(34, 16_384);
    let id = BlobId([1; 32]);
    let mut fetch = media.fetch(id, 16_384).await.expect("there is room");
    // What a careless caller did not verify.
    let verified = tree::Verified { data: bytes.clone(), parents: Vec::new() };
    fetch.write(0, verified).await.expect("the disk takes it");
    assert!(matches!(fetch.finish().await, Err(MediaError::WrongContent(wrong)) if wrong == id));
    assert!(media.blob(&id).await.expect("the database is read").is_none());
    assert!(media.blob(&id_of(&bytes)).await.expect("the database is read").is_none());
    assert_eq!(std::fs::read_dir(data.path().join("media/partial")).expect("a folder").count(), 0);
}

#[tokio::test]
async fn what_is_missing_and_may_be_kept_is_known() {
    const MIB: u64 = 1024 * 1024;
    let data = tempfile::tempdir().expect("a temporary folder");
    let keys = Keys {
        media_boards: Some(vec!["cats".to_owned()]),
        max_blob_mib: Some(1),
        media_mib_per_author: Some(1),
        ..Keys::default()
    };
    let [small, large, dogs, blocked, greedy] = [1, 2, 3, 4, 5].map(|number| BlobId([number; 32]));
    std::fs::write(data.path().join("blocked"), blocked.to_string()).expect("the folder is writable");
    let media = media_with(&data, keys).await;
    let events = storage(data.path()).await;
    let stored = content(35, 1_000_000);
    let posts = vec![
        ByHand::thread(1, "cats", &[(small, 100), (large, MIB + 1), (blocked, 100)]).put(),
        ByHand::thread(1, "dogs", &[(dogs, 100)]).put(),
        // Of the author's one MiB nearly all is used.
        ByHand::thread(2, "cats", &[(id_of(&stored), 1_000_000), (greedy, 100_000)]).put(),
        // Somebody says it is of another size.
        ByHand::thread(3, "cats", &[(small, 200)]).put(),
    ];
    events.store(&batch(posts)).await.expect("they are stored");
    let (wanted, next) = media.wanted((BlobId([0; 32]), 0), 100).await.expect("the database is read");
    let ids: Vec<_> = wanted.iter().map(|wanted| (wanted.id, wanted.size)).collect();
    // There is room for either of two alone.
    assert_eq!((ids, next), (vec![(small, 100), (small, 200), (greedy, 100_000)], None));
    let first = media.fetch(greedy, 100_000).await.expect("there is room");
    assert!(matches!(media.fetch(id_of(&stored), 1_000_000).await, Err(MediaError::OwnerFull)));
    drop(first);
    // Stored, it is missing no more, and leaves no room for the other.
    let mut fetch = media.fetch(id_of(&stored), 1_000_000).await.expect("there is room");
    let verified = tree::Verified { data: stored, parents: Vec::new() };
    fetch.write(0, verified).await.expect("the disk takes it");
    fetch.finish().await.expect("it is whole");
    let (wanted, _) = media.wanted((BlobId([0; 32]), 0), 100).await.expect("the database is read");
    assert_eq!(wanted.iter().map(|wanted| wanted.id).collect::<Vec<_>>(), [small, small]);
    let mut after = (BlobId([0; 32]), 0);
    for size in [100, 200] {
        let (first, next) = media.wanted(after, 1).await.expect("the database is read");
        assert_eq!(
            (first.len(), next),
            (1, Some((small, size))),
            "one after the other, and every size of it"
        );
        after = (small, size);
    }
    assert!(matches!(media.fetch(large, MIB + 1).await, Err(MediaError::TooLarge(_))));
    assert!(matches!(media.fetch(blocked, 100).await, Err(MediaError::Blocked)));
}
