//! What becomes of a picture with its place in it: other forms, their events, and the operator's block.

use std::collections::BTreeMap;

use chanterelle_core::node::Command;

use crate::render::{contains, tagged};
use crate::support::holder::{Holder, Way};
use crate::support::http::get;
use crate::support::program::{Running, program};
use crate::support::tab::Tab;
use crate::support::until;

#[tokio::test]
async fn a_picture_gets_its_renditions_readers_hear_of_them_and_a_block_takes_all_of_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The figures are counted by the clean-up, which comes by every second then.
    let running = Running::of(&mut program(), folder.path(), &["--media-grace-seconds", "2"]);
    let (address, relay) = (running.address, running.multiaddr().await);
    let photo = tagged();
    let holder = Holder::new(&photo, Way::Honest);
    let source = holder.id().to_string();
    let mut reader = Tab::connect(2, relay.clone()).await;
    reader.read_board("cats");
    let author = Tab::with_control(1, relay, |control| holder.serve(control)).await;
    author.command(Command::Publish(1, holder.thread("image/jpeg")));

    let made = async || {
        let known = get(address, &format!("/api/v1/content/{source}"), &[]).await;
        // Before the post has come nobody knows of it.
        let known = if known.status == 200 { known.json() } else { serde_json::json!({ "renditions": [] }) };
        let renditions = known["renditions"].as_array().expect("a list").iter().map(|rendition| {
            let text = |key: &str| rendition[key].as_str().unwrap_or_default().to_owned();
            (text("profile"), (text("state"), text("id")))
        });
        renditions.collect::<BTreeMap<_, _>>()
    };
    until("both are made", async || {
        let made = made().await;
        made.len() == 2 && made.values().all(|(state, _)| state == "done")
    })
    .await;
    let made = made().await;
    assert_eq!(made.keys().collect::<Vec<_>>(), ["clean", "thumb"]);
    for (profile, (_, id)) in &made {
        let picture = get(address, &format!("/media/{id}"), &[]).await;
        assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/jpeg")), "{profile}");
        assert!(!contains(&picture.body, b"GPS"), "{profile}");
    }
    let seen = reader.wait(|seen| seen.renditions.len() == 2).await;
    let producer = seen.producer.expect("the relay says whom its renditions are by");
    assert!(seen.renditions.values().all(|author| *author == producer));
    let line = "chanterelle_renditions{state=\"done\"} 2";
    until("they are counted", async || get(address, "/metrics", &[]).await.text().contains(line)).await;

    std::fs::write(folder.path().join("blocked"), &source).expect("the folder is writable");
    let ids = made.values().map(|(_, id)| id).chain([&source]);
    for id in ids {
        until("it is blocked", async || get(address, &format!("/media/{id}"), &[]).await.status == 451).await;
        let stored = folder.path().join(format!("media/blobs/{}/{id}", &id[..2]));
        until("it is removed", async || !stored.exists()).await;
    }
}
