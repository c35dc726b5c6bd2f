//! Direct connections: two browsers with a profile each, the question before the first, and never worse than before.

use std::rc::Rc;

use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::firefox::{self, Firefox};
use chanterelle_e2e::stage::{Stage, play};
use chanterelle_e2e::wait;
use serde_json::json;

/// Keeps every `RTCPeerConnection` that a page makes, for the test to look at.
pub(crate) const KEEP: &str = "
    window.connections = [];
    window.RTCPeerConnection = class extends window.RTCPeerConnection {
        constructor(...given) {
            super(...given);
            window.connections.push(this);
        }
    };";

/// The same of a network that lets nothing through: the only candidates are those of a TURN server that is not there.
const BLOCK: &str = "
    window.connections = [];
    window.RTCPeerConnection = class extends window.RTCPeerConnection {
        constructor(configuration) {
            super({...configuration, iceTransportPolicy: 'relay'});
            window.connections.push(this);
        }
    };";

/// Bytes that went through data channels, out and in, of the connections there are.
const BYTES: &str = "
    const bytes = [0, 0];
    for (const connection of window.connections) {
        if (connection.connectionState !== 'connected') continue;
        for (const stat of (await connection.getStats()).values()) {
            if (stat.type !== 'data-channel') continue;
            bytes[0] += stat.bytesSent;
            bytes[1] += stat.bytesReceived;
        }
    }
    return bytes;";

/// A browser whose pages begin with a script.
pub(crate) async fn browser(stage: &Stage, name: &str, script: &str) -> Rc<Browser> {
    let browser = stage.browser(name).await;
    let command = "Page.addScriptToEvaluateOnNewDocument";
    browser.devtools(command, json!({ "source": script })).await.expect("Chromium takes scripts");
    browser
}

async fn connections(browser: &Browser) -> u64 {
    let count = browser.script("return window.connections.length", &[]).await;
    count.expect("the page was opened with the script").as_u64().expect("a count")
}

/// Answers the question about direct connections.
pub(crate) async fn answer(browser: &Browser, button: &str) {
    let question = browser.find(Scope::Page, "dialog", "Direct connections").await;
    assert_eq!(connections(browser).await, 0, "before the answer there is none");
    browser.click(Scope::In(&question), "button", button).await;
    wait::until("the question to be gone", async || {
        let open = browser.all(Scope::Page, "dialog", Some("Direct connections")).await?.len();
        wait::holds(open == 0, || "it is there".to_owned())
    })
    .await;
}

/// Waits until there are so many direct connections.
pub(crate) async fn direct(browser: &Browser, count: &str) {
    browser.network(|direct, _| direct == count).await;
}

#[test]
fn two_tabs_talk_directly_and_go_on_without_the_relay() {
    play("two_tabs_talk_directly_and_go_on_without_the_relay", async |stage| {
        let relay = stage.relay().await;
        let [opening, first, second] = ["opening", "first", "second"].map(|about| stage.word(about));
        let (ann, ben) = (browser(stage, "ann", KEEP).await, browser(stage, "ben", KEEP).await);
        ann.open(&relay.url("/b/direct?lang=en")).await;
        ben.open(&relay.url("/b/direct?lang=en")).await;
        answer(&ann, "Connect directly").await;
        answer(&ben, "Connect directly").await;
        direct(&ann, "1").await;
        direct(&ben, "1").await;

        let path = ann.new_thread("Direct", &opening).await;
        ben.find(Scope::Page, "link", "Direct").await.click().await.expect("a thread can be opened");
        let post = ben.post_with(&opening).await;
        ann.post_in_state(&post.id, "sent").await;
        for browser in [&ann, &ben] {
            let bytes = browser.script(BYTES, &[]).await.expect("the browser tells");
            let [sent, received] = [0, 1].map(|at| bytes[at].as_u64().expect("a count"));
            assert!(sent > 500 && received > 500, "{sent} bytes out and {received} in by data channels");
        }
        ben.open(&relay.url("/peers?lang=en")).await;
        direct(&ben, "1").await;
        let peers = ben.find(Scope::Page, "list", "Peers").await;
        wait::until("a direct peer and a relay in the list", async || {
            let mut kinds = Vec::new();
            for item in ben.all(Scope::In(&peers), "listitem", None).await? {
                kinds.extend(item.attr("data-kind").await.map_err(|error| error.to_string())?);
            }
            kinds.sort();
            wait::holds(kinds == ["webrtc", "websocket"], || format!("{kinds:?}"))
        })
        .await;
        ben.open(&relay.url(&path)).await;
        ben.kept().await;
        direct(&ann, "1").await;
        direct(&ben, "1").await;

        relay.stop().await;
        ann.network(|direct, relays| (direct, relays) == ("1", "0")).await;
        ben.network(|direct, relays| (direct, relays) == ("1", "0")).await;
        ann.reply(&first).await;
        let reply = ben.post_with(&first).await;
        ann.post_in_state(&reply.id, "sent").await;
        ben.reply(&second).await;
        ann.post_with(&second).await;
        relay.start_again().await;
        ann.network(|_, relays| relays == "1").await;
    });
}

