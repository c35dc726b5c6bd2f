//! Our tab and our relay with js-libp2p, which speaks the session protocol by `docs/protocol.md`: both dial, both ask,
//! both give.

use std::rc::Rc;

use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::interop::{self, Foreign};
use chanterelle_e2e::relay::Relay;
use chanterelle_e2e::stage::{Stage, play_with_js};
use chanterelle_e2e::wait;
use fantoccini::Locator;
use futures::join;
use serde_json::{Value, json};

/// A board that both read.
const BOARD: &str = "interop";

/// Threads that are more than 1 MiB together, also when they are compressed.
const BULK: usize = 150;

/// Bytes of them at least.
const MEBIBYTE: u64 = 1024 * 1024;

/// A tab that may be connected to directly, at `/peers`; and where it can be asked for.
async fn open_tab(stage: &Stage, relay: &Relay) -> (Rc<Browser>, String) {
    let tab = stage.browser("tab").await;
    tab.open(&relay.url(&format!("/b/{BOARD}?lang=en"))).await;
    let question = tab.find(Scope::Page, "dialog", "Direct connections").await;
    tab.click(Scope::In(&question), "button", "Connect directly").await;
    tab.open(&relay.url("/peers?lang=en")).await;
    let address = wait::until("the address of the tab", async || {
        let field = tab.one(Scope::Page, "textbox", "Address of this tab").await?;
        let value = field.prop("value").await.map_err(|error| error.to_string())?;
        value.filter(|value| value.contains("/webrtc/")).ok_or_else(|| "there is none".to_owned())
    });
    let address = address.await;
    (tab, address)
}

/// The id at the end of an address.
fn id_of(address: &str) -> String {
    address.rsplit_once('/').expect("an address has parts").1.to_owned()
}

/// Leads the tab to an address of another.
async fn dial(tab: &Browser, address: &str) {
    tab.fill(Scope::Page, "Peer address", address).await;
    tab.click(Scope::Page, "button", "Connect").await;
}

/// Waits until both have exactly one session with each other, over a direct connection; whether js-libp2p opened it.
async fn one_session(tab: &Browser, js: &Foreign, id: &str) -> bool {
    tab.network(|direct, _| direct == "1").await;
    let state = js.state("one session", |state| {
        let sessions = state["sessions"].as_object().expect("sessions by peer");
        sessions.len() == 1 && sessions.get(id).is_some_and(|session| session["role"] == "tab")
    });
    let state = state.await;
    let direct = |connection: &&Value| connection["peer"] == id && connection["limited"] == false;
    assert!(state["connections"].as_array().into_iter().flatten().any(|each| direct(&each)), "{state}");
    state["sessions"][id]["openedHere"] == true
}

/// A post goes each way. The tab shows the board or a thread of it afterwards.
async fn posts_go_both_ways(stage: &Stage, tab: &Browser, js: &Foreign, id: &str) {
    let [theirs, ours] = ["theirs", "ours"].map(|about| stage.word(about));
    js.tell("post", json!({"peer": id, "board": BOARD, "subject": theirs, "comment": theirs})).await;
    // Without leaving the page, whose connections would end.
    tab.click(Scope::Page, "link", "Chanterelle, all boards").await;
    tab.open_board(BOARD).await;
    tab.click(Scope::Page, "link", &theirs).await;
    tab.post_with(&theirs).await;
    tab.reply(&ours).await;
    js.comes(&ours).await;
}

/// What the tab answers to: who it is, pings, and twelve streams at once, of which js-libp2p says nothing on ten, finishes
/// its half, and reads the answer to its end.
async fn streams(js: &Foreign, id: &str) {
    let info = js.tell("identify", json!({"peer": id})).await;
    assert!(
        info["agentVersion"].as_str().is_some_and(|agent| agent.starts_with("chanterelle-tab/")),
        "{info}"
    );
    for protocol in ["/chanterelle/1", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0"] {
        assert!(info["protocols"].as_array().is_some_and(|all| all.contains(&json!(protocol))), "{info}");
    }
    js.tell("ping", json!({"peer": id})).await;
    // The session is the twelfth.
    let answered = js.tell("atOnce", json!({"peer": id, "count": 10})).await;
    assert!(answered["streams"].as_u64() >= Some(12), "{answered}");
    assert_eq!(answered["pong"], 32, "{answered}");
    let answers = answered["answers"].as_array().expect("a list");
    assert!(answers.len() == 10 && answers.iter().all(|bytes| bytes.as_u64() > Some(100)), "{answered}");
}

