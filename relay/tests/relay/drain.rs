//! An orderly end: what was taken is finished, and everybody is told.

use std::collections::BTreeSet;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::TestRelay;
use crate::support::tab::Tab;

#[tokio::test]
async fn a_stopping_relay_finishes_what_it_took_and_says_goodbye() {
    let relay = TestRelay::start().await;
    let address = relay.app.address();
    let mut author = Tab::connect(1, relay.multiaddr()).await;
    author.wait(|seen| seen.synced).await;
    for number in 0..200 {
        author.publish_soon("test", &format!("post {number}"));
    }
    author.wait(|seen| !seen.sent.is_empty()).await;
    let mut idle = TcpStream::connect(address).await.expect("the relay listens");
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: relay.test\r\n\r\n").await.expect("the relay reads");
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.expect("the relay answers");

    let data = relay.stop().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.expect("an idle connection is closed, not reset");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    let seen = author.wait(|seen| seen.sessions == 0).await;

    let relay = TestRelay::on(data, Default::default()).await;
    let mut reader = Tab::connect(2, relay.multiaddr()).await;
    reader.read_board("test");
    let sent: BTreeSet<_> = seen.sent.iter().copied().collect();
    reader.wait(|seen| sent.is_subset(&seen.catalog)).await;
    relay.stop().await;
}
