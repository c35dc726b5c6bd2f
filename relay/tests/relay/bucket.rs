//! Files in a bucket instead of the data folder: the same from outside.

use chanterelle_relay::settings::Keys;

use crate::support::bucket::{Bucket, KEY, NAME};
use crate::support::http::{get, request};
use crate::support::tus::{TUS, content, create, head, id_of, patch, upload};
use crate::support::{TestRelay, until};

fn keys(endpoint: String) -> Keys {
    Keys {
        s3_endpoint: Some(endpoint),
        s3_bucket: Some(NAME.to_owned()),
        s3_access_key: Some(KEY.to_owned()),
        s3_secret_key: Some("secret".to_owned()),
        media_grace_seconds: Some(0),
        ..Keys::default()
    }
}

#[tokio::test]
async fn files_come_into_a_bucket_and_out_of_it_and_go() {
    let (bucket, address_of) = Bucket::start().await;
    let relay = TestRelay::with(keys(format!("http://{address_of}"))).await;
    let address = relay.app.address();
    // More than one part, and less.
    let large = content(40, 9_000_000);
    let small = content(41, 50_000);
    for bytes in [&large, &small] {
        let id = upload(address, bytes).await;
        let whole = get(address, &format!("/media/{id}"), &[]).await;
        assert!(whole.status == 200 && whole.body == *bytes);
        let part = get(address, &format!("/media/{id}"), &["range: bytes=40000-40009"]).await;
        assert_eq!((part.status, &part.body[..]), (206, &bytes[40_000..40_010]));
    }
    let (id, path) =
        (id_of(&small).to_string(), format!("blobs/{}/{}", &id_of(&small).to_string()[..2], id_of(&small)));
    {
        let objects = bucket.objects();
        assert_eq!((objects.whole.len(), objects.multipart, objects.parts.len()), (4, 1, 0));
        assert!(objects.whole.contains_key(&path) && objects.whole.contains_key(&format!("{path}.tree")));
    }
    assert_eq!(std::fs::read_dir(relay.data.path().join("media/partial")).expect("a folder").count(), 0);
    // Another upload of the same, which is ended: both have to go before the file does.
    let again = create(address, small.len()).await;
    assert_eq!(patch(address, &again, 0, &small, &[]).await.status, 204);
    let data = relay.stop().await;
    let relay = TestRelay::on(data, keys(format!("http://{address_of}"))).await;
    let address = relay.app.address();
    assert_eq!(head(address, &again).await.header("chanterelle-blob"), Some(id.as_str()));
    assert_eq!(request(address, "DELETE", &again, &[TUS]).await.status, 204);
    std::fs::write(relay.data.path().join("blocked"), id_of(&small).to_string()).expect("a writable folder");
    until("the file is gone", async || bucket.objects().whole.len() == 2).await;
    assert_eq!(get(address, &format!("/media/{id}"), &[]).await.status, 451);
    assert_eq!(get(address, &format!("/media/{}", id_of(&large)), &[]).await.body, large);
    relay.stop().await;
}

#[tokio::test]
async fn a_bucket_that_is_not_there_takes_nothing_and_loses_nothing() {
    let (_bucket, address_of) = Bucket::start().await;
    let wrong = Keys { s3_access_key: Some("nobody".to_owned()), ..keys(format!("http://{address_of}")) };
    let relay = TestRelay::with(wrong).await;
    let bytes = content(42, 20_000);
    let path = create(relay.app.address(), bytes.len()).await;
    let refused = patch(relay.app.address(), &path, 0, &bytes, &[]).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"));
    let data = relay.stop().await;
    // What came stays, and becomes a file as soon as somebody asks.
    let relay = TestRelay::on(data, keys(format!("http://{address_of}"))).await;
    let state = head(relay.app.address(), &path).await;
    assert_eq!(state.header("chanterelle-blob"), Some(id_of(&bytes).to_string().as_str()));
    relay.stop().await;
}

#[tokio::test]
async fn what_is_blocked_while_the_bucket_refuses_goes_when_it_does_not() {
    let (bucket, address_of) = Bucket::start().await;
    let relay = TestRelay::with(keys(format!("http://{address_of}"))).await;
    let address = relay.app.address();
    let ids = [upload(address, &content(43, 50_000)).await, upload(address, &content(44, 50_000)).await];
    bucket.objects().refused = Some(0);
    let list = ids.map(|id| id.to_string()).join("\n");
    std::fs::write(relay.data.path().join("blocked"), list).expect("a writable folder");
    until("the removal of both is refused", async || bucket.objects().refused >= Some(2)).await;
    assert_eq!(bucket.objects().whole.len(), 4);
    bucket.objects().refused = None;
    until("both are gone", async || bucket.objects().whole.is_empty()).await;
    relay.stop().await;
}
