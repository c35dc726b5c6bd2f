//! A clock that is a day off: the page says so, and what is written or sent meanwhile is deferred and not lost.

use std::net::SocketAddr;

use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::relay::Relay;
use chanterelle_e2e::site::Site;
use chanterelle_e2e::stage::play;
use chanterelle_e2e::wait;
use serde_json::json;

/// Put before the page's program, which page and worker both begin with.
const DAYS_OFF: &str = "{
    const Right = Date;
    const now = () => Right.now() + DAYS * 86400000;
    globalThis.Date = class extends Right {
        constructor(...given) { given.length ? super(...given) : super(now()); }
        static now() { return now(); }
    };
}
";

/// The page for a device whose clock is so many days ahead.
async fn page_with_clock(relay: &Relay, days: i32) -> (Site, SocketAddr) {
    let site = Site::copy(relay).await;
    let program = site.path("/chanterelle-web-", ".js");
    site.change(&program, |text| DAYS_OFF.replace("DAYS", &days.to_string()) + text);
    let address = site.serve();
    (site, address)
}

/// The same with the clock set right.
fn set_right(site: &Site) {
    let program = site.path("/chanterelle-web-", ".js");
    site.change(&program, |text| text.split_once("};\n}\n").expect("it was put there").1.to_owned());
}

/// Service workers would keep the page as it was.
async fn without_service_worker(browser: &Browser) {
    let without = json!({"source": "delete Navigator.prototype.serviceWorker"});
    let done = browser.devtools("Page.addScriptToEvaluateOnNewDocument", without).await;
    done.expect("the driver runs scripts early");
}

async fn clock_alert(browser: &Browser, there: bool) {
    wait::until(&format!("an alert about the clock: {there}"), async || {
        let alerts = browser.alerts().await?;
        let found = alerts.iter().any(|text| text.contains("clock of this device looks wrong"));
        wait::holds(found == there, || format!("the alerts are {alerts:?}"))
    })
    .await;
}

#[test]
fn what_is_written_a_day_ahead_stays_saved() {
    play("what_is_written_a_day_ahead_stays_saved", async |stage| {
        // The page comes from a server that is no relay.
        stage.do_not_watch();
        let relay = stage.relay().await;
        let (site, address) = page_with_clock(&relay, 1).await;
        let [early, answer] = ["early", "answer"].map(|about| stage.word(about));
        let (a, b) = (stage.browser("a").await, stage.browser("b").await);
        without_service_worker(&a).await;
        a.open(&format!("http://{address}/b/clocks?lang=en")).await;
        clock_alert(&a, true).await;
        let b_thread = {
            b.open(&relay.url("/b/clocks?lang=en")).await;
            b.new_thread("Right", &answer).await
        };
        // Nobody is banned: what others write still comes.
        a.open(&format!("http://{address}{b_thread}?lang=en")).await;
        a.post_with(&answer).await;
        a.watch_states().await;
        a.reply(&early).await;
        let reply = a.post_with(&early).await;
        let tomorrow = a.script("return new Date().toISOString().slice(0, 10)", &[]).await.expect("a day");
        let day = tomorrow.as_str().expect("a day");
        assert!(reply.text.contains(day), "written on {day}: {}", reply.text);
        a.post_in_state(&reply.id, "saved").await;
        a.open(&format!("http://{address}/peers?lang=en")).await;
        wait::until("the relay not to confirm it", async || {
            let list = a.one(Scope::Page, "list", "Peers").await?;
            let text = list.text().await.map_err(|error| error.to_string())?;
            wait::holds(text.contains("has not confirmed"), || text)
        })
        .await;

        // With the clock set right the alert is gone, the post is still there, and new ones are sent.
        set_right(&site);
        let later = stage.word("later");
        a.open(&format!("http://{address}{b_thread}?lang=en")).await;
        a.post_in_state(&reply.id, "saved").await;
        a.reply(&later).await;
        let reply = a.post_with(&later).await;
        a.post_in_state(&reply.id, "sent").await;
        clock_alert(&a, false).await;
        b.post_with(&later).await;
        assert!(b.posts().await.expect("a thread").iter().all(|post| !post.comment.contains(&early)));
    });
}

#[test]
fn what_comes_to_a_tab_a_day_behind_is_shown_once_the_clock_is_right() {
    play("what_comes_to_a_tab_a_day_behind_is_shown_once_the_clock_is_right", async |stage| {
        stage.do_not_watch();
        let relay = stage.relay().await;
        let (site, address) = page_with_clock(&relay, -1).await;
        let [words, answer] = ["words", "answer"].map(|about| stage.word(about));
        let (a, b) = (stage.browser("a").await, stage.browser("b").await);
        without_service_worker(&a).await;
        a.open(&format!("http://{address}/b/clocks?lang=en")).await;
        clock_alert(&a, true).await;
        b.open(&relay.url("/b/clocks?lang=en")).await;
        let thread = b.new_thread("Clocks", &words).await;
        let op = b.post_with(&words).await;
        b.post_in_state(&op.id, "sent").await;

        // What it writes itself is taken as written a day ago.
        a.new_thread("Behind", &answer).await;
        let own = a.post_with(&answer).await;
        a.post_in_state(&own.id, "sent").await;

        set_right(&site);
        a.open(&format!("http://{address}{thread}?lang=en")).await;
        a.post_with(&words).await;
        clock_alert(&a, false).await;
        a.find(Scope::Page, "form", "Reply").await;
    });
}
