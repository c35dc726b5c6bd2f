//! The part of `cargo xtask bench webrtc` that takes several browsers: how fast two are, how soon they are connected, how
//! soon a post is on another screen, and whether it is on all of many.
//!
//! Bytes go from one browser to another over one stream of ours, and over a bare data channel between the same pages, with
//! messages of one size and between the same bounds of the browser's buffer, in turns. The ratio is the median of those
//! of the turns: one turn is as much as a fifth faster than the next.
//!
//! Our transport and js-libp2p connect in turns, each from one browser to another at the same relay: from dialling until
//! a stream has brought an answer. Ours are the same two all the time; of js-libp2p each two connect once.
//!
//! A time is from sending the form in one browser to the first frame in the other that shows the post, by the clock of
//! the machine they share. Each browser has a profile of its own, and one tab.
//!
//! | row | what |
//! |---|---|
//! | `webrtc.throughput` | of one stream, against a bare data channel |
//! | `webrtc.connect_vs_js` | until a stream can be used, against js-libp2p: how many times as long ours takes |
//! | `webrtc.connect_js_hung` | connections of js-libp2p that were not there after ten seconds |
//! | `webrtc.post_p50_ms`, `webrtc.post_p95_ms` | between two tabs that are connected directly |
//! | `webrtc.post_relay_p50_ms`, `webrtc.post_relay_p95_ms` | the same through the relay alone |
//! | `webrtc.tabs`, `webrtc.tabs_all_delivered` | tabs that wrote in one thread, and 1 if every post came to every tab |
//! | `webrtc.relay_up_bytes`, `webrtc.relay_down_bytes` | frames from and to those tabs, per post |
//! | `webrtc.relay_stored` | events the relay stored, of as many as were written |

use std::path::Path;
use std::rc::Rc;

use chanterelle_e2e::browser::{Browser, Profile, Start};
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::interop::Foreign;
use chanterelle_e2e::relay::Relay;
use chanterelle_e2e::{place, wait};
use serde_json::{Value, json};

/// Sent in one turn, bytes.
const BYTES: usize = 24 * 1024 * 1024;

/// Of ours and of a bare channel each. The first warms up and does not count.
const TURNS: usize = 14;

/// One end of a bare connection, whose description is passed on whole.
const BARE: &str = "
    const raw = new RTCPeerConnection({iceServers: [{urls: arguments[0]}]});
    const gathered = new Promise((resolve) => {
        raw.onicecandidate = ({candidate}) => candidate ?? resolve();
    });
    const describe = async () => {
        await raw.setLocalDescription();
        await gathered;
        return raw.localDescription.toJSON();
    };
    let channel;
    let heard;
    window.bare = {
        offer() {
            channel = raw.createDataChannel('');
            channel.onmessage = () => heard();
            return describe();
        },
        async answer(offer, bytes) {
            raw.ondatachannel = ({channel}) => {
                let received = 0;
                channel.binaryType = 'arraybuffer';
                channel.onmessage = ({data}) => {
                    received += data.byteLength;
                    if (received < bytes) return;
                    received -= bytes;
                    channel.send('all');
                };
            };
            await raw.setRemoteDescription(offer);
            return describe();
        },
        async take(answer) {
            const opened = new Promise((resolve) => { channel.onopen = resolve; });
            await raw.setRemoteDescription(answer);
            await opened;
        },
        async send(bytes) {
            const begun = performance.now();
            const message = new Uint8Array(16 * 1024);
            const all = new Promise((resolve) => { heard = resolve; });
            channel.bufferedAmountLowThreshold = 256 * 1024;
            for (let sent = 0; sent < bytes; sent += message.length) {
                if (channel.bufferedAmount > 1024 * 1024) {
                    await new Promise((resolve) => { channel.onbufferedamountlow = resolve; });
                }
                channel.send(message);
            }
            await all;
            return performance.now() - begun;
        },
    };";

/// Connections of each kind, none of ours of which may hang.
const CONNECTIONS: usize = 40;

/// Milliseconds after which one is said to.
const HANGING_MS: u32 = 10_000;

/// Posts of which the time is measured, in each way.
const POSTS: usize = 200;

/// Tabs in one thread: as many as two cores bear.
const TABS: usize = 20;

/// What each of them writes.
const EACH: usize = 3;

/// Sends an answer in the thread that is shown, as if typed; when that was.
const SAY: &str = "
    const form = document.querySelector('form[aria-label=Reply]');
    const box = form.querySelector('textarea');
    box.focus();
    box.value = arguments[0];
    box.dispatchEvent(new InputEvent('input', {bubbles: true}));
    const sent = performance.timeOrigin + performance.now();
    form.requestSubmit();
    return sent;";

/// Notes when the frame was drawn in which a post was first shown, by its words.
const WATCH: &str = "
    window.shownAt = {};
    const note = () => {
        const fresh = [...document.querySelectorAll('article[data-id] [data-part=comment]')]
            .map(comment => comment.textContent).filter(words => !(words in window.shownAt));
        for (const words of fresh) window.shownAt[words] = null;
        if (fresh.length) requestAnimationFrame(() => {
            for (const words of fresh) window.shownAt[words] = performance.timeOrigin + performance.now();
        });
    };
    note();
    new MutationObserver(note).observe(document, {subtree: true, childList: true, characterData: true});";