#[test]
fn private_mode_makes_no_connection_and_posts_go_through_the_relay() {
    play("private_mode_makes_no_connection_and_posts_go_through_the_relay", async |stage| {
        let relay = stage.relay().await;
        let [opening, first] = ["opening", "first"].map(|about| stage.word(about));
        let (ann, ben) = (browser(stage, "ann", KEEP).await, browser(stage, "ben", KEEP).await);
        ann.open(&relay.url("/b/private?lang=en")).await;
        ben.open(&relay.url("/b/private?lang=en")).await;
        answer(&ann, "Only through relays").await;
        answer(&ben, "Connect directly").await;
        let path = ann.new_thread("Private", &opening).await;
        ben.find(Scope::Page, "link", "Private").await.click().await.expect("a thread can be opened");
        ben.post_with(&opening).await;
        // It is asked once.
        ann.open(&relay.url(&path)).await;
        ben.reply(&first).await;
        ann.post_with(&first).await;
        let asked = ann.all(Scope::Page, "dialog", None).await.expect("the page stays as it is");
        assert!(asked.is_empty(), "and not again");
        assert_eq!((connections(&ann).await, connections(&ben).await), (0, 0));

        ann.open(&relay.url("/settings?lang=en")).await;
        let switch = ann.find(Scope::Page, "switch", "Private mode").await;
        assert_eq!(switch.prop("checked").await.expect("it is a switch").as_deref(), Some("true"));
        switch.click().await.expect("it can be switched");
        direct(&ann, "1").await;
        direct(&ben, "1").await;
        // And back: what there was is ended.
        ann.find(Scope::Page, "switch", "Private mode").await.click().await.expect("it can be switched");
        direct(&ann, "0").await;
        direct(&ben, "0").await;
        ann.network(|_, relays| relays == "1").await;
    });
}

#[test]
fn where_nothing_gets_through_posts_go_through_the_relay() {
    play("where_nothing_gets_through_posts_go_through_the_relay", async |stage| {
        let relay = stage.relay().await;
        let [opening, first] = ["opening", "first"].map(|about| stage.word(about));
        let (ann, ben) = (browser(stage, "ann", BLOCK).await, browser(stage, "ben", BLOCK).await);
        ann.open(&relay.url("/b/blocked?lang=en")).await;
        ben.open(&relay.url("/b/blocked?lang=en")).await;
        answer(&ann, "Connect directly").await;
        answer(&ben, "Connect directly").await;
        wait::until("an attempt", async || {
            let attempts = (connections(&ann).await, connections(&ben).await);
            wait::holds(attempts.0 > 0 && attempts.1 > 0, || format!("{attempts:?}"))
        })
        .await;
        ann.new_thread("Blocked", &opening).await;
        ben.find(Scope::Page, "link", "Blocked").await.click().await.expect("a thread can be opened");
        let post = ben.post_with(&opening).await;
        ann.post_in_state(&post.id, "sent").await;
        // The attempt fails, and what there was stays.
        wait::until("the attempt to be over", async || {
            let open = "return window.connections.filter(c => c.connectionState !== 'closed').length";
            let open = ann.script(open, &[]).await?;
            wait::holds(open == 0, || format!("{open} are open"))
        })
        .await;
        ben.reply(&first).await;
        ann.post_with(&first).await;
        ann.network(|direct, relays| (direct, relays) == ("0", "1")).await;
        ben.network(|direct, relays| (direct, relays) == ("0", "1")).await;
        let metrics = relay.metrics().await;
        assert_eq!(metrics["chanterelle_sessions"], 2.0);
    });
}

/// What stands in a text box that the person cannot change.
async fn code(browser: &Browser, name: &str) -> String {
    wait::until(&format!("{name:?} in {}", browser.name()), async || {
        let field = browser.one(Scope::Page, "textbox", name).await?;
        let value = field.prop("value").await.map_err(|error| error.to_string())?.unwrap_or_default();
        wait::holds(value.starts_with("chan"), || value.clone()).map(|()| value)
    })
    .await
}

async fn use_code(browser: &Browser, code: &str) {
    browser.fill(Scope::Page, "Code of the other side", code).await;
    browser.click(Scope::Page, "button", "Use code").await;
}

async fn alert_with(browser: &Browser, words: &str) {
    wait::until(&format!("an alert with {words:?}"), async || {
        let alerts = browser.alerts().await?;
        wait::holds(alerts.iter().any(|alert| alert.contains(words)), || format!("{alerts:?}"))
    })
    .await;
}

