//! Files from tab to tab, over a relay that keeps none.

use std::path::Path;
use std::rc::Rc;

use chanterelle_e2e::browser::{Browser, Profile, Start};
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::files;
use chanterelle_e2e::interop::Foreign;
use chanterelle_e2e::relay::Relay;
use serde_json::json;
use tempfile::TempDir;

use super::compared;

/// Bytes of a file of [`transfer`], and files. The first warms up and does not count.
const LARGE: usize = 24 * 1024 * 1024;
const LARGE_FILES: usize = 8;

/// The same of [`two_holders`], half of which two tabs have.
const SMALL: usize = 6 * 1024 * 1024;
const SMALL_FILES: usize = 8;

/// Lets data channels of a page, once `window.slow` is set, send a megabyte a second in all and no more: Chromium's own brake
/// does not hold them.
const BRAKE: &str = "
    const {send} = RTCDataChannel.prototype;
    const amount = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, 'bufferedAmount').get;
    const waiting = new Map();
    let [budget, last] = [0, performance.now()];
    RTCDataChannel.prototype.send = function (data) {
        if (!window.slow) return send.call(this, data);
        const whole = ArrayBuffer.isView(data) ? data : new Uint8Array(data);
        const bytes = new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength).slice();
        const queue = waiting.get(this) ?? {bytes: 0, messages: []};
        queue.bytes += bytes.length;
        queue.messages.push(bytes);
        waiting.set(this, queue);
    };
    Object.defineProperty(RTCDataChannel.prototype, 'bufferedAmount', {
        get() { return amount.call(this) + (waiting.get(this)?.bytes ?? 0); },
    });
    setInterval(() => {
        const now = performance.now();
        budget = Math.min(50_000, budget + (now - last) * 1_000);
        last = now;
        for (const [channel, queue] of waiting) {
            const before = channel.bufferedAmount;
            while (budget > 0 && queue.messages.length > 0) {
                const message = queue.messages.shift();
                queue.bytes -= message.length;
                budget -= message.length;
                if (channel.readyState === 'open') send.call(channel, message);
            }
            const low = channel.bufferedAmountLowThreshold;
            if (before > low && channel.bufferedAmount <= low) channel.dispatchEvent(new Event('bufferedamountlow'));
        }
    }, 5);";

/// Megabytes a second that one such tab surely does not send, so that it is seen when the brake does not hold.
const TOO_FAST: f64 = 2.0;

/// Presses the button beside a file, and gives the milliseconds until the whole file is here and can be saved.
const FETCH: &str = "
    const [button, figure] = arguments;
    const here = new Promise((resolve) => {
        const look = () => figure.querySelector('a[download]') && resolve();
        new MutationObserver(look).observe(figure, {subtree: true, childList: true, attributes: true});
    });
    const begun = performance.now();
    button.click();
    await here;
    return performance.now() - begun;";

/// See the program.
pub(super) async fn bench(folder: &Path) {
    let from = TempDir::new().expect("the system has room for a temporary folder");
    let into = TempDir::new().expect("the system has room for a temporary folder");
    let settings = files::write(from.path(), "relay.toml", b"media_boards = []\nmax_blob_mib = 1\n");
    let settings = ["--config", settings.to_str().expect("the path is text")];
    let data = TempDir::new().expect("the system has room for a temporary folder");
    let relay = Relay::start_on(data, &settings, &folder.join("relay.log")).await;
    let stage = Stage { relay: &relay, folder, from: from.path(), into: into.path() };
    transfer(&stage).await;
    two_holders(&stage).await;
}

struct Stage<'a> {
    relay: &'a Relay,
    folder: &'a Path,
    from: &'a Path,
    into: &'a Path,
}