/// More than 1 MiB goes from js-libp2p to the tab, which stores it, and back.
async fn a_mebibyte_each_way(js: &Foreign, id: &str) {
    let bytes = async |name: &str| {
        let state = js.tell("state", Value::Null).await;
        state["sessions"][id][name].as_u64().expect("there is a session")
    };
    let before = bytes("bytesOut").await;
    let ids = js.tell("give", json!({"peer": id, "board": "bulk", "count": BULK})).await;
    js.count("acked", &json!({"peer": id, "ids": ids}), BULK).await;
    assert!(bytes("bytesOut").await - before > MEBIBYTE);
    js.tell("forget", json!({"ids": ids})).await;
    let before = bytes("bytesIn").await;
    js.tell("want", json!({"peer": id, "ids": ids})).await;
    js.count("has", &json!({"ids": ids}), BULK).await;
    assert!(bytes("bytesIn").await - before > MEBIBYTE);
}

/// Everything that two peers do once they are connected.
async fn talk(stage: &Stage, relay: &Relay, tab: &Browser, js: &Foreign, id: &str) {
    wait::until("a ping of the tab", async || {
        let mut texts = Vec::new();
        for item in tab.all(Scope::Page, "listitem", None).await? {
            if item.attr("data-kind").await.map_err(|error| error.to_string())?.as_deref() == Some("webrtc") {
                texts.push(item.text().await.map_err(|error| error.to_string())?);
            }
        }
        wait::holds(texts.len() == 1 && texts[0].contains(" ms"), || format!("{texts:?}"))
    })
    .await;
    streams(js, id).await;
    posts_go_both_ways(stage, tab, js, id).await;
    a_mebibyte_each_way(js, id).await;
    relay.stop().await;
    tab.network(|direct, relays| (direct, relays) == ("1", "0")).await;
    posts_go_both_ways(stage, tab, js, id).await;
    streams(js, id).await;
    relay.start_again().await;
}

#[test]
fn js_libp2p_dials_our_tab() {
    play_with_js("js_libp2p_dials_our_tab", async |stage| {
        let relay = stage.relay().await;
        let (tab, address) = open_tab(stage, &relay).await;
        let js = Foreign::page(stage, "js", &relay).await;
        js.start(&relay, json!({"wants": [BOARD]})).await;
        let id = id_of(&address);
        assert_eq!(js.tell("dial", json!({"address": address})).await, id);
        assert!(one_session(&tab, &js, &id).await, "whoever dials opens the session");
        talk(stage, &relay, &tab, &js, &id).await;
    });
}

#[test]
fn our_tab_dials_js_libp2p() {
    play_with_js("our_tab_dials_js_libp2p", async |stage| {
        let relay = stage.relay().await;
        let js = Foreign::page(stage, "js", &relay).await;
        let (_, address) = js.start(&relay, json!({"wants": [BOARD]})).await;
        let (tab, own) = open_tab(stage, &relay).await;
        let id = id_of(&own);
        dial(&tab, &address).await;
        assert!(!one_session(&tab, &js, &id).await, "whoever dials opens the session");
        talk(stage, &relay, &tab, &js, &id).await;
    });
}

/// Both dial, and both open a session before they know of the other's.
async fn dial_at_once(relay: &Relay, tab: &Browser, js: &Foreign, own: &str, settings: Value) {
    let mut seen = Vec::new();
    // Either may be too late, and finds a connection there.
    while seen.len() < 10 {
        let (_, address) = js.start(relay, settings.clone()).await;
        tab.fill(Scope::Page, "Peer address", &address).await;
        // Not clicked as a person does, which takes the driver longer than a connection takes.
        let connect = [json!(tab.find(Scope::Page, "button", "Connect").await)];
        let (dialled, clicked) =
            join!(js.tell("dial", json!({"address": own})), tab.script("arguments[0].click()", &connect));
        clicked.expect("a button can be clicked");
        assert_eq!(dialled, id_of(own));
        one_session(tab, js, &id_of(own)).await;
        let state = js.tell("state", Value::Null).await;
        if state["opened"]["here"] == 1 && state["opened"]["there"] == 1 {
            return;
        }
        seen.push(state);
        js.tell("stop", Value::Null).await;
        tab.network(|direct, _| direct == "0").await;
    }
    panic!("one was always too late: {seen:#?}");
}

#[test]
fn of_two_sessions_one_stays() {
    play_with_js("of_two_sessions_one_stays", async |stage| {
        let relay = stage.relay().await;
        let (tab, own) = open_tab(stage, &relay).await;
        let id = id_of(&own);
        for lower in [true, false] {
            let js = Foreign::page(stage, if lower { "lower" } else { "higher" }, &relay).await;
            let settings = json!({"wants": [BOARD], "than": id, "lower": lower});
            dial_at_once(&relay, &tab, &js, &own, settings).await;
            assert_eq!(one_session(&tab, &js, &id).await, lower, "that of the lower id stays");
            posts_go_both_ways(stage, &tab, &js, &id).await;
            // The later one of the same side takes the place of the earlier.
            js.tell("again", json!({"peer": id})).await;
            one_session(&tab, &js, &id).await;
            posts_go_both_ways(stage, &tab, &js, &id).await;
            js.tell("stop", Value::Null).await;
            tab.network(|direct, _| direct == "0").await;
            let status = tab.find(Scope::Page, "status", "Network").await;
            let peers = status.find(Locator::Css("a")).await.expect("the status leads to the peers");
            peers.click().await.expect("a link can be clicked");
        }
    });
}