/// When a post was first shown.
const SHOWN: &str = "return window.shownAt[arguments[0]] ?? null";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("the system has room for a runtime").block_on(bench());
}

async fn bench() {
    let folder = place::artifacts("bench-webrtc");
    throughput(&folder).await;
    connections(&folder).await;
    for (names, answer) in [
        (["webrtc.post_p50_ms", "webrtc.post_p95_ms"], "Connect directly"),
        (["webrtc.post_relay_p50_ms", "webrtc.post_relay_p95_ms"], "Only through relays"),
    ] {
        let times = posts(answer, &folder).await;
        for (name, part) in names.into_iter().zip([50, 95]) {
            row(name, times[times.len() * part / 100], "ms");
        }
    }
    many(&folder).await;
}

/// Two browsers that have a connection of ours and a bare one.
async fn throughput(folder: &Path) {
    let relay = Relay::start(&folder.join("relay.log")).await;
    let browser =
        async |name: &str| Rc::new(Browser::launch(name, Start::plain(Profile::fresh()), folder).await);
    let (one, other) = (browser("sends").await, browser("takes").await);
    let (ours, there) =
        (Foreign::ours_in(one.clone(), &relay).await, Foreign::ours_in(other.clone(), &relay).await);
    ours.start(&relay, json!({})).await;
    let (_, address) = there.start(&relay, json!({})).await;
    let peer = ours.tell("dial", json!({"address": address})).await;

    let call = async |browser: &Browser, body: &str, arguments: &[Value]| {
        browser.script(body, arguments).await.unwrap_or_else(|error| panic!("{body}: {error}"))
    };
    let stun = json!(format!("stun:{}", relay.address()));
    call(&one, BARE, std::slice::from_ref(&stun)).await;
    call(&other, BARE, &[stun]).await;
    let offer = call(&one, "return bare.offer()", &[]).await;
    let answer = call(&other, "return bare.answer(...arguments)", &[offer, BYTES.into()]).await;
    call(&one, "return bare.take(arguments[0])", &[answer]).await;

    let rate = |milliseconds: Value| BYTES as f64 / 1e3 / milliseconds.as_f64().expect("milliseconds");
    let our_turn = async || rate(ours.tell("send", json!({"peer": peer, "size": BYTES})).await);
    let bare_turn = async || rate(call(&one, "return bare.send(arguments[0])", &[BYTES.into()]).await);
    let (mut ours_sent, mut bare_sent) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let (ours, bare) = if turn % 2 == 0 {
            let ours = our_turn().await;
            (ours, bare_turn().await)
        } else {
            let bare = bare_turn().await;
            (our_turn().await, bare)
        };
        if turn > 0 {
            ours_sent.push(ours);
            bare_sent.push(bare);
        }
    }
    let ratio = median(ours_sent.iter().zip(&bare_sent).map(|(ours, bare)| ours / bare).collect());
    let (ours, bare) = (median(ours_sent), median(bare_sent));
    print("webrtc.throughput", ours, "MB/s", bare.into(), ratio.into());
}