impl Stage<'_> {
    async fn browser(&self, name: &str) -> Browser {
        Browser::launch(name, Start::plain(Profile::fresh()), self.folder).await
    }

    /// A tab at a page of the board, which connects directly.
    async fn tab(&self, name: &str, path: &str) -> Browser {
        let browser = self.browser(name).await;
        browser.saves_into(self.into).await;
        let brake = json!({"source": BRAKE});
        browser
            .devtools("Page.addScriptToEvaluateOnNewDocument", brake)
            .await
            .expect("Chromium takes scripts");
        browser.open(&self.relay.url(&format!("{path}?lang=en"))).await;
        let question = browser.find(Scope::Page, "dialog", "Direct connections").await;
        browser.click(Scope::In(&question), "button", "Connect directly").await;
        browser
    }

    /// A tab that has begun a thread with so many files of so many bytes; the thread's path, and its post.
    async fn author(&self, subject: &str, count: usize, size: usize) -> (Browser, String, String) {
        let write = |number: usize| {
            let bytes = files::noise(u8::try_from(number).expect("they are few"), size);
            files::write(self.from, &format!("{number}.bin"), &bytes)
        };
        let files: Vec<_> = (0..count).map(write).collect();
        let author = self.tab("author", "/b/bench").await;
        let path = author.new_thread_with(subject, subject, &files, None).await;
        let post = author.post_with(subject).await;
        author.post_in_state(&post.id, "sent").await;
        (author, path, post.id)
    }
}

/// Fetches a file of a post that so many have; megabytes a second.
async fn fetch(browser: &Browser, post: &str, number: usize, size: usize, holders: usize) -> f64 {
    let article = browser.article(post).await;
    let figure = browser.file(&article, &format!("{number}.bin")).await;
    browser.says(&figure, &format!("held by {holders}")).await;
    let button = browser.find(Scope::In(&figure), "button", "Download").await;
    let took = browser.script(FETCH, &[json!(button), json!(figure)]).await.expect("the file comes");
    size as f64 / 1e3 / took.as_f64().expect("milliseconds")
}

/// From the author to a reader, against one stream of our transport between two others.
async fn transfer(stage: &Stage<'_>) {
    let (_author, path, post) = stage.author("Transfer", LARGE_FILES, LARGE).await;
    let reader = stage.tab("reader", &path).await;
    reader.network(|direct, _| direct == "1").await;
    let (one, other) = (Rc::new(stage.browser("sends").await), Rc::new(stage.browser("takes").await));
    let sends = Foreign::ours_in(one, stage.relay).await;
    let takes = Foreign::ours_in(other, stage.relay).await;
    sends.start(stage.relay, json!({})).await;
    let (_, address) = takes.start(stage.relay, json!({})).await;
    let peer = sends.tell("dial", json!({"address": address})).await;
    let raw = async || {
        let took = sends.tell("send", json!({"peer": peer, "size": LARGE})).await;
        LARGE as f64 / 1e3 / took.as_f64().expect("milliseconds")
    };
    let mut turns = Vec::new();
    for number in 0..LARGE_FILES {
        turns.push(if number % 2 == 0 {
            let ours = fetch(&reader, &post, number, LARGE, 1).await;
            (ours, raw().await)
        } else {
            let baseline = raw().await;
            (fetch(&reader, &post, number, LARGE, 1).await, baseline)
        });
    }
    compared("media.transfer", &turns[1..], "MB/s");
}

/// From two that have a file against one that has another, when all send slowly.
async fn two_holders(stage: &Stage<'_>) {
    let (author, path, post) = stage.author("Holders", SMALL_FILES, SMALL).await;
    let (second, reader) = (stage.tab("second", &path).await, stage.tab("reader", &path).await);
    for browser in [&author, &second, &reader] {
        browser.network(|direct, _| direct == "2").await;
    }
    for number in (0..SMALL_FILES).step_by(2) {
        fetch(&second, &post, number, SMALL, 1).await;
    }
    for browser in [&author, &second] {
        browser.script("window.slow = true", &[]).await.expect("the page runs scripts of the driver");
    }
    let mut turns = Vec::new();
    for pair in 0..SMALL_FILES / 2 {
        let by_two = fetch(&reader, &post, pair * 2, SMALL, 2).await;
        let by_one = fetch(&reader, &post, pair * 2 + 1, SMALL, 1).await;
        assert!(by_one < TOO_FAST, "{by_one} MB/s: the brake does not hold");
        turns.push((by_two, by_one));
    }
    compared("media.two_holders", &turns, "MB/s");
}