#[test]
fn streams_of_our_transport_end_as_js_libp2p_ends_them() {
    play_with_js("streams_of_our_transport_end_as_js_libp2p_ends_them", async |stage| {
        let relay = stage.relay().await;
        let ours = Foreign::ours(stage, "ours", &relay).await;
        let (our_id, our_address) = ours.start(&relay, json!({})).await;
        let js = Foreign::page(stage, "js", &relay).await;
        for we_dial in [true, false] {
            let (js_id, js_address) = js.start(&relay, json!({})).await;
            if we_dial {
                assert_eq!(ours.tell("dial", json!({"address": js_address})).await, js_id.as_str());
                js.state("our connection", |state| state.to_string().contains(&our_id)).await;
            } else {
                js.tell("dial", json!({"address": our_address, "session": false})).await;
            }
            for (asking, other, noticed) in
                [(&ours, &js_id, "connection reset"), (&js, &our_id, "StreamResetError")]
            {
                for (size, count) in [(MEBIBYTE, 1), (64 * 1024, 12)] {
                    let asked = json!({"peer": other, "size": size, "count": count});
                    assert_eq!(asking.tell("ask", asked).await, size * count);
                }
                assert_eq!(asking.tell("broken", json!({"peer": other})).await, noticed);
            }
            js.tell("stop", Value::Null).await;
        }
    });
}

#[test]
fn js_libp2p_is_a_client_of_our_relay() {
    play_with_js("js_libp2p_is_a_client_of_our_relay", async |stage| {
        let relay = stage.relay().await;
        let [early, live, theirs] = ["early", "live", "theirs"].map(|about| stage.word(about));
        let tab = stage.browser("tab").await;
        tab.open(&relay.url(&format!("/b/{BOARD}?lang=en"))).await;
        tab.new_thread("Early", &early).await;
        let post = tab.post_with(&early).await;
        tab.post_in_state(&post.id, "sent").await;

        let js = Foreign::node(stage, "js").await;
        js.start(&relay, json!({"wants": [BOARD]})).await;
        assert_eq!(relay.metrics().await["chanterelle_reservations"], 1.0);
        let address = interop::address(&relay).await;
        let id = id_of(&address);
        assert_eq!(js.tell("dial", json!({"address": address})).await, id);
        js.state("the relay's greeting", |state| state["sessions"][&id]["role"] == "relay").await;
        let info = js.tell("identify", json!({"peer": id})).await;
        assert!(info["protocols"].to_string().contains("/libp2p/circuit/relay/0.2.0/hop"), "{info}");
        js.tell("ping", json!({"peer": id})).await;

        js.tell("reconcile", json!({"peer": id, "board": BOARD})).await;
        js.comes(&early).await;
        tab.reply(&live).await;
        js.comes(&live).await;
        js.tell("post", json!({"peer": id, "board": BOARD, "subject": "Theirs", "comment": theirs})).await;
        tab.open(&relay.url(&format!("/b/{BOARD}?lang=en"))).await;
        tab.click(Scope::Page, "link", "Theirs").await;
        tab.post_with(&theirs).await;
    });
}

#[test]
fn our_relay_carries_no_bulk_between_js_libp2p() {
    play_with_js("our_relay_carries_no_bulk_between_js_libp2p", async |stage| {
        let relay = stage.relay().await;
        let (one, other) = (Foreign::node(stage, "one").await, Foreign::node(stage, "other").await);
        let (id, address) = one.start(&relay, json!({})).await;
        other.start(&relay, json!({})).await;
        let echo = async |size: u64| other.tell("echo", json!({"address": address, "size": size})).await;
        assert_eq!(echo(16 * 1024).await, json!({"received": 16 * 1024}));
        let state = other.tell("state", Value::Null).await;
        let is_limited = |each: &Value| each["peer"] == id.as_str() && each["limited"] == true;
        assert!(state["connections"].as_array().is_some_and(|all| all.iter().any(is_limited)), "{state}");

        let cut = echo(MEBIBYTE).await;
        assert!(cut["fault"].is_string(), "{cut}");
        // Both ways together, of both attempts.
        let arrived = one.tell("state", Value::Null).await["echoed"].as_u64().expect("a count");
        assert!((16 * 1024..128 * 1024).contains(&arrived), "{arrived} bytes arrived");
        let relay_address = interop::address(&relay).await;
        other.tell("dial", json!({"address": relay_address})).await;
        other.tell("ping", json!({"peer": id_of(&relay_address)})).await;
        wait::until("the circuit to be over", async || {
            let metrics = relay.metrics().await;
            let (open, opened) =
                (metrics["chanterelle_circuits"], metrics["chanterelle_circuits_opened_total"]);
            wait::holds(open == 0.0 && opened >= 1.0, || format!("{open} of {opened} are open"))
        })
        .await;
    });
}
