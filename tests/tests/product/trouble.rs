//! What goes wrong around the page: a browser that crashes, a browser that cannot run it.

use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::stage::play;
use chanterelle_e2e::wait;
use serde_json::json;

async fn alert_with(browser: &Browser, words: &str) {
    wait::until(&format!("an alert with {words:?}"), async || {
        let alerts = browser.alerts().await?;
        wait::holds(alerts.iter().any(|text| text.contains(words)), || format!("the alerts are {alerts:?}"))
    })
    .await;
}

#[test]
fn a_saved_post_survives_a_crash_of_the_browser() {
    play("a_saved_post_survives_a_crash_of_the_browser", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let [before, saved] = ["before", "saved"].map(|about| stage.word(about));
        a.open(&relay.url("/b/storms?lang=en")).await;
        let thread = a.new_thread("Storm", &before).await;
        let op = a.post_with(&before).await;
        a.post_in_state(&op.id, "sent").await;

        // Nobody else has the reply when the browser dies.
        relay.stop().await;
        a.reply(&saved).await;
        let reply = a.post_with(&saved).await;
        a.post_in_state(&reply.id, "saved").await;
        let profile = a.crash();

        relay.start_again().await;
        let b = stage.browser_with("b", profile).await;
        b.open(&relay.url(&format!("{thread}?lang=en"))).await;
        b.post_in_state(&reply.id, "sent").await;
        b.post_in_state(&op.id, "sent").await;
        let c = stage.browser("c").await;
        c.open(&relay.url(&format!("{thread}?lang=en"))).await;
        assert_eq!(c.post_with(&saved).await.id, reply.id);
    });
}

#[test]
fn without_webassembly_the_page_explains() {
    play("without_webassembly_the_page_explains", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let without = json!({"source": "delete globalThis.WebAssembly"});
        a.devtools("Page.addScriptToEvaluateOnNewDocument", without)
            .await
            .expect("the driver runs scripts early");
        a.goto(&relay.url("/?lang=en")).await;
        assert_eq!(a.script("return typeof WebAssembly", &[]).await, Ok("undefined".into()));
        alert_with(&a, "WebAssembly").await;
        assert_eq!(
            a.all(Scope::Page, "status", None).await.expect("the page is quiet").len(),
            0,
            "nothing is under way"
        );
    });
}