/// Two pairs of browsers, one with our transport and one with js-libp2p, each of which connects again and again.
async fn connections(folder: &Path) {
    let relay = Relay::start(&folder.join("relay.log")).await;
    let browser =
        async |name: &str| Rc::new(Browser::launch(name, Start::plain(Profile::fresh()), folder).await);
    let (one, other) = (browser("ours-dials").await, browser("ours-answers").await);
    let (ours, ours_there) = (Foreign::ours_in(one, &relay).await, Foreign::ours_in(other, &relay).await);
    let (one, other) = (browser("js-dials").await, browser("js-answers").await);
    let (js, js_there) = (Foreign::page_in(one, &relay).await, Foreign::page_in(other, &relay).await);
    let (mut ours_took, mut js_took) = (Vec::new(), Vec::new());
    let connect = async |from: &Foreign, to: &str| {
        from.tell("connect", json!({"address": to, "limit": HANGING_MS})).await.as_f64()
    };
    ours.start(&relay, json!({})).await;
    let (_, our_address) = ours_there.start(&relay, json!({})).await;
    for _ in 0..CONNECTIONS {
        ours_took.push(connect(&ours, &our_address).await.expect("none of ours hangs"));
        // Of the same two of js-libp2p that connect again and again more hang.
        js.start(&relay, json!({})).await;
        let (_, js_address) = js_there.start(&relay, json!({})).await;
        js_took.extend(connect(&js, &js_address).await);
        for peer in [&js, &js_there] {
            peer.tell("stop", Value::Null).await;
        }
    }
    let hung = CONNECTIONS - js_took.len();
    let (ours, js) = (median(ours_took), median(js_took));
    compared("webrtc.connect_vs_js", ours, "ms", js);
    row("webrtc.connect_js_hung", hung as f64, &format!("of {CONNECTIONS}"));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A browser in the board, which has answered the question.
async fn tab(name: &str, relay: &Relay, answer: &str, folder: &Path) -> Browser {
    let browser = Browser::launch(name, Start::plain(Profile::fresh()), folder).await;
    browser.open(&relay.url("/b/bench?lang=en")).await;
    let question = browser.find(Scope::Page, "dialog", "Direct connections").await;
    browser.click(Scope::In(&question), "button", answer).await;
    browser
}

/// How long each post took from one tab to the other, sorted, milliseconds.
async fn posts(answer: &str, folder: &Path) -> Vec<f64> {
    let relay = Relay::start(&folder.join("relay.log")).await;
    let writer = tab("writer", &relay, answer, folder).await;
    let reader = tab("reader", &relay, answer, folder).await;
    let expected = if answer == "Connect directly" { "1" } else { "0" };
    for browser in [&writer, &reader] {
        browser.network(|direct, relays| (direct, relays) == (expected, "1")).await;
    }
    writer.new_thread("Bench", "The first").await;
    reader.find(Scope::Page, "link", "Bench").await.click().await.expect("a thread can be opened");
    reader.post_with("The first").await;
    reader.script(WATCH, &[]).await.expect("the page runs scripts of the driver");
    let mut times = Vec::new();
    for number in 0..POSTS {
        let words = format!("post {number} of {POSTS}");
        let sent = writer.script(SAY, &[words.clone().into()]).await.expect("the form is there");
        let shown = wait::until(&words, async || {
            let shown = reader.script(SHOWN, &[words.clone().into()]).await?;
            shown.as_f64().ok_or_else(|| "it is not there".to_owned())
        })
        .await;
        times.push(shown - sent.as_f64().expect("a time"));
    }
    times.sort_unstable_by(f64::total_cmp);
    times
}

/// Many tabs with one relay: each writes, and all have all.
async fn many(folder: &Path) {
    let relay = Relay::start(&folder.join("relay.log")).await;
    let mut tabs = Vec::new();
    for number in 0..TABS {
        tabs.push(tab(&format!("tab-{number}"), &relay, "Connect directly", folder).await);
    }
    let path = tabs[0].new_thread("Bench", "The first").await;
    for tab in &tabs {
        tab.network(|direct, _| direct.parse().is_ok_and(|direct: usize| direct >= 3)).await;
        if tab.path().await != path {
            tab.find(Scope::Page, "link", "Bench").await.click().await.expect("a thread can be opened");
        }
        tab.post_with("The first").await;
        tab.script(WATCH, &[]).await.expect("the page runs scripts of the driver");
    }
    let before = relay.metrics().await;
    let all: Vec<String> = (0..TABS * EACH).map(|number| format!("post {number} of many")).collect();
    for (number, words) in all.iter().enumerate() {
        let sent = tabs[number % TABS].script(SAY, &[words.clone().into()]).await;
        sent.expect("the form is there");
    }
    for tab in &tabs {
        wait::until("every post in every tab", async || {
            let shown = tab.script("return Object.keys(window.shownAt)", &[]).await?;
            let shown: Vec<String> = serde_json::from_value(shown).map_err(|error| error.to_string())?;
            let missing: Vec<&String> = all.iter().filter(|words| !shown.contains(words)).collect();
            wait::holds(missing.is_empty(), || format!("{missing:?} are missing"))
        })
        .await;
    }
    row("webrtc.tabs", TABS as f64, "tabs");
    row("webrtc.tabs_all_delivered", 1.0, "of 1");
    let after = wait::until("the relay to have stored all", async || {
        let after = relay.metrics().await;
        let stored = after["chanterelle_events_stored_total"] - before["chanterelle_events_stored_total"];
        wait::holds(stored >= all.len() as f64, || format!("{stored} are stored")).map(|()| after)
    })
    .await;
    let more = |name: &str| {
        let of =
            |figures: &std::collections::BTreeMap<String, f64>| figures.get(name).copied().unwrap_or(0.0);
        of(&after) - of(&before)
    };
    let posts = all.len() as f64;
    let bytes =
        |direction: &str| more(&format!("chanterelle_frame_bytes_total{{direction=\"{direction}\"}}"));
    row("webrtc.relay_up_bytes", bytes("in") / posts, "bytes/post");
    row("webrtc.relay_down_bytes", bytes("out") / posts, "bytes/post");
    row("webrtc.relay_stored", more("chanterelle_events_stored_total"), "events");
}

fn row(name: &str, value: f64, unit: &str) {
    print(name, value, unit, Value::Null, Value::Null);
}

fn compared(name: &str, value: f64, unit: &str, baseline: f64) {
    print(name, value, unit, baseline.into(), (value / baseline).into());
}

fn print(name: &str, value: f64, unit: &str, baseline: Value, ratio: Value) {
    let value = (value * 10.0).round() / 10.0;
    let row = json!({"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio});
    println!("bench-row {row}");
}