#[test]
fn two_tabs_meet_without_any_relay() {
    play("two_tabs_meet_without_any_relay", async |stage| {
        let relay = stage.relay().await;
        let opening = stage.word("opening");
        let (ann, ben) = (browser(stage, "ann", KEEP).await, browser(stage, "ben", KEEP).await);
        for browser in [&ann, &ben] {
            browser.open(&relay.url("/peers?lang=en")).await;
            browser.kept().await;
        }
        relay.stop().await;
        for browser in [&ann, &ben] {
            browser.network(|_, relays| relays == "0").await;
        }
        // Whoever begins is asked first.
        ann.click(Scope::Page, "button", "Make an offer").await;
        alert_with(&ann, "Direct connections are not switched on").await;
        answer(&ann, "Connect directly").await;
        ann.click(Scope::Page, "button", "Make an offer").await;
        let offer = code(&ann, "Offer code").await;

        use_code(&ben, &offer).await;
        answer(&ben, "Connect directly").await;
        use_code(&ben, "chanoffer1 something else").await;
        alert_with(&ben, "This connection code is damaged").await;
        use_code(&ben, &offer).await;
        let reply = code(&ben, "Answer code").await;
        use_code(&ben, &reply).await;
        alert_with(&ben, "This code was made in this tab").await;
        use_code(&ann, &reply).await;
        direct(&ann, "1").await;
        direct(&ben, "1").await;
        // An answer is good once.
        use_code(&ann, &reply).await;
        alert_with(&ann, "answers another offer").await;

        for browser in [&ann, &ben] {
            browser.click(Scope::Page, "link", "Chanterelle, all boards").await;
            browser.open_board("hand").await;
        }
        ann.new_thread("By hand", &opening).await;
        ben.find(Scope::Page, "link", "By hand").await.click().await.expect("a thread can be opened");
        let post = ben.post_with(&opening).await;
        ann.post_in_state(&post.id, "sent").await;
        relay.start_again().await;
    });
}

/// Presses the button of this text, once it is there.
const PRESS: &str = "
    const button = [...document.querySelectorAll('button')].find(button => button.textContent === arguments[0]);
    button?.click();
    return button !== undefined;";

/// Whether a post with these words is shown.
const SHOWS: &str = "
    const comments = [...document.querySelectorAll('article[data-id] [data-part=comment]')];
    return comments.some(comment => comment.textContent.includes(arguments[0]));";

/// Opens the thread of this subject, once it is listed.
const FOLLOW: &str = "
    const link = [...document.querySelectorAll('main a')].find(link => link.textContent.includes(arguments[0]));
    link?.click();
    return link !== undefined;";

/// Answers in the thread that is shown, once it is.
const ANSWER: &str = "
    const form = document.querySelector('form[aria-label=Reply]');
    if (!form) return false;
    const box = form.querySelector('textarea');
    box.value = arguments[0];
    box.dispatchEvent(new InputEvent('input', {bubbles: true}));
    form.requestSubmit();
    return true;";

const IS_DIRECT: &str = "return document.querySelector('#network').dataset.direct === '1'";

#[test]
fn chromium_and_firefox_talk_directly() {
    let name = "chromium_and_firefox_talk_directly";
    let program = match firefox::program() {
        Ok(program) => program,
        Err(reason) => return println!("skipped: {name}: {reason}"),
    };
    play(name, async |stage| {
        let relay = stage.relay().await;
        let [opening, first, second] = ["opening", "first", "second"].map(|about| stage.word(about));
        let ann = browser(stage, "ann", KEEP).await;
        let ben = Firefox::launch(&program, stage.folder()).await;
        ann.open(&relay.url("/b/browsers?lang=en")).await;
        ben.open(&relay.url("/b/browsers?lang=en")).await;
        answer(&ann, "Connect directly").await;
        ben.until("the question", PRESS, &["Connect directly".into()]).await;
        direct(&ann, "1").await;
        ben.until("a direct connection", IS_DIRECT, &[]).await;

        ann.new_thread("Browsers", &opening).await;
        ben.until("the thread", FOLLOW, &["Browsers".into()]).await;
        ben.until("the opening post", SHOWS, &[opening.into()]).await;
        ann.kept().await;
        relay.stop().await;
        ann.network(|direct, relays| (direct, relays) == ("1", "0")).await;
        ben.until("the form", ANSWER, &[first.clone().into()]).await;
        let reply = ann.post_with(&first).await;
        assert_eq!(reply.comment, first);
        ann.reply(&second).await;
        ben.until("the reply", SHOWS, &[second.into()]).await;
        relay.start_again().await;
    });
}
