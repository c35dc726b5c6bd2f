//! Files that the relay fetches from the tabs that have them: one lies, one leaves, one is honest. One file is blocked meanwhile.

use chanterelle_core::media::tree::groups_in;
use chanterelle_core::node::Command;

use crate::support::holder::{Holder, Way};
use crate::support::http::get;
use crate::support::tab::Tab;
use crate::support::tus::content;
use crate::support::{TestRelay, until};

/// Eight requests of the most groups that one may ask for, and a part of a ninth.
const SIZE: usize = 8 * 16 * 16 * 1024 + 12_345;

async fn refused_as_lies(relay: &TestRelay) -> String {
    let metrics = get(relay.app.address(), "/metrics", &[]).await;
    let line = metrics.text().lines().find(|line| line.contains("media_refused_total{reason=\"liar\"}"));
    line.and_then(|line| line.split(' ').next_back()).unwrap_or("0").to_owned()
}

#[tokio::test]
async fn what_a_liar_gives_is_never_stored_and_what_one_leaves_open_others_give() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let bytes = content(40, SIZE);
    let [liar, leaver, honest] = [Way::Lies, Way::Leaves, Way::Honest].map(|way| Holder::new(&bytes, way));
    let groups = groups_in(SIZE as u64);
    let is_absent = async || get(address, &format!("/media/{}", liar.id()), &[]).await.status == 404;

    // The author itself lies, and is the only one for now.
    let author = Tab::with_control(1, relay.multiaddr(), |control| liar.serve(control)).await;
    author.command(Command::Publish(1, liar.thread("application/octet-stream")));
    until("the liar is found out", async || refused_as_lies(&relay).await == "1").await;
    assert!(liar.asked().contains(&(groups - 1)), "it was asked for the last group");
    assert!(is_absent().await);

    let second = Tab::with_control(2, relay.multiaddr(), |control| leaver.serve(control)).await;
    until("the second is asked, and leaves", async || !leaver.asked().is_empty()).await;
    drop(second);
    assert!(is_absent().await);
    let asked_of_the_liar = liar.asked();

    let _third = Tab::with_control(3, relay.multiaddr(), |control| honest.serve(control)).await;
    let whole = format!("/media/{}", honest.id());
    until("the file is there", async || get(address, &whole, &[]).await.status == 200).await;
    assert!(get(address, &whole, &[]).await.body == bytes, "to the last bit");
    assert!(honest.asked().contains(&(groups - 1)), "it was asked for what the liar got wrong");
    assert_eq!(liar.asked(), asked_of_the_liar, "nobody asks a liar again");
    assert_eq!(&honest.asked() | &liar.asked(), (0..groups).collect());
    assert_eq!(refused_as_lies(&relay).await, "1", "to leave is no lie");
    drop(author);
    relay.stop().await;
}

#[tokio::test]
async fn what_is_blocked_while_it_is_looked_for_is_looked_for_no_more() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let [blocked, other] = [41, 42].map(|seed| Holder::new(&content(seed, SIZE), Way::Honest));
    let author = Tab::connect(1, relay.multiaddr()).await;
    for (request, file) in [(1, &blocked), (2, &other)] {
        author.command(Command::Publish(request, file.thread("application/octet-stream")));
    }
    let partial = relay.data.path().join("media/partial");
    let is_underway = |holder: &Holder| partial.join(format!("{}.data", holder.id())).exists();
    until("both are looked for", async || is_underway(&blocked) && is_underway(&other)).await;
    std::fs::write(relay.data.path().join("blocked"), blocked.id().to_string()).expect("a writable folder");
    until("nothing is kept for the one", async || !is_underway(&blocked)).await;

    let _holder = Tab::with_control(2, relay.multiaddr(), |control| other.serve(control)).await;
    let whole = format!("/media/{}", other.id());
    until("the other is there", async || get(address, &whole, &[]).await.status == 200).await;
    assert_eq!(other.looked_for(), [other.id()].into());
    drop(author);
    relay.stop().await;
}
